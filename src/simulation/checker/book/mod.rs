//! The checker's own books, kept from the text of the ledger and the signatures in it.
//!
//! Nothing here asks the engine: lines are read as JSON, weights are added up anew, signatures are
//! verified under the keys that the books hold.

mod outcomes;
mod statements;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::count::{Count, Rule, fails_surely, passes_surely};
use super::{Fault, Invariant};
use crate::governance::digest::Digest;
use crate::governance::key::{PublicKey, Signature, SignatureVerifier};
use crate::governance::time::Timestamp;

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

/// One node in the books.
struct Node {
    key: PublicKey,
    weight: u64,
    active: bool,
    votes: BTreeSet<String>,
}

/// One seat of an electorate.
struct Seat {
    weight: u64,
    ballot: Option<(String, String)>,
    byzantine: bool,
    barred: bool,
}

/// Where a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Voting,
    /// Whether it was judged before the deadline, and whether it may wait: for its timelock, or for
    /// the end of a freeze.
    Passed {
        early: bool,
        waits: bool,
    },
    Over,
}

/// A freeze, from its beginning to its end, in microseconds.
struct Freeze {
    proposal: String,
    target: String,
    from: u64,
    until: u64,
}

/// One proposal in the books.
struct Paper {
    hash: String,
    action: Value,
    deadline: Timestamp,
    epoch: u64,
    line: u64,
    rules: Vec<Rule>,
    early: bool,
    seats: BTreeMap<String, Seat>,
    stage: Stage,
}

impl Paper {
    fn kind(&self) -> &str {
        self.action
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    fn subject(&self) -> Option<&str> {
        self.action.get("subject").and_then(Value::as_str)
    }

    /// Adds up the seats.
    fn count(&self) -> Count {
        let mut count = Count::default();
        for seat in self.seats.values() {
            let weight = u128::from(seat.weight);
            count.total += weight;
            match &seat.ballot {
                _ if seat.byzantine => count.byzantine += weight,
                Some((decision, _)) if decision == "approve" => count.yes += weight,
                Some((decision, _)) if decision == "reject" => count.no += weight,
                Some(_) => count.abstain += weight,
                None if seat.barred => {}
                None => count.open += weight,
            }
        }
        count
    }
}

/// The books.
pub(super) struct Book {
    verifier: Box<dyn SignatureVerifier + Send + Sync>,
    ledger: String,
    policy: Value,
    nodes: BTreeMap<String, Node>,
    papers: BTreeMap<String, Paper>,
    evidence: BTreeSet<(String, String)>,
    /// Kinds and subjects of revocations, with the line.
    revoked: Vec<(String, String, u64)>,
    freezes: Vec<Freeze>,
    epoch: u64,
    lines: u64,
    head: String,
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
            policy: Value::Null,
            nodes: BTreeMap::new(),
            papers: BTreeMap::new(),
            evidence: BTreeSet::new(),
            revoked: Vec::new(),
            freezes: Vec::new(),
            epoch: 0,
            lines: 0,
            head: "0".repeat(64),
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

    /// Whether a ballot's text is signed with the key that the books hold for a node.
    pub(super) fn is_signed(&self, node: &str, statement: &str, signature: &Signature) -> bool {
        self.verifies(node, "althing/ballot/v1", statement, signature)
    }

    fn verifies(&self, node: &str, domain: &str, statement: &str, signature: &Signature) -> bool {
        let message = format!("{domain}\n{statement}");
        self.nodes.get(node).is_some_and(|node| {
            self.verifier
                .verify(&node.key, message.as_bytes(), signature)
        })
    }

    /// Enters one line, which stands without its line feed.
    pub(super) fn enter(&mut self, raw: &str) -> Result<(), Fault> {
        let line: Line<'_> =
            serde_json::from_str(raw).map_err(|error| invalid(format!("unreadable: {error}")))?;
        let covered = raw.len().checked_sub(81).and_then(|end| raw.get(..end));
        let hash = Digest::of(covered.unwrap_or_default().as_bytes()).to_string();
        if line.prev_hash != self.head || line.entry_hash != hash {
            return Err(invalid("the line does not continue the chain"));
        }
        self.lines += 1;
        self.head = hash;
        let data = line.data.get();
        match line.operation.as_str() {
            "ledger_created" => self.ledger_created(data)?,
            "node_added" => self.node_added(data)?,
            "proposal_created" => self.proposal_created(data, line.timestamp)?,
            "vote_cast" => self.vote_cast(data, line.timestamp)?,
            "byzantine_detected" => self.byzantine_detected(data)?,
            "consensus_reached" => self.consensus_reached(data, line.timestamp)?,
            "decision_overturned" => self.decision_overturned(data)?,
            "proposal_superseded" => self.proposal_superseded(data)?,
            "proposal_failed" | "proposal_lapsed" => {
                let data: Value = read(data)?;
                self.carry_out(text(&data, "proposal_id")?, &[])?;
            }
            operation => self.effect(operation, data, line.timestamp)?,
        }
        if line.batch.0 == line.batch.1 {
            self.nothing_left_out(line.timestamp)?;
        }
        Ok(())
    }

    /// At the end of a batch nothing is outstanding that the ballots call for.
    fn nothing_left_out(&self, at: Timestamp) -> Result<(), Fault> {
        for (id, paper) in &self.papers {
            let left_out = match paper.stage {
                Stage::Over => false,
                Stage::Passed { early, waits } => !waits || !Self::stands(paper, early),
                Stage::Voting => {
                    let count = paper.count();
                    let sure =
                        passes_surely(&paper.rules, count) || fails_surely(&paper.rules, count);
                    paper.early && at < paper.deadline && sure
                }
            };
            if left_out {
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
