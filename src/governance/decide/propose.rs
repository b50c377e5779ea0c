//! Opening a proposal. Specification, "Proposals".

use crate::governance::delegation;
use crate::governance::event::{Event, ProposalCreated};
use crate::governance::id::{NodeId, Subject};
use crate::governance::key::SignatureVerifier;
use crate::governance::kind::AuthorizationKind;
use crate::governance::policy::Policy;
use crate::governance::proposal::{
    Action, FreezeTarget, GrantTerms, NewNode, Proposal, RevocationTerms,
};
use crate::governance::proposal_rules::rules_for;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::authorization::Authorizations;
use crate::governance::state::registry::{NodeStatus, Registry};
use crate::governance::statement::Signed;
use crate::governance::time::Timestamp;

use super::Context;
use super::keys::{check_new_key, proves_possession};

pub(super) fn propose(
    state: &State,
    signed: &Signed<Proposal>,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let proposal = signed.content();
    if proposal.ledger != state.ledger() {
        return Err(Rejection::WrongLedger);
    }
    check_proposer(state, signed, context)?;
    if state.proposals().get(proposal.proposal_id).is_some() {
        return Err(Rejection::DuplicateProposal {
            proposal: proposal.proposal_id,
        });
    }
    check_parameters(proposal)?;
    check_open_proposals(state, proposal.proposer, context.at)?;
    check_action(state, &proposal.action, context)?;
    let rules = rules_for(state, &proposal.action, context.at);
    let voting = rules.iter().map(|rule| rule.voting_seconds).max();
    Ok(Event::ProposalCreated(ProposalCreated {
        deadline: context.at.saturating_add(voting.unwrap_or_default()),
        epoch: state.epoch,
        signature: signed.signature.clone(),
        statement: signed.statement.clone(),
        total_weight: state.registry().active_weight(),
    }))
}

fn check_proposer(
    state: &State,
    signed: &Signed<Proposal>,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    let node = signed.content().proposer;
    let Some(proposer) = state.registry().get(node) else {
        return Err(Rejection::UnknownNode { node });
    };
    if !signed.is_signed_by(proposer.key(), context.verifier) {
        return Err(Rejection::SignatureInvalid { node });
    }
    if !proposer.is_active() {
        return Err(Rejection::NodeNotActive { node });
    }
    Ok(())
}

fn check_parameters(proposal: &Proposal) -> Result<(), Rejection> {
    // The statement's bytes are canonical, so its parts have one length.
    let found = serde_json::to_string(&proposal.parameters).map_or(usize::MAX, |text| text.len());
    if found > Proposal::MAX_PARAMETERS_BYTES {
        return Err(Rejection::ParametersTooLarge { found });
    }
    Ok(())
}

fn check_open_proposals(state: &State, proposer: NodeId, at: Timestamp) -> Result<(), Rejection> {
    let max = state.policy().max_open_proposals;
    let open = state.proposals().open_of(proposer, at);
    if u64::try_from(open).is_ok_and(|open| open < max) {
        Ok(())
    } else {
        Err(Rejection::TooManyOpenProposals { max })
    }
}

fn check_action(state: &State, action: &Action, context: &Context<'_>) -> Result<(), Rejection> {
    let registry = state.registry();
    match action {
        Action::AuthorizeModel(terms) => {
            check_grant(state, AuthorizationKind::Model, terms, context.at)
        }
        Action::AuthorizeAgent(terms) => {
            check_grant(state, AuthorizationKind::Agent, terms, context.at)
        }
        Action::Delegation(delegation) => {
            let kind = AuthorizationKind::Delegation;
            check_grant(state, kind, &delegation.terms, context.at)?;
            let (grants, policy) = (state.authorizations(), state.policy());
            delegation::check(grants, policy, delegation, context.at)
                .map_err(|error| Rejection::Delegation { error })
        }
        Action::RevokeModel(terms) => check_revocation(state, AuthorizationKind::Model, terms),
        Action::RevokeAgent(terms) => check_revocation(state, AuthorizationKind::Agent, terms),
        Action::RevokeDelegation(terms) => {
            check_revocation(state, AuthorizationKind::Delegation, terms)
        }
        Action::UpdatePolicy { policy } => policy
            .check_change_from(state.policy())
            .map_err(|error| Rejection::PolicyInvalid { error }),
        Action::AddNode(new) => check_new_node(registry, new, context.verifier),
        Action::RemoveNode { node } => check_removal(registry, *node),
        Action::EmergencyFreeze { until, .. } => check_freeze(state.policy(), *until, context.at),
        Action::LiftFreeze { target } => check_lift(state, target, context.at),
        Action::ReinstateNode(new) => {
            check_status(registry, new.node, NodeStatus::Suspended)?;
            check_new_key(registry, new, context.verifier)
        }
        Action::ReplaceKey(new) => {
            check_status(registry, new.node, NodeStatus::Active)?;
            check_new_key(registry, new, context.verifier)
        }
    }
}

