//! How the service is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::documented::{NotReady, ReadProblems};
use crate::server::json::typed;
use crate::server::problem::Problem;
use crate::server::service::Service;

/// That the service is there.
#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    status: &'static str,
}

/// That the service can answer.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    status: &'static str,
    /// The ledger.
    ledger: String,
    /// The last entry.
    entries: u64,
}

/// Whether the process runs.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "It runs", body = Alive)))]
pub(super) async fn alive() -> Json<Alive> {
    Json(Alive { status: "alive" })
}

/// Whether the ledger is replayed and can be taken up to be written, so that everything else can be
/// answered.
#[utoipa::path(
    get,
    path = "/readyz",
    responses((status = 200, description = "The ledger is replayed, and can be written to", body = Ready), NotReady)
)]
pub(super) async fn ready(State(service): State<Arc<Service>>) -> Result<Json<Ready>, Problem> {
    let now = service.now()?;
    service.health().check()?;
    Ok(Json(Ready {
        status: "ready",
        ledger: now.state.ledger().to_string(),
        entries: now.head.seq,
    }))
}

/// Counts and times, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses(
        (status = 200, description = "OpenMetrics", body = String, content_type = METRICS),
        ReadProblems
    ),
    security(("bearer" = []), ())
)]
pub(super) async fn metrics(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let text = service.metrics().text();
    let text = text.map_err(|error| Problem::internal("server.metrics", &error))?;
    Ok(typed(METRICS, text))
}

const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
pub(super) async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(super::openapi())
}
