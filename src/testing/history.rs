//! Histories as lists of abstract steps, which shrink without ceasing to make sense.

use super::actions;
use super::assembly::{Assembly, prediction};
use super::signer::Signatures;
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::consensus::ConsensusStep;
use crate::governance::digest::Digest;
use crate::governance::event::RecoveryRecorded;
use crate::governance::id::{GrantId, NodeId, ProposalId};
use crate::governance::kind::AuthorizationKind;
use crate::governance::policy::Policy;
use crate::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, NewKey, RevocationTerms,
};
use crate::governance::rejection::Rejection;
use crate::governance::scope::Scope;
use crate::governance::state::freeze::Freeze;
use crate::governance::state::registry::NodeStatus;
use crate::governance::time::{Seconds, Timestamp};
use crate::ledger::{Ledger, MemoryLedger};

/// A founding and what is tried after it.
///
/// Every list of steps gives a valid ledger: what the rules refuse leaves no trace. So any step
/// can be taken out, and the rest still makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The founders' weights.
    pub weights: Vec<u64>,
    /// The policy that they agree on.
    pub policy: Policy,
    /// What is tried, in order.
    pub steps: Vec<Step>,
}

/// Something that is tried.
///
/// Nodes are meant by their number, proposals by how many were opened since (0 is the newest);
/// both wrap around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Seconds pass.
    Wait(u64),
    /// A node proposes something.
    Propose {
        /// Who.
        by: usize,
        /// What.
        matter: Matter,
    },
    /// A node proposes something and everybody approves.
    Agree {
        /// Who proposes.
        by: usize,
        /// What.
        matter: Matter,
    },
    /// A node votes, perhaps again and otherwise.
    Vote {
        /// Who.
        by: usize,
        /// On which proposal.
        proposal: usize,
        /// How.
        decision: Decision,
    },
    /// The first nodes vote one after the other.
    Round {
        /// On which proposal.
        proposal: usize,
        /// How each of them votes.
        decisions: Vec<Decision>,
    },
    /// The proposer withdraws.
    Withdraw {
        /// Which proposal.
        proposal: usize,
    },
    /// Somebody closes a proposal.
    Close {
        /// Which proposal.
        proposal: usize,
    },
    /// Somebody executes a decision.
    Execute {
        /// Which proposal.
        proposal: usize,
    },
    /// A node changes its own key.
    Rotate {
        /// Who.
        by: usize,
    },
    /// Somebody shows two contradictory ballots that were not cast.
    Accuse {
        /// Whose.
        node: usize,
        /// On which proposal.
        proposal: usize,
    },
    /// Somebody shows two checkpoints of one node that contradict each other.
    AccuseOfFork {
        /// Whose.
        node: usize,
    },
    /// Somebody shows two votes of one node in one round of consensus.
    AccuseInConsensus {
        /// Whose.
        node: usize,
    },
    /// A model predicts something.
    Predict {
        /// Which model.
        model: usize,
        /// Whether in the environment `prod` or in none.
        in_prod: bool,
    },
    /// A crash was recovered from.
    Recover,
    /// Somebody puts the state under the chain.
    Checkpoint,
}

/// What is proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// A model may run.
    AuthorizeModel {
        /// Which one.
        model: usize,
        /// Only in the environment `prod`.
        in_prod: bool,
        /// For so many seconds from now on.
        seconds: Option<u64>,
    },
    /// An agent may act.
    AuthorizeAgent {
        /// Which one.
        agent: usize,
    },
    /// A model's grants end.
    RevokeModel {
        /// Which model.
        model: usize,
        /// Only its newest grant.
        newest: bool,
    },
    /// An agent's grants end.
    RevokeAgent {
        /// Which agent.
        agent: usize,
    },
    /// A node joins.
    AddNode {
        /// With which weight.
        weight: u64,
    },
    /// A node goes.
    RemoveNode {
        /// Which one.
        node: usize,
    },
    /// The policy changes.
    UpdatePolicy(Box<Policy>),
    /// A model, or everything, is frozen.
    Freeze {
        /// Which model; everything, where there is none.
        model: Option<usize>,
        /// For so many seconds from now on.
        seconds: u64,
    },
    /// A freeze ends early.
    LiftFreeze {
        /// Which of those that are on.
        freeze: usize,
    },
    /// An agent's newest grant is passed on.
    Delegate {
        /// Whose grant.
        from: usize,
        /// To whom.
        to: usize,
    },
    /// A delegation ends.
    RevokeDelegation {
        /// Whose.
        agent: usize,
    },
    /// A suspended node comes back.
    Reinstate {
        /// Which of those that are suspended.
        node: usize,
    },
    /// A node gets another key.
    ReplaceKey {
        /// Which one.
        node: usize,
    },
}

