//! A ledger that was written once and must read the same for ever.
//!
//! Its bytes are checked in. Every later version of the program must verify them and come to the
//! same head, Merkle root and state. Once a version is released its golden ledger is never made
//! again; a new version of the format gets a ledger of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::consensus::equivocation;
use super::harness::{TRIAGE, World, copy_dir};

fn directory() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/ledger-v1"
    ))
}

/// The ledger with nothing else, so that no test can write to what is checked in.
fn golden() -> World {
    let world = World::empty();
    copy_dir(&directory().join("ledger"), &world.ledger().join("ledger"));
    world
}

fn expected() -> Value {
    let text = fs::read_to_string(directory().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What is expected of a ledger: its head, its root, and its state at several points.
fn found(world: &World) -> Value {
    let verified = world.verify();
    let replayed = world.run("replay --json").ok().json();
    assert_eq!(replayed["head"], verified["head"]);
    assert_eq!(replayed["entries"], verified["entries"]);
    let mut states = serde_json::Map::new();
    let lines = world.lines();
    for (index, line) in lines.iter().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        if line["batch"][0] == line["batch"][1] {
            let seq = index + 1;
            let at = world.run(&format!("replay --at {seq} --json")).ok().json();
            states.insert(format!("{seq:02}"), at["state_hash"].clone());
        }
    }
    json!({
        "entries": verified["entries"],
        "head": verified["head"],
        "ledger": replayed["ledger"],
        "merkle_root": verified["merkle_root"],
        "state_hash": replayed["state_hash"],
        "state_hash_at": states,
    })
}

#[test]
fn the_golden_ledger_reads_as_it_always_did() {
    let (found, expected) = (found(&golden()), expected());
    for name in ["entries", "head", "ledger", "merkle_root", "state_hash"] {
        assert_eq!(found[name], expected[name], "{name}");
    }
    assert!(found == expected, "the state at an earlier entry changed");
}

#[test]
fn every_operation_has_a_golden_line() {
    let world = golden();
    let text = String::from_utf8(world.bytes()).unwrap();
    for operation in althing::governance::event::OPERATIONS {
        let needle = format!("\"operation\":\"{operation}\"");
        assert!(text.contains(&needle), "no golden line of {operation}");
    }
    // Evidence has three forms.
    for start in [
        "{\"first\":",
        "{\"checkpoints\":{\"divergence\":",
        "{\"consensus\":",
    ] {
        let needle = format!("\"operation\":\"byzantine_detected\",\"data\":{start}");
        assert!(text.contains(&needle), "no golden line of evidence {start}");
    }
}

#[test]
fn the_golden_ledger_can_be_continued() {
    let world = golden();
    let entries = expected()["entries"].as_u64().unwrap();
    let prediction = json!({"model": TRIAGE, "model_version": "2", "input": "x"}).to_string();
    world.run_with("predict record", prediction).ok();
    assert_eq!(world.verify()["entries"], entries + 1);
}

#[test]
fn coreutils_check_the_hash_of_every_line() {
    let world = golden();
    let file = world.segment().display().to_string();
    let script = format!(
        "n=$(wc -l < {file}); i=0
         while [ $i -lt $n ]; do
             i=$((i + 1))
             hash=$(sed -n ${{i}}p {file} | head -c -82 | sha256sum | cut -d' ' -f1)
             stated=$(sed -n ${{i}}p {file} | tail -c 67 | head -c 64)
             [ $hash = $stated ] || {{ echo line $i: $hash is not $stated; exit 1; }}
         done; echo $n"
    );
    // `head` of some systems takes no negative count.
    let usable = Command::new("sh")
        .args([
            "-c",
            "[ \"$(printf abc | head -c -1)\" = ab ] && command -v sha256sum",
        ])
        .output()
        .is_ok_and(|output| output.status.success());
    if !usable {
        return;
    }
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert_eq!(text.trim(), expected()["entries"].to_string());
    // The recipe of the documentation, to the letter.
    let recipe = format!("sed -n 5p {file} | head -c -82 | sha256sum");
    let output = Command::new("sh").args(["-c", &recipe]).output().unwrap();
    let line: Value = serde_json::from_str(&world.lines()[4]).unwrap();
    let hash = String::from_utf8(output.stdout).unwrap();
    assert_eq!(hash.split(' ').next(), line["entry_hash"].as_str());
}

#[test]
fn every_line_names_the_hash_of_the_one_before() {
    // By place alone, without a JSON reader: the last members of a line have fixed lengths.
    let mut previous = "0".repeat(64);
    for line in golden().lines() {
        let stated = |from_end: usize| &line[line.len() - from_end..][..64];
        let (prev_hash, entry_hash) = (stated(66 + 80), stated(66));
        assert!(line.contains(&format!(",\"prev_hash\":\"{prev_hash}\",\"entry_hash\":\"")));
        assert_eq!(prev_hash, previous);
        previous = entry_hash.to_owned();
    }
    assert_eq!(expected()["head"], previous.as_str());
}

/// Makes the golden ledger anew, with other keys and ids: only while its format is unreleased.
///
/// `cargo test --test it make_the_golden_ledger -- --ignored`
#[test]
#[ignore = "writes the golden ledger"]
fn make_the_golden_ledger() {
    let world = story();
    let target = directory();
    let _ = fs::remove_dir_all(&target);
    copy_dir(&world.ledger().join("ledger"), &target.join("ledger"));
    let text = serde_json::to_string_pretty(&found(&world)).unwrap() + "\n";
    fs::write(target.join("expected.json"), text).unwrap();
}

/// A history in which everything happens at least once, with a key of every parameter set.
fn story() -> World {
    let world = World::empty();
    for (name, algorithm) in [
        ("ada", "ML-DSA-44"),
        ("bea", "ML-DSA-65"),
        ("cid", "ML-DSA-87"),
        ("dan", "ML-DSA-44"),
        ("eve", "ML-DSA-44"),
    ] {
        world
            .run(&format!("key new {name} --algorithm {algorithm}"))
            .ok();
    }
    let day = |day: u32| format!("2026-02-{day:02}T12:00:00Z");
    world
        .run(&format!(
            "init --name 'Golden group' --founder ada --founder bea:2 --founder cid --founder dan \
             --now {}",
            day(1)
        ))
        .ok();
    let predict = |model: &str, now: &str| {
        let prediction = json!({
            "model": model, "model_version": "1.2", "input": {"age": 61}, "user_id": "u-1",
            "output_summary": {"mean_confidence": 0.930, "positive": 1e-3, "threshold": 5},
            "request_id": "r-1", "duration_ms": 12, "context": {"environment": "prod"},
        });
        let line = format!("predict record --now {now}");
        world.run_with(&line, prediction.to_string()).ok();
    };
    // A grant, predictions under it and without one, a revocation.
    world.pass(
        &format!(
            "authorize-model {TRIAGE} --scope environment=prod --scope max_rate_qps=50 \
             --expires 2026-06-01T00:00:00Z --description 'Line one, ä 東 \u{1F600}' \
             --param url='\"https://example.org\"'"
        ),
        &day(2),
    );
    predict(TRIAGE, &day(2));
    predict("urn:model:other", &day(2));
    let revoked = world.propose(&format!("revoke-model {TRIAGE}"), &day(3));
    // A ballot of dan stands on the side that loses, and a contradiction on another proposal.
    let overtaken = world.propose(&format!("authorize-model {TRIAGE}"), &day(3));
    world.approve(&revoked, &["ada", "bea", "cid"], &day(3));
    assert_eq!(world.status(&overtaken), "superseded");
    let withdrawn = world.propose("authorize-agent did:example:agent", &day(4));
    world
        .run(&format!("withdraw {withdrawn} --as ada --now {}", day(4)))
        .ok();
    // A newcomer, and a policy with a timelock.
    world.pass("add-node --file eve --param weight=2", &day(5));
    let rules = json!({"default": {"timelock_seconds": 3600, "window_seconds": 7200}});
    let policy = world.policy_file("policy.json", &rules);
    let change = world.propose(&format!("update-policy --file {policy}"), &day(6));
    world.approve(&change, &["ada", "bea", "eve"], &day(6));
    world
        .run(&format!("execute {change} --now 2026-02-06T13:00:00Z"))
        .ok();
    assert_eq!(world.status(&change), "executed");
    // One decision lapses, one is overturned by evidence, one fails to be carried out.
    let lapses = world.propose("authorize-agent did:example:late", &day(7));
    world.approve(&lapses, &["bea", "cid", "eve"], &day(7));
    world
        .run(&format!("execute {lapses} --now {}", day(8)))
        .ok();
    assert_eq!(world.status(&lapses), "lapsed");
    let fails = world.propose(
        "authorize-agent did:example:brief --expires 2026-02-08T12:30:00Z",
        &day(8),
    );
    world.approve(&fails, &["bea", "cid", "eve"], &day(8));
    world
        .run(&format!("execute {fails} --now 2026-02-08T13:00:00Z"))
        .ok();
    assert_eq!(world.status(&fails), "failed");
    let overturned = world.propose("authorize-agent did:example:agent", &day(9));
    for voter in ["ada", "bea", "dan"] {
        world.approve(&overturned, &[voter], &day(9));
    }
    world.approve(&overturned, &["eve"], &day(9));
    world
        .run(&format!(
            "vote {overturned} reject --as eve --force --rationale 'second thoughts' --now {}",
            day(9)
        ))
        .exits(3);
    // Predictions of a version with a crash in between.
    let mut bytes = world.bytes();
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":");
    fs::write(world.segment(), bytes).unwrap();
    predict(TRIAGE, &day(10));
    let removed = world.propose("remove-node dan", &day(11));
    world
        .run(&format!(
            "vote {removed} abstain --as dan --now {}",
            day(11)
        ))
        .ok();
    world.approve(&removed, &["ada", "bea", "cid"], &day(11));
    if world.status(&removed) == "queued" {
        world
            .run(&format!("execute {removed} --now 2026-02-11T13:00:00Z"))
            .ok();
    }
    // One is judged at its deadline, one is still open.
    let judged = world.propose("authorize-agent did:example:agent", &day(12));
    for (voter, decision) in [("ada", "approve"), ("cid", "reject")] {
        let line = format!("vote {judged} {decision} --as {voter} --now {}", day(12));
        world.run(&line).ok();
    }
    world.run(&format!("close {judged} --now {}", day(13))).ok();
    new_keys(&world, &day);
    delegate_and_freeze(&world, &day);
    sign_two_histories(&world, &day(20));
    let equivocation = equivocation(&world, "dan");
    world
        .run(&format!("submit {equivocation} --now {}", day(20)))
        .ok();
    world.propose("authorize-agent did:example:open", &day(20));
    world
}

