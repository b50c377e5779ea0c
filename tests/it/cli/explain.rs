//! `althing verify --explain`: whoever redoes its steps finds what it says.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::harness::{FOUNDED, TRIAGE, World};

fn ledger() -> World {
    let world = World::with(&[1], "default");
    let prediction = json!({"model": TRIAGE, "model_version": "1", "input": 1}).to_string();
    for _ in 0..4 {
        world
            .run_with(&format!("predict record --now {FOUNDED}"), &prediction)
            .ok();
    }
    assert_eq!(world.lines().len(), 6);
    world
}

/// What a command of a report prints; `None` where this machine lacks one of the tools.
fn redo(command: &str) -> Option<String> {
    let tools = "command -v jq && command -v basenc && command -v sha256sum";
    let run = |script: &str| Command::new("sh").args(["-c", script]).output().unwrap();
    if !run(tools).status.success() {
        eprintln!("SKIPPED: this machine has no jq or no GNU coreutils");
        return None;
    }
    let output = run(command).stdout;
    Some(String::from_utf8_lossy(&output).trim().to_owned())
}

/// Redoes every step and compares it with what the report found.
fn redo_all(report: &Value) {
    for step in report["steps"].as_array().unwrap() {
        let command = step["command"].as_str().unwrap();
        let Some(found) = redo(command) else { return };
        let stated = step["found"].as_str();
        assert!(
            stated.is_none_or(|stated| stated == found),
            "{step}: {found}"
        );
        assert_eq!(step["ok"], step["found"] == step["expected"], "{step}");
    }
}

#[test]
fn every_step_of_every_entry_can_be_redone() {
    let world = ledger();
    let verified = world.verify();
    for seq in 1..=6 {
        let line = format!("verify --explain {seq} --json");
        let report = world.run(&line).ok().json();
        assert_eq!((&report["seq"], &report["ok"]), (&json!(seq), &json!(true)));
        assert_eq!(report["merkle"]["root"], verified["merkle_root"]);
        let steps = report["steps"].as_array().unwrap();
        let last = steps.last().unwrap();
        assert_eq!(last["found"], verified["merkle_root"], "{report}");
        assert_eq!(report["problem"], Value::Null);
        redo_all(&report);
        let text = world.run(&format!("verify --explain {seq}")).ok().stdout;
        for step in steps {
            assert!(text.contains(step["command"].as_str().unwrap()), "{text}");
        }
    }
    let last = world.run("verify --explain --json").ok().json();
    assert_eq!(last["seq"], 6, "the last entry, where nothing is damaged");
    let none = world.run("verify --explain 7 --json");
    none.fails(3, "history.no-such-point");
    world
        .run("verify --explain 0 --json")
        .fails(3, "history.no-such-point");
}

#[test]
fn a_damaged_entry_shows_where_it_goes_wrong() {
    let world = ledger();
    let whole = world.lines();
    let damage = |index: usize, old: &str, new: &str| {
        let mut lines = whole.clone();
        assert!(lines[index].contains(old), "{}", lines[index]);
        lines[index] = lines[index].replacen(old, new, 1);
        fs::write(world.segment(), lines.join("\n") + "\n").unwrap();
    };
    let failed = |report: &Value| -> Vec<usize> {
        let steps = report["steps"].as_array().unwrap().iter().enumerate();
        steps
            .filter(|(_, step)| step["ok"] == false)
            .map(|(index, _)| index)
            .collect()
    };
    // The content: its hash is another, and the next line names the old one.
    damage(3, "\"model_version\":\"1\"", "\"model_version\":\"2\"");
    let report = world.run("verify --explain --json").exits(10).json();
    assert_eq!(report["seq"], 4, "the first that is damaged");
    assert_eq!(report["problem"]["code"], "chain.hash");
    assert_eq!(failed(&report), [1, 3], "{report}");
    assert_eq!(report["merkle"], Value::Null);
    redo_all(&report);
    // The entries before it are in order, those behind it are not known to be.
    assert_eq!(
        world.run("verify --explain 3 --json").ok().json()["ok"],
        true
    );
    let behind = world.run("verify --explain 6 --json").exits(10).json();
    assert_eq!(failed(&behind), Vec::<usize>::new());
    assert_eq!(behind["problem"]["seq"], 4);
    // No line at all.
    damage(4, "\"v\":1", "\"v\"");
    let report = world.run("verify --explain 5 --json").exits(10).json();
    assert_eq!(
        (&report["operation"], &report["problem"]["code"]),
        (&Value::Null, &json!("chain.hash"))
    );
    // A line is missing: the one in its place follows another.
    let mut lines = whole.clone();
    lines.remove(3);
    fs::write(world.segment(), lines.join("\n") + "\n").unwrap();
    let report = world.run("verify --explain --json").exits(10).json();
    assert_eq!(
        (&report["seq"], &report["problem"]["code"]),
        (&json!(4), &json!("chain.sequence"))
    );
    assert_eq!(failed(&report), [2], "the link");
    let text = world.run("verify --explain").exits(10).stdout;
    assert!(
        text.contains("expected") && text.contains("chain.sequence"),
        "{text}"
    );
}

#[test]
fn a_line_too_long_is_reported_where_it_starts() {
    let world = ledger();
    let mut bytes = world.bytes();
    let start = bytes.len();
    bytes.resize(start + (1 << 20) + 1, b'x');
    bytes.push(b'\n');
    fs::write(world.segment(), bytes).unwrap();
    let report = world.run("verify --json").exits(10).json();
    let problem = &report["problems"][0];
    assert_eq!(problem["code"], "line.too-long");
    assert_eq!(
        (&problem["seq"], &problem["offset"]),
        (&json!(7), &json!(start))
    );
}
