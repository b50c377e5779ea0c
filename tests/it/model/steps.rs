//! The vocabulary of sessions: a founding, and steps after it.
//!
//! A step names nodes, keys and proposals by numbers that are its own, so that it means the same
//! thing whatever stands before it. `Display` gives the line of a transcript; `Debug` gives the
//! value as it is written in a scenario.

use std::fmt;

use althing::governance::ballot::Decision;
use althing::governance::consensus::ConsensusStep;
use althing::governance::kind::AuthorizationKind;

/// How a ledger begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    pub weights: Vec<u64>,
    pub rules: Rules,
    /// Foundings that are tried first and must be refused.
    pub false_starts: Vec<FalseStart>,
}

/// What is wrong with a founding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FalseStart {
    NoFounders,
    SameId,
    SameName,
    TooHeavy,
    BadPolicy(Flaw),
    MissingSignature,
    SwappedKeys,
    OthersSignature,
}

/// A policy, as departures from a preset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `Policy::uniform()` instead of `Policy::default()`.
    pub uniform: bool,
    /// Decisions wait for the deadline.
    pub late: bool,
    /// Quorum and approval of the default rule, in ninths.
    pub shares: Option<(u64, u64)>,
    pub timelock: u64,
    pub window: u64,
    /// A freeze waits for no timelock.
    pub swift_freeze: bool,
    pub evidence: u64,
    pub depth: u64,
    pub most_open: u64,
    /// Predictions without a grant are refused.
    pub strict: bool,
    /// The quorum may never go below a half.
    pub floors: bool,
    pub flaw: Option<Flaw>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            uniform: false,
            late: false,
            shares: None,
            timelock: 0,
            window: 14 * 86_400,
            swift_freeze: false,
            evidence: 30 * 86_400,
            depth: 3,
            most_open: 16,
            strict: false,
            floors: false,
            flaw: None,
        }
    }
}

/// Why a policy can't stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    NobodyProposes,
    NoWindow,
    NoVoting,
    NoCondition,
    ZeroApproval,
    FullAbsolute,
    OtherFloors,
    BelowFloors,
}

/// One step of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Seconds pass.
    Wait(u64),
    Propose {
        by: usize,
        label: u32,
        matter: Matter,
        twist: Option<Twist>,
    },
    Vote {
        by: usize,
        on: u32,
        decision: Decision,
        twist: Option<Twist>,
    },
    Withdraw {
        on: u32,
        twist: Option<Twist>,
    },
    Close(u32),
    Execute(u32),
    /// A node changes its own key.
    Rotate {
        node: usize,
        key: usize,
        twist: Option<Twist>,
    },
    /// Somebody shows two contradictory ballots of a node.
    Accuse {
        node: usize,
        on: u32,
        twist: Option<Twist>,
    },
    Predict {
        model: usize,
        in_prod: bool,
        twist: Option<Twist>,
    },
    Recover,
    /// The state is put under the chain.
    Checkpoint(Option<Claim>),
    /// Somebody shows two contradicting checkpoints of a node: of one size, or of two.
    Fork {
        node: usize,
        grown: bool,
        twist: Option<Twist>,
    },
    /// Somebody shows two contradicting messages of consensus of a node.
    Equivocate {
        node: usize,
        step: ConsensusStep,
        twist: Option<Twist>,
    },
    /// What was submitted so many orders ago comes again, byte by byte.
    Again(usize),
    /// The same as the next step would be, one second before the last entry.
    Early(Box<Self>),
    /// Several at once: all of them are recorded or none.
    Together(Vec<Self>),
}

/// What whoever records a checkpoint claims of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    Right,
    OtherState,
    OtherRegistry,
    OtherRoot,
    OtherCount,
}

impl Claim {
    /// What the coverage table calls it, if it is wrong.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Right => None,
            Self::OtherState => Some("with a claim of another state"),
            Self::OtherRegistry => Some("with a claim of another registry"),
            Self::OtherRoot => Some("with a claim of another root over the grants"),
            Self::OtherCount => Some("with a claim of another number of grants"),
        }
    }
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    Authorize(Whom, Terms),
    Delegate {
        parent: u32,
        to: usize,
        terms: Terms,
    },
    /// Ends all grants, or the one that a proposal gave.
    Revoke {
        kind: AuthorizationKind,
        whom: Whom,
        grant: Option<u32>,
    },
    AddNode {
        node: usize,
        weight: u64,
    },
    RemoveNode(usize),
    UpdatePolicy(Rules),
    Freeze {
        whom: Option<Whom>,
        seconds: u64,
    },
    Lift(Option<Whom>),
    Reinstate {
        node: usize,
        key: usize,
    },
    ReplaceKey {
        node: usize,
        key: usize,
    },
}

