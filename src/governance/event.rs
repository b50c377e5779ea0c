//! Events: facts in the past tense, one a line of the ledger.
//!
//! An event is a *cause* (a statement, evidence, a close, a prediction) or a *consequence*, which
//! the rules derive from the causes before it. Specification, "Events".

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ballot::Ballot;
use super::canonical::{self, Numbers};
use super::consensus::ConsensusEquivocation;
use super::digest::Digest;
use super::evidence::ContradictingHeads;
use super::founding::Founding;
use super::id::{GrantId, NodeId, ProposalId, Subject, VoteId};
use super::key::{PublicKey, Signature};
use super::kind::AuthorizationKind;
use super::label::Name;
use super::policy::Policy;
use super::prediction::{Prediction, PredictionVerdict};
use super::proposal::{FreezeTarget, GrantTerms, Proposal, Rotation, Withdrawal};
use super::statement::{Signed, Statement};
use super::tally::{Reason, Verdict};
use super::time::Timestamp;
use super::weight::{Fraction, TotalWeight, Weight};

/// Defines the [`Event`] enum together with the operation string of each variant.
macro_rules! events {
    (
        $($(#[$doc:meta])* $variant:ident($content:ty) = $operation:literal, $numbers:expr;)*
        => {$(
            $(#[$also_doc:meta])*
            $also:ident($also_content:ty) = $known:literal, where data starts with $start:literal;
        )*}
    ) => {
        /// Something that happened.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $variant($content),)*
            $($(#[$also_doc])* $also($also_content),)*
        }

        /// The `operation` of every event, in the order of the specification.
        pub const OPERATIONS: &[&str] = &[$($operation),*];

        impl Event {
            /// The stable string under which the event stands in a ledger.
            #[must_use]
            pub const fn operation(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $operation,)*
                    $(Self::$also(_) => $known,)*
                }
            }

            /// The event's content as canonical JSON, signed statements as their exact bytes.
            ///
            /// # Errors
            /// A message where the content has no canonical form.
            pub fn data(&self) -> Result<Box<RawValue>, String> {
                match self {
                    $(Self::$variant(content) => canonical::write(content, $numbers),)*
                    $(Self::$also(content) => canonical::write(content, Numbers::Integers),)*
                }
            }

            /// Reads an event from a line's `operation` and `data`.
            ///
            /// # Errors
            /// [`EventError`] for an operation that this version does not know, and for content
            /// that the operation can't have.
            pub fn decode(operation: &str, data: &str) -> Result<Self, EventError> {
                let known = [$(($operation, $numbers)),*];
                if let Some((operation, numbers)) = known.iter().find(|it| it.0 == operation) {
                    canonical::check(data, *numbers)
                        .map_err(|error| EventError::content(operation, &error))?;
                }
                Self::decode_canonical(operation, data)
            }

            /// As [`decode`](Self::decode), of the data of a decoded line: these are canonical.
            pub(crate) fn decode_canonical(
                operation: &str,
                data: &str,
            ) -> Result<Self, EventError> {
                $(if operation == $known && data.starts_with($start) {
                    return content($known, data).map(Self::$also);
                })*
                if operation == "vote_cast"
                    && let Some(ballot) = Signed::read_canonical(data)
                {
                    return Ok(Self::VoteCast(ballot));
                }
                match operation {
                    $($operation => content($operation, data).map(Self::$variant),)*
                    _ => Err(EventError::UnknownOperation {
                        operation: operation.chars().take(80).collect(),
                    }),
                }
            }
        }

        $(impl From<$also_content> for Event {
            fn from(content: $also_content) -> Self {
                Self::$also(content)
            }
        })*

        $(impl From<$content> for Event {
            fn from(content: $content) -> Self {
                Self::$variant(content)
            }
        })*
    };
}

events! {
    /// A group gave itself a ledger.
    LedgerCreated(LedgerCreated) = "ledger_created", Numbers::Integers;
    /// A node joined: a founder, or by a passed proposal.
    NodeAdded(NodeAdded) = "node_added", Numbers::Integers;
    /// A node was removed by a passed proposal.
    NodeRemoved(NodeRemoved) = "node_removed", Numbers::Integers;
    /// A node proposed something.
    ProposalCreated(ProposalCreated) = "proposal_created", Numbers::Integers;
    /// A proposer withdrew its proposal.
    ProposalWithdrawn(ProposalWithdrawn) = "proposal_withdrawn", Numbers::Integers;
    /// A proposal ended because another decision overtook it.
    ProposalSuperseded(ProposalSuperseded) = "proposal_superseded", Numbers::Integers;
    /// A passed proposal could not be carried out.
    ProposalFailed(ProposalFailed) = "proposal_failed", Numbers::Integers;
    /// A passed proposal was not executed in time.
    ProposalLapsed(ProposalLapsed) = "proposal_lapsed", Numbers::Integers;
    /// A node voted.
    VoteCast(VoteCast) = "vote_cast", Numbers::Integers;
    /// A proposal was decided.
    ConsensusReached(ConsensusReached) = "consensus_reached", Numbers::Integers;
    /// A decision that waited for its execution lost its majority to evidence.
    DecisionOverturned(DecisionOverturned) = "decision_overturned", Numbers::Integers;
    /// A node was found to have signed two conflicting ballots.
    ByzantineDetected(ByzantineDetected) = "byzantine_detected", Numbers::Integers;
    /// A subject was authorized.
    AuthorizationGranted(AuthorizationGranted) = "authorization_granted", Numbers::Integers;
    /// A subject's grants ended.
    AuthorizationRevoked(AuthorizationRevoked) = "authorization_revoked", Numbers::Integers;
    /// Authorizations were suspended for a while.
    FreezeImposed(FreezeImposed) = "freeze_imposed", Numbers::Integers;
    /// A freeze ended early.
    FreezeLifted(FreezeLifted) = "freeze_lifted", Numbers::Integers;
    /// A node changed its own key.
    KeyRotated(KeyRotated) = "key_rotated", Numbers::Integers;
    /// A node that lost its key got another one by a passed proposal.
    KeyReplaced(KeyReplaced) = "key_replaced", Numbers::Integers;
    /// A suspended node takes part again, with a new key, by a passed proposal.
    NodeReinstated(NodeReinstated) = "node_reinstated", Numbers::Integers;
    /// The policy changed.
    PolicyUpdated(PolicyUpdated) = "policy_updated", Numbers::Integers;
    /// A model made a prediction.
    PredictionRecorded(PredictionRecorded) = "prediction_recorded", Numbers::Any;
    /// The writer found an unacknowledged tail after a crash and set it aside.
    RecoveryRecorded(RecoveryRecorded) = "recovery_recorded", Numbers::Integers;
    /// The state and the live grants were put under the chain.
    CheckpointRecorded(CheckpointRecorded) = "checkpoint_recorded", Numbers::Integers;
    => {
        /// A node was found to have signed two contradicting checkpoints.
        CheckpointsContradicted(CheckpointsContradicted) = "byzantine_detected",
            where data starts with "{\"checkpoints\":";
        /// A node was found to have signed two contradicting messages of consensus.
        ConsensusContradicted(ConsensusContradicted) = "byzantine_detected",
            where data starts with "{\"consensus\":";
    }
}

fn content<T: DeserializeOwned>(operation: &'static str, data: &str) -> Result<T, EventError> {
    serde_json::from_str(data).map_err(|error| EventError::content(operation, &error))
}

/// Why a line's content is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// An operation that this version does not know.
    #[error("unknown operation {operation:?}")]
    UnknownOperation {
        /// The operation found, cut to 80 characters.
        operation: String,
    },
    /// Content that this operation can't have.
    #[error("malformed {operation}: {message}")]
    Content {
        /// The operation.
        operation: &'static str,
        /// What was expected and found.
        message: String,
    },
}

impl EventError {
    fn content(operation: &'static str, error: &dyn std::fmt::Display) -> Self {
        Self::Content {
            operation,
            message: error.to_string(),
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownOperation { .. } => "event.unknown-operation",
            Self::Content { .. } => "event.malformed",
        }
    }
}

/// An event with its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The entry's number, from 1.
    pub seq: u64,
    /// When it was written.
    pub timestamp: Timestamp,
    /// The entry's hash.
    pub hash: Digest,
    /// What happened.
    pub event: Event,
}

