//! Broken engines, and that the checker finds out.
//!
//! The first five are bugs that governance libraries really had; the last three are each for one
//! invariant that nothing else stands in for. Production code knows none of them: a broken engine is
//! built here, in the tests, from public parts of the library put together wrongly. For the first five
//! the check by replay is switched off, since replay is the production code that would find every one
//! of them; what remains are the checker's own books.

use std::collections::BTreeSet;

use super::engine::{Engine, Production, Workshop, ledger_of};
use super::rounds;
use super::shrink::shrink_with;
use super::{Invariant, Scenario, Signatures};
use crate::chain::line::{Head, NewEntry, encode_batch};
use crate::chain::lines::LineReader;
use crate::chain::verify::ChainVerifier;
use crate::governance::command::Command;
use crate::governance::consequence::next_consequence;
use crate::governance::decide::{Context, admit};
use crate::governance::digest::Digest;
use crate::governance::event::{Event, Recorded};
use crate::governance::evolve::evolve;
use crate::governance::genesis::{Genesis, inaugurate};
use crate::governance::key::{PublicKey, Signature, SignatureVerifier};
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::ledger::{Ledger as _, MemoryLedger};
use crate::node::NodeError;

/// What is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    /// Evidence is recorded and has no effect: an equivocator's first vote counts.
    CountFirstVote,
    /// A second vote is refused, and the evidence is thrown away.
    DropEvidence,
    /// A ballot is good under whatever key it comes with, not the registered one.
    BelieveBallotsKey,
    /// The electorate is whoever is registered when votes are counted.
    LiveRegistry,
    /// What stands in the ledger is believed.
    TrustStoredConsensus,
    /// Nothing is ever closed.
    NeverClose,
    /// A replica that started again decides a ballot only after the next command.
    OwnOrder,
    /// All replicas remember the times of grants in whole seconds.
    WrongMemory,
}

impl Workshop for Bug {
    fn found(
        &self,
        genesis: &Genesis,
        at: Timestamp,
        signatures: Signatures,
    ) -> Result<Box<dyn Engine>, NodeError> {
        Production.found(genesis, at, signatures)
    }

    fn open(&self, bytes: Vec<u8>, signatures: Signatures) -> Result<Box<dyn Engine>, NodeError> {
        if *self != Self::TrustStoredConsensus {
            // What somebody else wrote is no bug of this engine.
            Production.open(bytes.clone(), signatures)?;
        }
        let ledger = ledger_of(bytes)?;
        let history = read(ledger.bytes());
        let state = self.state_of(&history);
        let founding = |entry: &Recorded| matches!(entry.event, Event::ProposalCreated(_));
        Ok(Box::new(Broken {
            bug: *self,
            restarted: history.iter().any(founding),
            held: None,
            ledger,
            history,
            state,
            verifier: signatures.verifier(),
        }))
    }
}

impl Bug {
    /// The state that the broken engine makes of a history: by `evolve` alone.
    fn state_of(self, history: &[Recorded]) -> State {
        let founding = 1 + history
            .iter()
            .skip(1)
            .take_while(|entry| entry.timestamp == history[0].timestamp)
            .take_while(|entry| matches!(entry.event, Event::NodeAdded(_)))
            .count();
        let mut state = inaugurate(&history[..founding]).unwrap();
        let later = &history[founding..];
        if self == Self::LiveRegistry {
            // Removals are applied before everything else, so that no electorate has the removed.
            let removals = later
                .iter()
                .filter(|entry| matches!(entry.event, Event::NodeRemoved(_)));
            for entry in removals {
                state = evolve(state, entry);
            }
        }
        for entry in later {
            if self == Self::WrongMemory && matches!(entry.event, Event::AuthorizationGranted(_)) {
                let second = entry.timestamp.as_micros() / 1_000_000 * 1_000_000;
                let timestamp = Timestamp::from_micros(second).unwrap();
                let remembered = Recorded {
                    timestamp,
                    ..entry.clone()
                };
                state = evolve(state, &remembered);
                continue;
            }
            let ignored =
                self == Self::CountFirstVote && matches!(entry.event, Event::ByzantineDetected(_));
            if !ignored {
                state = evolve(state, entry);
            }
        }
        state
    }
}

