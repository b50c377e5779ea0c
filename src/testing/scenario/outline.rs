//! Events in one line of words.

use super::Stage;
use crate::governance::event::{ConsensusReached, Event, Timing};
use crate::governance::id::{GrantId, NodeId, ProposalId};
use crate::governance::prediction::PredictionVerdict;

/// The operation, and what tells one event of an operation from another.
pub(super) fn of(stage: &Stage, event: &Event) -> String {
    let proposal = |id: ProposalId| proposal(stage, id);
    let node = |id: NodeId| node(stage, id);
    let details = match event {
        Event::NodeAdded(it) => format!("{} weight {}", it.name, it.weight.get()),
        Event::NodeRemoved(it) => format!("{} by {}", node(it.node), proposal(it.proposal_id)),
        Event::ProposalCreated(it) => {
            let content = it.statement.content();
            let kind = content.action.kind().name();
            format!(
                "{} {kind} by {}",
                proposal(content.proposal_id),
                node(content.proposer)
            )
        }
        Event::ProposalWithdrawn(it) => proposal(it.content().proposal_id),
        Event::ProposalSuperseded(it) => {
            format!("{} {}", proposal(it.proposal_id), word(&it.reason))
        }
        Event::ProposalFailed(it) => format!("{} {}", proposal(it.proposal_id), word(&it.reason)),
        Event::ProposalLapsed(it) => proposal(it.proposal_id),
        Event::VoteCast(it) => {
            let ballot = it.content();
            let decision = ballot.decision.name();
            format!(
                "{} {} {decision}",
                node(ballot.voter),
                proposal(ballot.proposal_id)
            )
        }
        Event::ConsensusReached(it) => format!("{} {}", proposal(it.proposal_id), consensus(it)),
        Event::DecisionOverturned(it) => proposal(it.proposal_id),
        Event::ByzantineDetected(it) => {
            let effect = if it.suspended { "suspended" } else { "flagged" };
            format!("{} {} {effect}", node(it.node), proposal(it.proposal_id))
        }
        Event::CheckpointsContradicted(it) => {
            let effect = if it.suspended { "suspended" } else { "flagged" };
            format!("{} {effect}", node(it.node))
        }
        Event::ConsensusContradicted(it) => {
            let effect = if it.suspended { "suspended" } else { "flagged" };
            format!("{} {effect}", node(it.node))
        }
        Event::CheckpointRecorded(it) => format!("live {}", it.live_grants),
        Event::AuthorizationGranted(it) => {
            format!(
                "{} {} {}",
                proposal(it.grant_id),
                it.kind.name(),
                it.terms.subject
            )
        }
        Event::AuthorizationRevoked(it) => {
            let ended: Vec<String> = it.grant_ids.iter().map(|grant| proposal(*grant)).collect();
            format!(
                "{} {} ends {}",
                proposal(it.proposal_id),
                it.subject,
                ended.join(" ")
            )
        }
        Event::FreezeImposed(it) => format!("{} {}", proposal(it.proposal_id), word(&it.target)),
        Event::FreezeLifted(it) => proposal(it.proposal_id),
        Event::KeyRotated(it) => node(it.content().new_key.node),
        Event::KeyReplaced(it) => format!("{} by {}", node(it.node), proposal(it.proposal_id)),
        Event::NodeReinstated(it) => format!("{} by {}", node(it.node), proposal(it.proposal_id)),
        Event::PolicyUpdated(it) => proposal(it.proposal_id),
        Event::PredictionRecorded(it) => {
            format!("{} {}", it.prediction.model, verdict(stage, it.verdict))
        }
        _ => String::new(),
    };
    format!("{} {details}", event.operation())
        .trim_end()
        .to_owned()
}

fn consensus(it: &ConsensusReached) -> String {
    let timing = match it.timing {
        Timing::Early => "early",
        Timing::Close => "close",
    };
    format!(
        "{} {timing} {} yes {} no {} abs {} byz {} of {}",
        it.decision.name(),
        word(&it.reason),
        it.approve_weight.get(),
        it.reject_weight.get(),
        it.abstain_weight.get(),
        it.byzantine_weight.get(),
        it.total_weight.get(),
    )
}

fn verdict(stage: &Stage, verdict: PredictionVerdict) -> String {
    match verdict {
        PredictionVerdict::Granted(grant) => format!("under {}", proposal(stage, grant)),
        PredictionVerdict::Unauthorized => "unauthorized".to_owned(),
    }
}

/// A proposal's label, or the first digits of its id.
fn proposal(stage: &Stage, id: GrantId) -> String {
    let label = stage.labels().find(|(_, labelled)| *labelled == id);
    label.map_or_else(|| id.short(), |(label, _)| label.to_owned())
}

/// A node's name, or the first digits of its id.
fn node(stage: &Stage, id: NodeId) -> String {
    let found = stage.assembly.state().registry().get(id);
    found.map_or_else(|| id.short(), |node| node.name().to_string())
}

/// The stable string of a value that is written as one.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        other => format!("{other:?}"),
    }
}
