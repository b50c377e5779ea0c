//! Two checkpoints of one node that contradict each other: what shows it, what it leads to, and how
//! far back keys count.

use althing::chain::merkle::{ConsistencyProver, LeafHash, MerkleAccumulator, TreeRoot};
use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::{CheckpointsContradicted, Event, SupersededBy};
use althing::governance::evidence::{ContradictingHeads, Divergence, SignedHead};
use althing::governance::id::NodeId;
use althing::governance::proposal::Action;
use althing::governance::state::proposal::Status;
use althing::governance::state::registry::NodeStatus;
use althing::governance::tally::Standing;
use althing::governance::tree_head::{Origin, TreeHead};
use althing::testing::actions::{self, authorize_model};
use althing::testing::{Assembly, Signer, StandInVerifier};

fn four() -> Assembly {
    Assembly::of(&[1, 1, 1, 1])
}

fn replays(assembly: &Assembly) {
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

fn command(heads: ContradictingHeads) -> Command {
    Command::SubmitContradictingHeads(Box::new(heads))
}

fn leaf(number: u64, forked: bool) -> LeafHash {
    LeafHash::of(
        &[
            number.to_be_bytes(),
            u64::from(forked && number > 2).to_be_bytes(),
        ]
        .concat(),
    )
}

/// A tree, or another one that parts from it behind the third leaf.
fn tree(size: u64, forked: bool) -> TreeRoot {
    let mut tree = MerkleAccumulator::new();
    (0..size).for_each(|number| tree.push_leaf(leaf(number, forked)));
    tree.tree_root()
}

fn origin(assembly: &Assembly) -> Origin {
    let identity = assembly.state().identity();
    Origin {
        ledger: identity.ledger,
        genesis: identity.origin,
    }
}

fn signed(origin: Origin, tree: TreeRoot, node: NodeId, signer: &Signer) -> SignedHead {
    let message = TreeHead { origin, tree }.message(node, 5);
    SignedHead {
        posix_seconds: 5,
        root: tree.root,
        signature: signer.sign_message(&message),
        size: tree.size,
    }
}

/// That a node signed the one tree at `from` and the other one at `to`.
fn fork(assembly: &Assembly, by: usize, from: u64, to: u64) -> ContradictingHeads {
    let (origin, node) = (origin(assembly), assembly.id(by));
    let mut prover = ConsistencyProver::new(from, to).unwrap();
    (0..to).for_each(|number| prover.push(leaf(number, true)));
    let divergence = Divergence {
        path: prover.finish().unwrap().path().to_vec(),
        root: tree(from, true).root,
    };
    let signer = assembly.signer_of(node);
    ContradictingHeads {
        divergence: (from < to).then_some(divergence),
        first: signed(origin, tree(from, false), node, signer),
        node,
        origin,
        second: signed(origin, tree(to, true), node, signer),
    }
    .ordered()
}

#[test]
fn a_fork_of_any_sizes_is_shown_and_honest_growth_is_not() {
    let assembly = four();
    for to in 1..=40 {
        for from in 1..=to {
            let heads = fork(&assembly, 3, from, to);
            // Up to three leaves both trees are one.
            assert_eq!(heads.is_contradiction(), from > 3, "{from} {to}");
        }
    }
}

#[test]
fn evidence_stands_by_itself_and_every_part_of_it_counts() {
    let assembly = four();
    let (heads, key) = (fork(&assembly, 3, 5, 9), assembly.signer(3).key());
    let holds = |heads: &ContradictingHeads| {
        heads.is_contradiction() && heads.is_signed_by(&[key], &StandInVerifier)
    };
    let text = serde_json::to_string(&heads).unwrap();
    let read: ContradictingHeads = serde_json::from_str(&text).unwrap();
    assert_eq!(read, heads);
    assert!(holds(&read));
    let changes: [fn(&mut ContradictingHeads); 14] = [
        |it| it.divergence = None,
        |it| it.divergence.as_mut().unwrap().root = it.first.root,
        |it| it.divergence.as_mut().unwrap().root = Digest::ZERO,
        |it| it.divergence.as_mut().unwrap().path[0] = Digest::ZERO,
        |it| it.divergence.as_mut().unwrap().path.truncate(1),
        |it| it.divergence.as_mut().unwrap().path.push(Digest::ZERO),
        |it| it.first.root = Digest::ZERO,
        |it| it.second.root = Digest::ZERO,
        |it| it.first.size = 4,
        |it| it.second.size = 10,
        |it| it.first.posix_seconds += 1,
        |it| it.origin.genesis = Digest::ZERO,
        |it| it.first.signature = it.second.signature.clone(),
        |it| std::mem::swap(&mut it.first, &mut it.second),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = heads.clone();
        change(&mut changed);
        assert!(!holds(&changed), "{number}");
    }
    // Two roots of one size speak for themselves: with a divergence there would be two forms.
    let mut equal = fork(&assembly, 3, 9, 9);
    assert!(holds(&equal));
    equal.divergence = Some(Divergence {
        path: Vec::new(),
        root: equal.second.root,
    });
    assert!(!holds(&equal));
    let mut other = heads.clone();
    other.node = assembly.id(2);
    assert!(!holds(&other));
    assert!(!heads.is_signed_by(&[assembly.signer(2).key()], &StandInVerifier));
}

#[test]
fn contradicting_checkpoints_suspend_like_an_equivocation() {
    let mut assembly = four();
    let voted = assembly.propose(0, authorize_model("voted"));
    assembly.vote(3, voted, Approve);
    let open = assembly.propose(0, authorize_model("open"));
    let epoch = assembly.state().epoch();
    let heads = fork(&assembly, 3, 5, 9);
    let events = assembly.accept(&command(heads.clone()));
    let expected = Event::CheckpointsContradicted(CheckpointsContradicted {
        checkpoints: heads.clone(),
        node: assembly.id(3),
        suspended: true,
    });
    assert_eq!(events[0], expected);
    assert_eq!(events[0].operation(), "byzantine_detected");
    let node = assembly.state().registry().get(assembly.id(3)).unwrap();
    assert_eq!(node.status(), NodeStatus::Suspended);
    assert_eq!(assembly.state().epoch(), epoch + 1);
    let standing = |proposal| {
        assembly
            .proposal(proposal)
            .member(assembly.id(3))
            .unwrap()
            .standing()
    };
    assert_eq!(standing(voted), Standing::Byzantine);
    assert_eq!(standing(open), Standing::Barred);
    // Once is enough, whichever of its checkpoints are shown.
    assert_eq!(assembly.accept(&command(heads)), []);
    let another = fork(&assembly, 3, 7, 7);
    assert_eq!(assembly.accept(&command(another)), []);
    let replayed = assembly.replay().state;
    assert_eq!(replayed.hash(), assembly.state().hash());
    let projection: serde_json::Value = serde_json::from_str(&replayed.projection()).unwrap();
    assert_eq!(
        projection["evidence"][0]["proposal"],
        serde_json::Value::Null
    );
    assert_eq!(projection["evidence"][0]["suspended"], true);
}

#[test]
fn the_order_in_which_the_two_are_shown_makes_no_difference() {
    let mut assembly = four();
    let mut heads = fork(&assembly, 3, 5, 9);
    std::mem::swap(&mut heads.first, &mut heads.second);
    let events = assembly.accept(&command(heads));
    let Event::CheckpointsContradicted(found) = &events[0] else {
        panic!("evidence");
    };
    assert!(found.checkpoints.first.size < found.checkpoints.second.size);
    replays(&assembly);
}

#[test]
fn the_last_active_node_is_only_flagged() {
    let mut assembly = Assembly::of(&[1]);
    let open = assembly.propose(0, authorize_model("open"));
    let heads = fork(&assembly, 0, 4, 4);
    let events = assembly.accept(&command(heads));
    assert!(matches!(&events[0], Event::CheckpointsContradicted(it) if !it.suspended));
    assert!(
        assembly
            .state()
            .registry()
            .get(assembly.id(0))
            .unwrap()
            .is_active()
    );
    let standing = assembly
        .proposal(open)
        .member(assembly.id(0))
        .unwrap()
        .standing();
    assert_eq!(standing, Standing::Uncast);
    replays(&assembly);
}

#[test]
fn what_shows_nothing_is_refused_by_name() {
    let mut assembly = four();
    let good = fork(&assembly, 3, 5, 9);
    let node = assembly.id(3);
    let mut cases: Vec<(ContradictingHeads, &str)> = Vec::new();
    let mut add = |code, change: &dyn Fn(&mut ContradictingHeads)| {
        let mut heads = good.clone();
        change(&mut heads);
        cases.push((heads, code));
    };
    add("statement.wrong-ledger", &|it| {
        it.origin.genesis = Digest::ZERO
    });
    add("evidence.not-contradictory", &|it| it.divergence = None);
    add("evidence.not-contradictory", &|it| {
        it.second = it.first.clone()
    });
    add("node.unknown", &|it| {
        it.node = format!("did:pqaid:{}", Digest::ZERO).parse().unwrap();
    });
    add("evidence.signature", &|it| it.node = assembly.id(2));
    add("evidence.signature", &|it| it.first.posix_seconds = 6);
    // Honest growth, dressed up.
    let signer = assembly.signer(3).clone();
    let honest = signed(origin(&assembly), tree(9, false), node, &signer);
    add("evidence.not-contradictory", &|it| {
        it.second = honest.clone()
    });
    for (heads, code) in cases {
        assert_eq!(assembly.submit(&command(heads)).unwrap_err().code(), code);
    }
    assembly.accept(&command(good));
}

/// Gives a node another key: by itself, or by a decision of the others.
fn rotate(assembly: &mut Assembly, by: usize) {
    let (_, new_key) = assembly.new_key(assembly.id(by));
    let rotation = assembly.rotation(new_key);
    let rotation = assembly.sign(by, rotation);
    assembly.accept(&Command::RotateKey(rotation));
}

#[test]
fn a_rotation_launders_nothing() {
    let mut assembly = four();
    let before = fork(&assembly, 3, 5, 9);
    rotate(&mut assembly, 3);
    // One signed with the old key, the other with the new one.
    let mut across = fork(&assembly, 3, 5, 9);
    across.first = before.first.clone();
    for heads in [before, across] {
        let mut copy = Assembly::of(&[1, 1, 1, 1]);
        rotate(&mut copy, 3);
        assert_eq!(copy.state().ledger(), assembly.state().ledger());
        let events = copy.accept(&command(heads));
        assert!(matches!(&events[0], Event::CheckpointsContradicted(it) if it.suspended));
        replays(&copy);
    }
}

#[test]
fn another_nodes_new_key_launders_nothing() {
    let mut assembly = four();
    let before = fork(&assembly, 3, 5, 9);
    rotate(&mut assembly, 3);
    let (_, new_key) = assembly.new_key(assembly.id(2));
    assembly.pass([0, 1, 3], Action::ReplaceKey(new_key));
    let events = assembly.accept(&command(before));
    assert!(matches!(&events[0], Event::CheckpointsContradicted(it) if it.suspended));
    replays(&assembly);
}

#[test]
fn a_node_that_came_back_answers_for_its_new_term_alone() {
    let mut assembly = four();
    let old = fork(&assembly, 3, 5, 9);
    assembly.accept(&command(old.clone()));
    let (_, new_key) = assembly.new_key(assembly.id(3));
    assembly.pass(0..3, Action::ReinstateNode(new_key));
    assert!(
        assembly
            .state()
            .registry()
            .get(assembly.id(3))
            .unwrap()
            .is_active()
    );
    let refused = assembly.submit(&command(old.clone())).unwrap_err();
    assert_eq!(refused.code(), "evidence.signature");
    // One old signature and one new one are of two terms.
    let mut across = fork(&assembly, 3, 5, 9);
    across.first = old.first;
    let refused = assembly.submit(&command(across)).unwrap_err();
    assert_eq!(refused.code(), "evidence.signature");
    // Who does it again is suspended again.
    let again = fork(&assembly, 3, 5, 9);
    let events = assembly.accept(&command(again));
    assert!(matches!(&events[0], Event::CheckpointsContradicted(it) if it.suspended));
    assert_eq!(assembly.state().contradictions().count(), 2);
    replays(&assembly);
}

#[test]
fn a_key_that_the_group_replaced_signs_nothing_any_more() {
    let mut assembly = four();
    let old = fork(&assembly, 3, 5, 9);
    let (_, new_key) = assembly.new_key(assembly.id(3));
    assembly.pass(0..3, Action::ReplaceKey(new_key));
    let refused = assembly.submit(&command(old)).unwrap_err();
    assert_eq!(refused.code(), "evidence.signature");
}

#[test]
fn new_evidence_overtakes_a_reinstatement() {
    let mut assembly = four();
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.accuse(3, proposal);
    let (_, new_key) = assembly.new_key(assembly.id(3));
    let heads = fork(&assembly, 3, 5, 9);
    let pending = assembly.propose(0, Action::ReinstateNode(new_key));
    let events = assembly.accept(&command(heads));
    assert!(matches!(&events[0], Event::CheckpointsContradicted(it) if !it.suspended));
    let overtaken = events.iter().any(|event| {
        matches!(event, Event::ProposalSuperseded(it)
            if it.proposal_id == pending && it.reason == SupersededBy::Evidence)
    });
    assert!(overtaken, "{events:?}");
    assert_eq!(assembly.status(pending), Status::Superseded);
    replays(&assembly);
}

#[test]
fn evidence_against_a_removed_node_is_recorded_and_suspends_nobody() {
    let mut assembly = four();
    let heads = fork(&assembly, 3, 5, 9);
    assembly.pass(0..3, actions::remove_node(assembly.id(3)));
    let events = assembly.accept(&command(heads));
    assert!(matches!(&events[0], Event::CheckpointsContradicted(it) if !it.suspended));
    replays(&assembly);
}
