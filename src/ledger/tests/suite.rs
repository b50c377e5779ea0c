//! What every ledger does alike.

use tempfile::TempDir;

use super::*;
use crate::ledger::MemoryLedger;

fn suite<L: Ledger>(make: impl Fn() -> L) {
    starts_empty(make());
    keeps_what_is_appended(make());
    refuses_a_moved_head(make());
    refuses_a_batch_that_continues_another_head(make());
    refuses_a_batch_before_its_head(make());
}

fn starts_empty(ledger: impl Ledger) {
    assert_eq!(*ledger.head(), Head::GENESIS);
    assert_eq!(contents(&ledger), b"");
}

fn keeps_what_is_appended(mut ledger: impl Ledger) {
    fill(&mut ledger, &[1, 3, 2]);
    assert_eq!(ledger.head().seq, 6);
    assert_eq!(contents(&ledger), batches(&[1, 3, 2]).concat());
}

fn refuses_a_moved_head(mut ledger: impl Ledger) {
    let late = batch(&Head::GENESIS, 2);
    fill(&mut ledger, &[1]);
    let before = (*ledger.head(), contents(&ledger));
    let error = ledger.append(&Head::GENESIS, &late).unwrap_err();
    assert_eq!(error.code(), "ledger.head-moved");
    assert_eq!((*ledger.head(), contents(&ledger)), before);
    fill(&mut ledger, &[2]);
}

fn refuses_a_batch_that_continues_another_head(mut ledger: impl Ledger) {
    fill(&mut ledger, &[1]);
    let head = *ledger.head();
    let error = ledger.append(&head, &batch(&Head::GENESIS, 1)).unwrap_err();
    assert_eq!(error.code(), "ledger.head-moved");
    assert_eq!(contents(&ledger), batches(&[1]).concat());
}

/// It would be a line that no verifier accepts.
fn refuses_a_batch_before_its_head(mut ledger: impl Ledger) {
    fill(&mut ledger, &[2]);
    let head = *ledger.head();
    let early = encode_batch(&head, &[entry(1)]).unwrap();
    let error = ledger.append(&head, &early).unwrap_err();
    assert_eq!(error.code(), "ledger.time");
    assert_eq!(contents(&ledger), batches(&[2]).concat());
}

/// A ledger that keeps its directory alive.
struct Temporary {
    ledger: FileLedger,
    _dir: TempDir,
}

impl Ledger for Temporary {
    fn head(&self) -> &Head {
        self.ledger.head()
    }

    fn append(
        &mut self,
        expected: &Head,
        batch: &EncodedBatch,
    ) -> Result<(), crate::ledger::AppendError> {
        self.ledger.append(expected, batch)
    }

    fn reader(&self) -> std::io::Result<Box<dyn std::io::Read + '_>> {
        self.ledger.reader()
    }
}

#[test]
fn in_memory() {
    suite(MemoryLedger::new);
}

#[test]
fn in_files() {
    suite(|| {
        let dir = tempfile::tempdir().unwrap();
        let ledger = FileLedger::create(&dir.path().join("deep/er")).unwrap();
        Temporary { ledger, _dir: dir }
    });
}

#[test]
fn a_memory_ledger_goes_on_from_its_bytes() {
    let mut ledger = MemoryLedger::new();
    fill(&mut ledger, &[1, 2]);
    let mut same = MemoryLedger::from_bytes(ledger.bytes().to_vec()).unwrap();
    assert_eq!(same, ledger);
    fill(&mut same, &[3]);

    let torn = ledger.bytes()[..ledger.bytes().len() - 1].to_vec();
    let refusal = MemoryLedger::from_bytes(torn).unwrap_err();
    assert_eq!((refusal.code, refusal.seq), ("tail.torn", 2));

    let mut damaged = ledger.bytes().to_vec();
    damaged[10] ^= 1;
    let refusal = MemoryLedger::from_bytes(damaged).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.seq, refusal.offset),
        ("chain.hash", 1, 0)
    );
}
