//! The checker's own books, kept from the text of the ledger and the signatures in it.
//!
//! Nothing here asks the engine: lines are read as JSON, weights are added up anew, signatures are
//! verified under the keys that the books hold.

mod due;
mod grants;
pub(super) mod heads;
mod keys;
mod outcomes;
mod paper;
mod statements;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::count::{fails_surely, passes_surely};
use super::{Fault, Invariant};
use crate::governance::digest::Digest;
use crate::governance::key::{PublicKey, Signature, SignatureVerifier};
use crate::governance::time::Timestamp;
use grants::Grant;
use paper::{Freeze, Paper, Seat, Stage};

/// One line, as far as the books look at it.
#[derive(Deserialize)]
struct Line<'a> {
    batch: (u64, u64),
    timestamp: Timestamp,
    operation: String,
    #[serde(borrow)]
    data: &'a RawValue,
    prev_hash: String,
    entry_hash: String,
}

/// A signed statement: the very text, and the signature.
#[derive(Deserialize)]
pub(super) struct SignedText {
    signature: Signature,
    statement: Box<RawValue>,
}

/// What a ballot says.
#[derive(Deserialize)]
struct BallotText {
    cast_at: Timestamp,
    decision: String,
    ledger: String,
    proposal_hash: String,
    proposal_id: String,
    vote_id: String,
    voter: String,
}

#[derive(Deserialize)]
struct ByzantineText {
    first: SignedText,
    node: String,
    proposal_id: String,
    second: SignedText,
    suspended: bool,
}

#[derive(Deserialize)]
struct CreatedText {
    deadline: Timestamp,
    epoch: u64,
    signature: Signature,
    statement: Box<RawValue>,
    total_weight: u64,
}

#[derive(Deserialize)]
struct ConsensusText {
    abstain_weight: u64,
    approve_weight: u64,
    byzantine_weight: u64,
    decision: String,
    proposal_id: String,
    reject_weight: u64,
    timing: String,
    total_weight: u64,
    votes: Vec<String>,
}

/// A key, and the lines between which a node held it.
struct Held {
    key: PublicKey,
    from: u64,
    until: Option<u64>,
}

/// Whether a node takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
    Suspended,
    Removed,
}

/// One node in the books.
struct Node {
    name: String,
    /// Its keys, the present one last.
    keys: Vec<Held>,
    /// The line that made it a node, or gave it a key by a decision of the group.
    term: u64,
    weight: u64,
    status: Status,
    votes: BTreeSet<String>,
}

/// The books.
pub(super) struct Book {
    verifier: Box<dyn SignatureVerifier + Send + Sync>,
    ledger: String,
    /// The hash of the last line of the founding.
    genesis: String,
    policy: Value,
    nodes: BTreeMap<String, Node>,
    papers: BTreeMap<String, Paper>,
    evidence: BTreeSet<(String, String)>,
    /// Kinds and subjects of revocations, with the line.
    revoked: Vec<(String, String, u64)>,
    freezes: Vec<Freeze>,
    grants: Vec<Grant>,
    used_keys: BTreeSet<String>,
    /// Nodes with evidence of contradicting checkpoints, and the terms that it is for.
    head_evidence: BTreeSet<(String, u64)>,
    /// Nodes with evidence of any kind, with the line.
    convictions: Vec<(String, u64)>,
    epoch: u64,
    lines: u64,
    head: String,
    /// The hashes of all lines.
    hashes: Vec<Digest>,
    /// The time of the last line.
    now: Timestamp,
}

fn fault(invariant: Invariant, message: impl Into<String>) -> Fault {
    Fault {
        invariant,
        message: message.into(),
    }
}

fn invalid(message: impl Into<String>) -> Fault {
    fault(Invariant::Validity, message)
}

fn forged(message: impl Into<String>) -> Fault {
    fault(Invariant::Integrity, message)
}

fn accusation(message: impl Into<String>) -> Fault {
    fault(Invariant::Accountability, message)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| invalid(format!("unreadable: {error}")))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Fault> {
    let member = value.get(name).and_then(Value::as_str);
    member.ok_or_else(|| invalid(format!("no text {name:?} in {value}")))
}

impl Book {
    pub(super) fn new(verifier: Box<dyn SignatureVerifier + Send + Sync>) -> Self {
        Self {
            verifier,
            ledger: String::new(),
            genesis: String::new(),
            policy: Value::Null,
            nodes: BTreeMap::new(),
            papers: BTreeMap::new(),
            evidence: BTreeSet::new(),
            revoked: Vec::new(),
            freezes: Vec::new(),
            grants: Vec::new(),
            used_keys: BTreeSet::new(),
            head_evidence: BTreeSet::new(),
            convictions: Vec::new(),
            epoch: 0,
            lines: 0,
            head: "0".repeat(64),
            hashes: Vec::new(),
            now: Timestamp::MAX,
        }
    }