/// A history that was played.
#[derive(Debug)]
pub struct Played<L = MemoryLedger> {
    /// The ledger that it led to.
    pub assembly: Assembly<L>,
    /// The refusals on the way.
    pub refusals: Vec<Rejection>,
}

impl History {
    /// Plays the history in memory, with stand-in signatures.
    #[must_use]
    pub fn play(&self) -> Played {
        self.play_on(MemoryLedger::new(), Signatures::StandIn)
    }

    /// Plays the history on an empty ledger.
    #[must_use]
    pub fn play_on<L: Ledger>(&self, ledger: L, signatures: Signatures) -> Played<L> {
        let policy = self.policy.clone();
        let mut played = Played {
            assembly: Assembly::found(ledger, policy, &self.weights, signatures),
            refusals: Vec::new(),
        };
        for step in &self.steps {
            played.take(step);
        }
        played
    }
}

impl<L: Ledger> Played<L> {
    /// Tries one more step.
    pub fn take(&mut self, step: &Step) {
        let mut refusals = std::mem::take(&mut self.refusals);
        self.take_by(step, |assembly, command| {
            refusals.extend(assembly.submit(&command).err());
        });
        self.refusals = refusals;
    }

    /// Makes the commands of one more step, and leaves it to `submit` what becomes of them.
    pub fn take_by(&mut self, step: &Step, mut submit: impl FnMut(&mut Assembly<L>, Command)) {
        for command in self.commands(step) {
            // A ballot must name what is recorded by now, so commands are made one by one.
            if let Some(command) = command(&mut self.assembly) {
                submit(&mut self.assembly, command);
            }
        }
    }

    fn commands(&mut self, step: &Step) -> Vec<Attempt<L>> {
        match step {
            Step::Wait(seconds) => {
                self.assembly.wait(*seconds);
                Vec::new()
            }
            Step::Round {
                proposal,
                decisions,
            } => {
                let votes = decisions.iter().enumerate();
                votes
                    .map(|(by, decision)| vote(by, *proposal, *decision))
                    .collect()
            }
            Step::Vote {
                by,
                proposal,
                decision,
            } => vec![vote(*by, *proposal, *decision)],
            Step::Propose { by, matter } => vec![propose(*by, matter.clone())],
            Step::Agree { by, matter } => {
                let votes = (0..MOST_VOTERS).map(|by| vote(by, 0, Decision::Approve));
                std::iter::once(propose(*by, matter.clone()))
                    .chain(votes)
                    .collect()
            }
            Step::Withdraw { proposal } => on(*proposal, |assembly, proposal| {
                let withdrawal = assembly.withdrawal(proposal);
                let signer = assembly.signer_of(withdrawal.proposer);
                Command::Withdraw(signer.sign(withdrawal))
            }),
            Step::Close { proposal } => on(*proposal, |_, proposal| Command::Close(proposal)),
            Step::Execute { proposal } => on(*proposal, |_, proposal| Command::Execute(proposal)),
            Step::Rotate { by } => {
                let by = *by;
                vec![Box::new(move |assembly| {
                    let by = wrap(by, assembly);
                    let (_, new_key) = assembly.new_key(assembly.id(by));
                    let rotation = assembly.rotation(new_key);
                    Some(Command::RotateKey(assembly.sign(by, rotation)))
                })]
            }
            Step::Accuse { node, proposal } => {
                let node = *node;
                on(*proposal, move |assembly, proposal| {
                    let node = wrap(node, assembly);
                    Command::SubmitEvidence(assembly.equivocation(node, proposal))
                })
            }
            Step::AccuseOfFork { node } => {
                let node = *node;
                vec![Box::new(move |assembly| {
                    let heads = assembly.contradicting_heads(wrap(node, assembly));
                    Some(Command::SubmitContradictingHeads(Box::new(heads)))
                })]
            }
            Step::AccuseInConsensus { node } => {
                let node = *node;
                vec![Box::new(move |assembly| {
                    let node = wrap(node, assembly);
                    let found = assembly.consensus_equivocation(node, 1, ConsensusStep::Prevote);
                    Some(Command::SubmitConsensusEquivocation(Box::new(found)))
                })]
            }
            Step::Predict { model, in_prod } => {
                let mut report = prediction(&subject_name(*model));
                if *in_prod {
                    (report.context.set("environment", "prod")).expect("a key and a value");
                }
                vec![Box::new(move |_| Some(Command::RecordPrediction(report)))]
            }
            Step::Checkpoint => vec![Box::new(|_| Some(Command::RecordCheckpoint(None)))],
            Step::Recover => vec![Box::new(|_| {
                Some(Command::RecordRecovery(RecoveryRecorded {
                    bytes: 1,
                    offset: 1,
                    sha256: Digest::of(b"tail"),
                }))
            })],
        }
    }
}

