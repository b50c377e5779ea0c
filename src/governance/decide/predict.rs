//! Recording a prediction. Specification, "Predictions".

use crate::governance::MAX_INTEGER;
use crate::governance::event::{Event, PredictionRecorded};
use crate::governance::kind::AuthorizationKind;
use crate::governance::policy::PredictionPolicy;
use crate::governance::prediction::{Prediction, PredictionVerdict};
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::time::Timestamp;

pub(super) fn record(
    state: &State,
    prediction: &Prediction,
    at: Timestamp,
) -> Result<Event, Rejection> {
    if prediction
        .duration_ms
        .is_some_and(|duration| duration > MAX_INTEGER)
    {
        return Err(Rejection::DurationTooLong);
    }
    let grant = state.authorizations().in_force(
        AuthorizationKind::Model,
        &prediction.model,
        &prediction.context,
        at,
    );
    let verdict = match (grant, state.policy().predictions) {
        (Some(grant), _) => PredictionVerdict::Granted(grant),
        (None, PredictionPolicy::Record) => PredictionVerdict::Unauthorized,
        (None, PredictionPolicy::Refuse) => return Err(Rejection::PredictionUnauthorized),
    };
    Ok(Event::PredictionRecorded(PredictionRecorded {
        prediction: prediction.clone(),
        verdict,
    }))
}
