//! Histories of which exactly one thing is wrong, and what the generators make.

use std::collections::BTreeMap;

use althing::governance::ballot::Decision;
use althing::governance::invariant;
use althing::governance::label::Name;
use althing::governance::policy::Policy;
use althing::governance::state::proposal::Status;
use althing::replay::replay;
use althing::testing::{
    Adversarial, Book, History, Matter, Mischief, Outcome, StandInVerifier, Step, strategies,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Requires of one wrong thing what has to come of it: from a node, and from replay.
fn check(mut case: Adversarial) {
    let honest = case.assembly.bytes().to_vec();
    let replayed = replay(honest.as_slice(), &StandInVerifier).expect("the rest is honest");
    assert_eq!(replayed.state.hash(), case.assembly.state().hash());

    if let Some(command) = &case.command {
        let found = match case.assembly.submit(command) {
            Err(refusal) => Outcome::Refused(refusal.code()),
            Ok(recorded) => match recorded.first() {
                None => Outcome::Nothing,
                Some(first) => Outcome::Recorded(first.event.operation()),
            },
        };
        assert_eq!(found, case.outcome, "{:?}: {command:?}", case.mischief);
        if !matches!(found, Outcome::Recorded(_)) {
            assert_eq!(case.assembly.bytes(), honest, "{:?}", case.mischief);
        }
        assert_eq!(invariant::check_settled(case.assembly.state()), Ok(()));
        let after = case.assembly.replay();
        assert_eq!(after.state.hash(), case.assembly.state().hash());
    }
    if let Some((book, seq)) = &case.forged {
        let error = book.replay(&StandInVerifier).expect_err("it is forged");
        let found = (Outcome::Refused(error.code()), error.seq);
        assert_eq!(found, (case.outcome, *seq), "{:?}: {error}", case.mischief);
        assert!(
            error.problem.is_illegal(),
            "{:?}: the bytes are intact",
            case.mischief
        );
    }
    assert!(case.command.is_some() || case.forged.is_some());
}

proptest! {
    #![proptest_config(crate::config(64))]

    #[test]
    fn whatever_goes_wrong_is_answered_as_it_has_to_be(case in strategies::adversarial(8)) {
        check(case);
    }
}

proptest! {
    #![proptest_config(crate::config(256))]

    #[test]
    fn names_are_names_and_bad_ones_are_none(name in strategies::names(), bad in strategies::bad_names()) {
        prop_assert!(name.as_str().parse::<Name>().is_ok());
        prop_assert!(bad.parse::<Name>().is_err(), "{bad:?}");
    }

    #[test]
    fn policies_stand_and_bad_ones_fall_for_their_fault(
        good in strategies::policies(),
        (bad, error) in strategies::bad_policies(),
    ) {
        prop_assert_eq!(good.validate(), Ok(()));
        prop_assert_eq!(bad.validate(), Err(error));
    }

    #[test]
    fn a_scope_admits_what_is_in_every_one_of_its_keys(
        scope in strategies::scopes(),
        context in strategies::contexts(),
    ) {
        // As the ledger writes them, so that the test reads them itself.
        let scope_json = serde_json::to_value(&scope).expect("a value");
        let context_json = serde_json::to_value(&context).expect("a value");
        let admitted = scope_json.as_object().unwrap().iter().all(|(key, allowed)| {
            key.starts_with("max_")
                || allowed.as_array().unwrap().contains(&context_json[key])
        });
        prop_assert_eq!(scope.admits(&context), admitted);
    }
}

fn deterministic() -> TestRunner {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, rng)
}

