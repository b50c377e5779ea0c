//! `althing diff`: where two ledgers part, and what that means.

use std::fs;

use serde_json::{Value, json};

use super::harness::{Ran, TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";
const LATER: &str = "2026-01-01T02:00:00Z";

fn diff(a: &World, b: &World, options: &str) -> Ran {
    let (one, other) = (a.ledger().display(), b.ledger().display());
    a.run(&format!("diff {one} {other} {options}"))
}

/// Two copies of a ledger with one open proposal: five entries, and the sixth is the proposal.
fn twins() -> (World, World, String) {
    let world = World::founded();
    let proposal = world.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    let copy = world.copy();
    (world, copy, proposal)
}

fn vote(world: &World, proposal: &str, voter: &str, decision: &str) {
    let line = format!("vote {proposal} {decision} --as {voter} --now {LATER}");
    world.run(&line).ok();
}

fn paths(report: &Value) -> Vec<&str> {
    let fields = report["entry"]["fields"].as_array().unwrap();
    fields
        .iter()
        .map(|field| field["path"].as_str().unwrap())
        .collect()
}

#[test]
fn equal_and_longer_ledgers_are_told_apart() {
    let (a, b, proposal) = twins();
    let same = diff(&a, &b, "--json").ok().json();
    assert_eq!(
        (&same["equal"], &same["relation"]),
        (&json!(true), &json!("equal"))
    );
    assert_eq!(same["common_entries"], 6);
    assert_eq!(same["a"]["head"], same["b"]["head"]);
    assert_eq!(same["a"]["state_hash"], same["b"]["state_hash"]);
    assert_eq!(same["proposals"], json!([]));
    assert!(
        diff(&a, &b, "")
            .ok()
            .stdout
            .contains("the ledgers are the same")
    );

    a.approve(&proposal, &["ada", "bea", "cid"], LATER);
    for (one, other, relation, side) in [(&a, &b, "a-is-longer", "a"), (&b, &a, "b-is-longer", "b")]
    {
        let report = diff(one, other, "--json").exits(13).json();
        assert_eq!(report["relation"], relation);
        assert_eq!(report["common_entries"], 6);
        assert_eq!(report["entry"], Value::Null);
        assert_eq!(report[side]["entries"], 11);
        let longer = &report["proposals"][0];
        assert_eq!(longer["proposal_id"], proposal.as_str());
        assert_eq!(longer[side], "executed");
        let grant = &report["authorizations"][0];
        assert_eq!(
            (&grant["subject"], &grant[side]),
            (&json!(TRIAGE), &json!("live"))
        );
        assert_eq!(report["nodes"], json!([]));
    }
}

#[test]
fn the_first_entry_and_value_that_differ_are_named() {
    let (a, b, proposal) = twins();
    vote(&a, &proposal, "ada", "approve");
    vote(&b, &proposal, "bea", "reject");
    // Whatever comes later is not where they part.
    vote(&a, &proposal, "cid", "approve");
    let report = diff(&a, &b, "--json").exits(13).json();
    assert_eq!(report["relation"], "diverged");
    assert_eq!(report["common_entries"], 6);
    assert_eq!(report["entry"]["seq"], 7);
    assert_eq!(report["entry"]["a"]["operation"], "vote_cast");
    let found = paths(&report);
    assert_eq!(found[0], "/data/signature");
    assert_eq!(found[1], "/data/statement/decision");
    assert!(
        !found.contains(&"/timestamp") && !found.contains(&"/operation"),
        "{found:?}"
    );
    let decision = &report["entry"]["fields"][1];
    assert_eq!(
        (&decision["a"], &decision["b"]),
        (&json!("\"approve\""), &json!("\"reject\""))
    );
    let signature = report["entry"]["fields"][0]["a"].as_str().unwrap();
    assert_eq!(signature.chars().count(), 101, "long values are cut");
    let text = diff(&a, &b, "").exits(13).stdout;
    assert!(text.contains("first difference at entry 7"), "{text}");
    assert!(
        text.contains("  A  \"approve\"\n  B  \"reject\"\n"),
        "{text}"
    );
}

#[test]
fn the_envelope_is_compared_before_the_data() {
    let (a, b, proposal) = twins();
    vote(&a, &proposal, "ada", "approve");
    let prediction = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    let record = format!("predict record --now {HOUR}");
    b.run_with(&record, prediction).ok();
    let report = diff(&a, &b, "--json").exits(13).json();
    assert_eq!(paths(&report)[..2], ["/timestamp", "/operation"]);
    let operation = &report["entry"]["fields"][1];
    assert_eq!(operation["b"], "\"prediction_recorded\"");
}

#[test]
fn a_removed_node_and_a_rotated_key_differ_in_the_states() {
    let (a, b, _) = twins();
    a.pass("remove-node dan", LATER);
    b.run("key new bea-2").ok();
    b.run(&format!("rotate-key bea-2 --as bea --now {LATER}"))
        .ok();
    let report = diff(&a, &b, "--json").exits(13).json();
    let nodes = report["nodes"].as_array().unwrap();
    let named = |name: &str| nodes.iter().find(|node| node["name"] == name).unwrap();
    assert_eq!(nodes.len(), 2, "{report}");
    let bea = named("bea");
    assert_ne!(bea["a"]["key"], bea["b"]["key"]);
    assert_eq!(bea["a"]["weight"], bea["b"]["weight"]);
    assert_eq!(named("dan")["b"]["status"], "active");
}

#[test]
fn ledgers_of_another_founding_are_named_as_such() {
    let (a, b) = (World::founded(), World::founded());
    let report = diff(&a, &b, "--json").exits(13).json();
    assert_eq!(report["relation"], "different-founding");
    assert_eq!(report["common_entries"], 0);
    assert_ne!(report["a"]["ledger"], report["b"]["ledger"]);
    assert_eq!(report["entry"]["seq"], 1);
    assert_eq!(
        report["nodes"].as_array().unwrap().len(),
        8,
        "no node is in both"
    );
    let text = diff(&a, &b, "").exits(13).stdout;
    assert!(text.contains("founded apart"), "{text}");
}

#[test]
fn damage_ends_the_comparison() {
    let (a, b, _) = twins();
    let lines = a.lines();
    let offset: usize = lines[..5].iter().map(|line| line.len() + 1).sum();
    let damage = |world: &World, at: usize| {
        let mut bytes = world.bytes();
        bytes[at] ^= 1;
        fs::write(world.segment(), bytes).unwrap();
    };
    damage(&b, offset + 200);
    let report = diff(&a, &b, "--json").exits(10).json();
    assert_eq!(report["relation"], "damaged");
    assert_eq!(
        (&report["common_entries"], &report["equal"]),
        (&json!(5), &json!(false))
    );
    assert_eq!(report["a"]["damage"], Value::Null);
    assert_eq!(report["b"]["damage"]["code"], "chain.hash");
    assert_eq!(
        (
            &report["b"]["damage"]["seq"],
            &report["b"]["damage"]["offset"]
        ),
        (&json!(6), &json!(offset))
    );
    assert_eq!(report["b"]["entries"], 5);
    assert_eq!(
        report["proposals"][0]["b"],
        Value::Null,
        "the state before the damage"
    );
    // Both damaged in the same way are not called equal.
    damage(&a, offset + 200);
    let report = diff(&a, &b, "--json").exits(10).json();
    assert_eq!(
        (&report["relation"], &report["equal"]),
        (&json!("damaged"), &json!(false))
    );

    // Damage behind the entry in which they differ does not hide it.
    let (a, b, _) = twins();
    a.propose("authorize-agent did:example:one", LATER);
    b.propose("authorize-agent did:example:two", LATER);
    b.propose("authorize-agent did:example:three", LATER);
    let bytes = b.bytes();
    damage(&b, bytes.len() - 300);
    let report = diff(&a, &b, "--json").exits(10).json();
    assert_eq!(report["relation"], "diverged");
    assert_eq!(report["entry"]["seq"], 7);
    assert_eq!(report["b"]["damage"]["seq"], 8);
}

#[test]
fn a_torn_end_is_no_difference() {
    let (a, b, _) = twins();
    let mut bytes = b.bytes();
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":7");
    fs::write(b.segment(), bytes).unwrap();
    assert_eq!(diff(&a, &b, "--json").ok().json()["equal"], true);
}