/// Content of `ledger_created`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerCreated {
    /// The founding statement; the founders' signatures follow with their nodes.
    pub statement: Statement<Founding>,
}

/// Content of `node_added`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeAdded {
    /// What admitted the node.
    pub admitted_by: AdmittedBy,
    /// The node's key.
    pub key: PublicKey,
    /// The node's name.
    pub name: Name,
    /// The node's id.
    pub node: NodeId,
    /// The node's weight.
    pub weight: Weight,
}

/// What admitted a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdmittedBy {
    /// It is a founder; this is its signature under the founding statement.
    Founding(Signature),
    /// A passed proposal.
    Proposal(ProposalId),
}

/// Content of `node_removed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRemoved {
    /// The node.
    pub node: NodeId,
    /// The proposal that removed it.
    pub proposal_id: ProposalId,
}

/// Content of `proposal_created`. The hash of this entry is the proposal's hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalCreated {
    /// The first instant at which no ballot is taken any more.
    pub deadline: Timestamp,
    /// The count of membership, key and policy changes at the opening.
    pub epoch: u64,
    /// The proposer's signature.
    pub signature: Signature,
    /// What is proposed.
    pub statement: Statement<Proposal>,
    /// The electorate's total weight.
    pub total_weight: TotalWeight,
}

/// Content of `proposal_withdrawn`: the signed withdrawal.
pub type ProposalWithdrawn = Signed<Withdrawal>;

