//! Commands: intents in the imperative, which the rules may refuse.

use super::ballot::Ballot;
use super::consensus::ConsensusEquivocation;
use super::event::{CheckpointRecorded, Event, RecoveryRecorded};
use super::evidence::{ContradictingHeads, Equivocation};
use super::id::ProposalId;
use super::prediction::Prediction;
use super::proposal::{Proposal, Rotation, Withdrawal};
use super::statement::Signed;

/// Something that somebody wants to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Open a proposal.
    Propose(Signed<Proposal>),
    /// Cast a ballot.
    Vote(Signed<Ballot>),
    /// Withdraw one's own proposal.
    Withdraw(Signed<Withdrawal>),
    /// Change one's own key.
    RotateKey(Signed<Rotation>),
    /// Judge a proposal whose deadline has come. Anyone may; there is no discretion.
    Close(ProposalId),
    /// Carry out a decision whose timelock is over. Anyone may; there is no discretion.
    Execute(ProposalId),
    /// Show that a node contradicted itself. Anyone may.
    SubmitEvidence(Equivocation),
    /// Show that a node signed two checkpoints that contradict each other. Anyone may.
    SubmitContradictingHeads(Box<ContradictingHeads>),
    /// Show that a node contradicted itself in consensus. Anyone may.
    SubmitConsensusEquivocation(Box<ConsensusEquivocation>),
    /// Record what a model predicted.
    RecordPrediction(Prediction),
    /// Record that a crash left a tail, which was set aside.
    RecordRecovery(RecoveryRecorded),
    /// Put the state and the live grants under the chain. Anyone may: what is recorded is computed.
    /// Where the caller has computed it too, it must be the same.
    RecordCheckpoint(Option<CheckpointRecorded>),
}

impl Command {
    /// The command that leads to `event`, if it is a cause. A consequence has none of its own.
    ///
    /// Replay uses it to decide each cause again: what a ledger claims must be what the rules give.
    #[must_use]
    pub fn that_causes(event: &Event) -> Option<Self> {
        match event {
            Event::ProposalCreated(created) => Some(Self::Propose(
                created
                    .statement
                    .clone()
                    .with_signature(created.signature.clone()),
            )),
            Event::VoteCast(ballot) => Some(Self::Vote(ballot.clone())),
            Event::ProposalWithdrawn(withdrawal) => Some(Self::Withdraw(withdrawal.clone())),
            Event::ConsensusReached(consensus) => Some(Self::Close(consensus.proposal_id)),
            Event::ByzantineDetected(detected) => Some(Self::SubmitEvidence(Equivocation {
                first: detected.first.clone(),
                second: detected.second.clone(),
            })),
            Event::CheckpointsContradicted(contradicted) => Some(Self::SubmitContradictingHeads(
                Box::new(contradicted.checkpoints.clone()),
            )),
            Event::ConsensusContradicted(contradicted) => Some(Self::SubmitConsensusEquivocation(
                Box::new(contradicted.consensus.clone()),
            )),
            Event::PredictionRecorded(recorded) => {
                Some(Self::RecordPrediction(recorded.prediction.clone()))
            }
            Event::RecoveryRecorded(recovery) => Some(Self::RecordRecovery(recovery.clone())),
            Event::CheckpointRecorded(recorded) => Some(Self::RecordCheckpoint(Some(*recorded))),
            Event::ProposalLapsed(lapsed) => Some(Self::Execute(lapsed.proposal_id)),
            Event::AuthorizationGranted(granted) => Some(Self::Execute(granted.grant_id)),
            Event::AuthorizationRevoked(revoked) => Some(Self::Execute(revoked.proposal_id)),
            Event::NodeRemoved(removed) => Some(Self::Execute(removed.proposal_id)),
            Event::KeyRotated(rotation) => Some(Self::RotateKey(rotation.clone())),
            Event::FreezeImposed(imposed) => Some(Self::Execute(imposed.proposal_id)),
            Event::FreezeLifted(lifted) => Some(Self::Execute(lifted.proposal_id)),
            Event::KeyReplaced(replaced) => Some(Self::Execute(replaced.proposal_id)),
            Event::NodeReinstated(reinstated) => Some(Self::Execute(reinstated.proposal_id)),
            Event::PolicyUpdated(updated) => Some(Self::Execute(updated.proposal_id)),
            Event::ProposalFailed(failed) => Some(Self::Execute(failed.proposal_id)),
            Event::ProposalSuperseded(superseded) => Some(Self::Execute(superseded.proposal_id)),
            Event::NodeAdded(added) => match added.admitted_by {
                super::event::AdmittedBy::Proposal(proposal) => Some(Self::Execute(proposal)),
                super::event::AdmittedBy::Founding(_) => None,
            },
            Event::LedgerCreated(_) | Event::DecisionOverturned(_) => None,
        }
    }
}
