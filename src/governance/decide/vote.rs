//! Ballots and the contradictions between them. Specification, "Ballots" and "Byzantine behaviour".

use crate::governance::ballot::Ballot;
use crate::governance::event::{ByzantineDetected, Event};
use crate::governance::evidence::Equivocation;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::proposal::{Member, ProposalState, Status};
use crate::governance::state::registry::{Node, NodeStatus};
use crate::governance::statement::Signed;
use crate::governance::tally::Standing;
use crate::governance::time::Timestamp;

use super::Context;

/// The first rule that applies decides, in the order of the specification.
pub(super) fn vote(
    state: &State,
    signed: &Signed<Ballot>,
    context: &Context<'_>,
) -> Result<Option<Event>, Rejection> {
    let ballot = signed.content();
    let voter = ballot.voter;
    if ballot.ledger != state.ledger() {
        return Err(Rejection::WrongLedger);
    }
    let Some(proposal) = state.proposals().get(ballot.proposal_id) else {
        return Err(Rejection::BallotUnknownProposal {
            proposal: ballot.proposal_id,
        });
    };
    if !proposal.is_named_by(&ballot.proposal_hash) {
        return Err(Rejection::BallotHashMismatch);
    }
    let (Some(member), Some(node)) = (proposal.member(voter), state.registry().get(voter)) else {
        return Err(Rejection::NotInElectorate { voter });
    };
    if !signed.is_signed_by(node.key(), context.verifier) {
        return Err(Rejection::BallotSignature { voter });
    }
    if let Some(evidence) = contradiction(state, proposal, (node, member), signed, context)? {
        return Ok(Some(evidence));
    }
    if node.status() == NodeStatus::Suspended {
        return Err(Rejection::BallotSuspended { voter });
    }
    if member.ballot().is_some() {
        return Ok(None);
    }
    if node.status() == NodeStatus::Removed || member.standing() == Standing::Barred {
        return Err(Rejection::BallotNodeRemoved { voter });
    }
    check_new_ballot(state, proposal, ballot, context.at)?;
    Ok(Some(Event::VoteCast(signed.clone())))
}

/// Evidence, where the ballot contradicts the voter's recorded one.
fn contradiction(
    state: &State,
    proposal: &ProposalState,
    (node, member): (&Node, &Member),
    signed: &Signed<Ballot>,
    context: &Context<'_>,
) -> Result<Option<Event>, Rejection> {
    let ballot = signed.content();
    let known = state.evidence_against(ballot.voter, ballot.proposal_id);
    match member.ballot() {
        Some(recorded) if recorded.content().decision == ballot.decision => Ok(None),
        // Whatever it says, it contradicts one of the two ballots in the evidence, or repeats it.
        _ if known.is_some() => Err(Rejection::BallotEquivocation {
            voter: ballot.voter,
        }),
        None => Ok(None),
        // The present key says nothing about a proposal that had ended before it was held.
        Some(_) if !is_signed_while_open(signed, node, proposal, context) => {
            Err(Rejection::BallotProposalClosed {
                proposal: proposal.id(),
            })
        }
        Some(recorded) => {
            check_evidence_window(proposal, context.at)?;
            // Kept as long as evidence is taken.
            let first = recorded
                .signed()
                .ok_or(Rejection::EvidenceWindowOver { until: context.at })?;
            let evidence = Equivocation {
                first: first.clone(),
                second: signed.clone(),
            };
            Ok(Some(detected(state, evidence)))
        }
    }
}

fn check_new_ballot(
    state: &State,
    proposal: &ProposalState,
    ballot: &Ballot,
    at: Timestamp,
) -> Result<(), Rejection> {
    let voter = ballot.voter;
    if proposal.status() != Status::Voting {
        return Err(Rejection::BallotProposalClosed {
            proposal: proposal.id(),
        });
    }
    // Time never runs backwards, so it can't lie before the opening.
    if at >= proposal.deadline() {
        return Err(Rejection::BallotOutsidePeriod {
            deadline: proposal.deadline(),
        });
    }
    if ballot.cast_at >= proposal.deadline() {
        return Err(Rejection::BallotCastLate {
            cast_at: ballot.cast_at,
        });
    }
    if state.registry().has_voted_as(voter, ballot.vote_id) {
        return Err(Rejection::VoteIdReused {
            vote: ballot.vote_id,
        });
    }
    Ok(())
}

/// Evidence that anyone may submit, also after the decision.
pub(super) fn submit_evidence(
    state: &State,
    evidence: &Equivocation,
    context: &Context<'_>,
) -> Result<Option<Event>, Rejection> {
    let ballot = evidence.first.content();
    let voter = ballot.voter;
    if ballot.ledger != state.ledger() {
        return Err(Rejection::WrongLedger);
    }
    if !evidence.is_contradiction() {
        return Err(Rejection::NotContradictory);
    }
    let Some(proposal) = state.proposals().get(ballot.proposal_id) else {
        return Err(Rejection::UnknownProposal {
            proposal: ballot.proposal_id,
        });
    };
    if !proposal.is_named_by(&ballot.proposal_hash) {
        return Err(Rejection::EvidenceHashMismatch);
    }
    let node = state.registry().get(voter);
    let (Some(_), Some(node)) = (proposal.member(voter), node) else {
        return Err(Rejection::EvidenceNotInElectorate { voter });
    };
    for signed in [&evidence.first, &evidence.second] {
        if !is_signed_while_open(signed, node, proposal, context) {
            return Err(Rejection::EvidenceSignature { voter });
        }
    }
    if state.evidence_against(voter, ballot.proposal_id).is_some() {
        return Ok(None);
    }
    check_evidence_window(proposal, context.at)?;
    Ok(Some(detected(state, evidence.clone())))
}

/// Whether a ballot verifies under a key that its voter held while the proposal was open.
fn is_signed_while_open(
    signed: &Signed<Ballot>,
    node: &Node,
    proposal: &ProposalState,
    context: &Context<'_>,
) -> bool {
    let last = proposal.ended_seq().unwrap_or(u64::MAX);
    node.keys_held_between(proposal.seq(), last)
        .any(|key| signed.is_signed_by(key, context.verifier))
}

fn check_evidence_window(proposal: &ProposalState, at: Timestamp) -> Result<(), Rejection> {
    match proposal.evidence_until() {
        Some(until) if at >= until => Err(Rejection::EvidenceWindowOver { until }),
        _ => Ok(()),
    }
}

fn detected(state: &State, evidence: Equivocation) -> Event {
    let Equivocation { first, second } = evidence.ordered();
    let node = first.content().voter;
    let active = state.registry().get(node).is_some_and(Node::is_active);
    Event::ByzantineDetected(ByzantineDetected {
        node,
        proposal_id: first.content().proposal_id,
        suspended: active && state.registry().active_count() > 1,
        first,
        second,
    })
}
