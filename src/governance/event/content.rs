//! The data of each event. Specification, "Events".

use serde::{Deserialize, Serialize};

use crate::governance::ballot::Ballot;
use crate::governance::consensus::ConsensusEquivocation;
use crate::governance::digest::Digest;
use crate::governance::evidence::ContradictingHeads;
use crate::governance::founding::Founding;
use crate::governance::id::{GrantId, NodeId, ProposalId, Subject, VoteId};
use crate::governance::key::{PublicKey, Signature};
use crate::governance::kind::AuthorizationKind;
use crate::governance::label::Name;
use crate::governance::policy::Policy;
use crate::governance::prediction::{Prediction, PredictionVerdict};
use crate::governance::proposal::{FreezeTarget, GrantTerms, Proposal, Rotation, Withdrawal};
use crate::governance::statement::{Signed, Statement};
use crate::governance::tally::{Reason, Verdict};
use crate::governance::time::Timestamp;
use crate::governance::weight::{Fraction, TotalWeight, Weight};

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
        deserialize_with = "crate::governance::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub absolute: Option<Fraction>,
    /// At least this share of the deciding weight had to approve.
    #[serde(
        default,
        deserialize_with = "crate::governance::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub approval: Option<Fraction>,
    /// At least this share of the total had to take part.
    #[serde(
        default,
        deserialize_with = "crate::governance::text::present",
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
        deserialize_with = "crate::governance::text::present",
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
