//! Roots and proofs of the Merkle tree, against RFC 6962 word for word and against the vectors of
//! the Certificate Transparency implementation (`tests/vectors/rfc6962-proofs.jsonl`, from
//! `testdata` of github.com/transparency-dev/merkle, Apache-2.0; without the one whose roots are no
//! digests).

use althing::chain::merkle::{
    ConsistencyProof, ConsistencyProver, InclusionProof, InclusionProver, LeafHash, MAX_SIZE,
    MerkleAccumulator, ProofError, TreeRoot, node_hash,
};
use althing::governance::digest::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use serde_json::Value;

const SIZES: u64 = 65;

fn leaf(number: u64) -> LeafHash {
    LeafHash::of(&number.to_be_bytes())
}

fn leaves(size: u64) -> Vec<LeafHash> {
    (0..size).map(leaf).collect()
}

fn tree(size: u64) -> TreeRoot {
    let mut tree = MerkleAccumulator::new();
    (0..size).for_each(|number| tree.push_leaf(leaf(number)));
    tree.tree_root()
}

fn inclusion(index: u64, size: u64) -> InclusionProof {
    let mut prover = InclusionProver::new(index, size).expect("the index lies in the tree");
    leaves(size).into_iter().for_each(|leaf| prover.push(leaf));
    prover.finish().expect("all leaves are there")
}

fn consistency(from: u64, to: u64) -> ConsistencyProof {
    let mut prover = ConsistencyProver::new(from, to).expect("the sizes are in order");
    leaves(to).into_iter().for_each(|leaf| prover.push(leaf));
    prover.finish().expect("all leaves are there")
}

/// `MTH`, `PATH` and `SUBPROOF` of RFC 6962, section 2.1, word for word.
mod rfc6962 {
    use super::*;

    /// "Let k be the largest power of two smaller than n."
    fn k(n: usize) -> usize {
        (0..)
            .map(|exponent| 1 << exponent)
            .take_while(|k| *k < n)
            .last()
            .expect("n is above 1")
    }

    pub fn mth(d: &[LeafHash]) -> Digest {
        match d {
            [] => Digest::of(b""),
            [leaf] => *leaf.digest(),
            _ => {
                let (left, right) = d.split_at(k(d.len()));
                node_hash(&mth(left), &mth(right))
            }
        }
    }

    pub fn path(m: usize, d: &[LeafHash]) -> Vec<Digest> {
        if d.len() == 1 {
            return Vec::new();
        }
        let k = k(d.len());
        let (left, right) = d.split_at(k);
        let (mut path, other) = if m < k {
            (path(m, left), right)
        } else {
            (path(m - k, right), left)
        };
        path.push(mth(other));
        path
    }

    pub fn subproof(m: usize, d: &[LeafHash], b: bool) -> Vec<Digest> {
        if m == d.len() {
            return if b { Vec::new() } else { vec![mth(d)] };
        }
        let k = k(d.len());
        let (left, right) = d.split_at(k);
        let (mut proof, other) = if m <= k {
            (subproof(m, left, b), right)
        } else {
            (subproof(m - k, right, false), left)
        };
        proof.push(mth(other));
        proof
    }
}

#[test]
fn every_proof_of_small_trees_is_the_one_of_the_rfc_and_verifies() {
    for size in 1..=SIZES {
        let all = leaves(size);
        let whole = tree(size);
        assert_eq!(whole.root, rfc6962::mth(&all), "{size}");
        for index in 0..size {
            let proof = inclusion(index, size);
            let expected = rfc6962::path(index as usize, &all);
            assert_eq!(proof.path(), expected, "{index} of {size}");
            assert_eq!((proof.index(), proof.size()), (index, size));
            assert!(proof.proves(&leaf(index), &whole), "{index} of {size}");
        }
        for from in 1..=size {
            let proof = consistency(from, size);
            let expected = rfc6962::subproof(from as usize, &all, true);
            assert_eq!(proof.path(), expected, "{from} to {size}");
            assert_eq!((proof.from(), proof.to()), (from, size));
            assert!(proof.proves(&tree(from), &whole), "{from} to {size}");
        }
    }
}

fn flipped(digest: &Digest, bit: usize) -> Digest {
    let mut bytes = *digest.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Digest::from_bytes(bytes)
}

/// The bits to flip: all of them in small trees, a few in larger ones.
fn bits(size: u64) -> impl Iterator<Item = usize> {
    (0..256).step_by(if size <= 8 { 1 } else { 101 })
}