/// Each of them, after an empty history and after one with decisions, at two places.
#[test]
fn every_mischief_happens_and_is_met() {
    let agree = |matter| Step::Agree { by: 0, matter };
    let empty = History {
        weights: vec![1, 2],
        policy: Policy::default(),
        steps: Vec::new(),
    };
    let decided = History {
        steps: vec![
            agree(Matter::AuthorizeAgent { agent: 0 }),
            agree(Matter::RemoveNode { node: 1 }),
        ],
        ..empty.clone()
    };
    let mut met = BTreeMap::new();
    for (history, at) in [(&empty, 0), (&decided, 0), (&decided, 1)] {
        for mischief in Mischief::ALL {
            if let Some(case) = mischief.after(history, at) {
                *met.entry(mischief).or_insert(0) += 1;
                check(case);
            }
        }
    }
    for mischief in Mischief::ALL {
        assert!(met.get(&mischief) >= Some(&2), "{mischief:?} in {met:?}");
    }
}

/// A removal that everybody approved, and that is carried out only when the stage is set.
#[test]
fn whoever_is_removed_at_the_last_moment_is_not_on_stage() {
    let history = History {
        weights: vec![1, 1, 1],
        policy: Policy {
            early_decision: false,
            ..Policy::default()
        },
        steps: vec![
            Step::Propose {
                by: 0,
                matter: Matter::RemoveNode { node: 1 },
            },
            Step::Round {
                proposal: 0,
                decisions: vec![Decision::Approve; 3],
            },
        ],
    };
    for at in 0..3 {
        for mischief in [Mischief::WrongSigner, Mischief::Equivocating] {
            check(mischief.after(&history, at).expect("anybody may do it"));
        }
    }
}

/// A mischief is wrong in one way only: without it, its history is as honest as any.
#[test]
fn what_is_forged_differs_in_one_place_only() {
    let history = History {
        weights: vec![1, 1, 1],
        policy: Policy::default(),
        steps: vec![Step::Wait(60)],
    };
    for mischief in Mischief::ALL {
        let Some(case) = mischief.after(&history, 0) else {
            continue;
        };
        let Some((book, _)) = case.forged else {
            continue;
        };
        let honest = Book::read(case.assembly.bytes());
        assert_eq!(book.0[..honest.0.len()], honest.0, "{mischief:?}");
        assert_eq!(book.0.len(), honest.0.len() + 1, "{mischief:?}");
        assert_eq!(book.0.last().map(Vec::len), Some(1), "{mischief:?}");
    }
}

/// The smallest value for which `fails` says so.
fn smallest<S: Strategy>(strategy: S, fails: impl Fn(&S::Value) -> bool) -> S::Value
where
    S::Value: Clone,
{
    let kept = std::cell::RefCell::new(None);
    let outcome = deterministic().run(&strategy, |value| {
        if fails(&value) {
            return Err(TestCaseError::fail("it does"));
        }
        Ok(())
    });
    if let Err(TestError::Fail(_, value)) = outcome {
        *kept.borrow_mut() = Some(value);
    }
    kept.into_inner().expect("it fails for some value")
}

#[test]
fn a_failing_history_shrinks_to_the_few_steps_that_it_takes() {
    let executed = |history: &History| {
        let played = history.play();
        let mut proposals = played.assembly.state().proposals().iter();
        proposals.any(|proposal| proposal.status() == Status::Executed)
    };
    let found = smallest(strategies::histories(20), executed);
    assert_eq!(found.weights, [1], "{found:?}");
    assert_eq!(found.policy, Policy::default());
    assert!(found.steps.len() <= 2, "{found:?}");

    let tainted = |history: &History| {
        let played = history.play();
        let mut proposals = played.assembly.state().proposals().iter();
        proposals.any(|proposal| proposal.is_tainted())
    };
    let found = smallest(strategies::histories(20), tainted);
    assert!(
        found.weights.len() <= 2 && found.steps.len() <= 4,
        "{found:?}"
    );
}

#[test]
fn generated_policies_shrink_to_the_default_one() {
    assert_eq!(
        smallest(strategies::policies(), |_| true),
        Policy::default()
    );
    let late = smallest(strategies::policies(), |policy| !policy.early_decision);
    let expected = Policy {
        early_decision: false,
        ..Policy::default()
    };
    assert_eq!(late, expected);
    assert_eq!(smallest(strategies::electorates(), |_| true), [1]);
}
