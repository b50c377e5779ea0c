//! What would have come of a history if something in it had not happened.
//!
//! Every cause is decided again on a state that lacks what was left out; what the rules then refuse
//! falls away. Proposals keep the hashes that their ballots signed.

use std::collections::BTreeSet;
use std::io::Read;

use serde::Serialize;

use super::{Replay, ReplayError, ReplayProblem, Role, Unchecked};
use crate::chain::lines::{Ending, LineReader};
use crate::governance::command::Command;
use crate::governance::decide::{Context, decide_in_place};
use crate::governance::event::{Event, Recorded};
use crate::governance::id::{GrantId, NodeId, ProposalId};
use crate::governance::key::SignatureVerifier;
use crate::governance::kind::ProposalKind;
use crate::governance::state::State;
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::proposal::Status;
use crate::governance::state::registry::NodeStatus;

/// What is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// One entry, which must be a cause.
    Entry(u64),
    /// Everything that a node signed. Its seat and its weight stay.
    Node(NodeId),
}

/// How the history would differ.
#[derive(Debug, Clone, Serialize)]
pub struct Counterfactual {
    /// The entries that were left out.
    pub left_out: Vec<u64>,
    /// The entries that the rules refuse without them.
    pub fallen_away: Vec<FallenAway>,
    /// The proposals that would be elsewhere in their lives.
    pub proposals: Vec<ProposalDifference>,
    /// The grants that would have another status as of the last entry.
    pub grants: Vec<GrantDifference>,
    /// The nodes that would have another status.
    pub nodes: Vec<NodeDifference>,
}

/// An entry that the rules refuse in the other history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FallenAway {
    /// The entry.
    pub seq: u64,
    /// What it recorded.
    pub operation: &'static str,
    /// The code of the refusal.
    pub code: &'static str,
}

/// A proposal in both histories; `None` where it was never opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProposalDifference {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// Its kind.
    pub kind: ProposalKind,
    /// What it is about.
    pub subject: String,
    /// Where it is.
    pub was: Status,
    /// Where it would be.
    pub without: Option<Status>,
}

/// A grant in both histories; `None` where it was never given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantDifference {
    /// The grant.
    pub grant_id: GrantId,
    /// Whose it is, or would be.
    pub subject: String,
    /// Its status.
    pub was: Option<GrantStatus>,
    /// The status that it would have.
    pub without: Option<GrantStatus>,
}

/// A node in both histories; `None` where it never joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeDifference {
    /// The node.
    pub node: NodeId,
    /// What it is called.
    pub name: String,
    /// Its status.
    pub was: NodeStatus,
    /// The status that it would have.
    pub without: Option<NodeStatus>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CounterfactualError {
    /// The history itself is refused.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The entry followed from another one.
    #[error(
        "entry {0} followed from an earlier entry, or belongs to the founding: leave out the \
         proposal, ballot or other statement that caused it"
    )]
    NotACause(u64),
    /// There is no such entry.
    #[error("there is no entry {0}")]
    NoSuchEntry(u64),
}

impl CounterfactualError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Replay(error) => error.code(),
            Self::NotACause(_) => "counterfactual.not-a-cause",
            Self::NoSuchEntry(_) => "counterfactual.no-such-entry",
        }
    }
}

/// Replays a history strictly, and beside it the one that lacks `without`.
///
/// # Errors
/// [`CounterfactualError`] where the history is refused, or `without` names nothing that could be
/// left out.
pub fn counterfactual(
    source: impl Read,
    verifier: &dyn SignatureVerifier,
    without: Without,
) -> Result<Counterfactual, CounterfactualError> {
    let mut lines = LineReader::new(source);
    let mut replay = Replay::new(verifier);
    let mut other = OtherHistory::new(without);
    loop {
        let unreadable = |error| ReplayError::new(0, 0, ReplayProblem::Read(error));
        let Some(line) = lines.next_line().map_err(unreadable)? else {
            break;
        };
        if line.ending != Ending::LineFeed {
            break;
        }
        let (recorded, role) = replay.entry(line.bytes)?;
        match role {
            Role::Founding => other.state = replay.state().cloned(),
            Role::Cause => other.live_through(&recorded),
            Role::Consequence if without == Without::Entry(recorded.seq) => {
                return Err(CounterfactualError::NotACause(recorded.seq));
            }
            Role::Consequence => {}
        }
        if role == Role::Founding && without == Without::Entry(recorded.seq) {
            return Err(CounterfactualError::NotACause(recorded.seq));
        }
    }
    let actual = replay.finish()?.state;
    match without {
        Without::Entry(seq) if other.left_out.is_empty() => {
            Err(CounterfactualError::NoSuchEntry(seq))
        }
        _ => Ok(other.compare(&actual)),
    }
}

