//! Signed statements, evidence, and what is due.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::documented::WriteProblems;
use crate::governance::command::Command;
use crate::governance::command_text::{self, CommandTextError};
use crate::governance::event::{Event, Recorded};
use crate::governance::id::ProposalId;
use crate::governance::state::proposal::ProposalState;
use crate::server::json::{JsonBody, Path};
use crate::server::problem::Problem;
use crate::server::service::Service;
use crate::server::writer::{Done, Wanted};
use crate::views::proposals::ProposalSummary;

/// A signed statement or evidence, as `althing vote --out` and others write it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct SentStatement {
    /// Such as `althing/ballot/v1`.
    r#type: String,
    /// The signed bytes, unchanged.
    statement: Option<Value>,
    signature: Option<String>,
    /// Of two contradictory ballots.
    first: Option<Value>,
    second: Option<Value>,
    checkpoints: Option<Value>,
    consensus: Option<Value>,
}

/// What became of a statement.
#[derive(Serialize, ToSchema)]
pub(super) struct Submitted {
    /// `althing.statement/1`.
    schema: &'static str,
    r#type: &'static str,
    /// Whether anything was recorded; not where it was recorded before.
    recorded: bool,
    /// The entries.
    entries: Vec<u64>,
    /// The proposal that it is about, as in `althing proposal list --json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    proposal: Option<ProposalSummary>,
}

impl Submitted {
    /// What was recorded before, in an entry.
    pub(super) fn before(r#type: &'static str, seq: Option<u64>, about: &ProposalState) -> Self {
        Self {
            schema: SUBMITTED,
            r#type,
            recorded: false,
            entries: seq.into_iter().collect(),
            proposal: Some(ProposalSummary::of(about)),
        }
    }

    /// Whether anything was recorded just now.
    pub(super) const fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// Names the entry in which it was recorded before.
    pub(super) fn stands_in(&mut self, seq: Option<u64>) {
        self.entries = seq.into_iter().collect();
    }

    pub(super) fn into_response(self) -> Response {
        let status = if self.recorded {
            StatusCode::CREATED
        } else {
            StatusCode::OK
        };
        (status, axum::Json(self)).into_response()
    }
}

const SUBMITTED: &str = "althing.statement/1";

/// Records a signed statement, or evidence. It needs no token but its signature, unless the operator
/// wants one.
#[utoipa::path(
    post,
    path = "/v1/statements",
    request_body = SentStatement,
    responses(
        (status = 201, description = "It was recorded, durably", body = Submitted),
        (status = 200, description = "It was recorded before", body = Submitted),
        WriteProblems
    ),
    security(("bearer" = []), ())
)]
pub(super) async fn submit(
    State(service): State<Arc<Service>>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let command = command_text::decode(body.text()?).map_err(|error| {
        let is_json = serde_json::from_str::<IgnoredAny>(body.text().unwrap_or_default()).is_ok();
        let status = if is_json {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        let (CommandTextError::Malformed(_) | CommandTextError::NoText) = &error;
        Problem::new(status, "statement.malformed", error.to_string())
            .hint("write statements with --out, and pass them on unchanged")
    })?;
    let submitted = run(&service, command, body.room).await?;
    Ok(submitted.into_response())
}

/// Judges a proposal whose deadline has come. Anyone may; there is no discretion.
#[utoipa::path(
    post,
    path = "/v1/proposals/{id}/close",
    params(("id" = String, Path, description = "The proposal's UUID", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    responses((status = 201, description = "It was judged", body = Submitted), WriteProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn close(
    State(service): State<Arc<Service>>,
    Path(id): Path<ProposalId>,
) -> Result<Response, Problem> {
    let room = service.room(1)?;
    let submitted = run(&service, Command::Close(id), room).await?;
    Ok(submitted.into_response())
}

/// Carries out a decision whose timelock is over. Anyone may; there is no discretion.
#[utoipa::path(
    post,
    path = "/v1/proposals/{id}/execute",
    params(("id" = String, Path, description = "The proposal's UUID", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    responses((status = 201, description = "It was carried out", body = Submitted), WriteProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn execute(
    State(service): State<Arc<Service>>,
    Path(id): Path<ProposalId>,
) -> Result<Response, Problem> {
    let room = service.room(1)?;
    let submitted = run(&service, Command::Execute(id), room).await?;
    Ok(submitted.into_response())
}

/// Has a command recorded.
pub(super) async fn run(
    service: &Service,
    command: Command,
    room: OwnedSemaphorePermit,
) -> Result<Submitted, Problem> {
    let r#type = command_text::type_of(&command).unwrap_or_default();
    let about = proposal_of(&command);
    let is_ballot = matches!(command, Command::Vote(_));
    let wanted = Wanted {
        command,
        is_keyed: false,
    };
    let answers = service.write(vec![wanted], room).await?;
    let recorded = match answers.into_iter().next() {
        Some(Ok(Done::Decided(recorded))) => recorded,
        Some(Err(error)) => return Err(error.as_ref().into()),
        _ => Vec::new(),
    };
    if is_ballot {
        require_no_contradiction(&recorded)?;
    }
    let now = service.now()?;
    let proposal = about.and_then(|id| now.state.proposals().get(id));
    Ok(Submitted {
        schema: SUBMITTED,
        r#type,
        recorded: !recorded.is_empty(),
        entries: recorded.iter().map(|entry| entry.seq).collect(),
        proposal: proposal.map(ProposalSummary::of),
    })
}

fn proposal_of(command: &Command) -> Option<ProposalId> {
    match command {
        Command::Propose(proposal) => Some(proposal.content().proposal_id),
        Command::Vote(ballot) => Some(ballot.content().proposal_id),
        Command::Withdraw(withdrawal) => Some(withdrawal.content().proposal_id),
        Command::SubmitEvidence(evidence) => Some(evidence.first.content().proposal_id),
        Command::Close(id) | Command::Execute(id) => Some(*id),
        _ => None,
    }
}

/// A ballot that contradicts an earlier one is refused, although the evidence is recorded.
fn require_no_contradiction(recorded: &[Recorded]) -> Result<(), Problem> {
    let Some(Event::ByzantineDetected(_)) = recorded.first().map(|entry| &entry.event) else {
        return Ok(());
    };
    let message =
        "the voter has voted otherwise on this proposal: the contradiction is recorded as evidence";
    Err(
        Problem::new(StatusCode::CONFLICT, "ballot.equivocation", message)
            .hint("GET /v1/evidence shows it; a suspended node's ballots no longer count"),
    )
}
