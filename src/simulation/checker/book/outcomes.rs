//! Entering what was decided, and what it did.

use std::collections::BTreeSet;

use serde_json::Value;

use super::due::Outcome as Due;
use super::{Book, ConsensusText, Paper, Stage, invalid, read, text};
use crate::governance::time::Timestamp;
use crate::simulation::checker::Fault;
use crate::simulation::checker::count::{Count, by_all, fails_surely, passes_surely};

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
            at >= paper.deadline && consensus.decision == by_all(&paper.rules, closed).name()
        };
        if !right {
            return Err(invalid(format!(
                "{id} is {} {}, the ballots give otherwise: {count:?}",
                consensus.decision, consensus.timing
            )));
        }
        let Some(paper) = self.papers.get(id) else {
            return Ok(());
        };
        let waits = paper.rules.iter().any(|rule| rule.timelock_seconds > 0)
            || self.is_frozen(&self.subjects(paper));
        if !passed {
            self.end(id);
        } else if let Some(paper) = self.papers.get_mut(id) {
            paper.stage = Stage::Passed {
                early,
                waits,
                decided: at,
            };
        }
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
        let paper = self.papers.get(id);
        match paper.map(|paper| (paper.stage, paper)) {
            Some((Stage::Passed { early, .. }, paper)) if !Self::stands(paper, early) => {
                self.end(id);
                Ok(())
            }
            _ => Err(invalid(format!("{id} is overturned without cause"))),
        }
    }

    pub(super) fn proposal_superseded(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        let Some(paper) = self.papers.get(id) else {
            return Err(invalid(format!("{id}, which there is not, is superseded")));
        };
        let reason = text(&data, "reason")?;
        let cause = match reason {
            "epoch-changed" => return self.carry_out(id, Due::Superseded(reason)),
            "revocation" => self.is_revoked_since(paper),
            "evidence" => self.is_convicted_since(paper),
            _ => false,
        };
        if !cause || paper.stage == Stage::Over {
            return Err(invalid(format!("{id} is superseded without cause")));
        }
        self.end(id);
        Ok(())
    }

    pub(super) fn proposal_failed(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let reason = text(&data, "reason")?;
        self.carry_out(text(&data, "proposal_id")?, Due::Failed(reason))
    }

    pub(super) fn proposal_lapsed(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        self.carry_out(text(&data, "proposal_id")?, Due::Lapsed)
    }
}
