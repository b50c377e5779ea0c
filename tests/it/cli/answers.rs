//! The table "Which answer when" of the documentation, row by row.

use std::fs;

use serde_json::json;

use super::harness::{TRIAGE, World};

const HOUR: &str = "2026-01-01T01:00:00Z";

fn open() -> (World, String) {
    let world = World::founded();
    let proposal = world.propose(&format!("authorize-model {TRIAGE}"), HOUR);
    (world, proposal)
}

fn vote(proposal: &str, decision: &str, options: &str) -> String {
    format!("vote {proposal} {decision} --now {HOUR} --json {options}")
}

#[test]
fn a_conflicting_ballot_is_refused_and_recorded_as_evidence() {
    let (world, id) = open();
    world.run(&vote(&id, "approve", "--as dan")).ok();
    let answer = world
        .run(&vote(&id, "reject", "--as dan --force"))
        .fails(3, "ballot.equivocation");
    assert_eq!(answer["recorded"], true);
    assert_eq!(answer["entries"], json!([8]));
    let lines = world.lines();
    assert!(lines[7].contains("\"operation\":\"byzantine_detected\""));
    let count = |operation: &str| {
        let needle = format!("\"operation\":\"{operation}\"");
        lines.iter().filter(|line| line.contains(&needle)).count()
    };
    assert_eq!((count("byzantine_detected"), count("vote_cast")), (1, 1));
    // It is recorded once.
    world
        .run(&vote(&id, "abstain", "--as dan --force"))
        .fails(3, "ballot.equivocation");
    assert_eq!(world.lines().len(), 8);
    world.verify();
}

