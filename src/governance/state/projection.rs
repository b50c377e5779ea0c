//! The state hash: SHA-256 over the canonical JSON of a versioned projection of the state.
//!
//! The projection is written out member by member, apart from the state's own types, so that a
//! later field of theirs never changes the hash of an old history. The members stand in the order
//! of canonical JSON (RFC 8785), so that writing them is all there is to do. Specification, "State
//! hash".

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::authorization::Revoked;
use super::freeze::Freeze;
use super::prediction::PredictionCount;
use super::proposal::{CastBallot, Decided, Member, ProposalState, Status};
use super::registry::{HeldKey, Node, NodeStatus};
use super::{EvidenceRecord, State};
use crate::governance::ballot::Decision;
use crate::governance::canonical;
use crate::governance::digest::Digest;
use crate::governance::id::{GrantId, LedgerId, NodeId, ProposalId, Subject, VoteId};
use crate::governance::kind::AuthorizationKind;
use crate::governance::label::{Name, Title};
use crate::governance::policy::{Policy, Rule};
use crate::governance::proposal::{Action, FreezeTarget, GrantTerms};
use crate::governance::state::authorization::Grant;
use crate::governance::tally::{Standing, Tally};
use crate::governance::time::{Seconds, Timestamp};
use crate::governance::weight::Weight;

/// The version of the projection that [`State::hash`] is computed over.
pub const PROJECTION_VERSION: u64 = 1;

/// The hash of a state. Equal histories have equal state hashes on every machine.
pub type StateHash = Digest;

impl State {
    /// The state hash. Time linear in the state, memory constant.
    #[must_use]
    pub fn hash(&self) -> StateHash {
        hash_of(&self.project())
    }

    /// The canonical JSON (RFC 8785) that the state hash is computed over.
    #[must_use]
    pub fn projection(&self) -> String {
        text_of(&self.project())
    }

    /// The hash of the registry: SHA-256 over the canonical JSON of who votes, with which keys and
    /// under which policy, and of all evidence. Whoever knows every change of these, and nothing
    /// else of the history, comes to the same hash.
    #[must_use]
    pub fn registry_hash(&self) -> Digest {
        hash_of(&self.project_registry())
    }

    /// The canonical JSON (RFC 8785) that the registry hash is computed over.
    #[must_use]
    pub fn registry_projection(&self) -> String {
        text_of(&self.project_registry())
    }

    fn project(&self) -> impl Serialize {
        let authorizations = &self.authorizations;
        StateProjection {
            authorizations: AuthorizationsProjection {
                freezes: Each(|| authorizations.freezes.iter().map(freeze)),
                grants: Each(|| authorizations.iter().map(grant)),
                revocations: Each(|| authorizations.revocations().map(revocation)),
            },
            clock: self.clock,
            entries: self.entries,
            epoch: self.epoch,
            evidence: Each(|| self.project_evidence()),
            ledger: LedgerProjection {
                created_at: self.identity.created_at,
                id: self.identity.ledger,
                name: &self.identity.name,
                origin: self.identity.origin,
            },
            nodes: NodesProjection {
                registered: Each(|| self.registry.iter().map(voting_node)),
                used_keys: self.registry.used_keys(),
            },
            policy: self.policy(),
            predictions: PredictionsProjection {
                models: Members(|| self.predictions.models()),
                others: self.predictions.others(),
            },
            projection: PROJECTION_VERSION,
            proposals: Each(|| self.proposals.iter().map(proposal)),
            recoveries: self.recoveries,
        }
    }

    fn project_registry(&self) -> impl Serialize {
        RegistryProjection {
            epoch: self.epoch,
            evidence: Each(|| self.project_evidence()),
            ledger: self.identity.ledger,
            nodes: NodesProjection {
                registered: Each(|| self.registry.iter().map(node)),
                used_keys: self.registry.used_keys(),
            },
            policy: self.policy(),
            projection: PROJECTION_VERSION,
        }
    }

    fn project_evidence(&self) -> impl Iterator<Item = EvidenceProjection> {
        let ballots = self.evidence();
        let ballots =
            ballots.map(|(node, proposal, it)| evidence("ballots", node, Some(proposal), it));
        let others = self.contradictions();
        ballots.chain(others.map(|(kind, node, _, it)| evidence(kind.name(), node, None, it)))
    }
}

/// Strings, integers, lists and maps of them: there is nothing that could fail to be written, and
/// memory takes everything. An empty text would show at once.
fn text_of(projection: &impl Serialize) -> String {
    serde_json::to_string(projection).unwrap_or_default()
}

