//! Many predictions in one durable write, none of them copied, and the next while it is written.

#![allow(clippy::disallowed_methods, reason = "a write has a thread of its own")]

mod overtaken;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::group::{MAX_GROUP_BYTES, When};
use super::{Node, NodeError, entry};
use crate::chain::line::{CheckedEntry, Data, EncodedBatch, Head, encode_checked};
use crate::governance::MAX_INTEGER;
use crate::governance::canonical::{self, Numbers};
use crate::governance::decide::record_in_place;
use crate::governance::id::Subject;
use crate::governance::prediction::{Prediction, PredictionVerdict};
use crate::governance::rejection::Rejection;
use crate::governance::scope::CheckContext;
use crate::governance::time::Timestamp;
use crate::ledger::{AppendError, Ledger, Recovery, Wait, Written};

/// A prediction as it is written, but for the verdict, which any thread can prepare ahead of its turn.
#[derive(Debug, Clone)]
pub struct PreparedPrediction {
    question: Arc<Question>,
    /// The event's content up to the verdict, in a text that holds those of its neighbours, too.
    text: Arc<String>,
    range: Range<usize>,
}

/// What the verdict depends on. Neighbours mostly share it.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    model: Subject,
    context: CheckContext,
}

/// Predictions that are prepared together: one allocation is for the texts of all.
#[derive(Debug, Default)]
pub struct PreparedPredictions {
    text: String,
    each: Vec<(Arc<Question>, Range<usize>)>,
    /// The last of them alone, as it was written.
    written: Vec<u8>,
}

const OPENING: &str = "{\"prediction\":";
const VERDICT: &str = ",\"verdict\":\"";
const CLOSING: &str = "\"}";

/// A prediction mostly takes less.
const USUAL_BYTES: usize = 448;

impl PreparedPredictions {
    /// None yet, with room for so many of the usual length.
    #[must_use]
    pub fn with_capacity(count: usize) -> Self {
        Self {
            text: String::with_capacity(count.saturating_mul(USUAL_BYTES)),
            each: Vec::with_capacity(count),
            written: Vec::with_capacity(USUAL_BYTES),
        }
    }

    /// Writes a prediction as canonical JSON, behind the others.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where its duration is above 2^53 − 1, which no line can hold. The others
    /// are left as they are.
    pub fn push(&mut self, prediction: Prediction) -> Result<(), NodeError> {
        if prediction.duration_ms.is_some_and(|it| it > MAX_INTEGER) {
            return Err(Rejection::DurationTooLong.into());
        }
        let start = self.text.len();
        self.write(&prediction)?;
        let question = Question {
            model: prediction.model,
            context: prediction.context,
        };
        let question = match self.each.last() {
            Some((last, _)) if **last == question => Arc::clone(last),
            _ => Arc::new(question),
        };
        self.each.push((question, start..self.text.len()));
        Ok(())
    }

    fn write(&mut self, prediction: &Prediction) -> Result<(), NodeError> {
        let unwritable = |error: &dyn ToString| NodeError::Event(error.to_string());
        self.written.clear();
        serde_json::to_writer(&mut self.written, prediction).map_err(|error| unwritable(&error))?;
        let written = std::str::from_utf8(&self.written).map_err(|error| unwritable(&error))?;
        canonical::check(written, Numbers::Any).map_err(|error| unwritable(&error))?;
        // It holds of every prediction that there is, so only tests look.
        debug_assert_eq!(
            serde_json::from_str(written).as_ref().ok(),
            Some(prediction)
        );
        for piece in [OPENING, written, VERDICT] {
            self.text.push_str(piece);
        }
        Ok(())
    }
}

/// In the order in which they were pushed.
impl IntoIterator for PreparedPredictions {
    type Item = PreparedPrediction;
    type IntoIter = PreparedIntoIter;

    fn into_iter(self) -> Self::IntoIter {
        PreparedIntoIter {
            text: Arc::new(self.text),
            each: self.each.into_iter(),
        }
    }
}

/// The predictions of a [`PreparedPredictions`].
#[derive(Debug)]
pub struct PreparedIntoIter {
    text: Arc<String>,
    each: std::vec::IntoIter<(Arc<Question>, Range<usize>)>,
}

impl Iterator for PreparedIntoIter {
    type Item = PreparedPrediction;

    fn next(&mut self) -> Option<PreparedPrediction> {
        let (question, range) = self.each.next()?;
        Some(PreparedPrediction {
            question,
            text: Arc::clone(&self.text),
            range,
        })
    }
}

impl PreparedPrediction {
    fn entry(self, end: &Arc<str>, at: Timestamp) -> CheckedEntry {
        let data = Data::Shared {
            text: self.text,
            range: self.range,
            end: Arc::clone(end),
        };
        CheckedEntry::of_canonical(at, "prediction_recorded", data)
    }
}

