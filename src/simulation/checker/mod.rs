//! An independent checker of every run.
//!
//! It looks over the shoulders of the honest replicas after every step and keeps books of its own
//! ([`book`]), from the text of the ledger and the signatures in it, with a count of its own
//! ([`count`]). It asks none of the engine's predicates. What it takes from the library are
//! values (keys, times, digests), the verifier of signatures, and, for the one invariant that is
//! about replay, replay.

mod book;
mod count;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use self::book::Book;
use super::engine::Engine;
use super::signer::Signatures;
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::Signature;
use crate::governance::statement::Signed;
use crate::replay::replay;

/// What must hold in every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// No two honest replicas differ at the same height, in ledger or state.
    Agreement,
    /// Decisions and their effects follow from the recorded ballots, and none is left out.
    Validity,
    /// No ballot counts that its voter did not sign for this very proposal, and nobody counts
    /// twice.
    Integrity,
    /// Contradictions that reached honest nodes end in evidence that verifies alone, and no honest
    /// node is accused.
    Accountability,
    /// Every proposal ends, and every honest replica catches up.
    Liveness,
    /// A replica's ledger replays to its state.
    Replay,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Agreement,
        Self::Validity,
        Self::Integrity,
        Self::Accountability,
        Self::Liveness,
        Self::Replay,
    ];

    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Validity => "validity",
            Self::Integrity => "integrity",
            Self::Accountability => "accountability",
            Self::Liveness => "liveness",
            Self::Replay => "replay",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A broken invariant, before it is known when.
pub(super) struct Fault {
    pub(super) invariant: Invariant,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(invariant: Invariant, message: impl Into<String>) -> Self {
        Self {
            invariant,
            message: message.into(),
        }
    }
}

/// A ballot that somebody honest has seen.
struct Seen {
    decision: Decision,
    statement: String,
    signature: Signature,
}

/// The states of replicas are compared at heights that are multiples of this, and at the end.
const STRIDE: u64 = 8;

/// Which ballots of one node on one proposal honest nodes have seen.
type Key = (NodeId, String, String);

/// The checker of one run.
pub(crate) struct Checker {
    signatures: Signatures,
    /// The longest ledger of an honest replica so far; all others must be beginnings of it.
    reference: Vec<u8>,
    /// How much of each replica's ledger was compared.
    compared: BTreeMap<usize, usize>,
    /// The height at which each replica's state was compared last.
    heights: BTreeMap<usize, u64>,
    /// The state hash at each height.
    states: BTreeMap<u64, Digest>,
    book: Book,
    byzantine: BTreeSet<NodeId>,
    seen: BTreeMap<Key, Vec<Seen>>,
    /// How often each invariant had something to say.
    pub(super) exercised: BTreeMap<Invariant, u64>,
    /// Whether replay is checked; the tests of the other invariants do without.
    pub(super) replays: bool,
}

impl Checker {
    pub(super) fn new(signatures: Signatures, byzantine: BTreeSet<NodeId>) -> Self {
        Self {
            signatures,
            reference: Vec::new(),
            compared: BTreeMap::new(),
            heights: BTreeMap::new(),
            states: BTreeMap::new(),
            book: Book::new(signatures.verifier()),
            byzantine,
            seen: BTreeMap::new(),
            exercised: BTreeMap::new(),
            replays: true,
        }
    }

    fn exercise(&mut self, invariant: Invariant) {
        *self.exercised.entry(invariant).or_default() += 1;
    }

    /// Notes a ballot that an honest node has got.
    pub(super) fn saw(&mut self, signed: &Signed<Ballot>) {
        let ballot = signed.content();
        if !self.byzantine.contains(&ballot.voter) {
            return;
        }
        let key = (
            ballot.voter,
            ballot.proposal_id.to_string(),
            ballot.proposal_hash.to_string(),
        );
        let seen = self.seen.entry(key).or_default();
        // Forgeries in its name are many; a few of each kind are enough to find a real pair.
        let known = |seen: &Seen| seen.statement == signed.statement.as_str();
        if !seen
            .iter()
            .any(|one| known(one) && one.signature == signed.signature)
        {
            seen.push(Seen {
                decision: ballot.decision,
                statement: signed.statement.as_str().to_owned(),
                signature: signed.signature.clone(),
            });
        }
    }

    /// Looks at an honest replica.
    pub(super) fn look(&mut self, place: usize, engine: &dyn Engine) -> Result<(), Fault> {
        let bytes = engine.bytes();
        let from = self.compared.get(&place).copied().unwrap_or(0);
        // A replica that lost its last write is compared from the beginning.
        let from = if from > bytes.len() { 0 } else { from };
        let common = bytes.len().min(self.reference.len());
        if bytes.get(from..common) != self.reference.get(from..common) {
            let message = "its ledger differs from that of another honest replica";
            return Err(Fault::new(Invariant::Agreement, message));
        }
        self.compared.insert(place, bytes.len());
        let new = bytes.get(self.reference.len()..).unwrap_or_default();
        if !new.is_empty() {
            let lines = String::from_utf8_lossy(new).into_owned();
            self.reference.extend_from_slice(new);
            for line in lines.lines() {
                self.enter(line)?;
            }
        }
        self.compare_states(place, engine, false)
    }

