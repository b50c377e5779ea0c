//! Proofs of inclusion and consistency: RFC 6962, section 2.1; verified as in RFC 9162, section 2.1.
//!
//! The recursion of the RFC names the subtrees whose roots make up a proof. They are named first,
//! from the sizes alone; a prover then takes the leaves one by one and keeps the growing tops of
//! those subtrees only.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{LeafHash, MAX_SIZE, MerkleAccumulator, TreeRoot, node_hash};
use crate::governance::digest::Digest;

/// Why there is no such proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// A tree larger than any ledger.
    #[error("expected a tree of 1 to {MAX_SIZE} leaves, found {found}")]
    Size {
        /// The size found.
        found: u64,
    },
    /// A leaf behind the last.
    #[error("expected an index below {size}, found {found}")]
    Index {
        /// The size of the tree.
        size: u64,
        /// The index found.
        found: u64,
    },
    /// The older tree is empty or larger than the newer one.
    #[error("expected an older tree of 1 to {to} leaves, found {found}")]
    Order {
        /// The size of the newer tree.
        to: u64,
        /// The size of the older one.
        found: u64,
    },
    /// Another number of hashes than the sizes call for.
    #[error("expected {expected} hashes, found {found}")]
    Length {
        /// How many it has to be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The leaves ended before the tree did.
    #[error("expected {expected} leaves, found {found}")]
    Leaves {
        /// The size of the tree.
        expected: u64,
        /// How many leaves there were.
        found: u64,
    },
}

/// That a leaf stands at an index of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "InclusionParts", into = "InclusionParts")]
pub struct InclusionProof {
    index: u64,
    size: u64,
    path: Vec<Digest>,
}

impl InclusionProof {
    /// A proof from its parts; `path` from the leaf's sibling up.
    ///
    /// # Errors
    /// [`ProofError`] where the tree has no such leaf, or the path another length than it must have.
    pub fn new(index: u64, size: u64, path: Vec<Digest>) -> Result<Self, ProofError> {
        check_length(inclusion_subtrees(index, size)?.len(), path.len())?;
        Ok(Self { index, size, path })
    }

    /// The leaf's index, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The size of the tree, in leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the subtrees beside the way from the leaf to the root, from the leaf up.
    #[must_use]
    pub fn path(&self) -> &[Digest] {
        &self.path
    }

    /// Whether `leaf` stands at the index in exactly the tree that `tree` names.
    #[must_use]
    pub fn proves(&self, leaf: &LeafHash, tree: &TreeRoot) -> bool {
        self.size == tree.size && self.root_from(leaf) == tree.root
    }

    /// The root of a tree with `leaf` at the index and the path beside it.
    fn root_from(&self, leaf: &LeafHash) -> Digest {
        let up = |node, (side, sibling): (Side, &Digest)| match side {
            Side::Left => node_hash(sibling, &node),
            Side::Right => node_hash(&node, sibling),
        };
        self.way().fold(*leaf.digest(), up)
    }

    /// The path, from the leaf up: each node with the side of the way on which it stands.
    pub fn way(&self) -> impl Iterator<Item = (Side, &Digest)> {
        let mut way = Way::new(self.index, self.size - 1);
        self.path.iter().map(move |sibling| (way.step(), sibling))
    }
}

/// That a tree continues an older one: the older one's leaves are its first leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ConsistencyParts", into = "ConsistencyParts")]
pub struct ConsistencyProof {
    from: u64,
    to: u64,
    path: Vec<Digest>,
}

impl ConsistencyProof {
    /// The most hashes that a proof between two sizes can have.
    pub const MAX_PATH: usize = 54;

    /// A proof from its parts, in the order of RFC 6962.
    ///
    /// # Errors
    /// [`ProofError`] where the sizes are no sizes of an older and a newer tree, or the path has
    /// another length than it must have.
    pub fn new(from: u64, to: u64, path: Vec<Digest>) -> Result<Self, ProofError> {
        check_length(consistency_subtrees(from, to)?.len(), path.len())?;
        Ok(Self { from, to, path })
    }

    /// The size of the older tree, in leaves.
    #[must_use]
    pub const fn from(&self) -> u64 {
        self.from
    }

    /// The size of the newer tree, in leaves.
    #[must_use]
    pub const fn to(&self) -> u64 {
        self.to
    }

    /// The hashes, in the order of RFC 6962.
    #[must_use]
    pub fn path(&self) -> &[Digest] {
        &self.path
    }

