//! What readers are shown: the ledger as of its last durable write.

use crate::chain::line::Head;
use crate::clock::system_time;
use crate::governance::merkle::MerkleAccumulator;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::governance::tree_head::{Origin, TreeHead};
use crate::ledger::Ledger;
use crate::node::Node;

/// A ledger at one point in time. The parts of the state are shared, so that it costs little.
#[derive(Debug, Clone)]
pub struct Published {
    /// The state as of the head.
    pub state: State,
    /// The last entry.
    pub head: Head,
    /// The Merkle tree over all entry hashes.
    pub merkle: MerkleAccumulator,
}

impl Published {
    /// What a node has acknowledged.
    pub(super) fn of<L: Ledger>(node: &Node<L>) -> Self {
        Self {
            state: node.state().clone(),
            head: *node.head(),
            merkle: node.merkle().clone(),
        }
    }

    /// The machine's time, but never before the last entry.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        system_time().max(self.state.clock())
    }

    /// The head that checkpoints are made of.
    #[must_use]
    pub fn tree_head(&self) -> TreeHead {
        TreeHead {
            origin: Origin {
                ledger: self.state.ledger(),
                genesis: self.state.identity().origin,
            },
            tree: self.merkle.tree_root(),
        }
    }
}
