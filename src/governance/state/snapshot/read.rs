//! From records to the state, strictly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::{
    BallotRecord, ContradictionEntry, EvidenceEntry, FreezeRecord, GrantRecord, KeptRecord,
    KeyRecord, MemberRecord, ModelRecord, NodeRecord, ProposalRecord, Record, RevocationRecord,
    StateRecord,
};
use crate::governance::MAX_INTEGER;
use crate::governance::id::{NodeId, ProposalId, Subject};
use crate::governance::invariant;
use crate::governance::kind::{AuthorizationKind, ProposalKind};
use crate::governance::policy::Rule;
use crate::governance::state::authorization::{Authorizations, Grant};
use crate::governance::state::freeze::Freeze;
use crate::governance::state::prediction::{PredictionCount, Predictions};
use crate::governance::state::proposal::{
    CastBallot, KeptBallot, Member, ProposalState, Proposals,
};
use crate::governance::state::registry::{HeldKey, Node, Registry};
use crate::governance::state::{Contradiction, EvidenceRecord, Identity, State};
use crate::governance::tally::{Standing, Tally};
use crate::governance::time::Timestamp;
use crate::governance::weight::{TotalWeight, Weight};

/// Why records make no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// No record of a known kind and form.
    #[error("no record of a state: {0}")]
    Form(String),
    /// A record that can't stand behind the one before, or says what others rule out.
    #[error("{0}")]
    Contradiction(&'static str),
    /// The records make a state that no history leads to.
    #[error("no state of any history: {0}")]
    Impossible(#[from] invariant::Violation),
}

/// Makes the state of records that come one after the other.
///
/// Nothing is believed. Every value has its own checks, references must lead to what came before,
/// and the whole state must keep what holds of every state. Whether it is the state of a certain
/// history is for its state hash to say, as far as that reaches: it covers neither free text nor
/// signatures.
#[derive(Default)]
pub struct StateReader {
    state: Option<State>,
    stage: u8,
    /// The entry of the last record, where its kind is in the order of entries.
    last: u64,
    last_revocation: Option<(AuthorizationKind, Subject)>,
    registry: Registry,
    node: Option<(NodeId, Node)>,
    proposals: Proposals,
    proposal: Option<(ProposalState, Vec<(Weight, Standing)>)>,
    authorizations: Authorizations,
    evidence: BTreeMap<(NodeId, ProposalId), EvidenceRecord>,
    contradictions: BTreeMap<(Contradiction, NodeId, u64), EvidenceRecord>,
    models: BTreeMap<Subject, PredictionCount>,
}

/// Refuses what does not hold.
fn ensure(holds: bool, otherwise: &'static str) -> Result<(), BadRecord> {
    if holds {
        Ok(())
    } else {
        Err(BadRecord::Contradiction(otherwise))
    }
}

/// Requires that what is read into a map comes in the map's order.
fn ascends<K: Ord, V>(known: &BTreeMap<K, V>, next: &K) -> Result<(), BadRecord> {
    let last = known.last_key_value();
    ensure(
        last.is_none_or(|(last, _)| last < next),
        "the record is out of order",
    )
}

impl StateReader {
    /// A reader that expects the first record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next record, given without its line feed.
    ///
    /// # Errors
    /// [`BadRecord`]; the reader can't go on then.
    pub fn record(&mut self, line: &[u8]) -> Result<(), BadRecord> {
        let record: Record<'_> =
            serde_json::from_slice(line).map_err(|error| BadRecord::Form(error.to_string()))?;
        self.enter_stage(stage_of(&record))?;
        match record {
            Record::State(record) => self.state(record),
            Record::Node(record) => self.node(record),
            Record::FormerKey(record) => self.former_key(record),
            Record::Proposal(record) => self.proposal(*record),
            Record::Member(record) => self.member(record),
            Record::Grant(record) => self.grant(record),
            Record::Revocation(record) => self.revocation(record),
            Record::Freeze(record) => self.freeze(record),
            Record::Evidence(record) => self.evidence(&record),
            Record::Contradiction(record) => self.contradiction(&record),
            Record::Model(record) => self.model(record),
        }
    }

    /// The state, once all records were taken.
    ///
    /// # Errors
    /// [`BadRecord`] where they make none.
    pub fn finish(mut self) -> Result<State, BadRecord> {
        self.close_node()?;
        self.close_proposal()?;
        let mut state = (self.state).ok_or(BadRecord::Contradiction("there is no record"))?;
        ensure(!self.registry.is_empty(), "there is no node")?;
        let others = *state.predictions.others();
        state.registry = Arc::new(self.registry);
        state.proposals = Arc::new(self.proposals);
        state.authorizations = Arc::new(self.authorizations);
        state.evidence = Arc::new(self.evidence);
        state.contradictions = Arc::new(self.contradictions);
        state.predictions = Predictions::restored(self.models, others);
        invariant::check_settled(&state)?;
        Ok(state)
    }

    /// Kinds of records come in order, and what they refer to is complete by then.
    fn enter_stage(&mut self, stage: u8) -> Result<(), BadRecord> {
        ensure(
            stage >= self.stage && (stage == 0) == self.state.is_none(),
            "the record is out of order",
        )?;
        if stage > self.stage {
            self.last = 0;
        }
        self.stage = stage;
        if stage > 1 {
            self.close_node()?;
        }
        if stage > 2 {
            self.close_proposal()?;
        }
        Ok(())
    }

    /// How many entries there are.
    fn entries(&self) -> u64 {
        self.state.as_ref().map_or(0, State::entries)
    }

    /// Requires that records of this kind come in the order of their entries.
    fn ascend(&mut self, seq: u64) -> Result<(), BadRecord> {
        self.is_past(seq)?;
        ensure(self.last < seq, "the record is out of order")?;
        self.last = seq;
        Ok(())
    }

    fn is_past(&self, seq: u64) -> Result<(), BadRecord> {
        ensure(
            seq >= 1 && seq <= self.entries(),
            "an entry that there is not",
        )
    }

    fn state(&mut self, record: StateRecord<'_>) -> Result<(), BadRecord> {
        let policy = record.policy.into_owned();
        ensure(policy.validate().is_ok(), "a policy that can't stand")?;
        check_count(&record.other_predictions)?;
        let identity = Identity {
            ledger: record.ledger,
            name: record.name.into_owned(),
            created_at: record.created_at,
            origin: record.origin,
        };
        self.state = Some(State {
            identity: Arc::new(identity),
            entries: record.entries,
            clock: record.clock,
            epoch: record.epoch,
            policy: Arc::new(policy),
            registry: Arc::default(),
            proposals: Arc::default(),
            authorizations: Arc::default(),
            evidence: Arc::default(),
            contradictions: Arc::default(),
            predictions: Predictions::restored(BTreeMap::new(), record.other_predictions),
            recoveries: record.recoveries,
        });
        Ok(())
    }

    fn node(&mut self, record: NodeRecord<'_>) -> Result<(), BadRecord> {
        self.close_node()?;
        self.ascend(record.added_at)?;
        ensure(
            self.registry.len() < Registry::MAX_NODES && self.registry.get(record.node).is_none(),
            "a node too many",
        )?;
        let node = Node {
            name: record.name.into_owned(),
            weight: record.weight,
            keys: Vec::new(),
            key: record.key.into_owned(),
            status: record.status,
            added_at: record.added_at,
            votes: BTreeSet::new(),
        };
        self.node = Some((record.node, node));
        Ok(())
    }

    fn former_key(&mut self, record: KeyRecord<'_>) -> Result<(), BadRecord> {
        self.is_past(record.until)?;
        let Some((_, node)) = &mut self.node else {
            return Err(BadRecord::Contradiction("a key of no node"));
        };
        let from = node.keys.last().map_or(node.added_at, |held| held.until);
        ensure(from < record.until, "the record is out of order")?;
        node.keys.push(HeldKey {
            key: record.key.into_owned(),
            from,
            until: record.until,
        });
        Ok(())
    }

    /// Registers the node whose keys are complete by now.
    fn close_node(&mut self) -> Result<(), BadRecord> {
        let Some((id, node)) = self.node.take() else {
            return Ok(());
        };
        let first = node.keys.first().map_or(&node.key, |held| &held.key);
        ensure(
            NodeId::of_first_key(first) == id,
            "a node that is not its key's",
        )?;
        self.registry
            .restore(id, node)
            .ok_or(BadRecord::Contradiction(
                "a key that was used before, or too much weight",
            ))
    }

    fn proposal(&mut self, record: ProposalRecord<'_>) -> Result<(), BadRecord> {
        self.close_proposal()?;
        self.ascend(record.seq)?;
        let content = record.content.into_owned();
        let ledger = self.state.as_ref().map(State::ledger);
        ensure(
            ledger == Some(content.ledger) && self.registry.get(content.proposer).is_some(),
            "a proposal of nobody here",
        )?;
        ensure(
            self.proposals.get(content.proposal_id).is_none(),
            "a proposal that is there twice",
        )?;
        ensure(
            (1..=2).contains(&record.rules.len()) && record.rules.iter().all(is_sound),
            "rules that can't stand",
        )?;
        let decided = record.decided.map(|decided| decided.seq);
        let ended = record.ended.as_ref().map(|end| end.seq);
        for seq in [decided, ended].into_iter().flatten() {
            self.is_past(seq)?;
            ensure(seq > record.seq, "a proposal that ends before it begins")?;
        }
        let proposal = ProposalState {
            content,
            hash: record.hash,
            seq: record.seq,
            opened_at: record.opened_at,
            deadline: record.deadline,
            epoch: record.epoch,
            rules: record.rules.into_owned(),
            early_decision: record.early_decision,
            evidence_window: record.evidence_window_seconds,
            electorate: IndexMap::new(),
            tally: Tally::open(TotalWeight::ZERO),
            status: record.status,
            decided: record.decided,
            ended_at: record.ended.as_ref().map(|end| end.at),
            ended_seq: record.ended.map(|end| end.seq),
            tainted: record.tainted,
        };
        self.proposal = Some((proposal, Vec::new()));
        Ok(())
    }

    fn member(&mut self, record: MemberRecord<'_>) -> Result<(), BadRecord> {
        let entries = self.entries();
        let clock = self.state.as_ref().map(State::clock);
        let Some((proposal, counted)) = &mut self.proposal else {
            return Err(BadRecord::Contradiction("a member of no electorate"));
        };
        ensure(
            self.registry.get(record.node).is_some(),
            "a member that is no node",
        )?;
        let ballot = match record.ballot {
            None => None,
            Some(ballot) => {
                ensure(
                    ballot.seq > proposal.seq && ballot.seq <= entries,
                    "a ballot out of its time",
                )?;
                Some(cast(ballot, proposal, clock)?)
            }
        };
        if let Some(ballot) = &ballot {
            let vote = ballot.content().vote_id;
            ensure(
                !self.registry.has_voted_as(record.node, vote),
                "a vote id that is there twice",
            )?;
            self.registry.note_vote(record.node, vote);
        }
        counted.push((record.weight, record.standing));
        let member = Member {
            weight: record.weight,
            standing: record.standing,
            ballot,
        };
        let known = proposal.electorate.insert(record.node, member);
        ensure(known.is_none(), "a member that is there twice")
    }

    /// Opens the proposal whose electorate is complete by now, and counts it.
    fn close_proposal(&mut self) -> Result<(), BadRecord> {
        let Some((mut proposal, counted)) = self.proposal.take() else {
            return Ok(());
        };
        proposal.tally =
            Tally::of(&counted).ok_or(BadRecord::Contradiction("the weights exceed 2^53 - 1"))?;
        self.proposals.restore(proposal);
        Ok(())
    }

    fn grant(&mut self, record: GrantRecord<'_>) -> Result<(), BadRecord> {
        self.ascend(record.granted_seq)?;
        if let Some(revoked) = record.revoked {
            self.is_past(revoked.seq)?;
        }
        // A parent comes first, so that no lineage can run in a circle.
        let is_known = |grant| self.authorizations.get(grant).is_some();
        ensure(
            !is_known(record.grant) && record.parent.is_none_or(is_known),
            "a grant of nothing, or one that is there twice",
        )?;
        let proposal = self.proposals.get(record.grant);
        ensure(
            proposal.is_some_and(|it| it.content.action.parent() == record.parent),
            "a grant that nobody proposed",
        )?;
        let grant = Grant {
            kind: record.kind,
            parent: record.parent,
            terms: record.terms.into_owned(),
            granted_seq: record.granted_seq,
            granted_at: record.granted_at,
            revoked: record.revoked,
        };
        self.authorizations.add(record.grant, grant);
        Ok(())
    }

    fn revocation(&mut self, record: RevocationRecord<'_>) -> Result<(), BadRecord> {
        self.is_past(record.seq)?;
        let key = (record.kind, record.subject.into_owned());
        let last = self.last_revocation.as_ref();
        ensure(
            last.is_none_or(|last| *last < key),
            "the record is out of order",
        )?;
        self.authorizations
            .note_revocation(key.0, &key.1, record.seq);
        self.last_revocation = Some(key);
        Ok(())
    }

    fn freeze(&mut self, record: FreezeRecord<'_>) -> Result<(), BadRecord> {
        let proposal = self.proposals.get(record.freeze);
        let proposal = proposal.filter(|it| {
            it.content.action.kind() == ProposalKind::EmergencyFreeze
                && it.ended_at == Some(record.from)
        });
        let imposed = proposal.and_then(|it| it.ended_seq);
        let imposed = imposed.ok_or(BadRecord::Contradiction("a freeze that nobody decided"))?;
        self.ascend(imposed)?;
        let freeze = Freeze {
            target: record.target.into_owned(),
            from: record.from,
            until: record.until,
            lifted_at: record.lifted_at,
        };
        self.authorizations.freezes.impose(record.freeze, freeze);
        Ok(())
    }

    fn evidence(&mut self, record: &EvidenceEntry) -> Result<(), BadRecord> {
        self.is_past(record.seq)?;
        let place = (record.node, record.proposal);
        ascends(&self.evidence, &place)?;
        let proposal = self.proposals.get(record.proposal);
        ensure(
            proposal.is_some_and(|it| it.member(record.node).is_some()),
            "evidence against nobody",
        )?;
        let evidence = EvidenceRecord {
            seq: record.seq,
            at: record.at,
            suspended: record.suspended,
        };
        self.evidence.insert(place, evidence);
        Ok(())
    }

    fn contradiction(&mut self, record: &ContradictionEntry) -> Result<(), BadRecord> {
        self.is_past(record.seq)?;
        let place = (record.kind, record.node, record.term);
        ascends(&self.contradictions, &place)?;
        let node = self.registry.get(record.node);
        ensure(
            node.is_some_and(|node| node.added_at() <= record.term) && record.term < record.seq,
            "evidence against nobody",
        )?;
        let evidence = EvidenceRecord {
            seq: record.seq,
            at: record.at,
            suspended: record.suspended,
        };
        self.contradictions.insert(place, evidence);
        Ok(())
    }

    fn model(&mut self, record: ModelRecord<'_>) -> Result<(), BadRecord> {
        check_count(&record.count)?;
        let model = record.model.into_owned();
        let last = self.models.last_key_value();
        ensure(
            last.is_none_or(|(last, _)| *last < model),
            "the record is out of order",
        )?;
        self.models.insert(model, record.count);
        Ok(())
    }
}

const fn stage_of(record: &Record<'_>) -> u8 {
    match record {
        Record::State(_) => 0,
        Record::Node(_) | Record::FormerKey(_) => 1,
        Record::Proposal(_) | Record::Member(_) => 2,
        Record::Grant(_) => 3,
        Record::Revocation(_) => 4,
        Record::Freeze(_) => 5,
        Record::Evidence(_) => 6,
        Record::Contradiction(_) => 7,
        Record::Model(_) => 8,
    }
}

fn check_count(count: &PredictionCount) -> Result<(), BadRecord> {
    ensure(
        count.authorized <= MAX_INTEGER && count.unauthorized <= MAX_INTEGER,
        "a count above 2^53 - 1",
    )
}

/// A ballot on `proposal`, of the member that it is read for. Its signature may be missing only once no
/// evidence is taken any more.
fn cast(
    record: BallotRecord<'_>,
    proposal: &ProposalState,
    clock: Option<Timestamp>,
) -> Result<CastBallot, BadRecord> {
    let kept = match record.kept {
        KeptRecord::Signed(signed) => KeptBallot::Signed(Arc::new(signed.into_owned())),
        KeptRecord::Said(content) => {
            let until = proposal.evidence_until();
            ensure(
                until.zip(clock).is_some_and(|(until, now)| until <= now),
                "a ballot without its signature",
            )?;
            KeptBallot::Said(Arc::new(content.into_owned()))
        }
    };
    let ballot = CastBallot {
        kept,
        seq: record.seq,
        at: record.at,
    };
    ensure(
        ballot.content().ledger == proposal.content.ledger,
        "a ballot of another ledger",
    )?;
    Ok(ballot)
}

/// Whether a rule could stand in a policy.
fn is_sound(rule: &Rule) -> bool {
    rule.approval.is_some() || rule.absolute.is_some()
}

#[cfg(test)]
mod tests;
