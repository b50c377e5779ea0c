//! What a crash leaves behind is recovered without help and without loss.

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use super::*;
use crate::governance::digest::Digest;
use crate::ledger::{Diagnosis, Recovery, SegmentStart, diagnose};

const SIZES: [u64; 3] = [1, 2, 3];

/// Opens a ledger of [`SIZES`] whose last batch is `tail`, and checks that it goes on without it.
fn assert_recovers(tail: &[u8], what: &str) {
    let parts = batches(&SIZES);
    let kept = parts[..2].concat();
    let dir = dir_with(&[&kept, tail].concat());

    let reader = read(dir.path()).unwrap();
    let found = reader.tail().map(|tail| (tail.offset, tail.bytes));
    let expected = (!tail.is_empty()).then_some((kept.len() as u64, tail.len() as u64));
    assert_eq!(found, expected, "{what}: {:?}", reader.diagnosis());

    let mut ledger = open(dir.path()).unwrap();
    assert_eq!(contents(&ledger), kept, "{what}");
    let recovery = expected.map(|(offset, bytes)| Recovery {
        offset,
        bytes,
        sha256: Digest::of(tail),
    });
    assert_eq!(
        ledger.unrecorded_recoveries().unwrap(),
        Vec::from_iter(recovery)
    );
    fill(&mut ledger, &SIZES[2..]);
    drop(ledger);
    assert_eq!(fs::read(segment(dir.path())).unwrap(), parts.concat());
    open(dir.path()).unwrap();
}

#[test]
fn the_last_batch_may_end_at_every_byte() {
    let last = &batches(&SIZES)[2];
    for length in 0..last.len() {
        assert_recovers(&last[..length], &format!("{length} bytes"));
    }
}

#[test]
fn the_last_batch_may_have_unwritten_sectors_anywhere() {
    let last = &batches(&SIZES)[2];
    for start in (0..last.len()).step_by(29) {
        for length in [1, 64, 300, 512, last.len()] {
            let mut tail = last.clone();
            let end = (start + length).min(tail.len());
            tail[start..end].fill(0);
            assert_recovers(&tail, &format!("{start}..{end} zeroed"));
            // The file may end early besides.
            let cut = (end + 100).min(tail.len());
            assert_recovers(
                &tail[..cut],
                &format!("{start}..{end} zeroed, cut at {cut}"),
            );
        }
    }
}

#[test]
fn the_tail_may_be_nothing_but_zeroes() {
    for length in [1, 4096, (1 << 20) + 1] {
        assert_recovers(&vec![0; length], "zeroes");
    }
}

#[test]
fn a_tail_is_kept_and_reported_until_it_is_recorded() {
    let kept = batches(&[1, 1]).concat();
    let dir = dir_with(&[&kept[..], b"{\"v\":1,"].concat());
    let recoveries = open(dir.path()).unwrap().unrecorded_recoveries().unwrap();
    assert_eq!(recoveries.len(), 1);

    // The process ended before it recorded the first, and left another.
    let mut bytes = kept;
    bytes.extend(b"{\"v\"");
    fs::write(segment(dir.path()), &bytes).unwrap();
    let ledger = open(dir.path()).unwrap();
    let both = ledger.unrecorded_recoveries().unwrap();
    assert_eq!(both.len(), 2);
    for recovery in &both {
        ledger.mark_recorded(recovery).unwrap();
    }
    assert_eq!(ledger.unrecorded_recoveries().unwrap(), []);
    assert!(ledger.mark_recorded(&both[0]).is_err());
    drop(ledger);
    assert_eq!(
        open(dir.path()).unwrap().unrecorded_recoveries().unwrap(),
        []
    );

    let mut kept_bytes: Vec<_> = fs::read_dir(dir.path().join("quarantine"))
        .unwrap()
        .map(|item| fs::read(item.unwrap().path()).unwrap())
        .collect();
    kept_bytes.sort();
    assert_eq!(kept_bytes, [&b"{\"v\""[..], b"{\"v\":1,"]);
}

#[test]
fn a_checkpoint_tells_a_cut_ledger_from_a_torn_one() {
    let parts = batches(&SIZES);
    let bytes = parts.concat();
    for (checkpoint, expected) in [
        (None, None),
        (Some(1), None),
        (Some(3), None),
        (Some(4), Some("tail.checkpoint")),
        (Some(6), Some("tail.checkpoint")),
    ] {
        let dir = dir_with(&bytes[..bytes.len() - 1]);
        let options = OpenOptions {
            checkpoint,
            ..AT_ONCE
        };
        let opened = FileLedger::open_on(Faulty::default(), dir.path(), options);
        assert_eq!(
            opened.err().map(|error| error.code()),
            expected,
            "{checkpoint:?}"
        );
    }
}

/// A file that grows between its first reading and the next.
struct Growing {
    bytes: Cursor<Vec<u8>>,
    seen: u64,
}

impl Read for Growing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.seen.saturating_sub(self.bytes.position());
        (&mut self.bytes).take(left).read(buffer)
    }
}

impl Seek for Growing {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match position {
            SeekFrom::End(0) => self.bytes.seek(SeekFrom::Start(self.seen)),
            SeekFrom::Start(0) => self.bytes.rewind().map(|()| 0),
            // Someone looks again, from further on.
            other => {
                self.seen = self.bytes.get_ref().len() as u64;
                self.bytes.seek(other)
            }
        }
    }
}

#[test]
fn a_reader_beside_a_busy_writer_sees_at_most_a_torn_tail() {
    let parts = batches(&[1, 2, 1]);
    let bytes = parts.concat();
    // Meanwhile the second batch is completed and the third is begun.
    let later = &bytes[..bytes.len() - 1];
    for seen in parts[0].len()..later.len() {
        let mut segment = Growing {
            bytes: Cursor::new(later.to_vec()),
            seen: seen as u64,
        };
        let found = diagnose(&mut segment, &SegmentStart::default(), None).unwrap();
        assert!(!matches!(found, Diagnosis::Refused(_)), "{seen}: {found:?}");
    }
}
