//! Opening a proposal. Specification, "Proposals".

use crate::governance::event::{Event, ProposalCreated};
use crate::governance::id::{NodeId, Subject};
use crate::governance::key::{PublicKey, SignatureVerifier};
use crate::governance::kind::AuthorizationKind;
use crate::governance::policy::{Policy, PolicyError};
use crate::governance::possession::KeyPossession;
use crate::governance::proposal::{Action, GrantTerms, NewNode, Proposal, RevocationTerms};
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::registry::{NodeStatus, Registry};
use crate::governance::statement::{Signed, Statement};
use crate::governance::time::Timestamp;

use super::Context;

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
    let rules = rules_for(state.policy(), &proposal.action);
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

/// The conditions that a proposal has to meet: those of the policy in force, and for a change of
/// policy those of the new one as well.
pub(in crate::governance) fn rules_for(
    policy: &Policy,
    action: &Action,
) -> Vec<crate::governance::policy::Rule> {
    let mut rules = vec![policy.rule(action.kind())];
    if let Action::UpdatePolicy { policy: new } = action {
        rules.push(new.rule(action.kind()));
    }
    rules
}

fn check_action(state: &State, action: &Action, context: &Context<'_>) -> Result<(), Rejection> {
    if !action.kind().is_in_force() {
        return Err(Rejection::KindNotInForce {
            kind: action.kind(),
        });
    }
    match action {
        Action::AuthorizeModel(terms) | Action::AuthorizeAgent(terms) => {
            check_grant(terms, context.at)
        }
        Action::RevokeModel(terms) => check_revocation(state, AuthorizationKind::Model, terms),
        Action::RevokeAgent(terms) => check_revocation(state, AuthorizationKind::Agent, terms),
        Action::UpdatePolicy { policy } => {
            check_policy(state.policy(), policy).map_err(|error| Rejection::PolicyInvalid { error })
        }
        Action::AddNode(new) => check_new_node(state.registry(), new, context.verifier),
        Action::RemoveNode { node } => check_removal(state.registry(), *node),
        // Refused above as not in force.
        Action::EmergencyFreeze { .. }
        | Action::Delegation(_)
        | Action::LiftFreeze { .. }
        | Action::ReinstateNode(_)
        | Action::ReplaceKey(_)
        | Action::RevokeDelegation(_) => Err(Rejection::KindNotInForce {
            kind: action.kind(),
        }),
    }
}

fn check_grant(terms: &GrantTerms, at: Timestamp) -> Result<(), Rejection> {
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

/// Whether `new` may take the place of `current`.
pub(in crate::governance) fn check_policy(
    current: &Policy,
    new: &Policy,
) -> Result<(), PolicyError> {
    if new.floors != current.floors {
        return Err(PolicyError::FloorsChanged);
    }
    new.validate()
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
    if !proves_possession(&new.key, new, verifier) {
        return Err(Rejection::NoPossession { node: new.node });
    }
    Ok(())
}

/// Rebuilds the statement that the node signed about its key and checks the signature.
fn proves_possession(key: &PublicKey, new: &NewNode, verifier: &dyn SignatureVerifier) -> bool {
    KeyPossession::new(key.clone(), new.name.as_str())
        .ok()
        .and_then(|possession| Statement::new(possession).ok())
        .is_some_and(|statement| {
            let signed = statement.with_signature(new.possession.clone());
            signed.is_signed_by(key, verifier)
        })
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
