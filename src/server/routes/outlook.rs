//! One proposal with everything that an auditor asks about it: how far it is from being decided, and its life.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use super::documented::FindProblems;
use super::entries::{intact, unreadable};
use super::views;
use crate::chain::line::Line;
use crate::governance::event::Event;
use crate::governance::id::ProposalId;
use crate::governance::state::proposal::ProposalState;
use crate::server::json::{Path, Shown};
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;
use crate::views::audit::{AuditView, Names};
use crate::views::counting::ProposalOutlook;
use crate::views::history::Entry;

/// One proposal with its ballots, how far the count is from each condition, what would decide it, who may
/// still vote, and the entries of its life.
#[utoipa::path(
    get,
    path = "/v1/proposals/{id}/outlook",
    params(("id" = String, Path, description = "The proposal's UUID", pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")),
    responses((status = 200, description = "The proposal as in `/v1/proposals/{id}`, and `conditions`, `outlook` while it is open for ballots, `life`", body = views::Outlook), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn outlook(
    State(service): State<Arc<Service>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let now = service.now()?;
    let id = known(&now, &id)?;
    let reading = Arc::clone(&service);
    let view = service.read(move || {
        let proposal = find(&now, id)?;
        let life = life(&reading, &now, proposal)?;
        Ok(ProposalOutlook::of(proposal, &now.state, now.time(), &life))
    });
    Ok(Shown(view.await?).into_response())
}

fn unknown() -> Problem {
    Problem::not_found("proposal.unknown", "there is no such proposal")
}

/// The id of a proposal that there is.
pub(super) fn known(now: &Published, id: &str) -> Result<ProposalId, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    find(now, id).map(|_| id)
}

/// A proposal.
pub(super) fn find(now: &Published, id: ProposalId) -> Result<&ProposalState, Problem> {
    now.state.proposals().get(id).ok_or_else(unknown)
}

/// How far around what the state knows of a proposal its other events stand: those of one command.
const AROUND: u64 = 8;

/// The entries that concern a proposal, ballots excepted: those that the state knows, and what was decided
/// with them.
pub(super) fn life(
    service: &Service,
    now: &Published,
    proposal: &ProposalState,
) -> Result<Vec<Entry>, Problem> {
    let names = Names::of_state(&now.state);
    let decided = proposal.decided().map(|decided| decided.seq);
    let convicted = now
        .state
        .evidence()
        .filter(|(_, on, _)| *on == proposal.id());
    let known = [Some(proposal.seq()), decided, proposal.ended_seq()];
    let mut known: Vec<u64> = known.into_iter().flatten().collect();
    known.extend(convicted.map(|(.., record)| record.seq));
    known.sort_unstable();
    let mut life = Vec::new();
    let mut next = 1;
    for seq in known {
        let first = seq.saturating_sub(AROUND).max(next);
        let last = (seq + AROUND).min(now.head.seq);
        let lines = service.entries().range(first, last).map_err(unreadable)?;
        for raw in lines {
            let raw = raw.map_err(unreadable)?;
            let line = intact(&raw)?;
            let view = view_of(&line, &names);
            if view.proposal == Some(proposal.id()) && line.operation != "vote_cast" {
                life.push(Entry::of(&line, view, None));
            }
        }
        next = next.max(last + 1);
    }
    Ok(life)
}

fn view_of(line: &Line<'_>, names: &Names) -> AuditView {
    let event = Event::decode(line.operation, line.data);
    event.map_or_else(
        |_| AuditView::default(),
        |event| AuditView::of(&event, names),
    )
}