/// Makes a command of what is recorded when its turn comes.
type Attempt<L> = Box<dyn FnOnce(&mut Assembly<L>) -> Option<Command>>;

fn on<L: Ledger>(
    proposal: usize,
    make: impl FnOnce(&mut Assembly<L>, ProposalId) -> Command + 'static,
) -> Vec<Attempt<L>> {
    vec![Box::new(move |assembly| {
        let proposal = nth_newest(assembly, proposal)?;
        Some(make(assembly, proposal))
    })]
}

/// How many nodes approve where everybody does; a node that approves twice does no harm.
const MOST_VOTERS: usize = 10;

fn propose<L: Ledger>(by: usize, matter: Matter) -> Attempt<L> {
    Box::new(move |assembly| {
        let by = wrap(by, assembly);
        let action = action(assembly, &matter)?;
        let draft = assembly.draft(by, action);
        Some(Command::Propose(assembly.sign(by, draft)))
    })
}

fn vote<L: Ledger>(by: usize, proposal: usize, decision: Decision) -> Attempt<L> {
    Box::new(move |assembly| {
        let by = wrap(by, assembly);
        let proposal = nth_newest(assembly, proposal)?;
        Some(Command::Vote(
            assembly.signed_ballot(by, proposal, decision),
        ))
    })
}

fn wrap<L: Ledger>(number: usize, assembly: &Assembly<L>) -> usize {
    number % assembly.signer_count()
}

fn nth_newest<L: Ledger>(assembly: &Assembly<L>, back: usize) -> Option<ProposalId> {
    let proposals = assembly.state().proposals();
    let count = proposals.iter().count();
    let back = back.checked_rem(count)?;
    proposals
        .iter()
        .nth_back(back)
        .map(|proposal| proposal.id())
}

/// There are few subjects, so that grants and revocations meet.
fn subject_name(number: usize) -> String {
    (number % 3).to_string()
}

