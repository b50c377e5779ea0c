//! Answers to what can't be done: problem documents (RFC 9457) with our stable codes.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::governance::rejection::{Category, Rejection};
use crate::node::NodeError;

/// Why a request was not answered as it was meant.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// A URN that ends with the code.
    r#type: Box<str>,
    /// What kind of problem it is.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The stable code.
    code: &'static str,
    /// What was expected, what was found, where.
    detail: String,
    /// What the client can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
}

impl Problem {
    /// A problem with a code and what is to be said of it.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("urn:althing:problem:{code}").into(),
            title: status.canonical_reason().unwrap_or("Problem"),
            status: status.as_u16(),
            code,
            detail: shortened(detail.into()),
            hint: None,
            retry_after_seconds: None,
        }
    }

    /// The request is not one that this service knows.
    pub(super) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Nothing of the request was done; the same may be asked again.
    pub(super) fn busy(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(1)
    }

    /// Something failed that is not the client's business; the log says more.
    pub(super) fn internal(code: &'static str, error: &dyn std::fmt::Display) -> Self {
        tracing::error!(code, %error, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, code, error.to_string())
    }

    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

/// The most bytes of a detail: it may quote what the client sent.
const MAX_DETAIL_BYTES: usize = 1_000;

fn shortened(mut text: String) -> String {
    if text.len() > MAX_DETAIL_BYTES {
        let is_whole = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=MAX_DETAIL_BYTES).rev().find(is_whole);
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_seconds;
        let code = self.code;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response.extensions_mut().insert(Code(code));
        response
    }
}

/// The code of a problem, for metrics and the log.
#[derive(Clone)]
pub(super) struct Code(pub(super) &'static str);

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let status = match rejection.category() {
            Category::Rules | Category::Clock => StatusCode::CONFLICT,
            Category::Authority | Category::Signature => StatusCode::FORBIDDEN,
        };
        let mut problem = Self::new(status, rejection.code(), rejection.to_string());
        problem.hint = rejection.hint().map(str::to_owned);
        problem
    }
}

impl From<&NodeError> for Problem {
    fn from(error: &NodeError) -> Self {
        let code = error.code();
        match error {
            NodeError::Refused(rejection) => rejection.clone().into(),
            NodeError::Open(_) | NodeError::HeadInFuture { .. } => {
                Self::busy(code, error.to_string())
            }
            _ if code == "ledger.full" => {
                let status = StatusCode::INSUFFICIENT_STORAGE;
                Self::new(status, code, error.to_string()).retry_after(30)
            }
            _ => Self::internal(code, error),
        }
    }
}
