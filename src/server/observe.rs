//! One line of the log and one count for every request, under an id that the client may choose.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;
use uuid::Uuid;

use super::problem::Code;
use super::service::Service;

/// Where the id of a request stands.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a client.
const MAX_ID_BYTES: usize = 64;

/// Names, times and counts a request.
pub(super) async fn observe(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let id = id_of(&request);
    let method = method_of(&request);
    let route = (request.extensions().get::<MatchedPath>())
        .map_or("unknown", MatchedPath::as_str)
        .to_owned();
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = begun.elapsed();
    service.metrics().answered(method, &route, status, took);
    let code = response.extensions().get::<Code>().map(|code| code.0);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let _entered = span.enter();
    match code {
        None => tracing::info!(method, route, status, micros, "answered"),
        Some(code) => {
            service.metrics().problem(code);
            tracing::info!(method, route, status, micros, code, "answered");
        }
    }
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The client's id, if it is a plain word, or a new one.
fn id_of(request: &Request) -> HeaderValue {
    let given = request.headers().get(&REQUEST_ID).filter(|id| {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
        !id.is_empty() && id.len() <= MAX_ID_BYTES && id.as_bytes().iter().all(is_plain)
    });
    let new = || HeaderValue::try_from(Uuid::new_v4().to_string());
    given
        .cloned()
        .or_else(|| new().ok())
        .unwrap_or(HeaderValue::from_static("-"))
}

/// Clients make up methods, too.
fn method_of(request: &Request) -> &'static str {
    match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        _ => "other",
    }
}
