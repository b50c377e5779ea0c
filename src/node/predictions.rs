//! Many predictions in one durable write, none of them copied.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::group::{MAX_GROUP_BYTES, When};
use super::{Node, NodeError, entry, recovery_command};
use crate::chain::line::{NewEntry, encode_batch};
use crate::governance::MAX_INTEGER;
use crate::governance::decide::record_in_place;
use crate::governance::prediction::{Prediction, PredictionVerdict};
use crate::governance::rejection::Rejection;
use crate::governance::time::Timestamp;
use crate::ledger::{Ledger, Recovery};

/// A prediction with its JSON, which any thread can write ahead of its turn.
#[derive(Debug, Clone)]
pub struct PreparedPrediction {
    prediction: Prediction,
    json: Box<RawValue>,
}

impl PreparedPrediction {
    /// Writes a prediction as JSON.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where its duration is above 2^53 − 1, which no line can hold.
    pub fn new(prediction: Prediction) -> Result<Self, NodeError> {
        if prediction.duration_ms.is_some_and(|it| it > MAX_INTEGER) {
            return Err(Rejection::DurationTooLong.into());
        }
        let json =
            to_raw_value(&prediction).map_err(|error| NodeError::Event(error.to_string()))?;
        // It holds of every prediction that there is, so only tests look.
        debug_assert_eq!(
            serde_json::from_str(json.get()).as_ref().ok(),
            Some(&prediction)
        );
        Ok(Self { prediction, json })
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

/// The content of the event, from parts that are written already.
#[derive(Serialize)]
struct Content<'a> {
    prediction: &'a RawValue,
    verdict: PredictionVerdict,
}

/// What is decided and not written yet.
#[derive(Default)]
struct Decided {
    verdicts: Vec<PredictionVerdict>,
    entries: Vec<NewEntry>,
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
        if self.out_of_step {
            return Err(NodeError::OutOfStep);
        }
        let recoveries = self.ledger.unrecorded_recoveries()?;
        let at = self.time_of(when)?;
        let decided = match self.decide_predictions(predictions, at) {
            Ok(decided) => decided,
            Err(error) => return Err(self.undo(error)),
        };
        if decided.entries.is_empty() {
            let refused = decided.refused;
            return Ok(RecordedPredictions {
                refused,
                ..RecordedPredictions::default()
            });
        }
        let first = self.head().seq + 1;
        if let Err(error) = self.append_entries(decided.entries, &recoveries) {
            return Err(self.undo(error));
        }
        Ok(RecordedPredictions {
            recorded: (first..).zip(decided.verdicts).collect(),
            refused: decided.refused,
        })
    }

    /// Leaves nothing of what was decided and not acknowledged.
    fn undo(&mut self, error: NodeError) -> NodeError {
        // Where that fails, too, the node knows that it lost step.
        let _ = self.go_back(None);
        error
    }

    fn decide_predictions(
        &mut self,
        predictions: &mut impl Iterator<Item = PreparedPrediction>,
        at: Timestamp,
    ) -> Result<Decided, NodeError> {
        let mut decided = Decided::default();
        let mut bytes = 0;
        while bytes < MAX_GROUP_BYTES {
            let Some(PreparedPrediction { prediction, json }) = predictions.next() else {
                break;
            };
            let verdict = match record_in_place(&mut self.state, &prediction, at) {
                Ok(verdict) => verdict,
                Err(rejection) => {
                    decided.refused = Some(rejection.into());
                    break;
                }
            };
            let content = to_raw_value(&Content {
                prediction: &json,
                verdict,
            });
            let data = content.map_err(|error| NodeError::Event(error.to_string()))?;
            bytes += data.get().len();
            decided.verdicts.push(verdict);
            decided.entries.push(NewEntry {
                timestamp: at,
                operation: "prediction_recorded".into(),
                data,
            });
        }
        Ok(decided)
    }

    /// Appends entries, and the record of recoveries behind them.
    fn append_entries(
        &mut self,
        mut entries: Vec<NewEntry>,
        recoveries: &[Recovery],
    ) -> Result<(), NodeError> {
        for recovery in recoveries {
            let when = When::At(self.state.clock());
            let (at, events) = self.decide_at(&recovery_command(recovery), when)?;
            for event in &events {
                entries.push(entry(event, at)?);
            }
        }
        let batch = encode_batch(self.head(), &entries)?;
        let head = *batch.previous();
        self.ledger.append(&head, &batch)?;
        for place in batch.entries() {
            self.merkle.push(&place.hash);
        }
        for recovery in recoveries {
            // One that can't be marked is recorded once more, which does no harm.
            let _ = self.ledger.mark_recorded(recovery);
        }
        Ok(())
    }
}