#[test]
fn an_illegal_history_is_compared_and_said_to_be_illegal() {
    use sha2::{Digest as _, Sha256};

    let (a, b, proposal) = twins();
    vote(&b, &proposal, "ada", "approve");
    let mut lines = b.lines();
    let forged = lines[6].replace("\"decision\":\"approve\"", "\"decision\":\"reject\"");
    let body = &forged[..forged.len() - 81];
    let hash: String = (Sha256::digest(body).iter())
        .map(|byte| format!("{byte:02x}"))
        .collect();
    lines[6] = format!("{body},\"entry_hash\":\"{hash}\"}}");
    fs::write(b.segment(), lines.join("\n") + "\n").unwrap();
    let report = diff(&a, &b, "--json").exits(13).json();
    assert_eq!(report["relation"], "b-is-longer");
    assert_eq!(report["b"]["state_hash"], Value::Null);
    assert!(
        report["b"]["illegal"]
            .as_str()
            .unwrap()
            .contains("signature"),
        "{report}"
    );
}

#[test]
fn what_stands_in_a_ledger_can_not_move_the_cursor() {
    let (a, b, _) = twins();
    for (world, text) in [(&a, "one \u{1b}[2J"), (&b, "two")] {
        let line = format!(
            "propose authorize-agent did:example:x --title T --description '{text}' --as ada \
             --now {LATER}"
        );
        world.run(&line).ok();
    }
    let text = diff(&a, &b, "--color never").exits(13).stdout;
    assert!(text.contains("/data/statement/description"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_ledger_that_is_not_there_is_no_difference() {
    let world = World::founded();
    let line = format!(
        "diff {} {} --json",
        world.ledger().display(),
        world.path("none")
    );
    world.run(&line).fails(1, "ledger.not-found");
}
