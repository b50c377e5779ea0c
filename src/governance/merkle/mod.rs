//! The Merkle tree of RFC 6962: roots, and proofs that anyone can check.
//!
//! Two trees are built of it. Over a chain, leaf data are the 32 raw bytes of each `entry_hash`, and
//! the leaf of line `seq` has index `seq − 1`. Over the live grants, leaf data are canonical JSON.
//!
//! Our own code rather than a crate, because what it has to be is small and exact: pure, total for
//! every input, with proofs whose lengths are checked before anything is hashed, and made in one
//! pass over leaves that never have to be in memory together.

mod proof;
mod whole;

use sha2::{Digest as _, Sha256};

use super::digest::Digest;

pub use proof::{
    ConsistencyProof, ConsistencyProver, InclusionProof, InclusionProver, ProofError, Side,
};
pub use whole::WholeTree;

/// The most leaves that a tree may have: as large as any integer that JSON carries exactly.
pub const MAX_SIZE: u64 = super::MAX_INTEGER;

/// The hash of a leaf, which is never to be mistaken for its data or for an inner node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafHash(Digest);

impl LeafHash {
    /// The hash of a leaf with these data: `SHA-256(0x00 ‖ data)`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        Self(hash(0x00, &[data]))
    }

    /// The hash of the leaf of a line: its data are the 32 raw bytes of the line's hash.
    #[must_use]
    pub fn of_entry(entry_hash: &Digest) -> Self {
        Self::of(entry_hash.as_bytes())
    }

    /// Wraps thirty-two bytes that are already the hash of a leaf.
    #[must_use]
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// The hash.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

/// A tree as far as proofs are concerned. A proof says nothing about a size that does not come with
/// the root, from whoever vouches for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeRoot {
    /// How many leaves there are.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
}

/// The tree's root after each push, from a state that grows with the logarithm of the size.
///
/// The state is the roots of the perfect subtrees that the binary digits of the size name, the
/// largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MerkleAccumulator {
    peaks: Vec<Digest>,
    size: u64,
}

impl MerkleAccumulator {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A tree from its size and [`peaks`](Self::peaks); `None` where their number does not fit.
    #[must_use]
    pub fn from_peaks(size: u64, peaks: Vec<Digest>) -> Option<Self> {
        let expected = usize::try_from(size.count_ones()).ok()?;
        (peaks.len() == expected).then_some(Self { peaks, size })
    }

    /// Appends the leaf of a line.
    pub fn push(&mut self, entry_hash: &Digest) {
        self.push_leaf(LeafHash::of_entry(entry_hash));
    }

    /// Appends a leaf.
    pub fn push_leaf(&mut self, leaf: LeafHash) {
        self.push_subtree(0, leaf.0);
    }

    /// Appends 2^`height` leaves by the root over them. The size must be a multiple of their number.
    fn push_subtree(&mut self, height: u32, root: Digest) {
        let mut node = root;
        // Each trailing one of the size is a perfect subtree as large as what is being added.
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1 << height;
    }

    /// Appends the leaves of `part`; false, and nothing is appended, where they are not the next.
    pub(crate) fn append(&mut self, part: &MerklePart) -> bool {
        if part.start != self.size {
            return false;
        }
        for (height, root) in &part.subtrees {
            self.push_subtree(*height, *root);
        }
        true
    }

    /// The root over all leaves so far; SHA-256 of nothing for the empty tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        (self.peaks.iter().rev().copied())
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Digest::of(b""))
    }

    /// The root with the size that it is for.
    #[must_use]
    pub fn tree_root(&self) -> TreeRoot {
        TreeRoot {
            size: self.size,
            root: self.root(),
        }
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect subtrees, the largest first: all the state besides the size.
    #[must_use]
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }
}

/// Neighbouring leaves of a tree whose other leaves need not be known: the roots of the largest
/// perfect subtrees that they fill, with their heights, from left to right.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MerklePart {
    start: u64,
    size: u64,
    subtrees: Vec<(u32, Digest)>,
}

