//! A ledger that a newer version went on with: an operation that this one does not know.

use std::fs;

use althing::chain::line::{Head, Line, NewEntry, encode_batch};
use serde_json::value::RawValue;

use super::harness::{FOUNDED, TRIAGE, World};

const LATER: &str = "2026-03-01T00:00:00Z";

/// A well-hashed batch of these operations behind the last line.
fn append(world: &World, operations: &[&'static str]) {
    let lines = world.lines();
    let last = Line::decode(lines.last().unwrap().as_bytes()).unwrap();
    let head = Head {
        seq: last.seq,
        hash: last.entry_hash,
    };
    let entries: Vec<NewEntry> = operations
        .iter()
        .map(|operation| NewEntry {
            timestamp: last.timestamp,
            operation: (*operation).into(),
            data: RawValue::from_string("{\"share\":3}".to_owned()).unwrap(),
        })
        .collect();
    let batch = encode_batch(&head, &entries).unwrap();
    let mut bytes = world.bytes();
    bytes.extend_from_slice(batch.bytes());
    fs::write(world.segment(), bytes).unwrap();
}

/// A grant, and behind it a batch that this version does not know, one that it would know, and
/// another one of the first kind. Returns how many entries there were before.
fn newer() -> (World, u64) {
    let world = World::founded();
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let known = world.lines().len() as u64;
    append(&world, &["weight_lent"]);
    append(&world, &["freeze_lifted"]);
    append(&world, &["weight_lent", "weight_returned"]);
    (world, known)
}

const CODE: &str = "event.unknown-operation";

#[test]
fn nothing_is_answered_or_written_behind_an_operation_of_a_newer_version() {
    let (world, _) = newer();
    let bytes = world.bytes();
    let repaired = world.path("repaired");
    for line in [
        format!("authorization check {TRIAGE} --kind model"),
        format!("authorization why {TRIAGE} --kind model"),
        "authorization list".to_owned(),
        "propose authorize-agent did:example:agent --title T --as ada".to_owned(),
        "checkpoint create --as ada".to_owned(),
        "snapshot create".to_owned(),
        "node list".to_owned(),
        "replay".to_owned(),
        format!("repair --out {repaired}"),
    ] {
        let answer = world.run(&format!("{line} --json --now {LATER}"));
        let answer = answer.fails(13, CODE);
        let hint = answer["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("newer version"), "{line}: {hint}");
    }
    assert!(!std::path::Path::new(&repaired).exists());
    assert_eq!(world.bytes(), bytes);
}

#[test]
fn verify_follows_the_chain_behind_an_operation_of_a_newer_version() {
    let (world, known) = newer();
    let report = world.run("verify --json").exits(13).json();
    assert_eq!(report["ok"], false);
    assert_eq!(report["entries"], known);
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{report}");
    assert_eq!(problems[0]["code"], CODE);
    assert_eq!(problems[0]["seq"], known + 1);
    let message = problems[0]["message"].as_str().unwrap();
    let expected = format!("entries {} to {} are not judged", known + 1, known + 4);
    assert!(message.contains(&expected), "{message}");
    let text = world.run("verify").exits(13).stdout;
    assert!(text.contains("newer version"), "{text}");
    // Whoever has the newer version may put the ledger back to what is known here: nothing of the
    // rest is remembered.
    let whole = world.bytes();
    let lines = world.lines();
    let cut = |to: u64| lines[..to as usize].join("\n") + "\n";
    fs::write(world.segment(), cut(known)).unwrap();
    world.verify();
    // A changed byte, a line that is left out, and a batch that is not finished are still found.
    let mut changed = whole.clone();
    let place = whole.len() - 300;
    changed[place] ^= 1;
    fs::write(world.segment(), &changed).unwrap();
    world.run("verify --json").exits(10);
    let mut left_out = lines.clone();
    left_out.remove(known as usize + 1);
    fs::write(world.segment(), left_out.join("\n") + "\n").unwrap();
    let report = world.run("verify --json").exits(10).json();
    let codes: Vec<_> = report["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["code"])
        .collect();
    assert_eq!(codes[..2], [CODE, "chain.sequence"], "{report}");
    fs::write(world.segment(), cut(known + 3)).unwrap();
    let report = world.run("verify --json").json();
    assert_eq!(report["ok"], false, "{report}");
}

#[test]
fn log_and_export_pass_on_what_a_newer_version_wrote() {
    let (world, known) = newer();
    let log = world.run("log --json").ok().stdout;
    assert_eq!(log.as_bytes(), world.bytes());
    let text = world.run("log").ok().stdout;
    assert!(text.contains("weight_lent"), "{text}");
    let exported = world.run("export --format jsonl").ok();
    assert_eq!(exported.stdout.as_bytes(), world.bytes());
    assert!(exported.stderr.contains("not judged"), "{exported:?}");
    let audit = world.run("export").ok().json();
    let audit = audit.as_array().unwrap();
    assert_eq!(audit.len() as u64, known + 4);
    assert_eq!(audit[known as usize]["operation"], "weight_lent");
    assert_eq!(audit[known as usize]["details"]["share"], 3);
    // Damage is not passed on.
    let mut bytes = world.bytes();
    bytes[300] ^= 1;
    fs::write(world.segment(), bytes).unwrap();
    for line in ["export --format jsonl --json", "export --json"] {
        world.run(line).exits(10);
    }
}

#[test]
fn what_was_before_is_still_answered() {
    let (world, known) = newer();
    let line = format!("authorization check {TRIAGE} --kind model --at {known}");
    world.run(&line).ok();
    world.run(&format!("replay --at {known}")).ok();
    let beyond = format!("replay --at {} --json", known + 1);
    world.run(&beyond).fails(13, CODE);
}
