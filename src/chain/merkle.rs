//! The Merkle tree of RFC 6962 over a chain's entry hashes.
//!
//! Leaf data are the 32 raw bytes of each `entry_hash`; the leaf of line `seq` has index `seq − 1`.

use sha2::{Digest as _, Sha256};

use crate::governance::digest::Digest;

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

    /// Appends a leaf.
    pub fn push(&mut self, entry_hash: &Digest) {
        let mut node = leaf_hash(entry_hash);
        // Each trailing one of the size is a perfect subtree as large as what is being added.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root over all leaves so far; SHA-256 of nothing for the empty tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        (self.peaks.iter().rev().copied())
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(|| Digest::of(b""))
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

/// The hash of a leaf: `SHA-256(0x00 ‖ entry hash)`.
#[must_use]
pub fn leaf_hash(entry_hash: &Digest) -> Digest {
    hash(0x00, &[entry_hash])
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)`.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    hash(0x01, &[left, right])
}

fn hash(prefix: u8, parts: &[&Digest]) -> Digest {
    let mut hasher = Sha256::new_with_prefix([prefix]);
    for part in parts {
        hasher.update(part.as_bytes());
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
            [leaf] => leaf_hash(leaf),
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

    /// The reference vectors of Certificate Transparency have leaves of other lengths than 32
    /// bytes; their roots are rebuilt here from the node function, which is what they can test.
    #[test]
    fn nodes_hash_as_in_certificate_transparency() {
        let leaf = |data: &[u8]| hash_bytes(0x00, data);
        let hex = |text: &str| text.parse::<Digest>().unwrap();
        assert_eq!(
            MerkleAccumulator::new().root(),
            hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        );
        let first = leaf(b"");
        assert_eq!(
            first,
            hex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d")
        );
        let second = node_hash(&first, &leaf(&[0x00]));
        assert_eq!(
            second,
            hex("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")
        );
        assert_eq!(
            node_hash(&second, &leaf(&[0x10])),
            hex("aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77")
        );
    }

    fn hash_bytes(prefix: u8, data: &[u8]) -> Digest {
        let mut bytes = vec![prefix];
        bytes.extend_from_slice(data);
        Digest::of(&bytes)
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
}
