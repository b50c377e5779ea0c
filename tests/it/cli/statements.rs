//! Statements signed on one machine and submitted on another.

use std::fs;

use serde_json::{Value, json};

use super::harness::{FOUNDED, TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";

/// A group, and the same group on a machine that holds no keys.
fn two_machines() -> (World, World) {
    let signing = World::founded();
    let submitting = signing.copy();
    fs::remove_dir_all(submitting.keys()).unwrap();
    (signing, submitting)
}

fn submit(world: &World, file: &str) -> Value {
    world
        .run(&format!("submit {file} --now {HOUR} --json"))
        .ok()
        .json()["results"]
        .clone()
}

#[test]
fn statements_travel_in_files() {
    let (signing, submitting) = two_machines();
    let proposal = signing.path("proposal.json");
    let before = signing.fingerprint();
    signing
        .run(&format!(
            "propose authorize-model {TRIAGE} --title T --as ada --now {HOUR} --out {proposal}"
        ))
        .ok();
    assert_eq!(signing.fingerprint(), before, "--out records nothing");
    let opened = submit(&submitting, &proposal);
    assert_eq!(opened[0]["type"], "althing/proposal/v1");
    assert_eq!(opened[0]["status"], "voting");
    assert_eq!(opened[0]["entries"], json!([6]));
    assert_eq!(opened[0]["recorded"], true);
    let id = opened[0]["proposal_id"].as_str().unwrap().to_owned();

    // The signing machine hears of it and signs two ballots, one of them to standard output.
    fs::write(signing.segment(), submitting.bytes()).unwrap();
    let ballot = signing.path("ballot.json");
    signing
        .run(&format!(
            "vote {id} approve --as ada --now {HOUR} --out {ballot}"
        ))
        .ok();
    let printed = signing
        .run(&format!("vote {id} approve --as bea --now {HOUR} --out -"))
        .ok();
    assert_eq!(printed.stderr, "");
    let both = format!("{}{}", fs::read_to_string(&ballot).unwrap(), printed.stdout);
    let votes = submitting
        .run_with(&format!("submit - --now {HOUR} --json"), both)
        .ok()
        .json();
    assert_eq!(votes["results"][0]["entries"], json!([7]));
    assert_eq!(votes["results"][1]["approve_weight"], 2);
    // Again: nothing new.
    let again = submit(&submitting, &ballot);
    assert_eq!(again[0]["recorded"], false);
    assert_eq!(again[0]["entries"], json!([]));
    submitting.verify();
}

#[test]
fn a_withdrawal_travels_too() {
    let (signing, submitting) = two_machines();
    let id = signing.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    fs::write(submitting.segment(), signing.bytes()).unwrap();
    let withdrawal = signing
        .run(&format!("withdraw {id} --as ada --now {HOUR} --out -"))
        .ok()
        .stdout;
    assert_eq!(signing.status(&id), "voting");
    let file = submitting.file("withdrawal.json", withdrawal);
    let result = submit(&submitting, &file);
    assert_eq!(result[0]["status"], "withdrawn");
}

#[test]
fn evidence_travels_and_counts_on_every_copy() {
    let world = World::founded();
    let id = world.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    let elsewhere = world.copy();
    world.approve(&id, &["dan"], HOUR);
    elsewhere.approve(&id, &["ada", "bea"], HOUR);
    world
        .run(&format!(
            "vote {id} reject --as dan --force --now {HOUR} --json"
        ))
        .fails(3, "ballot.equivocation");
    let listed = world.run("evidence list --json").ok().json();
    assert_eq!(listed["evidence"][0]["name"], "dan");
    assert_eq!(listed["evidence"][0]["suspended"], true);
    let text = world.run("evidence show dan").ok().stdout;
    assert!(
        text.contains("approve") && text.contains("reject"),
        "{text}"
    );

    let file = world.path("evidence.json");
    let seq = &listed["evidence"][0]["seq"];
    world.run(&format!("evidence show {seq} --out {file}")).ok();
    let result = submit(&elsewhere, &file);
    assert_eq!(result[0]["type"], "althing/equivocation/v1");
    assert_eq!(result[0]["recorded"], true);
    let node = elsewhere.run("node show dan --json").ok().json();
    assert_eq!(node["status"], "suspended");
    assert_eq!(node["evidence"], json!([id]));
    let shown = elsewhere
        .run(&format!("proposal show {id} --json"))
        .ok()
        .json();
    assert_eq!(shown["byzantine_weight"], 1);
    assert_eq!(shown["approve_weight"], 2);
    // The same evidence again is a repetition.
    let again = submit(&elsewhere, &file);
    assert_eq!(again[0]["recorded"], false);
    elsewhere
        .run(&format!(
            "vote {id} approve --as dan --force --now {HOUR} --json"
        ))
        .exits(3);
    elsewhere.verify();
    world.verify();
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    let world = World::founded();
    let id = world.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    let other = world.propose("authorize-agent did:example:agent", HOUR);
    let ballot = world
        .run(&format!(
            "vote {id} approve --rationale why --as ada --now {HOUR} --out -"
        ))
        .ok()
        .stdout;
    let proposal = world
        .run(&format!(
            "propose authorize-model {TRIAGE} --title Tame --as ada --now {HOUR} --out -"
        ))
        .ok()
        .stdout;
    let withdrawal = world
        .run(&format!("withdraw {id} --as ada --now {HOUR} --out -"))
        .ok()
        .stdout;
    let nodes = world.run("node list --json").ok().json();
    let did = |index: usize| nodes["nodes"][index]["did"].as_str().unwrap().to_owned();
    let parsed: Value = serde_json::from_str(&ballot).unwrap();
    let signature = parsed["signature"].as_str().unwrap();
    let hash = parsed["statement"]["proposal_hash"].as_str().unwrap();
    let cut = &signature[..signature.len() - 8];
    let swapped = format!("{}{}", &signature[4..8], &signature[..4]) + &signature[8..];
    let foreign: Value = serde_json::from_str(&proposal).unwrap();
    let foreign = foreign["signature"].as_str().unwrap();
    // What was changed, how, exit code, error code.
    let cases = [
        (
            "decision",
            ballot.replace("approve", "reject"),
            11,
            "ballot.signature",
        ),
        (
            "rationale",
            ballot.replace("why", "not"),
            11,
            "ballot.signature",
        ),
        (
            "voter",
            ballot.replace(&did(0), &did(1)),
            11,
            "ballot.signature",
        ),
        (
            "signature",
            ballot.replace(signature, &swapped),
            11,
            "ballot.signature",
        ),
        (
            "signature of another",
            ballot.replace(signature, foreign),
            11,
            "ballot.signature",
        ),
        (
            "proposal",
            ballot.replace(&id, &other),
            3,
            "ballot.hash-mismatch",
        ),
        (
            "no proposal",
            ballot.replace(&id, &nowhere()),
            3,
            "ballot.unknown-proposal",
        ),
        (
            "hash",
            ballot.replace(hash, &"0".repeat(64)),
            3,
            "ballot.hash-mismatch",
        ),
        (
            "title",
            proposal.replace("Tame", "Wild"),
            11,
            "signature.invalid",
        ),
        (
            "proposer",
            proposal.replace(&did(0), &did(2)),
            11,
            "signature.invalid",
        ),
        (
            "withdrawn",
            withdrawal.replace("01:00:00", "01:00:01"),
            11,
            "signature.invalid",
        ),
        (
            "a member more",
            ballot.replacen("\"cast_at\"", "\"a\":1,\"cast_at\"", 1),
            2,
            MALFORMED,
        ),
        (
            "a space",
            ballot.replacen("\"cast_at\":", "\"cast_at\": ", 1),
            2,
            MALFORMED,
        ),
        (
            "type",
            ballot.replace("althing/ballot/v1", "althing/ballot/v2"),
            2,
            MALFORMED,
        ),
        (
            "another's type",
            ballot.replace("althing/ballot/v1", "althing/proposal/v1"),
            2,
            MALFORMED,
        ),
        (
            "short signature",
            ballot.replace(signature, cut),
            11,
            "ballot.signature",
        ),
        (
            "no signature",
            ballot.replace("\"signature\"", "\"sign\""),
            2,
            MALFORMED,
        ),
        (
            "the end",
            ballot[..ballot.len() / 2].to_owned(),
            2,
            MALFORMED,
        ),
        ("everything", "[1,2]".to_owned(), 2, MALFORMED),
        ("emptiness", " \n\n".to_owned(), 2, "statement.missing"),
    ];
    let before = world.fingerprint();
    for (what, text, exit, code) in cases {
        assert_ne!(text, ballot, "{what}");
        let ran = world.run_with(&format!("submit - --now {HOUR} --json"), &text);
        assert_eq!(
            (ran.code, ran.json()["error"]["code"].as_str()),
            (Some(exit), Some(code)),
            "{what}: {ran:?}"
        );
        assert_eq!(world.fingerprint(), before, "{what}");
    }
}

const MALFORMED: &str = "statement.malformed";

fn nowhere() -> String {
    "00000000-0000-4000-8000-000000000000".to_owned()
}

#[test]
fn several_statements_are_recorded_up_to_the_first_that_is_refused() {
    let world = World::founded();
    let id = world.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    let ballot = |voter: &str| {
        world
            .run(&format!(
                "vote {id} approve --as {voter} --now {HOUR} --out -"
            ))
            .ok()
            .stdout
    };
    let (first, second, third) = (ballot("ada"), ballot("bea"), ballot("cid"));
    let tampered = second.replace("approve", "reject");
    let input = format!("{first}{tampered}{third}");
    let answer = world
        .run_with(&format!("submit - --now {HOUR} --json"), &input)
        .fails(11, "ballot.signature");
    assert_eq!(answer["statement"], 2);
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert!(
        answer["error"]["causes"]
            .to_string()
            .contains("1 statement before it recorded")
    );
    assert_eq!(world.lines().len(), 7);
    // What is malformed is found before anything is recorded.
    let input = format!("{second}{{}}\n{third}");
    world
        .run_with(&format!("submit - --now {HOUR} --json"), &input)
        .fails(2, MALFORMED);
    assert_eq!(world.lines().len(), 7);
}

#[test]
fn a_statement_of_another_ledger_is_refused() {
    let world = World::founded();
    let other = World::empty();
    super::harness::copy_dir(world.keys(), other.keys());
    other
        .run(&format!(
            "init --name other --founder ada --founder bea --now {FOUNDED}"
        ))
        .ok();
    let proposal = other
        .run(&format!(
            "propose authorize-model {TRIAGE} --title T --as ada --now {HOUR} --out -"
        ))
        .ok()
        .stdout;
    world
        .run_with(&format!("submit - --now {HOUR} --json"), proposal)
        .fails(3, "statement.wrong-ledger");
}
