//! The authoritative state that replay rebuilds.
//!
//! Each part is shared until it changes, so that a copy of the whole state costs a few reference
//! counts: the rules try a command on a copy before anything is recorded.

pub mod authorization;
pub mod freeze;
pub mod prediction;
mod projection;
pub mod proposal;
pub mod registry;
mod snapshot;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::founding::Founding;
use super::id::{LedgerId, NodeId, ProposalId, Subject};
use super::key::PublicKey;
use super::label::Name;
use super::policy::Policy;
use super::proposal::Action;
use super::statement::Statement;
use super::time::Timestamp;
use authorization::Authorizations;
use prediction::Predictions;
use proposal::{ProposalState, Proposals, Status};
use registry::Registry;

pub use projection::{PROJECTION_VERSION, StateHash};
pub use snapshot::{BadRecord, StateReader};

/// Everything that the history says, as of its last entry.
///
/// States are equal where everything in them is, what the state hash leaves out included. The order
/// of insertion that lists keep is no part of `==`; it is part of the state hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub(super) identity: Arc<Identity>,
    pub(super) entries: u64,
    pub(super) clock: Timestamp,
    pub(super) epoch: u64,
    pub(super) policy: Arc<Policy>,
    pub(super) registry: Arc<Registry>,
    pub(super) proposals: Arc<Proposals>,
    pub(super) authorizations: Arc<Authorizations>,
    pub(super) evidence: Arc<BTreeMap<(NodeId, ProposalId), EvidenceRecord>>,
    /// What nodes contradicted themselves in besides ballots, by node and the entry that began its
    /// term.
    pub(super) contradictions: Arc<BTreeMap<(Contradiction, NodeId, u64), EvidenceRecord>>,
    pub(super) predictions: Predictions,
    pub(super) recoveries: u64,
}

/// Which ledger this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// SHA-256 of the founding statement.
    pub ledger: LedgerId,
    /// What the group calls itself.
    pub name: Name,
    /// When the ledger was created.
    pub created_at: Timestamp,
    /// The hash of the last genesis entry, for verifiers to pin.
    pub origin: Digest,
}

/// What a node can contradict itself in besides ballots: no proposal is concerned, and it answers for
/// all that it signed in its present term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contradiction {
    /// Checkpoints of the ledger.
    Checkpoints,
    /// Messages of consensus.
    Consensus,
}

impl Contradiction {
    /// The name in reports and in the state hash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Checkpoints => "checkpoints",
            Self::Consensus => "consensus",
        }
    }
}

/// Where evidence against a node is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// The entry that holds the evidence.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// Whether the node was suspended for it.
    pub suspended: bool,
}

impl State {
    /// The state before the founders are registered.
    pub(super) fn founded(statement: &Statement<Founding>, at: Timestamp) -> Self {
        let founding = statement.content();
        Self {
            identity: Arc::new(Identity {
                ledger: LedgerId::of_founding(statement.as_str()),
                name: founding.name.clone(),
                created_at: at,
                origin: Digest::ZERO,
            }),
            entries: 0,
            clock: at,
            epoch: 0,
            policy: Arc::new(founding.policy.clone()),
            registry: Arc::default(),
            proposals: Arc::default(),
            authorizations: Arc::default(),
            evidence: Arc::default(),
            contradictions: Arc::default(),
            predictions: Predictions::default(),
            recoveries: 0,
        }
    }

    /// Which ledger this is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The ledger's id.
    #[must_use]
    pub fn ledger(&self) -> LedgerId {
        self.identity.ledger
    }

    /// How many entries the history has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The timestamp of the last entry.
    #[must_use]
    pub const fn clock(&self) -> Timestamp {
        self.clock
    }

    /// The count of membership, key and policy changes, suspensions included.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The nodes.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The proposals.
    #[must_use]
    pub fn proposals(&self) -> &Proposals {
        &self.proposals
    }

    /// The grants.
    #[must_use]
    pub fn authorizations(&self) -> &Authorizations {
        &self.authorizations
    }

    /// From when and until when a decision can be executed, as far as that is known at `at`: while
    /// its subject is frozen nothing is granted, and the window stretches by as long.
    #[must_use]
    pub fn execution_window(
        &self,
        proposal: &ProposalState,
        at: Timestamp,
    ) -> Option<(Timestamp, Timestamp)> {
        let (eta, end) = proposal.execution_window()?;
        let subjects = self.subjects_to_thaw(proposal);
        let freezes = self.authorizations.freezes();
        let frozen = freezes.frozen_micros(&subjects, eta, at);
        let stretched = end.as_micros().saturating_add(frozen);
        Some((
            eta,
            Timestamp::from_micros(stretched).unwrap_or(Timestamp::MAX),
        ))
    }

