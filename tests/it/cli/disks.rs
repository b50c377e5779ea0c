//! Disks that are full or can only be read, mounted for the test.
//!
//! Mounting takes the rights of root. Without them these tests say so and end.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};

use althing::chain::line::{NewEntry, encode_batch};
use althing::governance::command::Command;
use althing::governance::policy::Policy;
use althing::governance::time::Timestamp;
use althing::ledger::storage::Disk;
use althing::ledger::{FileLedger, Ledger as _, LedgerReader, OpenOptions, Wait};
use althing::node::snapshots::{SnapshotPolicy, Snapshots};
use althing::node::{Node, SharedNode};
use althing::replay::replay;
use althing::state_dir::StateDir;
use althing::testing::{Signatures, StandInVerifier, founding, genesis, prediction};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{FOUNDED, TRIAGE, World};

/// A file system in memory, of its own.
struct Mounted(TempDir);

impl Mounted {
    /// `None`, and a word on it, where nothing may be mounted.
    fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Process::new("mount")
            .args(["-t", "tmpfs", "-o", options, "althing-test"])
            .arg(dir.path())
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            println!("skipped: nothing can be mounted here; run this test as root");
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, option: &str) {
        let status = Process::new("mount")
            .args(["-o", &format!("remount,{option}")])
            .arg(self.path())
            .status();
        assert!(status.unwrap().success());
    }

    /// Takes up all room but `pages`.
    fn ballast(&self, pages: usize) -> PathBuf {
        let path = self.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        let mut written = 0_u64;
        while let Ok(more) = file.write(&[1; 4096]) {
            written += more as u64;
        }
        file.set_len(written.saturating_sub(4096 * pages as u64))
            .unwrap();
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn lines(from: usize, to: usize) -> String {
    (from..to)
        .map(|number| {
            json!({"model": TRIAGE, "model_version": "1", "input": 1, "request_id": number.to_string()})
                .to_string()
                + "\n"
        })
        .collect()
}

#[track_caller]
fn assert_hint(answer: &Value) {
    let hint = answer["error"]["hint"].as_str();
    assert!(hint.is_some_and(|hint| !hint.is_empty()), "{answer}");
}

#[test]
fn a_full_disk_is_said_to_be_full_and_the_ledger_goes_on_once_there_is_room() {
    let Some(disk) = Mounted::new("size=256k") else {
        return;
    };
    let founded = World::founded();
    let world = founded.at(disk.path());
    let propose = format!("propose authorize-model {TRIAGE} --title Test --as ada --json");
    let proposal = world.run(&propose).ok().json()["proposal_id"].clone();
    let before = world.lines().len();
    let record = |from, to| world.run_with("predict record --json", lines(from, to));
    let mut acknowledged = 0;
    let full = loop {
        let ran = record(acknowledged, acknowledged + 50);
        if ran.code != Some(0) {
            break ran.fails(1, "ledger.full");
        }
        acknowledged += 50;
    };
    assert_hint(&full);
    assert_eq!(full["recorded"], 0);
    assert!(acknowledged >= 100, "{acknowledged}");
    let text = world
        .run_with("predict record", lines(0, 1))
        .exits(1)
        .stderr;
    assert!(
        text.contains("[ledger.full]") && text.contains("hint: "),
        "{text}"
    );

    // Nobody writes, everybody reads, and nothing changes.
    let fingerprint = world.fingerprint();
    assert_hint(&record(0, 1).fails(1, "ledger.full"));
    let proposal = proposal.as_str().unwrap();
    let vote = format!("vote {proposal} approve --as ada --json");
    let ran = world.run(&vote);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let verified = world.verify();
    assert_eq!(verified["entries"], before + acknowledged);
    world
        .run(&format!("authorization check --kind model {TRIAGE}"))
        .exits(3);
    world.run("replay").ok();
    assert_eq!(world.fingerprint(), fingerprint);

    disk.remount("size=2m");
    assert_eq!(
        record(acknowledged, acknowledged + 1).ok().json()["recorded"],
        1
    );
    world.run(&vote).ok();
    let verified = world.verify();
    assert_eq!(verified["problems"], json!([]));
    for (number, line) in world.lines()[before..=before + acknowledged]
        .iter()
        .enumerate()
    {
        assert!(
            line.contains(&format!("\"request_id\":\"{number}\"")),
            "{line}"
        );
    }
}

#[test]
fn no_vote_leaves_the_house_while_the_journal_can_not_note_it() {
    let Some(disk) = Mounted::new("size=256k") else {
        return;
    };
    // The keys and their journals are on the full disk, the ledger is not.
    let world = World::founded();
    let proposal = world.propose(&format!("authorize-model {TRIAGE}"), FOUNDED);
    let keys = world.at(disk.path()).keys().display().to_string();
    let ballast = disk.ballast(0);
    let before = world.bytes();
    let vote = format!("vote {proposal} approve --as bea --now {FOUNDED} --keys {keys} --json");
    let answer = world.run(&vote).exits(1).json();
    let code = answer["error"]["code"].as_str().unwrap();
    assert!(code.starts_with("journal."), "{answer}");
    assert!(
        answer["error"]["message"]
            .as_str()
            .unwrap()
            .contains("No space left")
    );
    assert_eq!(world.bytes(), before);
    fs::remove_file(ballast).unwrap();
    world.run(&vote).ok();
    world.verify();
}

fn start() -> Timestamp {
    Timestamp::parse_rfc3339("2026-03-01T00:00:00Z").unwrap()
}

fn options() -> OpenOptions {
    OpenOptions {
        wait: Wait::No,
        segment_bytes: 6_000,
        ..OpenOptions::default()
    }
}

fn numbered(number: usize) -> Command {
    let mut prediction = prediction("triage");
    prediction.request_id = Some(number.to_string().parse().unwrap());
    Command::RecordPrediction(prediction)
}

fn found(dir: &Path) -> Node<FileLedger> {
    let founding = founding(&[1, 1, 1], Policy::default(), Signatures::StandIn);
    let genesis = genesis(founding, Signatures::StandIn);
    let ledger = FileLedger::create_on(Disk, dir, options()).unwrap();
    Node::found_with(ledger, &genesis, start(), Box::new(StandInVerifier)).unwrap()
}

/// The request ids in a legal and undamaged ledger.
fn requests(dir: &Path) -> Vec<usize> {
    let reader = LedgerReader::open(dir).unwrap();
    assert_eq!((reader.refusal(), reader.tail()), (None, None));
    let mut text = String::new();
    reader.reader().read_to_string(&mut text).unwrap();
    replay(text.as_bytes(), &StandInVerifier).unwrap();
    (text.lines())
        .filter_map(|line| line.split_once("\"request_id\":\"")?.1.split_once('"'))
        .map(|(id, _)| id.parse().unwrap())
        .collect()
}

/// The room ends at another place each time: in a batch, in the seals, in the next segment.
#[test]
fn the_same_process_goes_on_wherever_the_room_ended() {
    let Some(disk) = Mounted::new("size=256k,nr_inodes=64") else {
        return;
    };
    for pages in 0..10 {
        let dir = disk.path().join("ledger");
        let shared = SharedNode::in_turns(found(&dir), Wait::No);
        let ballast = disk.ballast(pages);
        fills_up_and_goes_on(&shared, &dir, || fs::remove_file(&ballast).unwrap());
        fs::remove_dir_all(&dir).unwrap();
    }
    // There may be room, but no more names for files.
    for files in 0..4 {
        let dir = disk.path().join("ledger");
        let shared = SharedNode::in_turns(found(&dir), Wait::No);
        let mut taken: Vec<PathBuf> = (0..)
            .map(|number| disk.path().join(format!("file-{number}")))
            .take_while(|path| File::create(path).is_ok())
            .collect();
        for path in taken.drain(..files) {
            fs::remove_file(path).unwrap();
        }
        fills_up_and_goes_on(&shared, &dir, || {
            taken.iter().for_each(|path| fs::remove_file(path).unwrap());
        });
        fs::remove_dir_all(&dir).unwrap();
    }
}

fn fills_up_and_goes_on(shared: &SharedNode<FileLedger>, dir: &Path, make_room: impl FnOnce()) {
    let submit = |number| shared.submit(numbered(number), start());
    let mut acknowledged = 0;
    let error = loop {
        match submit(acknowledged) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "ledger.full", "{error}");
    let again = submit(acknowledged).unwrap_err();
    assert_eq!(again.code(), "ledger.full", "{again}");
    make_room();
    // The one that was refused, and enough for two more segments.
    for number in acknowledged..acknowledged + 20 {
        submit(number).unwrap();
    }
    let expected: Vec<usize> = (0..acknowledged + 20).collect();
    assert_eq!(requests(dir), expected);
    // Another process finds nothing to clear away.
    let ledger = FileLedger::open_with(dir, options()).unwrap();
    assert_eq!(ledger.unrecorded_recoveries().unwrap(), []);
}

#[test]
fn without_room_nothing_is_set_aside_and_no_snapshot_is_taken() {
    let Some(disk) = Mounted::new("size=256k") else {
        return;
    };
    let dir = disk.path().join("ledger");
    let mut node = found(&dir);
    node.submit(&numbered(0), start()).unwrap();
    // A snapshot is a cache: that it can't be taken changes nothing.
    let state = tempfile::tempdir().unwrap();
    let policy = SnapshotPolicy {
        entries_between: 1,
        entries_at_close: 1,
    };
    let snapshots = Snapshots::new(&dir, StateDir::new(state.path().join("state")));
    let snapshots = snapshots.with_policy(policy);
    let ballast = disk.ballast(0);
    let error = snapshots.take_if_due(&node).unwrap_err();
    assert_eq!(error.code(), "snapshot.io");
    assert!(error.to_string().contains("No space left"), "{error}");
    assert_eq!(snapshots.list().unwrap_or_default(), [0; 0]);
    drop(node);

    // A write that was interrupted has to be kept before it is cut off.
    fs::remove_file(&ballast).unwrap();
    let torn = tear(&dir);
    let ballast = disk.ballast(0);
    for _ in 0..2 {
        let error = FileLedger::open_with(&dir, options()).unwrap_err();
        assert_eq!(error.code(), "ledger.full", "{error}");
        let reader = LedgerReader::open(&dir).unwrap();
        assert_eq!(reader.tail().map(|tail| tail.bytes), Some(torn));
    }
    fs::remove_file(&ballast).unwrap();
    let ledger = FileLedger::open_with(&dir, options()).unwrap();
    let kept = ledger.unrecorded_recoveries().unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].bytes, torn);
    let mut node = Node::open_with(ledger, Box::new(StandInVerifier)).unwrap();
    node.submit(&numbered(1), start()).unwrap();
    assert_eq!(requests(&dir), [0, 1]);
}

