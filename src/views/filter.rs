//! Which entries of a history are wanted.

use super::audit::{AuditView, Names};
use crate::chain::line::Line;
use crate::governance::event::OPERATIONS;
use crate::governance::id::NodeId;
use crate::governance::time::{ParseTimestampError, Timestamp};

/// What an entry has to be to be wanted. The default wants every entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// One of these operations; any where there are none.
    pub operations: Vec<String>,
    /// About the proposal whose id starts like this.
    pub proposal: Option<String>,
    /// By, or about, the node with this name, or with an id that starts like this (with or without
    /// `did:pqaid:`).
    pub actor: Option<String>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// The longest name, id or start of one that is looked for.
const MAX_WANTED_BYTES: usize = 512;

/// Why a filter can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// There is no such operation.
    #[error("expected an operation, such as vote_cast")]
    Operation,
    /// The text is no time.
    #[error(transparent)]
    Time(#[from] ParseTimestampError),
    /// Nothing is called like this.
    #[error("expected at most {MAX_WANTED_BYTES} bytes")]
    TooLong,
}

impl Filter {
    /// Takes a part of a filter as programs and pages name it: `operation`, `proposal`, `actor`, `since`,
    /// `until`. False where `name` is none of these.
    ///
    /// # Errors
    /// [`FilterError`] where `value` is not what the part asks for.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, FilterError> {
        if value.len() > MAX_WANTED_BYTES {
            return Err(FilterError::TooLong);
        }
        match name {
            "operation" if !OPERATIONS.contains(&value) => return Err(FilterError::Operation),
            "operation" if self.operations.iter().any(|it| it == value) => {}
            "operation" => self.operations.push(value.to_owned()),
            "proposal" => self.proposal = Some(value.to_owned()),
            "actor" => self.actor = Some(value.to_owned()),
            "since" => self.since = Some(Timestamp::parse_rfc3339(value)?),
            "until" => self.until = Some(Timestamp::parse_rfc3339(value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The parts by their names: what [`take`](Self::take) makes this filter of.
    #[must_use]
    pub fn parts(&self) -> Vec<(&'static str, String)> {
        let operations = (self.operations.iter()).map(|it| ("operation", it.clone()));
        let proposal = self.proposal.iter().map(|it| ("proposal", it.clone()));
        let actor = self.actor.iter().map(|it| ("actor", it.clone()));
        let since = self.since.iter().map(|it| ("since", it.to_string()));
        let until = self.until.iter().map(|it| ("until", it.to_string()));
        let parts = operations.chain(proposal).chain(actor);
        parts.chain(since).chain(until).collect()
    }

    /// Whether an entry is wanted. `names` has learnt from everything up to it.
    #[must_use]
    pub fn wants(&self, line: &Line<'_>, view: &AuditView, names: &Names) -> bool {
        self.wants_operation(line.operation)
            && self.since.is_none_or(|since| line.timestamp >= since)
            && self.until.is_none_or(|until| line.timestamp < until)
            && self.wants_proposal(view)
            && self.wants_actor(view, names)
    }

    fn wants_operation(&self, operation: &str) -> bool {
        let wanted = &self.operations;
        wanted.is_empty() || wanted.iter().any(|wanted| wanted == operation)
    }

    fn wants_proposal(&self, view: &AuditView) -> bool {
        self.proposal.as_ref().is_none_or(|wanted| {
            view.proposal
                .is_some_and(|proposal| proposal.to_string().starts_with(wanted))
        })
    }

    fn wants_actor(&self, view: &AuditView, names: &Names) -> bool {
        let is_meant = |wanted: &String, actor: NodeId| {
            let did = actor.to_string();
            let hash = did.rsplit(':').next().unwrap_or_default();
            names.node(actor) == *wanted || did.starts_with(wanted) || hash.starts_with(wanted)
        };
        self.actor
            .as_ref()
            .is_none_or(|wanted| view.actor.is_some_and(|actor| is_meant(wanted, actor)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_what_its_parts_make_of_it() {
        let time = "2026-05-04T09:30:00.000000Z";
        let given = [
            ("operation", "vote_cast"),
            ("operation", "node_added"),
            ("proposal", "3f2a"),
            ("actor", "clinic"),
            ("since", time),
            ("until", time),
        ];
        let mut filter = Filter::default();
        for (name, value) in given {
            assert_eq!(filter.take(name, value), Ok(true), "{name}");
        }
        let given = given.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(filter.parts(), given);
        assert!(Filter::default().parts().is_empty());
        assert_eq!(filter.take("limit", "7"), Ok(false));
    }

    #[test]
    fn what_can_not_be_looked_for_is_refused() {
        let long = "x".repeat(MAX_WANTED_BYTES + 1);
        for (name, value, error) in [
            ("operation", "vote_casted", FilterError::Operation),
            ("since", "yesterday", FilterError::Time(ParseTimestampError)),
            ("until", "", FilterError::Time(ParseTimestampError)),
            ("actor", long.as_str(), FilterError::TooLong),
            ("proposal", long.as_str(), FilterError::TooLong),
        ] {
            let mut filter = Filter::default();
            assert_eq!(filter.take(name, value), Err(error), "{name}={value}");
            assert_eq!(filter, Filter::default());
        }
    }
}