    /// Whether the execution of a proposal has to wait for the end of a freeze: it would grant
    /// something to a frozen subject, or pass on a frozen subject's grant.
    #[must_use]
    pub fn is_held_by_freeze(&self, proposal: &ProposalState, at: Timestamp) -> bool {
        let freezes = self.authorizations.freezes();
        let mut subjects = self.subjects_to_thaw(proposal).into_iter();
        subjects.any(|subject| freezes.is_frozen(subject, at))
    }

    /// The subjects that must not be frozen when a proposal is executed: the one that it would grant
    /// something to, and those on the way from the first grant that it would pass on.
    fn subjects_to_thaw<'a>(&'a self, proposal: &'a ProposalState) -> Vec<&'a Subject> {
        let action = &proposal.content().action;
        let granted = action.grants().map(|(_, terms)| &terms.subject);
        let passed_on = action
            .parent()
            .into_iter()
            .flat_map(|parent| self.authorizations.lineage(parent))
            .map(|(_, grant)| &grant.terms().subject);
        granted.into_iter().chain(passed_on).collect()
    }

    /// The evidence, by node and proposal.
    pub fn evidence(&self) -> impl Iterator<Item = (NodeId, ProposalId, &EvidenceRecord)> {
        self.evidence
            .iter()
            .map(|((node, proposal), record)| (*node, *proposal, record))
    }

    /// The evidence against `node` on `proposal`.
    #[must_use]
    pub fn evidence_against(&self, node: NodeId, proposal: ProposalId) -> Option<&EvidenceRecord> {
        self.evidence.get(&(node, proposal))
    }

    /// The evidence that is not of ballots, by what it is of, by node, and by the entry that began the
    /// node's term.
    pub fn contradictions(
        &self,
    ) -> impl Iterator<Item = (Contradiction, NodeId, u64, &EvidenceRecord)> {
        self.contradictions
            .iter()
            .map(|((kind, node, term), record)| (*kind, *node, *term, record))
    }

    /// The evidence that `node` contradicted itself so in the term that began with an entry.
    #[must_use]
    pub fn contradiction_of(
        &self,
        kind: Contradiction,
        node: NodeId,
        term: u64,
    ) -> Option<&EvidenceRecord> {
        self.contradictions.get(&(kind, node, term))
    }

    /// All evidence, whatever it is of, with the nodes that it is against.
    pub fn convictions(&self) -> impl Iterator<Item = (NodeId, &EvidenceRecord)> {
        let ballots = self.evidence().map(|(node, _, record)| (node, record));
        let others = self.contradictions();
        ballots.chain(others.map(|(_, node, _, record)| (node, record)))
    }

    /// The entry from which on a node answers for its checkpoints and what it said in consensus: the one that added it, or the last
    /// that gave it a key by a decision of the group. What it changes its key to by itself changes
    /// nothing.
    #[must_use]
    pub fn term_of(&self, node: NodeId, registered: &registry::Node) -> u64 {
        let given = self.proposals.iter().filter(|proposal| {
            let new = match &proposal.content().action {
                Action::ReinstateNode(new) | Action::ReplaceKey(new) => new.node,
                _ => return false,
            };
            new == node && proposal.status() == Status::Executed
        });
        let entries = given.filter_map(ProposalState::ended_seq);
        entries.max().unwrap_or(0).max(registered.added_at())
    }

    /// The keys that `node` has held in its present term, oldest first; none of a stranger. It answers
    /// for every checkpoint and every message of consensus that one of them signed.
    pub fn keys_of_term(&self, node: NodeId) -> impl Iterator<Item = &PublicKey> {
        self.registry.get(node).into_iter().flat_map(move |it| {
            let term = self.term_of(node, it);
            it.keys_held_between(term, u64::MAX)
        })
    }

    /// The counts of predictions.
    #[must_use]
    pub const fn predictions(&self) -> &Predictions {
        &self.predictions
    }

    /// How many unacknowledged tails were set aside after crashes.
    #[must_use]
    pub const fn recoveries(&self) -> u64 {
        self.recoveries
    }
}