/// Content of `vote_cast`: the signed ballot.
pub type VoteCast = Signed<Ballot>;

/// Content of `proposal_superseded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalSuperseded {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// What overtook it.
    pub reason: SupersededBy,
}

/// What overtook a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SupersededBy {
    /// Membership, a key or the policy changed since it was opened: propose again.
    EpochChanged,
    /// The subject's grants were revoked since it was opened.
    Revocation,
    /// New evidence against the node came up since it was opened.
    Evidence,
}

/// Content of `proposal_failed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalFailed {
    /// The proposal.
    pub proposal_id: ProposalId,
    /// Why it could not be carried out.
    pub reason: FailureReason,
}

/// Why a passed proposal could not be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureReason {
    /// It would leave no active node.
    NoActiveNode,
    /// The total weight would exceed 2^53 − 1.
    WeightOverflow,
    /// More than 10,000 nodes.
    TooManyNodes,
    /// The node, its key or its name is or was registered already.
    AlreadyRegistered,
    /// The node is no longer registered.
    NotRegistered,
    /// The grant's expiry had passed when it was to be given.
    Expired,
    /// The subject has as many grants as one may have.
    TooManyGrants,
    /// The policy can't stand.
    Policy,
    /// The freeze would be over.
    FreezeOver,
    /// A freeze on an overlapping scope is on, or ended too recently, and no more than two thirds
    /// of all weight approved this one.
    FreezeTooSoon,
    /// There is no such freeze to lift.
    NotFrozen,
    /// The grant that would be passed on is not live, or no longer wide enough.
    Parent,
    /// The node is not suspended.
    NotSuspended,
    /// The node is not active.
    NotActive,
}

/// Content of `proposal_lapsed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalLapsed {
    /// The proposal.
    pub proposal_id: ProposalId,
}

/// Content of `consensus_reached`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsensusReached {
    /// Weight that abstained.
    pub abstain_weight: TotalWeight,
    /// Weight that approved.
    pub approve_weight: TotalWeight,
    /// Weight of nodes that contradicted themselves.
    pub byzantine_weight: TotalWeight,
    /// What was decided.
    pub decision: Verdict,
    /// The proposal.
    pub proposal_id: ProposalId,
    /// The condition that decided.
    pub reason: Reason,
    /// Weight that rejected.
    pub reject_weight: TotalWeight,
    /// The conditions that had to hold: the policy's at the opening, and for a change of policy
    /// the new policy's as well.
    pub rules: Vec<Conditions>,
    /// Whether the count was judged before or at the deadline.
    pub timing: Timing,
    /// The electorate's total weight.
    pub total_weight: TotalWeight,
    /// The counted ballots, in the order of the electorate.
    pub votes: Vec<VoteId>,
}

/// The conditions of a rule; absent ones were not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// More than this share of the total had to approve.
    #[serde(
        default,
        deserialize_with = "super::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub absolute: Option<Fraction>,
    /// At least this share of the deciding weight had to approve.
    #[serde(
        default,
        deserialize_with = "super::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub approval: Option<Fraction>,
    /// At least this share of the total had to take part.
    #[serde(
        default,
        deserialize_with = "super::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub quorum: Option<Fraction>,
}

/// When a count was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Timing {
    /// Before the deadline: no further ballot could change the outcome.
    Early,
    /// At or after the deadline.
    Close,
}

