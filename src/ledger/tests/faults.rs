//! Whatever operation fails, and however: nothing acknowledged is lost, no half batch shows, and
//! the ledger goes on.

use std::io::ErrorKind;

use super::*;
use crate::ledger::AppendError;
use crate::ledger::faulty::{Effect, Fault, PowerLoss};

/// What a run was told, to be held against what it left.
#[derive(Debug, Default)]
struct Told {
    acknowledged: Vec<u8>,
    /// The last batch whose fate is unknown.
    unsure: Vec<u8>,
}

/// Makes a ledger, appends, ends within a write, recovers and appends again. Goes on after an
/// error as a caller would; stops where the process has ended.
fn run(storage: &Faulty, dir: &Path, told: &mut Told) -> Option<()> {
    let create = || FileLedger::create_on(storage.clone(), dir, SMALL);
    let mut ledger = create().or_else(|_| create()).ok()?;
    append(storage, &mut ledger, 1, told)?;
    append(storage, &mut ledger, 3, told)?;
    let interrupted = batch(ledger.head(), 2);
    drop(ledger);

    tear(storage, dir, &interrupted);
    let open = || FileLedger::open_on(storage.clone(), dir, SMALL);
    let mut ledger = open().or_else(|_| open()).ok()?;
    append(storage, &mut ledger, 2, told)?;
    let recoveries = ledger.unrecorded_recoveries().ok()?;
    assert_eq!(recoveries.len(), 1, "the torn tail is kept");
    let mark = || ledger.mark_recorded(&recoveries[0]);
    // The first try may have renamed the file and failed after that.
    let _ = mark().or_else(|_| mark());
    if storage.is_dead() {
        return None;
    }
    append(storage, &mut ledger, 1, told)
}

fn append(
    storage: &Faulty,
    ledger: &mut FileLedger<Faulty>,
    size: u64,
    told: &mut Told,
) -> Option<()> {
    let head = *ledger.head();
    let batch = batch(&head, size);
    told.unsure = batch.bytes().to_vec();
    if ledger.append(&head, &batch).is_err() {
        assert!(ledger.is_poisoned());
        if !storage.is_dead() {
            let refused = ledger.append(&head, &batch).unwrap_err();
            assert!(matches!(refused, AppendError::Poisoned));
        }
        recover(storage, ledger)?;
        ledger.append(&head, &batch).ok()?;
    }
    told.acknowledged.append(&mut told.unsure);
    assert_eq!(contents(ledger), told.acknowledged);
    Some(())
}

fn recover(storage: &Faulty, ledger: &mut FileLedger<Faulty>) -> Option<()> {
    let before = *ledger.head();
    ledger.recover_after_failure().ok()?;
    assert!(!storage.is_dead());
    assert_eq!(*ledger.head(), before);
    Some(())
}

/// Another process began to write this batch and ended.
fn tear(storage: &Faulty, dir: &Path, batch: &EncodedBatch) {
    let last = segments(dir).pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes.extend(&batch.bytes()[..batch.bytes().len() - 10]);
    fs::write(last, bytes).unwrap();
    storage.settle();
}

/// Opens what a run left and checks it against what the run was told.
fn check(dir: &Path, told: &Told) {
    let mut ledger = match open(dir) {
        Ok(ledger) => ledger,
        Err(OpenError::NotFound { .. } | OpenError::NotInitialized { .. }) => {
            assert_eq!(told.acknowledged, b"", "an acknowledged genesis is gone");
            FileLedger::create_on(Faulty::default(), dir, AT_ONCE).unwrap()
        }
        Err(error) => panic!("{error}"),
    };
    let found = contents(&ledger);
    let more = found
        .strip_prefix(told.acknowledged.as_slice())
        .expect("everything acknowledged is there");
    assert!(more.is_empty() || more == told.unsure, "half a batch shows");
    fill(&mut ledger, &[2]);
    drop(ledger);
    assert_eq!(open(dir).unwrap().head().seq, lines(&found) + 2);
}

fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// Injects `fault` at every operation in turn; answers how many there were.
fn at_every_operation(fault: Fault, loss: PowerLoss) -> usize {
    for at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("ledger-dir");
        let storage = Faulty::with([Fault { at, ..fault }]);
        let mut told = Told::default();
        let finished = run(&storage, &inner, &mut told);
        if !storage.has_failed() {
            assert_eq!(finished, Some(()));
            return at;
        }
        assert!(
            finished.is_some() || fault.dies,
            "operation {at}: {fault:?}"
        );
        storage.lose_power(loss);
        check(&inner, &told);
    }
    unreachable!()
}

#[test]
fn nothing_acknowledged_is_lost_whatever_fails() {
    for effect in [Effect::Nothing, Effect::Half, Effect::All] {
        for dies in [false, true] {
            for loss in LOSSES {
                let fault = Fault {
                    at: 0,
                    effect,
                    kind: ErrorKind::Other,
                    dies,
                };
                let operations = at_every_operation(fault, loss);
                assert!(operations > 30, "only {operations} operations were tried");
            }
        }
    }
}

/// The number of the operation that writes a batch behind those of [`filled`].
fn next_write() -> usize {
    let dir = tempfile::tempdir().unwrap();
    let storage = Faulty::default();
    filled(&storage, dir.path());
    storage.operations()
}