fn hash_of(projection: &impl Serialize) -> Digest {
    let mut hashed = BufWriter::new(Hashed(Sha256::new()));
    // As above: nothing fails.
    let written = serde_json::to_writer(&mut hashed, projection).is_ok();
    match hashed.into_inner() {
        Ok(Hashed(hasher)) if written => Digest::from_bytes(hasher.finalize().into()),
        _ => Digest::ZERO,
    }
}

/// Takes bytes to be hashed.
struct Hashed(Sha256);

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A list that is made while it is written.
struct Each<F>(F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// An object that is made while it is written, of names in ascending order.
struct Members<F>(F);

impl<F, I, K, V> Serialize for Members<F>
where
    F: Fn() -> I,
    I: Iterator<Item = (K, V)>,
    K: Serialize,
    V: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map((self.0)())
    }
}

#[derive(Serialize)]
struct StateProjection<'a, A, E, N, M, P> {
    authorizations: A,
    clock: Timestamp,
    entries: u64,
    epoch: u64,
    evidence: E,
    ledger: LedgerProjection<'a>,
    nodes: N,
    policy: &'a Policy,
    predictions: PredictionsProjection<'a, M>,
    projection: u64,
    proposals: P,
    recoveries: u64,
}

#[derive(Serialize)]
struct RegistryProjection<'a, E, N> {
    epoch: u64,
    evidence: E,
    ledger: LedgerId,
    nodes: N,
    policy: &'a Policy,
    projection: u64,
}

#[derive(Serialize)]
struct LedgerProjection<'a> {
    created_at: Timestamp,
    id: LedgerId,
    name: &'a Name,
    origin: Digest,
}

#[derive(Serialize)]
struct NodesProjection<'a, R> {
    registered: R,
    used_keys: &'a BTreeSet<Digest>,
}

#[derive(Serialize)]
struct NodeProjection<'a, K> {
    added_at: u64,
    former_keys: K,
    key: Digest,
    name: &'a Name,
    node: NodeId,
    status: NodeStatus,
    /// Which ballots a node has cast takes the whole history to know; the registry goes without.
    #[serde(skip_serializing_if = "Option::is_none")]
    votes: Option<&'a BTreeSet<VoteId>>,
    weight: Weight,
}

fn voting_node((id, registered): (NodeId, &Node)) -> impl Serialize {
    NodeProjection {
        votes: Some(&registered.votes),
        ..node((id, registered))
    }
}

fn node<'a>((id, node): (NodeId, &'a Node)) -> NodeProjection<'a, impl Serialize + use<'a>> {
    NodeProjection {
        added_at: node.added_at,
        former_keys: Each(|| node.keys.iter().map(former_key)),
        key: node.key.fingerprint(),
        name: &node.name,
        node: id,
        status: node.status,
        votes: None,
        weight: node.weight,
    }
}

#[derive(Serialize)]
struct FormerKeyProjection {
    from: u64,
    key: Digest,
    until: u64,
}

fn former_key(held: &HeldKey) -> FormerKeyProjection {
    FormerKeyProjection {
        from: held.from,
        key: held.key.fingerprint(),
        until: held.until,
    }
}

#[derive(Serialize)]
struct AuthorizationsProjection<F, G, R> {
    freezes: F,
    grants: G,
    revocations: R,
}

#[derive(Serialize)]
struct FreezeProjection<'a> {
    freeze: ProposalId,
    from: Timestamp,
    lifted_at: Option<Timestamp>,
    target: &'a FreezeTarget,
    until: Timestamp,
}

fn freeze((id, freeze): (ProposalId, &Freeze)) -> FreezeProjection<'_> {
    FreezeProjection {
        freeze: id,
        from: freeze.from,
        lifted_at: freeze.lifted_at,
        target: &freeze.target,
        until: freeze.until,
    }
}

#[derive(Serialize)]
struct GrantProjection<'a> {
    grant: GrantId,
    granted_at: Timestamp,
    granted_seq: u64,
    kind: AuthorizationKind,
    parent: Option<GrantId>,
    revoked: Option<RevokedProjection>,
    terms: &'a GrantTerms,
}

#[derive(Serialize)]
struct RevokedProjection {
    at: Timestamp,
    by: ProposalId,
    seq: u64,
}

fn grant((id, grant): (GrantId, &Grant)) -> GrantProjection<'_> {
    GrantProjection {
        grant: id,
        granted_at: grant.granted_at,
        granted_seq: grant.granted_seq,
        kind: grant.kind,
        parent: grant.parent,
        revoked: grant
            .revoked
            .map(|Revoked { at, by, seq }| RevokedProjection { at, by, seq }),
        terms: &grant.terms,
    }
}

