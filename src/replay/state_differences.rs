//! What is otherwise in one state than in another.

use std::collections::BTreeSet;
use std::io::Read;

use serde::Serialize;

use super::{Replay, ReplayError, ReplayProblem};
use crate::chain::lines::{Ending, LineReader};
use crate::governance::digest::Digest;
use crate::governance::id::{GrantId, NodeId, ProposalId};
use crate::governance::key::SignatureVerifier;
use crate::governance::state::State;
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::proposal::Status;
use crate::governance::state::registry::NodeStatus;

/// Replays a history strictly as far as entry `last`, which must end a batch.
///
/// # Errors
/// [`ReplayError`] with the first line that is not what the rules give, or where the history ends
/// before `last`.
pub fn state_at(
    source: impl Read,
    verifier: &dyn SignatureVerifier,
    last: u64,
) -> Result<State, ReplayError> {
    let mut lines = LineReader::new(source);
    let mut replay = Replay::new(verifier);
    for seq in 1..=last {
        let unreadable = |error| ReplayError::new(seq, 0, ReplayProblem::Read(error));
        match lines.next_line().map_err(unreadable)? {
            Some(line) if line.ending == Ending::LineFeed => replay.line(line.bytes)?,
            _ => break,
        }
    }
    replay.finish().map(|replayed| replayed.state)
}

/// What is otherwise in one state than in another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct StateDifferences {
    /// Proposals that are elsewhere in their lives.
    pub proposals: Vec<ProposalDifference>,
    /// Grants of another status, as of the later of the two last entries.
    pub authorizations: Vec<GrantDifference>,
    /// Nodes of another status, weight or key.
    pub nodes: Vec<NodeDifference>,
}

/// A proposal; `None` where it was never opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProposalDifference {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// What it is about.
    pub subject: String,
    /// Where it is in the first state.
    pub a: Option<Status>,
    /// Where it is in the second.
    pub b: Option<Status>,
}

/// A grant; `None` where it was never given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GrantDifference {
    /// The grant.
    pub grant_id: GrantId,
    /// Whose it is.
    pub subject: String,
    /// Its status in the first state.
    pub a: Option<GrantStatus>,
    /// Its status in the second.
    pub b: Option<GrantStatus>,
}

/// A node; `None` where it never joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeDifference {
    /// The node.
    pub node: NodeId,
    /// What it is called.
    pub name: String,
    /// What it is in the first state.
    pub a: Option<NodeStanding>,
    /// What it is in the second.
    pub b: Option<NodeStanding>,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeStanding {
    /// Whether it takes part.
    pub status: NodeStatus,
    /// Its weight.
    pub weight: u64,
    /// The fingerprint of its key.
    pub key: Digest,
}

/// Compares two states; either may be missing, which has nothing in it.
#[must_use]
pub fn state_differences(a: Option<&State>, b: Option<&State>) -> StateDifferences {
    StateDifferences {
        proposals: proposals(a, b),
        authorizations: grants(a, b),
        nodes: nodes(a, b),
    }
}

fn proposals(a: Option<&State>, b: Option<&State>) -> Vec<ProposalDifference> {
    let find = |state: Option<&State>, id| {
        let found = state?.proposals().get(id)?;
        Some((found.content().action.subject(), found.status()))
    };
    ids(a, b, |state| {
        state
            .proposals()
            .iter()
            .map(|proposal| proposal.id())
            .collect()
    })
    .filter_map(|proposal_id| {
        let (one, other) = (find(a, proposal_id), find(b, proposal_id));
        (one != other).then(|| ProposalDifference {
            proposal_id,
            subject: named(&one, &other),
            a: one.map(|(_, status)| status),
            b: other.map(|(_, status)| status),
        })
    })
    .collect()
}

fn grants(a: Option<&State>, b: Option<&State>) -> Vec<GrantDifference> {
    let Some(at) = [a, b].into_iter().flatten().map(State::clock).max() else {
        return Vec::new();
    };
    let find = |state: Option<&State>, id| {
        let grants = state?.authorizations();
        Some((
            grants.get(id)?.terms().subject.to_string(),
            grants.status(id, at)?,
        ))
    };
    ids(a, b, |state| {
        state.authorizations().iter().map(|(id, _)| id).collect()
    })
    .filter_map(|grant_id| {
        let (one, other) = (find(a, grant_id), find(b, grant_id));
        (one != other).then(|| GrantDifference {
            grant_id,
            subject: named(&one, &other),
            a: one.map(|(_, status)| status),
            b: other.map(|(_, status)| status),
        })
    })
    .collect()
}

fn nodes(a: Option<&State>, b: Option<&State>) -> Vec<NodeDifference> {
    let find = |state: Option<&State>, id| {
        let node = state?.registry().get(id)?;
        let standing = NodeStanding {
            status: node.status(),
            weight: node.weight().get(),
            key: node.key().fingerprint(),
        };
        Some((node.name().to_string(), standing))
    };
    ids(a, b, |state| {
        state.registry().iter().map(|(id, _)| id).collect()
    })
    .filter_map(|node| {
        let (one, other) = (find(a, node), find(b, node));
        (one != other).then(|| NodeDifference {
            node,
            name: named(&one, &other),
            a: one.map(|(_, standing)| standing),
            b: other.map(|(_, standing)| standing),
        })
    })
    .collect()
}

/// The ids that either state has.
fn ids<T: Ord>(
    a: Option<&State>,
    b: Option<&State>,
    of: impl Fn(&State) -> Vec<T>,
) -> impl Iterator<Item = T> {
    let all: BTreeSet<T> = [a, b].into_iter().flatten().flat_map(of).collect();
    all.into_iter()
}

fn named<T>(a: &Option<(String, T)>, b: &Option<(String, T)>) -> String {
    let named = a.as_ref().or(b.as_ref());
    named.map(|(name, _)| name.clone()).unwrap_or_default()
}
