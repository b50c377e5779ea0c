//! What every [`Ledger`] does alike, whatever it keeps its lines in: a suite for those who write one.

use serde_json::value::RawValue;

use crate::chain::line::{EncodedBatch, Head, NewEntry, encode_batch};
use crate::governance::time::Timestamp;
use crate::ledger::{Ledger, Written};

/// The `number`th line of a ledger that only a chain looks at.
///
/// # Panics
/// Where its time, so many seconds after the start of 1970, is no longer one.
#[must_use]
pub fn entry(number: u64) -> NewEntry {
    NewEntry {
        timestamp: Timestamp::from_micros(number * 1_000_000).unwrap(),
        operation: "vote_cast".into(),
        data: RawValue::from_string(format!("{{\"text\":\"é{number}\"}}")).unwrap(),
    }
}

/// A batch of `size` lines behind `head`, a second for each line since 1970. Its chain is good, and the
/// rules know nothing of it.
///
/// # Panics
/// Where `size` is 0.
#[must_use]
pub fn batch(head: &Head, size: u64) -> EncodedBatch {
    let entries: Vec<_> = (1..=size).map(|index| entry(head.seq + index)).collect();
    encode_batch(head, &entries).unwrap()
}

/// The bytes of batches of the given sizes, one entry for each batch.
#[must_use]
pub fn batches(sizes: &[u64]) -> Vec<Vec<u8>> {
    let mut head = Head::GENESIS;
    let bytes_of = |size: &u64| {
        let batch = batch(&head, *size);
        head = *batch.head();
        batch.bytes().to_vec()
    };
    sizes.iter().map(bytes_of).collect()
}

/// Appends batches of the given sizes.
///
/// # Panics
/// Where the ledger does not take one.
pub fn fill(ledger: &mut impl Ledger, sizes: &[u64]) {
    for size in sizes {
        let head = *ledger.head();
        ledger.append(&head, &batch(&head, *size)).unwrap();
    }
}

/// All bytes of a ledger.
///
/// # Panics
/// Where it can't be read.
#[must_use]
pub fn contents(ledger: &impl Ledger) -> Vec<u8> {
    let mut bytes = Vec::new();
    ledger.reader().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// Holds ledgers to the trait. `make` gives a new, empty one each time.
///
/// # Panics
/// Where one does something else.
pub fn suite<L: Ledger>(mut make: impl FnMut() -> L) {
    starts_empty(make());
    keeps_what_is_appended(make());
    appends_in_two_halves(make());
    refuses_a_moved_head(make());
    refuses_a_batch_that_continues_another_head(make());
    refuses_a_batch_before_its_head(make());
    goes_on_after_others_had_their_turn(make());
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

fn appends_in_two_halves(mut ledger: impl Ledger) {
    fill(&mut ledger, &[1]);
    let head = *ledger.head();
    let next = batch(&head, 2);
    let writing = ledger.begin(&head, next.clone().into()).unwrap();
    ledger.end(writing.run()).unwrap();
    assert_eq!(ledger.head(), next.head());
    assert_eq!(contents(&ledger), batches(&[1, 2]).concat());

    // Nobody says of a write that was never begun that it is done.
    let before = (*ledger.head(), contents(&ledger));
    drop(ledger.end(Written::of(Ok(()))));
    assert_eq!((*ledger.head(), contents(&ledger)), before);
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

fn goes_on_after_others_had_their_turn(mut ledger: impl Ledger) {
    fill(&mut ledger, &[2]);
    ledger.release();
    let appended = ledger.resume(crate::ledger::Wait::No).unwrap();
    assert!(appended.is_none(), "nobody else wrote");
    drop(appended);
    fill(&mut ledger, &[1]);
    assert_eq!(contents(&ledger), batches(&[2, 1]).concat());
}
