//! Proposals in the books, their seats and stages, and freezes.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::governance::time::Timestamp;
use crate::simulation::checker::count::{Count, Rule};

/// One seat of an electorate.
pub(super) struct Seat {
    pub(super) weight: u64,
    pub(super) ballot: Option<(String, String)>,
    pub(super) byzantine: bool,
    pub(super) barred: bool,
}

/// Where a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Voting,
    /// Whether it was judged before the deadline, and whether it may wait: for its timelock, or for
    /// the end of a freeze.
    Passed {
        early: bool,
        waits: bool,
        decided: Timestamp,
    },
    Over,
}

/// A freeze, from its beginning to its end, in microseconds.
pub(super) struct Freeze {
    pub(super) proposal: String,
    pub(super) target: String,
    pub(super) from: u64,
    pub(super) until: u64,
}

impl Freeze {
    pub(super) fn covers(&self, subjects: &[String]) -> bool {
        // What concerns nobody is not frozen, whatever is.
        !subjects.is_empty() && (self.target == "*" || subjects.contains(&self.target))
    }
}

/// One proposal in the books.
pub(super) struct Paper {
    pub(super) hash: String,
    pub(super) proposer: String,
    pub(super) action: Value,
    pub(super) deadline: Timestamp,
    pub(super) epoch: u64,
    /// The line that opened it, and the one that ended it, with its time.
    pub(super) line: u64,
    pub(super) ended: Option<(u64, Timestamp)>,
    pub(super) withdrawn: bool,
    pub(super) evidence_seconds: u64,
    pub(super) rules: Vec<Rule>,
    pub(super) early: bool,
    pub(super) seats: BTreeMap<String, Seat>,
    pub(super) stage: Stage,
}

impl Paper {
    pub(super) fn kind(&self) -> &str {
        self.action
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    pub(super) const fn action(&self) -> &Value {
        &self.action
    }

    /// A member of the action that is a text; empty where there is none.
    pub(super) fn member(&self, name: &str) -> &str {
        self.action.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// The terms of what it would grant, if it would grant something.
    pub(super) fn terms(&self) -> Option<&Value> {
        match self.kind() {
            "authorize-model" | "authorize-agent" => Some(&self.action),
            "delegation" => self.action.get("terms"),
            _ => None,
        }
    }

    pub(super) fn grants(&self) -> bool {
        self.terms().is_some()
    }

    /// What it would grant, as grants call it.
    pub(super) fn grants_kind(&self) -> &str {
        let kind = self.kind();
        kind.strip_prefix("authorize-").unwrap_or(kind)
    }

    /// Whom it would grant something.
    pub(super) fn subject(&self) -> Option<&str> {
        self.terms()?.get("subject")?.as_str()
    }

    /// Adds up the seats.
    pub(super) fn count(&self) -> Count {
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