    /// How many lines were entered.
    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    /// The hash of the last line that was entered.
    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// The proposals that have not ended.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = &str> {
        let open = self
            .papers
            .iter()
            .filter(|(_, paper)| paper.stage != Stage::Over);
        open.map(|(id, _)| id.as_str())
    }

    /// Whether evidence against a node on a proposal was entered.
    pub(super) fn has_evidence(&self, node: &str, proposal: &str) -> bool {
        self.evidence
            .contains(&(node.to_owned(), proposal.to_owned()))
    }

    /// Whether a node had a seat in the electorate of a proposal with this hash.
    pub(super) fn had_seat(&self, node: &str, proposal: &str, hash: &str) -> bool {
        let paper = self.papers.get(proposal);
        paper.is_some_and(|paper| paper.hash == hash && paper.seats.contains_key(node))
    }

    /// Whether a ballot's text is signed with a key that its voter held while the proposal was open.
    pub(super) fn was_signed(
        &self,
        node: &str,
        proposal: &str,
        statement: &str,
        signature: &Signature,
    ) -> bool {
        let message = format!("althing/ballot/v1\n{statement}");
        let Some(paper) = self.papers.get(proposal) else {
            return false;
        };
        let last = paper.ended.map_or(u64::MAX, |(line, _)| line);
        let keys = self.keys_between(node, paper.line, last);
        let mut keys = keys.into_iter();
        keys.any(|key| self.verifier.verify(key, message.as_bytes(), signature))
    }

    /// Whether a statement is signed with the key that the books hold for a node.
    fn verifies(&self, node: &str, domain: &str, statement: &str, signature: &Signature) -> bool {
        let message = format!("{domain}\n{statement}");
        let present = self.nodes.get(node).and_then(|node| node.keys.last());
        present.is_some_and(|held| {
            self.verifier
                .verify(&held.key, message.as_bytes(), signature)
        })
    }

    /// Ends a proposal.
    fn end(&mut self, id: &str) {
        let ended = Some((self.lines, self.now));
        if let Some(paper) = self.papers.get_mut(id) {
            paper.stage = Stage::Over;
            paper.ended = ended;
        }
    }

    /// Enters one line, which stands without its line feed.
    pub(super) fn enter(&mut self, raw: &str) -> Result<(), Fault> {
        let line: Line<'_> =
            serde_json::from_str(raw).map_err(|error| invalid(format!("unreadable: {error}")))?;
        let covered = raw.len().checked_sub(81).and_then(|end| raw.get(..end));
        let hash = Digest::of(covered.unwrap_or_default().as_bytes());
        if line.prev_hash != self.head || line.entry_hash != hash.to_string() {
            return Err(invalid("the line does not continue the chain"));
        }
        self.lines += 1;
        self.head = hash.to_string();
        self.hashes.push(hash);
        self.now = line.timestamp;
        self.enter_content(&line)?;
        if line.batch.0 == line.batch.1 {
            self.nothing_left_out(line.timestamp)?;
        }
        Ok(())
    }

    fn enter_content(&mut self, line: &Line<'_>) -> Result<(), Fault> {
        let data = line.data.get();
        match line.operation.as_str() {
            "ledger_created" => self.ledger_created(data),
            "node_added" => self.node_added(data),
            "node_removed" => self.node_removed(data),
            "key_rotated" => self.key_rotated(data),
            operation @ ("key_replaced" | "node_reinstated") => self.key_given(operation, data),
            "policy_updated" => self.policy_updated(data),
            "proposal_created" => self.proposal_created(data, line.timestamp),
            "proposal_withdrawn" => self.proposal_withdrawn(data, line.timestamp),
            "vote_cast" => self.vote_cast(data, line.timestamp),
            "byzantine_detected" if data.starts_with("{\"checkpoints\":") => {
                self.checkpoints_contradicted(data)
            }
            "byzantine_detected" => self.byzantine_detected(data),
            "consensus_reached" => self.consensus_reached(data, line.timestamp),
            "decision_overturned" => self.decision_overturned(data),
            "proposal_superseded" => self.proposal_superseded(data),
            "proposal_failed" => self.proposal_failed(data),
            "proposal_lapsed" => self.proposal_lapsed(data),
            "authorization_granted" => self.authorization_granted(data),
            "authorization_revoked" => self.authorization_revoked(data),
            "freeze_imposed" => self.freeze_imposed(data),
            "freeze_lifted" => self.freeze_lifted(data),
            "prediction_recorded" => self.prediction_recorded(data),
            "checkpoint_recorded" => self.checkpoint_recorded(data),
            "recovery_recorded" => Ok(()),
            operation => {
                let message = format!("{operation} is nothing that a scenario can lead to");
                Err(invalid(message))
            }
        }
    }

    /// At the end of a batch nothing is outstanding that the ballots call for.
    fn nothing_left_out(&self, at: Timestamp) -> Result<(), Fault> {
        for (id, paper) in &self.papers {
            let left_out = match paper.stage {
                Stage::Over => false,
                Stage::Passed { early, waits, .. } => !waits || !Self::stands(paper, early),
                Stage::Voting => {
                    let count = paper.count();
                    let sure =
                        passes_surely(&paper.rules, count) || fails_surely(&paper.rules, count);
                    paper.early && at < paper.deadline && sure
                }
            };
            if left_out || self.is_overtaken(paper) {
                return Err(invalid(format!(
                    "what the {} proposal {id} calls for is left out: {:?}, {:?}",
                    paper.kind(),
                    paper.stage,
                    paper.count()
                )));
            }
        }
        Ok(())
    }
}