/// A subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    Model(usize),
    Agent(usize),
}

/// The terms of a grant; times in seconds from the proposal on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    pub in_prod: bool,
    pub limit: Option<u64>,
    pub starts: Option<u64>,
    pub ends: Option<u64>,
}

/// What is wrong with a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Twist {
    /// The statement names another ledger.
    OtherLedger,
    /// Another node signs it.
    SignedBy(usize),
    /// The first key of the node signs it.
    FirstKey,
    /// The signature is nobody's.
    Unsigned,
    /// It names another proposal hash.
    OtherHash,
    /// It names a proposal, grant or node that does not exist.
    Nowhere,
    /// It takes the id of an earlier proposal.
    SameId(u32),
    /// It takes the id of the voter's first ballot.
    SameVoteId,
    /// It claims to be cast so many seconds after the deadline.
    CastLate(u64),
    /// Its parameters take so many bytes.
    Parameters(usize),
    /// The new key's possession is not shown.
    NoPossession,
    /// The new key is shown under another name.
    OtherName,
    /// The new key is that of a number.
    Key(usize),
    /// The newcomer has the id of a node.
    Id(usize),
    /// The newcomer has the name of a node.
    Name(usize),
    /// Somebody else withdraws.
    WithdrawnBy(usize),
    /// Both halves of the evidence say the same.
    Agreeing,
    /// The second ballot of the evidence is another node's.
    TwoVoters(usize),
    /// Only the second ballot of the evidence names another hash.
    TwoHashes,
    /// The second half of the evidence is signed by another node.
    SecondSignedBy(usize),
    /// The checkpoints name another genesis.
    OtherGenesis,
    /// The prediction took longer than a number may say.
    TookForEver,
}

impl Twist {
    /// What the coverage table calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OtherLedger => "for another ledger",
            Self::SignedBy(_) => "signed by another node",
            Self::FirstKey => "signed with a former key",
            Self::Unsigned => "with nobody's signature",
            Self::OtherHash => "for another proposal hash",
            Self::Nowhere => "about what does not exist",
            Self::SameId(_) => "with a used proposal id",
            Self::SameVoteId => "with a used vote id",
            Self::CastLate(_) => "cast after the deadline",
            Self::Parameters(_) => "with large parameters",
            Self::NoPossession => "with no proof of possession",
            Self::OtherName => "with a proof of possession for another name",
            Self::Key(_) => "with a used key",
            Self::Id(_) => "with another's node id",
            Self::Name(_) => "with a taken name",
            Self::WithdrawnBy(_) => "withdrawn by another node",
            Self::Agreeing => "evidence of what agrees",
            Self::OtherGenesis => "for another genesis",
            Self::TwoVoters(_) => "evidence of two voters",
            Self::TwoHashes => "evidence of two histories",
            Self::SecondSignedBy(_) => "evidence half of which another node signed",
            Self::TookForEver => "with a duration beyond all numbers",
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for false_start in &self.false_starts {
            writeln!(f, "   try to found: {false_start:?}")?;
        }
        write!(
            f,
            "   found by nodes of weight {:?}{}",
            self.weights, self.rules
        )
    }
}

impl fmt::Display for Rules {
    /// Only what departs from the preset.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        let name = if self.uniform { "uniform" } else { "default" };
        write!(f, ", {name} policy")?;
        let numbers = [
            ("timelock", self.timelock, usual.timelock),
            ("window", self.window, usual.window),
            ("evidence window", self.evidence, usual.evidence),
            ("delegation depth", self.depth, usual.depth),
            ("most open proposals", self.most_open, usual.most_open),
        ];
        for (what, is, usually) in numbers {
            if is != usually {
                write!(f, ", {what} {is}")?;
            }
        }
        let switches = [
            ("no early decision", self.late),
            ("freezes without timelock", self.swift_freeze),
            ("predictions need a grant", self.strict),
            ("with floors", self.floors),
        ];
        for (what, _) in switches.iter().filter(|(_, on)| *on) {
            write!(f, ", {what}")?;
        }
        if let Some((quorum, approval)) = self.shares {
            write!(f, ", quorum {quorum}/9, approval {approval}/9")?;
        }
        self.flaw.map_or(Ok(()), |flaw| write!(f, ", {flaw:?}"))
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(number) => write!(f, "model {number}"),
            Self::Agent(number) => write!(f, "agent {number}"),
        }
    }
}

