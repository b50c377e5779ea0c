//! Proposals, ballots and withdrawals that the service signs for the one node whose key it was given.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use uuid::{Builder, Uuid};

use super::documented::SignProblems;
use super::predictions::{KEY, key_of};
use super::statements::{Submitted, run};
use crate::clock::system_time;
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::command_text;
use crate::governance::digest::Digest;
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::label::{Prose, Title};
use crate::governance::proposal::Action;
use crate::governance::rejection::Rejection;
use crate::governance::state::State as Ledger;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::time::Timestamp;
use crate::identity::JournalError;
use crate::node::signing::{Choice, Draft, SignError, Signer};
use crate::server::access::Client;
use crate::server::json::{JsonBody, Path};
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;

/// What is to be proposed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SentProposal {
    /// `kind` and what its kind needs, as in `action` of a proposal's statement.
    #[schema(value_type = Object)]
    action: Action,
    /// What it is about, in a line.
    #[schema(value_type = String)]
    title: Title,
    /// The case for it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    description: Prose,
    /// Anything else that voters should know.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    parameters: Map<String, Value>,
}

/// How to vote.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SentVote {
    /// `approve`, `reject` or `abstain`.
    #[schema(value_type = String, pattern = "^(approve|reject|abstain)$")]
    decision: Decision,
    /// Why, for everyone to read.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    rationale: Prose,
}

impl From<SignError> for Problem {
    fn from(error: SignError) -> Self {
        let (code, text) = (error.code(), error.to_string());
        match error {
            SignError::Refused(rejection) => rejection.into(),
            SignError::Retired => Self::new(StatusCode::FORBIDDEN, code, text)
                .hint("the server has to be started with the node's present key"),
            SignError::Journal(JournalError::AlreadySigned { .. }) => {
                Self::new(StatusCode::CONFLICT, code, text)
                    .hint("a second, different ballot would be evidence against the node")
            }
            SignError::Malformed { .. } => Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, text),
            SignError::Journal(_) | SignError::Key(_) => Self::internal(code, &text),
        }
    }
}

fn read<T: DeserializeOwned>(body: &JsonBody, code: &'static str) -> Result<T, Problem> {
    serde_json::from_str(body.text()?).map_err(|error| {
        if error.is_data() {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
        } else {
            Problem::bad_request("body.malformed", error.to_string())
        }
    })
}

/// What is signed from.
struct Desk {
    now: Arc<Published>,
    at: Timestamp,
    node: NodeId,
}

impl Desk {
    fn open(service: &Service) -> Result<Self, Problem> {
        let now = service.now()?;
        let node = service.signing(|signer| signer.node_id(&now.state))??;
        let at = system_time().max(now.state.clock());
        Ok(Self { now, at, node })
    }

    fn state(&self) -> &Ledger {
        &self.now.state
    }

    fn found(&self, id: ProposalId) -> Result<&ProposalState, Rejection> {
        let found = self.state().proposals().get(id);
        found.ok_or(Rejection::UnknownProposal { proposal: id })
    }

    fn proposal(&self, id: ProposalId) -> Result<&ProposalState, Problem> {
        let unknown = |it: Rejection| Problem::not_found(it.code(), it.to_string());
        self.found(id).map_err(unknown)
    }
}

/// Signs, writes it down who asked for it, and records what was signed.
async fn sign(
    service: &Arc<Service>,
    client: &Client,
    desk: Arc<Desk>,
    room: OwnedSemaphorePermit,
    make: impl FnOnce(&mut Signer, &Desk) -> Result<Command, SignError> + Send + 'static,
) -> Result<Submitted, Problem> {
    let token = client.name.as_ref().map_or("", |name| name.as_str());
    let node = desk.node;
    let signing = Arc::clone(service);
    let signed = service.read(move || Ok(signing.signing(|signer| make(signer, &desk))??));
    let command = signed.await?;
    let statement = command_text::type_of(&command).unwrap_or_default();
    tracing::info!(token, %node, statement, "signed");
    run(service, command, room).await
}

/// Signs a proposal as the service's node, and opens it.
#[utoipa::path(
    post,
    path = "/v1/proposals",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same proposal under the same key is opened once. Its id is made of it.")),
    request_body = SentProposal,
    responses(
        (status = 201, description = "It was opened, durably", body = Submitted),
        (status = 200, description = "It was opened before, under the same key", body = Submitted),
        SignProblems
    ),
    security(("bearer" = []))
)]
pub(super) async fn propose(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let key = headers.get(KEY).map(key_of).transpose()?;
    let sent: SentProposal = read(&body, "proposal.malformed")?;
    let draft = Draft {
        action: sent.action,
        title: sent.title,
        description: sent.description,
        parameters: sent.parameters,
    };
    let desk = Arc::new(Desk::open(&service)?);
    let Some(key) = key else {
        let id = ProposalId::from_uuid(Uuid::new_v4());
        let signed = open(&service, &client, desk, body.room, draft, id).await?;
        return Ok(signed.into_response());
    };
    let id = keyed(&desk, &key);
    if let Some(before) = before(&draft, id, desk.state()) {
        return Ok(before?.into_response());
    }
    match open(&service, &client, desk, body.room, draft.clone(), id).await {
        // Another request with this key was quicker.
        Err(problem) if problem.code() == "proposal.duplicate-id" => {
            before(&draft, id, &service.now()?.state).unwrap_or(Err(problem))
        }
        opened => opened,
    }
    .map(Submitted::into_response)
}

