//! Checkpoints in the ledger, and nodes that signed two that contradict each other.

use std::cell::RefCell;
use std::rc::Rc;

use althing::chain::merkle::{ConsistencyProver, LeafHash, MerkleAccumulator, TreeRoot};
use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::CheckpointRecorded;
use althing::governance::evidence::{ContradictingHeads, Divergence, SignedHead};
use althing::governance::grants_root::grants_root;
use althing::governance::policy::Policy;
use althing::governance::tree_head::TreeHead;
use althing::testing::Signatures;
use althing::testing::actions::{authorize_model, revoke_model};
use althing::testing::scenario::{
    Move, Scenario, Stage, authorizes, events, holds, nothing, passes, proposes, refused, rotates,
    submits, votes,
};

use super::{Golden, golden, reinstates};

pub const SCENARIOS: &[Golden] = &[
    golden(
        "checkpoint-recorded",
        "The state and the live grants are put under the chain, before and after a grant ends.",
        "CKPT-10, CKPT-11, CKPT-12",
        recorded,
    ),
    golden(
        "contradicting-checkpoints",
        "A node signed two histories: it is suspended, once, and its weight turns Byzantine.",
        "BYZ-12, BYZ-13, BYZ-15, BYZ-16",
        contradicting,
    ),
    golden(
        "contradicting-checkpoints-of-one-size",
        "The last active node signed two trees of one size and is only flagged.",
        "BYZ-12, BYZ-16",
        last_node,
    ),
    golden(
        "contradicting-checkpoints-across-keys",
        "One of the two was signed with the key before the last: a rotation launders nothing.",
        "BYZ-14",
        across_keys,
    ),
    golden(
        "contradicting-checkpoints-and-back",
        "A node comes back with a new key: it answers for its new term, and not again for the old one.",
        "BYZ-11, BYZ-14, MEM-13",
        and_back,
    ),
];

fn records(what: &str, change: fn(&mut CheckpointRecorded)) -> Move {
    submits(what, move |stage| {
        let (state, now) = (stage.assembly.state(), stage.assembly.now());
        let grants = grants_root(state.authorizations(), now);
        let mut claimed = CheckpointRecorded {
            grants_root: grants.root,
            live_grants: grants.size,
            registry_hash: state.registry_hash(),
            state_hash: state.hash(),
        };
        change(&mut claimed);
        Command::RecordCheckpoint(Some(claimed))
    })
}

fn recorded(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::uniform(), &[2, 1])
        .when(submits("a checkpoint is recorded", |_| {
            Command::RecordCheckpoint(None)
        }))
        .then(events(["checkpoint_recorded live 0"]))
        .given(passes([0], "triage", authorize_model("triage")))
        .given(passes([0], "dosage", authorize_model("dosage")))
        .when(records("another state is claimed", |it| {
            it.state_hash = Digest::ZERO;
        }))
        .then(refused("checkpoint.state-hash"))
        .when(records("another registry is claimed", |it| {
            it.registry_hash = Digest::ZERO;
        }))
        .then(refused("checkpoint.registry-hash"))
        .when(records("fewer grants are claimed", |it| it.live_grants = 1))
        .then(refused("checkpoint.grants-root"))
        .when(records("what is so is claimed", |_| {}))
        .then(events(["checkpoint_recorded live 2"]))
        .given(passes([0], "recall", revoke_model("triage")))
        .when(submits("a checkpoint is recorded", |_| {
            Command::RecordCheckpoint(None)
        }))
        .then(events(["checkpoint_recorded live 1"]))
}

/// A tree of its own, or one that parts from it behind the third leaf.
fn leaf(number: u64, forked: bool) -> LeafHash {
    let side = u64::from(forked && number > 2);
    LeafHash::of(&[number.to_be_bytes(), side.to_be_bytes()].concat())
}

fn tree(size: u64, forked: bool) -> TreeRoot {
    let mut tree = MerkleAccumulator::new();
    (0..size).for_each(|number| tree.push_leaf(leaf(number, forked)));
    tree.tree_root()
}

