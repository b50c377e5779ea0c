//! Recording predictions.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::documented::WriteProblems;
use crate::governance::command::Command;
use crate::governance::event::Event;
use crate::governance::label::Label;
use crate::governance::prediction::Prediction;
use crate::node::NodeError;
use crate::node::reported::{ReportError, ReportedPrediction};
use crate::server::access::Client;
use crate::server::json::JsonBody;
use crate::server::limits::Limits;
use crate::server::problem::Problem;
use crate::server::service::Service;
use crate::server::writer::{Done, Wanted};

/// The header with which a prediction is recorded once, however often it is sent.
pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A prediction as it is sent. Either `input` or `input_digest` is given.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct SentPrediction {
    /// The model, a DID or URN.
    model: String,
    model_version: String,
    /// The input, which is hashed and not kept.
    input: Option<serde_json::Value>,
    /// SHA-256 of the input, in hexadecimal.
    input_digest: Option<String>,
    /// Names and numbers.
    output_summary: Option<serde_json::Value>,
    /// Names and texts, for grants that are limited to some.
    context: Option<serde_json::Value>,
    duration_ms: Option<u64>,
    /// Who reports; the token's name where it is left out.
    recorder: Option<String>,
    request_id: Option<String>,
    /// Kept as a keyed hash.
    user_id: Option<String>,
}

/// One prediction, or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) enum SentPredictions {
    One(Box<SentPrediction>),
    Several {
        /// At most 1000.
        predictions: Vec<SentPrediction>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch<'a> {
    #[serde(borrow)]
    predictions: Vec<&'a RawValue>,
}

/// What became of one prediction.
#[derive(Serialize, ToSchema)]
pub(super) struct Outcome {
    /// Its entry; none where the policy refuses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<u64>,
    /// The grant in force, or `unauthorized`.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<String>,
    /// Whether it was recorded before, under the same idempotency key.
    replayed: bool,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// What became of all predictions of a request, in their order.
#[derive(Serialize, ToSchema)]
pub(super) struct Recorded {
    /// `althing.predictions/1`.
    schema: &'static str,
    recorded: usize,
    replayed: usize,
    refused: usize,
    results: Vec<Outcome>,
}

/// Records predictions. They are durable when this is answered.
#[utoipa::path(
    post,
    path = "/v1/predictions",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same prediction under the same key is recorded once. Kept as its request id.")),
    request_body = SentPredictions,
    responses(
        (status = 201, description = "At least one of them was recorded", body = Recorded),
        (status = 200, description = "All of them were recorded before, or are refused; a single refused one is a problem", body = Recorded),
        WriteProblems
    ),
    security(("bearer" = []))
)]
pub(super) async fn record(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let key = headers.get(KEY).map(key_of).transpose()?;
    let text = body.text()?;
    let (sent, is_batch) = parts(text)?;
    let mut wanted = Vec::with_capacity(sent.len());
    for (index, json) in sent.into_iter().enumerate() {
        let place = is_batch.then_some(index);
        let mut prediction = prediction(&service, json, place)?;
        if prediction.recorder.is_none() {
            prediction.recorder = client.name.clone();
        }
        if let Some(key) = &key {
            take_key(&mut prediction, key, place)?;
        }
        wanted.push(Wanted {
            command: Command::RecordPrediction(prediction),
            is_keyed: key.is_some(),
        });
    }
    let answers = service.write(wanted, body.room).await?;
    let mut results = Vec::with_capacity(answers.len());
    for answer in answers {
        results.push(outcome(answer.as_ref())?);
    }
    answer(results, is_batch)
}

pub(super) fn key_of(value: &HeaderValue) -> Result<String, Problem> {
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.parse::<Label>().is_ok());
    text.map(str::to_owned).ok_or_else(|| {
        let message = "Idempotency-Key: expected printable text, as a request id";
        Problem::bad_request("idempotency.key", message)
    })
}

