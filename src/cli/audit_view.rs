//! One event as an auditor sees it: who did what to which proposal and subject.
//!
//! The filters of `log`, its text and the `audit-json` export all read this one view.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::style::{bold, escaped, plural};
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

/// What an event is about.
#[derive(Debug, Default)]
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
    pub summary: String,
}

/// Names of nodes and titles of proposals met so far, to read a history with.
#[derive(Debug, Default)]
pub struct Names {
    nodes: BTreeMap<NodeId, Name>,
    proposals: BTreeMap<ProposalId, (ProposalKind, String)>,
}

impl Names {
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
    pub fn node(&self, node: NodeId) -> String {
        self.nodes
            .get(&node)
            .map_or_else(|| node.short(), |name| escaped(name.as_str()))
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
    /// The view of `event`, which `names` must have learnt.
    pub fn of(event: &Event, names: &Names) -> Self {
        match event {
            Event::LedgerCreated(created) => Self::founding(created.statement.content()),
            Event::NodeAdded(added) => Self::node_added(added, names),
            Event::NodeRemoved(removed) => Self {
                actor: Some(removed.node),
                proposal: Some(removed.proposal_id),
                summary: names.node(removed.node),
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
                summary: format!("{} by itself", names.node(signed.content().new_key.node)),
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
                summary: format!(
                    "state {} with {}",
                    checkpoint.state_hash.short(),
                    plural(
                        usize::try_from(checkpoint.live_grants).unwrap_or(usize::MAX),
                        "live grant"
                    )
                ),
                ..Self::default()
            },
            Event::RecoveryRecorded(recovery) => Self {
                details: json!(recovery),
                summary: format!("{} bytes set aside after a crash", recovery.bytes),
                ..Self::default()
            },
        }
    }

    fn founding(founding: &Founding) -> Self {
        let founders = founding.founders.len();
        let name = escaped(founding.name.as_str());
        Self {
            details: json!({"name": founding.name, "founders": founders}),
            summary: format!("\"{name}\" by {}", plural(founders, "founder")),
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
            summary: format!("{} with weight {}", names.node(added.node), added.weight),
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
            summary: format!(
                "{} by {}: \"{}\"",
                names.proposal(proposal.proposal_id),
                names.node(proposal.proposer),
                escaped(proposal.title.as_str()),
            ),
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
            summary: format!(
                "{} by {} on {}",
                bold(decision),
                names.node(ballot.voter),
                names.proposal(ballot.proposal_id)
            ),
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
            summary: format!(
                "{} {} with {} of {} approving",
                names.proposal(consensus.proposal_id),
                bold(decision),
                consensus.approve_weight,
                consensus.total_weight
            ),
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
            summary: format!(
                "{} signed contradicting checkpoints of {} and {} entries{}",
                names.node(found.node),
                first.size,
                second.size,
                if found.suspended { "; suspended" } else { "" },
            ),
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
            summary: format!(
                "{} contradicted itself in consensus, height {}, round {}, {}{}",
                names.node(found.node),
                said.height,
                said.round,
                said.step.name(),
                if found.suspended { "; suspended" } else { "" },
            ),
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
            summary: format!(
                "{} signed both {} and {} on {}{}",
                names.node(detected.node),
                bold(first),
                bold(second),
                names.proposal(detected.proposal_id),
                if detected.suspended {
                    "; suspended"
                } else {
                    ""
                },
            ),
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
            summary: format!("{} {}", granted.kind, granted.terms.subject),
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
            summary: format!(
                "{} {} ({} ended)",
                revoked.kind,
                revoked.subject,
                plural(ended, "grant")
            ),
            ..Self::default()
        }
    }

    fn prediction(recorded: &PredictionRecorded) -> Self {
        let prediction = &recorded.prediction;
        let version = escaped(prediction.model_version.as_str());
        Self {
            subject: Some(prediction.model.to_string()),
            details: json!({
                "model_version": prediction.model_version,
                "verdict": recorded.verdict,
            }),
            summary: format!("{} {version}: {}", prediction.model, recorded.verdict),
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
            summary: format!("{}: {what}", names.proposal(proposal)),
            ..Self::default()
        }
    }
}

fn text_of(reason: &Value) -> &str {
    reason.as_str().unwrap_or_default()
}
