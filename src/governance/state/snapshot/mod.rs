//! The whole state as records, one JSON object a line, and back.
//!
//! Unlike the projection under the state hash, this keeps everything: whole keys, the free text of
//! proposals, and signed ballots as their exact bytes. What follows from the rest is not written
//! (counts, lists, sums, the ids and keys that were used) but made again on reading, so that no
//! record can contradict it. Specification, "Snapshots".

mod read;
mod write;

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::Contradiction;
use super::authorization::Revoked;
use super::prediction::PredictionCount;
use super::proposal::{Decided, Status};
use super::registry::NodeStatus;
use crate::governance::ballot::Ballot;
use crate::governance::digest::Digest;
use crate::governance::id::{GrantId, LedgerId, NodeId, ProposalId, Subject};
use crate::governance::key::PublicKey;
use crate::governance::kind::AuthorizationKind;
use crate::governance::label::Name;
use crate::governance::policy::{Policy, Rule};
use crate::governance::proposal::{FreezeTarget, GrantTerms, Proposal};
use crate::governance::statement::Signed;
use crate::governance::tally::Standing;
use crate::governance::time::{Seconds, Timestamp};
use crate::governance::weight::Weight;
use crate::governance::{IntegerTooLarge, MAX_INTEGER};

pub use read::{BadRecord, StateReader};

/// One line. The kinds come in this order; keys follow their node, members their proposal.
///
/// Every kind is bounded, so that every record fits in a line: what a state has any number of is a
/// record of its own.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Record<'a> {
    State(StateRecord<'a>),
    Node(NodeRecord<'a>),
    FormerKey(KeyRecord<'a>),
    Proposal(Box<ProposalRecord<'a>>),
    Member(MemberRecord<'a>),
    Grant(GrantRecord<'a>),
    Revocation(RevocationRecord<'a>),
    Freeze(FreezeRecord<'a>),
    Evidence(EvidenceEntry),
    Contradiction(ContradictionEntry),
    Model(ModelRecord<'a>),
}

/// What a state has once.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateRecord<'a> {
    ledger: LedgerId,
    name: Cow<'a, Name>,
    created_at: Timestamp,
    origin: Digest,
    #[serde(deserialize_with = "integer")]
    entries: u64,
    clock: Timestamp,
    #[serde(deserialize_with = "integer")]
    epoch: u64,
    policy: Cow<'a, Policy>,
    #[serde(deserialize_with = "integer")]
    recoveries: u64,
    other_predictions: PredictionCount,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeRecord<'a> {
    node: NodeId,
    name: Cow<'a, Name>,
    weight: Weight,
    key: Cow<'a, PublicKey>,
    status: NodeStatus,
    #[serde(deserialize_with = "integer")]
    added_at: u64,
}

/// A key that the node before held until an entry; the oldest first.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRecord<'a> {
    key: Cow<'a, PublicKey>,
    #[serde(deserialize_with = "integer")]
    until: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProposalRecord<'a> {
    content: Cow<'a, Proposal>,
    hash: Digest,
    #[serde(deserialize_with = "integer")]
    seq: u64,
    opened_at: Timestamp,
    deadline: Timestamp,
    #[serde(deserialize_with = "integer")]
    epoch: u64,
    rules: Cow<'a, [Rule]>,
    early_decision: bool,
    evidence_window_seconds: Seconds,
    status: Status,
    decided: Option<Decided>,
    ended: Option<End>,
    tainted: bool,
}

/// When a proposal ended, and with which entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    at: Timestamp,
    #[serde(deserialize_with = "integer")]
    seq: u64,
}

/// A member of the electorate of the proposal before.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberRecord<'a> {
    node: NodeId,
    weight: Weight,
    standing: Standing,
    ballot: Option<BallotRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BallotRecord<'a> {
    kept: KeptRecord<'a>,
    #[serde(deserialize_with = "integer")]
    seq: u64,
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptRecord<'a> {
    Signed(Cow<'a, Signed<Ballot>>),
    Said(Cow<'a, Ballot>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantRecord<'a> {
    grant: GrantId,
    kind: AuthorizationKind,
    parent: Option<GrantId>,
    terms: Cow<'a, GrantTerms>,
    #[serde(deserialize_with = "integer")]
    granted_seq: u64,
    granted_at: Timestamp,
    revoked: Option<Revoked>,
}

/// The last revocation of everything of a subject and kind.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationRecord<'a> {
    kind: AuthorizationKind,
    subject: Cow<'a, Subject>,
    #[serde(deserialize_with = "integer")]
    seq: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FreezeRecord<'a> {
    freeze: ProposalId,
    target: Cow<'a, FreezeTarget>,
    from: Timestamp,
    until: Timestamp,
    lifted_at: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvidenceEntry {
    node: NodeId,
    proposal: ProposalId,
    #[serde(deserialize_with = "integer")]
    seq: u64,
    at: Timestamp,
    suspended: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContradictionEntry {
    kind: Contradiction,
    node: NodeId,
    /// The entry that began the node's term.
    #[serde(deserialize_with = "integer")]
    term: u64,
    #[serde(deserialize_with = "integer")]
    seq: u64,
    at: Timestamp,
    suspended: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelRecord<'a> {
    model: Cow<'a, Subject>,
    count: PredictionCount,
}

fn integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > MAX_INTEGER {
        return Err(de::Error::custom(IntegerTooLarge));
    }
    Ok(number)
}
