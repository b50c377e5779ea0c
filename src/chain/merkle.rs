//! The Merkle tree over a chain's entry hashes.
//!
//! The leaf of line `seq` has index `seq − 1`; its data are the 32 raw bytes of the line's hash.

pub(crate) use crate::governance::merkle::MerklePart;
pub use crate::governance::merkle::{
    ConsistencyProof, ConsistencyProver, InclusionProof, InclusionProver, LeafHash, MAX_SIZE,
    MerkleAccumulator, ProofError, Side, TreeRoot, WholeTree, node_hash,
};