    /// Whether `newer` continues `older`. Sizes must be the proof's own.
    #[must_use]
    pub fn proves(&self, older: &TreeRoot, newer: &TreeRoot) -> bool {
        let sizes_match = (self.from, self.to) == (older.size, newer.size);
        sizes_match && self.roots_from(&older.root) == (older.root, newer.root)
    }

    /// The roots of the older and the newer tree that the path leads to. Where the older tree is a
    /// subtree of the newer one, its root is not in the path, and has to be given.
    fn roots_from(&self, older: &Digest) -> (Digest, Digest) {
        let (mut path, mut way) = (self.path.iter(), Way::new(self.from - 1, self.to - 1));
        way.skip_complete();
        let start = if self.from.is_power_of_two() || self.from == self.to {
            *older
        } else {
            path.next().copied().unwrap_or(Digest::ZERO)
        };
        path.fold((start, start), |(old, new), sibling| match way.step() {
            Side::Left => (node_hash(sibling, &old), node_hash(sibling, &new)),
            Side::Right => (old, node_hash(&new, sibling)),
        })
    }
}

/// On which side of the way from a leaf to the root a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It is the left one of the two that are hashed together.
    Left,
    /// It is the right one.
    Right,
}

/// The way from a leaf up to the root: the leaf's index and the last leaf's, digit by digit.
struct Way {
    index: u64,
    last: u64,
}

impl Way {
    const fn new(index: u64, last: u64) -> Self {
        Self { index, last }
    }

    /// Goes up while this is a right child: to the top of the perfect subtree that ends here.
    fn skip_complete(&mut self) {
        let levels = self.index.trailing_ones();
        self.up(levels);
    }

    /// Goes up one level that has a sibling, and says where that stands.
    fn step(&mut self) -> Side {
        if self.index & 1 == 1 || self.index == self.last {
            // The last node of a level may have no sibling there; it is its own parent then.
            let lonely = self.index.trailing_zeros();
            self.up(lonely);
            self.up(1);
            Side::Left
        } else {
            self.up(1);
            Side::Right
        }
    }

    fn up(&mut self, levels: u32) {
        self.index = self.index.checked_shr(levels).unwrap_or(0);
        self.last = self.last.checked_shr(levels).unwrap_or(0);
    }
}

/// Makes an inclusion proof from the leaves, in order.
#[derive(Debug, Clone)]
pub struct InclusionProver {
    index: u64,
    subtrees: Subtrees,
}

impl InclusionProver {
    /// A prover for the leaf at `index` in a tree of `size` leaves.
    ///
    /// # Errors
    /// [`ProofError`] where the tree has no such leaf.
    pub fn new(index: u64, size: u64) -> Result<Self, ProofError> {
        let subtrees = Subtrees::new(inclusion_subtrees(index, size)?, size);
        Ok(Self { index, subtrees })
    }

    /// Takes the next leaf. Leaves behind the tree's last are left out.
    pub fn push(&mut self, leaf: LeafHash) {
        self.subtrees.push(leaf);
    }

    /// The proof.
    ///
    /// # Errors
    /// [`ProofError::Leaves`] where there were too few.
    pub fn finish(self) -> Result<InclusionProof, ProofError> {
        let size = self.subtrees.size;
        InclusionProof::new(self.index, size, self.subtrees.roots()?)
    }
}

/// Makes a consistency proof from the newer tree's leaves, in order.
#[derive(Debug, Clone)]
pub struct ConsistencyProver {
    from: u64,
    subtrees: Subtrees,
}

impl ConsistencyProver {
    /// A prover that a tree of `to` leaves continues its own first `from`.
    ///
    /// # Errors
    /// [`ProofError`] where `from` is 0 or larger than `to`.
    pub fn new(from: u64, to: u64) -> Result<Self, ProofError> {
        let subtrees = Subtrees::new(consistency_subtrees(from, to)?, to);
        Ok(Self { from, subtrees })
    }

    /// Takes the next leaf. Leaves behind the tree's last are left out.
    pub fn push(&mut self, leaf: LeafHash) {
        self.subtrees.push(leaf);
    }

    /// The proof.
    ///
    /// # Errors
    /// [`ProofError::Leaves`] where there were too few.
    pub fn finish(self) -> Result<ConsistencyProof, ProofError> {
        let size = self.subtrees.size;
        ConsistencyProof::new(self.from, size, self.subtrees.roots()?)
    }
}

