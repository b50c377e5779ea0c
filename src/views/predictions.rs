//! Predictions of each model, and the last that were made outside any grant.

use serde::Serialize;

use super::View;
use crate::governance::id::Subject;
use crate::governance::state::State;
use crate::governance::state::prediction::PredictionCount;
use crate::governance::time::Timestamp;

/// How many predictions were recorded of one model.
#[derive(Debug, Clone, Serialize)]
pub struct ModelCount {
    /// The model.
    pub model: Subject,
    /// How many.
    #[serde(flatten)]
    pub count: PredictionCount,
}

/// A prediction that was made without a grant in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutsideGrant {
    /// Its entry.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The model.
    pub model: Subject,
    /// The model's version.
    pub model_version: String,
}

/// What is known of predictions without reading all of them.
#[derive(Debug, Clone, Serialize)]
pub struct PredictionsView {
    /// The last entry that the counts know of.
    pub entries: u64,
    /// The models that ever had a grant, by name, with their predictions since the first one.
    pub models: Vec<ModelCount>,
    /// All other predictions: of models that had no grant until then.
    pub others: PredictionCount,
    /// The last predictions that were made outside any grant, the newest first.
    pub outside: Vec<OutsideGrant>,
    /// The entries from this one on were looked through for `outside`.
    pub looked_from: u64,
}

impl PredictionsView {
    /// The counts of a state, and what was found from `looked_from` on.
    #[must_use]
    pub fn of(state: &State, outside: Vec<OutsideGrant>, looked_from: u64) -> Self {
        let models = state.predictions().models();
        Self {
            entries: state.entries(),
            models: models
                .map(|(model, count)| ModelCount {
                    model: model.clone(),
                    count: *count,
                })
                .collect(),
            others: *state.predictions().others(),
            outside,
            looked_from,
        }
    }
}

impl View for PredictionsView {
    const SCHEMA: &'static str = "althing.models/1";
}