/// Content of `decision_overturned`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecisionOverturned {
    /// Weight that approves and did not contradict itself.
    pub approve_weight: TotalWeight,
    /// Weight of nodes that contradicted themselves.
    pub byzantine_weight: TotalWeight,
    /// The proposal.
    pub proposal_id: ProposalId,
}

/// Content of `byzantine_detected`: the evidence itself, so that anyone can check it alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByzantineDetected {
    /// One ballot; of the two the one whose bytes come first.
    pub first: Signed<Ballot>,
    /// The node that signed both.
    pub node: NodeId,
    /// The proposal that both are for.
    pub proposal_id: ProposalId,
    /// The other ballot.
    pub second: Signed<Ballot>,
    /// Whether this suspends the node. A node that no longer takes part is only flagged, and so is
    /// the last active one: evidence never halts a ledger.
    pub suspended: bool,
}

/// Content of `byzantine_detected` where the evidence is two checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointsContradicted {
    /// The evidence itself, in its one order.
    pub checkpoints: ContradictingHeads,
    /// The node that signed both.
    pub node: NodeId,
    /// Whether this suspends the node; as with ballots.
    pub suspended: bool,
}

/// Content of `byzantine_detected` where the evidence is two messages of consensus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsensusContradicted {
    /// The evidence itself, in its one order.
    pub consensus: ConsensusEquivocation,
    /// The node that signed both.
    pub node: NodeId,
    /// Whether this suspends the node; as with ballots.
    pub suspended: bool,
}

/// Content of `authorization_granted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationGranted {
    /// The grant's id, which is that of the proposal.
    pub grant_id: GrantId,
    /// What is allowed.
    pub kind: AuthorizationKind,
    /// The grant that a part of is passed on.
    #[serde(
        default,
        deserialize_with = "super::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub parent: Option<GrantId>,
    /// To whom, within which limits.
    pub terms: GrantTerms,
}

/// Content of `authorization_revoked`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationRevoked {
    /// The grants that ended, in the order in which they were given; none, if there was none.
    pub grant_ids: Vec<GrantId>,
    /// What had been allowed.
    pub kind: AuthorizationKind,
    /// The proposal that revoked.
    pub proposal_id: ProposalId,
    /// Whose grants ended.
    pub subject: Subject,
}

/// Content of `freeze_imposed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeImposed {
    /// The proposal that imposed it.
    pub proposal_id: ProposalId,
    /// What is frozen.
    pub target: FreezeTarget,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Content of `freeze_lifted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeLifted {
    /// The freezes that ended, by the proposals that imposed them.
    pub freezes: Vec<ProposalId>,
    /// The proposal that lifted them.
    pub proposal_id: ProposalId,
}

/// Content of `key_rotated`: the signed rotation.
pub type KeyRotated = Signed<Rotation>;

/// Content of `key_replaced`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyReplaced {
    /// The key from now on.
    pub key: PublicKey,
    /// The node.
    pub node: NodeId,
    /// The proposal that replaced it.
    pub proposal_id: ProposalId,
}

/// Content of `node_reinstated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeReinstated {
    /// The key from now on.
    pub key: PublicKey,
    /// The node.
    pub node: NodeId,
    /// The proposal that reinstated it.
    pub proposal_id: ProposalId,
}

/// Content of `policy_updated`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyUpdated {
    /// The policy from now on.
    pub policy: Box<Policy>,
    /// The proposal that changed it.
    pub proposal_id: ProposalId,
}

/// Content of `prediction_recorded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionRecorded {
    /// What the recorder reported.
    pub prediction: Prediction,
    /// What the rules added: the grant in force, or that there was none.
    pub verdict: PredictionVerdict,
}

/// Content of `checkpoint_recorded`: what the entries before it led to, in hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointRecorded {
    /// The root over the live grants, as of this entry's time.
    pub grants_root: Digest,
    /// How many grants are live.
    pub live_grants: u64,
    /// The hash of the registry before this entry: who votes, with which keys, under which policy.
    pub registry_hash: Digest,
    /// The hash of the state before this entry.
    pub state_hash: Digest,
}

/// Content of `recovery_recorded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecoveryRecorded {
    /// How many bytes were set aside.
    pub bytes: u64,
    /// Where they stood, in bytes from the ledger's first byte.
    pub offset: u64,
    /// SHA-256 of the bytes.
    pub sha256: Digest,
}
