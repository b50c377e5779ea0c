//! Whole ledgers: from bytes to a state.
//!
//! Almost every changed byte breaks a hash, and nothing behind the hashes would ever be reached. So
//! the bytes are read twice: as they are, and with the chain made good again, which is what a
//! forger would do.

use std::collections::BTreeMap;

use althing::chain::line::{Head, Line, NewEntry, encode_batch};
use althing::chain::lines::{Ending, LineReader};
use althing::governance::event::Recorded;
use althing::governance::invariant;
use althing::replay::{Replay, Replayed, Unchecked};
use sha2::{Digest as _, Sha256};

/// Any bytes are read or refused, and what is read is written as the same bytes.
pub fn run(bytes: &[u8]) -> bool {
    let as_it_is = read(bytes);
    let made_good = read(&with_good_hashes(bytes));
    as_it_is || made_good
}

fn read(bytes: &[u8]) -> bool {
    let Some((replayed, recorded)) = replay(bytes) else {
        return false;
    };
    assert_eq!(replayed.head.seq, recorded.len() as u64);
    assert_eq!(replayed.merkle.size(), replayed.head.seq);
    assert_eq!(replayed.state.entries(), replayed.head.seq);
    if let Err(violation) = invariant::check(&replayed.state) {
        panic!("{violation}");
    }
    assert_eq!(written(bytes, &recorded), bytes);
    // Once more, and nothing is different.
    let again = althing::replay::replay(bytes, &Unchecked).expect("it was read");
    assert_eq!(again.state.hash(), replayed.state.hash());
    true
}

fn replay(bytes: &[u8]) -> Option<(Replayed, Vec<Recorded>)> {
    let mut lines = LineReader::new(bytes);
    let mut replay = Replay::new(&Unchecked);
    let mut recorded = Vec::new();
    while let Some(line) = lines.next_line().ok()? {
        if line.ending != Ending::LineFeed {
            return None;
        }
        recorded.push(replay.entry(line.bytes).ok()?.0);
    }
    Some((replay.finish().ok()?, recorded))
}

/// The ledger written again from the events that were read.
fn written(bytes: &[u8], recorded: &[Recorded]) -> Vec<u8> {
    let lines = bytes.split(|byte| *byte == b'\n');
    let mut head = Head::GENESIS;
    let mut written = Vec::new();
    let mut batch = Vec::new();
    for (line, entry) in lines.zip(recorded) {
        batch.push(NewEntry {
            timestamp: entry.timestamp,
            operation: entry.event.operation().into(),
            data: entry.event.data().expect("it was read"),
        });
        if Line::decode(line).expect("it was read").batch.is_last() {
            let encoded = encode_batch(&head, &batch).expect("it was read");
            written.extend_from_slice(encoded.bytes());
            head = *encoded.head();
            batch.clear();
        }
    }
    written
}

/// The length of the two hashes at the end of a line.
const HASHES: usize = 160;

/// Chains the lines anew. Ballots and evidence name the hashes of entries, so an entry's new hash
/// takes the place of its old one in everything that follows.
pub fn with_good_hashes(bytes: &[u8]) -> Vec<u8> {
    let mut chained = Vec::with_capacity(bytes.len());
    let mut renamed: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut previous = "0".repeat(64).into_bytes();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let Some(content) = line.len().checked_sub(HASHES + 1) else {
            chained.extend_from_slice(line);
            continue;
        };
        let (content, hashes) = line.split_at(content);
        let mut content = content.to_vec();
        rename(&mut content, &renamed);
        content.extend_from_slice(b",\"prev_hash\":\"");
        content.extend_from_slice(&previous);
        content.push(b'"');
        previous = hex(&Sha256::digest(&content));
        renamed.insert(hashes[HASHES - 66..HASHES - 2].to_vec(), previous.clone());
        chained.extend_from_slice(&content);
        chained.extend_from_slice(b",\"entry_hash\":\"");
        chained.extend_from_slice(&previous);
        chained.extend_from_slice(b"\"}\n");
    }
    chained
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    (bytes.iter())
        .flat_map(|byte| format!("{byte:02x}").into_bytes())
        .collect()
}

/// Puts the new hash in the place of every old one that stands in quotes.
fn rename(content: &mut [u8], renamed: &BTreeMap<Vec<u8>, Vec<u8>>) {
    for at in 0..content.len() {
        if let Some([b'"', hash @ .., b'"']) = content.get_mut(at..at + 66)
            && let Some(new) = renamed.get(&*hash)
        {
            hash.copy_from_slice(new);
        }
    }
}