impl MerklePart {
    /// No leaves yet; the first will have the index `start`.
    pub(crate) const fn starting_at(start: u64) -> Self {
        Self {
            start,
            size: 0,
            subtrees: Vec::new(),
        }
    }

    /// Appends the leaf of a line.
    pub(crate) fn push(&mut self, entry_hash: &Digest) {
        let LeafHash(mut node) = LeafHash::of_entry(entry_hash);
        let mut index = self.start + self.size;
        let mut height = 0;
        // A right child meets its sibling, unless that is to the left of all these leaves.
        while index & 1 == 1
            && let Some((_, left)) = self.subtrees.pop_if(|left| left.0 == height)
        {
            node = node_hash(&left, &node);
            index >>= 1;
            height += 1;
        }
        self.subtrees.push((height, node));
        self.size += 1;
    }
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    hash(0x01, &[left.as_bytes(), right.as_bytes()])
}

fn hash(prefix: u8, parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new_with_prefix([prefix]);
    for part in parts {
        hasher.update(part);
    }
    Digest::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry_hash(number: u64) -> Digest {
        Digest::of(&number.to_be_bytes())
    }

    /// `MTH(D[n])` of RFC 6962, section 2.1, word for word.
    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [leaf] => *LeafHash::of_entry(leaf).digest(),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                let (left, right) = leaves.split_at(split);
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    #[test]
    fn the_root_is_the_recursive_definition_at_every_size() {
        let leaves: Vec<_> = (0..130).map(entry_hash).collect();
        let mut tree = MerkleAccumulator::new();
        for size in 0..leaves.len() {
            assert_eq!(tree.root(), naive(&leaves[..size]), "{size}");
            assert_eq!(tree.size(), size as u64);
            assert_eq!(tree.peaks().len(), size.count_ones() as usize);
            tree.push(&leaves[size]);
        }
    }

    proptest! {
        #![proptest_config(crate::test_support::config(64))]

        #[test]
        fn a_tree_goes_on_from_its_peaks(before in 0_u64..70, after in 0_u64..70) {
            let mut whole = MerkleAccumulator::new();
            (0..before).for_each(|number| whole.push(&entry_hash(number)));
            let mut resumed =
                MerkleAccumulator::from_peaks(whole.size(), whole.peaks().to_vec()).unwrap();
            for number in before..before + after {
                whole.push(&entry_hash(number));
                resumed.push(&entry_hash(number));
            }
            prop_assert_eq!(resumed.root(), whole.root());
            prop_assert_eq!(MerkleAccumulator::from_peaks(3, vec![Digest::ZERO]), None);
        }
    }

    #[test]
    fn a_part_keeps_the_largest_subtrees_that_it_fills() {
        let mut part = MerklePart::starting_at(5);
        (5..21).for_each(|number| part.push(&entry_hash(number)));
        let heights: Vec<u32> = part.subtrees.iter().map(|subtree| subtree.0).collect();
        // Leaf 5, then 6 and 7, 8 to 15, 16 to 19, and 20.
        assert_eq!(heights, [0, 1, 3, 2, 0]);
    }

    #[test]
    fn a_tree_of_parts_is_the_tree_of_its_leaves() {
        let leaf = |index: u64| Digest::of(&index.to_be_bytes());
        for start in 0..20 {
            for length in 0..20 {
                let mut tree = MerkleAccumulator::new();
                (0..start).for_each(|index| tree.push(&leaf(index)));
                let mut pushed = tree.clone();
                let mut part = MerklePart::starting_at(start);
                for index in start..start + length {
                    pushed.push(&leaf(index));
                    part.push(&leaf(index));
                }
                assert!(tree.append(&part));
                assert_eq!(tree, pushed, "{length} from {start}");
                assert_eq!(
                    tree.append(&part),
                    length == 0,
                    "they are not the next ones"
                );
                assert_eq!(tree, pushed);
            }
        }
    }
}
