//! Entering who is there, what they said, and who contradicted itself.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{
    BallotText, Book, ByzantineText, CreatedText, Node, Paper, Seat, SignedText, Stage, Status,
    accusation, forged, invalid, read, text,
};
use crate::governance::digest::Digest;
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
        let proposing = self.nodes.get(proposer);
        if proposing.is_none_or(|node| node.status != Status::Active) {
            return Err(forged(format!("the proposer of {id} takes no part")));
        }
        if self.papers.contains_key(&id) || text(&statement, "ledger")? != self.ledger {
            return Err(invalid(format!(
                "proposal {id} is not a new one of this ledger"
            )));
        }
        let takes_part = |node: &Node| node.status == Status::Active;
        let active = self.nodes.iter().filter(|(_, node)| takes_part(node));
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
        let rules = self.rules(&action, &kind)?;
        let voting = rules.iter().map(|rule| rule.voting_seconds).max();
        let voting = voting.and_then(Seconds::new).unwrap_or_default();
        if created.total_weight != total
            || created.deadline != at.saturating_add(voting)
            || created.epoch != self.epoch
        {
            return Err(invalid(format!(
                "proposal {id} has another total, deadline or epoch"
            )));
        }
        let most = self.number("max_open_proposals");
        if self.open_of(proposer) >= most {
            return Err(invalid(format!("{proposer} has too many open proposals")));
        }
        self.may_open(&action)?;
        let early = self.policy.get("early_decision").and_then(Value::as_bool);
        let paper = Paper {
            hash: self.head.clone(),
            proposer: proposer.to_owned(),
            action,
            deadline: created.deadline,
            epoch: self.epoch,
            line: self.lines,
            ended: None,
            withdrawn: false,
            evidence_seconds: self.number("evidence_window_seconds"),
            rules,
            early: early.unwrap_or(false),
            seats,
            stage: Stage::Voting,
        };
        self.papers.insert(id, paper);
        Ok(())
    }

    fn number(&self, name: &str) -> u64 {
        let number = self.policy.get(name).and_then(Value::as_u64);
        number.unwrap_or(0)
    }

    /// The rules that a proposal has to pass: its kind's; those of a new policy as well; and more than
    /// two thirds for a freeze that follows another one.
    fn rules(&self, action: &Value, kind: &str) -> Result<Vec<Rule>, Fault> {
        let rule = Rule::of(&self.policy, kind).ok_or_else(|| invalid("no rule"))?;
        let mut rules = vec![rule.clone()];
        if let Some(new) = action.get("policy").filter(|_| kind == "update-policy") {
            rules.push(Rule::of(new, kind).ok_or_else(|| invalid("no rule"))?);
        }
        if kind == "emergency-freeze" && self.refreezes(action) {
            rules.push(rule.above_two_thirds());
        }
        Ok(rules)
    }

    /// What must hold of an action when it is opened, as far as it lies in the statement.
    fn may_open(&self, action: &Value) -> Result<(), Fault> {
        let kind = text(action, "kind")?;
        match kind {
            "add-node" | "replace-key" | "reinstate-node" => self.check_new_key(action),
            "delegation" if !self.may_delegate(action) => {
                Err(invalid("a delegation is opened that can't be granted"))
            }
            _ => Ok(()),
        }
    }

    /// How many proposals of a node are open, or withdrawn before their deadline.
    fn open_of(&self, proposer: &str) -> u64 {
        let papers = self.papers.values().filter(|paper| {
            let withdrawn = paper.withdrawn && self.now < paper.deadline;
            paper.proposer == proposer && (paper.stage == Stage::Voting || withdrawn)
        });
        papers.count() as u64
    }

    pub(super) fn proposal_withdrawn(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
        let signed: SignedText = read(data)?;
        let raw = signed.statement.get();
        let statement: Value = read(raw)?;
        let (id, node) = (
            text(&statement, "proposal_id")?,
            text(&statement, "proposer")?,
        );
        if !self.verifies(node, "althing/withdrawal/v1", raw, &signed.signature) {
            return Err(forged(format!("{id} is withdrawn without a signature")));
        }
        let Some(paper) = self.papers.get_mut(id) else {
            return Err(invalid("a proposal is withdrawn that there is not"));
        };
        let mut others = paper.seats.iter().filter(|(voter, _)| *voter != node);
        let fits = paper.proposer == node
            && text(&statement, "proposal_hash")? == paper.hash
            && text(&statement, "ledger")? == self.ledger;
        let in_time = paper.stage == Stage::Voting && at < paper.deadline;
        if !fits || !in_time || others.any(|(_, seat)| seat.ballot.is_some()) {
            return Err(invalid(format!("{id} is withdrawn against the rules")));
        }
        paper.withdrawn = true;
        self.end(id);
        Ok(())
    }

    pub(super) fn vote_cast(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
        let signed: SignedText = read(data)?;
        let ballot: BallotText = read(signed.statement.get())?;
        let voter = ballot.voter.as_str();
        let raw = signed.statement.get();
        if !self.verifies(voter, "althing/ballot/v1", raw, &signed.signature) {
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
        if seat.byzantine || seat.barred || node.status != Status::Active {
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
            let raw = signed.statement.get();
            if !self.was_signed(node, &found.proposal_id, raw, &signed.signature) {
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
        let ended = self.papers.get(&found.proposal_id);
        let too_late = ended.is_some_and(|paper| {
            let window = paper.evidence_seconds.saturating_mul(1_000_000);
            let until = paper
                .ended
                .map(|(_, at)| at.as_micros().saturating_add(window));
            until.is_some_and(|until| self.now.as_micros() >= until)
        });
        if too_late {
            return Err(accusation(format!("{node} is accused too late")));
        }
        self.convict(node, found.suspended, Some(&found.proposal_id))
    }
}
