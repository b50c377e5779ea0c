//! The file ledger beside other programs and other files.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::ledger::{AppendError, Diagnosis};

fn snapshot(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            files.extend(snapshot(&path));
        } else {
            files.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    files.sort();
    files
}

fn append_to_file(dir: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(segment(dir))
        .unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_ledger_goes_on_where_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut FileLedger::create(dir.path()).unwrap(), &[1, 2]);
    let mut ledger = FileLedger::open(dir.path(), Wait::No).unwrap();
    assert_eq!(ledger.head().seq, 3);
    assert_eq!(ledger.tip().timestamp, Timestamp::from_micros(3_000_000));
    fill(&mut ledger, &[1]);
    drop(ledger);
    assert_eq!(
        fs::read(segment(dir.path())).unwrap(),
        batches(&[1, 2, 1]).concat()
    );
    assert_eq!(
        FileLedger::create(dir.path()).unwrap_err().code(),
        "ledger.exists"
    );
}

#[test]
fn what_is_no_ledger_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    for error in [open(&missing).unwrap_err(), read(&missing).unwrap_err()] {
        assert_eq!(error.code(), "ledger.not-found");
        assert!(error.to_string().contains("missing"), "{error}");
    }
    assert!(!missing.exists());
}

#[test]
fn a_ledger_without_a_whole_batch_is_not_initialized() {
    let genesis = batches(&[3]).concat();
    for bytes in [&b""[..], &genesis[..1], &genesis[..genesis.len() - 1]] {
        let dir = dir_with(bytes);
        for error in [open(dir.path()).unwrap_err(), read(dir.path()).unwrap_err()] {
            assert_eq!(error.code(), "ledger.not-initialized");
        }
        let mut ledger = FileLedger::create(dir.path()).unwrap();
        assert_eq!(
            ledger.unrecorded_recoveries().unwrap().len(),
            usize::from(!bytes.is_empty())
        );
        fill(&mut ledger, &[3]);
        drop(ledger);
        assert_eq!(contents(&open(dir.path()).unwrap()), genesis);
    }
}

#[test]
fn a_damaged_ledger_is_not_made_anew() {
    let dir = dir_with(b"{}\n");
    assert_eq!(
        FileLedger::create(dir.path()).unwrap_err().code(),
        "ledger.exists"
    );
    assert_eq!(fs::read(segment(dir.path())).unwrap(), b"{}\n");
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = FileLedger::create(dir.path()).unwrap();
    fill(&mut first, &[1]);
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "ledger.in-use");
    let pid = format!("in use by pid {}", std::process::id());
    assert!(error.to_string().contains(&pid), "{error}");
    drop(first);
    open(dir.path()).unwrap();
}

#[test]
fn a_second_writer_waits_and_goes_on_from_the_real_head() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = FileLedger::create(dir.path()).unwrap();
    fill(&mut first, &[1]);

    let start = Instant::now();
    let brief = Wait::For(Duration::from_millis(50));
    let error = FileLedger::open(dir.path(), brief).unwrap_err();
    assert_eq!(error.code(), "ledger.in-use");
    assert!(start.elapsed() >= Duration::from_millis(50));

    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let mut second = FileLedger::open(dir.path(), Wait::For(Duration::from_secs(60)));
            fill(second.as_mut().unwrap(), &[1]);
        });
        std::thread::sleep(Duration::from_millis(30));
        fill(&mut first, &[2]);
        drop(first);
        second.join().unwrap();
    });
    assert_eq!(
        contents(&open(dir.path()).unwrap()),
        batches(&[1, 2, 1]).concat()
    );
}

#[test]
fn writers_in_turn_never_fork_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    fill(&mut FileLedger::create(dir.path()).unwrap(), &[1]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let wait = Wait::For(Duration::from_secs(60));
                    fill(&mut FileLedger::open(dir.path(), wait).unwrap(), &[2]);
                }
            });
        }
    });
    assert_eq!(open(dir.path()).unwrap().head().seq, 41);
}

#[test]
fn what_others_write_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    fill(&mut ledger, &[1]);
    append_to_file(dir.path(), b"x");
    let head = *ledger.head();
    let found = ledger.append(&head, &batch(&head, 1)).unwrap_err();
    assert!(
        matches!(found, AppendError::ForeignWriter { expected, found } if found == expected + 1)
    );
    assert_eq!(found.code(), "ledger.foreign-writer");
}

