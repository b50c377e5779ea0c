//! One event as an auditor sees it: who did what to which proposal and subject.
//!
//! The filters of a log, its text and the `audit-json` export all read this one view.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text::plural;
use crate::chain::line::Line;
use crate::governance::ballot::Ballot;
use crate::governance::event::{
    AdmittedBy, AuthorizationGranted, AuthorizationRevoked, ByzantineDetected,
    CheckpointsContradicted, ConsensusContradicted, ConsensusReached, Event, NodeAdded,
    PredictionRecorded,
};
use crate::governance::founding::Founding;
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::kind::ProposalKind;
use crate::governance::label::Name;
use crate::governance::proposal::Proposal;
use crate::governance::state::State;

/// A piece of a summary: what it says, and what it speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// Words.
    Text(String),
    /// What was decided, by a voter or by all.
    Decision(&'static str),
    /// A node, by its name.
    Node(NodeId, String),
    /// A proposal, by its kind and the start of its id.
    Proposal(ProposalId, String),
}

impl Span {
    /// The words alone.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Node(_, text) | Self::Proposal(_, text) => text,
            Self::Decision(name) => name,
        }
    }
}

/// An event in a few words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary(pub Vec<Span>);

impl Summary {
    fn text(mut self, text: impl Into<String>) -> Self {
        self.0.push(Span::Text(text.into()));
        self
    }

    fn decision(mut self, name: &'static str) -> Self {
        self.0.push(Span::Decision(name));
        self
    }

    fn node(mut self, node: NodeId, names: &Names) -> Self {
        self.0.push(Span::Node(node, names.node(node)));
        self
    }

    fn proposal(mut self, proposal: ProposalId, names: &Names) -> Self {
        self.0
            .push(Span::Proposal(proposal, names.proposal(proposal)));
        self
    }

    fn suspended(self, suspended: bool) -> Self {
        self.text(if suspended { "; suspended" } else { "" })
    }
}

/// The words, one after the other.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|span| f.write_str(span.as_str()))
    }
}

/// What an event is about.
#[derive(Debug, Clone, Default)]
pub struct AuditView {
    /// The proposal concerned.
    pub proposal: Option<ProposalId>,
    /// The model, agent or node concerned.
    pub subject: Option<String>,
    /// The kind of proposal.
    pub kind: Option<ProposalKind>,
    /// The node that acted, or was acted upon.
    pub actor: Option<NodeId>,
    /// What was decided.
    pub decision: Option<&'static str>,
    /// Everything else, by name.
    pub details: Value,
    /// The event in a few words.
    pub summary: Summary,
}

/// Names of nodes and titles of proposals met so far, to read a history with.
#[derive(Debug, Default)]
pub struct Names {
    nodes: BTreeMap<NodeId, Name>,
    proposals: BTreeMap<ProposalId, (ProposalKind, String)>,
}

impl Names {
    /// What a state knows, for reading any part of the history before it.
    #[must_use]
    pub fn of_state(state: &State) -> Self {
        let nodes = state.registry().iter();
        let proposals = state.proposals().iter().map(|proposal| {
            let action = &proposal.content().action;
            (proposal.id(), (action.kind(), action.subject()))
        });
        Self {
            nodes: nodes.map(|(id, node)| (id, node.name().clone())).collect(),
            proposals: proposals.collect(),
        }
    }

    /// Learns what an event introduces.
    pub fn learn(&mut self, event: &Event) {
        match event {
            Event::NodeAdded(added) => {
                self.nodes.insert(added.node, added.name.clone());
            }
            Event::ProposalCreated(created) => {
                let proposal = created.statement.content();
                self.proposals.insert(
                    proposal.proposal_id,
                    (proposal.action.kind(), proposal.action.subject()),
                );
            }
            _ => {}
        }
    }

    /// What a node is called, or the start of its id.
    #[must_use]
    pub fn node(&self, node: NodeId) -> String {
        self.nodes
            .get(&node)
            .map_or_else(|| node.short(), Name::to_string)
    }

    fn kind(&self, proposal: ProposalId) -> Option<ProposalKind> {
        self.proposals.get(&proposal).map(|(kind, _)| *kind)
    }

