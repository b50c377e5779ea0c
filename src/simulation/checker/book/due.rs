//! What carrying out a decision must come to: its effect, or why there is none.

use super::{Book, Paper, Stage, Status, invalid};
use crate::governance::time::Timestamp;
use crate::simulation::checker::Fault;

/// What a line says became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome<'t> {
    /// Its effect, by the operation.
    Effect(&'t str),
    /// It could not be carried out, for this reason.
    Failed(&'t str),
    /// Something else overtook it.
    Superseded(&'t str),
    /// Its time was over.
    Lapsed,
}

impl Book {
    /// Ends a decision that was carried out at the present time, as it had to be.
    pub(super) fn carry_out(&mut self, id: &str, found: Outcome<'_>) -> Result<(), Fault> {
        let Some(paper) = self.papers.get(id) else {
            return Err(invalid(format!("{id}, which there is not, has an effect")));
        };
        let Stage::Passed { waits, decided, .. } = paper.stage else {
            return Err(invalid(format!("{id} has an effect and did not pass")));
        };
        let expected = if waits {
            self.due_in_time(paper, decided)?
        } else {
            self.due(paper)
        };
        if expected != found {
            return Err(invalid(format!(
                "the {} proposal {id} comes to {found:?}, expected {expected:?}",
                paper.kind()
            )));
        }
        self.end(id);
        Ok(())
    }

    /// What a decision that waited comes to now.
    fn due_in_time(&self, paper: &Paper, decided: Timestamp) -> Result<Outcome<'static>, Fault> {
        let second = 1_000_000;
        let rules = paper.rules.iter();
        let timelock = rules.clone().map(|rule| rule.timelock_seconds).max();
        let window = rules.map(|rule| rule.window_seconds).min();
        let eta = decided.as_micros() + timelock.unwrap_or(0) * second;
        let subjects = self.subjects(paper);
        if self.now.as_micros() < eta || self.is_frozen(&subjects) {
            return Err(invalid("a decision has an effect before its time"));
        }
        let stretch = self.frozen_micros(&subjects, eta);
        let end = eta + window.unwrap_or(0) * second + stretch;
        if self.now.as_micros() >= end {
            return Ok(Outcome::Lapsed);
        }
        Ok(self.due(paper))
    }

    /// What a decision comes to, if it is carried out now.
    pub(super) fn due(&self, paper: &Paper) -> Outcome<'static> {
        let kind = paper.kind();
        let bound = matches!(kind, "add-node" | "remove-node" | "update-policy");
        if bound && paper.epoch != self.epoch {
            return Outcome::Superseded("epoch-changed");
        }
        let failure = match kind {
            "authorize-model" | "authorize-agent" | "delegation" => return self.due_grant(paper),
            "add-node" => self.may_not_join(paper),
            "remove-node" => self.may_not_leave(paper),
            "emergency-freeze" => self.may_not_freeze(paper),
            "lift-freeze" => self.freezes_on(paper).is_empty().then_some("not-frozen"),
            "reinstate-node" => self.may_not_change(paper, Status::Suspended, "not-suspended"),
            "replace-key" => self.may_not_change(paper, Status::Active, "not-active"),
            _ => None,
        };
        let effect = match kind {
            "add-node" => "node_added",
            "remove-node" => "node_removed",
            "emergency-freeze" => "freeze_imposed",
            "lift-freeze" => "freeze_lifted",
            "reinstate-node" => "node_reinstated",
            "replace-key" => "key_replaced",
            "update-policy" => "policy_updated",
            _ => "authorization_revoked",
        };
        failure.map_or(Outcome::Effect(effect), Outcome::Failed)
    }

    fn due_grant(&self, paper: &Paper) -> Outcome<'static> {
        if paper.kind() == "delegation" && !self.may_delegate(paper.action()) {
            return Outcome::Failed("parent");
        }
        if self.is_revoked_since(paper) {
            return Outcome::Superseded("revocation");
        }
        let expires = super::grants::instant(paper.terms(), "expires_at");
        if expires.is_some_and(|end| self.now.as_micros() >= end) {
            return Outcome::Failed("expired");
        }
        Outcome::Effect("authorization_granted")
    }

    fn may_not_join(&self, paper: &Paper) -> Option<&'static str> {
        let name = paper.member("name");
        let taken = |node: &super::Node| node.name == name && node.status != Status::Removed;
        let known = self.nodes.contains_key(paper.member("node"))
            || self.knows_key(paper.action())
            || self.nodes.values().any(taken);
        known.then_some("already-registered")
    }

    fn may_not_leave(&self, paper: &Paper) -> Option<&'static str> {
        match self.nodes.get(paper.member("node")).map(|it| it.status) {
            None | Some(Status::Removed) => Some("not-registered"),
            Some(Status::Active) if self.active() == 1 => Some("no-active-node"),
            Some(_) => None,
        }
    }

    fn may_not_freeze(&self, paper: &Paper) -> Option<&'static str> {
        let until = super::grants::instant(Some(paper.action()), "until").unwrap_or(0);
        if until <= self.now.as_micros() {
            return Some("freeze-over");
        }
        let count = paper.count();
        let by_most = count.yes * 3 > count.total * 2;
        (self.refreezes(paper.action()) && !by_most).then_some("freeze-too-soon")
    }

    fn may_not_change(
        &self,
        paper: &Paper,
        status: Status,
        otherwise: &'static str,
    ) -> Option<&'static str> {
        let node = self.nodes.get(paper.member("node"));
        if node.is_none_or(|node| node.status != status) {
            return Some(otherwise);
        }
        self.knows_key(paper.action())
            .then_some("already-registered")
    }
}
