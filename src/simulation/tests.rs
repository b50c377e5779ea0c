//! Runs that hold, what they meet, and what a seed fixes.

use std::collections::BTreeMap;

use super::*;

/// Random runs without a violation, and everything that was met in any of them.
fn random_runs(seeds: std::ops::Range<u64>) -> BTreeMap<String, u64> {
    let seeds: Vec<u64> = seeds.collect();
    let mut met = BTreeMap::new();
    // A few at a time, so that the first violation ends it.
    for seeds in seeds.chunks(20) {
        let random = |seed: &u64| Scenario::random(*seed, Signatures::StandIn);
        let scenarios: Vec<Scenario> = seeds.iter().map(random).collect();
        for report in run_all(&scenarios, &|| {}).unwrap() {
            assert_eq!(report.violation, None, "seed {}", report.seed);
            for (what, count) in report.met {
                *met.entry(what).or_default() += count;
            }
        }
    }
    met
}

#[test]
fn random_runs_break_no_invariant() {
    let met = random_runs(0..40);
    for invariant in Invariant::ALL {
        assert!(met.contains_key(&format!("checked: {invariant}")));
    }
}

/// Takes a while: `cargo test --release --lib simulation -- --ignored`. For as many runs as you
/// like there is `althing simulate sweep --random 100000`.
#[test]
#[ignore = "takes half a minute in a release build"]
fn random_runs_meet_everything_that_must_sometimes_happen() {
    let met = random_runs(0..3000);
    for what in SOMETIMES {
        assert!(met.contains_key(*what), "never met: {what}");
    }
}

#[test]
fn random_scenarios_fit_together_and_can_be_written_down() {
    for seed in 0..500 {
        let scenario = Scenario::random(seed, Signatures::StandIn);
        assert_eq!(scenario.validate(), Ok(()), "seed {seed}");
        let text = scenario.to_toml().unwrap();
        assert_eq!(text.parse::<Scenario>(), Ok(scenario), "seed {seed}");
    }
}

#[test]
fn a_seed_gives_the_same_report_and_ledger_wherever_it_runs() {
    let scenario = Scenario::random(2, Signatures::StandIn);
    let once = run(&scenario).unwrap();
    assert_eq!(once, run(&scenario).unwrap());
    let other = Scenario {
        seed: 3,
        ..scenario
    };
    assert_ne!(once.head, run(&other).unwrap().head);
}
