//! A reference model of the rules, written from the specification in the plainest way.
//!
//! It keeps lists of what was accepted and computes everything else from them, each time anew: the
//! electorate from the changes of membership before the opening, the count from the ballots, the
//! grants in force from the decisions that were carried out. It shares data types with the engine
//! and no rule: an error in one of them shows as a difference between both.
//!
//! It does not read bytes, check signatures or hash anything. Whoever drives it says under which
//! key a statement verifies ([`Told`]) and which hash a proposal got ([`Model::learn_hash`]).

mod ballots;
mod conditions;
mod consequences;
mod count;
mod founding;
mod grants;
mod members;
mod opening;
mod outlook;

use std::collections::BTreeMap;

use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::{GrantId, LedgerId, NodeId, ProposalId, Subject, VoteId};
use crate::governance::kind::AuthorizationKind;
use crate::governance::policy::Policy;
use crate::governance::prediction::Prediction;
use crate::governance::proposal::{Action, FreezeTarget, GrantTerms};
use crate::governance::time::Timestamp;

pub use count::Count;
pub use founding::ToldFounder;

/// A key, by a number that the driver gives it.
pub type Key = usize;

/// A place in the history behind all of its entries.
const NOW: u64 = u64::MAX;

/// What the driver says about the signatures of a command.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The key under which the statement, or the first ballot of the evidence, verifies.
    pub signed_by: Option<Key>,
    /// The key under which the second ballot of the evidence verifies.
    pub second_signed_by: Option<Key>,
    /// The key that the command would register.
    pub new_key: Option<ToldKey>,
    /// What is wrong with what the command claims of the state's hashes.
    pub wrong_claim: Option<WrongClaim>,
    /// What the driver says about the checkpoints that the command shows.
    pub heads: ToldHeads,
}

/// What of a checkpoint's claim differs from what the engine computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongClaim {
    /// The hash of the state.
    State,
    /// The hash of the registry.
    Registry,
    /// The root over the live grants or their number.
    Grants,
}

/// What the driver says about two checkpoints, where it takes hashing to tell.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToldHeads {
    /// Whether they name another genesis than the ledger's.
    pub other_genesis: bool,
    /// Whether it is proved that the larger one's tree does not begin with the smaller one's.
    pub diverge: bool,
}

/// What the driver says about a key that a command would register.
#[derive(Debug, Clone)]
pub struct ToldKey {
    /// Its number.
    pub key: Key,
    /// The node id that it hashes to.
    pub gives: NodeId,
    /// Whether its proof of possession verifies.
    pub possession: bool,
}

/// What the rules make of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is recorded, and this follows.
    Accepted(Vec<Outcome>),
    /// It is refused, with a code.
    Refused(&'static str),
    /// It is recorded already.
    Nothing,
}

/// One thing that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A proposal is open until its deadline.
    Opened(ProposalId, Timestamp),
    /// A ballot is recorded.
    Voted(ProposalId, NodeId),
    /// A proposal is withdrawn.
    Withdrawn(ProposalId),
    /// A proposal is decided.
    Decided {
        /// Which one.
        proposal: ProposalId,
        /// `passed`, `rejected` or `expired`.
        verdict: &'static str,
        /// Why.
        reason: &'static str,
        /// Whether before the deadline.
        early: bool,
        /// Approve, reject, abstain and Byzantine.
        weights: [u64; 4],
        /// The ballots counted.
        votes: Vec<VoteId>,
    },
    /// A decision lost its majority.
    Overturned(ProposalId),
    /// A proposal was overtaken, and by what.
    Superseded(ProposalId, &'static str),
    /// A decision can't be carried out, and why.
    Failed(ProposalId, &'static str),
    /// A decision was not carried out in time.
    Lapsed(ProposalId),
    /// A grant is given.
    Granted(GrantId),
    /// Grants are ended.
    Revoked(Vec<GrantId>),
    /// The policy changes.
    PolicyChanged,
    /// A node joins.
    Joined(NodeId),
    /// A node is removed.
    Removed(NodeId),
    /// A node changed its key.
    Rotated(NodeId),
    /// A node gets another key.
    KeyReplaced(NodeId),
    /// A node takes part again.
    Reinstated(NodeId),
    /// A target is frozen.
    Frozen(ProposalId),
    /// Freezes are ended.
    Lifted(Vec<ProposalId>),
    /// Evidence is recorded.
    Convicted {
        /// Against whom.
        node: NodeId,
        /// On which proposal.
        proposal: ProposalId,
        /// Whether the node is suspended for it.
        suspended: bool,
    },
    /// Contradicting checkpoints are recorded: against whom, and whether it is suspended for it.
    Forked(NodeId, bool),
    /// Contradicting messages of consensus are recorded; as with checkpoints.
    Equivocated(NodeId, bool),
    /// A prediction is recorded, under a grant or none.
    Predicted(Option<GrantId>),
    /// A recovery is recorded.
    Recovered,
    /// The state is put under the chain, with so many live grants.
    Checkpointed(u64),
}

/// A node as it joined.
#[derive(Debug, Clone)]
struct Member {
    node: NodeId,
    name: String,
    weight: u64,
    key: Key,
}

/// A change that the epoch counts, and the founders.
#[derive(Debug, Clone)]
enum Change {
    Founder(Member),
    Joined(Member),
    Removed(NodeId),
    Suspended(NodeId),
    Rotated(NodeId, Key),
    Replaced(NodeId, Key),
    Reinstated(NodeId, Key),
    Policy(Box<Policy>),
}

/// A proposal, what was cast on it and what became of it.
#[derive(Debug, Clone)]
struct Opened {
    seq: u64,
    at: Timestamp,
    id: ProposalId,
    proposer: NodeId,
    action: Action,
    /// The number of the key that it would register.
    new_key: Option<Key>,
    hash: Option<Digest>,
    ballots: Vec<Cast>,
    ends: Vec<Ending>,
}

#[derive(Debug, Clone)]
struct Cast {
    seq: u64,
    voter: NodeId,
    decision: Decision,
    vote: VoteId,
}

#[derive(Debug, Clone)]
struct Ending {
    seq: u64,
    at: Timestamp,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Carried out in the same batch.
    Passed,
    /// Waits for somebody to execute it; `early` if it was decided before the deadline.
    Queued {
        early: bool,
    },
    Rejected,
    Expired,
    Withdrawn,
    Superseded,
    Overturned,
    Lapsed,
    Failed,
    Executed,
}

#[derive(Debug, Clone)]
struct Evidence {
    seq: u64,
    node: NodeId,
    of: Accusation,
}

/// What a node contradicted itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Accusation {
    /// Ballots on a proposal.
    Ballots(ProposalId),
    /// Checkpoints.
    Checkpoints,
    /// Messages of consensus.
    Consensus,
}

