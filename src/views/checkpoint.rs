//! A checkpoint and who stands behind it.

use serde::Serialize;

use super::name_of;
use crate::chain::checkpoint::{Checkpoint, Endorsement};
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::state::State;

/// A checkpoint that was held against its ledger.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointView {
    /// The signed note.
    pub checkpoint: String,
    /// How many entries it is over.
    pub size: u64,
    /// The root over their hashes.
    pub root: Digest,
    /// Whether more than two thirds of the active weight signed it.
    pub believed: bool,
    /// The active weight that signed it.
    pub signed_weight: u64,
    /// All active weight.
    pub active_weight: u64,
    /// Who signed it.
    pub signers: Vec<Signer>,
}

/// A node that signed a checkpoint.
#[derive(Debug, Clone, Serialize)]
pub struct Signer {
    /// The node.
    pub node: NodeId,
    /// What it is called.
    pub name: String,
    /// Its weight.
    pub weight: u64,
    /// When it signed, as it says, in seconds since 1970.
    pub posix_seconds: u64,
}

impl CheckpointView {
    /// A checkpoint with the endorsement that it has in `then`, the state as of its last entry.
    #[must_use]
    pub fn of(checkpoint: &Checkpoint, endorsement: &Endorsement, then: &State) -> Self {
        let signer = |(node, posix_seconds): &(NodeId, u64)| Signer {
            node: *node,
            name: name_of(*node, then),
            weight: then
                .registry()
                .get(*node)
                .map_or(0, |node| node.weight().get()),
            posix_seconds: *posix_seconds,
        };
        Self {
            checkpoint: checkpoint.to_string(),
            size: checkpoint.head().tree.size,
            root: checkpoint.head().tree.root,
            believed: endorsement.is_believed(),
            signed_weight: endorsement.signed_weight.get(),
            active_weight: endorsement.active_weight.get(),
            signers: endorsement.signers.iter().map(signer).collect(),
        }
    }
}
