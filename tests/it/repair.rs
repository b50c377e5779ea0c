//! Repair: the longest part that is intact and legal, elsewhere, and the truth about the rest.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use althing::governance::policy::Policy;
use althing::ledger::{FileLedger, LedgerReader, OpenOptions, Wait};
use althing::node::Node;
use althing::node::repair::{Repair, repair};
use althing::replay::replay;
use althing::testing::actions::authorize_model;
use althing::testing::{Assembly, Signatures, StandInVerifier, Tampering};

/// A ledger of several segments.
fn ledger(dir: &Path) -> Vec<u8> {
    let options = OpenOptions {
        wait: Wait::No,
        segment_bytes: 6_000,
        ..OpenOptions::default()
    };
    let files = FileLedger::create_on(althing::ledger::storage::Disk, dir, options).unwrap();
    let mut assembly = Assembly::found(files, Policy::default(), &[1, 1, 1], Signatures::StandIn);
    for model in ["triage", "second", "third"] {
        assembly.pass(0..2, authorize_model(model));
    }
    drop(assembly);
    assert!(segments(dir).len() > 2);
    bytes(dir)
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir.join("ledger"))
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect();
    found.sort();
    found
}

fn bytes(dir: &Path) -> Vec<u8> {
    segments(dir)
        .iter()
        .flat_map(|path| fs::read(path).unwrap())
        .collect()
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let inside = fs::read_dir(dir.join("ledger")).unwrap();
    inside
        .map(|item| item.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Repairs, and checks what holds of every repair.
fn repaired(dir: &Path) -> (Repair, Vec<u8>) {
    let before = files(dir);
    let out = dir.with_extension("repaired");
    let done = repair(dir, &out, &StandInVerifier).unwrap();
    assert_eq!(files(dir), before, "the damaged ledger is as it was");
    assert!(!out.with_extension("repaired.partial").exists());
    let kept = bytes(&out);
    assert_eq!(kept.len() as u64, done.kept_bytes);
    assert_eq!(LedgerReader::open(&out).unwrap().refusal(), None);
    let replayed = replay(&kept[..], &StandInVerifier).unwrap();
    assert_eq!(replayed.head, done.head);
    // And it goes on.
    let ledger = FileLedger::open(&out, Wait::No).unwrap();
    Node::open_with(ledger, Box::new(StandInVerifier)).unwrap();
    fs::remove_dir_all(&out).unwrap();
    (done, kept)
}

/// Where the batches of a ledger end.
fn batch_ends(ledger: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    let mut end = 0;
    for line in ledger.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        let value: serde_json::Value = serde_json::from_slice(line).unwrap();
        if value["batch"][0] == value["batch"][1] {
            ends.push(end);
        }
    }
    ends
}

#[test]
fn what_is_intact_is_copied_as_it_is() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    let whole = ledger(&dir);
    let (done, kept) = repaired(&dir);
    assert_eq!(kept, whole);
    assert_eq!((done.lost_bytes, done.readable, done.problem), (0, 0, None));
}

#[test]
fn everything_before_the_damage_is_kept_and_the_rest_is_counted() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    let whole = ledger(&dir);
    let ends = batch_ends(&whole);
    let mut start = 0;
    for path in segments(&dir) {
        let segment = fs::read(&path).unwrap();
        for at in (0..segment.len()).step_by(1_471) {
            let mut damaged = segment.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let place = start + at;
            let kept = *ends.iter().rfind(|end| **end <= place).unwrap();
            if kept == 0 {
                let error = repair(&dir, &top.path().join("out"), &StandInVerifier).unwrap_err();
                assert_eq!(error.code(), "repair.nothing");
                assert!(!top.path().join("out").exists());
                continue;
            }
            let (done, bytes) = repaired(&dir);
            assert_eq!(bytes, whole[..kept]);
            assert_eq!(done.lost_bytes as usize, whole.len() - kept);
            // All lines of the damaged ledger but the one, and those that are kept.
            let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let lost = lines(&whole[kept..]);
            assert!(
                done.readable == lost - 1 || done.readable == lost - 2,
                "{done:?}"
            );
            let problem = done.problem.unwrap();
            assert!(problem.offset as usize >= kept && problem.offset as usize <= place);
        }
        fs::write(&path, &segment).unwrap();
        start += segment.len();
    }
}

