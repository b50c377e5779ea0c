//! Predictions of each model, without reading all of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::documented::ReadProblems;
use super::entries::{intact, unreadable};
use super::views;
use crate::governance::event::Event;
use crate::governance::prediction::PredictionVerdict;
use crate::server::json::Shown;
use crate::server::look::{self, LOOKED_AT, Raw, Span};
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;
use crate::views::predictions::{OutsideGrant, PredictionsView};

/// How many predictions outside any grant are named.
const NAMED: usize = 50;

/// How many predictions there are of each model, and the last that were made outside any grant.
#[utoipa::path(
    get,
    path = "/v1/predictions/models",
    responses((status = 200, description = "Counts of the models that ever had a grant, of all others together, and up to 50 predictions outside any grant among the last 20,000 entries, newest first", body = views::Models), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn models(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let now = service.now()?;
    let reading = Arc::clone(&service);
    let view = service.read(move || view(&reading, &now)).await?;
    Ok(Shown(view).into_response())
}

pub(super) fn view(service: &Service, now: &Published) -> Result<PredictionsView, Problem> {
    let last = now.head.seq;
    let span = Span {
        first: last.saturating_sub(LOOKED_AT - 1).max(1),
        last,
    };
    let mut outside = Vec::new();
    let make = |_, raw: Raw<'_>| outside_of(raw.map_err(unreadable)?);
    let from = look::back(service.entries(), span, make, |it| {
        outside.push(it);
        outside.len() < NAMED
    })?;
    Ok(PredictionsView::of(&now.state, outside, from))
}

fn outside_of(raw: &[u8]) -> Result<Option<OutsideGrant>, Problem> {
    let line = intact(raw)?;
    if line.operation != "prediction_recorded" {
        return Ok(None);
    }
    let Ok(Event::PredictionRecorded(recorded)) = Event::decode(line.operation, line.data) else {
        return Ok(None);
    };
    let is_outside = recorded.verdict == PredictionVerdict::Unauthorized;
    Ok(is_outside.then(|| OutsideGrant {
        seq: line.seq,
        at: line.timestamp,
        model: recorded.prediction.model,
        model_version: recorded.prediction.model_version.to_string(),
    }))
}