/// Proposes, approves, and executes when the timelock of an hour is over.
fn carry_out(world: &World, what: &str, voters: &[&str], date: &str) -> String {
    let proposal = world.propose(what, &format!("{date}T12:00:00Z"));
    world.approve(&proposal, voters, &format!("{date}T12:00:00Z"));
    let later = format!("execute {proposal} --now {date}T13:00:00Z");
    world.run(&later).ok();
    assert_eq!(world.status(&proposal), "executed", "{what}");
    proposal
}

/// A node changes its key, a suspended one comes back with another, a third is given one.
fn new_keys(world: &World, day: &impl Fn(u32) -> String) {
    for (name, algorithm) in [
        ("bea-2", "ML-DSA-87"),
        ("eve-2", "ML-DSA-44"),
        ("cid-2", "ML-DSA-65"),
    ] {
        let line = format!("key new {name} --algorithm {algorithm}");
        world.run(&line).ok();
    }
    let rotation = format!("rotate-key bea-2 --as bea --now {}", day(14));
    world.run(&rotation).ok();
    let voters = ["ada", "bea-2"];
    let reinstatement = "reinstate-node eve --file eve-2";
    carry_out(world, reinstatement, &voters, "2026-02-15");
    let voters = ["ada", "bea-2", "eve-2"];
    carry_out(world, "replace-key cid --file cid-2", &voters, "2026-02-16");
}

