//! What holds now or held then: the ledger, its proposals, nodes, evidence and grants.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::documented::FindProblems;
use super::entries::{damaged, entry, intact};
use super::views;
use crate::governance::event::Event;
use crate::governance::id::{NodeId, ProposalId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::policy::Policy;
use crate::governance::scope::CheckContext;
use crate::governance::state::State as Ledger;
use crate::governance::state::proposal::Status;
use crate::governance::time::Timestamp;
use crate::node::past::{Asked, At};
use crate::server::json::{Path, Query, Shown};
use crate::server::past::Moment;
use crate::server::problem::Problem;
use crate::server::service::Service;
use crate::views::View;
use crate::views::authorizations::{AuthorizationList, CheckView};
use crate::views::evidence::{EvidenceList, EvidenceSummary, EvidenceView, Statements};
use crate::views::nodes::{NodeList, NodeView};
use crate::views::overview::StateView;
use crate::views::proposals::{ProposalList, ProposalView};
use crate::views::why::WhyView;

type Of = State<Arc<Service>>;

/// Which past is asked for.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Past {
    /// As of an entry number or a time (RFC 3339), instead of now
    #[param(pattern = "^([0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)$")]
    at: Option<String>,
    /// Only from what the first so many entries say, whatever came later; `at` is a time then
    #[param(minimum = 1)]
    as_known_at: Option<u64>,
}

impl Past {
    async fn of(self, service: &Arc<Service>) -> Result<Moment, Problem> {
        let at = self.at.map(|at| at.parse::<At>()).transpose();
        let at = at.map_err(|error| bad("at", &error))?;
        service.moment(Asked::new(self.as_known_at, at)?).await
    }
}

fn bad(name: &str, problem: &dyn ToString) -> Problem {
    Problem::bad_request("request.query", format!("{name}: {}", problem.to_string()))
}

