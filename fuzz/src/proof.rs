//! Proofs of inclusion and of consistency.
//!
//! The input is a proof's JSON. The second opinion is the recursive definition of RFC 6962.

use althing::governance::digest::Digest;
use althing::governance::merkle::{ConsistencyProof, InclusionProof, LeafHash, TreeRoot};
use sha2::{Digest as _, Sha256};

/// A proof is written as it was read, and leads to the roots that the definition gives and no others.
pub fn run(bytes: &[u8]) -> bool {
    inclusion(bytes) | consistency(bytes)
}

fn inclusion(bytes: &[u8]) -> bool {
    let Ok(proof) = serde_json::from_slice::<InclusionProof>(bytes) else {
        return false;
    };
    let written = serde_json::to_string(&proof).expect("it was read");
    assert_eq!(serde_json::from_str(&written).ok(), Some(proof.clone()));
    let leaf = Digest::from_bytes(Sha256::digest(bytes).into());
    let mut path = proof.path();
    let root = included(proof.index(), proof.size(), leaf, &mut path);
    assert!(path.is_empty(), "a hash is left over");
    let leaf = LeafHash::from_digest(leaf);
    let size = proof.size();
    assert!(proof.proves(&leaf, &TreeRoot { size, root }));
    let root = other(root);
    assert!(!proof.proves(&leaf, &TreeRoot { size, root }));
    let (size, root) = (size + 1, other(root));
    assert!(!proof.proves(&leaf, &TreeRoot { size, root }));
    true
}

fn consistency(bytes: &[u8]) -> bool {
    let Ok(proof) = serde_json::from_slice::<ConsistencyProof>(bytes) else {
        return false;
    };
    let written = serde_json::to_string(&proof).expect("it was read");
    assert_eq!(serde_json::from_str(&written).ok(), Some(proof.clone()));
    let given = Digest::from_bytes(Sha256::digest(bytes).into());
    let mut path = proof.path();
    let (old, new) = continued(proof.from(), proof.to(), true, given, &mut path);
    assert!(path.is_empty(), "a hash is left over");
    let tree = |size, root| TreeRoot { size, root };
    let (from, to) = (proof.from(), proof.to());
    assert!(proof.proves(&tree(from, old), &tree(to, new)));
    assert!(!proof.proves(&tree(from, other(old)), &tree(to, new)));
    assert!(!proof.proves(&tree(from, old), &tree(to, other(new))));
    assert!(!proof.proves(&tree(from + 1, old), &tree(to, new)));
    assert!(!proof.proves(&tree(from, old), &tree(to + 1, new)));
    true
}

fn other(digest: Digest) -> Digest {
    let mut bytes = *digest.as_bytes();
    bytes[31] ^= 1;
    Digest::from_bytes(bytes)
}

pub(crate) fn node(left: Digest, right: Digest) -> Digest {
    let data = [&[1], left.as_bytes().as_slice(), right.as_bytes()].concat();
    Digest::from_bytes(Sha256::digest(data).into())
}

/// The largest power of two below `size`.
pub(crate) fn split(size: u64) -> u64 {
    let mut half = 1;
    while half * 2 < size {
        half *= 2;
    }
    half
}

fn last(path: &mut &[Digest]) -> Digest {
    let (last, rest) = path.split_last().expect("a hash is missing");
    *path = rest;
    *last
}

/// `PATH(m, D[n])`, upside down: the root that it leads to.
pub(crate) fn included(index: u64, size: u64, leaf: Digest, path: &mut &[Digest]) -> Digest {
    if size == 1 {
        return leaf;
    }
    let (half, sibling) = (split(size), last(path));
    if index < half {
        node(included(index, half, leaf, path), sibling)
    } else {
        node(sibling, included(index - half, size - half, leaf, path))
    }
}

/// `SUBPROOF(m, D[n], b)`, upside down: the two roots that it leads to.
fn continued(
    from: u64,
    to: u64,
    complete: bool,
    given: Digest,
    path: &mut &[Digest],
) -> (Digest, Digest) {
    if from == to {
        let root = if complete { given } else { last(path) };
        return (root, root);
    }
    let (half, sibling) = (split(to), last(path));
    if from <= half {
        let (old, new) = continued(from, half, complete, given, path);
        (old, node(new, sibling))
    } else {
        let (old, new) = continued(from - half, to - half, false, given, path);
        (node(sibling, old), node(sibling, new))
    }
}
