//! Histories that get further than random ones: nodes seldom contradict themselves, so that the
//! group stays able to decide, and what is decided about meets.

use althing::governance::ballot::Decision;
use althing::governance::kind::ProposalKind;
use althing::governance::policy::{Policy, RuleOverride};
use althing::governance::time::Seconds;
use althing::testing::{History, Matter, Step, strategies};
use proptest::collection::vec;
use proptest::prelude::*;

/// Policies under which a node may propose much.
fn policies() -> impl Strategy<Value = Policy> {
    let generated = strategies::policies().prop_map(|mut policy| {
        policy.max_open_proposals = 50;
        policy.delegation_depth = 1;
        policy
    });
    prop_oneof![
        2 => Just(Policy::default()),
        1 => Just(Policy::uniform()),
        2 => generated,
        2 => (0..=1_u64, any::<bool>()).prop_map(|(days, early)| with_timelock(days, early)),
    ]
}

/// Decisions wait for an hour, and then for another one or so many days besides.
pub fn with_timelock(days: u64, early: bool) -> Policy {
    let mut policy = Policy::uniform();
    policy.early_decision = early;
    policy.default.timelock_seconds = Seconds::HOUR;
    policy.default.window_seconds = Seconds::new(3_600 + days * 86_400).expect("a time");
    policy.delegation_depth = 1 + days;
    // A freeze comes between a decision and its execution.
    let at_once = RuleOverride {
        timelock_seconds: Some(Seconds::ZERO),
        ..RuleOverride::default()
    };
    policy.kinds.insert(ProposalKind::EmergencyFreeze, at_once);
    policy
}

/// What meets: grants, what is passed on of them, and freezes, all of few subjects.
fn matters() -> impl Strategy<Value = Matter> {
    let few = || 0..3_usize;
    prop_oneof![
        6 => strategies::matters(),
        3 => few().prop_map(|agent| Matter::AuthorizeAgent { agent }),
        5 => (few(), few()).prop_map(|(from, to)| Matter::Delegate { from, to }),
        1 => few().prop_map(|agent| Matter::RevokeAgent { agent }),
        3 => Just(Matter::Freeze { model: None, seconds: 7_200 }),
        1 => few().prop_map(|freeze| Matter::LiftFreeze { freeze }),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    let back = || prop_oneof![4 => Just(0_usize), 2 => 1..4_usize, 1 => 0..20_usize];
    let pause = prop_oneof![
        4 => 1..2_000_u64,
        3 => Just(3_600_u64),
        3 => Just(7_200_u64),
        2 => Just(86_400_u64),
        1 => Just(15 * 86_400_u64),
    ];
    let approve = || Just(Decision::Approve);
    prop_oneof![
        10 => (0..6_usize, matters()).prop_map(|(by, matter)| Step::Agree { by, matter }),
        5 => (0..6_usize, matters()).prop_map(|(by, matter)| Step::Propose { by, matter }),
        4 => (back(), vec(approve(), 1..=7))
            .prop_map(|(proposal, decisions)| Step::Round { proposal, decisions }),
        3 => (0..8_usize, back(), approve())
            .prop_map(|(by, proposal, decision)| Step::Vote { by, proposal, decision }),
        1 => (0..8_usize, back(), strategies::decisions())
            .prop_map(|(by, proposal, decision)| Step::Vote { by, proposal, decision }),
        4 => pause.prop_map(Step::Wait),
        1 => back().prop_map(|proposal| Step::Close { proposal }),
        4 => back().prop_map(|proposal| Step::Execute { proposal }),
        1 => (0..8_usize, back()).prop_map(|(node, proposal)| Step::Accuse { node, proposal }),
        2 => strategies::steps(),
    ]
}

/// Histories of at most `most` steps in which much is decided.
pub fn fruitful(most: usize) -> impl Strategy<Value = History> {
    let weights = prop_oneof![
        vec(1..=4_u64, 3..=7),
        Just(vec![1; 4]),
        Just(vec![3, 3, 3, 1_000_000]),
    ];
    (weights, policies(), vec(steps(), 0..=most)).prop_map(|(weights, policy, steps)| History {
        weights,
        policy,
        steps,
    })
}
