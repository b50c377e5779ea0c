//! What nodes propose: signed proposals, their typed actions, and withdrawals.
//!
//! Specification, "Proposals".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::digest::Digest;
use super::id::{GrantId, LedgerId, NodeId, ProposalId, Subject};
use super::key::{PublicKey, Signature};
use super::kind::{AuthorizationKind, ProposalKind};
use super::label::{Name, Prose, Title};
use super::policy::Policy;
use super::scope::Scope;
use super::statement::StatementContent;
use super::text::present;
use super::time::Timestamp;
use super::weight::Weight;

/// What a proposal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// What happens if it passes.
    pub action: Action,
    /// When the proposer says it was drawn up.
    pub created_at: Timestamp,
    /// The case for it; may be empty.
    pub description: Prose,
    /// The ledger that the proposal is for.
    pub ledger: LedgerId,
    /// Anything else that voters should know: at most 64 KiB of JSON with integers only. The rules
    /// never look at it.
    pub parameters: Map<String, Value>,
    /// An id that was never used before.
    pub proposal_id: ProposalId,
    /// The proposing node.
    pub proposer: NodeId,
    /// What it is about, in a line.
    pub title: Title,
}

impl Proposal {
    /// The largest free-form `parameters`, in bytes of canonical JSON.
    pub const MAX_PARAMETERS_BYTES: usize = 64 * 1024;
}

impl StatementContent for Proposal {
    const DOMAIN: &'static str = "althing/proposal/v1";
    const MAX_BYTES: usize = 256 * 1024;
}

/// What a passed proposal does, with the parameters of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Lets a model run.
    AuthorizeModel(GrantTerms),
    /// Ends all live grants of a model, or one.
    RevokeModel(RevocationTerms),
    /// Lets an agent act.
    AuthorizeAgent(GrantTerms),
    /// Ends all live grants of an agent, or one.
    RevokeAgent(RevocationTerms),
    /// Replaces the policy.
    UpdatePolicy {
        /// The new policy, whole.
        policy: Box<Policy>,
    },
    /// Admits a node.
    AddNode(NewNode),
    /// Removes a node.
    RemoveNode {
        /// The node.
        node: NodeId,
    },
    /// Suspends the authorizations of a subject, or all of them.
    EmergencyFreeze {
        /// The subject, or `*`.
        target: FreezeTarget,
        /// When the freeze ends by itself.
        until: Timestamp,
    },
    /// Lets another agent act under a part of a grant.
    Delegation(DelegationTerms),
    /// Ends a freeze early.
    LiftFreeze {
        /// The subject, or `*`.
        target: FreezeTarget,
    },
    /// Lets a suspended node vote again.
    ReinstateNode(NewKey),
    /// Gives a node that lost its key another one.
    ReplaceKey(NewKey),
    /// Ends a delegation.
    RevokeDelegation(RevocationTerms),
}

/// The terms of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantTerms {
    /// SHA-256 of the model's or agent's artifact, where one is bound.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub artifact_digest: Option<Digest>,
    /// The first instant at which the grant is over; never, where absent.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Timestamp>,
    /// The first instant at which the grant holds; from the decision on, where absent.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub not_before: Option<Timestamp>,
    /// What the grant is limited to.
    pub scope: Scope,
    /// Who is authorized.
    pub subject: Subject,
}

impl GrantTerms {
    /// Unrestricted terms for `subject`, without an end.
    #[must_use]
    pub fn unrestricted(subject: Subject) -> Self {
        Self {
            artifact_digest: None,
            expires_at: None,
            not_before: None,
            scope: Scope::unrestricted(),
            subject,
        }
    }
}

/// A part of one agent's grant, for another agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationTerms {
    /// The grant that is passed on.
    pub parent: GrantId,
    /// The terms, no wider than the parent's.
    pub terms: GrantTerms,
}

/// What a revocation ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationTerms {
    /// The one grant to end; all live grants of the subject, where absent.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub grant_id: Option<GrantId>,
    /// Whose grants end.
    pub subject: Subject,
}

/// A node to admit, with the proof that it holds its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewNode {
    /// The node's first key; its id is derived from it.
    pub key: PublicKey,
    /// What the node calls itself.
    pub name: Name,
    /// The node's id, which the key must hash to.
    pub node: NodeId,
    /// The signature of the node's
    /// [`KeyPossession`](super::possession::KeyPossession) statement.
    pub possession: Signature,
    /// The weight to give it.
    pub weight: Weight,
}

/// A new key for a node that is already registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// The new key.
    pub key: PublicKey,
    /// What its holder calls the key, which the proof of possession names.
    pub key_name: Name,
    /// The node.
    pub node: NodeId,
    /// The new key's proof of possession.
    pub possession: Signature,
}

/// A node's change of its own key, signed by the key that it holds so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// The ledger that the rotation is for.
    pub ledger: LedgerId,
    /// The new key, with the proof that the node holds it.
    pub new_key: NewKey,
    /// When the node says it rotated.
    pub rotated_at: Timestamp,
}

