//! The gallery of scenarios, and scenario files that don't fit together.

use std::fs;

use althing::simulation::plot::{decisions_svg, latency_svg, timeline_svg};
use althing::simulation::{
    Behaviour, Grid, PolicyChoice, RunReport, Scenario, Signatures, run, sweep,
};
use serde_json::Value;

fn scenario(name: &str) -> Scenario {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/scenarios");
    let text = fs::read_to_string(format!("{dir}/{name}.toml")).expect("the scenario is there");
    text.parse().expect("the scenario fits together")
}

/// Runs a scenario of the gallery, in which nothing is ever violated.
fn gallery(name: &str) -> RunReport {
    let report = run(&scenario(name)).expect("the scenario runs");
    assert_eq!(report.violation, None, "{name}");
    report
}

fn outcomes(report: &RunReport) -> Vec<&str> {
    let rounds = report.rounds.iter();
    rounds.map(|round| round.outcome.as_str()).collect()
}

#[test]
fn honest_nodes_decide_as_they_want() {
    let report = gallery("honest");
    let expected = ["executed", "rejected", "executed", "executed"];
    assert_eq!(outcomes(&report), expected);
    assert_eq!(report.decided_rightly(), 4);
    assert!(!report.refusals.contains_key("ballot.signature"));
}

#[test]
fn an_equivocator_is_caught_and_the_others_go_on() {
    let report = gallery("equivocator");
    assert_eq!((report.equivocators, report.equivocators_caught), (1, 1));
    assert_eq!(outcomes(&report), ["executed"; 3]);
    assert_eq!(report.rounds[0].byzantine_weight, 1);
    assert_eq!(report.rounds[1].total_weight, 3);
}

#[test]
fn exactly_a_third_can_stop_nothing() {
    let report = gallery("exactly-a-third");
    assert_eq!((report.byzantine_weight, report.total_weight), (4, 12));
    assert_eq!(report.decided_rightly(), 4);
    assert_eq!(report.decided_wrongly(), 0);
}

#[test]
fn just_above_a_third_stops_what_honest_nodes_want_and_may_freeze() {
    let report = gallery("above-a-third");
    let expected = ["rejected", "rejected", "executed", "rejected"];
    assert_eq!(outcomes(&report), expected);
    assert_eq!(report.harmful_passed, 0);
}

#[test]
fn a_partition_heals_and_everybody_has_the_same_ledger() {
    let report = gallery("partition");
    assert_eq!(outcomes(&report), ["executed"; 3]);
    assert!(report.traffic.cut > 0 && report.traffic.lost > 0);
    assert_eq!((report.restarts, report.torn_tails), (1, 1));
    // Nothing is decided while three of five are cut off.
    assert!(report.rounds[0].decision_ms > Some(3_500_000));
}

#[test]
fn electorates_are_frozen_whoever_comes_and_goes() {
    let report = gallery("churn");
    let totals: Vec<u64> = (report.rounds.iter())
        .map(|round| round.total_weight)
        .collect();
    assert!(totals.contains(&5) && totals.iter().any(|total| *total != 5));
    for what in ["node_added", "node_removed"] {
        assert!(report.met.contains_key(what), "{what}");
    }
}

#[test]
fn abstentions_decide_nothing() {
    let report = gallery("abstention");
    assert_eq!(outcomes(&report), ["rejected"; 6]);
    assert!(report.rounds.iter().all(|round| round.abstain_weight >= 5));
}

#[test]
fn the_brake_works_under_attack() {
    let report = gallery("freeze-under-attack");
    assert_eq!(report.rounds[1].outcome, "executed");
    assert_eq!(report.harmful_passed, 0);
    assert_eq!(report.equivocators_caught, report.equivocators);
    let refused = |code: &str| report.refusals.contains_key(code);
    for code in [
        "ballot.signature",
        "ballot.not-in-electorate",
        "evidence.signature",
        "close.before-deadline",
    ] {
        assert!(refused(code), "{code}: {:?}", report.refusals);
    }
}

#[test]
fn a_liar_about_checkpoints_is_suspended_and_comes_back_with_a_new_key() {
    let report = gallery("checkpoint-liar");
    assert_eq!(outcomes(&report), ["executed"; 4]);
    let totals: Vec<u64> = (report.rounds.iter())
        .map(|round| round.total_weight)
        .collect();
    // The two halves of a lie meet only after the second round has opened.
    assert_eq!(totals, [5, 5, 4, 5]);
    for what in ["command: submit-contradicting-heads", "node_reinstated"] {
        assert!(report.met.contains_key(what), "{what}");
    }
}

