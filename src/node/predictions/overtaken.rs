//! What others overtook, because the server that kept the turns is gone, is decided again on what they left.

use std::sync::Arc;

use super::{PreparedPrediction, PreparedPredictions, Recording};
use crate::chain::line::{EncodedBatch, Line};
use crate::governance::event::Event;
use crate::ledger::Ledger;
use crate::node::NodeError;

impl<L: Ledger> Recording<'_, L> {
    /// Decides what others have overtaken on what they left, and appends it.
    pub(super) fn record_again(
        &mut self,
        overtaken: &[Arc<EncodedBatch>],
    ) -> Result<(), NodeError> {
        let mut left = Vec::new();
        for batch in overtaken {
            left.extend(predictions_of(batch)?);
        }
        while !left.is_empty() {
            self.node.retake(self.turns.unwrap_or_default())?;
            self.head = *self.node.head();
            let mut next = left.into_iter();
            let at = self.time()?;
            let decided = self.node.decide_predictions(&mut next, at);
            if let Some(refused) = decided.refused {
                return Err(self.node.undo(refused));
            }
            let first = self.head.seq + 1;
            let batch = (self.node).encode_entries(&self.head, decided.entries, &[]);
            let batch = batch.map_err(|error| self.node.undo(error))?;
            match self.node.ledger.append(batch.previous(), &batch) {
                Ok(()) => {
                    self.head = *batch.head();
                    self.durable.extend((first..).zip(decided.verdicts));
                    left = next.collect();
                }
                Err(error) => {
                    let error = self.node.undo(error.into());
                    if !error.is_overtaken() {
                        return Err(error);
                    }
                    left = predictions_of(&batch)?.into_iter().chain(next).collect();
                }
            }
        }
        Ok(())
    }

    /// As [`settle`](Self::settle), and records again what was overtaken.
    pub(super) fn settle_or_again(&mut self) -> Result<(), NodeError> {
        match self.settle()? {
            Some(overtaken) => self.record_again(&[overtaken]),
            None => Ok(()),
        }
    }
}

/// The predictions in a batch. Nothing copies them before they are needed again.
fn predictions_of(batch: &EncodedBatch) -> Result<Vec<PreparedPrediction>, NodeError> {
    let unreadable = |error: &dyn ToString| NodeError::Event(error.to_string());
    let mut predictions = PreparedPredictions::default();
    let lines = batch.bytes().split(|byte| *byte == b'\n');
    for line in lines.filter(|line| !line.is_empty()) {
        let line = Line::decode(line).map_err(|error| unreadable(&error))?;
        let event = Event::decode_canonical(line.operation, line.data);
        match event.map_err(|error| unreadable(&error))? {
            Event::PredictionRecorded(recorded) => predictions.push(recorded.prediction)?,
            other => return Err(unreadable(&format!("{} is none", other.operation()))),
        }
    }
    Ok(predictions.into_iter().collect())
}