impl StatementContent for Rotation {
    const DOMAIN: &'static str = "althing/rotation/v1";
    const MAX_BYTES: usize = 16 * 1024;
}

/// What a freeze covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FreezeTarget {
    /// Every subject, written `*`.
    Everything,
    /// One subject.
    Subject(Subject),
}

impl TryFrom<String> for FreezeTarget {
    type Error = super::id::ParseSubjectError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "*" {
            return Ok(Self::Everything);
        }
        text.parse().map(Self::Subject)
    }
}

impl FreezeTarget {
    /// Whether `subject` is covered.
    #[must_use]
    pub fn covers(&self, subject: &Subject) -> bool {
        match self {
            Self::Everything => true,
            Self::Subject(covered) => covered == subject,
        }
    }

    /// Whether some subject is covered by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Subject(one), Self::Subject(two)) => one == two,
            _ => true,
        }
    }
}

impl From<FreezeTarget> for String {
    fn from(target: FreezeTarget) -> Self {
        match target {
            FreezeTarget::Everything => "*".to_owned(),
            FreezeTarget::Subject(subject) => subject.to_string(),
        }
    }
}

impl Action {
    /// The proposal's kind.
    #[must_use]
    pub const fn kind(&self) -> ProposalKind {
        match self {
            Self::AuthorizeModel(_) => ProposalKind::AuthorizeModel,
            Self::RevokeModel(_) => ProposalKind::RevokeModel,
            Self::AuthorizeAgent(_) => ProposalKind::AuthorizeAgent,
            Self::RevokeAgent(_) => ProposalKind::RevokeAgent,
            Self::UpdatePolicy { .. } => ProposalKind::UpdatePolicy,
            Self::AddNode(_) => ProposalKind::AddNode,
            Self::RemoveNode { .. } => ProposalKind::RemoveNode,
            Self::EmergencyFreeze { .. } => ProposalKind::EmergencyFreeze,
            Self::Delegation(_) => ProposalKind::Delegation,
            Self::LiftFreeze { .. } => ProposalKind::LiftFreeze,
            Self::ReinstateNode(_) => ProposalKind::ReinstateNode,
            Self::ReplaceKey(_) => ProposalKind::ReplaceKey,
            Self::RevokeDelegation(_) => ProposalKind::RevokeDelegation,
        }
    }

    /// Whom or what the action is about, as people write it.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::AuthorizeModel(terms)
            | Self::AuthorizeAgent(terms)
            | Self::Delegation(DelegationTerms { terms, .. }) => terms.subject.to_string(),
            Self::RevokeModel(terms) | Self::RevokeAgent(terms) | Self::RevokeDelegation(terms) => {
                terms.subject.to_string()
            }
            Self::UpdatePolicy { .. } => "policy".to_owned(),
            Self::AddNode(new) => new.node.to_string(),
            Self::RemoveNode { node } => node.to_string(),
            Self::EmergencyFreeze { target, .. } | Self::LiftFreeze { target } => {
                target.clone().into()
            }
            Self::ReinstateNode(new) | Self::ReplaceKey(new) => new.node.to_string(),
        }
    }

    /// The grant that the action gives: its kind and terms.
    #[must_use]
    pub const fn grants(&self) -> Option<(AuthorizationKind, &GrantTerms)> {
        match self {
            Self::AuthorizeModel(terms) => Some((AuthorizationKind::Model, terms)),
            Self::AuthorizeAgent(terms) => Some((AuthorizationKind::Agent, terms)),
            Self::Delegation(DelegationTerms { terms, .. }) => {
                Some((AuthorizationKind::Delegation, terms))
            }
            _ => None,
        }
    }

    /// The grant that the action passes a part of on.
    #[must_use]
    pub const fn parent(&self) -> Option<GrantId> {
        match self {
            Self::Delegation(terms) => Some(terms.parent),
            _ => None,
        }
    }

    /// The grants that the action ends: their kind and whose they are.
    #[must_use]
    pub const fn revokes(&self) -> Option<(AuthorizationKind, &RevocationTerms)> {
        match self {
            Self::RevokeModel(terms) => Some((AuthorizationKind::Model, terms)),
            Self::RevokeAgent(terms) => Some((AuthorizationKind::Agent, terms)),
            Self::RevokeDelegation(terms) => Some((AuthorizationKind::Delegation, terms)),
            _ => None,
        }
    }
}

/// A proposer's withdrawal of its own proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The ledger that the withdrawal is for.
    pub ledger: LedgerId,
    /// The hash of the proposal's entry.
    pub proposal_hash: Digest,
    /// The proposal that is withdrawn.
    pub proposal_id: ProposalId,
    /// The node that proposed it.
    pub proposer: NodeId,
    /// When the proposer says it withdrew.
    pub withdrawn_at: Timestamp,
}

impl StatementContent for Withdrawal {
    const DOMAIN: &'static str = "althing/withdrawal/v1";
    const MAX_BYTES: usize = 4 * 1024;
}
