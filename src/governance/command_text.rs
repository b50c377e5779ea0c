//! Commands as text: one JSON object each, in the form in which statements travel between machines.
//!
//! Only what is signed, or what leaves nobody a choice, has a text: proposals, ballots, withdrawals,
//! key rotations, evidence; closing and executing what is due. Statements keep the very bytes that were
//! signed.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::command::Command;
use super::evidence::Equivocation;
use super::id::ProposalId;
use super::statement::{Signed, StatementContent};

const PROPOSAL: &str = "althing/proposal/v1";
const BALLOT: &str = "althing/ballot/v1";
const WITHDRAWAL: &str = "althing/withdrawal/v1";
const ROTATION: &str = "althing/rotation/v1";
const EQUIVOCATION: &str = "althing/equivocation/v1";
const CHECKPOINTS: &str = "althing/contradicting-checkpoints/v1";
const CONSENSUS: &str = "althing/consensus-equivocation/v1";
const CLOSE: &str = "althing/close/v1";
const EXECUTE: &str = "althing/execute/v1";

/// Every `type` that a text can have.
pub const TYPES: [&str; 9] = [
    PROPOSAL,
    BALLOT,
    WITHDRAWAL,
    ROTATION,
    EQUIVOCATION,
    CHECKPOINTS,
    CONSENSUS,
    CLOSE,
    EXECUTE,
];

/// A text is no command, or a command has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandTextError {
    /// The text is something else.
    #[error("expected a command: {0}")]
    Malformed(String),
    /// Commands of this kind do not travel.
    #[error("a command of this kind has no text")]
    NoText,
}

impl From<serde_json::Error> for CommandTextError {
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

/// The `type` of a command's text; `None` where it has none.
#[must_use]
pub const fn type_of(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Propose(_) => PROPOSAL,
        Command::Vote(_) => BALLOT,
        Command::Withdraw(_) => WITHDRAWAL,
        Command::RotateKey(_) => ROTATION,
        Command::SubmitEvidence(_) => EQUIVOCATION,
        Command::SubmitContradictingHeads(_) => CHECKPOINTS,
        Command::SubmitConsensusEquivocation(_) => CONSENSUS,
        Command::Close(_) => CLOSE,
        Command::Execute(_) => EXECUTE,
        Command::RecordPrediction(_)
        | Command::RecordRecovery(_)
        | Command::RecordCheckpoint(_) => return None,
    })
}

/// The one line of a command.
///
/// # Errors
/// [`CommandTextError::NoText`] where a command of its kind does not travel.
pub fn encode(command: &Command) -> Result<String, CommandTextError> {
    let r#type = type_of(command).ok_or(CommandTextError::NoText)?.to_owned();
    let envelope = match command {
        Command::Propose(signed) => return encode_statement(signed),
        Command::Vote(signed) => return encode_statement(signed),
        Command::Withdraw(signed) => return encode_statement(signed),
        Command::RotateKey(signed) => return encode_statement(signed),
        Command::SubmitEvidence(evidence) => Envelope {
            first: Some(to_raw_value(&evidence.first)?),
            second: Some(to_raw_value(&evidence.second)?),
            r#type,
            ..Envelope::default()
        },
        Command::SubmitContradictingHeads(heads) => Envelope {
            checkpoints: Some(to_raw_value(heads)?),
            r#type,
            ..Envelope::default()
        },
        Command::SubmitConsensusEquivocation(found) => Envelope {
            consensus: Some(to_raw_value(found)?),
            r#type,
            ..Envelope::default()
        },
        Command::Close(proposal) | Command::Execute(proposal) => Envelope {
            proposal_id: Some(*proposal),
            r#type,
            ..Envelope::default()
        },
        Command::RecordPrediction(_)
        | Command::RecordRecovery(_)
        | Command::RecordCheckpoint(_) => return Err(CommandTextError::NoText),
    };
    Ok(serde_json::to_string(&envelope)?)
}

/// The one line of a signed statement.
///
/// # Errors
/// [`CommandTextError`] where it can't be written, which no statement is known to do.
pub fn encode_statement<T: StatementContent>(
    signed: &Signed<T>,
) -> Result<String, CommandTextError> {
    let envelope = Envelope {
        signature: Some(to_raw_value(&signed.signature)?),
        statement: Some(to_raw_value(&signed.statement)?),
        r#type: T::DOMAIN.to_owned(),
        ..Envelope::default()
    };
    Ok(serde_json::to_string(&envelope)?)
}

/// Reads a command. Its members may stand in any order; [`encode`] gives the one form. How long the text
/// may be is the caller's to say.
///
/// # Errors
/// [`CommandTextError`] for anything else.
pub fn decode(text: &str) -> Result<Command, CommandTextError> {
    let envelope: Envelope = serde_json::from_str(text)?;
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
        other => {
            let types = TYPES.join(", ");
            return Err(CommandTextError::Malformed(format!(
                "expected a type of {types}, found {other:?}"
            )));
        }
    };
    Ok(command)
}

fn signed<T: StatementContent>(envelope: &Envelope) -> Result<Signed<T>, CommandTextError> {
    Ok(Signed {
        signature: member(envelope.signature.as_deref(), "signature")?,
        statement: member(envelope.statement.as_deref(), "statement")?,
    })
}

fn proposal_of(envelope: &Envelope) -> Result<ProposalId, CommandTextError> {
    (envelope.proposal_id).ok_or_else(|| missing("proposal_id"))
}

fn member<T: DeserializeOwned>(raw: Option<&RawValue>, name: &str) -> Result<T, CommandTextError> {
    let raw = raw.ok_or_else(|| missing(name))?;
    serde_json::from_str(raw.get())
        .map_err(|error| CommandTextError::Malformed(format!("{name}: {error}")))
}

fn missing(name: &str) -> CommandTextError {
    CommandTextError::Malformed(format!("expected a member {name:?}"))
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
            let name = type_of(&command).unwrap();
            assert!(line.contains(&format!("\"type\":{name:?}")), "{line}");
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
            assert!(matches!(error, CommandTextError::Malformed(_)), "{line}");
        }
        assert!(decode(&format!("{{{proposal},\"type\":\"althing/close/v1\"}}")).is_ok());
        assert_eq!(
            encode(&Command::RecordCheckpoint(None)),
            Err(CommandTextError::NoText)
        );
    }
}
