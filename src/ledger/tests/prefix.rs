//! A ledger is told from one line.

use super::super::prefix::{Mismatch, compare};
use super::*;
use crate::chain::line::MAX_LINE_BYTES;
use serde_json::value::RawValue;

use crate::chain::line::{NewEntry, encode_batch};
use crate::chain::place::Prefix;
use crate::governance::digest::Digest;
use crate::testing::ledgers::entry;

/// All that is known of the ledger in `dir`.
fn known(dir: &Path) -> Prefix {
    let ledger = open(dir).unwrap();
    Prefix {
        tip: *ledger.tip(),
        place: ledger.place().unwrap().unwrap(),
    }
}

fn told(dir: &Path, prefix: &Prefix) -> Option<Mismatch> {
    compare(&Faulty::default(), dir, prefix).unwrap()
}

#[test]
fn whatever_is_known_of_a_line_has_to_be_so() {
    let dir = dir_with(&batches(&[2, 3, 1]).concat());
    let prefix = known(dir.path());
    assert_eq!(told(dir.path(), &prefix), None);
    type Change = fn(&mut Prefix);
    for (what, change, expected) in [
        (
            "number",
            (|it| it.tip.head.seq += 1) as Change,
            Mismatch::Other,
        ),
        (
            "hash",
            |it| it.tip.head.hash = Digest::ZERO,
            Mismatch::Other,
        ),
        ("time", |it| it.tip.timestamp = None, Mismatch::Other),
        ("bytes before", |it| it.place.before += 1, Mismatch::Other),
        ("a longer line", |it| it.place.line += 1, Mismatch::Other),
        ("a shorter line", |it| it.place.line -= 1, Mismatch::Other),
        (
            "a line before the file",
            |it| it.place.line = it.place.end + 1,
            Mismatch::Other,
        ),
        ("an earlier end", |it| it.place.end -= 1, Mismatch::Other),
        ("a later end", |it| it.place.end += 1, Mismatch::Shorter),
        (
            "another segment",
            |it| it.place.segment += 1,
            Mismatch::Shorter,
        ),
    ] {
        let mut changed = prefix;
        change(&mut changed);
        assert_eq!(told(dir.path(), &changed), Some(expected), "{what}");
    }
}

#[test]
fn a_line_that_was_changed_and_keeps_its_hash_is_another() {
    let dir = dir_with(&batches(&[2, 1]).concat());
    let prefix = known(dir.path());
    let text = fs::read_to_string(segment(dir.path())).unwrap();
    fs::write(segment(dir.path()), text.replace("é3", "é4")).unwrap();
    assert_eq!(told(dir.path(), &prefix), Some(Mismatch::Other));
}

#[test]
fn nothing_is_known_up_to_the_middle_of_a_batch() {
    let whole = batches(&[2, 3]).concat();
    let dir = dir_with(&whole);
    let mut prefix = known(dir.path());
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for (number, line) in lines.iter().enumerate() {
        let decoded = crate::chain::line::Line::decode(&line[..line.len() - 1]).unwrap();
        prefix.tip.head.seq = decoded.seq;
        prefix.tip.head.hash = decoded.entry_hash;
        prefix.tip.timestamp = Some(decoded.timestamp);
        prefix.place.line = line.len() as u64;
        prefix.place.end = lines[..=number].concat().len() as u64;
        let expected = (!decoded.batch.is_last()).then_some(Mismatch::Other);
        assert_eq!(told(dir.path(), &prefix), expected, "line {number}");
    }
}

#[test]
fn the_longest_line_has_a_place() {
    let parts = batches(&[2]).concat();
    let head = *open(dir_with(&parts).path()).unwrap().head();
    let with = |padding: usize| {
        let data = format!("{{\"text\":\"{}\"}}", "x".repeat(padding));
        let long = NewEntry {
            data: RawValue::from_string(data).unwrap(),
            ..entry(head.seq + 1)
        };
        encode_batch(&head, &[long]).unwrap().bytes().to_vec()
    };
    let long = with(MAX_LINE_BYTES + 1 - with(0).len());
    assert_eq!(long.len(), MAX_LINE_BYTES + 1);
    let dir = dir_with(&[parts, long].concat());
    let prefix = known(dir.path());
    assert_eq!(prefix.place.line, MAX_LINE_BYTES as u64 + 1);
    assert_eq!(told(dir.path(), &prefix), None);
}

#[test]
fn a_segment_without_a_line_is_no_place() {
    let dir = dir_with(&batches(&[2, 3]).concat());
    let prefix = known(dir.path());
    fs::write(dir.path().join("ledger/00000000000000000006.jsonl"), "").unwrap();
    assert_eq!(known(dir.path()), prefix);
}
