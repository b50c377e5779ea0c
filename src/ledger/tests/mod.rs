//! Tests of the ledgers, and what they share.

mod crash;
mod damage;
mod faults;
mod file;
mod prefix;
mod segments;
mod snapshots;
mod suite;
mod torn;
mod unread;

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;
use tempfile::TempDir;

use super::faulty::Faulty;
use super::{FileLedger, Ledger, LedgerReader, OpenError, OpenOptions, Wait};
use crate::chain::line::{EncodedBatch, Head, NewEntry, encode_batch};
use crate::governance::time::Timestamp;

fn entry(number: u64) -> NewEntry {
    NewEntry {
        timestamp: Timestamp::from_micros(number * 1_000_000).unwrap(),
        operation: "vote_cast".into(),
        data: RawValue::from_string(format!("{{\"text\":\"é{number}\"}}")).unwrap(),
    }
}

/// A batch of `size` lines behind `head`.
fn batch(head: &Head, size: u64) -> EncodedBatch {
    let entries: Vec<_> = (1..=size).map(|index| entry(head.seq + index)).collect();
    encode_batch(head, &entries).unwrap()
}

/// Appends batches of the given sizes.
fn fill(ledger: &mut impl Ledger, sizes: &[u64]) {
    for size in sizes {
        let head = *ledger.head();
        ledger.append(&head, &batch(&head, *size)).unwrap();
    }
}

/// The bytes of batches of the given sizes, one entry for each batch.
fn batches(sizes: &[u64]) -> Vec<Vec<u8>> {
    let mut head = Head::GENESIS;
    let bytes_of = |size: &u64| {
        let batch = batch(&head, *size);
        head = *batch.head();
        batch.bytes().to_vec()
    };
    sizes.iter().map(bytes_of).collect()
}

fn contents(ledger: &impl Ledger) -> Vec<u8> {
    let mut bytes = Vec::new();
    ledger.reader().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn segment(dir: &Path) -> PathBuf {
    dir.join("ledger/00000000000000000001.jsonl")
}

/// A directory whose ledger file holds `bytes`.
fn dir_with(bytes: &[u8]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("ledger")).unwrap();
    fs::write(segment(dir.path()), bytes).unwrap();
    dir
}

const AT_ONCE: OpenOptions = OpenOptions {
    wait: Wait::No,
    checkpoint: None,
    acknowledged: None,
    prefix: None,
    segment_bytes: OpenOptions::SEGMENT_BYTES,
};

/// Segments that hold two lines.
const SMALL: OpenOptions = OpenOptions {
    segment_bytes: 700,
    ..AT_ONCE
};

/// All segments of a ledger, in order.
fn segments(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir.join("ledger"))
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jsonl"))
        .collect();
    found.sort();
    found
}

/// Lines 1 and 2, 3 and 4, and 5, a batch for each segment but the first; two segments are sealed.
fn three_segments() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create_on(Faulty::default(), dir.path(), SMALL).unwrap();
    fill(&mut ledger, &[1, 1, 2, 1]);
    assert_eq!(segments(dir.path()).len(), 3);
    dir
}

/// Opens without waiting for the disk.
fn open(dir: &Path) -> Result<FileLedger<Faulty>, OpenError> {
    FileLedger::open_on(Faulty::default(), dir, AT_ONCE)
}

fn read(dir: &Path) -> Result<LedgerReader<Faulty>, OpenError> {
    LedgerReader::open_on(Faulty::default(), dir)
}
