//! Short ways to write what is proposed.

use crate::governance::id::{GrantId, NodeId, Subject};
use crate::governance::policy::Policy;
use crate::governance::proposal::{Action, GrantTerms, RevocationTerms};

/// The model `urn:model:NAME`.
///
/// # Panics
/// Where `name` makes no URN.
#[must_use]
pub fn model(name: &str) -> Subject {
    format!("urn:model:{name}")
        .parse()
        .expect("a name without spaces")
}

/// The agent `urn:agent:NAME`.
///
/// # Panics
/// Where `name` makes no URN.
#[must_use]
pub fn agent(name: &str) -> Subject {
    format!("urn:agent:{name}")
        .parse()
        .expect("a name without spaces")
}

/// Lets a model run, without restriction and without end.
#[must_use]
pub fn authorize_model(name: &str) -> Action {
    Action::AuthorizeModel(GrantTerms::unrestricted(model(name)))
}

/// Lets an agent act, without restriction and without end.
#[must_use]
pub fn authorize_agent(name: &str) -> Action {
    Action::AuthorizeAgent(GrantTerms::unrestricted(agent(name)))
}

/// Ends all grants of a model.
#[must_use]
pub fn revoke_model(name: &str) -> Action {
    Action::RevokeModel(RevocationTerms {
        grant_id: None,
        subject: model(name),
    })
}

/// Ends one grant of a model.
#[must_use]
pub fn revoke_grant(name: &str, grant: GrantId) -> Action {
    Action::RevokeModel(RevocationTerms {
        grant_id: Some(grant),
        subject: model(name),
    })
}

/// Ends all grants of an agent.
#[must_use]
pub fn revoke_agent(name: &str) -> Action {
    Action::RevokeAgent(RevocationTerms {
        grant_id: None,
        subject: agent(name),
    })
}

/// Removes a node.
#[must_use]
pub const fn remove_node(node: NodeId) -> Action {
    Action::RemoveNode { node }
}

/// Replaces the policy.
#[must_use]
pub fn update_policy(policy: Policy) -> Action {
    Action::UpdatePolicy {
        policy: Box::new(policy),
    }
}