/// Good for whatever key of the simulation made the signature.
struct AnyKey(Vec<PublicKey>, Box<dyn SignatureVerifier + Send + Sync>);

impl SignatureVerifier for AnyKey {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let carried = self.0.iter().chain([key]);
        carried
            .into_iter()
            .any(|key| self.1.verify(key, message, signature))
    }
}

struct Broken {
    bug: Bug,
    /// Whether it went on from a ledger in which something had happened.
    restarted: bool,
    /// A ballot that it has not decided yet.
    held: Option<Command>,
    ledger: MemoryLedger,
    history: Vec<Recorded>,
    state: State,
    verifier: Box<dyn SignatureVerifier + Send + Sync>,
}

impl Broken {
    fn append(&mut self, event: Event, at: Timestamp) -> NewEntry {
        let entry = NewEntry {
            timestamp: at,
            operation: event.operation().into(),
            data: event.data().unwrap(),
        };
        let recorded = Recorded {
            seq: self.history.len() as u64 + 1,
            timestamp: at,
            hash: Digest::ZERO,
            event,
        };
        self.history.push(recorded);
        self.state = self.bug.state_of(&self.history);
        entry
    }

    fn verifier(&self) -> Box<dyn SignatureVerifier + Send + Sync> {
        let keys = self.state.registry().iter();
        let keys = keys.map(|(_, node)| node.key().clone()).collect();
        let own = Signatures::StandIn.verifier();
        match self.bug {
            Bug::BelieveBallotsKey => Box::new(AnyKey(keys, own)),
            _ => own,
        }
    }
}

