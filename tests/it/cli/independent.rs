//! The verifiers that need no Althing come to the same verdict as `althing verify`.
//!
//! One of them is Python, one a shell script with `jq`. Where the machine has neither, there is
//! nothing to run and the tests say so; `.ci/run` requires both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use althing::ledger::{Diagnosis, SegmentStart, diagnose};
use althing::testing::{Tampering, strategies};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{FOUNDED, TRIAGE, World};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

pub(super) fn script(name: &str) -> PathBuf {
    Path::new(ROOT).join("examples/independent").join(name)
}

/// Whether this machine has all of these; says so where it has not.
pub(super) fn has(programs: &[&str]) -> bool {
    let missing: Vec<&&str> = (programs.iter())
        .filter(|program| {
            let ran = Command::new("sh")
                .args(["-c", &format!("command -v {program}")])
                .output();
            !ran.is_ok_and(|output| output.status.success())
        })
        .collect();
    if !missing.is_empty() {
        eprintln!("SKIPPED: this machine has no {missing:?}");
    }
    missing.is_empty()
}

/// The program and the GNU tools that the shell script is made of.
const SHELL: &[&str] = &["jq", "sha256sum", "truncate", "split", "cmp"];

fn python(arguments: &[&Path]) -> Output {
    Command::new("python3")
        .arg(script("verify.py"))
        .arg("--json")
        .args(arguments)
        .output()
        .unwrap()
}

/// What the Python verifier says of each ledger, from one process.
fn python_reports(ledgers: &[PathBuf]) -> Vec<Value> {
    let paths: Vec<&Path> = ledgers.iter().map(PathBuf::as_path).collect();
    let output = python(&paths);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "");
    let reports: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(reports.len(), ledgers.len(), "{text}");
    reports
}

/// The exit code that a report amounts to.
fn exit(report: &Value) -> i32 {
    match (report["ok"].as_bool(), report.get("error")) {
        (Some(true), _) => 0,
        (_, Some(_)) => 1,
        _ => 10,
    }
}

fn shell(ledger: &Path) -> i32 {
    let ran = Command::new("sh")
        .arg(script("verify.sh"))
        .arg(ledger)
        .output();
    ran.unwrap().status.code().unwrap()
}

/// A directory of damaged ledgers, each one file.
fn write_all(ledgers: &[Vec<u8>]) -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let paths = (ledgers.iter().enumerate())
        .map(|(number, bytes)| {
            let path = dir.path().join(format!("{number}.jsonl"));
            fs::write(&path, bytes).unwrap();
            path
        })
        .collect();
    (dir, paths)
}

/// A grant in a batch of three, an open proposal with spaces in its title, and a prediction.
fn ledger() -> World {
    let world = World::empty();
    world.run("key new ada --algorithm ML-DSA-44").ok();
    let init = format!("init --name 'one clinic' --founder ada --now {FOUNDED}");
    world.run(&init).ok();
    let prediction = json!({"model": TRIAGE, "model_version": "1.0", "input": 1,
        "output_summary": {"mean": 0.50, "small": 1e-3}});
    world
        .run_with(
            &format!("predict record --now {FOUNDED}"),
            prediction.to_string(),
        )
        .ok();
    let propose = |subject: &str| {
        let line = format!(
            "propose authorize-model {subject} --title 'Some title @ all' --as ada --now {FOUNDED} \
             --json"
        );
        world.run(&line).ok().json()["proposal_id"].to_string()
    };
    let passed = propose(TRIAGE).replace('"', "");
    world.approve(&passed, &["ada"], FOUNDED);
    propose("urn:model:other");
    world
}

/// Every kind of tampering, in the middle and at the end of a ledger.
fn tamperings(bytes: &[u8]) -> Vec<Tampering> {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let end = bytes.len();
    let last = bytes[..end - 1].iter().rposition(|byte| *byte == b'\n');
    let last = last.unwrap() + 1;
    let title = last + bytes[last..].iter().position(|byte| *byte == b'@').unwrap();
    let flip = |byte, bit| Tampering::FlipBit { byte, bit };
    let mut all = vec![
        flip(end - 1, 0),
        flip(end - 2, 3),
        flip(end - 40, 1),
        flip(end - 75, 0),
        flip(end - 100, 2),
        flip(last - 1, 4),
        flip(last, 0),
        flip(last + 30, 7),
        // These make a NUL, as a sector that was never written would.
        flip(title, 6),
        flip(title - 1, 5),
        flip(bytes.iter().position(|byte| *byte == b' ').unwrap(), 5),
        Tampering::DeleteLine(0),
        Tampering::DuplicateLine(lines - 1),
        Tampering::SwapLines(0, lines - 1),
        Tampering::SwapLines(3, 4),
        Tampering::InsertLine {
            line: 1,
            before: lines,
        },
        Tampering::InsertLine { line: 2, before: 0 },
    ];
    all.extend((0..lines).map(Tampering::DeleteLine));
    for at in [
        0,
        100,
        last / 2,
        last - 1,
        last,
        last + 1,
        last + 20,
        last + 25,
        end - 30,
        end - 1,
    ] {
        all.push(Tampering::Truncate(at));
    }
    all
}

