//! Which entries of a history are wanted.

use super::audit::{AuditView, Names};
use crate::chain::line::Line;
use crate::governance::id::NodeId;
use crate::governance::time::Timestamp;

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

impl Filter {
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
