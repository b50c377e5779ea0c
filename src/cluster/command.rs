//! Commands as lines, in the form in which statements travel between machines anyway.
//!
//! Only what is signed, or what leaves nobody a choice, is ordered: proposals, ballots, withdrawals,
//! key rotations, evidence; closing and executing what is due.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::governance::command::Command;
use crate::governance::evidence::Equivocation;
use crate::governance::id::ProposalId;
use crate::governance::statement::{Signed, StatementContent};

/// The longest command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 512 << 10;

const PROPOSAL: &str = "althing/proposal/v1";
const BALLOT: &str = "althing/ballot/v1";
const WITHDRAWAL: &str = "althing/withdrawal/v1";
const ROTATION: &str = "althing/rotation/v1";
const EQUIVOCATION: &str = "althing/equivocation/v1";
const CHECKPOINTS: &str = "althing/contradicting-checkpoints/v1";
const CONSENSUS: &str = "althing/consensus-equivocation/v1";
const CLOSE: &str = "althing/close/v1";
const EXECUTE: &str = "althing/execute/v1";

/// A line is no command that a cluster orders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is too long.
    #[error("expected a command of at most {MAX_COMMAND_BYTES} bytes, found {0}")]
    TooLong(usize),
    /// It is something else.
    #[error("expected a command: {0}")]
    Malformed(String),
    /// A cluster does not order this kind.
    #[error("a cluster does not order this kind of command")]
    NotOrdered,
}

impl CommandError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong(_) => "cluster.command-too-long",
            Self::Malformed(_) => "cluster.command-malformed",
            Self::NotOrdered => "cluster.command-not-ordered",
        }
    }
}

impl From<serde_json::Error> for CommandError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Every member that any kind has, in the order of their names.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoints: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    consensus: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposal_id: Option<ProposalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    second: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signature: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement: Option<Box<RawValue>>,
    r#type: String,
}

/// The one line of a command.
///
/// # Errors
/// [`CommandError`] where a cluster does not order it, or it is too long.
pub fn encode(command: &Command) -> Result<String, CommandError> {
    let envelope = match command {
        Command::Propose(signed) => statement(PROPOSAL, signed)?,
        Command::Vote(signed) => statement(BALLOT, signed)?,
        Command::Withdraw(signed) => statement(WITHDRAWAL, signed)?,
        Command::RotateKey(signed) => statement(ROTATION, signed)?,
        Command::SubmitEvidence(evidence) => Envelope {
            first: Some(to_raw_value(&evidence.first)?),
            second: Some(to_raw_value(&evidence.second)?),
            r#type: EQUIVOCATION.to_owned(),
            ..Envelope::default()
        },
        Command::SubmitContradictingHeads(heads) => Envelope {
            checkpoints: Some(to_raw_value(heads)?),
            r#type: CHECKPOINTS.to_owned(),
            ..Envelope::default()
        },
        Command::SubmitConsensusEquivocation(found) => Envelope {
            consensus: Some(to_raw_value(found)?),
            r#type: CONSENSUS.to_owned(),
            ..Envelope::default()
        },
        Command::Close(proposal) => due(CLOSE, *proposal),
        Command::Execute(proposal) => due(EXECUTE, *proposal),
        Command::RecordPrediction(_)
        | Command::RecordRecovery(_)
        | Command::RecordCheckpoint(_) => return Err(CommandError::NotOrdered),
    };
    let line = serde_json::to_string(&envelope)?;
    check_length(&line)?;
    Ok(line)
}

/// Reads a command. Its members may stand in any order; [`encode`] gives the one form.
///
/// # Errors
/// [`CommandError`] for anything else.
pub fn decode(line: &str) -> Result<Command, CommandError> {
    check_length(line)?;
    let envelope: Envelope = serde_json::from_str(line)?;
    let command = match envelope.r#type.as_str() {
        PROPOSAL => Command::Propose(signed(&envelope)?),
        BALLOT => Command::Vote(signed(&envelope)?),
        WITHDRAWAL => Command::Withdraw(signed(&envelope)?),
        ROTATION => Command::RotateKey(signed(&envelope)?),
        EQUIVOCATION => Command::SubmitEvidence(Equivocation {
            first: member(envelope.first.as_deref(), "first")?,
            second: member(envelope.second.as_deref(), "second")?,
        }),
        CHECKPOINTS => Command::SubmitContradictingHeads(Box::new(member(
            envelope.checkpoints.as_deref(),
            "checkpoints",
        )?)),
        CONSENSUS => Command::SubmitConsensusEquivocation(Box::new(member(
            envelope.consensus.as_deref(),
            "consensus",
        )?)),
        CLOSE => Command::Close(proposal_of(&envelope)?),
        EXECUTE => Command::Execute(proposal_of(&envelope)?),
        other => return Err(CommandError::Malformed(format!("unknown type {other:?}"))),
    };
    Ok(command)
}