#[derive(Serialize)]
struct RevocationProjection<'a> {
    kind: AuthorizationKind,
    seq: u64,
    subject: &'a Subject,
}

fn revocation(
    (kind, subject, seq): (AuthorizationKind, &Subject, u64),
) -> RevocationProjection<'_> {
    RevocationProjection { kind, seq, subject }
}

#[derive(Serialize)]
struct EvidenceProjection {
    at: Timestamp,
    kind: &'static str,
    node: NodeId,
    proposal: Option<ProposalId>,
    seq: u64,
    suspended: bool,
}

fn evidence(
    kind: &'static str,
    node: NodeId,
    proposal: Option<ProposalId>,
    record: &EvidenceRecord,
) -> EvidenceProjection {
    EvidenceProjection {
        at: record.at,
        kind,
        node,
        proposal,
        seq: record.seq,
        suspended: record.suspended,
    }
}

#[derive(Serialize)]
struct PredictionsProjection<'a, M> {
    models: M,
    others: &'a PredictionCount,
}

/// What a signed statement says, whose members stand in another order than in canonical JSON: the
/// kind comes first.
struct InOrder<'a, T>(&'a T);

impl<T: Serialize> Serialize for InOrder<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let canonical = canonical::canonicalize(self.0).map_err(S::Error::custom)?;
        canonical.serialize(serializer)
    }
}

#[derive(Serialize)]
struct ProposalProjection<'a, E> {
    action: InOrder<'a, Action>,
    deadline: Timestamp,
    decided: Option<DecidedProjection>,
    early_decision: bool,
    electorate: E,
    ended_at: Option<Timestamp>,
    ended_seq: Option<u64>,
    epoch: u64,
    evidence_window_seconds: Seconds,
    hash: Digest,
    opened_at: Timestamp,
    proposal: ProposalId,
    proposer: NodeId,
    rules: &'a [Rule],
    seq: u64,
    status: Status,
    tainted: bool,
    tally: TallyProjection,
    title: &'a Title,
}

fn proposal(proposal: &ProposalState) -> impl Serialize {
    ProposalProjection {
        action: InOrder(&proposal.content.action),
        deadline: proposal.deadline,
        decided: proposal.decided.map(decided),
        early_decision: proposal.early_decision,
        electorate: Each(|| proposal.electorate().map(member)),
        ended_at: proposal.ended_at,
        ended_seq: proposal.ended_seq,
        epoch: proposal.epoch,
        evidence_window_seconds: proposal.evidence_window,
        hash: proposal.hash,
        opened_at: proposal.opened_at,
        proposal: proposal.id(),
        proposer: proposal.content.proposer,
        rules: &proposal.rules,
        seq: proposal.seq,
        status: proposal.status,
        tainted: proposal.tainted,
        tally: tally(&proposal.tally),
        title: &proposal.content.title,
    }
}

#[derive(Serialize)]
struct DecidedProjection {
    at: Timestamp,
    early: bool,
    seq: u64,
}

const fn decided(Decided { seq, at, early }: Decided) -> DecidedProjection {
    DecidedProjection { at, early, seq }
}

#[derive(Serialize)]
struct TallyProjection {
    abstain: u64,
    approve: u64,
    barred: u64,
    byzantine: u64,
    reject: u64,
    uncast: u64,
}

const fn tally(tally: &Tally) -> TallyProjection {
    TallyProjection {
        abstain: tally.abstain(),
        approve: tally.approve(),
        barred: tally.barred(),
        byzantine: tally.byzantine(),
        reject: tally.reject(),
        uncast: tally.uncast(),
    }
}

#[derive(Serialize)]
struct MemberProjection {
    ballot: Option<BallotProjection>,
    node: NodeId,
    standing: Standing,
    weight: Weight,
}

fn member((node, member): (NodeId, &Member)) -> MemberProjection {
    MemberProjection {
        ballot: member.ballot().map(ballot),
        node,
        standing: member.standing(),
        weight: member.weight(),
    }
}

#[derive(Serialize)]
struct BallotProjection {
    at: Timestamp,
    decision: Decision,
    seq: u64,
    vote: VoteId,
}

fn ballot(cast: &CastBallot) -> BallotProjection {
    let content = cast.content();
    BallotProjection {
        at: cast.at,
        decision: content.decision,
        seq: cast.seq,
        vote: content.vote_id,
    }
}
