//! Contradicting checkpoints as steps order them.

use althing::governance::evidence::{ContradictingHeads, Divergence, SignedHead};
use althing::governance::id::NodeId;
use althing::governance::merkle::{ConsistencyProver, LeafHash, MerkleAccumulator, TreeRoot};
use althing::governance::tree_head::{Origin, TreeHead};
use althing::testing::model::Key;

use super::orders::{NOBODY, signer};

/// The entries that both trees have in common, and how many they have in all.
const COMMON: u64 = 3;
const SMALL: u64 = 5;
const LARGE: u64 = 9;

/// When the checkpoints claim to be signed.
const SECOND: u64 = 5;

/// Two checkpoints that nobody has signed yet.
#[derive(Debug, Clone)]
pub struct Fork {
    node: NodeId,
    pub origin: Origin,
    trees: [TreeRoot; 2],
    divergence: Option<Divergence>,
}

fn leaf(number: u64, forked: bool) -> LeafHash {
    let content = [number, u64::from(forked && number >= COMMON)];
    LeafHash::of(&content.map(u64::to_be_bytes).concat())
}

fn tree(size: u64, forked: bool) -> TreeRoot {
    let mut tree = MerkleAccumulator::new();
    (0..size).for_each(|number| tree.push_leaf(leaf(number, forked)));
    tree.tree_root()
}

/// How the tree of the larger checkpoint began.
fn beginning() -> Divergence {
    let mut prover = ConsistencyProver::new(SMALL, LARGE).expect("it grows");
    (0..LARGE).for_each(|number| prover.push(leaf(number, true)));
    Divergence {
        path: prover.finish().expect("all leaves").path().to_vec(),
        root: tree(SMALL, true).root,
    }
}

impl Fork {
    pub fn of(node: NodeId, origin: Origin, grown: bool, agreeing: bool) -> Self {
        let large = if grown { LARGE } else { SMALL };
        Self {
            node,
            origin,
            trees: [tree(SMALL, agreeing), tree(large, true)],
            divergence: grown.then(beginning),
        }
    }

    /// The evidence with the ledger's own origin and everybody's signatures.
    pub fn signed(&self, origin: Origin, keys: [Option<Key>; 2]) -> ContradictingHeads {
        let sign = |tree: TreeRoot, key: Option<Key>| {
            let message = TreeHead { origin, tree }.message(self.node, SECOND);
            SignedHead {
                posix_seconds: SECOND,
                root: tree.root,
                signature: signer(key.unwrap_or(NOBODY)).sign_message(&message),
                size: tree.size,
            }
        };
        let [first, second] = self.trees;
        let [by, second_by] = keys;
        ContradictingHeads {
            divergence: self.divergence.clone(),
            first: sign(first, by),
            node: self.node,
            origin,
            second: sign(second, second_by),
        }
    }
}
