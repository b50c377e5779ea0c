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

use tempfile::TempDir;

use super::faulty::Faulty;
use super::{FileLedger, Ledger, LedgerReader, OpenError, OpenOptions, Wait};
use crate::chain::line::{EncodedBatch, Head};
use crate::governance::time::Timestamp;
use crate::testing::ledgers::{batch, batches, contents, fill};

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