#[test]
fn a_changed_inclusion_proof_shows_nothing() {
    for size in 1..=24 {
        let whole = tree(size);
        for index in 0..size {
            let proof = inclusion(index, size);
            for bit in bits(size) {
                let root = flipped(&whole.root, bit);
                assert!(!proof.proves(&leaf(index), &TreeRoot { size, root }));
                let other = LeafHash::from_digest(flipped(leaf(index).digest(), bit));
                assert!(!proof.proves(&other, &whole));
                for position in 0..proof.path().len() {
                    let mut path = proof.path().to_vec();
                    path[position] = flipped(&path[position], bit);
                    let changed = InclusionProof::new(index, size, path).unwrap();
                    assert!(!changed.proves(&leaf(index), &whole), "{index} of {size}");
                }
            }
            for other in (0..size + 3).filter(|other| *other != index) {
                let moved = InclusionProof::new(other, size, proof.path().to_vec());
                assert!(!moved.is_ok_and(|proof| proof.proves(&leaf(index), &whole)));
            }
            for other in (0..size + 9).filter(|other| *other != size) {
                let resized = InclusionProof::new(index, other, proof.path().to_vec());
                assert!(!resized.is_ok_and(|proof| proof.proves(&leaf(index), &whole)));
                let claimed = TreeRoot {
                    size: other,
                    ..whole
                };
                assert!(!proof.proves(&leaf(index), &claimed));
            }
        }
    }
}

#[test]
fn a_changed_consistency_proof_shows_nothing() {
    for to in 1..=24 {
        let newer = tree(to);
        for from in 1..=to {
            let older = tree(from);
            let proof = consistency(from, to);
            for bit in bits(to) {
                let changed = |tree: TreeRoot| TreeRoot {
                    root: flipped(&tree.root, bit),
                    ..tree
                };
                assert!(!proof.proves(&changed(older), &newer), "{from} to {to}");
                assert!(!proof.proves(&older, &changed(newer)), "{from} to {to}");
                for position in 0..proof.path().len() {
                    let mut path = proof.path().to_vec();
                    path[position] = flipped(&path[position], bit);
                    let changed = ConsistencyProof::new(from, to, path).unwrap();
                    assert!(!changed.proves(&older, &newer), "{from} to {to}");
                }
            }
            for size in (0..to + 9).filter(|size| *size != from) {
                assert!(!proof.proves(&TreeRoot { size, ..older }, &newer));
                let resized = ConsistencyProof::new(size, to, proof.path().to_vec());
                assert!(!resized.is_ok_and(|proof| proof.proves(&older, &newer)));
            }
            for size in (0..to + 9).filter(|size| *size != to) {
                assert!(!proof.proves(&older, &TreeRoot { size, ..newer }));
            }
        }
    }
}

#[test]
fn a_path_of_another_length_is_no_proof() {
    for size in 1..=SIZES {
        for number in 0..size {
            let path = inclusion(number, size).path().to_vec();
            let (expected, found) = (path.len(), path.len() + 1);
            let longer = [path, vec![Digest::ZERO]].concat();
            assert_eq!(
                InclusionProof::new(number, size, longer),
                Err(ProofError::Length { expected, found })
            );
            let path = consistency(number + 1, size).path().to_vec();
            if let Some((_, shorter)) = path.split_last() {
                let shorter = ConsistencyProof::new(number + 1, size, shorter.to_vec());
                assert!(matches!(shorter, Err(ProofError::Length { .. })));
            }
        }
    }
}

#[test]
fn sizes_from_outside_are_capped() {
    let too_large = MAX_SIZE + 1;
    for size in [0, too_large, u64::MAX] {
        let found = ProofError::Size { found: size };
        assert_eq!(InclusionProver::new(0, size).err(), Some(found));
        assert_eq!(ConsistencyProver::new(1, size).err(), Some(found));
    }
    let index = ProofError::Index { size: 7, found: 7 };
    assert_eq!(InclusionProver::new(7, 7).err(), Some(index));
    for from in [0, 8, u64::MAX] {
        let order = ProofError::Order { to: 7, found: from };
        assert_eq!(ConsistencyProver::new(from, 7).err(), Some(order));
    }
    // Where a number that is read takes the path of any length, that length is small.
    for from in [1, 2, 3, MAX_SIZE / 2, MAX_SIZE / 3, MAX_SIZE - 1, MAX_SIZE] {
        let Err(ProofError::Length { expected, .. }) =
            ConsistencyProof::new(from, MAX_SIZE, vec![Digest::ZERO; 99])
        else {
            panic!("99 hashes are too many");
        };
        assert!(expected <= ConsistencyProof::MAX_PATH, "{expected}");
        let long = vec![Digest::ZERO; expected];
        let proof = ConsistencyProof::new(from, MAX_SIZE, long).unwrap();
        let (older, newer) = (
            TreeRoot {
                size: from,
                ..tree(1)
            },
            TreeRoot {
                size: MAX_SIZE,
                ..tree(1)
            },
        );
        assert_eq!(proof.proves(&older, &newer), from == MAX_SIZE);
    }
}

#[test]
fn a_prover_needs_every_leaf() {
    let mut prover = InclusionProver::new(2, 5).unwrap();
    leaves(4).into_iter().for_each(|leaf| prover.push(leaf));
    let short = ProofError::Leaves {
        expected: 5,
        found: 4,
    };
    assert_eq!(prover.clone().finish(), Err(short));
    // Leaves behind the tree's last belong to a later one.
    (4..9).for_each(|number| prover.push(leaf(number)));
    assert!(prover.finish().unwrap().proves(&leaf(2), &tree(5)));
}

