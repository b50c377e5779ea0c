//! What must sometimes happen, so that no invariant holds for want of a challenge.

use crate::governance::command::Command;
use crate::governance::event::Event;
use crate::governance::prediction::PredictionVerdict;

/// What random runs must meet now and then: every adversary reaches the engine and is refused or
/// caught as intended, every kind of command is recorded and every kind of proposal carried out, the
/// network and the nodes fail in every way, proposals end in every way, and every invariant has
/// something to judge.
///
/// Of the reasons why a decision fails, those are left out that would need a change of membership
/// between the opening of an `add-node` or `remove-node` and its execution: the epoch moves with it, and
/// the proposal is superseded first.
pub const SOMETIMES: &[&str] = &[
    "equivocator: vote_cast",
    "equivocator: byzantine_detected",
    "split-equivocator: byzantine_detected",
    "split-equivocator: vote_cast",
    "ballot-forger: ballot.signature",
    "replayer: nothing-new",
    "replayer: ballot.hash-mismatch",
    "replayer: ballot.signature",
    "replayer: statement.wrong-ledger",
    "withholder: withheld",
    "late-voter: ballot.outside-voting-period",
    "late-voter: ballot.cast-after-deadline",
    "late-voter: ballot.proposal-closed",
    "late-voter: vote_cast",
    "flip-flopper: byzantine_detected",
    "flip-flopper: ballot.equivocation",
    "flip-flopper: nothing-new",
    "colluding-bloc: vote_cast",
    "colluding-bloc: proposal_created",
    "outsider: ballot.not-in-electorate",
    "outsider: evidence.signature",
    "outsider: node.unknown",
    "consequence-forger: close.before-deadline",
    "consequence-forger: execute.not-queued",
    "spammer: proposal.too-many-open",
    "spammer: proposal.duplicate-id",
    "spammer: close.before-deadline",
    "spammer: execute.not-queued",
    "spammer: ballot.hash-mismatch",
    "spammer: statement.wrong-ledger",
    "splitting-joiner: proposal_created",
    "splitting-joiner: ballot.not-in-electorate",
    "checkpoint-liar: one size and two roots",
    "checkpoint-liar: another beginning",
    "network: lost",
    "network: cut",
    "network: duplicated",
    "node: restarted",
    "node: torn tail",
    "command: propose",
    "command: vote",
    "command: withdraw",
    "command: rotate-key",
    "command: close",
    "command: execute",
    "command: submit-evidence",
    "command: submit-contradicting-heads",
    "command: record-prediction",
    "command: record-recovery",
    "command: record-checkpoint",
    "executed: authorize-model",
    "executed: revoke-model",
    "executed: authorize-agent",
    "executed: revoke-agent",
    "executed: update-policy",
    "executed: add-node",
    "executed: remove-node",
    "executed: emergency-freeze",
    "executed: delegation",
    "executed: lift-freeze",
    "executed: reinstate-node",
    "executed: replace-key",
    "executed: revoke-delegation",
    "proposal: rejected",
    "proposal: expired",
    "proposal: withdrawn",
    "proposal: overturned",
    "superseded: epoch-changed",
    "superseded: revocation",
    "superseded: evidence",
    "failed: already-registered",
    "failed: expired",
    "failed: freeze-too-soon",
    "failed: not-active",
    "failed: not-frozen",
    "failed: not-suspended",
    "failed: parent",
    "prediction: granted",
    "prediction: unauthorized",
    "checkpoint signed",
    "checkpoint passed on",
    "checked: agreement",
    "checked: validity",
    "checked: integrity",
    "checked: accountability",
    "checked: liveness",
    "checked: replay",
];

/// The stable name of a command's kind.
pub(super) const fn kind_of(command: &Command) -> &'static str {
    match command {
        Command::Propose(_) => "propose",
        Command::Vote(_) => "vote",
        Command::Withdraw(_) => "withdraw",
        Command::RotateKey(_) => "rotate-key",
        Command::Close(_) => "close",
        Command::Execute(_) => "execute",
        Command::SubmitEvidence(_) => "submit-evidence",
        Command::SubmitContradictingHeads(_) => "submit-contradicting-heads",
        Command::SubmitConsensusEquivocation(_) => "submit-consensus-equivocation",
        Command::RecordPrediction(_) => "record-prediction",
        Command::RecordRecovery(_) => "record-recovery",
        Command::RecordCheckpoint(_) => "record-checkpoint",
    }
}

/// What else is met where an event is recorded: its variety, where there are several.
pub(super) fn variety_of(event: &Event) -> Option<String> {
    let text = |value: serde_json::Result<serde_json::Value>| {
        let value = value.ok()?;
        Some(value.as_str()?.to_owned())
    };
    Some(match event {
        Event::ProposalFailed(failed) => {
            format!("failed: {}", text(serde_json::to_value(failed.reason))?)
        }
        Event::ProposalSuperseded(superseded) => {
            let reason = text(serde_json::to_value(superseded.reason))?;
            format!("superseded: {reason}")
        }
        Event::PredictionRecorded(recorded) => match recorded.verdict {
            PredictionVerdict::Granted(_) => "prediction: granted".to_owned(),
            PredictionVerdict::Unauthorized => "prediction: unauthorized".to_owned(),
        },
        Event::CheckpointsContradicted(found) => match found.checkpoints.divergence {
            None => "checkpoint-liar: one size and two roots".to_owned(),
            Some(_) => "checkpoint-liar: another beginning".to_owned(),
        },
        _ => return None,
    })
}
