use serde_json::value::RawValue;

use super::*;
use crate::chain::line::{NewEntry, encode_batch};

/// Lines with their line feeds: batches of the given sizes, one second apart.
fn ledger(sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut head = Head::GENESIS;
    let mut lines = Vec::new();
    for size in sizes {
        let entries: Vec<_> = (0..*size as u64).map(|i| entry(head.seq + i)).collect();
        let batch = encode_batch(&head, &entries).unwrap();
        head = *batch.head();
        lines.extend(
            batch
                .bytes()
                .split_inclusive(|b| *b == b'\n')
                .map(Vec::from),
        );
    }
    lines
}

fn entry(second: u64) -> NewEntry {
    NewEntry {
        timestamp: Timestamp::from_micros(second * 1_000_000).unwrap(),
        operation: "vote_cast".into(),
        data: RawValue::from_string(format!("{{\"n\":{second}}}")).unwrap(),
    }
}

/// Reads all lines; an incomplete last batch gives `chain.batch` for the line that is missing.
fn verify(bytes: &[u8]) -> Result<Head, (u64, &'static str)> {
    let mut verifier = ChainVerifier::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let before = verifier.tip();
        if let Err(error) = verifier.read(line) {
            assert_eq!(verifier.tip(), before, "a refused line must not be taken");
            return Err((error.seq(), error.code()));
        }
    }
    if verifier.batch_complete() {
        assert_eq!(verifier.tip(), verifier.committed());
        Ok(verifier.head())
    } else {
        Err((verifier.head().seq + 1, "chain.batch"))
    }
}

#[test]
fn a_chain_verifies() {
    let lines = ledger(&[1, 3, 2, 1]);
    let head = verify(&lines.concat()).unwrap();
    assert_eq!(head.seq, 7);
    assert_eq!(verify(b""), Ok(Head::GENESIS));
}

#[test]
fn resuming_equals_reading_from_the_start() {
    let lines = ledger(&[1, 3, 2]);
    let mut verifier = ChainVerifier::new();
    for line in &lines[..4] {
        verifier.read(&line[..line.len() - 1]).unwrap();
    }
    let mut resumed = ChainVerifier::resume(verifier.committed());
    for line in &lines[4..] {
        resumed.read(&line[..line.len() - 1]).unwrap();
        verifier.read(&line[..line.len() - 1]).unwrap();
    }
    assert_eq!(resumed.tip(), verifier.tip());
}

#[test]
fn every_flipped_bit_is_refused_at_its_line() {
    let lines = ledger(&[1, 2, 1]);
    let bytes = lines.concat();
    for at in 0..bytes.len() {
        let seq = bytes[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let (found, code) = verify(&flipped).unwrap_err();
            assert_eq!(found, seq, "byte {at}, bit {bit}: {code}");
        }
    }
}

#[test]
fn lines_can_be_neither_deleted_nor_repeated_nor_swapped() {
    let lines = ledger(&[1, 3, 2, 1]);
    let last = lines.len() - 1;
    for at in 0..lines.len() {
        let seq = at as u64 + 1;
        let mut deleted = lines.clone();
        deleted.remove(at);
        // A chain alone can't show that its last batch was cut; a checkpoint can.
        if at < last {
            assert_eq!(verify(&deleted.concat()), Err((seq, "chain.sequence")));
        }
        let mut repeated = lines.clone();
        repeated.insert(at, lines[at].clone());
        assert_eq!(verify(&repeated.concat()), Err((seq + 1, "chain.sequence")));
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert_eq!(verify(&swapped.concat()), Err((seq, "chain.sequence")));
        }
    }
}

/// A line with the hash of its changed bytes.
fn forged(line: &[u8], from: &str, to: &str) -> Vec<u8> {
    let line = std::str::from_utf8(line).unwrap().replacen(from, to, 1);
    let covered = &line[..line.len() - 82];
    let hash = Digest::of(covered.as_bytes());
    format!("{covered},\"entry_hash\":\"{hash}\"}}\n").into_bytes()
}