/// What became of predictions that were recorded together.
#[derive(Debug, Default)]
pub struct RecordedPredictions {
    /// The entry's number and the verdict of each, in order: these are durable.
    pub recorded: Vec<(u64, PredictionVerdict)>,
    /// Why the one behind them was refused; nothing behind it was looked at.
    pub refused: Option<NodeError>,
}

/// A question and its answer.
struct Answered {
    question: Arc<Question>,
    verdict: PredictionVerdict,
    /// The verdict as it ends an event.
    end: Arc<str>,
}

/// What is decided and not written yet.
#[derive(Default)]
struct Decided {
    verdicts: Vec<PredictionVerdict>,
    entries: Vec<CheckedEntry>,
    refused: Option<NodeError>,
}

impl<L: Ledger> Node<L> {
    /// Decides predictions one after the other, all at the same time, and appends them in one durable
    /// write. Stops behind the first that is refused, and where the write is full
    /// ([`MAX_GROUP_BYTES`]): what `predictions` then still holds was not looked at.
    ///
    /// # Errors
    /// [`NodeError`] where nothing was acknowledged of any of them.
    pub fn record_predictions(
        &mut self,
        predictions: &mut impl Iterator<Item = PreparedPrediction>,
        when: When,
    ) -> Result<RecordedPredictions, NodeError> {
        let mut recording = self.record_ahead();
        let mut done = recording.record(predictions, when)?;
        done.recorded.extend(recording.finish()?);
        Ok(done)
    }

    /// Records predictions write after write, the next decided while the last is written. The node is
    /// its own again once all of that is durable.
    pub fn record_ahead(&mut self) -> Recording<'_, L> {
        self.recording(None)
    }

    /// As [`record_ahead`](Self::record_ahead), where others may append in between after all, because the
    /// server that kept the turns is gone: then what they overtook is decided again on what they left,
    /// in the same order. `wait` is how long they are waited for.
    pub fn record_in_turn(&mut self, wait: Wait) -> Recording<'_, L> {
        self.recording(Some(wait))
    }

    fn recording(&mut self, turns: Option<Wait>) -> Recording<'_, L> {
        Recording {
            head: *self.head(),
            node: self,
            under_way: None,
            durable: Vec::new(),
            turns,
            when: None,
        }
    }

    fn decide_predictions(
        &mut self,
        predictions: &mut impl Iterator<Item = PreparedPrediction>,
        at: Timestamp,
    ) -> Decided {
        let mut decided = Decided::default();
        let mut bytes = 0;
        // Neighbours mostly ask the same; nothing that is decided here changes the answer.
        let mut last: Option<Answered> = None;
        while bytes < MAX_GROUP_BYTES {
            let Some(prediction) = predictions.next() else {
                break;
            };
            let question = &prediction.question;
            let known = last.take().filter(|it| it.question == *question);
            let answered = match known {
                Some(answered) => {
                    let seq = self.state.entries() + 1;
                    let model = &question.model;
                    (self.state).apply_prediction(seq, at, model, &answered.verdict);
                    answered
                }
                None => {
                    let Question { model, context } = &**question;
                    match record_in_place(&mut self.state, model, context, at) {
                        Ok(verdict) => Answered {
                            question: Arc::clone(question),
                            verdict,
                            end: format!("{verdict}{CLOSING}").into(),
                        },
                        Err(rejection) => {
                            decided.refused = Some(rejection.into());
                            break;
                        }
                    }
                }
            };
            let entry = prediction.entry(&answered.end, at);
            bytes += entry.data_bytes();
            decided.verdicts.push(answered.verdict);
            decided.entries.push(entry);
            last = Some(answered);
        }
        decided
    }

    /// Encodes entries, and the record of recoveries behind them, as what follows `head`.
    fn encode_entries(
        &mut self,
        head: &Head,
        mut entries: Vec<CheckedEntry>,
        recoveries: &[Recovery],
    ) -> Result<EncodedBatch, NodeError> {
        for (at, event) in self.decide_recoveries(recoveries)? {
            entries.push(entry(&event, at)?);
        }
        let batch = encode_checked(head, &entries)?;
        for place in batch.entries() {
            self.merkle.push(&place.hash);
        }
        Ok(batch)
    }
}

/// A node that records predictions: while one write is under way, the next is decided on what it leads
/// to. Nothing is reported, and nothing more is written, before it is durable.
pub struct Recording<'n, L: Ledger> {
    node: &'n mut Node<L>,
    /// The head behind the write that is under way.
    head: Head,
    under_way: Option<UnderWay>,
    /// What is durable and was not reported yet.
    durable: Vec<(u64, PredictionVerdict)>,
    /// How long to wait for others that append in between; `None` where nobody does.
    turns: Option<Wait>,
    /// When the last were to be decided.
    when: Option<When>,
}

