//! `log`, `export`, `replay` and `verify`: the history as it stands, whole or damaged.

use std::fs;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::harness::{FOUNDED, TRIAGE, World};

const FIRST: &str = "2026-01-01T01:00:00Z";
const SECOND: &str = "2026-01-02T01:00:00Z";

/// A grant on the first day, an open proposal and a prediction on the second: 5 + 6 + 2 + 1 lines.
fn history() -> (World, String, String) {
    let world = World::founded();
    let granted = world.pass(&format!("authorize-model {TRIAGE}"), FIRST);
    let open = world.propose("authorize-agent did:example:agent", SECOND);
    world.approve(&open, &["bea"], SECOND);
    let prediction = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    world
        .run_with(&format!("predict record --now {SECOND}"), prediction)
        .ok();
    (world, granted, open)
}

#[test]
fn every_filter_of_the_log_selects_the_ledgers_own_lines() {
    let (world, granted, open) = history();
    let lines = world.lines();
    assert_eq!(lines.len(), 14);
    let parsed: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let nodes = world.run("node list --json").ok().json();
    let ada = nodes["nodes"][0]["did"].as_str().unwrap();
    let mentions = |index: usize, text: &str| lines[index].contains(text);
    let operation = |index: usize| parsed[index]["operation"].as_str().unwrap();
    let is_second = |index: usize| parsed[index]["timestamp"] == "2026-01-02T01:00:00.000000Z";
    let adas = |index: usize| {
        mentions(index, ada)
            && matches!(
                operation(index),
                "node_added" | "proposal_created" | "vote_cast"
            )
    };
    type Keep<'a> = Box<dyn Fn(usize) -> bool + 'a>;
    let cases: Vec<(String, Keep<'_>)> = vec![
        (String::new(), Box::new(|_| true)),
        (
            "--operation vote_cast".to_owned(),
            Box::new(|index| operation(index) == "vote_cast"),
        ),
        (
            "--operation vote_cast --operation ledger_created".to_owned(),
            Box::new(|index| matches!(operation(index), "vote_cast" | "ledger_created")),
        ),
        (
            format!("--proposal {granted}"),
            Box::new(|index| {
                mentions(index, &granted) && operation(index) != "prediction_recorded"
            }),
        ),
        (
            format!("--proposal {}", &open[..8]),
            Box::new(|index| mentions(index, &open)),
        ),
        ("--actor ada".to_owned(), Box::new(adas)),
        (format!("--actor {ada}"), Box::new(adas)),
        (
            format!("--actor {}", &ada["did:pqaid:".len()..][..12]),
            Box::new(adas),
        ),
        (format!("--since {SECOND}"), Box::new(is_second)),
        (
            format!("--until {SECOND}"),
            Box::new(|index| !is_second(index)),
        ),
        (
            format!("--since {FOUNDED} --until {FIRST} --operation node_added"),
            Box::new(|index| operation(index) == "node_added"),
        ),
        (
            "--since 2026-01-01T02:00:00+01:00 --until 2026-01-01T02:00:00+00:00".to_owned(),
            Box::new(|index| (5..11).contains(&index)),
        ),
        (
            "--since 2027-01-01T00:00:00Z".to_owned(),
            Box::new(|_| false),
        ),
    ];
    for (arguments, keep) in cases {
        let mut wanted: Vec<&String> = (0..14).filter(|i| keep(*i)).map(|i| &lines[i]).collect();
        let log = |options: &str| {
            world
                .run(&format!("log {arguments} {options} --json"))
                .ok()
                .stdout
        };
        let text = |lines: &[&String]| {
            lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>()
        };
        assert_eq!(log(""), text(&wanted), "{arguments}");
        let first: Vec<&String> = wanted.iter().take(2).copied().collect();
        assert_eq!(log("--limit 2"), text(&first), "{arguments}");
        wanted.reverse();
        assert_eq!(log("--reverse"), text(&wanted), "{arguments}");
        let last: Vec<&String> = wanted.iter().take(3).copied().collect();
        assert_eq!(log("--reverse --limit 3"), text(&last), "{arguments}");
        // The text has a line for each of them, too.
        let plain = world.run(&format!("log {arguments}")).ok().stdout;
        assert_eq!(plain.lines().count(), wanted.len(), "{arguments}");
    }
}

#[test]
fn following_shows_what_others_record() {
    use std::io::{BufRead as _, BufReader};

    let (world, _, open) = history();
    let mut child = world
        .command()
        .args(["log", "--follow", "--json", "--proposal", &open])
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        lines.next().unwrap().unwrap();
    }
    world.approve(&open, &["cid"], SECOND);
    let followed = lines.next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(followed, world.lines()[14]);
}