#[test]
fn they_agree_with_althing_on_every_kind_of_tampering() {
    if !has(&["python3"]) {
        return;
    }
    let world = ledger();
    let whole = world.bytes();
    let tamperings = tamperings(&whole);
    let damaged: Vec<Vec<u8>> = tamperings.iter().map(|kind| kind.apply(&whole)).collect();
    let (_dir, paths) = write_all(&damaged);
    let with_shell = has(SHELL);
    let mut seen: BTreeMap<i32, usize> = BTreeMap::new();
    for ((tampering, path), report) in tamperings.iter().zip(&paths).zip(python_reports(&paths)) {
        fs::copy(path, world.segment()).unwrap();
        let ran = world.run("verify --forget --json");
        let (code, ours) = (ran.code.unwrap(), ran.json());
        assert_eq!(exit(&report), code, "{tampering:?}: {ours} {report}");
        *seen.entry(code).or_default() += 1;
        if code != 1 {
            for name in ["ok", "entries", "head", "merkle_root"] {
                assert_eq!(report[name], ours[name], "{tampering:?}: {name}");
            }
            let (found, expected) = (&report["problems"][0], &ours["problems"][0]);
            for name in ["seq", "offset"] {
                assert_eq!(
                    found[name], expected[name],
                    "{tampering:?}: {report} {ours}"
                );
            }
            // What is wrong with an end without its line feed is for the ledger to say.
            if found["code"] != "tail.damaged" {
                assert_eq!(found["code"], expected["code"], "{tampering:?}");
            }
        }
        if with_shell && code == 10 {
            assert_eq!(shell(path), 10, "{tampering:?}");
        } else if with_shell && ours["problems"] == json!([]) {
            assert_eq!(shell(path), 0, "{tampering:?}");
        }
    }
    let all: Vec<i32> = seen.keys().copied().collect();
    assert_eq!(all, [0, 1, 10], "every verdict occurs: {seen:?}");
}

/// The ledger with a trace in its last part that a crash leaves, or something alike.
fn crashed(mut bytes: Vec<u8>, number: usize) -> Vec<u8> {
    if number.is_multiple_of(5) {
        // Not a crash: the last line feed is another byte.
        bytes.pop();
        bytes.push(b'x');
        return bytes;
    }
    // From one byte of the last line to a few lines; never all of it.
    let far = (number * 97) % (bytes.len() / 2) + 1;
    let start = bytes.len() - far;
    let end = start + far.min(1 + number * 13 % 900);
    bytes[start..end].fill(0);
    match number % 4 {
        0 => bytes.push(b'x'),
        1 => bytes.truncate(end),
        _ => {}
    }
    bytes
}

/// As the test above with any tampering of any history. Its signatures are stand-ins, so that the
/// verdict comes from the ledger's own diagnosis instead of the command.
#[test]
fn python_agrees_with_the_diagnosis_of_any_damage() {
    if !has(&["python3"]) {
        return;
    }
    let mut runner = TestRunner::new(Config::default());
    let strategy = strategies::tampered_ledgers(8);
    let mut damaged = Vec::new();
    for number in 0..120 {
        let (whole, tampered) = strategy.new_tree(&mut runner).unwrap().current();
        damaged.push(tampered);
        damaged.extend((number % 3 == 0).then(|| crashed(whole, number)));
    }
    let (_dir, paths) = write_all(&damaged);
    let mut seen: BTreeMap<i32, usize> = BTreeMap::new();
    for ((bytes, path), report) in damaged.iter().zip(&paths).zip(python_reports(&paths)) {
        let segment = &mut std::io::Cursor::new(bytes);
        let diagnosis = diagnose(segment, &SegmentStart::default(), None).unwrap();
        let (code, entries) = match &diagnosis {
            Diagnosis::Refused(_) => (10, None),
            Diagnosis::Clean { tip, .. } | Diagnosis::Torn { tip, .. } => match tip.head.seq {
                0 => (1, None),
                seq => (0, Some(seq)),
            },
        };
        if exit(&report) != code {
            let kept = std::env::temp_dir().join("althing-independent.jsonl");
            fs::copy(path, &kept).unwrap();
            panic!("{diagnosis:?}: {report}: {}", kept.display());
        }
        if let Some(entries) = entries {
            assert_eq!(report["entries"], entries, "{report}");
            let torn = matches!(diagnosis, Diagnosis::Torn { .. });
            assert_eq!(report["problems"] != json!([]), torn, "{report}");
        }
        *seen.entry(code).or_default() += 1;
    }
    assert!(seen[&10] > 50 && seen[&0] > 0, "{seen:?}");
}

