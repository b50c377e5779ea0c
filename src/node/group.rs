//! Many commands in one durable write.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::{Node, NodeError, entry};
use crate::chain::line::{CheckedEntry, EncodedBatch, encode_checked};
use crate::governance::command::Command;
use crate::governance::decide::{Context, decide_in_place};
use crate::governance::event::{Event, Recorded};
use crate::governance::time::Timestamp;
use crate::ledger::{Ledger, Recovery};

/// How many bytes of events one durable write takes before it is closed: 4 MiB. The command that
/// reaches it is still part of it.
pub const MAX_GROUP_BYTES: usize = 4 << 20;

/// A command and the time that it is decided at.
#[derive(Debug, Clone)]
pub struct Request {
    /// The command.
    pub command: Command,
    /// Its time.
    pub at: When,
}

/// The time of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Exactly then; the rules refuse what lies before the head.
    At(Timestamp),
    /// Then by the machine's clock; never before the head (see [`Node::timestamp`]).
    Clock(Timestamp),
}

/// What became of one of several commands.
pub type Answer = Result<Vec<Recorded>, NodeError>;

/// What was decided and is not recorded yet.
#[derive(Default)]
pub(super) struct Decided {
    /// Which events follow from each command that was looked at.
    ranges: Vec<Range<usize>>,
    /// Why there are none, by command.
    errors: BTreeMap<usize, NodeError>,
    events: Vec<(Timestamp, Event)>,
    entries: Vec<CheckedEntry>,
    bytes: usize,
}

impl Decided {
    fn push(&mut self, at: Timestamp, event: Event) -> Result<(), NodeError> {
        let entry = entry(&event, at)?;
        self.bytes += entry.data_bytes();
        self.entries.push(entry);
        self.events.push((at, event));
        Ok(())
    }

    /// How many commands were looked at.
    pub(super) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether `next` belongs into another write. A checkpoint says what the state before it amounts
    /// to, and the hashes of what stands before it in the same write are not known yet.
    fn is_closed_to(&self, next: &Command) -> bool {
        let is_checkpoint = matches!(next, Command::RecordCheckpoint(_));
        self.bytes >= MAX_GROUP_BYTES || (is_checkpoint && !self.events.is_empty())
    }

    /// What became of each command, once `recorded` is acknowledged: all of it in order.
    fn answers(mut self, recorded: Vec<Recorded>) -> Vec<Answer> {
        let mut recorded = recorded.into_iter();
        let answer = |(index, range): (usize, Range<usize>)| match self.errors.remove(&index) {
            Some(error) => Err(error),
            None => Ok(recorded.by_ref().take(range.len()).collect()),
        };
        self.ranges.into_iter().enumerate().map(answer).collect()
    }
}

/// What only has to be acknowledged: the state is already where it leads to.
pub(super) struct Prepared {
    decided: Decided,
    recoveries: Vec<Recovery>,
    recorded: Vec<Recorded>,
    /// `None` where there is nothing to write.
    pub(super) batch: Option<Arc<EncodedBatch>>,
}

impl<L: Ledger> Node<L> {
    /// Decides commands one after the other, each on the state that those before it lead to, and
    /// appends what follows from them in one durable write. One that is refused does not affect the
    /// others.
    ///
    /// There are fewer answers than commands where the write is full before the last
    /// ([`MAX_GROUP_BYTES`]), or before a checkpoint, which only begins a write: the rest was not
    /// looked at.
    ///
    /// # Errors
    /// [`NodeError`] where nothing was acknowledged of any of them, refusals included: they were
    /// decided on a state that did not come to be.
    pub fn submit_each(&mut self, requests: &[Request]) -> Result<Vec<Answer>, NodeError> {
        self.submit_requests(requests, false)
    }

    /// As [`submit_each`](Self::submit_each), but looks at nothing behind the first command that is
    /// refused: its answer is the last.
    ///
    /// # Errors
    /// As [`submit_each`](Self::submit_each).
    pub fn submit_until_refused(&mut self, requests: &[Request]) -> Result<Vec<Answer>, NodeError> {
        self.submit_requests(requests, true)
    }

    fn submit_requests(
        &mut self,
        requests: &[Request],
        stops: bool,
    ) -> Result<Vec<Answer>, NodeError> {
        let prepared = self.prepare(requests, stops, Decided::default())?;
        if let Some(batch) = &prepared.batch {
            let appended = self.ledger.append(batch.previous(), batch);
            appended.map_err(|error| self.undo(error.into()))?;
        }
        Ok(self.confirm(prepared))
    }

