//! The engine against the reference model, over whole sessions. `docs/model-checking.md` says what
//! is compared and what was met.
//!
//! `proptest-state-machine` drives: [`world`] is its reference, [`engine`] the system under test.
//! Its macro is left out for the sake of a run that is the same every time, and of a report that
//! shows a session's transcript. By default all scenarios run and some sessions by chance; for a
//! long run say how many, in a release build:
//!
//! ```text
//! ALTHING_SESSIONS=20000 cargo test --release --test it model::long -- --nocapture
//! ```

mod compare;
mod coverage;
mod drafting;
mod engine;
mod equivocations;
mod event_names;
mod forks;
mod generate;
mod orders;
mod reference;
mod rules;
mod scenarios;
mod steps;
mod world;

use std::fmt::Write as _;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use althing::governance::rejection::REJECTION_CODES;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use proptest_state_machine::strategy::Sequential;
use proptest_state_machine::{ReferenceStateMachine as _, StateMachineTest as _};

use coverage::{Coverage, OUTSIDE, Section};
use engine::Sessions;
use reference::Reference;
use scenarios::Scenario;
use steps::Step;
use world::World;

/// How many steps a session by chance has at most.
const MOST_STEPS: usize = 60;

/// How many sessions by chance every run of the tests has.
const A_FEW: u32 = 40;

/// How often a session that goes wrong is tried again in a smaller form.
const MOST_SHRINKING: u32 = 2_000;

/// A session as the strategies give it.
type Session = (World, Vec<Step>, Option<Arc<AtomicUsize>>);

/// What sessions by chance are made from.
type Seed = [u8; 32];