/// The subtrees of a proof while their leaves come by.
#[derive(Debug, Clone)]
struct Subtrees {
    growing: Vec<(Range<u64>, MerkleAccumulator)>,
    size: u64,
    seen: u64,
}

impl Subtrees {
    fn new(ranges: Vec<Range<u64>>, size: u64) -> Self {
        let start = |range| (range, MerkleAccumulator::new());
        Self {
            growing: ranges.into_iter().map(start).collect(),
            size,
            seen: 0,
        }
    }

    fn push(&mut self, leaf: LeafHash) {
        if self.seen == self.size {
            return;
        }
        let index = self.seen;
        let mut growing = self.growing.iter_mut();
        if let Some((_, tree)) = growing.find(|(range, _)| range.contains(&index)) {
            tree.push_leaf(leaf);
        }
        self.seen += 1;
    }

    fn roots(&self) -> Result<Vec<Digest>, ProofError> {
        if self.seen < self.size {
            return Err(ProofError::Leaves {
                expected: self.size,
                found: self.seen,
            });
        }
        Ok(self.growing.iter().map(|(_, tree)| tree.root()).collect())
    }
}

/// `PATH(m, D[n])` of RFC 6962, section 2.1.1: the subtrees beside the way to a leaf, from the leaf
/// up.
fn inclusion_subtrees(index: u64, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    check_size(size)?;
    if index >= size {
        return Err(ProofError::Index { size, found: index });
    }
    let (mut subtrees, mut here) = (Vec::new(), 0..size);
    while here.end - here.start > 1 {
        let (left, right) = split(&here);
        let (near, far) = if left.contains(&index) {
            (left, right)
        } else {
            (right, left)
        };
        subtrees.push(far);
        here = near;
    }
    subtrees.reverse();
    Ok(subtrees)
}

/// `PROOF(m, D[n])` of RFC 6962, section 2.1.2.
fn consistency_subtrees(from: u64, to: u64) -> Result<Vec<Range<u64>>, ProofError> {
    check_size(to)?;
    if from == 0 || from > to {
        return Err(ProofError::Order { to, found: from });
    }
    let (mut subtrees, mut here) = (Vec::new(), 0..to);
    while from < here.end {
        let (left, right) = split(&here);
        let (near, far) = if from <= left.end {
            (left, right)
        } else {
            (right, left)
        };
        subtrees.push(far);
        here = near;
    }
    // What begins at the first leaf is the whole older tree, whose root the verifier has.
    if here.start > 0 {
        subtrees.push(here);
    }
    subtrees.reverse();
    Ok(subtrees)
}

/// A subtree's two halves: the left one is the largest perfect tree that leaves something over.
fn split(range: &Range<u64>) -> (Range<u64>, Range<u64>) {
    let leaves = range.end - range.start;
    let middle = range.start + leaves.next_power_of_two() / 2;
    (range.start..middle, middle..range.end)
}

const fn check_size(size: u64) -> Result<(), ProofError> {
    if size == 0 || size > MAX_SIZE {
        return Err(ProofError::Size { found: size });
    }
    Ok(())
}

const fn check_length(expected: usize, found: usize) -> Result<(), ProofError> {
    if expected != found {
        return Err(ProofError::Length { expected, found });
    }
    Ok(())
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InclusionParts {
    index: u64,
    path: Vec<Digest>,
    size: u64,
}

impl TryFrom<InclusionParts> for InclusionProof {
    type Error = ProofError;

    fn try_from(parts: InclusionParts) -> Result<Self, Self::Error> {
        Self::new(parts.index, parts.size, parts.path)
    }
}

impl From<InclusionProof> for InclusionParts {
    fn from(proof: InclusionProof) -> Self {
        Self {
            index: proof.index,
            path: proof.path,
            size: proof.size,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsistencyParts {
    from: u64,
    path: Vec<Digest>,
    to: u64,
}

impl TryFrom<ConsistencyParts> for ConsistencyProof {
    type Error = ProofError;

    fn try_from(parts: ConsistencyParts) -> Result<Self, Self::Error> {
        Self::new(parts.from, parts.to, parts.path)
    }
}

impl From<ConsistencyProof> for ConsistencyParts {
    fn from(proof: ConsistencyProof) -> Self {
        Self {
            from: proof.from,
            path: proof.path,
            to: proof.to,
        }
    }
}