#[test]
fn a_file_put_in_the_ledgers_place_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    fill(&mut ledger, &[1]);
    let other = dir.path().join("other");
    fs::write(&other, b"").unwrap();
    fs::rename(other, segment(dir.path())).unwrap();
    let head = *ledger.head();
    let error = ledger.append(&head, &batch(&head, 1)).unwrap_err();
    assert_eq!(error.code(), "ledger.foreign-writer");
}

#[test]
fn readers_write_nothing_and_need_no_lock() {
    let sizes = batches(&[1, 2]);
    for (tail, torn) in [(&b""[..], false), (b"{\"v\":1,\"se", true)] {
        let dir = dir_with(&[sizes.concat(), tail.to_vec()].concat());
        let before = snapshot(dir.path());
        let reader = LedgerReader::open(dir.path()).unwrap();
        let mut bytes = Vec::new();
        reader.reader().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, sizes.concat());
        assert_eq!(reader.tail().is_some(), torn);
        assert_eq!(reader.refusal(), None);
        assert_eq!(snapshot(dir.path()), before);
    }

    let dir = tempfile::tempdir().unwrap();
    let mut writer = FileLedger::create(dir.path()).unwrap();
    fill(&mut writer, &[1]);
    let reader = LedgerReader::open(dir.path()).unwrap();
    assert!(matches!(reader.diagnosis(), Diagnosis::Clean { tip, .. } if tip == writer.tip()));
}

#[test]
fn readers_are_shown_all_of_a_damaged_ledger() {
    let bytes = batches(&[1, 2, 1]).concat();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    let dir = dir_with(&damaged);
    let reader = read(dir.path()).unwrap();
    assert_eq!(
        reader.refusal().map(|refusal| refusal.code),
        Some("chain.hash")
    );
    let mut shown = Vec::new();
    reader.reader().read_to_end(&mut shown).unwrap();
    assert_eq!(shown, damaged);
}