fn runner(sessions: u32, seed: Seed) -> TestRunner {
    let config = Config {
        cases: sessions,
        failure_persistence: None,
        // For one session proptest would give up after four attempts.
        max_shrink_iters: MOST_SHRINKING,
        // A twist that does not fit its step is drawn again.
        max_local_rejects: u32::MAX,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

/// Runs sessions, and shows the shortest that goes wrong, if one does.
fn run(mut runner: TestRunner, sessions: &impl Strategy<Value = Session>) -> Coverage {
    let result = runner.run(sessions, |(world, steps, seen)| {
        Sessions::test_sequential(Config::default(), world, steps, seen);
        Ok(())
    });
    match result {
        Ok(()) => Coverage::collect(),
        Err(TestError::Fail(reason, (world, steps, _))) => {
            panic!("{reason}\n{}", transcript(&world, &steps))
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

/// A session to be read, and to be put among the scenarios.
fn transcript(world: &World, steps: &[Step]) -> String {
    let mut text = format!("\n{}\n", world.start);
    for (number, step) in steps.iter().enumerate() {
        writeln!(text, "{:2} {step}", number + 1).expect("a string takes everything");
    }
    write!(text, "\nstart: {:?}\nsteps: vec!{steps:?}", world.start)
        .expect("a string takes everything");
    text
}

/// A scenario as a session of its steps and no others.
fn as_written(scenario: Scenario) -> impl Strategy<Value = Session> {
    let count = scenario.steps.len();
    let first = World::found(scenario.start, &scenario.steps);
    Sequential::new(
        (count..=count).into(),
        move || Just(first.clone()),
        World::allows,
        move |world: &World| {
            let next = world.script.get(world.done).cloned();
            Just(next.unwrap_or(Step::Recover))
        },
        World::take,
    )
}

fn run_scenarios() -> Coverage {
    let mut met = Coverage::default();
    let all = scenarios::all().into_iter();
    for scenario in all.chain([scenarios::a_thousand_grants()]) {
        let first = World::found(scenario.start.clone(), &scenario.steps);
        let steps = scenario.steps.clone();
        let session = AssertUnwindSafe(|| {
            Sessions::test_sequential(Config::default(), first, steps, None);
        });
        if let Err(payload) = catch_unwind(session) {
            let reason = payload.downcast_ref::<String>();
            println!("the scenario \"{}\": {reason:?}", scenario.name);
            run(runner(1, [0; 32]), &as_written(scenario));
        }
        met.add(Coverage::collect());
    }
    met
}

fn run_by_chance(sessions: u32, seed: Seed) -> Coverage {
    run(
        runner(sessions, seed),
        &Reference::sequential_strategy(1..=MOST_STEPS),
    )
}

/// As many sessions of a long run are made from one seed.
const A_BATCH: u32 = 500;

/// A long run, on as many threads as the machine has. What it meets does not depend on them.
fn run_many(sessions: u32, seed: u8) -> Coverage {
    let next = AtomicU32::new(0);
    let work = || {
        let mut met = Coverage::default();
        loop {
            let batch = next.fetch_add(1, Ordering::SeqCst);
            let left = sessions.saturating_sub(batch.saturating_mul(A_BATCH));
            if left == 0 {
                return met;
            }
            let mut bytes = [seed; 32];
            bytes[..4].copy_from_slice(&batch.to_le_bytes());
            let result = catch_unwind(|| run_by_chance(left.min(A_BATCH), bytes));
            match result {
                Ok(more) => met.add(more),
                Err(payload) => {
                    // The other threads need not go on.
                    next.store(sessions, Ordering::SeqCst);
                    resume_unwind(payload);
                }
            }
        }
    };
    let mut met = Coverage::default();
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(more) => met.add(more),
                Err(payload) => resume_unwind(payload),
            }
        }
    });
    met
}

fn assert_complete(met: &Coverage) {
    let gaps = met.gaps();
    assert!(gaps.is_empty(), "{}", gaps.join("\n"));
}

#[test]
fn the_engine_does_what_the_model_does_and_everything_is_met() {
    let mut met = run_scenarios();
    met.add(run_by_chance(A_FEW, [7; 32]));
    assert_complete(&met);
}

#[test]
fn long_run_where_one_is_asked_for() {
    let Ok(sessions) = std::env::var("ALTHING_SESSIONS") else {
        return;
    };
    let sessions = sessions.parse().expect("a number of sessions");
    let seed = std::env::var("ALTHING_SEED").map_or(1, |seed| seed.parse().expect("0 to 255"));
    let mut met = run_scenarios();
    met.add(run_many(sessions, seed));
    println!("{}", met.tables());
    assert_complete(&met);
    if std::env::var_os("ALTHING_BLESS").is_some() {
        write_tables(&met);
    }
}

const DOCUMENT: &str = "docs/model-checking.md";

/// What stands before the tables in the document.
const MARK: &str = "<!-- The tables below are generated; see \"Commands\". -->\n\n";

fn write_tables(met: &Coverage) {
    let text = std::fs::read_to_string(DOCUMENT).expect("the document is there");
    let (head, _) = text.split_once(MARK).expect("the document has its mark");
    std::fs::write(DOCUMENT, [head, MARK, &met.tables()].concat()).expect("it can be written");
}

#[test]
fn the_documented_run_has_met_everything() {
    let text = std::fs::read_to_string(DOCUMENT).expect("the document is there");
    let (_, tables) = text.split_once(MARK).expect("the document has its mark");
    for section in Section::ALL {
        let (_, rest) = tables.split_once(section.title()).unwrap_or_default();
        let table = rest.split("\n### ").next().unwrap_or_default();
        for name in section.expected() {
            let count = table.lines().find_map(|line| {
                let count = line.strip_prefix(&format!("| {name} | "))?;
                count.strip_suffix(" |")?.parse().ok()
            });
            assert!(
                count.is_some_and(|count: u64| count > 0),
                "{DOCUMENT}: {name}"
            );
        }
    }
    for (name, why) in OUTSIDE {
        assert!(
            tables.contains(&format!("| {name} | {why} |")),
            "{DOCUMENT}: {name}"
        );
    }
}

#[test]
fn every_code_is_met_or_has_a_reason_why_not() {
    let met = Section::Refusal.expected();
    for code in REJECTION_CODES {
        let outside = OUTSIDE.iter().any(|(name, _)| name == code);
        let expected = met.iter().any(|name| name == code);
        assert!(outside != expected, "{code}");
    }
    let failures = Section::Failure.expected();
    for (name, _) in OUTSIDE {
        let reason = name.strip_prefix("failed: ");
        let known = REJECTION_CODES.contains(name)
            || reason.is_some_and(|it| coverage::every_failure_reason_name().contains(&it.into()));
        assert!(known, "{name} is neither a code nor a reason");
        assert!(
            reason.is_none_or(|it| !failures.contains(&it.to_owned())),
            "{name}"
        );
    }
}

#[test]
fn a_run_that_misses_something_names_it() {
    let mut scenarios = scenarios::all();
    let gaps = run(runner(1, [0; 32]), &as_written(scenarios.swap_remove(0))).gaps();
    for missed in [
        "never met (Refusal codes): genesis.signature",
        "never met (Statuses of a proposal): overturned",
        "never met (Transitions of a proposal): voting → withdrawn: proposal_withdrawn",
        "never met (Operations): recovery_recorded",
        "never met (Adversarial moves): for another ledger",
    ] {
        assert!(gaps.iter().any(|gap| gap == missed), "{missed}");
    }
    let mut met = Coverage::default();
    met.note(Section::Transition, "rejected → voting: a miracle");
    let unheard = "met, but not listed (Transitions of a proposal): rejected → voting: a miracle";
    assert!(met.gaps().iter().any(|gap| gap == unheard));
}

/// What stands in for a bug: that a decision is ever overturned. The shortest session to that end
/// is a proposal, as many approvals as it takes, and one contradiction.
#[test]
fn a_session_that_goes_wrong_shrinks_to_the_steps_that_matter() {
    let result = runner(500, [3; 32]).run(
        &Reference::sequential_strategy(1..=MOST_STEPS),
        |(mut world, steps, seen)| {
            for step in &steps {
                world = world.take(step);
            }
            // What was not seen is not shrunk but dropped.
            seen.inspect(|seen| seen.store(steps.len(), Ordering::SeqCst));
            let overturned = world.model.proposals_that_are("overturned");
            prop_assert!(overturned.is_empty());
            Ok(())
        },
    );
    let Err(TestError::Fail(_, (world, steps, _))) = result else {
        panic!("no session comes to an overturned decision");
    };
    let transcript = transcript(&world, &steps);
    assert!(steps.len() <= 8, "{transcript}");
    assert!(transcript.contains("proposes"), "{transcript}");
}