#[test]
fn the_jsonl_export_is_the_segment() {
    let (world, ..) = history();
    let export = world.run("export --format jsonl").ok();
    assert_eq!(export.stdout.as_bytes(), world.bytes());
}

#[test]
fn the_audit_export_has_one_flat_entry_for_each_line() {
    let (world, granted, open) = history();
    let text = world.run("export").ok().stdout;
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap();
    let lines = world.lines();
    assert_eq!(entries.len(), lines.len());
    let members = [
        "timestamp",
        "operation",
        "proposal_id",
        "subject_id",
        "kind",
        "actor_did",
        "decision",
        "details",
    ];
    for (entry, line) in entries.iter().zip(&lines) {
        let line: Value = serde_json::from_str(line).unwrap();
        let names: Vec<&String> = entry.as_object().unwrap().keys().collect();
        assert_eq!(names.len(), members.len(), "{entry}");
        assert!(
            members.iter().all(|name| entry.get(name).is_some()),
            "{entry}"
        );
        assert_eq!(entry["timestamp"], line["timestamp"]);
        assert_eq!(entry["operation"], line["operation"]);
        assert!(entry["details"].is_object(), "{entry}");
    }
    // Fields in the documented order, for those who read the text.
    let positions: Vec<usize> = members
        .iter()
        .map(|name| text.find(&format!("\"{name}\":")).unwrap())
        .collect();
    assert!(positions.is_sorted());
    let consensus = entries
        .iter()
        .find(|entry| entry["operation"] == "consensus_reached")
        .unwrap();
    assert_eq!(consensus["proposal_id"], granted.as_str());
    assert_eq!(consensus["subject_id"], TRIAGE);
    assert_eq!(consensus["kind"], "authorize-model");
    assert_eq!(consensus["decision"], "passed");
    assert_eq!(consensus["details"]["approve_weight"], 3);
    let vote = entries
        .iter()
        .rfind(|entry| entry["operation"] == "vote_cast")
        .unwrap();
    assert_eq!(vote["proposal_id"], open.as_str());
    assert_eq!(vote["decision"], "approve");
    assert!(
        vote["actor_did"]
            .as_str()
            .unwrap()
            .starts_with("did:pqaid:")
    );
}

#[test]
fn a_replay_stops_where_it_is_told() {
    let (world, ..) = history();
    let lines = world.lines();
    let replay = |options: &str| world.run(&format!("replay {options} --json")).ok().json();
    let whole = replay("");
    assert_eq!(whole["entries"], 14);
    assert_eq!(whole["open_proposals"], 1);
    assert_eq!(whole["frozen"], false);
    assert_eq!(whole["signatures_checked"], true);
    for (at, entries) in [
        ("14", 14),
        ("11", 11),
        // Inside the batch that decided the first proposal.
        ("9", 9),
        ("5", 5),
        ("2026-01-01T12:00:00Z", 11),
        ("2026-01-01T01:00:00Z", 11),
        ("2026-01-01T00:59:59.999999Z", 5),
        ("2030-01-01T00:00:00Z", 14),
    ] {
        let report = replay(&format!("--at {at}"));
        assert_eq!(report["entries"], entries, "{at}");
        let line: Value = serde_json::from_str(&lines[entries - 1]).unwrap();
        assert_eq!(report["head"], line["entry_hash"], "{at}");
        assert_eq!(
            report["state_hash"] == whole["state_hash"],
            entries == 14,
            "{at}"
        );
    }
    for at in ["0", "4", "15", "2025-12-31T23:59:59Z"] {
        world
            .run(&format!("replay --at {at} --json"))
            .fails(3, "history.no-such-point");
    }
    // The state of a prefix is that of a ledger that ends there.
    let shorter = world.copy();
    fs::write(
        shorter.segment(),
        lines[..11]
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    )
    .unwrap();
    let end = shorter.run("replay --json").ok().json();
    assert_eq!(end["state_hash"], replay("--at 11")["state_hash"]);
    let unchecked = replay("--no-signatures");
    assert_eq!(unchecked["state_hash"], whole["state_hash"]);
    assert_eq!(unchecked["signatures_checked"], false);
}

/// Runs `verify` on a damaged copy; returns its answer.
fn verify(world: &World, content: &[u8]) -> (i32, Value) {
    let copy = world.copy();
    fs::write(copy.segment(), content).unwrap();
    let before = copy.fingerprint();
    let ran = copy.run("verify --forget --json");
    assert_eq!(copy.fingerprint(), before, "verifying writes nothing");
    (ran.code.unwrap(), ran.json())
}

