//! Entering who is there, what they said, and who contradicted itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{
    BallotText, Book, ByzantineText, CreatedText, Node, Paper, Seat, SignedText, Stage, accusation,
    forged, invalid, read, text,
};
use crate::governance::digest::Digest;
use crate::governance::key::PublicKey;
use crate::governance::time::{Seconds, Timestamp};
use crate::simulation::checker::Fault;
use crate::simulation::checker::count::Rule;

impl Book {
    pub(super) fn ledger_created(&mut self, data: &str) -> Result<(), Fault> {
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

    pub(super) fn node_added(&mut self, data: &str) -> Result<(), Fault> {
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

    pub(super) fn proposal_created(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
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
    pub(super) fn refreezes(&self, action: &Value, at: Timestamp) -> bool {
        let target = action.get("target").and_then(Value::as_str).unwrap_or("");
        self.freezes.iter().any(|freeze| {
            let same = target == "*" || freeze.target == "*" || freeze.target == target;
            let lasted = freeze.until.saturating_sub(freeze.from);
            same && at.as_micros() < freeze.until.saturating_add(lasted)
        })
    }

    pub(super) fn vote_cast(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
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

    pub(super) fn byzantine_detected(&mut self, data: &str) -> Result<(), Fault> {
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
}