#[test]
fn well_hashed_lines_are_still_checked_against_the_chain() {
    let lines = ledger(&[1, 2, 1]);
    let other = Digest::of(b"other").to_string();
    let hash_of_first = Line::decode(&lines[0][..lines[0].len() - 1])
        .unwrap()
        .entry_hash
        .to_string();
    for (at, from, to, expected) in [
        (0, "\"seq\":1", "\"seq\":2", (1, "chain.sequence")),
        (1, "\"seq\":2", "\"seq\":1", (2, "chain.sequence")),
        (1, hash_of_first.as_str(), other.as_str(), (2, "chain.link")),
        (1, "[1,2]", "[1,1]", (3, "chain.link")),
        (1, "[1,2]", "[2,2]", (2, "chain.batch")),
        (2, "[2,2]", "[1,2]", (3, "chain.batch")),
        (2, "[2,2]", "[2,3]", (3, "chain.batch")),
        (2, "[2,2]", "[1,1]", (3, "chain.batch")),
        (3, "[1,1]", "[1,2]", (5, "chain.batch")),
        (3, "00:00:03", "00:00:01", (4, "chain.time")),
        (3, "{\"n\":3}", "{\"n\":3.5}", (4, "line.data")),
        (3, "{\"v\":1", "{\"v\":2", (4, "line.version")),
    ] {
        let mut changed = lines.clone();
        changed[at] = forged(&lines[at], from, to);
        assert_eq!(
            verify(&changed.concat()),
            Err(expected),
            "{at}: {from} -> {to}"
        );
    }
}

#[test]
fn pushing_checks_the_hash_first() {
    let lines = ledger(&[1]);
    let text = String::from_utf8(lines[0].clone()).unwrap();
    let changed = text.trim_end().replace("\"seq\":1", "\"seq\":7");
    let line = Line::decode(changed.as_bytes()).unwrap();
    let error = ChainVerifier::new().push(&line).unwrap_err();
    assert_eq!((error.seq(), error.code()), (1, "chain.hash"));
}

/// The lines in two parts, the second of which is followed before the first is known.
fn in_parts(lines: &[Vec<u8>], cut: usize) -> Option<ChainVerifier> {
    let decode = |raw: &'_ Vec<u8>| raw[..raw.len() - 1].to_vec();
    let (first, second) = lines.split_at(cut);
    let mut verifier = ChainVerifier::new();
    for raw in first {
        verifier.read(&decode(raw)).ok()?;
    }
    let second: Vec<_> = second.iter().map(decode).collect();
    let lines: Vec<_> = second
        .iter()
        .map(|raw| Line::decode(raw).unwrap())
        .collect();
    let start = ChainVerifier::presuming(lines.first()?);
    let mut end = start.clone();
    for line in &lines {
        end.push_intact(line).ok()?;
    }
    let before = verifier.clone();
    let joined = verifier.join(&start, lines[0].timestamp, end);
    if !joined {
        assert_eq!(verifier.tip(), before.tip(), "nothing was taken");
    }
    joined.then_some(verifier)
}

#[test]
fn parts_that_were_followed_alone_join_to_the_same_chain() {
    let lines = ledger(&[1, 3, 2, 1, 4]);
    for length in 1..=lines.len() {
        let lines = &lines[..length];
        let mut whole = ChainVerifier::new();
        for raw in lines {
            whole.read(&raw[..raw.len() - 1]).unwrap();
        }
        for cut in 0..length {
            let joined = in_parts(lines, cut).unwrap();
            assert_eq!(joined.tip(), whole.tip());
            assert_eq!(joined.committed(), whole.committed());
            assert_eq!(joined.batch_complete(), whole.batch_complete());
        }
        // A line is missing between the two parts.
        for cut in 1..length {
            let mut gap = lines.to_vec();
            gap.remove(cut - 1);
            assert!(in_parts(&gap, cut - 1).is_none(), "{length} {cut}");
        }
    }
}

#[test]
fn a_part_of_an_earlier_time_or_another_batch_does_not_join() {
    let lines = ledger(&[2, 1]);
    let raw = &lines[1][..lines[1].len() - 1];
    let line = Line::decode(raw).unwrap();
    let start = ChainVerifier::presuming(&line);
    let mut end = start.clone();
    end.push_intact(&line).unwrap();
    let mut before = ChainVerifier::new();
    before.read(&lines[0][..lines[0].len() - 1]).unwrap();
    let earlier = Timestamp::from_micros(0).unwrap();
    let later = Timestamp::from_micros(1).unwrap();
    for (open, time, joins) in [
        (Some(BatchPosition { index: 1, count: 2 }), earlier, true),
        (Some(BatchPosition { index: 1, count: 2 }), later, false),
        (Some(BatchPosition { index: 1, count: 3 }), earlier, false),
        (None, earlier, false),
    ] {
        let mut chain = before.clone();
        chain.open = open;
        chain.tip.timestamp = Some(time);
        assert_eq!(chain.join(&start, earlier, end.clone()), joins);
    }
}
