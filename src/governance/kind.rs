//! What a proposal may be about, and what kinds of authorization there are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kinds of proposals. Their strings are stable, and they are ordered by them, so that a map
/// of kinds is written in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalKind {
    /// Lets an AI model run.
    AuthorizeModel,
    /// Ends a model's grants.
    RevokeModel,
    /// Lets an agent act.
    AuthorizeAgent,
    /// Ends an agent's grants.
    RevokeAgent,
    /// Replaces the policy.
    UpdatePolicy,
    /// Admits a governance node.
    AddNode,
    /// Removes a governance node.
    RemoveNode,
    /// Suspends authorizations for a while.
    EmergencyFreeze,
    /// Lets one agent pass a part of its grant on to another.
    Delegation,
    /// Ends a freeze early.
    LiftFreeze,
    /// Lets a suspended node vote again, with a new key.
    ReinstateNode,
    /// Gives a node that lost its key another one.
    ReplaceKey,
    /// Ends a delegation.
    RevokeDelegation,
}

impl ProposalKind {
    /// All of them, the ones that exist in every governance library first.
    pub const ALL: [Self; 13] = [
        Self::AuthorizeModel,
        Self::RevokeModel,
        Self::AuthorizeAgent,
        Self::RevokeAgent,
        Self::UpdatePolicy,
        Self::AddNode,
        Self::RemoveNode,
        Self::EmergencyFreeze,
        Self::Delegation,
        Self::LiftFreeze,
        Self::ReinstateNode,
        Self::ReplaceKey,
        Self::RevokeDelegation,
    ];

    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizeModel => "authorize-model",
            Self::RevokeModel => "revoke-model",
            Self::AuthorizeAgent => "authorize-agent",
            Self::RevokeAgent => "revoke-agent",
            Self::UpdatePolicy => "update-policy",
            Self::AddNode => "add-node",
            Self::RemoveNode => "remove-node",
            Self::EmergencyFreeze => "emergency-freeze",
            Self::Delegation => "delegation",
            Self::LiftFreeze => "lift-freeze",
            Self::ReinstateNode => "reinstate-node",
            Self::ReplaceKey => "replace-key",
            Self::RevokeDelegation => "revoke-delegation",
        }
    }

    /// Whether a decision of this kind depends on the membership, keys and policy at its opening,
    /// and is superseded where one of them has changed since.
    #[must_use]
    pub const fn is_bound_to_epoch(self) -> bool {
        matches!(self, Self::AddNode | Self::RemoveNode | Self::UpdatePolicy)
    }
}

impl Ord for ProposalKind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for ProposalKind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ProposalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of no kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected authorize-model, revoke-model, authorize-agent, revoke-agent, update-policy, \
     add-node, remove-node, emergency-freeze, delegation, lift-freeze, reinstate-node, \
     replace-key or revoke-delegation"
)]
pub struct ParseProposalKindError;

impl FromStr for ProposalKind {
    type Err = ParseProposalKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or(ParseProposalKindError)
    }
}

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthorizationKind {
    /// A model may run.
    Model,
    /// An agent may act.
    Agent,
    /// An agent may act by delegation from another.
    Delegation,
}

impl AuthorizationKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Model, Self::Agent, Self::Delegation];

    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Agent => "agent",
            Self::Delegation => "delegation",
        }
    }
}

impl fmt::Display for AuthorizationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of no kind of authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected model, agent or delegation")]
pub struct ParseAuthorizationKindError;

impl FromStr for AuthorizationKind {
    type Err = ParseAuthorizationKindError;

    /// Reads the kind's own name, or that of the proposal kind which grants it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "model" | "authorize-model" => Ok(Self::Model),
            "agent" | "authorize-agent" => Ok(Self::Agent),
            "delegation" => Ok(Self::Delegation),
            _ => Err(ParseAuthorizationKindError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_json_agree() {
        for kind in ProposalKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.name())
            );
        }
        for kind in AuthorizationKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            assert_eq!(
                serde_json::to_string(&kind).unwrap(),
                format!("\"{}\"", kind.name())
            );
        }
    }

    #[test]
    fn kinds_are_written_and_ordered_as_their_names() {
        for kind in ProposalKind::ALL {
            assert_eq!(kind.to_string(), kind.name());
            for other in ProposalKind::ALL {
                let by_name = kind.name().cmp(other.name());
                assert_eq!(kind.partial_cmp(&other), Some(by_name));
            }
        }
        for kind in AuthorizationKind::ALL {
            assert_eq!(kind.to_string(), kind.name());
        }
    }
}