struct UnderWay {
    writer: JoinHandle<Written>,
    batch: Arc<EncodedBatch>,
    recorded: Vec<(u64, PredictionVerdict)>,
    recoveries: Vec<Recovery>,
}

impl<L: Ledger> std::fmt::Debug for Recording<'_, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

impl<L: Ledger> Recording<'_, L> {
    /// Decides predictions as [`Node::record_predictions`] does, and begins to write them once the last
    /// write is durable. Returns what became durable since the last call, all of it where one is refused.
    ///
    /// # Errors
    /// [`NodeError`] where nothing will be acknowledged of them, or of the write before them. What is
    /// durable all the same, [`finish`](Self::finish) returns.
    pub fn record(
        &mut self,
        predictions: &mut impl Iterator<Item = PreparedPrediction>,
        when: When,
    ) -> Result<RecordedPredictions, NodeError> {
        if self.under_way.is_none() && self.node.out_of_step {
            return Err(NodeError::OutOfStep);
        }
        // Those of the write under way are not marked yet, and others don't come up.
        let recoveries = match self.under_way {
            Some(_) => Vec::new(),
            None => self.node.ledger.unrecorded_recoveries()?,
        };
        self.when = Some(when);
        let at = self.time()?;
        let decided = self.node.decide_predictions(predictions, at);
        if !decided.entries.is_empty() {
            self.write(decided.entries, decided.verdicts, recoveries)?;
        }
        if decided.refused.is_some() {
            self.settle_or_again()?;
        }
        Ok(RecordedPredictions {
            recorded: std::mem::take(&mut self.durable),
            refused: decided.refused,
        })
    }

    /// Waits until everything is durable, and returns what was not reported yet.
    ///
    /// # Errors
    /// [`NodeError`] where the last write failed: nothing was acknowledged of it.
    pub fn finish(mut self) -> Result<Vec<(u64, PredictionVerdict)>, NodeError> {
        self.settle_or_again()?;
        Ok(std::mem::take(&mut self.durable))
    }

    fn time(&self) -> Result<Timestamp, NodeError> {
        let earliest = When::At(self.node.state.clock());
        self.node.time_of(self.when.unwrap_or(earliest))
    }

    /// Begins the next write when the last is durable.
    fn write(
        &mut self,
        entries: Vec<CheckedEntry>,
        verdicts: Vec<PredictionVerdict>,
        recoveries: Vec<Recovery>,
    ) -> Result<(), NodeError> {
        let first = self.head.seq + 1;
        let batch = (self.node).encode_entries(&self.head, entries, &recoveries);
        let batch = batch.map(Arc::new);
        if let Some(overtaken) = self.settle()? {
            let batch = batch.map_err(|error| self.node.undo(error))?;
            return self.record_again(&[overtaken, batch]);
        }
        let begun = batch.and_then(|batch| Ok((self.begin(Arc::clone(&batch))?, batch)));
        let (writer, batch) = begun.map_err(|error| self.node.undo(error))?;
        self.under_way = Some(UnderWay {
            writer,
            batch,
            recorded: (first..).zip(verdicts).collect(),
            recoveries,
        });
        Ok(())
    }

    fn begin(&mut self, batch: Arc<EncodedBatch>) -> Result<JoinHandle<Written>, NodeError> {
        let (previous, head) = (*batch.previous(), *batch.head());
        let writing = self.node.ledger.begin(&previous, batch)?;
        let writer = thread::Builder::new().name("althing-writer".into());
        let writer = writer.spawn(|| writing.run())?;
        self.head = head;
        // Until the end, whatever becomes of this.
        self.node.out_of_step = true;
        Ok(writer)
    }

    /// Waits for the write that is under way. Returns it where others have overtaken it and take turns.
    fn settle(&mut self) -> Result<Option<Arc<EncodedBatch>>, NodeError> {
        let Some(under_way) = self.under_way.take() else {
            return Ok(None);
        };
        let written = under_way.writer.join().unwrap_or_else(|_| {
            let error = io::Error::other("the thread that was writing ended in a panic");
            Written::of(Err(AppendError::DurabilityUnknown(error)))
        });
        if let Err(error) = self.node.ledger.end(written) {
            self.head = *self.node.head();
            let error = self.node.undo(error.into());
            if error.is_overtaken() && self.turns.is_some() {
                return Ok(Some(under_way.batch));
            }
            return Err(error);
        }
        self.node.out_of_step = false;
        self.node.mark_recorded(&under_way.recoveries);
        self.durable.extend(under_way.recorded);
        Ok(None)
    }
}

impl<L: Ledger> Drop for Recording<'_, L> {
    /// The state must not show what is not durable.
    fn drop(&mut self) {
        let _ = self.settle();
    }
}
