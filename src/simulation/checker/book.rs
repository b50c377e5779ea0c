//! The checker's own books, kept from the text of the ledger and the signatures in it.
//!
//! Nothing here asks the engine: lines are read as JSON, weights are added up anew, signatures are
//! verified under the keys that the books hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::count::{Count, Outcome, Rule, at_deadline, fails_surely, passes_surely};
use super::{Fault, Invariant};
use crate::governance::digest::Digest;
use crate::governance::key::{PublicKey, Signature, SignatureVerifier};
use crate::governance::time::{Seconds, Timestamp};

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

    fn ledger_created(&mut self, data: &str) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Created {
            statement: Box<RawValue>,
        }
        let created: Created = read(data)?;
        let founding: Value = read(created.statement.get())?;
        self.ledger = Digest::of(created.statement.get().as_bytes()).to_string();
        self.policy = founding.get("policy").cloned().unwrap_or_default();
        Ok(())
    }

    fn node_added(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let admitted = data.get("admitted_by").and_then(|by| by.get("proposal"));
        if let Some(proposal) = admitted.and_then(Value::as_str) {
            self.carry_out(proposal, &["add-node"])?;
            let paper = self.papers.get(proposal);
            let promised = paper.map(|paper| &paper.action);
            for member in ["node", "key", "weight", "name"] {
                if promised.and_then(|action| action.get(member)) != data.get(member) {
                    return Err(invalid(format!("node_added has another {member}")));
                }
            }
            self.epoch += 1;
        } else if self.lines > 1 && !self.papers.is_empty() {
            return Err(invalid("a founder joined after the founding"));
        }
        let key: PublicKey = (data.get("key").cloned())
            .and_then(|key| serde_json::from_value(key).ok())
            .ok_or_else(|| invalid("node_added without a key"))?;
        let weight = data.get("weight").and_then(Value::as_u64);
        let node = Node {
            key,
            weight: weight.ok_or_else(|| invalid("node_added without a weight"))?,
            active: true,
            votes: BTreeSet::new(),
        };
        self.nodes.insert(text(&data, "node")?.to_owned(), node);
        Ok(())
    }

    fn proposal_created(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
        let created: CreatedText = read(data)?;
        let statement: Value = read(created.statement.get())?;
        let id = text(&statement, "proposal_id")?.to_owned();
        let proposer = text(&statement, "proposer")?;
        let raw = created.statement.get();
        if !self.verifies(proposer, "althing/proposal/v1", raw, &created.signature) {
            return Err(forged(format!(
                "proposal {id} is not signed by its proposer"
            )));
        }
        if !self.nodes.get(proposer).is_some_and(|node| node.active) {
            return Err(forged(format!("the proposer of {id} takes no part")));
        }
        if self.papers.contains_key(&id) || text(&statement, "ledger")? != self.ledger {
            return Err(invalid(format!(
                "proposal {id} is not a new one of this ledger"
            )));
        }
        let active = self.nodes.iter().filter(|(_, node)| node.active);
        let seats: BTreeMap<String, Seat> = active
            .map(|(id, node)| {
                let seat = Seat {
                    weight: node.weight,
                    ballot: None,
                    byzantine: false,
                    barred: false,
                };
                (id.clone(), seat)
            })
            .collect();
        let total: u64 = seats.values().map(|seat| seat.weight).sum();
        let action = statement.get("action").cloned().unwrap_or_default();
        let kind = text(&action, "kind")?.to_owned();
        let rule = Rule::of(&self.policy, &kind).ok_or_else(|| invalid("no rule"))?;
        let voting = Seconds::new(rule.voting_seconds).unwrap_or_default();
        if created.total_weight != total || created.deadline != at.saturating_add(voting) {
            return Err(invalid(format!(
                "proposal {id} has another total or deadline"
            )));
        }
        let mut rules = vec![rule.clone()];
        if kind == "emergency-freeze" && self.refreezes(&action, at) {
            rules.push(rule.above_two_thirds());
        }
        let early = self.policy.get("early_decision").and_then(Value::as_bool);
        let paper = Paper {
            hash: self.head.clone(),
            action,
            deadline: created.deadline,
            epoch: self.epoch,
            line: self.lines,
            rules,
            early: early.unwrap_or(false),
            seats,
            stage: Stage::Voting,
        };
        self.papers.insert(id, paper);
        Ok(())
    }

    /// Whether a freeze follows another one on something of the same within as long again as that
    /// one lasted.
    fn refreezes(&self, action: &Value, at: Timestamp) -> bool {
        let target = action.get("target").and_then(Value::as_str).unwrap_or("");
        self.freezes.iter().any(|freeze| {
            let same = target == "*" || freeze.target == "*" || freeze.target == target;
            let lasted = freeze.until.saturating_sub(freeze.from);
            same && at.as_micros() < freeze.until.saturating_add(lasted)
        })
    }

    fn vote_cast(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
        let signed: SignedText = read(data)?;
        let ballot: BallotText = read(signed.statement.get())?;
        let voter = ballot.voter.as_str();
        if !self.is_signed(voter, signed.statement.get(), &signed.signature) {
            return Err(forged(format!(
                "a ballot of {voter} counts that it did not sign"
            )));
        }
        let Some(paper) = self.papers.get_mut(&ballot.proposal_id) else {
            return Err(invalid("a ballot counts on a proposal that there is not"));
        };
        if ballot.ledger != self.ledger || ballot.proposal_hash != paper.hash {
            return Err(forged(
                "a ballot counts that was signed for another history",
            ));
        }
        let late = at >= paper.deadline || ballot.cast_at >= paper.deadline;
        if late || paper.stage != Stage::Voting {
            return Err(invalid("a ballot counts that came too late"));
        }
        let node = self.nodes.get_mut(voter);
        let (Some(seat), Some(node)) = (paper.seats.get_mut(voter), node) else {
            return Err(forged(format!(
                "a ballot of {voter} counts, which has no seat"
            )));
        };
        if seat.ballot.is_some() || !node.votes.insert(ballot.vote_id.clone()) {
            return Err(forged(format!("{voter} is counted twice")));
        }
        if seat.byzantine || seat.barred || !node.active {
            return Err(forged(format!(
                "a ballot of {voter} counts, which takes no part"
            )));
        }
        seat.ballot = Some((ballot.decision, ballot.vote_id));
        Ok(())
    }

    fn byzantine_detected(&mut self, data: &str) -> Result<(), Fault> {
        let found: ByzantineText = read(data)?;
        let node = found.node.as_str();
        let mut decisions = BTreeSet::new();
        for signed in [&found.first, &found.second] {
            let ballot: BallotText = read(signed.statement.get())?;
            let fits = ballot.voter == found.node && ballot.proposal_id == found.proposal_id;
            let hash = self.papers.get(&found.proposal_id).map(|paper| &paper.hash);
            if !fits || ballot.ledger != self.ledger || hash != Some(&ballot.proposal_hash) {
                return Err(accusation(format!(
                    "the evidence against {node} is of other ballots"
                )));
            }
            if !self.is_signed(node, signed.statement.get(), &signed.signature) {
                return Err(accusation(format!(
                    "{node} is accused with what it did not sign"
                )));
            }
            decisions.insert(ballot.decision);
        }
        if decisions.len() != 2 {
            return Err(accusation(format!(
                "{node} is accused without a contradiction"
            )));
        }
        let new = (found.node.clone(), found.proposal_id.clone());
        if !self.evidence.insert(new) {
            return Err(accusation(format!("{node} is accused twice of the same")));
        }
        let active = self.nodes.values().filter(|node| node.active).count();
        let was_active = self.nodes.get(node).is_some_and(|node| node.active);
        if found.suspended != (was_active && active > 1) {
            return Err(accusation(format!(
                "{node} is suspended, or not, against the rules"
            )));
        }
        if found.suspended {
            self.epoch += 1;
            if let Some(node) = self.nodes.get_mut(node) {
                node.active = false;
            }
        }
        let still_active = self.nodes.get(node).is_some_and(|node| node.active);
        for (id, paper) in &mut self.papers {
            let Some(seat) = paper.seats.get_mut(node) else {
                continue;
            };
            if *id == found.proposal_id {
                seat.byzantine = true;
            } else if paper.stage == Stage::Voting && !still_active {
                seat.byzantine = seat.byzantine || seat.ballot.is_some();
                seat.barred = true;
            }
        }
        Ok(())
    }

    fn consensus_reached(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
        let consensus: ConsensusText = read(data)?;
        let id = &consensus.proposal_id;
        let Some(paper) = self.papers.get_mut(id) else {
            return Err(invalid(format!("a consensus on {id}, which there is not")));
        };
        if paper.stage != Stage::Voting {
            return Err(invalid(format!("{id} is decided twice")));
        }
        let count = paper.count();
        let claimed = Count {
            yes: consensus.approve_weight.into(),
            no: consensus.reject_weight.into(),
            abstain: consensus.abstain_weight.into(),
            byzantine: consensus.byzantine_weight.into(),
            total: consensus.total_weight.into(),
            open: count.open,
        };
        if claimed != count {
            return Err(invalid(format!(
                "the consensus on {id} counts {claimed:?}, the ballots give {count:?}"
            )));
        }
        let counted: BTreeSet<&String> = paper
            .seats
            .values()
            .filter(|seat| !seat.byzantine)
            .filter_map(|seat| seat.ballot.as_ref().map(|(_, vote)| vote))
            .collect();
        if counted != consensus.votes.iter().collect() || counted.len() != consensus.votes.len() {
            return Err(invalid(format!(
                "the consensus on {id} names other ballots"
            )));
        }
        let early = consensus.timing == "early";
        let passed = consensus.decision == "passed";
        let right = if early {
            let surely = if passed { passes_surely } else { fails_surely };
            at < paper.deadline && paper.early && surely(&paper.rules, count)
        } else {
            let closed = Count { open: 0, ..count };
            let outcomes = paper.rules.iter().map(|rule| at_deadline(rule, closed));
            let worst = outcomes
                .into_iter()
                .find(|outcome| *outcome != Outcome::Passed);
            let name = worst.unwrap_or(Outcome::Passed).name();
            at >= paper.deadline && consensus.decision == name
        };
        if !right {
            return Err(invalid(format!(
                "{id} is {} {}, the ballots give otherwise: {count:?}",
                consensus.decision, consensus.timing
            )));
        }
        let frozen = self.freezes.iter().any(|freeze| {
            let covered = freeze.target == "*" || paper.subject() == Some(&freeze.target);
            covered && at.as_micros() < freeze.until && paper.kind().starts_with("authorize-")
        });
        let waits = frozen || paper.rules.iter().any(|rule| rule.timelock_seconds > 0);
        paper.stage = if passed {
            Stage::Passed { early, waits }
        } else {
            Stage::Over
        };
        Ok(())
    }

    /// A decision that waits stands as long as it would be taken again.
    fn stands(paper: &Paper, early: bool) -> bool {
        let count = paper.count();
        let open = if early { count.open } else { 0 };
        passes_surely(&paper.rules, Count { open, ..count })
    }

    fn decision_overturned(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        let paper = self.papers.get_mut(id);
        match paper.map(|paper| (paper.stage, paper)) {
            Some((Stage::Passed { early, .. }, paper)) if !Self::stands(paper, early) => {
                paper.stage = Stage::Over;
                Ok(())
            }
            _ => Err(invalid(format!("{id} is overturned without cause"))),
        }
    }

    fn proposal_superseded(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        let epoch = self.epoch;
        let Some(paper) = self.papers.get_mut(id) else {
            return Err(invalid(format!("{id}, which there is not, is superseded")));
        };
        let cause = match text(&data, "reason")? {
            "epoch-changed" => paper.epoch != epoch,
            "revocation" => {
                let mut revoked = self.revoked.iter();
                revoked.any(|(kind, subject, line)| {
                    paper.kind() == format!("authorize-{kind}")
                        && paper.subject() == Some(subject)
                        && *line > paper.line
                })
            }
            _ => false,
        };
        if !cause || paper.stage == Stage::Over {
            return Err(invalid(format!("{id} is superseded without cause")));
        }
        paper.stage = Stage::Over;
        Ok(())
    }

    /// Something that a passed proposal does.
    fn effect(&mut self, operation: &str, data: &str, at: Timestamp) -> Result<(), Fault> {
        let data: Value = read(data)?;
        match operation {
            "authorization_granted" => {
                let id = text(&data, "grant_id")?;
                let kinds = ["authorize-model", "authorize-agent"];
                self.carry_out(id, &kinds)?;
                let paper = self.papers.get(id);
                let subject = data.get("terms").and_then(|terms| terms.get("subject"));
                if paper.and_then(Paper::subject) != subject.and_then(Value::as_str) {
                    return Err(invalid(format!("{id} grants something to another subject")));
                }
            }
            "authorization_revoked" => {
                let id = text(&data, "proposal_id")?;
                self.carry_out(id, &["revoke-model", "revoke-agent"])?;
                let kind = text(&data, "kind")?.to_owned();
                let subject = text(&data, "subject")?.to_owned();
                self.revoked.push((kind, subject, self.lines));
            }
            "freeze_imposed" => {
                let id = text(&data, "proposal_id")?;
                self.carry_out(id, &["emergency-freeze"])?;
                let until: Timestamp = (text(&data, "until")?.parse())
                    .map_err(|_| invalid("freeze_imposed without an end"))?;
                self.freezes.push(Freeze {
                    proposal: id.to_owned(),
                    target: text(&data, "target")?.to_owned(),
                    from: at.as_micros(),
                    until: until.as_micros(),
                });
            }
            "freeze_lifted" => {
                self.carry_out(text(&data, "proposal_id")?, &["lift-freeze"])?;
                let lifted = data.get("freezes").and_then(Value::as_array);
                for id in lifted.into_iter().flatten() {
                    let named = |freeze: &&mut Freeze| id.as_str() == Some(&freeze.proposal);
                    if let Some(freeze) = self.freezes.iter_mut().find(named) {
                        freeze.until = at.as_micros();
                    }
                }
            }
            "node_removed" => {
                self.carry_out(text(&data, "proposal_id")?, &["remove-node"])?;
                self.remove(text(&data, "node")?);
            }
            _ => {
                let message = format!("{operation} is nothing that a scenario can lead to");
                return Err(invalid(message));
            }
        }
        Ok(())
    }

    fn remove(&mut self, gone: &str) {
        self.epoch += 1;
        if let Some(node) = self.nodes.get_mut(gone) {
            node.active = false;
        }
        let voting = |paper: &&mut Paper| paper.stage == Stage::Voting;
        for paper in self.papers.values_mut().filter(voting) {
            if let Some(seat) = paper.seats.get_mut(gone) {
                seat.barred = true;
            }
        }
    }

    /// Ends a proposal that must have passed, once. Any kind will do where none is named.
    fn carry_out(&mut self, id: &str, kinds: &[&str]) -> Result<(), Fault> {
        let Some(paper) = self.papers.get_mut(id) else {
            return Err(invalid(format!("{id}, which there is not, has an effect")));
        };
        if !matches!(paper.stage, Stage::Passed { .. }) {
            return Err(invalid(format!("{id} has an effect and did not pass")));
        }
        if !kinds.is_empty() && !kinds.contains(&paper.kind()) {
            return Err(invalid(format!("{id} has an effect of another kind")));
        }
        paper.stage = Stage::Over;
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