#[test]
fn a_ledger_that_shrinks_under_its_reader_does_not_end_quietly() {
    let dir = dir_with(&batches(&[1, 1]).concat());
    let reader = read(dir.path()).unwrap();
    fs::write(segment(dir.path()), &batches(&[1])[0]).unwrap();
    let error = reader.reader().read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn segments_are_read_in_order() {
    let parts = batches(&[1, 2, 1, 1]);
    let second = |dir: &Path| dir.join("ledger/00000000000000000004.jsonl");
    let dir = dir_with(&parts[..2].concat());
    fs::write(second(dir.path()), &parts[2]).unwrap();
    fs::write(dir.path().join("ledger/notes.txt"), b"none of ours").unwrap();

    let mut ledger = open(dir.path()).unwrap();
    fill(&mut ledger, &[1]);
    assert_eq!(contents(&ledger), parts.concat());
    drop(ledger);
    assert_eq!(fs::read(second(dir.path())).unwrap(), parts[2..].concat());

    let torn = [&parts[2][..], b"{\"v\":1"].concat();
    fs::write(second(dir.path()), torn).unwrap();
    let offset = parts[..3].concat().len() as u64;
    let recoveries = open(dir.path()).unwrap().unrecorded_recoveries().unwrap();
    assert_eq!((recoveries[0].offset, recoveries[0].bytes), (offset, 6));

    fs::remove_file(dir.path().join("ledger/SHA256SUMS")).unwrap();
    fs::write(segment(dir.path()), &parts[..2].concat()[..600]).unwrap();
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "segment.incomplete");
    fs::write(segment(dir.path()), &parts[0]).unwrap();
    assert_eq!(open(dir.path()).unwrap_err().code(), "segment.gap");
    assert_eq!(read(dir.path()).unwrap().refusal().unwrap().seq, 2);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_write_to_the_files() {
    use std::os::unix::fs::MetadataExt as _;

    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    fill(&mut FileLedger::create(&inner).unwrap(), &[1]);
    append_to_file(&inner, b"{");
    drop(FileLedger::open(&inner, Wait::No).unwrap());
    for (path, _) in snapshot(&inner) {
        for path in [path.as_path(), path.parent().unwrap()] {
            let mode = fs::metadata(path).unwrap().mode();
            assert_eq!(mode & 0o022, 0, "{}", path.display());
        }
    }
}

#[cfg(unix)]
#[test]
fn a_segment_is_replaced_unless_its_writer_left_in_order() {
    use std::os::unix::fs::MetadataExt as _;

    let dir = tempfile::tempdir().unwrap();
    let inode = || fs::metadata(segment(dir.path())).unwrap().ino();
    let lock = dir.path().join("LOCK");
    let open = || FileLedger::open(dir.path(), Wait::No);
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    fill(&mut ledger, &[1, 2]);
    let whole = contents(&ledger);
    let number = format!("{}\n", std::process::id());
    assert_eq!(fs::read_to_string(&lock).unwrap(), number);
    drop(ledger);
    assert_eq!(fs::read(&lock).unwrap(), b"");
    // Both are kept open, so that no number is used again.
    let kept = fs::File::open(segment(dir.path())).unwrap();
    let first = inode();
    drop(open().unwrap());
    assert_eq!(inode(), first);

    // It was killed, and another one has to take its place at the opening.
    fs::write(&lock, "1\n").unwrap();
    let mut released = open().unwrap();
    let second = inode();
    assert_ne!(second, first);
    assert_eq!(contents(&released), whole);
    released.release();
    // Or where a ledger is taken up again.
    let kept_too = fs::File::open(segment(dir.path())).unwrap();
    fs::write(&lock, "1\n").unwrap();
    assert!(released.resume(Wait::No).unwrap().is_none());
    assert_ne!(inode(), second);
    fill(&mut released, &[1]);
    drop((released, kept, kept_too));
    assert_eq!(fs::read(&lock).unwrap(), b"");

    // What is refused is left as it is, and not copied again and again.
    append_to_file(dir.path(), b"nonsense\n");
    fs::write(&lock, "1\n").unwrap();
    assert!(matches!(open(), Err(OpenError::Refused { .. })));
    let third = inode();
    assert_eq!(fs::read(&lock).unwrap(), b"");
    assert!(matches!(open(), Err(OpenError::Refused { .. })));
    assert_eq!(inode(), third);
}

#[test]
fn a_batch_that_was_begun_is_acknowledged_at_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    fill(&mut ledger, &[1]);
    let head = *ledger.head();
    let second = Arc::new(batch(&head, 2));
    let writing = ledger.begin(&head, Arc::clone(&second)).unwrap();
    // Meanwhile nothing else is taken, and what is acknowledged can be read.
    let refused = ledger.append(&head, &batch(&head, 1)).unwrap_err();
    assert_eq!(refused.code(), "ledger.poisoned");
    let written = std::thread::spawn(|| writing.run()).join().unwrap();
    assert_eq!(*ledger.head(), head);
    assert_eq!(contents(&ledger), batches(&[1]).concat());
    ledger.end(written).unwrap();
    assert_eq!(ledger.head(), second.head());
    fill(&mut ledger, &[3]);
    assert_eq!(contents(&ledger), batches(&[1, 2, 3]).concat());
}

#[test]
fn a_batch_that_never_ends_is_not_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = FileLedger::create(dir.path()).unwrap();
    fill(&mut ledger, &[1]);
    let head = *ledger.head();
    let begin = |ledger: &mut FileLedger, size| {
        let batch = Arc::new(batch(&head, size));
        ledger.begin(&head, batch).unwrap()
    };
    let stale = begin(&mut ledger, 2).run();
    ledger.recover().unwrap();
    assert_eq!(contents(&ledger), batches(&[1]).concat());
    // What ends after the ledger was recovered is not what was begun last.
    let late = begin(&mut ledger, 1);
    assert_eq!(ledger.end(stale).unwrap_err().code(), "ledger.poisoned");
    // Nobody writes any more once the ledger was recovered, or is gone.
    ledger.recover().unwrap();
    assert!(late.run().outcome().is_err());
    let late = begin(&mut ledger, 1);
    drop(ledger);
    assert!(late.run().outcome().is_err());
    let ledger = FileLedger::open(dir.path(), Wait::No).unwrap();
    assert_eq!(contents(&ledger), batches(&[1]).concat());
    assert!(ledger.unrecorded_recoveries().unwrap().is_empty());
}