    fn subject(&self, proposal: ProposalId) -> Option<String> {
        self.proposals
            .get(&proposal)
            .map(|(_, subject)| subject.clone())
    }

    /// The proposal's kind and the start of its id.
    fn proposal(&self, proposal: ProposalId) -> String {
        match self.kind(proposal) {
            Some(kind) => format!("{kind} {}", proposal.short()),
            None => proposal.short(),
        }
    }
}

impl AuditView {
    /// The view of a line, which `names` learns from. Of an operation that this version does not know
    /// there are only the data.
    #[must_use]
    pub fn of_line(line: &Line<'_>, names: &mut Names) -> Self {
        match Event::decode(line.operation, line.data) {
            Ok(event) => {
                names.learn(&event);
                Self::of(&event, names)
            }
            Err(_) => Self {
                details: serde_json::from_str(line.data).unwrap_or_default(),
                ..Self::default()
            },
        }
    }

    /// The view of `event`, which `names` must have learnt.
    #[must_use]
    pub fn of(event: &Event, names: &Names) -> Self {
        match event {
            Event::LedgerCreated(created) => Self::founding(created.statement.content()),
            Event::NodeAdded(added) => Self::node_added(added, names),
            Event::NodeRemoved(removed) => Self {
                actor: Some(removed.node),
                proposal: Some(removed.proposal_id),
                summary: Summary::default().node(removed.node, names),
                ..Self::default()
            },
            Event::ProposalCreated(created) => Self::proposed(created.statement.content(), names),
            Event::VoteCast(signed) => Self::vote(signed.content(), names),
            Event::ConsensusReached(consensus) => Self::consensus(consensus, names),
            Event::ByzantineDetected(detected) => Self::byzantine(detected, names),
            Event::CheckpointsContradicted(found) => Self::contradiction(found, names),
            Event::ConsensusContradicted(found) => Self::consensus_equivocation(found, names),
            Event::AuthorizationGranted(granted) => Self::granted(granted, names),
            Event::AuthorizationRevoked(revoked) => Self::revoked(revoked, names),
            Event::PredictionRecorded(recorded) => Self::prediction(recorded),
            Event::ProposalWithdrawn(signed) => Self {
                actor: Some(signed.content().proposer),
                ..Self::of_proposal(signed.content().proposal_id, names, "by its proposer")
            },
            Event::ProposalSuperseded(superseded) => {
                let reason = json!(superseded.reason);
                Self::of_proposal(superseded.proposal_id, names, text_of(&reason))
            }
            Event::ProposalFailed(failed) => {
                let reason = json!(failed.reason);
                Self::of_proposal(failed.proposal_id, names, text_of(&reason))
            }
            Event::ProposalLapsed(lapsed) => {
                Self::of_proposal(lapsed.proposal_id, names, "not executed in time")
            }
            Event::DecisionOverturned(overturned) => {
                Self::of_proposal(overturned.proposal_id, names, "by evidence")
            }
            Event::FreezeImposed(imposed) => {
                let what = format!("until {}", imposed.until);
                Self::of_proposal(imposed.proposal_id, names, &what)
            }
            Event::FreezeLifted(lifted) => {
                let what = format!("{} ended", plural(lifted.freezes.len(), "freeze"));
                Self::of_proposal(lifted.proposal_id, names, &what)
            }
            Event::KeyRotated(signed) => Self {
                actor: Some(signed.content().new_key.node),
                summary: Summary::default()
                    .node(signed.content().new_key.node, names)
                    .text(" by itself"),
                ..Self::default()
            },
            Event::KeyReplaced(replaced) => Self {
                actor: Some(replaced.node),
                ..Self::of_proposal(replaced.proposal_id, names, &names.node(replaced.node))
            },
            Event::NodeReinstated(reinstated) => Self {
                actor: Some(reinstated.node),
                ..Self::of_proposal(reinstated.proposal_id, names, &names.node(reinstated.node))
            },
            Event::PolicyUpdated(updated) => {
                Self::of_proposal(updated.proposal_id, names, "in force from now on")
            }
            Event::CheckpointRecorded(checkpoint) => Self {
                details: json!(checkpoint),
                summary: Summary::default().text(format!(
                    "state {} with {}",
                    checkpoint.state_hash.short(),
                    plural(
                        usize::try_from(checkpoint.live_grants).unwrap_or(usize::MAX),
                        "live grant"
                    )
                )),
                ..Self::default()
            },
            Event::RecoveryRecorded(recovery) => Self {
                details: json!(recovery),
                summary: Summary::default()
                    .text(format!("{} bytes set aside after a crash", recovery.bytes)),
                ..Self::default()
            },
        }
    }

