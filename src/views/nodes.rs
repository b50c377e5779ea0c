//! The registry, one node of it, and what hung on a node.

use serde::Serialize;

use super::View;
use crate::governance::blast_radius::{Flip, blast_radius, took_part_in};
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::key::{Algorithm, PublicKey};
use crate::governance::state::registry::{Node, NodeStatus};
use crate::governance::state::{Contradiction, State};

/// One node in a list.
#[derive(Debug, Clone, Serialize)]
pub struct NodeSummary {
    /// The node.
    pub did: NodeId,
    /// What it is called.
    pub name: String,
    /// Its weight.
    pub weight: u64,
    /// Whether it takes part.
    pub status: NodeStatus,
    /// The algorithm of its key.
    pub algorithm: Algorithm,
}

impl NodeSummary {
    /// The summary of one node.
    #[must_use]
    pub fn of(id: NodeId, node: &Node) -> Self {
        Self {
            did: id,
            name: node.name().to_string(),
            weight: node.weight().get(),
            status: node.status(),
            algorithm: node.key().algorithm(),
        }
    }

    /// All nodes in the order in which they joined.
    #[must_use]
    pub fn all(state: &State) -> Vec<Self> {
        let nodes = state.registry().iter();
        nodes.map(|(id, node)| Self::of(id, node)).collect()
    }
}

/// The registry.
#[derive(Debug, Clone, Serialize)]
pub struct NodeList {
    /// All nodes in the order in which they joined.
    pub nodes: Vec<NodeSummary>,
    /// The weight of the active ones.
    pub total_weight: u64,
}

impl NodeList {
    /// The registry of a state.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self {
            nodes: NodeSummary::all(state),
            total_weight: state.registry().active_weight().get(),
        }
    }
}

impl View for NodeList {
    const SCHEMA: &'static str = "althing.nodes/1";
}

/// One node with its key and the evidence against it.
#[derive(Debug, Clone, Serialize)]
pub struct NodeView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub summary: NodeSummary,
    /// Its present key.
    pub key: PublicKey,
    /// The entry that added it.
    pub added_at_seq: u64,
    /// The proposals on which it cast two ballots that contradict each other.
    pub evidence: Vec<ProposalId>,
    /// The entries that hold two checkpoints of this node that contradict each other.
    pub contradicting_checkpoints: Vec<u64>,
    /// The entries that hold two messages of consensus of this node that contradict each other.
    pub contradicting_consensus: Vec<u64>,
}

impl NodeView {
    /// One node of a state.
    #[must_use]
    pub fn of(id: NodeId, node: &Node, state: &State) -> Self {
        let evidence = state.evidence().filter(|(accused, ..)| *accused == id);
        let entries = |kind: Contradiction| -> Vec<u64> {
            let mine = (state.contradictions())
                .filter(|(found, accused, ..)| (*found, *accused) == (kind, id));
            mine.map(|(.., record)| record.seq).collect()
        };
        Self {
            summary: NodeSummary::of(id, node),
            key: node.key().clone(),
            added_at_seq: node.added_at(),
            evidence: evidence.map(|(_, proposal, _)| proposal).collect(),
            contradicting_checkpoints: entries(Contradiction::Checkpoints),
            contradicting_consensus: entries(Contradiction::Consensus),
        }
    }
}

impl View for NodeView {
    const SCHEMA: &'static str = "althing.node/1";
}

/// What hung on one node.
#[derive(Debug, Clone, Serialize)]
pub struct BlastRadiusView {
    /// The node.
    #[serde(flatten)]
    pub node: NodeSummary,
    /// How many proposals were decided.
    pub decided: usize,
    /// In how many of these decisions the node took part.
    pub took_part_in: usize,
    /// The decisions that would have been others without its ballot.
    pub flips: Vec<Flip>,
}

impl BlastRadiusView {
    /// What hung on one node of a state.
    #[must_use]
    pub fn of(id: NodeId, node: &Node, state: &State) -> Self {
        let decided = state.proposals().iter();
        Self {
            node: NodeSummary::of(id, node),
            decided: decided.filter(|it| it.decided().is_some()).count(),
            took_part_in: took_part_in(state, id),
            flips: blast_radius(state, id),
        }
    }
}

impl View for BlastRadiusView {
    const SCHEMA: &'static str = "althing.blast-radius/1";
}
