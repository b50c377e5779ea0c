//! Withdrawing, closing and executing. Specification, "Proposals" and "Tally".

use crate::governance::consequence::{consensus, effect};
use crate::governance::event::{Event, ProposalLapsed, Timing};
use crate::governance::id::ProposalId;
use crate::governance::proposal::Withdrawal;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::statement::Signed;
use crate::governance::tally::judge_at_deadline;
use crate::governance::time::Timestamp;

use super::Context;

fn find(state: &State, proposal: ProposalId) -> Result<&ProposalState, Rejection> {
    state
        .proposals()
        .get(proposal)
        .ok_or(Rejection::UnknownProposal { proposal })
}

fn find_in_voting(state: &State, proposal: ProposalId) -> Result<&ProposalState, Rejection> {
    let found = find(state, proposal)?;
    if found.status() != Status::Voting {
        return Err(Rejection::ProposalClosed { proposal });
    }
    Ok(found)
}

/// The proposer may withdraw until somebody else has voted.
pub(super) fn withdraw(
    state: &State,
    signed: &Signed<Withdrawal>,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let withdrawal = signed.content();
    let node = withdrawal.proposer;
    if withdrawal.ledger != state.ledger() {
        return Err(Rejection::WrongLedger);
    }
    let proposal = find(state, withdrawal.proposal_id)?;
    if proposal.content().proposer != node {
        return Err(Rejection::NotProposer);
    }
    if !proposal.is_named_by(&withdrawal.proposal_hash) {
        return Err(Rejection::WithdrawHashMismatch);
    }
    let Some(proposer) = state.registry().get(node) else {
        return Err(Rejection::UnknownNode { node });
    };
    if !signed.is_signed_by(proposer.key(), context.verifier) {
        return Err(Rejection::SignatureInvalid { node });
    }
    let proposal = find_in_voting(state, withdrawal.proposal_id)?;
    let foreign_ballot = proposal
        .electorate()
        .any(|(voter, member)| voter != node && member.ballot().is_some());
    if foreign_ballot {
        return Err(Rejection::WithdrawAfterBallot);
    }
    if context.at >= proposal.deadline() {
        return Err(Rejection::WithdrawAfterDeadline);
    }
    Ok(Event::ProposalWithdrawn(signed.clone()))
}

/// Anyone may close a proposal at or after its deadline.
pub(super) fn close(
    state: &State,
    proposal: ProposalId,
    at: Timestamp,
) -> Result<Event, Rejection> {
    let proposal = find_in_voting(state, proposal)?;
    if at < proposal.deadline() {
        return Err(Rejection::CloseBeforeDeadline {
            deadline: proposal.deadline(),
        });
    }
    let judgement = judge_at_deadline(proposal.rules(), proposal.tally());
    Ok(consensus(proposal, judgement, Timing::Close))
}

/// Anyone may execute a queued decision from the end of its timelock to the end of its window.
pub(super) fn execute(
    state: &State,
    proposal: ProposalId,
    at: Timestamp,
) -> Result<Event, Rejection> {
    let not_queued = Rejection::ExecuteNotQueued { proposal };
    let proposal = find(state, proposal)?;
    if proposal.status() != Status::Queued {
        return Err(not_queued);
    }
    let Some((eta, end)) = state.execution_window(proposal, at) else {
        return Err(not_queued);
    };
    if at < eta {
        return Err(Rejection::ExecuteBeforeTimelock { eta });
    }
    if state.is_held_by_freeze(proposal, at) {
        return Err(Rejection::ExecuteFrozen);
    }
    if at >= end {
        return Ok(Event::ProposalLapsed(ProposalLapsed {
            proposal_id: proposal.id(),
        }));
    }
    Ok(effect(state, proposal, at))
}