#[test]
fn they_find_the_golden_ledgers_head_and_root() {
    let golden = Path::new(ROOT).join("tests/golden");
    let ledgers: Vec<PathBuf> = fs::read_dir(golden)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.json").exists())
        .collect();
    assert!(!ledgers.is_empty());
    for (path, report) in ledgers.iter().zip(if has(&["python3"]) {
        python_reports(&ledgers)
    } else {
        Vec::new()
    }) {
        let text = fs::read_to_string(path.join("expected.json")).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        for name in ["entries", "head", "merkle_root"] {
            assert_eq!(report[name], expected[name], "{name}");
        }
        if has(SHELL) {
            let segments = format!(
                "sh {} {}/ledger/*.jsonl",
                script("verify.sh").display(),
                path.display()
            );
            let ran = Command::new("sh").args(["-c", &segments]).output().unwrap();
            let found = String::from_utf8(ran.stdout).unwrap();
            let line = format!(
                "{} lines, head {}\n",
                expected["entries"],
                expected["head"].as_str().unwrap()
            );
            assert_eq!(found, line);
        }
    }
}

/// A well-hashed line that no writer would write is refused for its form, with Althing's code.
#[test]
fn python_reads_lines_as_strictly_as_althing() {
    use althing::chain::verify::ChainVerifier;
    use sha2::{Digest as _, Sha256};

    if !has(&["python3"]) {
        return;
    }
    let hashed = |body: &str| {
        let hash: String = (Sha256::digest(body).iter())
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{body},\"entry_hash\":\"{hash}\"}}\n")
    };
    let good = "{\"v\":1,\"seq\":1,\"batch\":[1,1],\"timestamp\":\"2026-05-04T09:30:00.000000Z\",\
                \"operation\":\"vote_cast\",\"data\":{DATA},\"prev_hash\":\"ZERO\"";
    let zero = "0".repeat(64);
    let (deep, deeper) = (
        format!("\"a\":{}{}", "[".repeat(31), "]".repeat(31)),
        format!("\"a\":{}{}", "[".repeat(32), "]".repeat(32)),
    );
    let cases = [
        ("", ""),
        ("DATA", "\"a\":1,\"b\":[true,null,\"\\u001f\\n\u{7f}ä\"]"),
        ("DATA", "\"\u{e000}\":1,\"\u{10000}\":2"),
        ("DATA", "\"\u{10000}\":1,\"\u{e000}\":2"),
        ("DATA", "\"a\":1,\"a\":1"),
        ("DATA", "\"b\":1,\"a\":1"),
        ("DATA", "\"a\": 1"),
        ("DATA", "\"a\":1.0"),
        ("DATA", "\"a\":-0"),
        ("DATA", "\"a\":NaN"),
        ("DATA", "\"a\":9007199254740991"),
        ("DATA", "\"a\":9007199254740992"),
        ("DATA", "\"a\":-9007199254740991"),
        ("DATA", "\"a\":\"\\u0041\""),
        ("DATA", "\"a\":\"\\ud800\""),
        ("DATA", "\"a\":\"\\/\""),
        ("DATA", &deep),
        ("DATA", &deeper),
        ("DATA", "\"a\":}"),
        ("vote_cast", "prediction_recorded"),
        ("vote_cast", "Vote"),
        ("vote_cast", ""),
        ("\"v\":1", "\"v\":2"),
        ("\"v\":1", "\"v\":1.0"),
        ("\"seq\":1", "\"seq\":01"),
        ("\"seq\":1", "\"seq\":2"),
        ("[1,1]", "[1,2]"),
        ("[1,1]", "[0,1]"),
        ("[1,1]", "[1, 1]"),
        ("[1,1]", "[2,2]"),
        ("2026-05-04", "2026-02-29"),
        ("2026-05-04", "2024-02-29"),
        ("2026-05-04", "1969-12-31"),
        ("09:30:00", "09:30:60"),
        ("09:30:00", "24:30:00"),
        ("ZERO", "00"),
        ("ZERO", &"1".repeat(64)),
        ("prev_hash", "previous"),
        ("\"seq\":1", "\"seq\":1,\"seq\":1"),
        ("{\"v\"", "{ \"v\""),
    ];
    let mut ledgers = Vec::new();
    for (old, new) in cases {
        let changed = if old.is_empty() {
            good.to_owned()
        } else {
            good.replace(old, new)
        };
        let line = hashed(&changed.replace("DATA", "").replace("ZERO", &zero));
        ledgers.push(line.into_bytes());
    }
    let (decimal, any) = ("\"a\":0.50,\"b\":1e-3", "prediction_recorded");
    let prediction = good.replace("DATA", decimal).replace("vote_cast", any);
    ledgers.push(hashed(&prediction.replace("ZERO", &zero)).into_bytes());
    for (first, second, clock) in [
        ("[1,2]", "[2,2]", "2026-05-04"),
        ("[1,2]", "[2,2]", "2026-05-03"),
        ("[1,2]", "[1,1]", "2026-05-04"),
        ("[1,2]", "[2,3]", "2026-05-04"),
        ("[1,1]", "[2,2]", "2026-05-04"),
        ("[1,1]", "[1,1]", "2026-05-04"),
    ] {
        let good = good.replace("DATA", "");
        let one = hashed(&good.replace("ZERO", &zero).replace("[1,1]", first));
        let next = good
            .replace("\"seq\":1", "\"seq\":2")
            .replace("[1,1]", second);
        let link = &one[one.len() - 67..][..64];
        let other = hashed(&next.replace("2026-05-04", clock).replace("ZERO", link));
        ledgers.push((one + &other).into_bytes());
    }
    let (_dir, paths) = write_all(&ledgers);
    let (mut accepted, mut refused) = (0, 0);
    for (ledger, report) in ledgers.iter().zip(python_reports(&paths)) {
        let text = String::from_utf8_lossy(ledger);
        let mut verifier = ChainVerifier::new();
        let mut lines = ledger.split_inclusive(|byte| *byte == b'\n');
        match lines.try_for_each(|line| verifier.read(&line[..line.len() - 1]).map(drop)) {
            Err(error) => {
                assert_eq!(report["problems"][0]["code"], error.code(), "{text}");
                refused += 1;
            }
            // A line that starts a longer batch is a torn end, and nothing was founded.
            Ok(_) if !verifier.batch_complete() => assert_eq!(exit(&report), 1, "{text}"),
            Ok(_) => {
                assert_eq!(report["problems"], json!([]), "{text}");
                accepted += 1;
            }
        }
    }
    assert!(
        accepted > 5 && refused > 20,
        "{accepted} accepted, {refused} refused"
    );
}