#[derive(Debug, Clone)]
struct Granted {
    seq: u64,
    id: GrantId,
    kind: AuthorizationKind,
    parent: Option<GrantId>,
    terms: GrantTerms,
}

#[derive(Debug, Clone)]
struct Revocation {
    seq: u64,
    kind: AuthorizationKind,
    subject: Subject,
    named: bool,
    ended: Vec<GrantId>,
}

#[derive(Debug, Clone)]
struct Freeze {
    seq: u64,
    id: ProposalId,
    target: FreezeTarget,
    from: Timestamp,
    until: Timestamp,
}

#[derive(Debug, Clone)]
struct Lift {
    seq: u64,
    at: Timestamp,
    freezes: Vec<ProposalId>,
}

#[derive(Debug, Clone)]
struct Predicted {
    seq: u64,
    model: Subject,
    grant: Option<GrantId>,
}

/// All that was accepted so far.
#[derive(Debug, Clone)]
pub struct Model {
    ledger: LedgerId,
    entries: u64,
    clock: Timestamp,
    first_policy: Policy,
    changes: Vec<(u64, Change)>,
    proposals: Vec<Opened>,
    evidence: Vec<Evidence>,
    grants: Vec<Granted>,
    revocations: Vec<Revocation>,
    freezes: Vec<Freeze>,
    lifts: Vec<Lift>,
    predictions: Vec<Predicted>,
}

/// What becomes of a command: something is recorded, nothing is, or it is refused.
type Caused = Result<Option<Outcome>, &'static str>;

impl Model {
    /// Takes a command at a time.
    pub fn submit(&mut self, command: &Command, told: &Told, at: Timestamp) -> Answer {
        self.submit_all(&[(command.clone(), told.clone())], at)
    }

    /// Takes commands that are recorded together or not at all.
    pub fn submit_all(&mut self, commands: &[(Command, Told)], at: Timestamp) -> Answer {
        // CKPT-12
        let mut behind_the_first = commands.iter().skip(1);
        if behind_the_first.any(|(it, _)| matches!(it, Command::RecordCheckpoint(_))) {
            return Answer::Refused("checkpoint.place");
        }
        let before = (commands.len() > 1).then(|| self.clone());
        let mut outcomes = Vec::new();
        for (command, told) in commands {
            match self.take(command, told, at) {
                Ok(some) => outcomes.extend(some),
                Err(code) => {
                    if let Some(before) = before {
                        *self = before;
                    }
                    return Answer::Refused(code);
                }
            }
        }
        if outcomes.is_empty() {
            Answer::Nothing
        } else {
            Answer::Accepted(outcomes)
        }
    }

