//! What no crash leaves behind is refused, whoever opens it, and stays untouched.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::ledger::{Diagnosis, Refusal, SegmentStart, diagnose};

fn diagnosis(bytes: &[u8]) -> Diagnosis {
    diagnose(&mut Cursor::new(bytes), &SegmentStart::default(), None).unwrap()
}

fn refusal(bytes: &[u8]) -> Option<Refusal> {
    match diagnosis(bytes) {
        Diagnosis::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

/// The line that holds byte `at`, and where that line starts.
fn place(bytes: &[u8], at: usize) -> (u64, u64) {
    let before = &bytes[..at];
    let seq = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |lf| lf + 1);
    (seq as u64, start as u64)
}

/// No byte of these lines is one bit away from NUL, which the last batch may hold.
#[test]
fn every_flipped_bit_is_refused_at_its_line() {
    let bytes = batches(&[1, 3, 1]).concat();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let refusal = refusal(&flipped).unwrap_or_else(|| panic!("byte {at}, bit {bit}"));
            assert_eq!(
                (refusal.seq, refusal.offset),
                place(&bytes, at),
                "{refusal}"
            );
        }
    }
}

#[test]
fn batches_with_a_later_one_behind_them_can_be_neither_cut_nor_zeroed() {
    let parts = batches(&[1, 3, 2, 1]);
    let bytes = parts.concat();
    let acknowledged = parts[..3].concat().len();
    for start in 0..acknowledged {
        for end in [start + 1, start + 64, start + 600] {
            let end = end.min(acknowledged);
            let cut = [&bytes[..start], &bytes[end..]].concat();
            assert!(
                matches!(diagnosis(&cut), Diagnosis::Refused(_)),
                "{start}..{end} cut: {:?}",
                diagnosis(&cut)
            );
            let mut zeroed = bytes.clone();
            zeroed[start..end].fill(0);
            let refusal = refusal(&zeroed).unwrap_or_else(|| panic!("{start}..{end} zeroed"));
            assert_eq!(refusal.code, "tail.later-batch");
            assert_eq!(
                (refusal.seq, refusal.offset),
                place(&bytes, start),
                "{refusal}"
            );
        }
    }
}

#[test]
fn even_the_first_bytes_of_a_later_batch_show_that_the_damage_is_old() {
    let parts = batches(&[1, 2, 1]);
    let mut bytes = parts.concat();
    let start = parts[0].len() + 20;
    bytes[start..start + 100].fill(0);
    let header = "{\"v\":1,\"seq\":4,\"batch\":[1,1]".len();
    let later = parts[..2].concat().len();
    for length in later + header..bytes.len() {
        let refusal = refusal(&bytes[..length]).unwrap();
        assert_eq!((refusal.code, refusal.seq), ("tail.later-batch", 2));
        assert_eq!(refusal.offset, parts[0].len() as u64);
        assert!(refusal.message.contains(&format!("line 4 at byte {later}")));
    }
}