fn check_length(line: &str) -> Result<(), CommandError> {
    if line.len() > MAX_COMMAND_BYTES {
        return Err(CommandError::TooLong(line.len()));
    }
    Ok(())
}

fn statement<T: StatementContent>(
    kind: &str,
    signed: &Signed<T>,
) -> Result<Envelope, serde_json::Error> {
    Ok(Envelope {
        signature: Some(to_raw_value(&signed.signature)?),
        statement: Some(to_raw_value(&signed.statement)?),
        r#type: kind.to_owned(),
        ..Envelope::default()
    })
}

fn due(kind: &str, proposal: ProposalId) -> Envelope {
    Envelope {
        proposal_id: Some(proposal),
        r#type: kind.to_owned(),
        ..Envelope::default()
    }
}

fn signed<T: StatementContent>(envelope: &Envelope) -> Result<Signed<T>, CommandError> {
    Ok(Signed {
        signature: member(envelope.signature.as_deref(), "signature")?,
        statement: member(envelope.statement.as_deref(), "statement")?,
    })
}

fn proposal_of(envelope: &Envelope) -> Result<ProposalId, CommandError> {
    (envelope.proposal_id)
        .ok_or_else(|| CommandError::Malformed("expected a member \"proposal_id\"".to_owned()))
}

fn member<T: DeserializeOwned>(raw: Option<&RawValue>, name: &str) -> Result<T, CommandError> {
    let raw = raw.ok_or_else(|| CommandError::Malformed(format!("expected a member {name:?}")))?;
    serde_json::from_str(raw.get())
        .map_err(|error| CommandError::Malformed(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::ballot::Decision::{Approve, Reject};
    use crate::governance::consensus::ConsensusStep;
    use crate::testing::{Assembly, actions};

    #[test]
    fn a_command_has_one_line() {
        let mut assembly = Assembly::of(&[1, 1, 1]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        let vote = assembly.signed_ballot(1, proposal, Approve);
        let other = assembly.signed_ballot(1, proposal, Reject);
        let accused = assembly.consensus_equivocation(1, 7, ConsensusStep::Propose);
        for command in [
            Command::Vote(vote.clone()),
            Command::SubmitEvidence(Equivocation {
                first: vote,
                second: other,
            }),
            Command::SubmitContradictingHeads(Box::new(assembly.contradicting_heads(1))),
            Command::SubmitConsensusEquivocation(Box::new(accused)),
            Command::Close(proposal),
            Command::Execute(proposal),
        ] {
            let line = encode(&command).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(decode(&line), Ok(command));
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        let proposal = "\"proposal_id\":\"00000000-0000-0000-0000-000000000001\"";
        for line in [
            "",
            "{}",
            "null",
            "{\"type\":\"althing/close/v1\"}",
            "{\"type\":\"althing/ballot/v1\"}",
            "{\"type\":\"althing/founding/v1\"}",
            &format!("{{{proposal},\"type\":\"althing/close/v1\",\"x\":1}}"),
            &format!("{{{proposal},{proposal},\"type\":\"althing/close/v1\"}}"),
        ] {
            let error = decode(line).unwrap_err();
            assert_eq!(error.code(), "cluster.command-malformed", "{line}");
        }
        let long = format!("{{\"type\":\"{}\"}}", "x".repeat(MAX_COMMAND_BYTES));
        assert_eq!(
            decode(&long).unwrap_err().code(),
            "cluster.command-too-long"
        );
        assert!(decode(&format!("{{{proposal},\"type\":\"althing/close/v1\"}}")).is_ok());
    }
}