    /// Decides commands and encodes what follows, so that only the write is left to do. `decided` holds
    /// what the first of them led to, if they were decided ahead.
    ///
    /// # Errors
    /// As [`submit_each`](Self::submit_each); the state is that of what is acknowledged then.
    pub(super) fn prepare(
        &mut self,
        requests: &[Request],
        stops: bool,
        decided: Decided,
    ) -> Result<Prepared, NodeError> {
        if self.out_of_step {
            return Err(NodeError::OutOfStep);
        }
        let recoveries = self.ledger.unrecorded_recoveries()?;
        let (mut decided, batch) = self.decide_writable(requests, stops, &recoveries, decided)?;
        let places = batch.iter().flat_map(EncodedBatch::entries);
        let recorded: Vec<Recorded> = places
            .zip(std::mem::take(&mut decided.events))
            .map(|(place, (timestamp, event))| Recorded {
                seq: place.seq,
                timestamp,
                hash: place.hash,
                event,
            })
            .collect();
        for entry in &recorded {
            self.merkle.push(&entry.hash);
        }
        self.state.settle(&recorded);
        Ok(Prepared {
            decided,
            recoveries,
            recorded,
            batch: batch.map(Arc::new),
        })
    }

    /// The answers, once the ledger has acknowledged the batch.
    pub(super) fn confirm(&mut self, prepared: Prepared) -> Vec<Answer> {
        if prepared.batch.is_some() {
            self.mark_recorded(&prepared.recoveries);
        }
        prepared.decided.answers(prepared.recorded)
    }

    /// Decides until all that is decided can be written. What can't be written is found only when
    /// the state holds it already, which is rare enough to start over without it.
    fn decide_writable(
        &mut self,
        requests: &[Request],
        stops: bool,
        recoveries: &[Recovery],
        mut decided: Decided,
    ) -> Result<(Decided, Option<EncodedBatch>), NodeError> {
        let mut unwritable = BTreeMap::new();
        loop {
            let outcome = self
                .decide_each(requests, stops, &unwritable, &mut decided)
                .and_then(|()| self.encode(&mut decided, recoveries));
            match outcome {
                Ok(batch) => {
                    decided.errors.append(&mut unwritable);
                    return Ok((decided, batch));
                }
                Err((command, error)) => {
                    self.go_back(None)?;
                    decided = Decided::default();
                    match command {
                        Some(index) => drop(unwritable.insert(index, error)),
                        None => return Err(error),
                    }
                }
            }
        }
    }

    /// Decides what of `requests` was not decided yet, before it is known whether what the state
    /// holds already is acknowledged. Where this fails, the state holds what can't be written.
    pub(super) fn decide_ahead(
        &mut self,
        requests: &[Request],
        decided: &mut Decided,
    ) -> Result<(), NodeError> {
        let decided = self.decide_each(requests, false, &BTreeMap::new(), decided);
        decided.map_err(|(_, error)| error)
    }

    fn decide_each(
        &mut self,
        requests: &[Request],
        stops: bool,
        unwritable: &BTreeMap<usize, NodeError>,
        decided: &mut Decided,
    ) -> Result<(), (Option<usize>, NodeError)> {
        for (index, request) in requests.iter().enumerate().skip(decided.len()) {
            if decided.is_closed_to(&request.command) {
                break;
            }
            let start = decided.events.len();
            let mut is_refused = unwritable.contains_key(&index);
            if !is_refused {
                match self.decide_at(&request.command, request.at) {
                    Ok((at, events)) => events
                        .into_iter()
                        .try_for_each(|event| decided.push(at, event))
                        .map_err(|error| (Some(index), error))?,
                    Err(error) => {
                        is_refused = true;
                        decided.errors.insert(index, error);
                    }
                }
            }
            decided.ranges.push(start..decided.events.len());
            if stops && is_refused {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn time_of(&self, when: When) -> Result<Timestamp, NodeError> {
        match when {
            When::At(at) => Ok(at),
            When::Clock(now) => self.timestamp(now),
        }
    }

    /// Decides one command; where it is refused, the state is as before.
    pub(super) fn decide_at(
        &mut self,
        command: &Command,
        when: When,
    ) -> Result<(Timestamp, Vec<Event>), NodeError> {
        let at = self.time_of(when)?;
        let verifier = self.verifier.as_ref();
        let context = Context { at, verifier };
        Ok((at, decide_in_place(&mut self.state, command, &context)?))
    }

    /// The batch of all that was decided, the record of recoveries last; `None` where there is
    /// nothing to write.
    fn encode(
        &mut self,
        decided: &mut Decided,
        recoveries: &[Recovery],
    ) -> Result<Option<EncodedBatch>, (Option<usize>, NodeError)> {
        if decided.entries.is_empty() {
            return Ok(None);
        }
        let records = self.decide_recoveries(recoveries);
        for (at, event) in records.map_err(|error| (None, error))? {
            decided.push(at, event).map_err(|error| (None, error))?;
        }
        encode_checked(self.head(), &decided.entries)
            .map(Some)
            .map_err(|error| {
                let entry = error.entry();
                let is_it =
                    |range: &Range<usize>| entry.is_some_and(|entry| range.contains(&entry));
                (decided.ranges.iter().position(is_it), error.into())
            })
    }
}