/// A head that a node signs with its present key.
fn signs(stage: &Stage, by: usize, tree: TreeRoot) -> SignedHead {
    let node = stage.assembly.id(by);
    let identity = stage.assembly.state().identity();
    let origin = althing::governance::tree_head::Origin {
        ledger: identity.ledger,
        genesis: identity.origin,
    };
    let message = TreeHead { origin, tree }.message(node, 5);
    SignedHead {
        posix_seconds: 5,
        root: tree.root,
        signature: stage.assembly.signer_of(node).sign_message(&message),
        size: tree.size,
    }
}

/// That a node signed `first`, of five entries, and the other tree of nine.
fn fork(stage: &Stage, by: usize, first: SignedHead) -> ContradictingHeads {
    let mut prover = ConsistencyProver::new(5, 9).expect("sizes");
    (0..9).for_each(|number| prover.push(leaf(number, true)));
    let identity = stage.assembly.state().identity();
    ContradictingHeads {
        divergence: Some(Divergence {
            path: prover.finish().expect("nine leaves").path().to_vec(),
            root: tree(5, true).root,
        }),
        first,
        node: stage.assembly.id(by),
        origin: althing::governance::tree_head::Origin {
            ledger: identity.ledger,
            genesis: identity.origin,
        },
        second: signs(stage, by, tree(9, true)),
    }
}

fn accuses_of_fork(by: usize) -> Move {
    submits("two checkpoints of a node are shown", move |stage| {
        let heads = fork(stage, by, signs(stage, by, tree(5, false)));
        Command::SubmitContradictingHeads(Box::new(heads))
    })
}

fn accuses_at_one_size(by: usize) -> Move {
    submits("two checkpoints of one size are shown", move |stage| {
        Command::SubmitContradictingHeads(Box::new(stage.assembly.contradicting_heads(by)))
    })
}

fn contradicting(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1; 4])
        .given(authorizes(0, "voted"))
        .given(votes(3, "voted", Approve))
        .given(authorizes(0, "open"))
        .when(accuses_of_fork(3))
        .then(events(["byzantine_detected node-3 suspended"]))
        .when(accuses_at_one_size(3))
        .then(nothing())
        .when(votes(3, "open", Approve))
        .then(refused("ballot.suspended"))
}

fn last_node(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1])
        .when(accuses_at_one_size(0))
        .then(events(["byzantine_detected node-0 flagged"]))
        .when(passes([0], "triage", authorize_model("triage")))
        .then(holds("it decides on", |stage| {
            stage.assembly.state().authorizations().iter().count() == 1
        }))
}

type Kept = Rc<RefCell<Option<SignedHead>>>;

/// A node signs a checkpoint that nobody shows yet.
fn keeps(by: usize, kept: &Kept) -> Move {
    let kept = Rc::clone(kept);
    submits(
        "a node signs a checkpoint, and one is recorded",
        move |stage| {
            *kept.borrow_mut() = Some(signs(stage, by, tree(5, false)));
            Command::RecordCheckpoint(None)
        },
    )
}

/// What was kept is shown beside what the present key signs.
fn accuses_with(by: usize, kept: &Kept) -> Move {
    let kept = Rc::clone(kept);
    submits(
        "an earlier and a later checkpoint are shown",
        move |stage| {
            let first = kept.borrow().clone().expect("it was kept");
            Command::SubmitContradictingHeads(Box::new(fork(stage, by, first)))
        },
    )
}

fn across_keys(signatures: Signatures) -> Scenario {
    let kept = Kept::default();
    Scenario::signing(signatures, Policy::default(), &[1; 4])
        .given(keeps(3, &kept))
        .given(rotates(3))
        .when(accuses_with(3, &kept))
        .then(events(["byzantine_detected node-3 suspended"]))
}

fn and_back(signatures: Signatures) -> Scenario {
    let kept = Kept::default();
    Scenario::signing(signatures, Policy::default(), &[1; 4])
        .given(keeps(3, &kept))
        .when(accuses_with(3, &kept))
        .then(events(["byzantine_detected node-3 suspended"]))
        .given(proposes(0, "back", reinstates(3)))
        .given(votes(0, "back", Approve))
        .given(votes(1, "back", Approve))
        .when(votes(2, "back", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached back passed",
            "node_reinstated node-3 by back",
        ]))
        // One signature of the old term, one of the new.
        .when(accuses_with(3, &kept))
        .then(refused("evidence.signature"))
        .when(accuses_of_fork(3))
        .then(events(["byzantine_detected node-3 suspended"]))
}
