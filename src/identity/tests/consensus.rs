//! The journal of consensus votes on a real file system.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::governance::consensus::ConsensusStep;
use crate::governance::id::LedgerId;
use crate::governance::key::{Algorithm, Signature};
use crate::identity::{ConsensusJournal, ConsensusSlot, JournalError, SigningKey};

use ConsensusStep::{Precommit, Prevote, Propose};

fn ledger() -> LedgerId {
    LedgerId::of_founding("{}")
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(Algorithm::MlDsa44, &[seed; 32]).unwrap()
}

fn open(dir: &TempDir) -> Result<ConsensusJournal, JournalError> {
    ConsensusJournal::open(&dir.path().join("keys"), ledger())
}

fn path(dir: &TempDir) -> PathBuf {
    let name = format!("consensus-{}.jsonl", ledger());
    dir.path().join("keys/journal").join(name)
}

const fn slot(height: u64, round: u32, step: ConsensusStep) -> ConsensusSlot {
    ConsensusSlot {
        height,
        round,
        step,
    }
}

fn sign(
    journal: &mut ConsensusJournal,
    at: ConsensusSlot,
    intent: &str,
) -> Result<Signature, JournalError> {
    journal.sign_once(&key(1), at, intent, intent.as_bytes())
}

fn code<T>(result: Result<T, JournalError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "ok")
}

fn signed(journal: &ConsensusJournal) -> Vec<(ConsensusStep, String)> {
    let records = journal.records();
    records
        .map(|(step, said)| (step, said.to_owned()))
        .collect()
}

#[test]
fn each_step_of_a_round_is_signed_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).unwrap();
    assert_eq!(journal.height(), None);
    let first = sign(&mut journal, slot(5, 1, Prevote), "a").unwrap();
    // The very signature again, also where another key is used by now.
    let again = journal.sign_once(&key(2), slot(5, 1, Prevote), "a", b"a");
    assert_eq!(again.unwrap(), first);
    // Another slot of the height is free, whichever part of it differs.
    for (at, outcome) in [
        (slot(5, 1, Prevote), "already-signed"),
        (slot(5, 2, Prevote), "ok"),
        (slot(5, 1, Precommit), "ok"),
        (slot(5, 0, Propose), "ok"),
        (slot(5, 2, Prevote), "already-signed"),
        (slot(4, 9, Precommit), "already-signed"),
    ] {
        let intent = format!("b{outcome}");
        assert_eq!(code(sign(&mut journal, at, &intent)), outcome, "{at:?}");
    }
    assert_eq!(journal.height(), Some(5));
    let expected = [
        (Prevote, "a"),
        (Prevote, "bok"),
        (Precommit, "bok"),
        (Propose, "bok"),
    ];
    assert_eq!(
        signed(&journal),
        expected.map(|(step, said)| (step, said.to_owned()))
    );
    assert_eq!(journal.recorded(&slot(5, 1, Prevote)).unwrap().intent, "a");
    assert!(journal.recorded(&slot(5, 3, Prevote)).is_none());
    // What the next process finds is what this one had.
    let before = signed(&journal);
    drop(journal);
    let mut journal = open(&dir).unwrap();
    assert_eq!(signed(&journal), before);
    assert_eq!(sign(&mut journal, slot(5, 1, Prevote), "a").unwrap(), first);
    assert_eq!(
        code(sign(&mut journal, slot(5, 0, Propose), "c")),
        "already-signed"
    );
    assert_eq!(fs::read_to_string(path(&dir)).unwrap().lines().count(), 4);
}

#[test]
fn a_height_is_forgotten_only_for_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).unwrap();
    // Whatever a process left of a file that it died over is no obstacle.
    fs::write(path(&dir).with_extension("tmp"), "left over").unwrap();
    for (height, outcome) in [(3, "ok"), (4, "ok"), (3, "already-signed"), (6, "ok")] {
        let result = sign(&mut journal, slot(height, 0, Prevote), "a");
        assert_eq!(code(result), outcome, "{height}");
    }
    // The file that took the place of the old one is the one that is written to from then on.
    sign(&mut journal, slot(6, 0, Precommit), "a").unwrap();
    assert!(!path(&dir).with_extension("tmp").exists());
    let expected = [(Prevote, "a".to_owned()), (Precommit, "a".to_owned())];
    assert_eq!(signed(&journal), expected);
    drop(journal);
    let mut journal = open(&dir).unwrap();
    assert_eq!(journal.height(), Some(6));
    assert_eq!(signed(&journal), expected);
    assert_eq!(
        code(sign(&mut journal, slot(5, 0, Prevote), "b")),
        "already-signed"
    );
}

#[test]
fn a_torn_last_line_is_dropped_and_a_damaged_one_stops_all_signing() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = open(&dir).unwrap();
    for round in 0..3 {
        sign(&mut journal, slot(7, round, Prevote), "a").unwrap();
    }
    drop(journal);
    let whole = fs::read_to_string(path(&dir)).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let two = lines[..2].concat();
    for cut in [two.len() + 1, two.len() + 40, whole.len() - 1] {
        fs::write(path(&dir), &whole[..cut]).unwrap();
        let mut journal = open(&dir).unwrap();
        assert_eq!(fs::read_to_string(path(&dir)).unwrap(), two);
        // That signature never left, so another value is free.
        assert_eq!(code(sign(&mut journal, slot(7, 2, Prevote), "b")), "ok");
    }
    for bad in [
        "\n".to_owned(),
        "garbage\n".to_owned(),
        lines[1].replace("\"round\"", "\"unknown\""),
        lines[1].replacen('{', "{\"more\":1,", 1),
        lines[1].replace("\"height\":7", "\"height\":8"),
    ] {
        fs::write(path(&dir), [lines[0], &bad, lines[2]].concat()).unwrap();
        let Err(JournalError::Malformed { line, .. }) = open(&dir) else {
            panic!("accepted {bad}");
        };
        assert_eq!(line, 2, "{bad}");
    }
}

#[test]
fn one_process_at_a_time_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(&dir).unwrap();
    assert_eq!(code(open(&dir)), "journal.io");
    let other = ConsensusJournal::open(&dir.path().join("keys"), LedgerId::of_founding("[]"));
    assert_eq!(code(other), "ok");
    drop(journal);
    assert_eq!(code(open(&dir)), "ok");
}
