//! Several processes on one ledger, and processes that are killed.

use std::collections::BTreeSet;
use std::env;
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

/// ```sh
/// ALTHING_PREDICTIONS=10000 cargo test --release --test it cli::processes::eight -- --nocapture
/// ```
#[test]
fn eight_processes_record_many_predictions_on_one_chain() {
    const PROCESSES: usize = 8;
    let given = env::var("ALTHING_PREDICTIONS").ok();
    let predictions: usize = given.map_or(200, |it| it.parse().expect("a number"));
    let world = World::founded();
    let began = Instant::now();
    thread::scope(|scope| {
        for process in 0..PROCESSES {
            let world = &world;
            scope.spawn(move || {
                let lines: String = (0..predictions)
                    .map(|number| prediction(&format!("{process}-{number}")))
                    .collect();
                let report = world
                    .run_with("predict record --wait 600 --json", lines)
                    .ok()
                    .json();
                assert_eq!(report["recorded"], predictions);
            });
        }
    });
    let took = began.elapsed();
    let report = world.verify();
    assert_eq!(report["problems"], json!([]));
    assert_eq!(report["entries"], 5 + PROCESSES * predictions);
    let mut next = [0; PROCESSES];
    let (mut turns, mut last) = (0, PROCESSES);
    for line in &world.lines()[5..] {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = line["data"]["prediction"]["request_id"].as_str().unwrap();
        let (process, number) = id.split_once('-').unwrap();
        let process: usize = process.parse().unwrap();
        assert_eq!(number.parse(), Ok(next[process]), "the order of {process}");
        next[process] += 1;
        turns += usize::from(process != last);
        last = process;
    }
    assert_eq!(next, [predictions; PROCESSES]);
    println!(
        "{} predictions in {took:.1?}, {turns} turns",
        PROCESSES * predictions
    );
}

/// Whoever waits for input keeps nobody from writing.
#[test]
fn a_recorder_that_waits_for_its_input_does_not_hold_the_ledger() {
    let world = World::founded();
    let mut slow = world
        .command()
        .args(["predict", "record", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = slow.stdin.take().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    // A group is full, and more may come.
    for number in 0..1024 {
        let line = prediction(&number.to_string());
        stdin.write_all(line.as_bytes()).unwrap();
    }
    while world.lines().len() < 5 + 1024 {
        assert!(Instant::now() < patience, "nothing was ever written");
        thread::sleep(Duration::from_millis(1));
    }
    world
        .run_with("predict record --wait 20", prediction("other"))
        .ok();
    stdin.write_all(prediction("last").as_bytes()).unwrap();
    drop(stdin);
    assert!(slow.wait().unwrap().success());
    assert_eq!(world.verify()["entries"], 5 + 1024 + 2);
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