#[test]
fn tails_that_no_crash_leaves_behind_are_refused() {
    let parts = batches(&[1, 2, 1]);
    let kept = parts[0].as_slice();
    let line = |index: usize| {
        parts[1]
            .split_inclusive(|byte| *byte == b'\n')
            .nth(index)
            .unwrap()
    };
    let (first, second, later) = (line(0), line(1), parts[2].as_slice());
    let without_lf = |line: &[u8]| line[..line.len() - 1].to_vec();
    let crlf = |line: &[u8]| [&without_lf(line)[..], b"\r\n"].concat();
    for (tail, code) in [
        (b"\n".to_vec(), "line.malformed"),
        (b"garbage\n".to_vec(), "line.malformed"),
        (b"garbage".to_vec(), "tail.damaged"),
        (b"{\"v\":1,\"seq\":2,x".to_vec(), "tail.damaged"),
        (
            b"{\"v\":1,\"seq\":2,\"batch\":[1,1],\"timestamp\r".to_vec(),
            "tail.damaged",
        ),
        (
            b"{\"v\":1,\"seq\":2,\"batch\":[2,2],".to_vec(),
            "tail.damaged",
        ),
        (
            b"{\"v\":1,\"seq\":1,\"batch\":[1,1],".to_vec(),
            "tail.damaged",
        ),
        (
            b"{\"v\":1,\"seq\":3,\"batch\":[1,1],".to_vec(),
            "tail.later-batch",
        ),
        (b"{\"v\":2,\"seq\":2".to_vec(), "tail.damaged"),
        (kept.to_vec(), "chain.sequence"),
        (second.to_vec(), "chain.sequence"),
        (crlf(first), "line.malformed"),
        ([first, first].concat(), "chain.sequence"),
        ([first, later].concat(), "chain.sequence"),
        ([&without_lf(first)[..], b"x"].concat(), "tail.damaged"),
        (
            [first, &without_lf(second)[..], b"x"].concat(),
            "tail.damaged",
        ),
        ([&without_lf(first)[..], second].concat(), "chain.hash"),
        ([b"\0", kept].concat(), "tail.damaged"),
        ([b"\0", later].concat(), "tail.later-batch"),
        ([b"\0x", later].concat(), "tail.later-batch"),
        (
            [first, b"{\"v\":1,\"seq\":2,\"batch\":[1,2],"].concat(),
            "tail.damaged",
        ),
        (
            b"\0x{\"v\":1,\"seq\":2,\"batch\":[1,2],".to_vec(),
            "tail.damaged",
        ),
        (b"\0\r".to_vec(), "tail.damaged"),
        (b"\0\n\n".to_vec(), "tail.damaged"),
        (b"\0\ngarbage\n".to_vec(), "tail.damaged"),
        (b"\0\ngarbage".to_vec(), "tail.damaged"),
        (b"garbage\0".to_vec(), "tail.damaged"),
        (vec![b'x'; 3 << 20], "line.too-long"),
        ([first, &vec![b'x'; 3 << 20]].concat(), "line.too-long"),
    ] {
        let found = refusal(&[kept, &tail].concat());
        let shown = String::from_utf8_lossy(&tail[..tail.len().min(40)]).into_owned();
        assert_eq!(found.map(|refusal| refusal.code), Some(code), "{shown}");
    }
}

/// An incomplete batch before another one is no torn tail.
#[test]
fn a_batch_that_starts_within_another_is_refused() {
    let parts = batches(&[1, 3]);
    let first_two: Vec<_> = parts[1].split_inclusive(|b| *b == b'\n').take(2).collect();
    let open = [parts[0].clone(), first_two.concat()].concat();
    // The hash stands before the last three bytes: quote, brace, line feed.
    let hash = &open[open.len() - 67..open.len() - 3];
    let head = Head {
        seq: 3,
        hash: std::str::from_utf8(hash).unwrap().parse().unwrap(),
    };
    let bytes = [&open[..], batch(&head, 1).bytes()].concat();
    let refusal = refusal(&bytes).unwrap();
    assert_eq!((refusal.code, refusal.seq), ("chain.batch", 4));
}

#[test]
fn opening_a_damaged_ledger_names_the_place_and_changes_nothing() {
    let parts = batches(&[1, 2, 1]);
    let mut bytes = parts.concat();
    bytes[parts[0].len() + 30] ^= 1;
    let dir = dir_with(&bytes);
    let error = open(dir.path()).unwrap_err();
    assert_eq!(error.code(), "chain.hash");
    let place = format!("line 2, byte {}", parts[0].len());
    assert!(error.to_string().contains(&place), "{error}");
    assert_eq!(fs::read(segment(dir.path())).unwrap(), bytes);
    assert!(!dir.path().join("quarantine").exists());
}

proptest! {
    #![proptest_config(crate::test_support::config(256))]

    /// Whatever stands behind acknowledged batches, nothing panics and what is kept is a prefix
    /// made of whole batches.
    #[test]
    fn any_bytes_can_be_diagnosed(
        kept in 0_usize..4,
        tail in prop::collection::vec(
            prop_oneof![
                Just(b"\0".to_vec()),
                Just(b"\n".to_vec()),
                Just(b"{\"v\":1,\"seq\":2,\"batch\":[1,1]".to_vec()),
                Just(batches(&[1, 1]).concat()),
                prop::collection::vec(any::<u8>(), 0..8),
            ],
            0..6,
        ),
    ) {
        let parts = batches(&[1, 2, 1]);
        let bytes = [parts[..kept].concat(), tail.concat()].concat();
        let lengths: Vec<_> = (0..=3).map(|count| parts[..count].concat().len() as u64).collect();
        match diagnosis(&bytes) {
            Diagnosis::Clean { bytes: length, .. } => {
                prop_assert_eq!(length, bytes.len() as u64);
            }
            Diagnosis::Torn { keep_bytes, tail, .. } => {
                prop_assert!(keep_bytes >= lengths[kept]);
                prop_assert_eq!(keep_bytes + tail.bytes, bytes.len() as u64);
            }
            Diagnosis::Refused(refusal) => prop_assert!(refusal.offset >= lengths[kept]),
        }
    }
}
