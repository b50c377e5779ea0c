//! An independent checker of every run.
//!
//! It looks over the shoulders of the honest replicas after every step and keeps books of its own
//! ([`book`]), from the text of the ledger and the signatures in it, with a count of its own
//! ([`count`]). It asks none of the engine's predicates. What it takes from the library are
//! values (keys, times, digests), the verifier of signatures, and, for the one invariant that is
//! about replay, replay.

mod book;
mod count;
mod invariant;
mod lies;

use std::collections::{BTreeMap, BTreeSet};

use self::book::Book;
pub use self::invariant::Invariant;
use self::lies::SeenHead;
use super::engine::Engine;
use super::signer::Signatures;
use crate::chain::line::Head;
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::Signature;
use crate::governance::state::State;
use crate::governance::statement::Signed;
use crate::replay::replay;

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

/// How many states of the first replica are kept for the others to be compared with; where one is
/// further behind, its state is hashed.
const REFERENCES: usize = 64;

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
    /// The states of the last heights.
    references: BTreeMap<u64, State>,
    /// The heights at which something had just been decided.
    decided: BTreeSet<u64>,
    /// The ledger that was replayed last, and what it led to.
    replayed: Option<(Vec<u8>, State, Head)>,
    book: Book,
    byzantine: BTreeSet<NodeId>,
    seen: BTreeMap<Key, Vec<Seen>>,
    /// The signed heads of each node that honest nodes have got.
    heads: BTreeMap<NodeId, Vec<SeenHead>>,
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
            references: BTreeMap::new(),
            decided: BTreeSet::new(),
            replayed: None,
            book: Book::new(signatures.verifier()),
            byzantine,
            seen: BTreeMap::new(),
            heads: BTreeMap::new(),
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
            if lines.contains("\"operation\":\"consensus_reached\"") {
                self.decided.insert(self.book.lines());
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
        if line.contains("\"operation\":\"checkpoint_recorded\"")
            && let Some(before) = self.states.get(&(self.book.lines() - 1))
            && !line.contains(&format!("\"state_hash\":\"{before}\""))
        {
            let message = "a checkpoint has another state hash than the replicas had before it";
            return Err(Fault::new(Invariant::Validity, message));
        }
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

    /// Compares a replica's state with that of the first honest replica that came to this height.
    ///
    /// That one's is hashed, at every height. All others are compared with it member by member, which
    /// says more than a hash and costs less; where a batch decided something, and at the end, they
    /// are hashed as well.
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
        let differs = |what: &str| {
            let message = format!("its {what} differs from that of another honest replica");
            Err(Fault::new(Invariant::Agreement, message))
        };
        let known = self.states.get(&height).copied();
        let reference = self.references.get(&height);
        if reference.is_some_and(|reference| reference != engine.state()) {
            return differs("state");
        }
        let is_compared = reference.is_some() && !thorough && !self.decided.contains(&height);
        if known.is_some() && is_compared {
            return Ok(());
        }
        let hash = engine.state().hash();
        if known.is_some_and(|known| known != hash) {
            return differs("state hash");
        }
        if known.is_none() {
            self.states.insert(height, hash);
            self.references.insert(height, engine.state().clone());
            if self.references.len() > REFERENCES {
                self.references.pop_first();
            }
        }
        Ok(())
    }

    /// A replica started again: its state is new, at whatever height.
    pub(super) fn restarted(&mut self, place: usize) {
        self.heights.remove(&place);
    }

    /// Replays a replica's ledger. Replay depends on the bytes alone, so that it is done once for all
    /// replicas that have the same; each one's state is compared with what it leads to.
    pub(super) fn replay(&mut self, engine: &dyn Engine) -> Result<(), Fault> {
        if !self.replays {
            return Ok(());
        }
        self.exercise(Invariant::Replay);
        let known = self.replayed.take();
        let (bytes, state, head) = match known.filter(|(bytes, ..)| *bytes == engine.bytes()) {
            Some(same) => same,
            None => {
                let verifier = self.signatures.verifier();
                let replayed = replay(engine.bytes(), verifier.as_ref()).map_err(|error| {
                    Fault::new(Invariant::Replay, format!("its ledger: {error}"))
                })?;
                (engine.bytes().to_vec(), replayed.state, replayed.head)
            }
        };
        let same = state == *engine.state() && state.hash() == engine.state().hash();
        if !same || head != engine.head() {
            let message = "its ledger replays to another state";
            return Err(Fault::new(Invariant::Replay, message));
        }
        self.replayed = Some((bytes, state, head));
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
        for (_, engine) in honest {
            self.replay(*engine)?;
        }
        if honest.is_empty() {
            return Ok(());
        }
        if let Some(proposal) = self.book.unfinished().next() {
            let message = format!("proposal {proposal} did not end");
            return Err(Fault::new(Invariant::Liveness, message));
        }
        self.all_contradictions_are_evidence()?;
        self.all_lies_about_checkpoints_are_evidence()
    }

    fn all_contradictions_are_evidence(&mut self) -> Result<(), Fault> {
        let mut checked = 0;
        for ((voter, proposal, hash), seen) in &self.seen {
            let node = voter.to_string();
            let decisions = self.said(&node, proposal, seen);
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

    /// What a node really said about a proposal, of what was seen in its name.
    fn said(&self, node: &str, proposal: &str, seen: &[Seen]) -> BTreeSet<Decision> {
        let real = seen.iter().filter(|one| {
            let (statement, signature) = (&one.statement, &one.signature);
            self.book.was_signed(node, proposal, statement, signature)
        });
        real.map(|one| one.decision).collect()
    }

    /// How many nodes contradicted themselves before honest eyes, and how many of them were caught.
    pub(super) fn equivocators(&self) -> (u64, u64) {
        let mut contradicting = BTreeMap::new();
        for ((voter, proposal, hash), seen) in &self.seen {
            let decisions: BTreeSet<Decision> = seen.iter().map(|one| one.decision).collect();
            let node = voter.to_string();
            let contradicts = decisions.len() > 1
                && self.book.had_seat(&node, proposal, hash)
                && self.said(&node, proposal, seen).len() > 1;
            if contradicts {
                let caught = self.book.has_evidence(&node, proposal);
                *contradicting.entry(node).or_insert(false) |= caught;
            }
        }
        let caught = contradicting.values().filter(|caught| **caught).count();
        (contradicting.len() as u64, caught as u64)
    }
}