fn action<L: Ledger>(assembly: &mut Assembly<L>, matter: &Matter) -> Option<Action> {
    Some(match matter {
        Matter::AuthorizeModel {
            model,
            in_prod,
            seconds,
        } => Action::AuthorizeModel(GrantTerms {
            expires_at: seconds.and_then(|seconds| later(assembly, seconds)),
            scope: scope(*in_prod),
            ..GrantTerms::unrestricted(actions::model(&subject_name(*model)))
        }),
        Matter::AuthorizeAgent { agent } => actions::authorize_agent(&subject_name(*agent)),
        Matter::RevokeModel { model, newest } => {
            let subject = actions::model(&subject_name(*model));
            let authorizations = assembly.state().authorizations();
            let grants = authorizations.of(AuthorizationKind::Model, &subject);
            let newest = grants.last().filter(|_| *newest);
            Action::RevokeModel(RevocationTerms {
                grant_id: newest.map(|(id, _)| id),
                subject,
            })
        }
        Matter::RevokeAgent { agent } => actions::revoke_agent(&subject_name(*agent)),
        Matter::AddNode { weight } => Action::AddNode(assembly.newcomer(*weight)),
        Matter::RemoveNode { node } => actions::remove_node(assembly.id(wrap(*node, assembly))),
        Matter::UpdatePolicy(policy) => actions::update_policy(policy.as_ref().clone()),
        Matter::Freeze { model, seconds } => Action::EmergencyFreeze {
            target: target(*model),
            until: later(assembly, *seconds)?,
        },
        Matter::LiftFreeze { freeze } => Action::LiftFreeze {
            target: frozen(assembly, *freeze)?,
        },
        Matter::Delegate { from, to } => Action::Delegation(DelegationTerms {
            parent: newest_agent_grant(assembly, *from)?,
            terms: GrantTerms::unrestricted(actions::agent(&subject_name(*to))),
        }),
        Matter::RevokeDelegation { agent } => Action::RevokeDelegation(RevocationTerms {
            grant_id: None,
            subject: actions::agent(&subject_name(*agent)),
        }),
        Matter::Reinstate { node } => {
            let node = suspended(assembly, *node)?;
            Action::ReinstateNode(assembly.new_key(node).1)
        }
        Matter::ReplaceKey { node } => Action::ReplaceKey(new_key(assembly, *node)),
    })
}

fn target(model: Option<usize>) -> FreezeTarget {
    model.map_or(FreezeTarget::Everything, |model| {
        FreezeTarget::Subject(actions::model(&subject_name(model)))
    })
}

/// The target of one of the freezes that are on.
fn frozen<L: Ledger>(assembly: &Assembly<L>, freeze: usize) -> Option<FreezeTarget> {
    let freezes = assembly.state().authorizations().freezes();
    let on: Vec<&Freeze> = freezes
        .on(assembly.now())
        .map(|(_, freeze)| freeze)
        .collect();
    let freeze = on.get(freeze.checked_rem(on.len())?)?;
    Some(freeze.target().clone())
}

/// One of the suspended nodes.
fn suspended<L: Ledger>(assembly: &Assembly<L>, node: usize) -> Option<NodeId> {
    let registry = assembly.state().registry();
    let suspended: Vec<NodeId> = registry
        .iter()
        .filter(|(_, node)| node.status() == NodeStatus::Suspended)
        .map(|(id, _)| id)
        .collect();
    suspended.get(node.checked_rem(suspended.len())?).copied()
}

/// The newest grant of an agent's own, or else the newest that was passed on to it.
fn newest_agent_grant<L: Ledger>(assembly: &Assembly<L>, agent: usize) -> Option<GrantId> {
    let subject = actions::agent(&subject_name(agent));
    let grants = assembly.state().authorizations();
    [AuthorizationKind::Agent, AuthorizationKind::Delegation]
        .into_iter()
        .find_map(|kind| grants.of(kind, &subject).last())
        .map(|(id, _)| id)
}

fn new_key<L: Ledger>(assembly: &mut Assembly<L>, node: usize) -> NewKey {
    let node = assembly.id(wrap(node, assembly));
    assembly.new_key(node).1
}

fn later<L: Ledger>(assembly: &Assembly<L>, seconds: u64) -> Option<Timestamp> {
    Some(assembly.now().saturating_add(Seconds::new(seconds)?))
}

fn scope(in_prod: bool) -> Scope {
    let mut scope = Scope::unrestricted();
    if in_prod {
        (scope.allow("environment", "prod")).expect("a key and a value");
    }
    scope
}