#[test]
fn the_journal_refuses_a_conflicting_signature() {
    let (world, id) = open();
    world.run(&vote(&id, "approve", "--as dan")).ok();
    let before = world.fingerprint();
    let answer = world
        .run(&vote(&id, "reject", "--as dan"))
        .fails(4, "already-signed");
    let hint = answer["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("--force"), "{hint}");
    world
        .run(&vote(&id, "reject", "--as dan --out -"))
        .fails(4, "already-signed");
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn a_late_ballot_is_not_signed_at_all() {
    let (world, id) = open();
    // A clock that runs two days ahead, on a machine without a ledger of its own.
    let late = "--as ada --now 2026-01-03T01:00:00Z --json";
    for options in ["", "--out -"] {
        world
            .run(&format!("vote {id} approve {options} {late}"))
            .fails(3, "ballot.outside-voting-period");
    }
    // Set right, it can still vote, even otherwise.
    world.run(&vote(&id, "reject", "--as ada")).ok();
}

#[test]
fn the_same_decision_again_is_the_first_one() {
    let (world, id) = open();
    let first = world.run(&vote(&id, "approve", "--as ada")).ok().json();
    let before = world.fingerprint();
    for options in ["--as ada", "--as ada --rationale other", "--as ada --force"] {
        let again = world.run(&vote(&id, "approve", options)).ok().json();
        assert_eq!(again["vote_id"], first["vote_id"], "{options}");
        assert_eq!(again["recorded"], false, "{options}");
        assert_eq!(again["entries"], json!([]), "{options}");
    }
    assert_eq!(world.fingerprint(), before);
    // Also when the proposal is decided.
    world.approve(&id, &["bea", "cid"], HOUR);
    let again = world.run(&vote(&id, "approve", "--as ada")).ok().json();
    assert_eq!(again["vote_id"], first["vote_id"]);
    assert_eq!(again["status"], "executed");
}

#[test]
fn what_the_rules_refuse_exits_three() {
    let (world, id) = open();
    world.run("key new eve").ok();
    // Two of one start: ids are random, so proposals are made until two agree.
    let mut starts = vec![id[..1].to_owned()];
    let ambiguous = loop {
        let agent = format!("authorize-agent did:example:a{}", starts.len());
        let proposer = if starts.len() < 16 { "ada" } else { "bea" };
        let report = world
            .run(&format!(
                "propose {agent} --title T --as {proposer} --now {HOUR} --json"
            ))
            .ok()
            .json();
        let start = report["proposal_id"].as_str().unwrap()[..1].to_owned();
        if starts.contains(&start) {
            break start;
        }
        starts.push(start);
    };
    let decided = world.pass("remove-node dan", HOUR);
    let before = world.fingerprint();
    let cases = [
        (vote(&id, "approve", "--as eve"), "ballot.not-in-electorate"),
        (vote(&decided, "approve", "--as dan"), "ballot.node-removed"),
        (
            format!("close {id} --now {HOUR} --json"),
            "close.before-deadline",
        ),
        (
            format!("close {decided} --now {HOUR} --json"),
            "proposal.closed",
        ),
        (
            format!("execute {id} --now {HOUR} --json"),
            "execute.not-queued",
        ),
        (vote("nope", "approve", "--as ada"), "proposal.unknown"),
        (
            vote(&ambiguous, "approve", "--as ada"),
            "proposal.ambiguous",
        ),
        ("proposal show nope --json".to_owned(), "proposal.unknown"),
        (
            format!("proposal show {ambiguous} --json"),
            "proposal.ambiguous",
        ),
        ("node show did:pqaid: --json".to_owned(), "node.ambiguous"),
        ("node show nobody --json".to_owned(), "node.unknown"),
        ("evidence show 1 --json".to_owned(), "evidence.unknown"),
    ];
    for (line, code) in cases {
        world.run(&line).fails(3, code);
    }
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn a_missing_key_or_authority_exits_four() {
    let (world, id) = open();
    let before = world.fingerprint();
    world
        .run(&vote(&id, "approve", "--as nobody"))
        .fails(4, "key.not-found");
    world
        .run(&format!("withdraw {id} --as bea --now {HOUR} --json"))
        .fails(4, "withdraw.not-proposer");
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn a_submitted_signature_that_does_not_verify_exits_eleven() {
    let (world, id) = open();
    let ballot = world
        .run(&vote(&id, "approve", "--as ada --out -"))
        .ok()
        .stdout;
    let before = world.fingerprint();
    world
        .run_with(
            &format!("submit - --now {HOUR} --json"),
            ballot.replace("approve", "abstain"),
        )
        .fails(11, "ballot.signature");
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn a_time_before_the_head_is_a_usage_error() {
    let (world, id) = open();
    let before = world.fingerprint();
    let early = "--now 2026-01-01T00:59:59.999999Z --json";
    for line in [
        format!("vote {id} approve --as ada {early}"),
        format!("close {id} {early}"),
        format!("execute {id} {early}"),
        format!("withdraw {id} --as ada {early}"),
        format!("propose authorize-model {TRIAGE} --title T --as ada {early}"),
    ] {
        world.run(&line).fails(2, "clock.behind-head");
    }
    let prediction = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    world
        .run_with(&format!("predict record {early}"), prediction)
        .fails(2, "clock.behind-head");
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn an_unknown_subject_is_denied() {
    let (world, _) = open();
    let answer = world
        .run("authorization check did:example:unknown --kind model --json")
        .exits(3)
        .json();
    assert_eq!(answer["allowed"], false);
    assert_eq!(answer["reason"], "no-grant");
    assert!(
        answer.get("error").is_none(),
        "a denial is an answer, no failure"
    );
}

#[test]
fn a_torn_tail_is_fine_and_an_incomplete_batch_before_another_is_not() {
    let (world, id) = open();
    world.approve(&id, &["ada", "bea", "cid"], HOUR);
    world.propose("authorize-agent did:example:agent", HOUR);
    let lines = world.lines();
    assert_eq!(lines.len(), 12);
    let text = |lines: &[String]| {
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };

    // The last write, a batch of one, is cut short.
    fs::write(world.segment(), text(&lines).trim_end()).unwrap();
    let torn = world.run("verify --forget --json").ok().json();
    assert_eq!(torn["ok"], true);
    assert_eq!(torn["problems"][0]["code"], "tail.torn");

    // The batch of the lines 9 to 11 lost its last line, and line 12 stands behind it.
    fs::write(world.segment(), text(&lines[..10]) + &lines[11] + "\n").unwrap();
    let broken = world.run("verify --json").exits(10).json();
    assert_eq!(broken["ok"], false);
    assert_eq!(broken["entries"], 8, "a batch counts as a whole: {broken}");
}

#[test]
fn a_head_in_the_future_stops_writers_unless_told_the_time() {
    let world = World::founded();
    let future = "2999-01-01T00:00:00Z";
    world.propose(&format!("authorize-model {TRIAGE}"), future);
    let before = world.fingerprint();
    let propose = format!("propose authorize-model {TRIAGE} --title T --as ada --json");
    world.run(&propose).fails(1, "clock.head-in-future");
    assert_eq!(world.fingerprint(), before);
    let report = world.run("verify --json").ok().json();
    assert_eq!(report["ok"], true);
    assert_eq!(report["problems"][0]["code"], "clock.head-in-future");
    world.run(&format!("{propose} --now {future}")).ok();
}
