//! Counts of predictions. Memory grows with models that ever had a grant, never with predictions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::governance::id::Subject;
use crate::governance::prediction::PredictionVerdict;

/// How many predictions were recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Predictions {
    /// Models that ever had a grant.
    models: Arc<BTreeMap<Subject, PredictionCount>>,
    /// All other models together.
    others: PredictionCount,
}

/// How many predictions were recorded with and without a grant in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionCount {
    /// Made under a grant in force.
    pub authorized: u64,
    /// Made without one.
    pub unauthorized: u64,
}

impl PredictionCount {
    /// The last of its unsigned sums saturates: it could only be reached after 2^64 entries.
    fn count(&mut self, verdict: &PredictionVerdict) {
        let counter = match verdict {
            PredictionVerdict::Granted(_) => &mut self.authorized,
            PredictionVerdict::Unauthorized => &mut self.unauthorized,
        };
        *counter = counter.saturating_add(1);
    }
}

impl Predictions {
    /// The count of a model that ever had a grant.
    #[must_use]
    pub fn of(&self, model: &Subject) -> Option<&PredictionCount> {
        self.models.get(model)
    }

    /// The models that ever had a grant, with their counts.
    pub fn models(&self) -> impl Iterator<Item = (&Subject, &PredictionCount)> {
        self.models.iter()
    }

    /// The count of all other models together.
    #[must_use]
    pub const fn others(&self) -> &PredictionCount {
        &self.others
    }

    /// Counts as they were read from a snapshot.
    pub(super) fn restored(
        models: BTreeMap<Subject, PredictionCount>,
        others: PredictionCount,
    ) -> Self {
        Self {
            models: Arc::new(models),
            others,
        }
    }

    pub(in crate::governance) fn note_grant(&mut self, model: &Subject) {
        if !self.models.contains_key(model) {
            let models = Arc::make_mut(&mut self.models);
            models.insert(model.clone(), PredictionCount::default());
        }
    }

    pub(in crate::governance) fn record(&mut self, model: &Subject, verdict: &PredictionVerdict) {
        if !self.models.contains_key(model) {
            self.others.count(verdict);
            return;
        }
        if let Some(count) = Arc::make_mut(&mut self.models).get_mut(model) {
            count.count(verdict);
        }
    }
}