#[test]
fn proofs_read_as_they_are_written_and_nothing_else_is_one() {
    let proof = consistency(3, 7);
    let text = serde_json::to_string(&proof).unwrap();
    assert_eq!(
        serde_json::from_str::<ConsistencyProof>(&text).unwrap(),
        proof
    );
    let text = serde_json::to_string(&inclusion(3, 7)).unwrap();
    assert_eq!(
        serde_json::from_str::<InclusionProof>(&text).unwrap(),
        inclusion(3, 7)
    );
    for wrong in [
        text.replace("\"index\":3", "\"index\":7"),
        text.replace("\"size\":7", "\"size\":70"),
        text.replace("\"size\":7", "\"size\":7,\"more\":1"),
        text.replace("\"path\":[", &format!("\"path\":[\"{}\",", Digest::ZERO)),
    ] {
        assert_ne!(wrong, text);
        assert!(
            serde_json::from_str::<InclusionProof>(&wrong).is_err(),
            "{wrong}"
        );
    }
}

/// The digests of a vector; `None` where one is no digest at all.
fn digests(values: &Value) -> Option<Vec<Digest>> {
    let digest = |value: &Value| {
        let bytes = BASE64.decode(value.as_str()?).ok()?;
        Some(Digest::from_bytes(bytes.try_into().ok()?))
    };
    values.as_array()?.iter().map(digest).collect()
}

fn verdict(vector: &Value) -> Option<bool> {
    let number = |key: &str| vector[key].as_u64();
    let digest = |key: &str| Some(digests(&Value::Array(vec![vector[key].clone()]))?[0]);
    let path = digests(&vector["proof"])?;
    if vector["name"].as_str()?.starts_with("inclusion/") {
        let tree = TreeRoot {
            size: number("treeSize")?,
            root: digest("root")?,
        };
        let proof = InclusionProof::new(number("leafIdx")?, tree.size, path).ok()?;
        return Some(proof.proves(&LeafHash::from_digest(digest("leafHash")?), &tree));
    }
    let tree = |size: &str, root: &str| {
        let (size, root) = (number(size)?, digest(root)?);
        Some(TreeRoot { size, root })
    };
    let (older, newer) = (tree("size1", "root1")?, tree("size2", "root2")?);
    let proof = ConsistencyProof::new(older.size, newer.size, path).ok()?;
    Some(proof.proves(&older, &newer))
}

#[test]
fn the_vectors_of_certificate_transparency_have_the_verdicts_that_they_state() {
    let vectors = include_str!("../vectors/rfc6962-proofs.jsonl");
    let (mut valid, mut invalid) = (0, 0);
    for line in vectors.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let expected = vector["wantErr"] == Value::Bool(false);
        assert_eq!(verdict(&vector).unwrap_or(false), expected, "{line}");
        *(if expected { &mut valid } else { &mut invalid }) += 1;
    }
    assert_eq!((valid, invalid), (11, 184));
}

/// The eight leaves that Certificate Transparency's own tests use, and the roots after each.
#[test]
fn roots_are_those_of_certificate_transparency() {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut tree = MerkleAccumulator::new();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(tree.root().to_string(), empty);
    for (data, root) in leaves.into_iter().zip(roots) {
        tree.push_leaf(LeafHash::of(data));
        assert_eq!(tree.root().to_string(), root);
    }
}

proptest! {
    #![proptest_config(crate::config(64))]

    #[test]
    fn proofs_of_larger_trees_verify_and_no_other_root_does(
        size in 66_u64..700,
        index in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        bit in 0_usize..256,
    ) {
        let whole = tree(size);
        let other = TreeRoot { root: flipped(&whole.root, bit), ..whole };
        let index = index.index(size as usize) as u64;
        let proof = inclusion(index, size);
        prop_assert!(proof.proves(&leaf(index), &whole));
        prop_assert!(!proof.proves(&leaf(index), &other));
        let from = from.index(size as usize) as u64 + 1;
        let older = tree(from);
        let proof = consistency(from, size);
        prop_assert!(proof.proves(&older, &whole));
        prop_assert!(!proof.proves(&older, &other));
    }

    /// Whatever numbers and hashes come from outside, there is an answer.
    #[test]
    fn no_proof_makes_the_verifier_panic(
        a in any::<u64>(),
        b in any::<u64>(),
        small in 0_u64..70,
        path in prop::collection::vec(any::<[u8; 32]>().prop_map(Digest::from_bytes), 0..60),
    ) {
        for (first, second) in [(a, b), (small, b), (a, small), (a >> 11, b >> 11), (small, small)] {
            let root = Digest::ZERO;
            if let Ok(proof) = InclusionProof::new(first, second, path.clone()) {
                let tree = TreeRoot { size: second, root };
                prop_assert!(!proof.proves(&leaf(0), &tree));
            }
            if let Ok(proof) = ConsistencyProof::new(first, second, path.clone()) {
                let older = TreeRoot { size: first, root };
                let newer = TreeRoot { size: second, root: Digest::of(b"another") };
                prop_assert!(!proof.proves(&older, &newer));
            }
        }
    }
}
