//! Recording a prediction. Specification, "Predictions".

use crate::governance::MAX_INTEGER;
use crate::governance::event::{Event, PredictionRecorded};
use crate::governance::id::Subject;
use crate::governance::kind::AuthorizationKind;
use crate::governance::policy::PredictionPolicy;
use crate::governance::prediction::{Prediction, PredictionVerdict};
use crate::governance::rejection::Rejection;
use crate::governance::scope::CheckContext;
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
    let verdict = verdict(state, &prediction.model, &prediction.context, at)?;
    Ok(Event::PredictionRecorded(PredictionRecorded {
        prediction: prediction.clone(),
        verdict,
    }))
}

/// Whether a prediction of `model` at `at` is made under a grant in force.
///
/// # Errors
/// [`Rejection::PredictionUnauthorized`] where it is not and the policy records no such prediction.
pub(crate) fn verdict(
    state: &State,
    model: &Subject,
    context: &CheckContext,
    at: Timestamp,
) -> Result<PredictionVerdict, Rejection> {
    let grants = state.authorizations();
    let grant = grants.in_force(AuthorizationKind::Model, model, context, at);
    match (grant, state.policy().predictions) {
        (Some(grant), _) => Ok(PredictionVerdict::Granted(grant)),
        (None, PredictionPolicy::Record) => Ok(PredictionVerdict::Unauthorized),
        (None, PredictionPolicy::Refuse) => Err(Rejection::PredictionUnauthorized),
    }
}
