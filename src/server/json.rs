//! Bodies, paths and queries as they come in, and views as they go out.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;

use super::problem::Problem;
use super::service::Service;
use crate::views::View;

/// A view as JSON.
pub(super) struct Shown<V>(pub(super) V);

impl<V: View> IntoResponse for Shown<V> {
    fn into_response(self) -> Response {
        axum::Json(self.0.to_json()).into_response()
    }
}

/// A JSON body: read within the limits, not parsed yet; and the room that it takes.
pub(super) struct JsonBody {
    bytes: Bytes,
    pub(super) room: OwnedSemaphorePermit,
}

impl JsonBody {
    /// The text.
    pub(super) fn text(&self) -> Result<&str, Problem> {
        std::str::from_utf8(&self.bytes)
            .map_err(|error| Problem::bad_request("body.not-utf8", error.to_string()))
    }
}

impl FromRequest<Arc<Service>> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, service: &Arc<Service>) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let limit = service.limits().body_bytes;
        let room = service.room(expected_bytes(&request, limit)?)?;
        let body = Limited::new(request.into_body(), limit).collect();
        let patience = service.limits().patience;
        let received = tokio::time::timeout(patience, body).await.map_err(|_| {
            let message = format!("expected the whole body within {} s", patience.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "body.slow", message)
        })?;
        let bytes = received.map_err(|error| {
            if error.is::<LengthLimitError>() {
                too_long(limit)
            } else {
                Problem::bad_request("body.incomplete", error.to_string())
            }
        })?;
        let bytes = bytes.to_bytes();
        Ok(Self { bytes, room })
    }
}

fn too_long(limit: usize) -> Problem {
    let message = format!("expected a body of at most {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too-long", message)
}

/// What the client says, or the most that it may be.
fn expected_bytes(request: &Request, limit: usize) -> Result<usize, Problem> {
    let size = HttpBody::size_hint(request.body()).exact();
    let Some(size) = size else {
        return Ok(limit);
    };
    let size = usize::try_from(size).ok().filter(|size| *size <= limit);
    size.ok_or_else(|| too_long(limit))
}

/// A page in a browser can't send this type to another origin without asking first.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE);
    let text = given.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let found = if text.is_empty() { "none" } else { text };
    let message = format!("expected the content type application/json, found {found}");
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "body.not-json",
        message,
    ))
}

/// The parameters behind the question mark.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let query =
            query.map_err(|error| Problem::bad_request("request.query", error.body_text()))?;
        Ok(Self(query.0))
    }
}

/// The parameters in the path.
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Problem::bad_request("request.path", error.body_text()))?;
        Ok(Self(path.0))
    }
}

/// Bytes of a type.
pub(super) fn typed(kind: &'static str, body: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, kind)], body.into()).into_response()
}