    fn enter(&mut self, line: &str) -> Result<(), Fault> {
        self.exercise(Invariant::Validity);
        if line.contains("\"operation\":\"vote_cast\"") {
            self.exercise(Invariant::Integrity);
        }
        self.book.enter(line)?;
        if line.contains("\"operation\":\"byzantine_detected\"") {
            self.exercise(Invariant::Accountability);
            let innocent = self
                .byzantine
                .iter()
                .all(|node| !line.contains(&format!("\"node\":\"{node}\"")));
            if innocent {
                let message = "an honest node is accused of a contradiction";
                return Err(Fault::new(Invariant::Accountability, message));
            }
        }
        Ok(())
    }

    fn compare_states(
        &mut self,
        place: usize,
        engine: &dyn Engine,
        thorough: bool,
    ) -> Result<(), Fault> {
        let height = engine.state().entries();
        // What was refused changed nothing.
        if self.heights.insert(place, height) == Some(height) && !thorough {
            return Ok(());
        }
        self.exercise(Invariant::Agreement);
        let head = engine.head();
        let is_last = height == self.book.lines();
        if head.seq != height || (is_last && head.hash.to_string() != self.book.head()) {
            let message = "its head is not the last line of its ledger";
            return Err(Fault::new(Invariant::Agreement, message));
        }
        // The state follows from the ledger, which is compared in full. Hashing it costs more than
        // all else, so it is done now and then, at the same heights by all, and at the end.
        if !height.is_multiple_of(STRIDE) && !thorough {
            return Ok(());
        }
        let hash = engine.state().hash();
        if *self.states.entry(height).or_insert(hash) != hash {
            let message = "its state hash differs from that of another honest replica";
            return Err(Fault::new(Invariant::Agreement, message));
        }
        Ok(())
    }

    /// Replays a replica's ledger.
    pub(super) fn replay(&mut self, engine: &dyn Engine) -> Result<(), Fault> {
        if !self.replays {
            return Ok(());
        }
        self.exercise(Invariant::Replay);
        let replayed = replay(engine.bytes(), self.signatures.verifier().as_ref())
            .map_err(|error| Fault::new(Invariant::Replay, format!("its ledger: {error}")))?;
        if replayed.state.hash() != engine.state().hash() || replayed.head != engine.head() {
            let message = "its ledger replays to another state";
            return Err(Fault::new(Invariant::Replay, message));
        }
        Ok(())
    }

    /// Looks at the end of a run, when the network has long been quiet, at all honest replicas.
    pub(super) fn finish(&mut self, honest: &[(usize, &dyn Engine)]) -> Result<(), Fault> {
        for (place, engine) in honest {
            self.exercise(Invariant::Liveness);
            if engine.bytes().len() != self.reference.len() {
                let message = "an honest replica did not catch up";
                return Err(Fault::new(Invariant::Liveness, message));
            }
            self.compare_states(*place, *engine, true)?;
        }
        // All of them have the same bytes by now, and the same state: one replay is enough.
        if let Some((_, engine)) = honest.first() {
            self.replay(*engine)?;
        }
        if honest.is_empty() {
            return Ok(());
        }
        if let Some(proposal) = self.book.unfinished().next() {
            let message = format!("proposal {proposal} did not end");
            return Err(Fault::new(Invariant::Liveness, message));
        }
        self.all_contradictions_are_evidence()
    }

    fn all_contradictions_are_evidence(&mut self) -> Result<(), Fault> {
        let mut checked = 0;
        for ((voter, proposal, hash), seen) in &self.seen {
            let node = voter.to_string();
            let real = seen
                .iter()
                .filter(|one| self.book.is_signed(&node, &one.statement, &one.signature));
            let decisions: BTreeSet<Decision> = real.map(|one| one.decision).collect();
            if decisions.len() < 2 || !self.book.had_seat(&node, proposal, hash) {
                continue;
            }
            checked += 1;
            if !self.book.has_evidence(&node, proposal) {
                let message = format!("{node} contradicted itself on {proposal} without evidence");
                return Err(Fault::new(Invariant::Accountability, message));
            }
        }
        *self.exercised.entry(Invariant::Accountability).or_default() += checked;
        Ok(())
    }

    /// How many nodes contradicted themselves before honest eyes, and how many of them were caught.
    pub(super) fn equivocators(&self) -> (u64, u64) {
        let mut contradicting = BTreeMap::new();
        for ((voter, proposal, hash), seen) in &self.seen {
            let decisions: BTreeSet<Decision> = seen.iter().map(|one| one.decision).collect();
            let node = voter.to_string();
            if decisions.len() > 1 && self.book.had_seat(&node, proposal, hash) {
                let real = seen
                    .iter()
                    .filter(|one| self.book.is_signed(&node, &one.statement, &one.signature));
                let decisions: BTreeSet<Decision> = real.map(|one| one.decision).collect();
                if decisions.len() > 1 {
                    let caught = self.book.has_evidence(&node, proposal);
                    *contradicting.entry(node).or_insert(false) |= caught;
                }
            }
        }
        let caught = contradicting.values().filter(|caught| **caught).count();
        (contradicting.len() as u64, caught as u64)
    }
}