/// The predictions of a body, and whether they came as several.
fn parts(text: &str) -> Result<(Vec<&str>, bool), Problem> {
    let is_batch = serde_json::from_str::<Batch<'_>>(text);
    match is_batch {
        Ok(batch) if batch.predictions.is_empty() || batch.predictions.len() > Limits::BATCH => {
            let found = batch.predictions.len();
            let message = format!("expected 1 to {} predictions, found {found}", Limits::BATCH);
            Err(unprocessable("prediction.batch", message))
        }
        Ok(batch) => Ok((batch.predictions.iter().map(|it| it.get()).collect(), true)),
        Err(error) if error.is_syntax() || error.is_eof() => {
            Err(Problem::bad_request("body.malformed", error.to_string()))
        }
        // Whatever it is, it is not several.
        Err(_) => Ok((vec![text], false)),
    }
}

fn unprocessable(code: &'static str, message: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

fn malformed(place: Option<usize>, problem: &str) -> Problem {
    let place = place.map_or_else(String::new, |index| format!("predictions[{index}]: "));
    unprocessable("prediction.malformed", format!("{place}{problem}"))
}

fn prediction(service: &Service, json: &str, place: Option<usize>) -> Result<Prediction, Problem> {
    let reported: ReportedPrediction<'_> =
        serde_json::from_str(json).map_err(|error| malformed(place, &error.to_string()))?;
    service
        .intake()
        .take(reported)
        .map_err(|error| match error {
            ReportError::Malformed(problem) => malformed(place, &problem),
            ReportError::Secret(error) => Problem::internal(error.code(), &error),
        })
}

/// Puts the key into the prediction, so that it is recorded with it.
fn take_key(prediction: &mut Prediction, key: &str, place: Option<usize>) -> Result<(), Problem> {
    let key = place.map_or_else(|| key.to_owned(), |index| format!("{key}#{index}"));
    match &prediction.request_id {
        Some(given) if given.as_str() != key => {
            let message = format!(
                "with an Idempotency-Key, expected the request_id {key:?} or none, found {:?}",
                given.as_str()
            );
            return Err(unprocessable("idempotency.request-id", message));
        }
        Some(_) => {}
        None => {
            let label = key.parse::<Label>();
            prediction.request_id =
                Some(label.map_err(|error| malformed(place, &error.to_string()))?);
        }
    }
    Ok(())
}

fn outcome(answer: Result<&Done, &Arc<NodeError>>) -> Result<Outcome, Problem> {
    let none = Outcome {
        entry: None,
        verdict: None,
        replayed: false,
        problem: None,
    };
    Ok(match answer {
        Ok(Done::Decided(recorded)) => Outcome {
            entry: recorded.first().map(|entry| entry.seq),
            verdict: recorded.first().and_then(|entry| verdict(&entry.event)),
            ..none
        },
        Ok(Done::Before(known)) => Outcome {
            entry: Some(known.seq),
            verdict: Some(known.verdict.to_string()),
            replayed: true,
            ..none
        },
        Ok(Done::KeyTaken(seq)) => Outcome {
            problem: Some(key_taken(*seq)),
            ..none
        },
        Err(error) => match error.as_ref() {
            NodeError::Refused(rejection) => Outcome {
                problem: Some(rejection.clone().into()),
                ..none
            },
            error => return Err(error.into()),
        },
    })
}

fn key_taken(seq: u64) -> Problem {
    let message = format!("entry {seq} holds another prediction under this key");
    unprocessable("idempotency.other-prediction", message)
        .hint("take a new key for each prediction, and the same one to repeat it")
}

fn verdict(event: &Event) -> Option<String> {
    match event {
        Event::PredictionRecorded(recorded) => Some(recorded.verdict.to_string()),
        _ => None,
    }
}

fn answer(mut results: Vec<Outcome>, is_batch: bool) -> Result<Response, Problem> {
    let is_single = !is_batch && results.len() == 1;
    if is_single && let Some(problem) = results.first_mut().and_then(|it| it.problem.take()) {
        return Err(problem);
    }
    let count = |is_it: fn(&Outcome) -> bool| results.iter().filter(|it| is_it(it)).count();
    let recorded = Recorded {
        schema: "althing.predictions/1",
        recorded: count(|it| it.entry.is_some() && !it.replayed),
        replayed: count(|it| it.replayed),
        refused: count(|it| it.problem.is_some()),
        results,
    };
    let status = if recorded.recorded > 0 {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(recorded)).into_response())
}