impl Engine for Broken {
    fn submit(&mut self, command: &Command, at: Timestamp) -> Result<Vec<Recorded>, NodeError> {
        if let (Bug::NeverClose, Command::Close(proposal)) = (self.bug, command) {
            let proposal = *proposal;
            return Err(NodeError::Refused(Rejection::ProposalClosed { proposal }));
        }
        if self.bug == Bug::OwnOrder && self.restarted && self.held.is_none() {
            if matches!(command, Command::Vote(_)) {
                self.held = Some(command.clone());
                return Ok(Vec::new());
            }
        } else if let Some(held) = self.held.take() {
            let recorded = self.decide(command, at);
            // What has become of it nobody is told.
            let _ = self.decide(&held, at);
            return recorded;
        }
        self.decide(command, at)
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn head(&self) -> Head {
        *self.ledger.head()
    }

    fn bytes(&self) -> &[u8] {
        self.ledger.bytes()
    }
}

impl Broken {
    fn decide(&mut self, command: &Command, at: Timestamp) -> Result<Vec<Recorded>, NodeError> {
        self.verifier = self.verifier();
        let verifier = self.verifier.as_ref();
        let Some(cause) = admit(&self.state, command, &Context { at, verifier })? else {
            return Ok(Vec::new());
        };
        if self.bug == Bug::DropEvidence && matches!(cause, Event::ByzantineDetected(_)) {
            return Ok(Vec::new());
        }
        if self.bug == Bug::CountFirstVote
            && let Event::ByzantineDetected(detected) = &cause
        {
            // Once is enough; otherwise every retry is evidence again.
            let known = |entry: &Recorded| match &entry.event {
                Event::ByzantineDetected(old) => {
                    (old.node, old.proposal_id) == (detected.node, detected.proposal_id)
                }
                _ => false,
            };
            if self.history.iter().any(known) {
                return Ok(Vec::new());
            }
        }
        let before = self.history.len();
        let mut entries = vec![self.append(cause, at)];
        let mut done: BTreeSet<String> = BTreeSet::new();
        while let Some(event) = next_consequence(&self.state, at) {
            // A state that was put together wrongly may call for the same for ever.
            if !done.insert(format!("{event:?}")) {
                break;
            }
            entries.push(self.append(event, at));
        }
        let head = *self.ledger.head();
        let batch = encode_batch(&head, &entries).unwrap();
        self.ledger.append(&head, &batch)?;
        for (entry, place) in self.history[before..].iter_mut().zip(batch.entries()) {
            entry.hash = place.hash;
        }
        self.state = self.bug.state_of(&self.history);
        Ok(self.history[before..].to_vec())
    }
}

/// Reads a ledger and believes it.
fn read(bytes: &[u8]) -> Vec<Recorded> {
    let mut lines = LineReader::new(bytes);
    let mut chain = ChainVerifier::new();
    let mut history = Vec::new();
    while let Some(line) = lines.next_line().unwrap() {
        let line = chain.read(line.bytes).unwrap();
        history.push(Recorded {
            seq: line.seq,
            timestamp: line.timestamp,
            hash: line.entry_hash,
            event: Event::decode(line.operation, line.data).unwrap(),
        });
    }
    history
}

/// The first random scenario in which the checker objects, and to what.
fn found(bug: Bug) -> Option<(Scenario, Invariant)> {
    found_within(1000, bug, false)
}

fn found_within(runs: u64, bug: Bug, replays: bool) -> Option<(Scenario, Invariant)> {
    (0..runs).find_map(|seed| {
        let scenario = Scenario::random(seed, Signatures::StandIn);
        let report = rounds::run(&scenario, &bug, replays).unwrap();
        let violation = report.violation?;
        // Seen where a test fails.
        println!("{bug:?} under seed {seed}: {violation:?}");
        Some((scenario, violation.invariant))
    })
}

/// Every line that it writes is right; what is missing is seen at the end only.
#[test]
fn a_proposal_that_never_ends_is_found_by_liveness_alone() {
    let (_, invariant) = found_within(1000, Bug::NeverClose, true).expect("the bug is found");
    assert_eq!(invariant, Invariant::Liveness);
}

/// Each replica's own ledger is right, and replays to its state.
#[test]
fn an_order_of_ones_own_is_found_by_agreement_alone() {
    let (_, invariant) = found_within(1000, Bug::OwnOrder, true).expect("the bug is found");
    assert_eq!(invariant, Invariant::Agreement);
}

/// All replicas are wrong in the same way, and it shows in no line.
#[test]
fn a_state_that_is_not_the_ledgers_is_found_by_replay_alone() {
    let (_, invariant) = found_within(1000, Bug::WrongMemory, true).expect("the bug is found");
    assert_eq!(invariant, Invariant::Replay);
    assert_eq!(found_within(10, Bug::WrongMemory, false), None);
}

#[test]
fn a_first_vote_that_counts_although_contradicted_is_found() {
    let (_, invariant) = found(Bug::CountFirstVote).expect("the bug is found");
    assert_eq!(invariant, Invariant::Validity);
}

#[test]
fn evidence_that_is_thrown_away_is_found() {
    let (_, invariant) = found(Bug::DropEvidence).expect("the bug is found");
    assert_eq!(invariant, Invariant::Accountability);
}

#[test]
fn a_ballot_under_another_key_than_the_registered_one_is_found() {
    let (_, invariant) = found(Bug::BelieveBallotsKey).expect("the bug is found");
    // Forged ballots come as votes and within accusations.
    assert!(matches!(
        invariant,
        Invariant::Integrity | Invariant::Accountability
    ));
}

#[test]
fn a_registry_in_place_of_the_frozen_electorate_is_found() {
    let (_, invariant) = found(Bug::LiveRegistry).expect("the bug is found");
    assert_eq!(invariant, Invariant::Validity);
}

#[test]
fn a_stored_consensus_that_is_believed_is_found() {
    let (_, invariant) = found(Bug::TrustStoredConsensus).expect("the bug is found");
    assert!(matches!(
        invariant,
        Invariant::Validity | Invariant::Agreement
    ));
}

#[test]
fn what_is_found_shrinks_and_is_found_again() {
    let bug = Bug::BelieveBallotsKey;
    let (scenario, invariant) = found(bug).expect("the bug is found");
    let small = shrink_with(&scenario, &bug, false);
    let size = |it: &Scenario| (it.nodes.len(), it.adversaries.len(), it.crashes.len());
    assert!(size(&small) <= size(&scenario));
    assert_eq!(small.rounds, 1);
    assert_eq!(small.adversaries.len(), 1);
    let again: Scenario = small.to_toml().unwrap().parse().unwrap();
    assert_eq!(again, small);
    let report = rounds::run(&again, &bug, false).unwrap();
    assert_eq!(report.violation.unwrap().invariant, invariant);
}
