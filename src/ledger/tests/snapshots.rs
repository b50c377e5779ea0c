//! Snapshot files under faults: whole or absent, whatever fails, and never in the ledger's way.

use super::super::faulty::{Effect, Fault, PowerLoss};
use super::super::snapshots::{SnapshotFiles, SnapshotKey};
use super::*;

const BODY: &[u8] = b"{\"a\":1}\n{\"b\":2}\n";

fn key() -> SnapshotKey {
    SnapshotKey::new(&[7; 32])
}

fn put(files: &SnapshotFiles<Faulty>, seq: u64) -> std::io::Result<()> {
    files.write(seq, &key(), |out| out.write_all(BODY))?;
    files.prune(seq)
}

/// The snapshots that are there, each with whether its MAC holds.
fn found(dir: &Path) -> Vec<(u64, bool)> {
    let files = SnapshotFiles::new(Faulty::default(), dir);
    let is_whole = |seq| {
        let mut file = files.open(seq).unwrap()?;
        let body = file.read_under(&key(), |body| {
            let mut bytes = Vec::new();
            body.read_to_end(&mut bytes).map(|_| bytes)
        });
        body.unwrap().map(|bytes| bytes.unwrap() == BODY)
    };
    let list = files.list().unwrap().into_iter();
    list.map(|seq| (seq, is_whole(seq) == Some(true))).collect()
}

/// A ledger with snapshots of its entries 1 and 2, about to take that of entry 3.
fn prepared() -> TempDir {
    let dir = dir_with(&batches(&[1, 1, 1]).concat());
    let files = SnapshotFiles::new(Faulty::default(), dir.path());
    put(&files, 1).unwrap();
    put(&files, 2).unwrap();
    dir
}

#[test]
fn a_snapshot_is_whole_or_absent_whatever_fails_and_the_ledger_opens() {
    let operations = {
        let (dir, storage) = (prepared(), Faulty::default());
        put(&SnapshotFiles::new(storage.clone(), dir.path()), 3).unwrap();
        storage.operations()
    };
    assert!(operations > 6, "{operations}");
    let mut seen = std::collections::BTreeSet::new();
    for at in 0..operations {
        for effect in [Effect::Nothing, Effect::Half, Effect::All] {
            for loss in [
                PowerLoss::Spares,
                PowerLoss::Halves,
                PowerLoss::Zeroes,
                PowerLoss::Takes,
            ] {
                let dir = prepared();
                let storage = Faulty::with([Fault {
                    at,
                    effect,
                    kind: std::io::ErrorKind::Other,
                    dies: true,
                }]);
                let failed = put(&SnapshotFiles::new(storage.clone(), dir.path()), 3);
                assert!(failed.is_err() && storage.has_failed());
                storage.revive();
                storage.lose_power(loss);
                let found = found(dir.path());
                let place = format!("operation {at}, {effect:?}, {loss:?}: {found:?}");
                assert!(found.iter().all(|(_, whole)| *whole), "{place}");
                assert!(found.iter().any(|(seq, _)| *seq >= 2), "{place}");
                seen.extend(found.first().map(|(seq, _)| *seq));
                assert_eq!(open(dir.path()).unwrap().head().seq, 3, "{place}");
                assert_eq!(read(dir.path()).unwrap().refusal(), None, "{place}");
                // The next one takes its place and clears up.
                put(&SnapshotFiles::new(Faulty::default(), dir.path()), 3).unwrap();
                let names = fs::read_dir(dir.path().join("snapshots")).unwrap();
                assert_eq!(names.count(), 2, "{place}");
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_snapshot_is_as_long_as_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let files = SnapshotFiles::new(Faulty::default(), dir.path());
    // In one piece, and in more of them than are written at once.
    for (seq, lines) in [(1, 1), (2, 3)] {
        let line = [vec![b'x'; 400 << 10], b"\n".to_vec()].concat();
        let told = files.write(seq, &key(), |out| {
            (0..lines).try_for_each(|_| out.write_all(&line))
        });
        let path = dir.path().join(format!("snapshots/{seq:020}.snapshot"));
        let whole = fs::metadata(path).unwrap().len();
        assert!(whole > lines * line.len() as u64);
        assert_eq!(told.unwrap(), whole);
        assert_eq!(files.open(seq).unwrap().unwrap().bytes(), whole);
    }
}

#[test]
fn a_snapshot_that_can_not_be_written_leaves_nothing_behind() {
    let dir = prepared();
    let files = SnapshotFiles::new(Faulty::default(), dir.path());
    let failed = files.write(3, &key(), |out| {
        out.write_all(BODY)?;
        Err(std::io::ErrorKind::StorageFull.into())
    });
    assert!(failed.is_err());
    assert_eq!(
        fs::read_dir(dir.path().join("snapshots")).unwrap().count(),
        2
    );
    assert_eq!(found(dir.path()), [(2, true), (1, true)]);
}

#[test]
fn other_files_beside_snapshots_are_left_alone() {
    let dir = prepared();
    let snapshots = dir.path().join("snapshots");
    for name in ["notes.txt", "3.snapshot", "0000000000000000000x.snapshot"] {
        fs::write(snapshots.join(name), "").unwrap();
    }
    fs::write(snapshots.join("00000000000000000009.snapshot.tmp"), "").unwrap();
    put(&SnapshotFiles::new(Faulty::default(), dir.path()), 3).unwrap();
    assert_eq!(found(dir.path()), [(3, true), (2, true)]);
    assert_eq!(fs::read_dir(snapshots).unwrap().count(), 5);
}

/// Of several segments, those before the known line's are not even opened.
#[test]
fn a_known_prefix_may_end_in_any_segment() {
    let parts = batches(&[2, 3, 1, 2]);
    let split = |dir: &Path| {
        fs::write(segment(dir), parts[..2].concat()).unwrap();
        let second = dir.join("ledger/00000000000000000006.jsonl");
        fs::write(second, parts[2..].concat()).unwrap();
    };
    for known in 1..=parts.len() {
        let dir = dir_with(&parts[..known.min(2)].concat());
        if known > 2 {
            let second = dir.path().join("ledger/00000000000000000006.jsonl");
            fs::write(second, parts[2..known].concat()).unwrap();
        }
        let ledger = open(dir.path()).unwrap();
        let place = ledger.place().unwrap().unwrap();
        let prefix = crate::chain::place::Prefix {
            tip: *ledger.tip(),
            place,
        };
        drop(ledger);
        assert_eq!(place.offset(), parts[..known].concat().len() as u64);
        split(dir.path());
        let options = OpenOptions {
            prefix: Some(prefix),
            ..AT_ONCE
        };
        let ledger = FileLedger::open_on(Faulty::default(), dir.path(), options).unwrap();
        assert_eq!(ledger.prefix(), Some(&prefix), "{known}");
        assert_eq!(ledger.head().seq, 8);
        let mut rest = Vec::new();
        let mut reader = ledger.reader_behind(place.offset());
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, parts[known..].concat(), "{known}");
        drop(reader);
        assert_eq!(contents(&ledger), parts.concat());
        drop(ledger);
        let reader = LedgerReader::open_behind_on(Faulty::default(), dir.path(), Some(&prefix));
        let reader = reader.unwrap();
        assert_eq!(
            reader.place().unwrap().unwrap().offset(),
            parts.concat().len() as u64
        );
        let mut rest = Vec::new();
        reader
            .reader_behind(place.offset())
            .read_to_end(&mut rest)
            .unwrap();
        assert_eq!(rest, parts[known..].concat(), "{known}");
    }
}
