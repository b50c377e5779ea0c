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

fn holds_and_meets(scenario: &str, what: &str) {
    let scenario: Scenario = scenario.parse().unwrap();
    let report = run(&scenario).unwrap();
    assert_eq!(report.violation, None);
    assert!(report.met.contains_key(what), "{:?}", report.met);
}

/// One half of a lie is passed on while the only other honest node is down; the other half comes to that
/// node a day later and agrees with its ledger, so that only the first half can tell it.
#[test]
fn a_node_that_was_down_hears_of_the_lie_that_was_passed_on_meanwhile() {
    holds_and_meets(MISSED, "command: submit-contradicting-heads");
}

const MISSED: &str = r#"
name = "random 5563"
seed = 5563
rounds = 1
interval_seconds = 600
checkpoint_seconds = 300
predictions = 2
signatures = "stand-in"
thinking_min_seconds = 0
thinking_max_seconds = 0

[policy]
base = "default"

[network]
loss_percent = 0
duplicate_percent = 0
retransmit_ms = 726

[network.latency]
distribution = "constant"
ms = 100

[[nodes]]
name = "node-1"
weight = 1

[[nodes]]
name = "node-2"
weight = 3

[[nodes]]
name = "node-3"
weight = 3

[[proposals]]
kind = "replace-key"
node = "node-3"

[proposals.honest]
approve = 100
reject = 0
abstain = 0

[[rotations]]
node = "node-1"
at_seconds = 754

[[crashes]]
node = "node-2"
at_seconds = 136
for_seconds = 1751
torn = true

[[adversaries]]
behaviour = "checkpoint-liar"
share = "1/3"

[adversaries.trigger]
percent = 85
"#;

/// A node meant to accuse, and was down or had lost its last write when the moment came.
#[test]
fn an_accusation_is_not_forgotten_over_a_restart() {
    holds_and_meets(FORGOTTEN, "command: submit-evidence");
}

const FORGOTTEN: &str = r#"
name = "random 6535"
seed = 6535
rounds = 1
interval_seconds = 600
checkpoint_seconds = 600
predictions = 1
signatures = "stand-in"
thinking_min_seconds = 0
thinking_max_seconds = 27

[policy]
base = "default"

[network]
loss_percent = 40
duplicate_percent = 0
retransmit_ms = 3017

[network.latency]
distribution = "constant"
ms = 412

[[nodes]]
name = "node-1"
weight = 1

[[nodes]]
name = "node-2"
weight = 4

[[nodes]]
name = "node-3"
weight = 3

[[proposals]]
kind = "authorize-model"

[proposals.scope]
environment = ["prod"]

[proposals.honest]
approve = 0
reject = 0
abstain = 100

[[rotations]]
node = "node-3"
at_seconds = 99

[[rotations]]
node = "node-2"
at_seconds = 1305

[[crashes]]
node = "node-2"
at_seconds = 83
for_seconds = 1187
torn = true

[[adversaries]]
behaviour = "replayer"
share = "3/4"

[adversaries.trigger]
rounds = [1]

[[adversaries]]
behaviour = "split-equivocator"
share = "3/4"
trigger = "always"
"#;
