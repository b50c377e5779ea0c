//! Passing a part of a grant on to another agent. Specification, "Authorization".

use super::id::GrantId;
use super::kind::AuthorizationKind;
use super::policy::Policy;
use super::proposal::{DelegationTerms, GrantTerms};
use super::state::authorization::{Authorizations, GrantStatus};
use super::time::Timestamp;

/// Why a part of a grant can't be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// There is no such grant.
    #[error("there is no grant {0}")]
    UnknownParent(GrantId),
    /// Models don't delegate.
    #[error("only an agent's grant can be passed on")]
    NotAnAgents,
    /// The grant does not hold, or one that it was passed on from does not.
    #[error("the grant is {}", .0.name())]
    ParentNotLive(GrantStatus),
    /// The terms are wider than the parent's.
    #[error(
        "the terms are wider than the grant's: every key of its scope must be there with a subset \
         of its values, no limit higher, not earlier, not longer"
    )]
    Wider,
    /// Passed on more often than the policy allows.
    #[error("the grant has been passed on {0} times, which is as often as the policy allows")]
    TooDeep(u64),
    /// The subject is on the path already.
    #[error("the subject already stands on the way from the first grant to this one")]
    Cycle,
}

/// Whether `delegation` may be granted at `at`.
///
/// A parent that is only frozen is live for this purpose: freezes end by themselves, and nothing is
/// granted before.
///
/// # Errors
/// [`DelegationError`] with the first condition that does not hold.
pub(super) fn check(
    authorizations: &Authorizations,
    policy: &Policy,
    delegation: &DelegationTerms,
    at: Timestamp,
) -> Result<(), DelegationError> {
    let parent_id = delegation.parent;
    let unknown = DelegationError::UnknownParent(parent_id);
    let parent = authorizations.get(parent_id).ok_or(unknown)?;
    if parent.kind() == AuthorizationKind::Model {
        return Err(DelegationError::NotAnAgents);
    }
    check_live(authorizations, parent_id, at)?;
    if !is_within(&delegation.terms, parent.terms()) {
        return Err(DelegationError::Wider);
    }
    let depth = authorizations.lineage(parent_id).count() as u64;
    if depth > policy.delegation_depth {
        return Err(DelegationError::TooDeep(policy.delegation_depth));
    }
    let on_path = authorizations
        .lineage(parent_id)
        .any(|(_, grant)| grant.terms().subject == delegation.terms.subject);
    if on_path {
        return Err(DelegationError::Cycle);
    }
    Ok(())
}

fn check_live(
    authorizations: &Authorizations,
    parent: GrantId,
    at: Timestamp,
) -> Result<(), DelegationError> {
    for (id, _) in authorizations.lineage(parent) {
        match authorizations.status(id, at) {
            Some(GrantStatus::Live | GrantStatus::Frozen | GrantStatus::NotYetValid) | None => {}
            // An ancestor of this one is the reason, and is looked at in turn.
            Some(GrantStatus::ParentNotLive) => {}
            Some(ended) => return Err(DelegationError::ParentNotLive(ended)),
        }
    }
    Ok(())
}

/// Whether `inner` allows nothing that `outer` does not.
fn is_within(inner: &GrantTerms, outer: &GrantTerms) -> bool {
    let starts_no_earlier = outer.not_before.is_none_or(|outer_start| {
        inner
            .not_before
            .is_some_and(|inner_start| inner_start >= outer_start)
    });
    let ends_no_later = outer.expires_at.is_none_or(|outer_end| {
        inner
            .expires_at
            .is_some_and(|inner_end| inner_end <= outer_end)
    });
    starts_no_earlier && ends_no_later && inner.scope.is_within(&outer.scope)
}