/// The ledger in numbers: its head, its nodes, its proposals and grants.
#[utoipa::path(
    get,
    path = "/v1/ledger",
    params(Past),
    responses((status = 200, description = "The state, as `althing replay --json`", body = views::Ledger), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn ledger(
    State(service): Of,
    Query(past): Query<Past>,
) -> Result<Response, Problem> {
    let then = past.of(&service).await?;
    let view = move || Ok(StateView::of(then.state(), then.head(), then.at, true));
    // The state's hash is work.
    Ok(Shown(service.read(view).await?).into_response())
}

/// The policy in force.
#[utoipa::path(
    get,
    path = "/v1/policy",
    params(Past),
    responses((status = 200, description = "The policy, as `althing policy show --json`", body = views::Policy), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn policy(
    State(service): Of,
    Query(past): Query<Past>,
) -> Result<Json<Policy>, Problem> {
    let then = past.of(&service).await?;
    Ok(Json(then.state().policy().clone()))
}

/// Which proposals are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Proposals {
    /// Only those of this status, such as `voting`
    #[param(pattern = "^[a-z]+$")]
    status: Option<String>,
    #[param(ignore)]
    at: Option<String>,
    #[param(ignore)]
    as_known_at: Option<u64>,
}

/// All proposals, in the order in which they were opened.
#[utoipa::path(
    get,
    path = "/v1/proposals",
    params(Proposals, Past),
    responses((status = 200, description = "The proposals, as `althing proposal list --json`", body = views::Proposals), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn proposals(
    State(service): Of,
    Query(wanted): Query<Proposals>,
) -> Result<Response, Problem> {
    let Proposals {
        status,
        at,
        as_known_at,
    } = wanted;
    let status = status.as_deref().map(status_of).transpose()?;
    let then = Past { at, as_known_at }.of(&service).await?;
    Ok(Shown(ProposalList::of(then.state(), status)).into_response())
}

fn status_of(text: &str) -> Result<Status, Problem> {
    let found = Status::ALL.into_iter().find(|status| status.name() == text);
    found.ok_or_else(|| {
        let names: Vec<&str> = Status::ALL.iter().map(|status| status.name()).collect();
        bad("status", &format!("expected one of {}", names.join(", ")))
    })
}

/// One proposal with its ballots.
#[utoipa::path(
    get,
    path = "/v1/proposals/{id}",
    params(("id" = String, Path, description = "The proposal's UUID", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"), Past),
    responses((status = 200, description = "The proposal, as `althing proposal show --json`", body = views::Proposal), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn proposal(
    State(service): Of,
    Path(id): Path<String>,
    Query(past): Query<Past>,
) -> Result<Response, Problem> {
    let then = past.of(&service).await?;
    let unknown = || Problem::not_found("proposal.unknown", "there is no such proposal");
    let id: ProposalId = id.parse().map_err(|_| unknown())?;
    let found = then.state().proposals().get(id).ok_or_else(unknown)?;
    Ok(Shown(ProposalView::of(found, then.state(), then.at)).into_response())
}

/// All nodes.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    params(Past),
    responses((status = 200, description = "The nodes, as `althing node list --json`", body = views::Nodes), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn nodes(
    State(service): Of,
    Query(past): Query<Past>,
) -> Result<Response, Problem> {
    let then = past.of(&service).await?;
    Ok(Shown(NodeList::of(then.state())).into_response())
}

/// One node.
#[utoipa::path(
    get,
    path = "/v1/nodes/{node}",
    params(("node" = String, Path, description = "The node's DID, or its name"), Past),
    responses((status = 200, description = "The node, as `althing node show --json`", body = views::Node), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn node(
    State(service): Of,
    Path(wanted): Path<String>,
    Query(past): Query<Past>,
) -> Result<Response, Problem> {
    let then = past.of(&service).await?;
    let did: Option<NodeId> = wanted.parse().ok();
    let mut registered = then.state().registry().iter();
    let found = registered.find(|(id, node)| did == Some(*id) || node.name().as_str() == wanted);
    let (id, node) =
        found.ok_or_else(|| Problem::not_found("node.unknown", "there is no such node"))?;
    Ok(Shown(NodeView::of(id, node, then.state())).into_response())
}

/// All evidence of Byzantine behaviour.
#[utoipa::path(
    get,
    path = "/v1/evidence",
    params(Past),
    responses((status = 200, description = "The evidence, as `althing evidence list --json`", body = views::EvidenceList), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn evidence(
    State(service): Of,
    Query(past): Query<Past>,
) -> Result<Response, Problem> {
    let then = past.of(&service).await?;
    Ok(Shown(EvidenceList::of(then.state())).into_response())
}

/// One piece of evidence: the two signed statements that contradict each other, side by side.
#[utoipa::path(
    get,
    path = "/v1/evidence/{seq}",
    params(("seq" = u64, Path, description = "The entry that recorded it", minimum = 1), Past),
    responses((status = 200, description = "The evidence, as `althing evidence show --json`", body = views::Evidence), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn one_evidence(
    State(service): Of,
    Path(seq): Path<u64>,
    Query(past): Query<Past>,
) -> Result<Response, Problem> {
    let then = past.of(&service).await?;
    let mut all = EvidenceSummary::all(then.state()).into_iter();
    let summary = all.find(|summary| summary.seq == seq).ok_or_else(|| {
        Problem::not_found("evidence.unknown", format!("entry {seq} holds no evidence"))
            .hint("GET /v1/evidence lists all of it")
    })?;
    let reading = Arc::clone(&service);
    let raw = service.read(move || entry(&reading, seq)).await?;
    let line = intact(&raw)?;
    let event = Event::decode(line.operation, line.data).ok();
    let gone = || damaged(&format!("entry {seq} holds no evidence any more"));
    let statements = event.and_then(Statements::of).ok_or_else(gone)?;
    Ok(Json(EvidenceView::of(summary, statements).to_json()).into_response())
}

/// All grants.
#[utoipa::path(
    get,
    path = "/v1/authorizations",
    params(Past),
    responses((status = 200, description = "The grants, as `althing authorization list --json`", body = views::Authorizations), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn authorizations(
    State(service): Of,
    Query(past): Query<Past>,
) -> Result<Response, Problem> {
    let then = past.of(&service).await?;
    Ok(Shown(AuthorizationList::of(then.state(), then.at)).into_response())
}

/// Who wants to do what, as it is described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct AskedOf {
    /// The model or agent
    #[param(pattern = "^(did|urn):[a-z0-9]+:[A-Za-z0-9._:-]+$")]
    subject: String,
    /// `model`, `agent` or `delegation`
    #[param(pattern = "^(model|agent|delegation)$")]
    kind: String,
    /// A circumstance as KEY=VALUE; may be given several times
    context: Option<Vec<String>>,
}

/// Who wants to do what, and when.
struct Question {
    subject: Subject,
    kind: AuthorizationKind,
    context: CheckContext,
    past: Past,
}

type Pairs = Vec<(String, String)>;

/// Reads a question; every parameter but `context` stands once.
fn question(pairs: Pairs) -> Result<Question, Problem> {
    let (mut subject, mut kind) = (None, None);
    let mut context = CheckContext::default();
    let mut past = Past::default();
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
            "at" if past.at.is_none() => past.at = Some(value),
            "as_known_at" if past.as_known_at.is_none() => {
                let parsed = value.parse::<u64>();
                past.as_known_at = Some(parsed.map_err(|error| bad("as_known_at", &error))?);
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
        past,
    })
}

/// What an answer is made of.
type Asking<V> = fn(AuthorizationKind, &Subject, &CheckContext, &Ledger, Timestamp) -> V;

async fn answer<V: View>(
    service: &Arc<Service>,
    pairs: Pairs,
    view: Asking<V>,
) -> Result<Response, Problem> {
    let Question {
        subject,
        kind,
        context,
        past,
    } = question(pairs)?;
    let then = past.of(service).await?;
    let view = view(kind, &subject, &context, then.state(), then.at);
    Ok(Shown(view).into_response())
}

/// Whether a subject may act. Denied is an answer like allowed: look at `allowed`.
#[utoipa::path(
    get,
    path = "/v1/authorizations/check",
    params(AskedOf, Past),
    responses((status = 200, description = "The answer, as `althing authorization check --json`", body = views::Check), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn check(
    State(service): Of,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    answer(&service, pairs, CheckView::of).await
}

/// Where the answer to a check comes from: grants, decisions, ballots and keys.
#[utoipa::path(
    get,
    path = "/v1/authorizations/why",
    params(AskedOf, Past),
    responses((status = 200, description = "The answer, as `althing authorization why --json`", body = views::Why), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn why(
    State(service): Of,
    Query(pairs): Query<Pairs>,
) -> Result<Response, Problem> {
    answer(&service, pairs, WhyView::of).await
}