    fn founding(founding: &Founding) -> Self {
        let founders = founding.founders.len();
        let name = &founding.name;
        Self {
            details: json!({"name": founding.name, "founders": founders}),
            summary: Summary::default()
                .text(format!("\"{name}\" by {}", plural(founders, "founder"))),
            ..Self::default()
        }
    }

    fn node_added(added: &NodeAdded, names: &Names) -> Self {
        Self {
            actor: Some(added.node),
            proposal: match added.admitted_by {
                AdmittedBy::Founding(_) => None,
                AdmittedBy::Proposal(proposal) => Some(proposal),
            },
            details: json!({"name": added.name, "weight": added.weight}),
            summary: Summary::default()
                .node(added.node, names)
                .text(format!(" with weight {}", added.weight)),
            ..Self::default()
        }
    }

    fn proposed(proposal: &Proposal, names: &Names) -> Self {
        Self {
            proposal: Some(proposal.proposal_id),
            subject: Some(proposal.action.subject()),
            kind: Some(proposal.action.kind()),
            actor: Some(proposal.proposer),
            details: json!({"title": proposal.title}),
            summary: Summary::default()
                .proposal(proposal.proposal_id, names)
                .text(" by ")
                .node(proposal.proposer, names)
                .text(format!(": \"{}\"", proposal.title)),
            ..Self::default()
        }
    }

    fn vote(ballot: &Ballot, names: &Names) -> Self {
        let decision = ballot.decision.name();
        Self {
            proposal: Some(ballot.proposal_id),
            actor: Some(ballot.voter),
            decision: Some(decision),
            details: json!({"vote_id": ballot.vote_id}),
            summary: Summary::default()
                .decision(decision)
                .text(" by ")
                .node(ballot.voter, names)
                .text(" on ")
                .proposal(ballot.proposal_id, names),
            ..Self::default()
        }
    }

    fn consensus(consensus: &ConsensusReached, names: &Names) -> Self {
        let decision = consensus.decision.name();
        Self {
            proposal: Some(consensus.proposal_id),
            subject: names.subject(consensus.proposal_id),
            kind: names.kind(consensus.proposal_id),
            decision: Some(decision),
            details: json!({
                "abstain_weight": consensus.abstain_weight,
                "approve_weight": consensus.approve_weight,
                "byzantine_weight": consensus.byzantine_weight,
                "reason": consensus.reason,
                "reject_weight": consensus.reject_weight,
                "total_weight": consensus.total_weight,
                "vote_count": consensus.votes.len(),
            }),
            summary: Summary::default()
                .proposal(consensus.proposal_id, names)
                .text(" ")
                .decision(decision)
                .text(format!(
                    " with {} of {} approving",
                    consensus.approve_weight, consensus.total_weight
                )),
            ..Self::default()
        }
    }

    fn contradiction(found: &CheckpointsContradicted, names: &Names) -> Self {
        let [first, second] = [&found.checkpoints.first, &found.checkpoints.second];
        Self {
            actor: Some(found.node),
            details: json!({
                "first_size": first.size,
                "second_size": second.size,
                "suspended": found.suspended,
            }),
            summary: Summary::default()
                .node(found.node, names)
                .text(format!(
                    " signed contradicting checkpoints of {} and {} entries",
                    first.size, second.size
                ))
                .suspended(found.suspended),
            ..Self::default()
        }
    }

    fn consensus_equivocation(found: &ConsensusContradicted, names: &Names) -> Self {
        let said = &found.consensus;
        Self {
            actor: Some(found.node),
            details: json!({
                "height": said.height,
                "round": said.round,
                "step": said.step,
                "suspended": found.suspended,
            }),
            summary: Summary::default()
                .node(found.node, names)
                .text(format!(
                    " contradicted itself in consensus, height {}, round {}, {}",
                    said.height,
                    said.round,
                    said.step.name()
                ))
                .suspended(found.suspended),
            ..Self::default()
        }
    }