/// A node signs this history, and one that parts from it.
fn sign_two_histories(world: &World, now: &str) {
    let other = world.copy();
    for subject in ["one", "two"] {
        other.propose(&format!("authorize-agent did:example:{subject}"), now);
    }
    let (here, there) = (world.path("here.txt"), world.path("there.txt"));
    let sign = format!("checkpoint create --as cid-2 --now {now} -o");
    world.run(&format!("{sign} {here}")).ok();
    other.run(&format!("{sign} {there} --no-record")).ok();
    let copy = other.ledger().display();
    let made = format!("evidence checkpoints {here} {there} --other-ledger {copy} --now {now}");
    world.run(&made).ok();
}

/// An agent's grant is passed on, then everything is frozen, and the freeze is lifted.
fn delegate_and_freeze(world: &World, day: &impl Fn(u32) -> String) {
    let voters = ["ada", "bea-2", "eve-2"];
    let root = "authorize-agent did:example:root --scope region=eu --scope region=us";
    let root = carry_out(world, root, &voters, "2026-02-17");
    let delegation =
        format!("delegation did:example:child --scope region=eu --param parent={root}");
    carry_out(world, &delegation, &voters, "2026-02-18");
    let freeze = "emergency-freeze * --expires 2026-02-21T00:00:00Z";
    carry_out(world, freeze, &voters[..2], "2026-02-19");
    let lift = world.propose("lift-freeze *", "2026-02-19T14:00:00Z");
    world.approve(&lift, &voters, "2026-02-19T14:00:00Z");
    let later = format!("execute {lift} --now 2026-02-19T15:00:00Z");
    world.run(&later).ok();
    let checkpoint = "checkpoint create --as ada --as bea-2 -o checkpoint.txt";
    world
        .run(&format!("{checkpoint} --now 2026-02-19T16:00:00Z"))
        .ok();
    let check = "authorization check did:example:child --kind delegation --context region=eu";
    world.run(&format!("{check} --now {}", day(20))).ok();
}
