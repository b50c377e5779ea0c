//! What every ledger does alike.

use tempfile::TempDir;

use super::*;
use crate::ledger::MemoryLedger;
use crate::testing::ledgers::suite;

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
