//! Commands as lines, in the form in which statements travel between machines anyway, and no longer than
//! a cluster orders them.

use crate::governance::command::Command;
use crate::governance::command_text::{self, CommandTextError};

/// The longest command, in bytes.
pub const MAX_COMMAND_BYTES: usize = 512 << 10;

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

impl From<CommandTextError> for CommandError {
    fn from(error: CommandTextError) -> Self {
        match error {
            CommandTextError::Malformed(problem) => Self::Malformed(problem),
            CommandTextError::NoText => Self::NotOrdered,
        }
    }
}

/// The one line of a command.
///
/// # Errors
/// [`CommandError`] where a cluster does not order it, or it is too long.
pub fn encode(command: &Command) -> Result<String, CommandError> {
    let line = command_text::encode(command)?;
    check_length(&line)?;
    Ok(line)
}

/// Reads a command. Its members may stand in any order; [`encode`] gives the one form.
///
/// # Errors
/// [`CommandError`] for anything else.
pub fn decode(line: &str) -> Result<Command, CommandError> {
    check_length(line)?;
    Ok(command_text::decode(line)?)
}

fn check_length(line: &str) -> Result<(), CommandError> {
    if line.len() > MAX_COMMAND_BYTES {
        return Err(CommandError::TooLong(line.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cluster_does_not_order_has_a_code() {
        let long = format!("{{\"type\":\"{}\"}}", "x".repeat(MAX_COMMAND_BYTES));
        for (line, code) in [
            ("{}", "cluster.command-malformed"),
            (&long, "cluster.command-too-long"),
        ] {
            assert_eq!(decode(line).unwrap_err().code(), code);
        }
        let error = encode(&Command::RecordCheckpoint(None)).unwrap_err();
        assert_eq!(error.code(), "cluster.command-not-ordered");
    }
}