#[test]
fn a_group_can_do_everything_in_a_simulation() {
    let report = gallery("whole-life");
    let mut expected = ["executed"; 9];
    expected[7] = "withdrawn";
    assert_eq!(outcomes(&report), expected);
    for what in [
        "key_rotated",
        "key_replaced",
        "policy_updated",
        "proposal_withdrawn",
        "executed: delegation",
        "executed: revoke-delegation",
        "prediction: granted",
        "prediction: unauthorized",
        "checkpoint_recorded",
    ] {
        assert!(report.met.contains_key(what), "{what}: {:?}", report.met);
    }
    assert_eq!(report.refusals.get("ballot.signature"), None);
}

#[test]
fn a_seed_fixes_the_ledger_on_every_machine() {
    // Written down once; another machine, compiler or version must come to the same.
    let report = gallery("equivocator");
    assert_eq!(report.head, HEAD);
    assert_eq!(report.state_hash, STATE_HASH);
}

const HEAD: &str = "c63c5480ddcfe897424268dad1fecc8207f3eb06e74385a4bc4187495cd3e387";
const STATE_HASH: &str = "ab62b1b99c00600673f3a90c8f45235aadf513485f4998a510b7ce93cced8ad5";

#[test]
fn real_signatures_give_the_same_ledger_twice() {
    let scenario = Scenario {
        signatures: Signatures::MlDsa,
        rounds: 1,
        ..scenario("equivocator")
    };
    let report = run(&scenario).expect("the scenario runs");
    assert_eq!(report.violation, None);
    assert_eq!(report.signatures, "ML-DSA-65");
    assert_eq!(report, run(&scenario).expect("the scenario runs"));
}

#[test]
fn what_is_wrong_with_a_scenario_is_said_with_its_line() {
    let good = "name = \"x\"\n[[nodes]]\nname = \"a\"\ncount = 3\n[[proposals]]\nkind = \"authorize-model\"\n";
    assert!(good.parse::<Scenario>().is_ok());
    // (what to put in place of what, the code, the line)
    for (old, new, code, line) in [
        ("count = 3", "count = ", "scenario.syntax", 4),
        ("count = 3", "cuont = 3", "scenario.syntax", 4),
        ("count = 3", "count = 0", "scenario.node", 2),
        ("count = 3", "weight = 0", "scenario.syntax", 4),
        ("count = 3", "joins_later = true", "scenario.node", 2),
        (
            "name = \"x\"",
            "name = \"x\"\nrounds = 0",
            "scenario.limit",
            2,
        ),
        ("authorize-model", "authorise-model", "scenario.syntax", 6),
        ("authorize-model", "replace-key", "scenario.proposal", 5),
        ("authorize-model", "remove-node", "scenario.proposal", 5),
        ("authorize-model", "delegation", "scenario.proposal", 5),
        ("authorize-model", "update-policy", "scenario.proposal", 5),
        (
            "authorize-model\"",
            "revoke-model\"\nscope = { region = [\"eu\"] }",
            "scenario.proposal",
            5,
        ),
        (
            "model\"",
            "model\"\nwithdraw_seconds = 0",
            "scenario.proposal",
            5,
        ),
        (
            "model\"",
            "model\"\n[[rotations]]\nnode = \"z\"\nat_seconds = 1",
            "scenario.network",
            7,
        ),
        (
            "model\"",
            "model\"\nproposer = \"b\"",
            "scenario.proposal",
            5,
        ),
        (
            "model\"",
            "model\"\nsubject = \"b\"",
            "scenario.proposal",
            5,
        ),
        (
            "model\"",
            "model\"\nhonest = { approve = 60, reject = 60 }",
            "scenario.proposal",
            5,
        ),
        (
            "model\"",
            "model\"\n[[adversaries]]\nbehaviour = \"spammer\"",
            "scenario.adversary",
            7,
        ),
        (
            "model\"",
            "model\"\n[[adversaries]]\nbehaviour = \"outsider\"\nshare = \"1/3\"",
            "scenario.adversary",
            7,
        ),
        (
            "model\"",
            "model\"\n[[adversaries]]\nbehaviour = \"spammer\"\nnodes = [\"z\"]",
            "scenario.adversary",
            7,
        ),
        (
            "model\"",
            "model\"\n[network]\nloss_percent = 95",
            "scenario.network",
            8,
        ),
        (
            "model\"",
            "model\"\n[policy]\nvoting_seconds = 0",
            "scenario.policy",
            7,
        ),
    ] {
        let text = good.replacen(old, new, 1);
        let error = text.parse::<Scenario>().expect_err(new);
        assert_eq!((error.code, error.line), (code, line), "{new}: {error}");
    }
}

