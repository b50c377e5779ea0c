//! The engine against the reference model, on generated histories.
//!
//! Both get the same commands at the same times and must agree on every answer and on the whole
//! state after it. By default some hundreds of histories run; for a long run say how many, in a
//! release build:
//!
//! ```text
//! ALTHING_SESSIONS=20000 cargo test --release --test it model::long -- --nocapture
//! ```

mod histories;
mod mischief;
mod session;

use std::collections::BTreeMap;

use althing::governance::ballot::Decision;
use althing::governance::policy::Policy;
use althing::governance::state::proposal::Status;
use althing::testing::{History, Matter, Step, strategies};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use mischief::{Mischief, mischiefs};
use session::{Reached, Session};

/// How many steps a history has at most.
const MOST_STEPS: usize = 60;

fn cases() -> impl Strategy<Value = (History, Vec<Mischief>)> {
    let histories = prop_oneof![
        1 => strategies::histories(MOST_STEPS),
        2 => histories::fruitful(MOST_STEPS),
    ];
    (histories, proptest::collection::vec(mischiefs(), 0..=20))
}

fn run(history: &History, mischiefs: &[Mischief], reached: &mut Reached) {
    let mut session = Session::found(history, reached);
    for step in &history.steps {
        session.take(step, mischiefs);
    }
    session.compare_everything();
}

fn run_many(count: u32, seed: u8) -> Reached {
    let config = crate::config(count);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let strategy = cases();
    let mut reached = Reached::default();
    for _ in 0..count {
        let tree = strategy.new_tree(&mut runner).expect("a case");
        let (history, mischiefs) = tree.current();
        run(&history, &mischiefs, &mut reached);
    }
    reached
}

/// What a run of some hundreds of histories must have met, or it shows little.
fn assert_reach(reached: &Reached) {
    for status in Status::ALL {
        // `passed` is left within the command that leads to it.
        if status != Status::Passed {
            assert_met(&reached.statuses, status.name());
        }
    }
    for code in REFUSALS {
        assert_met(&reached.refusals, code);
    }
    for reason in SOMETIMES {
        assert_met(&reached.sometimes, reason);
    }
}

fn assert_met(counts: &BTreeMap<String, u64>, name: &str) {
    let met = counts.get(name).copied().unwrap_or_default();
    assert!(met > 0, "never met {name}: {counts:#?}");
}

const REFUSALS: &[&str] = &[
    "ballot.cast-after-deadline",
    "ballot.equivocation",
    "ballot.hash-mismatch",
    "ballot.node-removed",
    "ballot.not-in-electorate",
    "ballot.outside-voting-period",
    "ballot.proposal-closed",
    "ballot.signature",
    "ballot.suspended",
    "ballot.unknown-proposal",
    "ballot.vote-id-reused",
    "close.before-deadline",
    "delegation.invalid",
    "evidence.not-in-electorate",
    "evidence.window-over",
    "execute.before-timelock",
    "execute.frozen",
    "execute.not-queued",
    "grant.expiry-in-past",
    "grant.unknown",
    "node.key-used",
    "node.last-active",
    "node.no-possession",
    "node.not-active",
    "node.unknown",
    "prediction.unauthorized",
    "proposal.closed",
    "proposal.duplicate-id",
    "proposal.too-many-open",
    "proposal.unknown",
    "signature.invalid",
    "statement.wrong-ledger",
    "weight.overflow",
    "withdraw.after-deadline",
    "withdraw.ballots-cast",
    "withdraw.not-proposer",
];

const SOMETIMES: &[&str] = &[
    "authorization_revoked",
    "freeze_lifted",
    "key_replaced",
    "key_rotated",
    "node_added",
    "node_reinstated",
    "node_removed",
    "nothing recorded",
    "passed: conditions-met, close",
    "policy_updated",
    "proposal_lapsed",
    "superseded: revocation",
    "tainted",
];

#[test]
fn the_engine_does_what_the_model_does() {
    let reached = run_many(500, 7);
    assert_reach(&reached);
}

#[test]
fn long_run_where_one_is_asked_for() {
    let Ok(sessions) = std::env::var("ALTHING_SESSIONS") else {
        return;
    };
    let sessions = sessions.parse().expect("a number of sessions");
    let reached = run_many(sessions, 1);
    println!("{sessions} sessions: {reached:#?}");
    assert_reach(&reached);
}

/// What generated histories seldom come to: a freeze stretches a short window, and two grants have
/// different limits.
#[test]
fn stretched_windows_and_the_strictest_limits_agree() {
    let agree = |matter| Step::Agree { by: 0, matter };
    let authorize = || Matter::AuthorizeAgent { agent: 0 };
    let freeze = Matter::Freeze {
        model: None,
        seconds: 3_500,
    };
    let stretched = History {
        weights: vec![1],
        policy: histories::with_timelock(0, true),
        steps: vec![
            agree(authorize()),
            Step::Wait(3_600),
            agree(freeze),
            Step::Wait(3_700),
            Step::Execute { proposal: 1 },
        ],
    };
    let mut reached = Reached::default();
    run(&stretched, &[], &mut reached);
    assert_met(&reached.sometimes, "authorization_granted");

    let vote = || Step::Vote {
        by: 0,
        proposal: 0,
        decision: Decision::Approve,
    };
    let propose = || Step::Propose {
        by: 0,
        matter: authorize(),
    };
    let limited = History {
        weights: vec![1],
        policy: Policy::default(),
        steps: vec![propose(), vote(), propose(), vote()],
    };
    let limit = |limit| Mischief::Narrowed(false, Some(limit));
    let mischiefs = [limit(3), Mischief::None, limit(5), Mischief::None];
    run(&limited, &mischiefs, &mut Reached::default());
}

proptest! {
    #![proptest_config(crate::config(64))]

    #[test]
    fn no_history_tells_them_apart((history, mischiefs) in cases()) {
        run(&history, &mischiefs, &mut Reached::default());
    }
}
