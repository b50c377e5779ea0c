//! What holds now: the ledger, its proposals, nodes, evidence and grants.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;

use super::documented::{Document, FindProblems, ReadProblems};
use crate::clock::system_time;
use crate::governance::id::{NodeId, ProposalId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::scope::CheckContext;
use crate::governance::state::proposal::Status;
use crate::governance::time::Timestamp;
use crate::server::json::{Path, Query, Shown};
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;
use crate::views::authorizations::{AuthorizationList, CheckView};
use crate::views::evidence::EvidenceList;
use crate::views::nodes::{NodeList, NodeView};
use crate::views::overview::StateView;
use crate::views::proposals::{ProposalList, ProposalView};
use crate::views::why::WhyView;

type Asked = State<Arc<Service>>;

/// Now, but never before the last entry.
fn time_of(now: &Published) -> Timestamp {
    system_time().max(now.state.clock())
}

/// The ledger in numbers: its head, its nodes, its proposals and grants.
#[utoipa::path(
    get,
    path = "/v1/ledger",
    responses((status = 200, description = "The state, as `althing replay --json`", body = Document), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn ledger(State(service): Asked) -> Result<Response, Problem> {
    let now = service.now()?;
    let view = move || {
        Ok(StateView::of(
            &now.state,
            now.head.hash,
            time_of(&now),
            true,
        ))
    };
    // The state's hash is work.
    Ok(Shown(service.read(view).await?).into_response())
}

/// The policy in force.
#[utoipa::path(
    get,
    path = "/v1/policy",
    responses((status = 200, description = "The policy, as `althing policy show --json`", body = Object), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn policy(State(service): Asked) -> Result<Json<Value>, Problem> {
    let written = serde_json::to_value(service.now()?.state.policy());
    written
        .map(Json)
        .map_err(|error| Problem::internal("server.unwritable", &error))
}

/// Which proposals are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proposals {
    status: Option<String>,
}

/// All proposals, in the order in which they were opened.
#[utoipa::path(
    get,
    path = "/v1/proposals",
    params(("status" = Option<String>, Query, description = "Only those of this status, such as `voting`", pattern = "^[a-z]+$")),
    responses((status = 200, description = "The proposals, as `althing proposal list --json`", body = Document), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn proposals(
    State(service): Asked,
    Query(wanted): Query<Proposals>,
) -> Result<Response, Problem> {
    let status = wanted.status.as_deref().map(status_of).transpose()?;
    let list = ProposalList::of(&service.now()?.state, status);
    Ok(Shown(list).into_response())
}

fn status_of(text: &str) -> Result<Status, Problem> {
    let found = Status::ALL.into_iter().find(|status| status.name() == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = Status::ALL.iter().map(|status| status.name()).collect();
        let message = format!("status: expected one of {}", names.join(", "));
        Problem::bad_request("request.query", message)
    })
}

/// One proposal with its ballots.
#[utoipa::path(
    get,
    path = "/v1/proposals/{id}",
    params(("id" = String, Path, description = "The proposal's UUID", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    responses((status = 200, description = "The proposal, as `althing proposal show --json`", body = Document), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn proposal(
    State(service): Asked,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let now = service.now()?;
    let unknown = || Problem::not_found("proposal.unknown", "there is no such proposal");
    let id: ProposalId = id.parse().map_err(|_| unknown())?;
    let found = now.state.proposals().get(id).ok_or_else(unknown)?;
    let view = ProposalView::of(found, &now.state, time_of(&now));
    Ok(Shown(view).into_response())
}

/// All nodes.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    responses((status = 200, description = "The nodes, as `althing node list --json`", body = Document), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn nodes(State(service): Asked) -> Result<Response, Problem> {
    Ok(Shown(NodeList::of(&service.now()?.state)).into_response())
}

/// One node.
#[utoipa::path(
    get,
    path = "/v1/nodes/{node}",
    params(("node" = String, Path, description = "The node's DID, or its name")),
    responses((status = 200, description = "The node, as `althing node show --json`", body = Document), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn node(
    State(service): Asked,
    Path(wanted): Path<String>,
) -> Result<Response, Problem> {
    let now = service.now()?;
    let did: Option<NodeId> = wanted.parse().ok();
    let mut registered = now.state.registry().iter();
    let found = registered.find(|(id, node)| did == Some(*id) || node.name().as_str() == wanted);
    let (id, node) =
        found.ok_or_else(|| Problem::not_found("node.unknown", "there is no such node"))?;
    Ok(Shown(NodeView::of(id, node, &now.state)).into_response())
}

/// All evidence of Byzantine behaviour.
#[utoipa::path(
    get,
    path = "/v1/evidence",
    responses((status = 200, description = "The evidence, as `althing evidence list --json`; the statements are in the entries that it names", body = Document), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn evidence(State(service): Asked) -> Result<Response, Problem> {
    Ok(Shown(EvidenceList::of(&service.now()?.state)).into_response())
}

/// All grants.
#[utoipa::path(
    get,
    path = "/v1/authorizations",
    responses((status = 200, description = "The grants, as `althing authorization list --json`", body = Document), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn authorizations(State(service): Asked) -> Result<Response, Problem> {
    let now = service.now()?;
    Ok(Shown(AuthorizationList::of(&now.state, time_of(&now))).into_response())
}

/// Who wants to do what.
struct Question {
    subject: Subject,
    kind: AuthorizationKind,
    context: CheckContext,
}

/// Reads a question; every parameter but `context` stands once.
fn question(pairs: Vec<(String, String)>) -> Result<Question, Problem> {
    let bad = |name: &str, problem: &dyn ToString| {
        Problem::bad_request("request.query", format!("{name}: {}", problem.to_string()))
    };
    let (mut subject, mut kind) = (None, None);
    let mut context = CheckContext::default();
    for (name, value) in pairs {
        match name.as_str() {
            "subject" if subject.is_none() => {
                let parsed = value.parse::<Subject>();
                subject = Some(parsed.map_err(|error| bad("subject", &error))?);
            }
            "kind" if kind.is_none() => {
                let parsed = value.parse::<AuthorizationKind>();
                kind = Some(parsed.map_err(|error| bad("kind", &error))?);
            }
            "context" => {
                let expected = "expected KEY=VALUE";
                let (key, value) = value
                    .split_once('=')
                    .ok_or_else(|| bad("context", &expected))?;
                let set = context.set(key, value);
                set.map_err(|error| bad("context", &error))?;
            }
            _ => return Err(bad(&name, &"unknown, or given twice")),
        }
    }
    Ok(Question {
        subject: subject.ok_or_else(|| bad("subject", &"expected the model or agent"))?,
        kind: kind.ok_or_else(|| bad("kind", &"expected model, agent or delegation"))?,
        context,
    })
}

/// Whether a subject may act now. Denied is an answer like allowed: look at `allowed`.
#[utoipa::path(
    get,
    path = "/v1/authorizations/check",
    params(
        ("subject" = String, Query, description = "The model or agent", pattern = "^(did|urn):[a-z0-9]+:[A-Za-z0-9._:-]+$"),
        ("kind" = String, Query, description = "`model`, `agent` or `delegation`", pattern = "^(model|agent|delegation)$"),
        ("context" = Option<Vec<String>>, Query, description = "A circumstance as KEY=VALUE; may be given several times")
    ),
    responses((status = 200, description = "The answer, as `althing authorization check --json`", body = Document), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn check(
    State(service): Asked,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let Question {
        subject,
        kind,
        context,
    } = question(pairs)?;
    let now = service.now()?;
    let view = CheckView::of(kind, &subject, &context, &now.state, time_of(&now));
    Ok(Shown(view).into_response())
}

/// Where the answer to a check comes from: grants, decisions, ballots and keys.
#[utoipa::path(
    get,
    path = "/v1/authorizations/why",
    params(
        ("subject" = String, Query, description = "The model or agent", pattern = "^(did|urn):[a-z0-9]+:[A-Za-z0-9._:-]+$"),
        ("kind" = String, Query, description = "`model`, `agent` or `delegation`", pattern = "^(model|agent|delegation)$"),
        ("context" = Option<Vec<String>>, Query, description = "A circumstance as KEY=VALUE; may be given several times")
    ),
    responses((status = 200, description = "The answer, as `althing authorization why --json`", body = Document), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn why(
    State(service): Asked,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let Question {
        subject,
        kind,
        context,
    } = question(pairs)?;
    let now = service.now()?;
    let view = WhyView::of(kind, &subject, &context, &now.state, time_of(&now));
    Ok(Shown(view).into_response())
}