#[test]
fn no_decision_is_wrong_up_to_a_third_and_figures_show_it() {
    let scenario = Scenario {
        rounds: 2,
        interval_seconds: 100_000,
        ..scenario("exactly-a-third")
    };
    let share = |text: &str| text.parse().expect("a share");
    let grid = Grid {
        byzantine: vec![share("0/1"), share("1/3"), share("5/12"), share("2/3")],
        policies: vec![PolicyChoice::default()],
        loss_percent: vec![10],
        latency_ms: vec![50],
        runs: 2,
    };
    let cells = sweep(&scenario, &grid, &|| {}).expect("the grid fits together");
    let wrong: Vec<u64> = cells.iter().map(|cell| cell.wrongly).collect();
    assert_eq!(wrong[..2], [0, 0]);
    // Above a third what honest nodes want is stopped; from two thirds on the rest is taken, too.
    assert_eq!(wrong[2..], [2, 4]);
    assert!(cells.iter().all(|cell| cell.violations == 0));
    let report = gallery("equivocator");
    for figure in [
        decisions_svg(&cells),
        latency_svg(&[("all".to_owned(), vec![1, 2, 3])], "note"),
        timeline_svg(&report, 1).expect("there is a first round"),
    ] {
        assert!(figure.starts_with("<svg") && figure.ends_with("</svg>\n"));
        assert!(!figure.contains("NaN") && !figure.contains("inf"));
    }
    assert_eq!(timeline_svg(&report, 99), None);
}

/// Whether a value has the members and names that a schema allows; numbers and patterns are for
/// the reader of scenarios to check.
fn fits(schema: &Value, value: &Value) -> bool {
    fits_within(schema, schema, value)
}

fn fits_within(whole: &Value, schema: &Value, value: &Value) -> bool {
    let fits = |schema: &Value, value: &Value| fits_within(whole, schema, value);
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let at = whole.pointer(reference.trim_start_matches('#'));
        return at.is_some_and(|schema| fits(schema, value));
    }
    if let Some(all) = schema.get("oneOf").and_then(Value::as_array) {
        return all.iter().any(|one| fits(one, value));
    }
    if let Some(names) = schema.get("enum").and_then(Value::as_array) {
        return names.contains(value);
    }
    match value {
        Value::Object(members) => members.iter().all(|(name, value)| {
            let named = schema.get("properties").and_then(|all| all.get(name));
            let others = schema.get("additionalProperties");
            let member = named.or(others.filter(|others| others.is_object()));
            member.is_some_and(|schema| fits(schema, value))
        }),
        Value::Array(items) => {
            let of = schema.get("items");
            items
                .iter()
                .all(|item| of.is_some_and(|schema| fits(schema, item)))
        }
        _ => true,
    }
}

#[test]
fn the_schema_knows_every_member_of_a_scenario() {
    let text = include_str!("../../docs/scenario.schema.json");
    let schema: Value = serde_json::from_str(text).expect("JSON");
    for seed in 0..300 {
        let scenario = Scenario::random(seed, Signatures::StandIn);
        let json = serde_json::to_value(&scenario).expect("JSON");
        assert!(fits(&schema, &json), "{json}");
    }
    let stranger = serde_json::json!({"name": "x", "nodes": [{"nmae": "a"}]});
    assert!(!fits(&schema, &stranger));
    let behaviours =
        schema["properties"]["adversaries"]["items"]["properties"]["behaviour"]["enum"]
            .as_array()
            .expect("a list");
    let names: Vec<&str> = behaviours.iter().filter_map(Value::as_str).collect();
    assert_eq!(names, Behaviour::ALL.map(Behaviour::name));
}