/// Leaves a batch without its end in the last segment; answers how much of it.
fn tear(dir: &Path) -> u64 {
    let mut ledger = FileLedger::open_with(dir, options()).unwrap();
    let entry = NewEntry {
        timestamp: start(),
        operation: "vote_cast".into(),
        data: serde_json::value::RawValue::from_string("{}".to_owned()).unwrap(),
    };
    let batch = encode_batch(ledger.head(), &[entry]).unwrap();
    let torn = &batch.bytes()[..batch.bytes().len() - 7];
    ledger.release();
    let mut names: Vec<_> = fs::read_dir(dir.join("ledger")).unwrap().collect();
    names.sort_by_key(|file| file.as_ref().unwrap().file_name());
    let segments = names.into_iter().map(|file| file.unwrap().path());
    let last = segments.filter(|path| path.extension().is_some()).last();
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(last.unwrap())
        .unwrap();
    file.write_all(torn).unwrap();
    torn.len() as u64
}

#[test]
fn a_disk_for_reading_only_is_read_and_never_written_to() {
    let Some(disk) = Mounted::new("size=1m") else {
        return;
    };
    let founded = World::founded();
    let world = founded.at(disk.path());
    world.pass(&format!("authorize-model {TRIAGE}"), FOUNDED);
    disk.remount("ro");
    let fingerprint = world.fingerprint();
    // A proposal is signed with a key from elsewhere.
    let keys = founded.keys().display();
    let propose =
        format!("propose revoke-model {TRIAGE} --title Test --as ada --keys {keys} --json");
    for line in [
        "predict record --json",
        &propose,
        "snapshot create --json",
        "checkpoint create --json",
    ] {
        let stdin = lines(0, 1);
        assert_hint(&world.run_with(line, stdin).fails(1, "ledger.read-only"));
    }
    world.verify();
    for line in [
        "verify",
        "verify --full",
        "replay",
        "log",
        "authorization list",
        &format!("authorization check --kind model {TRIAGE}"),
    ] {
        let ran = world.run(line).ok();
        assert_eq!(ran.stderr, "", "{line}");
    }
    assert_eq!(world.fingerprint(), fingerprint);
}

#[test]
fn a_state_directory_that_can_not_be_written_to_stops_nobody() {
    let Some(disk) = Mounted::new("size=64k") else {
        return;
    };
    disk.remount("ro");
    let world = World::founded();
    let state = disk.path().join("state").display().to_string();
    let verified = world.run(&format!("verify --verbose --state {state}")).ok();
    assert!(verified.stderr.contains("not remembered: "), "{verified:?}");
    let line = format!("predict record --state {state}");
    let recorded = world.run_with(&line, lines(0, 1_100)).ok();
    assert!(
        recorded.stderr.contains("[snapshot.failed]"),
        "{recorded:?}"
    );
    assert_eq!(world.verify()["entries"], 5 + 1_100);
}