fn check_freeze(policy: &Policy, until: Timestamp, at: Timestamp) -> Result<(), Rejection> {
    if until <= at {
        return Err(Rejection::FreezeEndInPast { until });
    }
    let latest = at.saturating_add(policy.max_freeze_seconds);
    if until > latest {
        return Err(Rejection::FreezeTooLong { latest });
    }
    Ok(())
}

fn check_lift(state: &State, target: &FreezeTarget, at: Timestamp) -> Result<(), Rejection> {
    let freezes = state.authorizations().freezes();
    if freezes.on(at).any(|(_, freeze)| freeze.target() == target) {
        Ok(())
    } else {
        Err(Rejection::NotFrozen)
    }
}

fn check_status(registry: &Registry, node: NodeId, status: NodeStatus) -> Result<(), Rejection> {
    let Some(found) = registry.get(node) else {
        return Err(Rejection::UnknownNode { node });
    };
    if found.status() == status {
        return Ok(());
    }
    Err(match status {
        NodeStatus::Suspended => Rejection::NodeNotSuspended { node },
        _ => Rejection::NodeHasNoVote { node },
    })
}

fn check_grant(
    state: &State,
    kind: AuthorizationKind,
    terms: &GrantTerms,
    at: Timestamp,
) -> Result<(), Rejection> {
    let grants = state.authorizations().unrevoked(kind, &terms.subject);
    if grants.len() >= Authorizations::MAX_GRANTS {
        return Err(Rejection::TooManyGrants);
    }
    let Some(expires_at) = terms.expires_at else {
        return Ok(());
    };
    if expires_at <= at {
        return Err(Rejection::ExpiryInPast { expires_at });
    }
    if terms.not_before.is_some_and(|start| start >= expires_at) {
        return Err(Rejection::EmptyPeriod);
    }
    Ok(())
}

fn check_revocation(
    state: &State,
    kind: AuthorizationKind,
    terms: &RevocationTerms,
) -> Result<(), Rejection> {
    let Some(grant) = terms.grant_id else {
        return Ok(());
    };
    let of_subject = |subject: &Subject| *subject == terms.subject;
    match state.authorizations().get(grant) {
        None => Err(Rejection::UnknownGrant { grant }),
        Some(found) if found.kind() != kind || !of_subject(&found.terms().subject) => {
            Err(Rejection::GrantOfAnother { grant })
        }
        Some(_) => Ok(()),
    }
}

fn check_new_node(
    registry: &Registry,
    new: &NewNode,
    verifier: &dyn SignatureVerifier,
) -> Result<(), Rejection> {
    if NodeId::of_first_key(&new.key) != new.node {
        return Err(Rejection::NodeIdMismatch { node: new.node });
    }
    if registry.get(new.node).is_some() {
        return Err(Rejection::AlreadyRegistered { node: new.node });
    }
    if registry.knows_key(&new.key) {
        return Err(Rejection::KeyUsed);
    }
    if registry.has_name(&new.name) {
        return Err(Rejection::NameTaken);
    }
    if registry.len() >= Registry::MAX_NODES {
        return Err(Rejection::TooManyNodes);
    }
    if registry.weight_with(new.weight).is_none() {
        return Err(Rejection::WeightOverflow);
    }
    if !proves_possession(&new.key, &new.name, &new.possession, verifier) {
        return Err(Rejection::NoPossession { node: new.node });
    }
    Ok(())
}

fn check_removal(registry: &Registry, node: NodeId) -> Result<(), Rejection> {
    match registry.get(node) {
        None => Err(Rejection::UnknownNode { node }),
        Some(found) if found.status() == NodeStatus::Removed => {
            Err(Rejection::UnknownNode { node })
        }
        Some(found) if found.is_active() && registry.active_count() == 1 => {
            Err(Rejection::LastActiveNode)
        }
        Some(_) => Ok(()),
    }
}