fn joined(lines: &[String]) -> Vec<u8> {
    lines
        .iter()
        .flat_map(|line| [line.as_bytes(), b"\n"].concat())
        .collect()
}

#[test]
fn damage_is_found_and_named() {
    let (world, ..) = history();
    let intact = world.bytes();
    let lines = world.lines();
    let edited = |edit: fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        edit(&mut lines);
        joined(&lines)
    };
    let flipped = {
        let mut bytes = intact.clone();
        let offset: usize = lines[..6].iter().map(|line| line.len() + 1).sum();
        bytes[offset + 200] ^= 1;
        bytes
    };
    let appended = |tail: &[u8]| [intact.as_slice(), tail].concat();
    // What was done, the bytes, the code and line of the first problem.
    let cases: Vec<(&str, Vec<u8>, &str, usize)> = vec![
        ("a byte flipped", flipped, "chain.hash", 7),
        (
            "a line deleted",
            edited(|lines| drop(lines.remove(5))),
            "chain.sequence",
            6,
        ),
        (
            "two lines swapped",
            edited(|lines| lines.swap(5, 6)),
            "chain.sequence",
            6,
        ),
        (
            "a line duplicated",
            edited(|lines| lines.insert(6, lines[5].clone())),
            "chain.sequence",
            7,
        ),
        (
            "the first line deleted",
            edited(|lines| drop(lines.remove(0))),
            "chain.sequence",
            1,
        ),
        (
            "a blank line",
            edited(|lines| lines.insert(6, String::new())),
            "line.malformed",
            7,
        ),
        (
            "a member renamed",
            edited(|lines| lines[5] = lines[5].replace("\"seq\"", "\"set\"")),
            "chain.hash",
            6,
        ),
        (
            "a decision changed",
            edited(|lines| lines[6] = lines[6].replace("approve", "abstain")),
            "chain.hash",
            7,
        ),
        (
            "garbage in a line of its own",
            appended(b"garbage\n"),
            "line.malformed",
            15,
        ),
        (
            "garbage behind the last line",
            appended(b"garbage"),
            "tail.damaged",
            15,
        ),
        (
            "DOS line ends",
            edited(|lines| lines[3].push('\r')),
            "line.malformed",
            4,
        ),
    ];
    for (what, bytes, code, seq) in cases {
        let (exit, report) = verify(&world, &bytes);
        assert_eq!(exit, 10, "{what}: {report}");
        assert_eq!(report["ok"], false, "{what}");
        let first = &report["problems"][0];
        assert_eq!(first["code"], code, "{what}: {report}");
        assert_eq!(first["seq"], seq, "{what}: {report}");
        let offset: usize = lines[..seq - 1].iter().map(|line| line.len() + 1).sum();
        assert_eq!(first["offset"], offset, "{what}: {report}");
        // The founding is one batch, which counts as a whole or not at all.
        let entries = if seq <= 5 { 0 } else { seq - 1 };
        assert_eq!(report["entries"], entries, "{what}: {report}");
        let positions: Vec<u64> = report["problems"]
            .as_array()
            .unwrap()
            .iter()
            .map(|problem| problem["offset"].as_u64().unwrap())
            .collect();
        assert!(positions.is_sorted(), "{what}: {report}");
    }
}

#[test]
fn no_command_answers_from_a_damaged_ledger() {
    let (world, granted, _) = history();
    let mut bytes = world.bytes();
    bytes[300] ^= 1;
    fs::write(world.segment(), bytes).unwrap();
    let before = world.fingerprint();
    for line in [
        "replay",
        "log",
        "log --reverse",
        "export",
        "export --format jsonl",
        "node list",
        "proposal list",
        "authorization list",
        "evidence list",
        "policy show",
        "predict record",
        &format!("authorization check {TRIAGE} --kind model"),
        &format!("vote {granted} approve --as ada"),
        &format!("propose authorize-model {TRIAGE} --title T --as ada"),
        &format!("close {granted}"),
        &format!("execute {granted}"),
    ] {
        world.run(&format!("{line} --json")).fails(10, "chain.hash");
    }
    assert_eq!(world.fingerprint(), before);
    assert!(!world.run("verify").exits(10).stdout.contains("intact"));
}

#[test]
fn no_command_answers_from_a_ledger_with_a_wrong_seal() {
    let (world, _, _) = history();
    fs::write(world.ledger().join("ledger/SHA256SUMS"), "none\n").unwrap();
    let before = world.fingerprint();
    for line in ["replay", "log", "node list", "export", "predict record"] {
        world
            .run(&format!("{line} --json"))
            .fails(10, "segment.seal");
    }
    // Without signatures nothing is proven, but a seal of no form at all is refused all the same.
    let line = "replay --no-signatures --json";
    world.run(line).fails(10, "segment.seal");
    let report = world.run("verify --json").exits(10).json();
    assert_eq!(report["ok"], false);
    assert_eq!(report["problems"][0]["code"], "segment.seal");
    assert_eq!(world.fingerprint(), before);
}

