//! A history as it can be rewritten: whoever can write a file can compute its hashes, too.

use crate::chain::line::{Head, Line, NewEntry, encode_batch};
use crate::governance::event::Event;
use crate::governance::key::SignatureVerifier;
use crate::governance::time::Timestamp;
use crate::replay::{ReplayError, Replayed, replay};

/// A history as batches of events with their times, to forge at will.
///
/// [`write`](Self::write) gives it right numbers, links and hashes, so that nothing but the rules
/// can tell a forgery from an honest ledger.
///
/// ```
/// use althing::testing::{Assembly, Book, StandInVerifier, actions};
///
/// let mut assembly = Assembly::of(&[1]);
/// assembly.pass([0], actions::authorize_model("triage"));
/// let mut book = Book::read(assembly.bytes());
/// assert_eq!(book.write(), assembly.bytes());
///
/// let before = book.leave_out("authorization_granted", 0) - 1;
/// let error = book.replay(&StandInVerifier).unwrap_err();
/// assert_eq!((error.code(), error.seq), ("replay.missing-consequence", before));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Book(pub Vec<Vec<(Timestamp, Event)>>);

impl Book {
    /// Reads an honest ledger.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let mut batches = vec![Vec::new()];
        for raw in bytes
            .split(|byte| *byte == b'\n')
            .filter(|raw| !raw.is_empty())
        {
            let line = Line::decode(raw).expect("a line");
            let event = Event::decode(line.operation, line.data).expect("an event");
            batches
                .last_mut()
                .expect("a batch")
                .push((line.timestamp, event));
            if line.batch.is_last() {
                batches.push(Vec::new());
            }
        }
        batches.pop();
        Self(batches)
    }

    /// The bytes of a ledger that says all this, with right numbers, links and hashes.
    ///
    /// # Panics
    /// Where an event can't be written, or a batch is empty.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut head = Head::GENESIS;
        let mut bytes = Vec::new();
        for batch in &self.0 {
            let entries: Vec<NewEntry> = (batch.iter())
                .map(|(timestamp, event)| NewEntry {
                    timestamp: *timestamp,
                    operation: event.operation().into(),
                    data: event.data().expect("writable"),
                })
                .collect();
            let encoded = encode_batch(&head, &entries).expect("a batch");
            bytes.extend_from_slice(encoded.bytes());
            head = *encoded.head();
        }
        bytes
    }

    /// Writes the book and replays it.
    ///
    /// # Errors
    /// [`ReplayError`] where the rules don't give this history.
    pub fn replay(&self, verifier: &dyn SignatureVerifier) -> Result<Replayed, ReplayError> {
        replay(self.write().as_slice(), verifier)
    }

    /// How many entries there are.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.entries_before(self.0.len())
    }

    /// How many entries stand in the batches before this one.
    #[must_use]
    pub fn entries_before(&self, batch: usize) -> u64 {
        self.0[..batch].iter().map(Vec::len).sum::<usize>() as u64
    }

    /// The number of an entry of this operation, counting them from `nth` 0.
    ///
    /// # Panics
    /// Where there are fewer.
    #[must_use]
    pub fn seq(&self, operation: &str, nth: usize) -> u64 {
        let operations = self.0.iter().flatten().enumerate();
        let found = operations
            .filter(|(_, (_, event))| event.operation() == operation)
            .nth(nth);
        found.expect("the history has one").0 as u64 + 1
    }

    /// Where an entry stands: its batch, and its place in it.
    ///
    /// # Panics
    /// Where there is no such entry.
    #[must_use]
    pub fn place(&self, seq: u64) -> (usize, usize) {
        let mut left = usize::try_from(seq).expect("small") - 1;
        for (batch, entries) in self.0.iter().enumerate() {
            if left < entries.len() {
                return (batch, left);
            }
            left -= entries.len();
        }
        panic!("there is no entry {seq}");
    }

    /// The event of an entry.
    ///
    /// # Panics
    /// Where there is no such entry.
    pub fn event(&mut self, seq: u64) -> &mut Event {
        let (batch, place) = self.place(seq);
        &mut self.0[batch][place].1
    }

    /// Changes the content of the `nth` entry of an operation, and gives its number.
    ///
    /// # Panics
    /// Where there is none.
    pub fn change(&mut self, operation: &str, nth: usize, change: impl FnOnce(&mut Event)) -> u64 {
        let seq = self.seq(operation, nth);
        change(self.event(seq));
        seq
    }

    /// Takes the `nth` entry of an operation out of its batch, and gives the number that it had.
    ///
    /// # Panics
    /// Where there is none.
    pub fn leave_out(&mut self, operation: &str, nth: usize) -> u64 {
        let seq = self.seq(operation, nth);
        let (batch, place) = self.place(seq);
        self.0[batch].remove(place);
        seq
    }

    /// Puts a batch of one event of the same time behind the batch of an entry, and gives the
    /// event's number.
    ///
    /// # Panics
    /// Where there is no such entry.
    pub fn insert_after(&mut self, seq: u64, event: Event) -> u64 {
        let (batch, _) = self.place(seq);
        let at = self.0[batch][0].0;
        let inserted = self.entries_before(batch + 1) + 1;
        self.0.insert(batch + 1, vec![(at, event)]);
        inserted
    }

    /// Puts an event at the end of the batch of an entry, and gives the event's number.
    ///
    /// # Panics
    /// Where there is no such entry.
    pub fn append_to(&mut self, seq: u64, event: Event) -> u64 {
        let (batch, _) = self.place(seq);
        let at = self.0[batch][0].0;
        self.0[batch].push((at, event));
        self.entries_before(batch + 1)
    }

    /// Puts a batch of one event at the end, and gives the event's number.
    pub fn append(&mut self, at: Timestamp, event: Event) -> u64 {
        self.0.push(vec![(at, event)]);
        self.last()
    }

    /// Ends a batch in front of an entry.
    ///
    /// # Panics
    /// Where there is no such entry.
    pub fn cut_before(&mut self, seq: u64) {
        let (batch, place) = self.place(seq);
        let rest = self.0[batch].split_off(place);
        self.0.insert(batch + 1, rest);
    }

    /// Where consequences stand: batch and place of every entry that followed from the first of its
    /// batch. (Fixtures put one command into a batch.)
    pub fn consequences(&self) -> impl Iterator<Item = (usize, usize)> {
        let batches = self.0.iter().enumerate().skip(1);
        batches.flat_map(|(batch, entries)| (1..entries.len()).map(move |place| (batch, place)))
    }
}