impl fmt::Display for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_prod {
            f.write_str(" in prod")?;
        }
        for (what, value) in [
            ("limited to", self.limit),
            ("from second", self.starts),
            ("until second", self.ends),
        ] {
            if let Some(value) = value {
                write!(f, " {what} {value}")?;
            }
        }
        Ok(())
    }
}

/// A freeze's target.
struct Target(Option<Whom>);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("everything"),
            Some(whom) => whom.fmt(f),
        }
    }
}

impl fmt::Display for Matter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorize(whom, terms) => write!(f, "authorize {whom}{terms}"),
            Self::Delegate { parent, to, terms } => {
                write!(f, "delegate grant #{parent} to agent {to}{terms}")
            }
            Self::Revoke { kind, whom, grant } => match grant {
                None => write!(f, "revoke all {} grants of {whom}", kind.name()),
                Some(grant) => write!(f, "revoke the {} grant #{grant} of {whom}", kind.name()),
            },
            Self::AddNode { node, weight } => write!(f, "add node {node} of weight {weight}"),
            Self::RemoveNode(node) => write!(f, "remove node {node}"),
            Self::UpdatePolicy(rules) => write!(f, "update the policy{rules}"),
            Self::Freeze { whom, seconds } => {
                write!(f, "freeze {} for {seconds} s", Target(*whom))
            }
            Self::Lift(whom) => write!(f, "lift the freeze of {}", Target(*whom)),
            Self::Reinstate { node, key } => write!(f, "reinstate node {node} with key {key}"),
            Self::ReplaceKey { node, key } => write!(f, "replace the key of node {node} by {key}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let twist = match self {
            Self::Wait(seconds) => return write!(f, "wait {seconds} s"),
            Self::Close(on) => return write!(f, "close #{on}"),
            Self::Execute(on) => return write!(f, "execute #{on}"),
            Self::Recover => return f.write_str("record a recovery"),
            Self::Checkpoint(claim) => {
                f.write_str("record a checkpoint")?;
                let wrong = claim.and_then(Claim::name);
                return wrong.map_or(Ok(()), |wrong| write!(f, " ({wrong})"));
            }
            Self::Again(back) => return write!(f, "submit again what came {back} orders ago"),
            Self::Early(step) => return write!(f, "a second before the last entry: {step}"),
            Self::Together(steps) => {
                f.write_str("together:")?;
                for step in steps {
                    write!(f, "\n        {step}")?;
                }
                return Ok(());
            }
            Self::Propose {
                by,
                label,
                matter,
                twist,
            } => {
                write!(f, "node {by} proposes #{label}: {matter}")?;
                twist
            }
            Self::Vote {
                by,
                on,
                decision,
                twist,
            } => {
                write!(f, "node {by} votes {decision} on #{on}")?;
                twist
            }
            Self::Withdraw { on, twist } => {
                write!(f, "the proposer withdraws #{on}")?;
                twist
            }
            Self::Rotate { node, key, twist } => {
                write!(f, "node {node} rotates to key {key}")?;
                twist
            }
            Self::Accuse { node, on, twist } => {
                write!(f, "somebody accuses node {node} on #{on}")?;
                twist
            }
            Self::Fork { node, grown, twist } => {
                let sizes = if *grown { "two sizes" } else { "one size" };
                write!(
                    f,
                    "somebody shows two checkpoints of {sizes} by node {node}"
                )?;
                twist
            }
            Self::Equivocate { node, step, twist } => {
                write!(
                    f,
                    "somebody shows two of what node {node} said: {}",
                    step.name()
                )?;
                twist
            }
            Self::Predict {
                model,
                in_prod,
                twist,
            } => {
                let place = if *in_prod { " in prod" } else { "" };
                write!(f, "model {model} predicts{place}")?;
                twist
            }
        };
        twist.map_or(Ok(()), |twist| write!(f, " ({}: {twist:?})", twist.name()))
    }
}