#[test]
fn segments_are_read_in_order() {
    if !has(&["python3"]) {
        return;
    }
    let world = ledger();
    let lines = world.lines();
    let first = world.segment();
    let second = world.ledger().join("ledger/00000000000000000004.jsonl");
    let wrong = world.ledger().join("ledger/00000000000000000005.jsonl");
    let text = |lines: &[String]| lines.join("\n") + "\n";
    let verdict = || {
        let ran = world.run("verify --forget --json");
        let report = python_reports(&[world.ledger().to_owned()]).remove(0);
        assert_eq!(Some(exit(&report)), ran.code, "{report} {ran:?}");
        report
    };
    let whole = verdict();
    fs::write(&first, text(&lines[..3])).unwrap();
    fs::write(&second, text(&lines[3..])).unwrap();
    assert_eq!(verdict(), whole, "cut in two, it is the same ledger");
    fs::rename(&second, &wrong).unwrap();
    assert_eq!(verdict()["problems"][0]["code"], "segment.gap");
    fs::rename(&wrong, &second).unwrap();
    fs::write(&first, &text(&lines[..3])[..200]).unwrap();
    assert_eq!(exit(&verdict()), 10, "only the last segment can be torn");
}

#[test]
fn the_page_shows_the_scripts_as_they_are() {
    let page =
        fs::read_to_string(Path::new(ROOT).join("docs/verifying-without-althing.md")).unwrap();
    for name in ["verify.sh", "receipt-entry.sh"] {
        let shell = fs::read_to_string(script(name)).unwrap();
        assert!(page.contains(&format!("```sh\n{shell}```\n")), "{name}");
    }
    for (name, modules) in [
        ("verify.py", "datetime, hashlib, json, os, re, sys"),
        ("receipt.py", "base64, hashlib, json, re, sys"),
    ] {
        let python = fs::read_to_string(script(name)).unwrap();
        assert!(python.lines().count() < 150, "short enough to be read");
        let imports: Vec<&str> = (python.lines())
            .filter(|line| line.starts_with("import ") || line.starts_with("from "))
            .collect();
        assert_eq!(imports, [format!("import {modules}")]);
    }
}