    /// What is recorded of one command: its cause and all that follows.
    fn take(
        &mut self,
        command: &Command,
        told: &Told,
        at: Timestamp,
    ) -> Result<Vec<Outcome>, &'static str> {
        if at < self.clock {
            return Err("clock.behind-head");
        }
        let Some(first) = self.cause(command, told, at)? else {
            return Ok(Vec::new());
        };
        self.clock = at;
        let mut outcomes = vec![first];
        // DET-5
        let quiet = matches!(
            command,
            Command::Propose(_)
                | Command::Withdraw(_)
                | Command::RecordPrediction(_)
                | Command::RecordRecovery(_)
                | Command::RecordCheckpoint(_)
        );
        if !quiet {
            while let Some(next) = self.consequence(at) {
                outcomes.push(next);
            }
        }
        Ok(outcomes)
    }

    fn cause(&mut self, command: &Command, told: &Told, at: Timestamp) -> Caused {
        match command {
            Command::Propose(signed) => self.propose(signed.content(), told, at),
            Command::Vote(signed) => self.vote(signed.content(), told, at),
            Command::Withdraw(signed) => self.withdraw(signed.content(), told, at),
            Command::RotateKey(signed) => self.rotate(signed.content(), told),
            Command::Close(proposal) => self.close(*proposal, at),
            Command::Execute(proposal) => self.execute(*proposal, at),
            Command::SubmitEvidence(evidence) => {
                let (first, second) = (evidence.first.content(), evidence.second.content());
                self.submit_evidence(first, second, told, at)
            }
            Command::SubmitContradictingHeads(heads) => self.fork(heads, told),
            Command::SubmitConsensusEquivocation(found) => self.equivocation(found, told),
            Command::RecordPrediction(prediction) => self.predict(prediction, at),
            Command::RecordCheckpoint(_) => self.checkpoint(told, at),
            Command::RecordRecovery(_) => {
                self.next_entry();
                Ok(Some(Outcome::Recovered))
            }
        }
    }

    /// CKPT-10, CKPT-12
    fn checkpoint(&mut self, told: &Told, at: Timestamp) -> Caused {
        match told.wrong_claim {
            Some(WrongClaim::State) => return Err("checkpoint.state-hash"),
            Some(WrongClaim::Registry) => return Err("checkpoint.registry-hash"),
            Some(WrongClaim::Grants) => return Err("checkpoint.grants-root"),
            None => {}
        }
        self.next_entry();
        let statuses = self.grant_statuses(at).into_iter();
        let live = statuses.filter(|(_, status)| *status == "live").count();
        Ok(Some(Outcome::Checkpointed(live as u64)))
    }

    /// Says which hash the entry of a proposal got.
    pub fn learn_hash(&mut self, proposal: ProposalId, hash: Digest) {
        let mut proposals = self.proposals.iter_mut();
        if let Some(opened) = proposals.find(|it| it.id == proposal) {
            opened.hash = Some(hash);
        }
    }

    /// How many entries the history has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Takes the place of the next entry.
    const fn next_entry(&mut self) -> u64 {
        let seq = self.entries;
        self.entries += 1;
        seq
    }

    /// The time of the last entry.
    #[must_use]
    pub const fn clock(&self) -> Timestamp {
        self.clock
    }

    /// All evidence in the order of its recording: against whom, and of what.
    #[must_use]
    pub fn convictions(&self) -> Vec<(NodeId, Accusation)> {
        let evidence = self.evidence.iter();
        evidence.map(|it| (it.node, it.of)).collect()
    }

    fn place_of(&self, proposal: ProposalId) -> Option<usize> {
        self.proposals.iter().position(|it| it.id == proposal)
    }

    /// PRED-4
    fn predict(&mut self, prediction: &Prediction, at: Timestamp) -> Caused {
        if prediction.duration_ms.is_some_and(|it| it >= 1 << 53) {
            return Err("prediction.duration");
        }
        let (reason, grants, _) = self.check(
            AuthorizationKind::Model,
            &prediction.model,
            &prediction.context,
            at,
        );
        let grant = grants.first().copied().filter(|_| reason == "granted");
        let refuse = crate::governance::policy::PredictionPolicy::Refuse;
        if grant.is_none() && self.policy(NOW).predictions == refuse {
            return Err("prediction.unauthorized");
        }
        let seq = self.next_entry();
        self.predictions.push(Predicted {
            seq,
            model: prediction.model.clone(),
            grant,
        });
        Ok(Some(Outcome::Predicted(grant)))
    }

    /// The predictions of each model that ever had a grant, from its first grant on, with and
    /// without a grant in force; under `None` all others. PRED-5
    #[must_use]
    pub fn prediction_counts(&self) -> BTreeMap<Option<Subject>, (u64, u64)> {
        let mut counts = BTreeMap::from([(None, (0, 0))]);
        for grant in &self.grants {
            if grant.kind == AuthorizationKind::Model {
                counts.insert(Some(grant.terms.subject.clone()), (0, 0));
            }
        }
        for predicted in &self.predictions {
            let known = self.grants.iter().any(|grant| {
                grant.kind == AuthorizationKind::Model
                    && grant.terms.subject == predicted.model
                    && grant.seq < predicted.seq
            });
            let count = counts
                .entry(known.then(|| predicted.model.clone()))
                .or_default();
            match predicted.grant {
                Some(_) => count.0 += 1,
                None => count.1 += 1,
            }
        }
        counts
    }
}
