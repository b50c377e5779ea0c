//! Which predictions were recorded under which idempotency key.
//!
//! The key stands in the ledger, as the prediction's request id: so what is recorded and what is known of it
//! are one durable write, and a server that was killed knows after its restart exactly what it had recorded.
//! Only the newest are remembered.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use crate::chain::line::Line;
use crate::governance::digest::Digest;
use crate::governance::event::{Event, PredictionRecorded};
use crate::governance::prediction::{Prediction, PredictionVerdict};
use crate::ledger::Entries;

/// How many of the newest entries are looked through for keys, and how many keys are remembered.
pub(super) const WINDOW: u64 = 1 << 16;

/// A prediction that was recorded under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Its entry.
    pub(super) seq: u64,
    /// What was recorded.
    pub(super) digest: Digest,
    /// What the rules found.
    pub(super) verdict: PredictionVerdict,
}

/// The newest keys.
#[derive(Debug, Default)]
pub(super) struct EntryKeys {
    known: BTreeMap<String, Known>,
    order: VecDeque<String>,
}

impl EntryKeys {
    pub(super) fn get(&self, key: &str) -> Option<Known> {
        self.known.get(key).copied()
    }

    /// Remembers a prediction, unless its key is known.
    pub(super) fn learn(&mut self, recorded: &PredictionRecorded, seq: u64) {
        let PredictionRecorded {
            prediction,
            verdict,
        } = recorded;
        let Some(key) = &prediction.request_id else {
            return;
        };
        let key = key.as_str();
        if self.known.contains_key(key) {
            return;
        }
        let known = Known {
            seq,
            digest: digest(prediction),
            verdict: *verdict,
        };
        self.known.insert(key.to_owned(), known);
        self.order.push_back(key.to_owned());
        if self.order.len() as u64 > WINDOW
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Learns what the entries behind `after` say, up to `last`; of many only the newest.
    ///
    /// # Errors
    /// Where they can't be read.
    pub(super) fn read(&mut self, entries: &Entries, after: u64, last: u64) -> io::Result<()> {
        let first = (after + 1).max((last + 1).saturating_sub(WINDOW)).max(1);
        for line in entries.range(first, last)? {
            let line = line?;
            let Ok(line) = Line::decode(&line) else {
                continue;
            };
            if let Ok(Event::PredictionRecorded(recorded)) =
                Event::decode(line.operation, line.data)
            {
                self.learn(&recorded, line.seq);
            }
        }
        Ok(())
    }
}

/// Two predictions are the same where this is.
pub(super) fn digest(prediction: &Prediction) -> Digest {
    // A prediction that can't be written as JSON is not recorded either.
    Digest::of(&serde_json::to_vec(prediction).unwrap_or_default())
}