struct OtherHistory {
    without: Without,
    /// `None` before the ledger is founded.
    state: Option<State>,
    left_out: Vec<u64>,
    fallen_away: Vec<FallenAway>,
}

impl OtherHistory {
    const fn new(without: Without) -> Self {
        Self {
            without,
            state: None,
            left_out: Vec::new(),
            fallen_away: Vec::new(),
        }
    }

    /// Decides a cause again, unless it is left out.
    fn live_through(&mut self, recorded: &Recorded) {
        let leaves_out = match self.without {
            Without::Entry(seq) => recorded.seq == seq,
            Without::Node(node) => signer(&recorded.event) == Some(node),
        };
        if leaves_out {
            self.left_out.push(recorded.seq);
            return;
        }
        let (Some(state), Some(command)) = (&mut self.state, Command::that_causes(&recorded.event))
        else {
            return;
        };
        // The replay beside this one checks the signatures.
        let context = Context {
            at: recorded.timestamp,
            verifier: &Unchecked,
        };
        match decide_in_place(state, &command, &context) {
            Ok(_) => state.settle(std::slice::from_ref(recorded)),
            Err(rejection) => self.fallen_away.push(FallenAway {
                seq: recorded.seq,
                operation: recorded.event.operation(),
                code: rejection.code(),
            }),
        }
    }

    fn compare(self, actual: &State) -> Counterfactual {
        let without = self.state.as_ref();
        Counterfactual {
            left_out: self.left_out,
            proposals: proposal_differences(actual, without),
            grants: grant_differences(actual, without),
            nodes: node_differences(actual, without),
            fallen_away: self.fallen_away,
        }
    }
}

/// The node whose statement an event records.
fn signer(event: &Event) -> Option<NodeId> {
    match event {
        Event::ProposalCreated(created) => Some(created.statement.content().proposer),
        Event::VoteCast(ballot) => Some(ballot.content().voter),
        Event::ByzantineDetected(detected) => Some(detected.node),
        Event::CheckpointsContradicted(found) => Some(found.node),
        Event::ConsensusContradicted(found) => Some(found.node),
        Event::ProposalWithdrawn(withdrawal) => Some(withdrawal.content().proposer),
        Event::KeyRotated(rotation) => Some(rotation.content().new_key.node),
        _ => None,
    }
}

fn proposal_differences(actual: &State, other: Option<&State>) -> Vec<ProposalDifference> {
    let differences = actual.proposals().iter().map(|proposal| {
        let found = other.and_then(|state| state.proposals().get(proposal.id()));
        ProposalDifference {
            proposal_id: proposal.id(),
            kind: proposal.kind(),
            subject: proposal.content().action.subject(),
            was: proposal.status(),
            without: found.map(|proposal| proposal.status()),
        }
    });
    differences
        .filter(|difference| Some(difference.was) != difference.without)
        .collect()
}

fn grant_differences(actual: &State, other: Option<&State>) -> Vec<GrantDifference> {
    let at = actual.clock();
    let status = |state: &State, id| state.authorizations().status(id, at);
    let subject = |state: &State, id| {
        let grant = state.authorizations().get(id);
        grant.map(|grant| grant.terms().subject.to_string())
    };
    let in_both = [Some(actual), other].into_iter().flatten();
    let ids: BTreeSet<GrantId> = in_both
        .flat_map(|state| state.authorizations().iter().map(|(id, _)| id))
        .collect();
    ids.into_iter()
        .map(|id| GrantDifference {
            grant_id: id,
            subject: subject(actual, id)
                .or_else(|| subject(other?, id))
                .unwrap_or_default(),
            was: status(actual, id),
            without: other.and_then(|state| status(state, id)),
        })
        .filter(|difference| difference.was != difference.without)
        .collect()
}

fn node_differences(actual: &State, other: Option<&State>) -> Vec<NodeDifference> {
    let differences = actual.registry().iter().map(|(id, node)| {
        let found = other.and_then(|state| state.registry().get(id));
        NodeDifference {
            node: id,
            name: node.name().to_string(),
            was: node.status(),
            without: found.map(|node| node.status()),
        }
    });
    differences
        .filter(|difference| Some(difference.was) != difference.without)
        .collect()
}
