//! Proofs for many leaves of one tree.

use super::{InclusionProof, LeafHash, ProofError, TreeRoot, node_hash};
use crate::governance::digest::Digest;

/// A whole tree in memory, two hashes a leaf, to prove many leaves without reading them all again
/// for each.
#[derive(Debug, Clone)]
pub struct WholeTree {
    /// The leaves, then the nodes above them, up to the root. The last node of a level that has no
    /// sibling stands in the next level as it is.
    levels: Vec<Vec<Digest>>,
}

impl WholeTree {
    /// The tree over `leaves`.
    #[must_use]
    pub fn over(leaves: impl IntoIterator<Item = LeafHash>) -> Self {
        let leaves: Vec<Digest> = leaves.into_iter().map(|leaf| *leaf.digest()).collect();
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level.chunks(2).map(|nodes| match nodes {
                [left, right] => node_hash(left, right),
                alone => alone.first().copied().unwrap_or(Digest::ZERO),
            });
            levels.push(above.collect());
        }
        Self { levels }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The size and the root.
    #[must_use]
    pub fn tree_root(&self) -> TreeRoot {
        let top = self.levels.last().and_then(|level| level.first());
        TreeRoot {
            size: self.size(),
            root: top.copied().unwrap_or_else(|| Digest::of(&[])),
        }
    }

    /// That the leaf at `index` stands in this tree.
    ///
    /// # Errors
    /// [`ProofError`] where the tree has no such leaf.
    pub fn prove(&self, index: u64) -> Result<InclusionProof, ProofError> {
        let size = self.size();
        let out_of_range = ProofError::Index { size, found: index };
        let mut at = usize::try_from(index).map_err(|_| out_of_range)?;
        let mut path = Vec::new();
        for level in &self.levels {
            path.extend(level.get(at ^ 1).copied());
            at /= 2;
        }
        InclusionProof::new(index, size, path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::InclusionProver;
    use super::*;

    /// The recursion of the RFC, leaf by leaf, is the second opinion.
    #[test]
    fn proofs_are_those_that_are_made_one_by_one() {
        for size in 0..40_u64 {
            let leaves = |count| (0..count).map(|index: u64| LeafHash::of(&index.to_be_bytes()));
            let tree = WholeTree::over(leaves(size));
            assert_eq!(tree.size(), size);
            for index in 0..size {
                let mut prover = InclusionProver::new(index, size).unwrap();
                leaves(size).for_each(|leaf| prover.push(leaf));
                assert_eq!(tree.prove(index), prover.finish(), "{index} of {size}");
            }
            assert!(tree.prove(size).is_err());
            assert!(tree.prove(u64::MAX).is_err());
        }
    }
}
