//! `althing receipt`: written with a ledger, believed without one.

use std::fs;

use serde_json::{Value, json};

use super::harness::{FOUNDED, Ran, TRIAGE, World};

const LATER: &str = "2026-01-02T00:00:00Z";

/// A group with one grant, and its receipt, which the first three have signed for.
pub(super) fn received() -> (World, String) {
    let world = World::founded();
    world.pass(
        &format!("authorize-model {TRIAGE} --scope max_rate_qps=5"),
        FOUNDED,
    );
    let path = world.path("receipt.json");
    let grant = grant(&world);
    world
        .run(&format!(
            "receipt create {grant} --as ada --as bea --as cid -o {path} --now {FOUNDED}"
        ))
        .ok();
    (world, path)
}

fn grant(world: &World) -> String {
    let list = world.run("authorization list --json").ok().json();
    list["authorizations"][0]["id"].as_str().unwrap().to_owned()
}

pub(super) fn origin(world: &World) -> String {
    let line: Value = serde_json::from_str(&world.lines()[4]).unwrap();
    assert_eq!(line["operation"], "node_added");
    line["entry_hash"].as_str().unwrap().to_owned()
}

/// Verifies where there is neither ledger nor key.
fn verify(path: &str, options: &str) -> Ran {
    World::empty().run(&format!("receipt verify {path} --json {options}"))
}

#[test]
fn a_receipt_needs_no_ledger_but_a_pin() {
    let (world, path) = received();
    let pin = format!("--origin {}", origin(&world));
    let answer = verify(&path, &pin).ok().json();
    assert_eq!(answer["believed"], true);
    assert_eq!(
        answer["basis"],
        json!({"kind": "registry", "signed": 3, "total": 4})
    );
    assert_eq!(answer["authorized_as_of"], "2026-01-01T00:00:00.000000Z");
    assert_eq!(answer["grant"]["subject"], TRIAGE);
    assert_eq!(answer["grant"]["obligations"], json!({"max_rate_qps": 5}));
    assert_eq!(
        answer["decision"]["electorate"].as_array().unwrap().len(),
        4
    );
    let text = World::empty()
        .run(&format!("receipt verify {path} {pin}"))
        .ok()
        .stdout;
    for part in [
        "decided by the quorum; authorized as of 2026-01-01",
        TRIAGE,
        "ada",
        "approve",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // The same, and nobody vouches for it.
    let answer = verify(&path, "").exits(12).json();
    assert_eq!(answer["believed"], false);
    assert_eq!(answer["code"], "receipt.no-pin");
    assert_eq!(answer["authorized_as_of"], "2026-01-01T00:00:00.000000Z");
    let zeros = "0".repeat(64);
    verify(&path, &format!("--origin {zeros}")).fails(12, "receipt.other-ledger");
}

#[test]
fn pinned_keys_vouch_as_well() {
    let (world, path) = received();
    let nodes: Vec<Value> = (world.lines()[1..5].iter())
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let data = &line["data"];
            json!({"key": data["key"], "node": data["node"], "weight": data["weight"]})
        })
        .collect();
    let receipt: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let note = receipt["checkpoint"].as_str().unwrap();
    let policy = |nodes: &[Value]| {
        let policy = json!({
            "format": "althing/trust-policy/v1",
            "nodes": nodes,
            "origin": note.lines().next().unwrap(),
        });
        format!(
            "--policy {}",
            world.file("trusted.json", policy.to_string())
        )
    };
    let answer = verify(&path, &policy(&nodes[..3])).ok().json();
    assert_eq!(
        answer["basis"],
        json!({"kind": "policy", "signed": 3, "total": 3})
    );
    verify(&path, &policy(&nodes)).ok();
    verify(&path, &policy(&nodes[..2])).fails(12, "receipt.too-few-signatures");
    verify(&path, &policy(&nodes[2..])).fails(12, "receipt.too-few-signatures");
    verify(&path, &policy(&[])).fails(2, "receipt.trust-policy");
}

#[test]
fn a_revoked_grant_has_a_receipt_that_says_so() {
    let (world, path) = received();
    world.pass(&format!("revoke-model {TRIAGE}"), LATER);
    let signed = world.path("checkpoint.txt");
    world
        .run(&format!(
            "checkpoint create --as ada --as bea --as cid -o {signed} --now {LATER}"
        ))
        .ok();
    let grant = grant(&world);
    world
        .run(&format!(
            "receipt create {grant} --checkpoint {signed} -o {path}"
        ))
        .ok();
    let answer = verify(&path, &format!("--origin {}", origin(&world)))
        .ok()
        .json();
    assert_eq!(answer["decided"], true);
    assert_eq!(answer["authorized_as_of"], Value::Null);
    assert_eq!(answer["status"], "revoked");
}

#[test]
fn what_can_not_be_received_is_refused_by_name() {
    let (world, path) = received();
    let old = world.path("old.txt");
    world
        .run(&format!(
            "checkpoint create --as ada -o {old} --now {FOUNDED}"
        ))
        .ok();
    world.pass("authorize-agent did:example:agent", LATER);
    let list = world.run("authorization list --json").ok().json();
    let new = list["authorizations"][1]["id"].as_str().unwrap();
    let create = |rest: &str| world.run(&format!("receipt create {rest} -o {path}.new --json"));
    create(&format!("{new} --checkpoint {old}")).fails(12, "receipt.older-checkpoint");
    let other = World::founded();
    let foreign = other.path("foreign.txt");
    other
        .run(&format!(
            "checkpoint create --as ada -o {foreign} --now {FOUNDED}"
        ))
        .ok();
    create(&format!("{new} --checkpoint {foreign}")).fails(12, "checkpoint.other-ledger");
    create(&format!("ffffffff --checkpoint {old}")).fails(3, "grant.unknown");
    create(new).fails(2, "usage");
    assert!(!fs::exists(format!("{path}.new")).unwrap());
}

#[test]
fn a_damaged_receipt_is_refused_with_the_right_exit_code() {
    let (world, path) = received();
    let pin = format!("--origin {}", origin(&world));
    let text = fs::read_to_string(&path).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let path = world.file("changed.json", text.replacen(from, to, 1));
        verify(&path, &pin)
    };
    changed("receipt/v1", "receipt/v9").fails(1, "receipt.malformed");
    changed(r#"\"decision\":\"approve\""#, r#"\"decision\":\"abstain\""#).fails(10, "chain.hash");
    let receipt: Value = serde_json::from_str(&text).unwrap();
    let hash = receipt["entries"][7]["path"][0].as_str().unwrap();
    changed(hash, &"0".repeat(64)).fails(12, "receipt.inclusion");
    let mut fewer = receipt.clone();
    fewer["entries"].as_array_mut().unwrap().remove(6);
    let fewer = serde_json_canonicalizer::to_string(&fewer).unwrap() + "\n";
    let ran = verify(&world.file("fewer.json", fewer), &pin).exits(13);
    assert!(ran.stdout.contains("\"code\":"));
    // The last character of a signature carries bits of it, or padding follows it.
    let note = receipt["checkpoint"].as_str().unwrap();
    let line = note.lines().last().unwrap();
    let middle = &line[line.len() - 60..line.len() - 40];
    changed(middle, &"A".repeat(20)).fails(11, "checkpoint.signature");
    verify(&world.path("nowhere.json"), &pin).fails(1, "file.io");
}
