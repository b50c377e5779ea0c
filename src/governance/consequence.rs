//! What follows from the state by itself, one event at a time, until nothing more does.
//!
//! Specification, "Determinism": after every cause the undecided proposals are evaluated in the
//! order in which they were opened, to a fixpoint.

use super::delegation;
use super::event::{
    AdmittedBy, AuthorizationGranted, AuthorizationRevoked, Conditions, ConsensusReached,
    DecisionOverturned, Event, FailureReason, FreezeImposed, FreezeLifted, KeyReplaced, NodeAdded,
    NodeReinstated, NodeRemoved, PolicyUpdated, ProposalFailed, ProposalSuperseded, SupersededBy,
    Timing,
};
use super::id::{NodeId, ProposalId};
use super::kind::AuthorizationKind;
use super::policy::{Policy, Rule};
use super::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, NewKey, NewNode, RevocationTerms,
};
use super::proposal_rules::MORE_THAN_TWO_THIRDS;
use super::state::State;
use super::state::authorization::Authorizations;
use super::state::proposal::{ProposalState, Status};
use super::state::registry::{Node, NodeStatus, Registry};
use super::tally::{Judgement, Standing, Tally, judge_early, stands};
use super::time::Timestamp;
use super::weight::TotalWeight;

/// The next event that the state calls for at `at`, if any.
#[must_use]
pub fn next_consequence(state: &State, at: Timestamp) -> Option<Event> {
    execution(state, at)
        .or_else(|| overturning(state))
        .or_else(|| supersession(state))
        .or_else(|| early_decision(state, at))
}

/// A decision without a timelock is carried out in the same batch.
fn execution(state: &State, at: Timestamp) -> Option<Event> {
    state
        .proposals()
        .unfinished()
        .find(|proposal| proposal.status() == Status::Passed)
        .map(|proposal| effect(state, proposal, at))
}

/// A queued decision that evidence has deprived of its majority is overturned.
fn overturning(state: &State) -> Option<Event> {
    let proposal = state
        .proposals()
        .unfinished()
        .find(|proposal| proposal.status() == Status::Queued && !still_stands(proposal))?;
    Some(Event::DecisionOverturned(DecisionOverturned {
        approve_weight: total(proposal.tally().approve()),
        byzantine_weight: total(proposal.tally().byzantine()),
        proposal_id: proposal.id(),
    }))
}

/// Whether a decision would be taken again: against the weight that had not voted when it was
/// decided early, or against nobody where it was decided at the deadline.
fn still_stands(proposal: &ProposalState) -> bool {
    let early = proposal.decided().is_some_and(|decided| decided.early);
    if early {
        stands(proposal.rules(), proposal.tally())
    } else {
        stands(proposal.rules(), &proposal.tally().without_uncast())
    }
}

/// A proposal to grant what was revoked since it was opened is overtaken.
fn supersession(state: &State) -> Option<Event> {
    state
        .proposals()
        .pending_grants()
        .find(|(proposal, kind)| is_revoked_since(state, proposal, *kind))
        .map(|(proposal, _)| superseded(proposal, SupersededBy::Revocation))
        .or_else(|| reinstatement_overtaken(state))
}

/// New evidence against a node overtakes a proposal to reinstate it.
fn reinstatement_overtaken(state: &State) -> Option<Event> {
    state
        .proposals()
        .pending_reinstatements()
        .find(|(proposal, node)| {
            let mut evidence = state.convictions().filter(|(accused, _)| accused == node);
            evidence.any(|(_, record)| record.seq > proposal.seq())
        })
        .map(|(proposal, _)| superseded(proposal, SupersededBy::Evidence))
}

fn is_revoked_since(state: &State, proposal: &ProposalState, kind: AuthorizationKind) -> bool {
    proposal
        .content()
        .action
        .grants()
        .is_some_and(|(_, terms)| {
            state
                .authorizations()
                .was_revoked_after(proposal.seq(), kind, &terms.subject)
        })
}

fn superseded(proposal: &ProposalState, reason: SupersededBy) -> Event {
    Event::ProposalSuperseded(ProposalSuperseded {
        proposal_id: proposal.id(),
        reason,
    })
}

/// A proposal is decided as soon as no further ballot can change the outcome. From its deadline on
/// it is for closing to decide, whatever else happens in between.
fn early_decision(state: &State, at: Timestamp) -> Option<Event> {
    state
        .proposals()
        .undecided()
        .filter(|proposal| proposal.early_decision && at < proposal.deadline())
        .find_map(|proposal| {
            let judgement = judge_early(proposal.rules(), proposal.tally())?;
            Some(consensus(proposal, judgement, Timing::Early))
        })
}

