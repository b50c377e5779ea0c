//! What can be asked for, and how it is described.

mod checkpoints;
mod documented;
mod entries;
mod events;
mod health;
mod models;
mod outlook;
mod pages;
mod predictions;
mod proofs;
mod segments;
mod signing;
mod state;
mod statements;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{self, Gate, Scope};
use super::observe;
use super::problem::Problem;
use super::service::Service;

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Althing",
        description = "A ledger of signed, weighted decisions about which AI models may run and which \
                       agents may act. Problems are documents of RFC 9457 with stable codes. Views have the \
                       JSON forms of the command line, named by their member `schema`."
    ),
    modifiers(&Bearer)
)]
struct Description;

/// How tokens are sent.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut OpenApi) {
        let components = openapi.components.get_or_insert_with(Default::default);
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("bearer", scheme);
    }
}

type Described = OpenApiRouter<Arc<Service>>;

fn open() -> Described {
    OpenApiRouter::new()
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(health::openapi))
}

fn reads() -> Described {
    OpenApiRouter::new()
        .routes(routes!(health::metrics))
        .routes(routes!(state::ledger))
        .routes(routes!(state::policy))
        .routes(routes!(state::proposals))
        .routes(routes!(state::proposal))
        .routes(routes!(state::nodes))
        .routes(routes!(state::node))
        .routes(routes!(state::evidence))
        .routes(routes!(state::one_evidence))
        .routes(routes!(state::authorizations))
        .routes(routes!(state::check))
        .routes(routes!(state::why))
        .routes(routes!(entries::list))
        .routes(routes!(entries::one))
        .routes(routes!(events::stream))
        .routes(routes!(segments::list))
        .routes(routes!(segments::bytes))
        .routes(routes!(models::models))
        .routes(routes!(outlook::outlook))
        .routes(routes!(checkpoints::latest))
        .routes(routes!(checkpoints::receipt))
        .routes(routes!(proofs::inclusion))
        .routes(routes!(proofs::consistency))
}

fn predictions() -> Described {
    OpenApiRouter::new().routes(routes!(predictions::record))
}

fn submissions() -> Described {
    OpenApiRouter::new()
        .routes(routes!(statements::submit))
        .routes(routes!(statements::close))
        .routes(routes!(statements::execute))
}

fn signatures() -> Described {
    OpenApiRouter::new()
        .routes(routes!(signing::propose))
        .routes(routes!(signing::vote))
        .routes(routes!(signing::withdraw))
}

/// All routes with what they are described as.
fn described(gate: impl Fn(Described, Scope) -> Described) -> Described {
    OpenApiRouter::with_openapi(Description::openapi())
        .merge(open())
        .merge(gate(reads(), Scope::Read))
        .merge(gate(predictions(), Scope::Predict))
        .merge(gate(submissions(), Scope::Submit))
        .merge(gate(signatures(), Scope::Sign))
}

/// The description of all routes (OpenAPI 3.1).
#[must_use]
pub fn openapi() -> OpenApi {
    described(|routes, _| routes).into_openapi()
}

/// The routes of a service.
pub(super) fn router(service: &Arc<Service>) -> Router {
    let gate = |routes: Described, scope| {
        let service = Arc::clone(service);
        routes.route_layer(from_fn_with_state(Gate { service, scope }, access::pass))
    };
    let (router, _) = described(gate).split_for_parts();
    router
        .merge(pages::router(service))
        .fallback(unknown.layer(from_fn(pages::unknown)))
        .method_not_allowed_fallback(other_method)
        // Bodies have limits of their own.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(described_only))
        .layer(from_fn(guarded))
        .layer(from_fn_with_state(Arc::clone(service), observe::observe))
        .with_state(Arc::clone(service))
}

async fn unknown() -> Problem {
    Problem::not_found("request.unknown-path", "there is nothing here")
        .hint("GET /openapi.json describes all that there is")
}

async fn other_method() -> Problem {
    let status = StatusCode::METHOD_NOT_ALLOWED;
    Problem::new(status, "request.method", "this can't be done here")
        .hint("GET /openapi.json says what can")
}

/// No answer is taken by a browser for what it does not say it is, or into a page of another origin.
async fn guarded(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(CORP, same_origin);
    response
}

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Answers that no route gave are problem documents, too.
async fn described_only(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let response = next.run(request).await;
    let is_bare = response.status().is_client_error()
        && response
            .extensions()
            .get::<super::problem::Code>()
            .is_none();
    if is_bare {
        return Problem::new(
            response.status(),
            "request.malformed",
            "the request can't be read",
        )
        .into_response();
    }
    response
}
