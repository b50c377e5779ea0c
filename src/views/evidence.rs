//! Evidence of Byzantine behaviour: who contradicted itself, and the two statements.

use serde::Serialize;
use serde_json::Value;

use super::{View, name_of};
use crate::governance::ballot::Ballot;
use crate::governance::consensus::ConsensusEquivocation;
use crate::governance::event::Event;
use crate::governance::evidence::{ContradictingHeads, Equivocation};
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::state::State;
use crate::governance::statement::Signed;
use crate::governance::time::Timestamp;

/// One piece of evidence in a list.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceSummary {
    /// The entry that recorded it.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The node that contradicted itself.
    pub node: NodeId,
    /// What it is called.
    pub name: String,
    /// What both statements are: `ballots`, `checkpoints` or `consensus`.
    pub kind: &'static str,
    /// The proposal that both ballots are on; none where the evidence is no ballots.
    pub proposal_id: Option<ProposalId>,
    /// Whether the node was suspended by it.
    pub suspended: bool,
}

impl EvidenceSummary {
    /// All evidence, in the order in which it was recorded.
    #[must_use]
    pub fn all(state: &State) -> Vec<Self> {
        let ballots = state
            .evidence()
            .map(|(node, proposal, record)| ("ballots", node, Some(proposal), record));
        let others = state
            .contradictions()
            .map(|(kind, node, _, record)| (kind.name(), node, None, record));
        let mut all: Vec<Self> = ballots
            .chain(others)
            .map(|(kind, node, proposal_id, record)| Self {
                seq: record.seq,
                at: record.at,
                node,
                name: name_of(node, state),
                kind,
                proposal_id,
                suspended: record.suspended,
            })
            .collect();
        all.sort_by_key(|summary| summary.seq);
        all
    }
}

/// All evidence.
#[derive(Debug, Clone, Serialize)]
pub struct EvidenceList {
    /// The evidence, in the order in which it was recorded.
    pub evidence: Vec<EvidenceSummary>,
}

impl EvidenceList {
    /// All evidence of a state.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self {
            evidence: EvidenceSummary::all(state),
        }
    }
}

impl View for EvidenceList {
    const SCHEMA: &'static str = "althing.evidence-list/1";
}

/// The two statements that an entry holds as evidence.
#[derive(Debug, Clone)]
pub enum Statements {
    /// Two ballots.
    Ballots(Equivocation),
    /// Two checkpoints.
    Checkpoints(ContradictingHeads),
    /// Two messages of consensus.
    Consensus(ConsensusEquivocation),
}

impl Statements {
    /// The evidence in an event; `None` where it holds none.
    #[must_use]
    pub fn of(event: Event) -> Option<Self> {
        match event {
            Event::ByzantineDetected(detected) => Some(Self::Ballots(Equivocation {
                first: detected.first,
                second: detected.second,
            })),
            Event::CheckpointsContradicted(found) => Some(Self::Checkpoints(found.checkpoints)),
            Event::ConsensusContradicted(found) => Some(Self::Consensus(found.consensus)),
            _ => None,
        }
    }
}

/// One piece of evidence with its two statements.
#[derive(Debug, Clone)]
pub enum EvidenceView {
    /// Two ballots.
    Ballots(BallotsView),
    /// Two checkpoints.
    Checkpoints(CheckpointsView),
    /// Two messages of consensus.
    Consensus(ConsensusView),
}

impl EvidenceView {
    /// The evidence that `summary` names, with what its entry holds.
    #[must_use]
    pub fn of(summary: EvidenceSummary, statements: Statements) -> Self {
        match statements {
            Statements::Ballots(Equivocation { first, second }) => Self::Ballots(BallotsView {
                summary,
                first,
                second,
            }),
            Statements::Checkpoints(checkpoints) => Self::Checkpoints(CheckpointsView {
                summary,
                checkpoints,
            }),
            Statements::Consensus(consensus) => {
                Self::Consensus(ConsensusView { summary, consensus })
            }
        }
    }

    /// The JSON form of the kind that it is.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Ballots(view) => view.to_json(),
            Self::Checkpoints(view) => view.to_json(),
            Self::Consensus(view) => view.to_json(),
        }
    }
}

/// Two ballots of one node on one proposal that contradict each other.
#[derive(Debug, Clone, Serialize)]
pub struct BallotsView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: EvidenceSummary,
    /// One ballot.
    pub first: Signed<Ballot>,
    /// The other.
    pub second: Signed<Ballot>,
}

impl View for BallotsView {
    const SCHEMA: &'static str = "althing.evidence/1";
}

/// Two checkpoints of one node that contradict each other.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointsView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: EvidenceSummary,
    /// The two checkpoints.
    pub checkpoints: ContradictingHeads,
}

impl View for CheckpointsView {
    const SCHEMA: &'static str = "althing.evidence-checkpoints/1";
}

/// Two messages of one node in consensus that contradict each other.
#[derive(Debug, Clone, Serialize)]
pub struct ConsensusView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: EvidenceSummary,
    /// The two messages.
    pub consensus: ConsensusEquivocation,
}

impl View for ConsensusView {
    const SCHEMA: &'static str = "althing.evidence-consensus/1";
}