    fn byzantine(detected: &ByzantineDetected, names: &Names) -> Self {
        let [first, second] =
            [&detected.first, &detected.second].map(|ballot| ballot.content().decision.name());
        Self {
            proposal: Some(detected.proposal_id),
            actor: Some(detected.node),
            details: json!({
                "conflicting_decision": second,
                "prior_decision": first,
                "suspended": detected.suspended,
            }),
            summary: Summary::default()
                .node(detected.node, names)
                .text(" signed both ")
                .decision(first)
                .text(" and ")
                .decision(second)
                .text(" on ")
                .proposal(detected.proposal_id, names)
                .suspended(detected.suspended),
            ..Self::default()
        }
    }

    fn granted(granted: &AuthorizationGranted, names: &Names) -> Self {
        Self {
            proposal: Some(granted.grant_id),
            subject: Some(granted.terms.subject.to_string()),
            kind: names.kind(granted.grant_id),
            details: json!({
                "expires_at": granted.terms.expires_at,
                "scope": granted.terms.scope,
            }),
            summary: Summary::default().text(format!("{} {}", granted.kind, granted.terms.subject)),
            ..Self::default()
        }
    }

    fn revoked(revoked: &AuthorizationRevoked, names: &Names) -> Self {
        let ended = revoked.grant_ids.len();
        Self {
            proposal: Some(revoked.proposal_id),
            subject: Some(revoked.subject.to_string()),
            kind: names.kind(revoked.proposal_id),
            details: json!({"grant_ids": revoked.grant_ids}),
            summary: Summary::default().text(format!(
                "{} {} ({} ended)",
                revoked.kind,
                revoked.subject,
                plural(ended, "grant")
            )),
            ..Self::default()
        }
    }

    fn prediction(recorded: &PredictionRecorded) -> Self {
        let prediction = &recorded.prediction;
        let version = &prediction.model_version;
        Self {
            subject: Some(prediction.model.to_string()),
            details: json!({
                "model_version": prediction.model_version,
                "verdict": recorded.verdict,
            }),
            summary: Summary::default().text(format!(
                "{} {version}: {}",
                prediction.model, recorded.verdict
            )),
            ..Self::default()
        }
    }

    /// The view of an event that only concerns a proposal.
    fn of_proposal(proposal: ProposalId, names: &Names, what: &str) -> Self {
        Self {
            proposal: Some(proposal),
            subject: names.subject(proposal),
            kind: names.kind(proposal),
            details: json!({"reason": what}),
            summary: Summary::default()
                .proposal(proposal, names)
                .text(format!(": {what}")),
            ..Self::default()
        }
    }
}

fn text_of(reason: &Value) -> &str {
    reason.as_str().unwrap_or_default()
}

/// One entry in the shape of an in-memory audit log.
#[derive(Debug, Clone, Serialize)]
pub struct AuditEntry {
    /// When it was recorded.
    pub timestamp: String,
    /// What happened.
    pub operation: String,
    /// The proposal concerned.
    pub proposal_id: Option<String>,
    /// The model, agent or node concerned.
    pub subject_id: Option<String>,
    /// The kind of proposal.
    pub kind: Option<ProposalKind>,
    /// The node that acted, or was acted upon.
    pub actor_did: Option<String>,
    /// What was decided.
    pub decision: Option<&'static str>,
    /// Everything else, by name.
    pub details: Value,
}

impl AuditEntry {
    /// The entry of a line, from its view.
    #[must_use]
    pub fn of(line: &Line<'_>, view: AuditView) -> Self {
        let details = match view.details {
            Value::Null => Value::Object(Map::new()),
            details => details,
        };
        Self {
            timestamp: line.timestamp.to_string(),
            operation: line.operation.to_owned(),
            proposal_id: view.proposal.map(|proposal| proposal.to_string()),
            subject_id: view.subject,
            kind: view.kind,
            actor_did: view.actor.map(|actor| actor.to_string()),
            decision: view.decision,
            details,
        }
    }
}
