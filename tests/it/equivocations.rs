//! Two messages of consensus of one node that contradict each other: what shows it, what it leads to,
//! and how far back keys count.

use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::consensus::{ConsensusEquivocation, ConsensusStep};
use althing::governance::digest::Digest;
use althing::governance::event::{ConsensusContradicted, Event};
use althing::governance::id::LedgerId;
use althing::governance::proposal::Action;
use althing::governance::state::registry::NodeStatus;
use althing::governance::tally::Standing;
use althing::testing::actions::{self, authorize_model};
use althing::testing::{Assembly, StandInVerifier};

type Change = fn(&mut ConsensusEquivocation);

const STEPS: [ConsensusStep; 3] = [
    ConsensusStep::Propose,
    ConsensusStep::Prevote,
    ConsensusStep::Precommit,
];

fn four() -> Assembly {
    Assembly::of(&[1, 1, 1, 1])
}

fn command(found: ConsensusEquivocation) -> Command {
    Command::SubmitConsensusEquivocation(Box::new(found))
}

fn replays(assembly: &Assembly) {
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

#[test]
fn evidence_of_consensus_stands_by_itself_and_every_part_of_it_counts() {
    let assembly = four();
    let key = assembly.signer(3).key();
    let holds = |found: &ConsensusEquivocation| {
        found.is_contradiction() && found.is_signed_by(&[key], &StandInVerifier)
    };
    for step in STEPS {
        let found = assembly.consensus_equivocation(3, 7, step);
        let text = serde_json::to_string(&found).unwrap();
        let read: ConsensusEquivocation = serde_json::from_str(&text).unwrap();
        assert_eq!(read, found);
        assert!(holds(&read), "{step:?}");
        let changes: [Change; 10] = [
            |it| it.height += 1,
            |it| it.height = 1 << 53,
            |it| it.round += 1,
            |it| it.ledger = LedgerId::from_digest(Digest::ZERO),
            |it| it.first.signature = it.second.signature.clone(),
            |it| it.first.value = it.second.value,
            |it| it.second.value = Some(Digest::ZERO),
            |it| it.second.value = None,
            |it| it.first.earlier_round = Some(0),
            |it| it.second = it.first.clone(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = found.clone();
            change(&mut changed);
            assert!(!holds(&changed), "{step:?} {number}");
        }
        for other in STEPS.into_iter().filter(|other| *other != step) {
            let mut changed = found.clone();
            changed.step = other;
            assert!(!holds(&changed), "{step:?} as {other:?}");
        }
        let mut changed = found.clone();
        changed.node = assembly.id(2);
        assert!(!holds(&changed));
        assert!(!found.is_signed_by(&[assembly.signer(2).key()], &StandInVerifier));
    }
}

/// What an honest node signs, in two places: it may change its mind from round to round, and propose
/// a value again with the round in which two thirds were for it.
#[test]
fn what_honest_nodes_sign_is_no_evidence() {
    let mut assembly = four();
    let one = assembly.consensus_equivocation(3, 7, ConsensusStep::Prevote);
    let later = assembly.consensus_equivocation(3, 8, ConsensusStep::Prevote);
    let mut across = one.clone();
    across.second = later.second;
    let refused = assembly.submit(&command(across)).unwrap_err();
    assert_eq!(refused.code(), "evidence.signature");
    let mut again = assembly.consensus_equivocation(3, 7, ConsensusStep::Propose);
    again.first = again.second.clone();
    again.second.earlier_round = Some(2);
    let refused = assembly.submit(&command(again)).unwrap_err();
    assert_eq!(refused.code(), "evidence.not-contradictory");
}

#[test]
fn contradicting_messages_of_consensus_suspend_like_an_equivocation() {
    for step in STEPS {
        let mut assembly = four();
        let voted = assembly.propose(0, authorize_model("voted"));
        assembly.vote(3, voted, Approve);
        let open = assembly.propose(0, authorize_model("open"));
        let epoch = assembly.state().epoch();
        let found = assembly.consensus_equivocation(3, 7, step);
        let events = assembly.accept(&command(found.clone()));
        let expected = Event::ConsensusContradicted(ConsensusContradicted {
            consensus: found.clone(),
            node: assembly.id(3),
            suspended: true,
        });
        assert_eq!(events, [expected]);
        assert_eq!(events[0].operation(), "byzantine_detected");
        let node = assembly.state().registry().get(assembly.id(3)).unwrap();
        assert_eq!(node.status(), NodeStatus::Suspended);
        assert_eq!(assembly.state().epoch(), epoch + 1);
        for (proposal, expected) in [(voted, Standing::Byzantine), (open, Standing::Barred)] {
            let member = assembly.proposal(proposal).member(assembly.id(3)).unwrap();
            assert_eq!(member.standing(), expected);
        }
        // Once is enough, whatever else it said.
        assert_eq!(assembly.accept(&command(found)), []);
        let another = assembly.consensus_equivocation(3, 9, step);
        assert_eq!(assembly.accept(&command(another)), []);
        // Contradicting checkpoints are another matter.
        let heads = assembly.contradicting_heads(3);
        let events = assembly.accept(&Command::SubmitContradictingHeads(Box::new(heads)));
        assert!(matches!(&events[0], Event::CheckpointsContradicted(it) if !it.suspended));
        let projection = assembly.replay().state.projection();
        let projection: serde_json::Value = serde_json::from_str(&projection).unwrap();
        let kinds = [0, 1].map(|index| projection["evidence"][index]["kind"].clone());
        assert_eq!(kinds, ["checkpoints", "consensus"]);
        replays(&assembly);
    }
}

#[test]
fn the_order_in_which_two_messages_are_shown_makes_no_difference() {
    let mut assembly = four();
    let found = assembly.consensus_equivocation(3, 7, ConsensusStep::Prevote);
    let mut turned = found.clone();
    std::mem::swap(&mut turned.first, &mut turned.second);
    let events = assembly.accept(&command(turned));
    assert!(matches!(&events[0], Event::ConsensusContradicted(it) if it.consensus == found));
    assert_eq!(found.first.value, None);
    replays(&assembly);
}

#[test]
fn messages_of_consensus_that_show_nothing_are_refused_by_name() {
    let mut assembly = four();
    let good = assembly.consensus_equivocation(3, 7, ConsensusStep::Prevote);
    let cases: [(&str, Change); 7] = [
        ("statement.wrong-ledger", |it| {
            it.ledger = LedgerId::from_digest(Digest::ZERO);
            it.second = it.first.clone();
        }),
        ("evidence.not-contradictory", |it| {
            it.second = it.first.clone();
            it.node = format!("did:pqaid:{}", Digest::ZERO).parse().unwrap();
        }),
        ("evidence.not-contradictory", |it| it.height = 1 << 53),
        ("evidence.not-contradictory", |it| {
            it.step = ConsensusStep::Propose;
        }),
        ("node.unknown", |it| {
            it.node = format!("did:pqaid:{}", Digest::ZERO).parse().unwrap();
        }),
        ("evidence.signature", |it| it.round = 1),
        ("evidence.signature", |it| {
            it.step = ConsensusStep::Precommit
        }),
    ];
    for (code, change) in cases {
        let mut found = good.clone();
        change(&mut found);
        assert_eq!(assembly.submit(&command(found)).unwrap_err().code(), code);
    }
    let mut anothers = good.clone();
    anothers.node = assembly.id(2);
    let refused = assembly.submit(&command(anothers)).unwrap_err();
    assert_eq!(refused.code(), "evidence.signature");
    assembly.accept(&command(good));
}

/// A node changes its own key.
fn rotate(assembly: &mut Assembly, by: usize) {
    let (_, new_key) = assembly.new_key(assembly.id(by));
    let rotation = assembly.rotation(new_key);
    let rotation = assembly.sign(by, rotation);
    assembly.accept(&Command::RotateKey(rotation));
}

fn is_suspending(events: &[Event]) -> bool {
    matches!(&events[0], Event::ConsensusContradicted(it) if it.suspended)
}

#[test]
fn a_rotation_launders_no_message_of_consensus() {
    let before = four().consensus_equivocation(3, 7, ConsensusStep::Prevote);
    let mut rotated = four();
    rotate(&mut rotated, 3);
    // One signed with the old key, the other with the new one.
    let mut across = rotated.consensus_equivocation(3, 7, ConsensusStep::Prevote);
    across.first = before.first.clone();
    for found in [before, across] {
        let mut assembly = four();
        rotate(&mut assembly, 3);
        assert!(is_suspending(&assembly.accept(&command(found))));
        replays(&assembly);
    }
}

#[test]
fn a_node_that_came_back_answers_for_what_it_said_in_its_new_term_alone() {
    let mut assembly = four();
    let old = assembly.consensus_equivocation(3, 7, ConsensusStep::Precommit);
    assembly.accept(&command(old.clone()));
    let (_, new_key) = assembly.new_key(assembly.id(3));
    assembly.pass(0..3, Action::ReinstateNode(new_key));
    let mut across = assembly.consensus_equivocation(3, 7, ConsensusStep::Precommit);
    across.first = old.first.clone();
    for found in [old, across] {
        let refused = assembly.submit(&command(found)).unwrap_err();
        assert_eq!(refused.code(), "evidence.signature");
    }
    let again = assembly.consensus_equivocation(3, 7, ConsensusStep::Precommit);
    assert!(is_suspending(&assembly.accept(&command(again))));
    assert_eq!(assembly.state().contradictions().count(), 2);
    replays(&assembly);
}

#[test]
fn a_key_that_the_group_replaced_says_nothing_any_more() {
    let mut assembly = four();
    let old = assembly.consensus_equivocation(3, 7, ConsensusStep::Prevote);
    let (_, new_key) = assembly.new_key(assembly.id(3));
    assembly.pass(0..3, Action::ReplaceKey(new_key));
    let refused = assembly.submit(&command(old)).unwrap_err();
    assert_eq!(refused.code(), "evidence.signature");
}

#[test]
fn who_takes_no_part_or_is_the_last_is_only_flagged() {
    let mut assembly = four();
    let found = assembly.consensus_equivocation(3, 7, ConsensusStep::Prevote);
    assembly.pass(0..3, actions::remove_node(assembly.id(3)));
    let events = assembly.accept(&command(found));
    assert!(matches!(&events[0], Event::ConsensusContradicted(it) if !it.suspended));
    replays(&assembly);
    let mut alone = Assembly::of(&[1]);
    let found = alone.consensus_equivocation(0, 7, ConsensusStep::Prevote);
    let events = alone.accept(&command(found));
    assert!(matches!(&events[0], Event::ConsensusContradicted(it) if !it.suspended));
    let node = alone.state().registry().get(alone.id(0)).unwrap();
    assert!(node.is_active());
    replays(&alone);
}