/// A replay checks every byte by the chain; the hashes of segments are for those who look at files.
#[test]
fn a_seal_with_another_hash_is_found_by_whoever_looks_at_segments() {
    let (world, _, _) = history();
    let state_hash = || world.run("replay --json").ok().json()["state_hash"].clone();
    let answer = state_hash();
    let seal = format!("{}  00000000000000000001.jsonl\n", "ab".repeat(32));
    fs::write(world.ledger().join("ledger/SHA256SUMS"), seal).unwrap();
    let before = world.fingerprint();
    for line in ["log", "export --format jsonl", "predict record", "verify"] {
        world.run(&format!("{line} --json")).exits(10);
    }
    let report = world.run("verify --json").exits(10).json();
    assert_eq!(report["problems"][0]["code"], "segment.seal");
    assert_eq!(state_hash(), answer);
    world.run("node list").ok();
    assert_eq!(world.fingerprint(), before);
}

#[test]
fn a_torn_tail_is_no_fault_and_the_next_writer_sets_it_aside() {
    let (world, _, open) = history();
    let intact = world.bytes();
    let last = world.lines().last().unwrap().len() + 1;
    let cases = [
        // The last line, cut short anywhere.
        (intact[..intact.len() - 1].to_vec(), 13, last - 1),
        (intact[..intact.len() - last + 1].to_vec(), 13, 1),
        // What a disk that never wrote the sectors gives back.
        ([intact.as_slice(), &[0; 4096]].concat(), 14, 4096),
    ];
    for (index, (bytes, entries, torn)) in cases.into_iter().enumerate() {
        let (exit, report) = verify(&world, &bytes);
        assert_eq!(exit, 0, "{index}: {report}");
        assert_eq!(report["ok"], true);
        assert_eq!(report["entries"], entries, "{index}");
        assert_eq!(report["problems"][0]["code"], "tail.torn", "{index}");
        assert_eq!(
            report["problems"][0]["offset"],
            bytes.len() - torn,
            "{index}"
        );
        let copy = world.copy();
        fs::write(copy.segment(), &bytes).unwrap();
        copy.run("verify --forget").ok();
        let report = copy
            .run(&format!(
                "vote {open} approve --as dan --now {SECOND} --json"
            ))
            .ok()
            .json();
        assert_eq!(report["recorded"], true);
        let lines = copy.lines();
        let recovery: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("\"operation\":\"recovery_recorded\""))
            .collect();
        assert_eq!(recovery.len(), 1, "{index}");
        assert!(
            recovery[0].contains(&format!("\"bytes\":{torn}")),
            "{}",
            recovery[0]
        );
        let kept = fs::read_dir(copy.ledger().join("quarantine"))
            .unwrap()
            .count();
        assert_eq!(kept, 1);
        assert_eq!(copy.verify()["problems"], json!([]));
    }
}

#[test]
fn a_batch_cut_in_its_middle_never_happened() {
    let (world, ..) = history();
    let lines = world.lines();
    // The lines 9 to 11 are one batch: a ballot, the decision and the grant.
    let (exit, report) = verify(&world, &joined(&lines[..10]));
    assert_eq!(exit, 0, "{report}");
    assert_eq!(report["entries"], 8);
    assert_eq!(report["problems"][0]["code"], "tail.torn");
    let mut without = lines.clone();
    without.remove(10);
    let (exit, report) = verify(&world, &joined(&without));
    assert_eq!(exit, 10, "{report}");
}

#[test]
fn a_well_hashed_but_illegal_history_is_refused() {
    let (world, ..) = history();
    // The last ballot goes to the other side, and every hash is made good again.
    let lines = world.lines();
    let target = &lines[12];
    let forged = target.replace("\"decision\":\"approve\"", "\"decision\":\"reject\"");
    assert_ne!(&forged, target);
    let body = &forged[..forged.len() - 81];
    let hash = {
        let digest = Sha256::digest(body.as_bytes());
        digest
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let forged = format!("{body},\"entry_hash\":\"{hash}\"}}");
    let mut all = lines[..12].to_vec();
    all.push(forged);
    let (exit, report) = verify(&world, &joined(&all));
    assert_eq!(exit, 11, "{report}");
    assert_eq!(report["problems"][0]["seq"], 13);
}