/// The record of a decision, with everything that it was computed from.
pub(super) fn consensus(proposal: &ProposalState, judgement: Judgement, timing: Timing) -> Event {
    let tally: &Tally = proposal.tally();
    let counted = proposal
        .electorate()
        .filter(|(_, member)| !matches!(member.standing(), Standing::Byzantine));
    Event::ConsensusReached(ConsensusReached {
        abstain_weight: total(tally.abstain()),
        approve_weight: total(tally.approve()),
        byzantine_weight: total(tally.byzantine()),
        decision: judgement.verdict,
        proposal_id: proposal.id(),
        reason: judgement.reason,
        reject_weight: total(tally.reject()),
        rules: proposal.rules().iter().map(Conditions::of).collect(),
        timing,
        total_weight: total(tally.total()),
        votes: counted
            .filter_map(|(_, member)| member.ballot())
            .map(|ballot| ballot.content().vote_id)
            .collect(),
    })
}

/// A part of a tally, which never exceeds the electorate's total.
fn total(weight: u64) -> TotalWeight {
    TotalWeight::new(weight).unwrap_or_default()
}

impl Conditions {
    pub(crate) const fn of(rule: &Rule) -> Self {
        Self {
            absolute: rule.absolute,
            approval: rule.approval,
            quorum: rule.quorum,
        }
    }
}

/// What carrying out a passed proposal leads to; never a halt.
pub(super) fn effect(state: &State, proposal: &ProposalState, at: Timestamp) -> Event {
    if proposal.kind().is_bound_to_epoch() && proposal.epoch != state.epoch {
        return superseded(proposal, SupersededBy::EpochChanged);
    }
    let outcome = match &proposal.content().action {
        Action::AuthorizeModel(terms) | Action::AuthorizeAgent(terms) => {
            grant(state, proposal, terms, at)
        }
        Action::Delegation(delegation) => delegate(state, proposal, delegation, at),
        Action::RevokeModel(terms)
        | Action::RevokeAgent(terms)
        | Action::RevokeDelegation(terms) => Ok(revoke(state, proposal, terms)),
        Action::UpdatePolicy { policy } => update_policy(state.policy(), proposal, policy),
        Action::AddNode(new) => add_node(state.registry(), proposal, new),
        Action::RemoveNode { node } => remove_node(state.registry(), proposal, *node),
        Action::EmergencyFreeze { target, until } => freeze(state, proposal, target, *until, at),
        Action::LiftFreeze { target } => lift(state, proposal, target, at),
        Action::ReinstateNode(new) => reinstate(state.registry(), proposal, new),
        Action::ReplaceKey(new) => replace_key(state.registry(), proposal, new),
    };
    outcome.unwrap_or_else(|reason| {
        Event::ProposalFailed(ProposalFailed {
            proposal_id: proposal.id(),
            reason,
        })
    })
}

fn grant(
    state: &State,
    proposal: &ProposalState,
    terms: &GrantTerms,
    at: Timestamp,
) -> Result<Event, FailureReason> {
    let action = &proposal.content().action;
    // Only kinds that grant something come here.
    let (kind, _) = action.grants().ok_or(FailureReason::Expired)?;
    if is_revoked_since(state, proposal, kind) {
        return Ok(superseded(proposal, SupersededBy::Revocation));
    }
    if terms.expires_at.is_some_and(|expires_at| expires_at <= at) {
        return Err(FailureReason::Expired);
    }
    let grants = state.authorizations().unrevoked(kind, &terms.subject);
    if grants.len() >= Authorizations::MAX_GRANTS {
        return Err(FailureReason::TooManyGrants);
    }
    Ok(Event::AuthorizationGranted(AuthorizationGranted {
        grant_id: proposal.id(),
        kind,
        parent: action.parent(),
        terms: terms.clone(),
    }))
}

fn delegate(
    state: &State,
    proposal: &ProposalState,
    delegation: &DelegationTerms,
    at: Timestamp,
) -> Result<Event, FailureReason> {
    delegation::check(state.authorizations(), state.policy(), delegation, at)
        .map_err(|_| FailureReason::Parent)?;
    grant(state, proposal, &delegation.terms, at)
}

fn revoke(state: &State, proposal: &ProposalState, terms: &RevocationTerms) -> Event {
    let kind = proposal
        .content()
        .action
        .revokes()
        .map_or(AuthorizationKind::Model, |(kind, _)| kind);
    let unrevoked = state.authorizations().unrevoked(kind, &terms.subject);
    let ended = match terms.grant_id {
        Some(one) => unrevoked
            .into_iter()
            .filter(|grant| *grant == one)
            .collect(),
        None => unrevoked,
    };
    Event::AuthorizationRevoked(AuthorizationRevoked {
        grant_ids: ended,
        kind,
        proposal_id: proposal.id(),
        subject: terms.subject.clone(),
    })
}