async fn open(
    service: &Arc<Service>,
    client: &Client,
    desk: Arc<Desk>,
    room: OwnedSemaphorePermit,
    draft: Draft,
    id: ProposalId,
) -> Result<Submitted, Problem> {
    let make = move |signer: &mut Signer, desk: &Desk| {
        let signed = signer.propose(draft, id, desk.state(), desk.at)?;
        Ok(Command::Propose(signed))
    };
    sign(service, client, desk, room, make).await
}

/// The id of the proposal that a node opens under a key: the ledger itself then knows the key.
fn keyed(desk: &Desk, key: &str) -> ProposalId {
    let ledger = desk.state().ledger();
    let text = format!("althing/proposal-key/v1\n{ledger}\n{}\n{key}", desk.node);
    let digest = Digest::of(text.as_bytes());
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(digest.as_bytes())
        .for_each(|(to, from)| *to = *from);
    ProposalId::from_uuid(Builder::from_custom_bytes(bytes).into_uuid())
}

/// What was opened under an id before, if anything was.
fn before(draft: &Draft, id: ProposalId, state: &Ledger) -> Option<Result<Submitted, Problem>> {
    let proposal = state.proposals().get(id)?;
    let seq = proposal.seq();
    if draft.is_said_by(proposal) {
        return Some(Ok(Submitted::before(
            "althing/proposal/v1",
            Some(seq),
            proposal,
        )));
    }
    let message = format!("entry {seq} holds another proposal under this key");
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Some(Err(Problem::new(
        status,
        "idempotency.other-proposal",
        message,
    )
    .hint(
        "take a new key for each proposal, and the same one to repeat it",
    )))
}

/// Signs a ballot as the service's node, and casts it. The same decision again changes nothing.
#[utoipa::path(
    post,
    path = "/v1/proposals/{id}/votes",
    params(("id" = String, Path, description = "The proposal's UUID", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    request_body = SentVote,
    responses(
        (status = 201, description = "It was recorded, durably", body = Submitted),
        (status = 200, description = "The node had voted so before", body = Submitted),
        SignProblems
    ),
    security(("bearer" = []))
)]
pub(super) async fn vote(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Path(id): Path<ProposalId>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let SentVote {
        decision,
        rationale,
    } = read(&body, "ballot.malformed")?;
    let desk = Arc::new(Desk::open(&service)?);
    desk.proposal(id)?;
    let node = desk.node;
    let choice = Choice {
        vote_id: VoteId::from_uuid(Uuid::new_v4()),
        decision,
        rationale,
        despite_conflict: false,
    };
    let make = move |signer: &mut Signer, desk: &Desk| {
        let proposal = desk.found(id)?;
        let signed = signer.vote(choice, proposal, desk.state(), desk.at)?;
        Ok(Command::Vote(signed))
    };
    let mut submitted = sign(&service, &client, desk, body.room, make).await?;
    if !submitted.is_recorded() {
        let now = service.now()?;
        let proposal = now.state.proposals().get(id);
        let ballot = proposal.and_then(|it| it.member(node)?.ballot());
        submitted.stands_in(ballot.map(|ballot| ballot.seq));
    }
    Ok(submitted.into_response())
}

/// Takes back a proposal of the service's node.
#[utoipa::path(
    post,
    path = "/v1/proposals/{id}/withdraw",
    params(("id" = String, Path, description = "The proposal's UUID", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    responses(
        (status = 201, description = "It was withdrawn, durably", body = Submitted),
        (status = 200, description = "It was withdrawn before", body = Submitted),
        SignProblems
    ),
    security(("bearer" = []))
)]
pub(super) async fn withdraw(
    State(service): State<Arc<Service>>,
    Extension(client): Extension<Client>,
    Path(id): Path<ProposalId>,
) -> Result<Response, Problem> {
    let room = service.room(1)?;
    let desk = Arc::new(Desk::open(&service)?);
    let proposal = desk.proposal(id)?;
    let is_ours = proposal.content().proposer == desk.node;
    if is_ours && proposal.status() == Status::Withdrawn {
        let seq = proposal.ended_seq();
        let before = Submitted::before("althing/withdrawal/v1", seq, proposal);
        return Ok(before.into_response());
    }
    let make = move |signer: &mut Signer, desk: &Desk| {
        let proposal = desk.found(id)?;
        let signed = signer.withdraw(proposal, desk.state(), desk.at)?;
        Ok(Command::Withdraw(signed))
    };
    let submitted = sign(&service, &client, desk, room, make).await?;
    Ok(submitted.into_response())
}