#[test]
fn a_seal_that_is_wrong_costs_nothing() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    let whole = ledger(&dir);
    fs::write(dir.join("ledger/SHA256SUMS"), "none\n").unwrap();
    let (done, kept) = repaired(&dir);
    assert_eq!((kept, done.lost_bytes), (whole, 0));
    assert_eq!(done.problem.unwrap().code, "segment.seal");
}

#[test]
fn a_segment_that_is_gone_ends_what_is_kept() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    ledger(&dir);
    let paths = segments(&dir);
    let (first, third) = (fs::read(&paths[0]).unwrap(), fs::read(&paths[2]).unwrap());
    fs::remove_file(&paths[1]).unwrap();
    let (done, kept) = repaired(&dir);
    assert_eq!(kept, first);
    assert!(done.lost_bytes >= third.len() as u64 && done.readable > 0);
}

#[test]
fn what_is_intact_and_illegal_is_not_kept() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    let whole = ledger(&dir);
    // The signatures are stand-ins, which nobody but the stand-in takes for signatures.
    let out = top.path().join("out");
    let error = repair(&dir, &out, &althing::identity::MlDsaVerifier).unwrap_err();
    assert_eq!(error.code(), "repair.nothing");
    assert_eq!(bytes(&dir), whole);
    assert!(!out.exists());
}

#[test]
fn a_torn_tail_is_left_behind() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    let whole = ledger(&dir);
    let last = segments(&dir).pop().unwrap();
    let cut = Tampering::Truncate(fs::read(&last).unwrap().len() - 1);
    fs::write(&last, cut.apply(&fs::read(&last).unwrap())).unwrap();
    let ends = batch_ends(&whole);
    let (done, kept) = repaired(&dir);
    assert_eq!(kept, whole[..ends[ends.len() - 2]]);
    assert_eq!(done.lost_bytes as usize, whole.len() - 1 - kept.len());
    let problem = done.problem.unwrap();
    assert_eq!(
        (problem.code, problem.seq),
        ("tail.torn", done.head.seq + 1)
    );
}

#[test]
fn what_ends_a_repair_is_named_with_its_place() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    let whole = ledger(&dir);
    let last = segments(&dir).pop().unwrap();
    let intact = fs::read(&last).unwrap();
    let endless = [&intact[..], &vec![b'x'; 3 << 20]].concat();
    fs::write(&last, endless).unwrap();
    let (done, _) = repaired(&dir);
    let problem = done.problem.unwrap();
    let place = (problem.seq, problem.offset);
    assert_eq!(
        (problem.code, place),
        ("line.too-long", (done.head.seq + 1, whole.len() as u64))
    );

    // A sealed segment has no torn tail.
    fs::remove_file(&last).unwrap();
    let sealed = segments(&dir).pop().unwrap();
    let cut = fs::read(&sealed).unwrap();
    fs::write(&sealed, &cut[..cut.len() - 1]).unwrap();
    let (done, _) = repaired(&dir);
    let problem = done.problem.unwrap();
    let expected = ("replay.incomplete-batch", done.head.seq + 1);
    assert_eq!((problem.code, problem.seq), expected);
}

#[test]
fn nothing_is_ever_written_over() {
    let top = tempfile::tempdir().unwrap();
    let dir = top.path().join("dir");
    ledger(&dir);
    for taken in ["out", "out.partial"] {
        let path = top.path().join(taken);
        fs::create_dir(&path).unwrap();
        let error = repair(&dir, &top.path().join("out"), &StandInVerifier).unwrap_err();
        assert_eq!(error.code(), "ledger.exists");
        assert!(error.to_string().contains(taken), "{error}");
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        fs::remove_dir(&path).unwrap();
    }
    let same = repair(&dir, &dir, &StandInVerifier).unwrap_err();
    assert_eq!(same.code(), "ledger.exists");
}