fn freeze(
    state: &State,
    proposal: &ProposalState,
    target: &FreezeTarget,
    until: Timestamp,
    at: Timestamp,
) -> Result<Event, FailureReason> {
    if until <= at {
        return Err(FailureReason::FreezeOver);
    }
    // Another freeze may have come in between since this one was opened.
    let tally = proposal.tally();
    let two_thirds =
        MORE_THAN_TWO_THIRDS.is_some_and(|share| share.exceeded_by(tally.approve(), tally.total()));
    let freezes = state.authorizations().freezes();
    if freezes.needs_two_thirds(target, at) && !two_thirds {
        return Err(FailureReason::FreezeTooSoon);
    }
    Ok(Event::FreezeImposed(FreezeImposed {
        proposal_id: proposal.id(),
        target: target.clone(),
        until,
    }))
}

fn lift(
    state: &State,
    proposal: &ProposalState,
    target: &FreezeTarget,
    at: Timestamp,
) -> Result<Event, FailureReason> {
    let freezes = state.authorizations().freezes();
    let ended: Vec<ProposalId> = freezes
        .on(at)
        .filter(|(_, freeze)| freeze.target() == target)
        .map(|(id, _)| id)
        .collect();
    if ended.is_empty() {
        return Err(FailureReason::NotFrozen);
    }
    Ok(Event::FreezeLifted(FreezeLifted {
        freezes: ended,
        proposal_id: proposal.id(),
    }))
}

fn reinstate(
    registry: &Registry,
    proposal: &ProposalState,
    new: &NewKey,
) -> Result<Event, FailureReason> {
    let node = registry
        .get(new.node)
        .filter(|node| node.status() == NodeStatus::Suspended)
        .ok_or(FailureReason::NotSuspended)?;
    if registry.knows_key(&new.key) {
        return Err(FailureReason::AlreadyRegistered);
    }
    if registry.weight_with(node.weight()).is_none() {
        return Err(FailureReason::WeightOverflow);
    }
    Ok(Event::NodeReinstated(NodeReinstated {
        key: new.key.clone(),
        node: new.node,
        proposal_id: proposal.id(),
    }))
}

fn replace_key(
    registry: &Registry,
    proposal: &ProposalState,
    new: &NewKey,
) -> Result<Event, FailureReason> {
    if !registry.get(new.node).is_some_and(Node::is_active) {
        return Err(FailureReason::NotActive);
    }
    if registry.knows_key(&new.key) {
        return Err(FailureReason::AlreadyRegistered);
    }
    Ok(Event::KeyReplaced(KeyReplaced {
        key: new.key.clone(),
        node: new.node,
        proposal_id: proposal.id(),
    }))
}

fn update_policy(
    current: &Policy,
    proposal: &ProposalState,
    policy: &Policy,
) -> Result<Event, FailureReason> {
    policy
        .check_change_from(current)
        .map_err(|_| FailureReason::Policy)?;
    Ok(Event::PolicyUpdated(PolicyUpdated {
        policy: Box::new(policy.clone()),
        proposal_id: proposal.id(),
    }))
}

fn add_node(
    registry: &Registry,
    proposal: &ProposalState,
    new: &NewNode,
) -> Result<Event, FailureReason> {
    if registry.get(new.node).is_some()
        || registry.knows_key(&new.key)
        || registry.has_name(&new.name)
    {
        return Err(FailureReason::AlreadyRegistered);
    }
    if registry.len() >= Registry::MAX_NODES {
        return Err(FailureReason::TooManyNodes);
    }
    if registry.weight_with(new.weight).is_none() {
        return Err(FailureReason::WeightOverflow);
    }
    Ok(Event::NodeAdded(NodeAdded {
        admitted_by: AdmittedBy::Proposal(proposal.id()),
        key: new.key.clone(),
        name: new.name.clone(),
        node: new.node,
        weight: new.weight,
    }))
}

fn remove_node(
    registry: &Registry,
    proposal: &ProposalState,
    node: NodeId,
) -> Result<Event, FailureReason> {
    let registered = registry
        .get(node)
        .filter(|found| found.status() != NodeStatus::Removed)
        .ok_or(FailureReason::NotRegistered)?;
    if registered.is_active() && registry.active_count() == 1 {
        return Err(FailureReason::NoActiveNode);
    }
    Ok(Event::NodeRemoved(NodeRemoved {
        node,
        proposal_id: proposal.id(),
    }))
}
