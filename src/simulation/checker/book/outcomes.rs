//! Entering what was decided, and what it did.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Book, ConsensusText, Freeze, Paper, Stage, invalid, read, text};
use crate::governance::time::Timestamp;
use crate::simulation::checker::Fault;
use crate::simulation::checker::count::{Count, Outcome, at_deadline, fails_surely, passes_surely};

impl Book {
    pub(super) fn consensus_reached(&mut self, data: &str, at: Timestamp) -> Result<(), Fault> {
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
    pub(super) fn stands(paper: &Paper, early: bool) -> bool {
        let count = paper.count();
        let open = if early { count.open } else { 0 };
        passes_surely(&paper.rules, Count { open, ..count })
    }

    pub(super) fn decision_overturned(&mut self, data: &str) -> Result<(), Fault> {
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

    pub(super) fn proposal_superseded(&mut self, data: &str) -> Result<(), Fault> {
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
    pub(super) fn effect(
        &mut self,
        operation: &str,
        data: &str,
        at: Timestamp,
    ) -> Result<(), Fault> {
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

    pub(super) fn remove(&mut self, gone: &str) {
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
    pub(super) fn carry_out(&mut self, id: &str, kinds: &[&str]) -> Result<(), Fault> {
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
}
