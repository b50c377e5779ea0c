//! Events as the model and the coverage table name them.

use althing::governance::event::{AdmittedBy, Event, Recorded, Timing};
use althing::governance::id::ProposalId;
use althing::governance::prediction::PredictionVerdict;
use althing::testing::model::{Answer, Outcome};
use serde::Serialize;

/// The stable string of a value.
pub fn text(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("a string");
    value.as_str().expect("a string").to_owned()
}

/// What an event ends or carries out: the proposal, the status it leads to, and why.
pub fn ending(event: &Event) -> Option<(ProposalId, &'static str, String)> {
    let executed = |proposal| Some((proposal, "executed", event.operation().to_owned()));
    match event {
        Event::ProposalWithdrawn(it) => Some((
            it.content().proposal_id,
            "withdrawn",
            event.operation().to_owned(),
        )),
        Event::ProposalSuperseded(it) => Some((it.proposal_id, "superseded", text(&it.reason))),
        Event::ProposalFailed(it) => Some((it.proposal_id, "failed", text(&it.reason))),
        Event::ProposalLapsed(it) => Some((it.proposal_id, "lapsed", event.operation().to_owned())),
        Event::DecisionOverturned(it) => {
            Some((it.proposal_id, "overturned", event.operation().to_owned()))
        }
        Event::AuthorizationGranted(it) => executed(it.grant_id),
        Event::AuthorizationRevoked(it) => executed(it.proposal_id),
        Event::PolicyUpdated(it) => executed(it.proposal_id),
        Event::NodeAdded(it) => match it.admitted_by {
            AdmittedBy::Proposal(proposal) => executed(proposal),
            AdmittedBy::Founding(_) => None,
        },
        Event::NodeRemoved(it) => executed(it.proposal_id),
        Event::KeyReplaced(it) => executed(it.proposal_id),
        Event::NodeReinstated(it) => executed(it.proposal_id),
        Event::FreezeImposed(it) => executed(it.proposal_id),
        Event::FreezeLifted(it) => executed(it.proposal_id),
        _ => None,
    }
}

/// What the engine recorded, as the model would say it.
pub fn answer(recorded: &[Recorded]) -> Answer {
    if recorded.is_empty() {
        return Answer::Nothing;
    }
    Answer::Accepted(recorded.iter().map(|it| outcome(&it.event)).collect())
}

/// As [`text`], for as long as the tests run.
fn code(value: &impl Serialize) -> &'static str {
    let text = text(value);
    let known = KNOWN.iter().find(|known| **known == text);
    known.unwrap_or_else(|| panic!("unknown to the tests: {text}"))
}

const KNOWN: &[&str] = &[
    "passed",
    "rejected",
    "expired",
    "conditions-met",
    "quorum",
    "no-approval",
    "approval",
    "absolute",
    "epoch-changed",
    "revocation",
    "evidence",
    "no-active-node",
    "weight-overflow",
    "too-many-nodes",
    "already-registered",
    "not-registered",
    "too-many-grants",
    "policy",
    "freeze-over",
    "freeze-too-soon",
    "not-frozen",
    "parent",
    "not-suspended",
    "not-active",
];

fn outcome(event: &Event) -> Outcome {
    match event {
        Event::ProposalCreated(it) => {
            Outcome::Opened(it.statement.content().proposal_id, it.deadline)
        }
        Event::VoteCast(it) => Outcome::Voted(it.content().proposal_id, it.content().voter),
        Event::ProposalWithdrawn(it) => Outcome::Withdrawn(it.content().proposal_id),
        Event::ConsensusReached(it) => Outcome::Decided {
            proposal: it.proposal_id,
            verdict: code(&it.decision),
            reason: code(&it.reason),
            early: it.timing == Timing::Early,
            weights: [
                it.approve_weight.get(),
                it.reject_weight.get(),
                it.abstain_weight.get(),
                it.byzantine_weight.get(),
            ],
            votes: it.votes.clone(),
        },
        Event::DecisionOverturned(it) => Outcome::Overturned(it.proposal_id),
        Event::ProposalSuperseded(it) => Outcome::Superseded(it.proposal_id, code(&it.reason)),
        Event::ProposalFailed(it) => Outcome::Failed(it.proposal_id, code(&it.reason)),
        Event::ProposalLapsed(it) => Outcome::Lapsed(it.proposal_id),
        Event::AuthorizationGranted(it) => Outcome::Granted(it.grant_id),
        Event::AuthorizationRevoked(it) => Outcome::Revoked(it.grant_ids.clone()),
        Event::PolicyUpdated(_) => Outcome::PolicyChanged,
        Event::NodeAdded(it) => Outcome::Joined(it.node),
        Event::NodeRemoved(it) => Outcome::Removed(it.node),
        Event::KeyRotated(it) => Outcome::Rotated(it.content().new_key.node),
        Event::KeyReplaced(it) => Outcome::KeyReplaced(it.node),
        Event::NodeReinstated(it) => Outcome::Reinstated(it.node),
        Event::FreezeImposed(it) => Outcome::Frozen(it.proposal_id),
        Event::FreezeLifted(it) => Outcome::Lifted(it.freezes.clone()),
        Event::ByzantineDetected(it) => Outcome::Convicted {
            node: it.node,
            proposal: it.proposal_id,
            suspended: it.suspended,
        },
        Event::PredictionRecorded(it) => Outcome::Predicted(match it.verdict {
            PredictionVerdict::Granted(grant) => Some(grant),
            PredictionVerdict::Unauthorized => None,
        }),
        Event::CheckpointsContradicted(it) => Outcome::Forked(it.node, it.suspended),
        Event::ConsensusContradicted(it) => Outcome::Equivocated(it.node, it.suspended),
        Event::RecoveryRecorded(_) => Outcome::Recovered,
        Event::CheckpointRecorded(it) => Outcome::Checkpointed(it.live_grants),
        Event::LedgerCreated(_) => unreachable!("a ledger is founded once"),
    }
}
