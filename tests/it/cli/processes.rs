//! Several processes on one ledger, and processes that are killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{TRIAGE, World};

fn prediction(request: &str) -> String {
    json!({"model": TRIAGE, "model_version": "1", "input": 1, "request_id": request}).to_string()
        + "\n"
}

#[test]
fn processes_that_append_in_turn_share_one_chain() {
    const PROCESSES: usize = 8;
    const PREDICTIONS: usize = 50;
    let world = World::founded();
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let world = &world;
            scope.spawn(move || {
                for number in 0..PREDICTIONS {
                    let line = prediction(&format!("{process}-{number}"));
                    // Who finds the ledger busy for longer than the default tries again.
                    loop {
                        let ran = world.run_with("predict record --json", &line);
                        if ran.code == Some(0) {
                            break;
                        }
                        ran.fails(1, "ledger.in-use");
                    }
                }
            });
        }
    });
    let report = world.verify();
    assert_eq!(report["entries"], 5 + PROCESSES * PREDICTIONS);
    let requests: BTreeSet<String> = world
        .run("log --operation prediction_recorded --json")
        .ok()
        .json_lines()
        .iter()
        .map(|line| line["data"]["prediction"]["request_id"].to_string())
        .collect();
    assert_eq!(requests.len(), PROCESSES * PREDICTIONS);
}

#[test]
fn a_killed_writer_leaves_a_ledger_that_needs_no_help() {
    const LINES: usize = 1_000_000;
    let founded = World::founded();
    for round in 0..10_u64 {
        let world = founded.copy();
        let empty = world.bytes().len();
        let mut child = world
            .command()
            .args(["predict", "record"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let feeder = thread::spawn(move || {
            for number in 0..LINES {
                // The reader is killed some time.
                if stdin
                    .write_all(prediction(&number.to_string()).as_bytes())
                    .is_err()
                {
                    return number;
                }
            }
            LINES
        });
        // Into the middle of its work, each time a little later.
        let patience = Instant::now() + Duration::from_secs(20);
        while fs::metadata(world.segment()).unwrap().len() == empty as u64 {
            assert!(Instant::now() < patience, "nothing was ever written");
            thread::sleep(Duration::from_micros(200));
        }
        thread::sleep(Duration::from_millis(round * 3));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), None, "it was killed in the middle");
        assert!(feeder.join().unwrap() < LINES);

        let before = world.run("verify --json").ok().json();
        assert_eq!(before["ok"], true, "{before}");
        let entries = before["entries"].as_u64().unwrap();
        let report: Value = world
            .run_with("predict record --json", prediction("next"))
            .ok()
            .json();
        assert_eq!(report["recorded"], 1);
        let after = world.verify();
        assert_eq!(after["problems"], json!([]));
        // One more, and the note of a recovery where one was needed.
        let added = after["entries"].as_u64().unwrap() - entries;
        let torn = before["problems"].as_array().unwrap().len() as u64;
        assert_eq!(added, 1 + torn, "{before}");
        // In order and without a gap.
        for (index, line) in world.lines()[5..entries as usize].iter().enumerate() {
            assert!(
                line.contains(&format!("\"request_id\":\"{index}\"")),
                "{line}"
            );
        }
    }
}