fn filled(storage: &Faulty, dir: &Path) -> FileLedger<Faulty> {
    let mut ledger = FileLedger::create_on(storage.clone(), dir, AT_ONCE).unwrap();
    fill(&mut ledger, &[1]);
    ledger
}

const fn failing(at: usize) -> Fault {
    Fault {
        at,
        effect: Effect::Nothing,
        kind: ErrorKind::Other,
        dies: false,
    }
}

const fn deadly(at: usize) -> Fault {
    Fault {
        dies: true,
        ..failing(at)
    }
}

const LOSSES: [PowerLoss; 4] = [
    PowerLoss::Spares,
    PowerLoss::Halves,
    PowerLoss::Zeroes,
    PowerLoss::Takes,
];

#[test]
fn a_failed_append_says_what_became_of_it() {
    let write = next_write();
    for (at, kind, code) in [
        (write, ErrorKind::StorageFull, "ledger.full"),
        (write, ErrorKind::Other, "ledger.durability-unknown"),
        (
            write + 1,
            ErrorKind::StorageFull,
            "ledger.durability-unknown",
        ),
        (write + 1, ErrorKind::Other, "ledger.durability-unknown"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let storage = Faulty::with([Fault {
            at,
            effect: Effect::Half,
            kind,
            dies: false,
        }]);
        let mut ledger = filled(&storage, dir.path());
        let head = *ledger.head();
        let error = ledger.append(&head, &batch(&head, 1)).unwrap_err();
        assert_eq!(error.code(), code, "operation {at}: {kind}");
        assert_eq!(*ledger.head(), head);
        let again = ledger.append(&head, &batch(&head, 1)).unwrap_err();
        assert_eq!(again.code(), "ledger.poisoned");
        ledger.recover_after_failure().unwrap();
        fill(&mut ledger, &[1]);
        assert_eq!(
            fs::read(segment(dir.path())).unwrap(),
            batches(&[1, 1]).concat()
        );
    }
}

/// After a failed sync the old file is not written to again: what the cache shows of it may never
/// have reached the disk.
#[test]
fn recovery_after_a_failure_puts_another_file_in_place() {
    use std::os::unix::fs::MetadataExt as _;

    let write = next_write();
    let dir = tempfile::tempdir().unwrap();
    let storage = Faulty::with([failing(write + 1)]);
    let mut ledger = filled(&storage, dir.path());
    let head = *ledger.head();
    let inode = || fs::metadata(segment(dir.path())).unwrap().ino();
    let before = inode();
    ledger.append(&head, &batch(&head, 1)).unwrap_err();
    ledger.recover_after_failure().unwrap();
    assert_ne!(inode(), before);
    assert_eq!(
        fs::read(segment(dir.path())).unwrap(),
        batches(&[1]).concat()
    );
}

#[test]
fn recovery_after_a_failure_may_itself_be_interrupted() {
    let sync = next_write() + 1;
    for loss in LOSSES {
        for step in 1..10 {
            let dir = tempfile::tempdir().unwrap();
            let storage = Faulty::with([failing(sync), deadly(sync + step)]);
            let mut ledger = filled(&storage, dir.path());
            let head = *ledger.head();
            let batch = batch(&head, 1);
            ledger.append(&head, &batch).unwrap_err();
            let recovered = ledger.recover_after_failure().is_ok();
            assert_eq!(recovered, !storage.is_dead());
            drop(ledger);
            storage.lose_power(loss);
            let told = Told {
                acknowledged: batches(&[1]).concat(),
                unsure: batch.bytes().to_vec(),
            };
            check(dir.path(), &told);
        }
    }
}

/// Whoever opens a ledger answers from what it finds there, so that must not vanish later.
#[test]
fn what_a_writer_found_survives_a_loss_of_power() {
    let sync = next_write() + 1;
    for loss in LOSSES {
        let dir = tempfile::tempdir().unwrap();
        let storage = Faulty::with([deadly(sync)]);
        let mut ledger = filled(&storage, dir.path());
        let head = *ledger.head();
        ledger.append(&head, &batch(&head, 1)).unwrap_err();
        drop(ledger);

        storage.revive();
        let next = FileLedger::open_on(storage.clone(), dir.path(), AT_ONCE).unwrap();
        let found = *next.head();
        assert_eq!(found.seq, 2);
        drop(next);
        storage.lose_power(loss);
        assert_eq!(*open(dir.path()).unwrap().head(), found);
    }
}

#[test]
fn a_tail_that_was_set_aside_survives_a_loss_of_power() {
    let tail = b"{\"v\":1,\"seq\":2";
    for loss in LOSSES {
        let dir = super::dir_with(&[&batches(&[1])[0], &tail[..]].concat());
        let storage = Faulty::default();
        drop(FileLedger::open_on(storage.clone(), dir.path(), AT_ONCE).unwrap());
        storage.lose_power(loss);
        let recoveries = open(dir.path()).unwrap().unrecorded_recoveries().unwrap();
        assert_eq!(recoveries.len(), 1, "{loss:?}");
        let kept = fs::read_dir(dir.path().join("quarantine")).unwrap();
        for item in kept {
            assert_eq!(fs::read(item.unwrap().path()).unwrap(), tail, "{loss:?}");
        }
    }
}
