//! Exit codes: one meaning each, the same for every command.

use std::process::ExitCode;

/// Why the process ends as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything went well; for a check: allowed.
    Ok,
    /// Input, output or another resource failed.
    Failure,
    /// The command was called wrongly.
    Usage,
    /// The rules refuse; for a check: denied.
    Refused,
    /// The key or the authority is missing.
    NoAuthority,
    /// Somebody else appended first.
    HeadMoved,
    /// The chain is broken.
    ChainBroken,
    /// A signature does not verify.
    BadSignature,
    /// A checkpoint or a proof does not match.
    Mismatch,
    /// An event is not what the rules give, or not one that this version knows.
    Illegal,
    /// A simulation broke an invariant.
    Violation,
}

/// All exit codes with their meaning, as the documentation lists them.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "ok; for `authorization check`: allowed"),
    (1, "failure (I/O, ledger in use, …)"),
    (2, "usage"),
    (3, "refused by the rules; for `authorization check`: denied"),
    (4, "no key or no authority"),
    (5, "the head moved"),
    (10, "chain broken (tampered, corrupt)"),
    (11, "a signature does not verify"),
    (
        12,
        "a checkpoint or proof does not match (truncation, rollback, split view)",
    ),
    (
        13,
        "an illegal event, replay divergence, or an operation of a newer version",
    ),
    (20, "a simulation violated an invariant"),
];

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::NoAuthority => 4,
            Self::HeadMoved => 5,
            Self::ChainBroken => 10,
            Self::BadSignature => 11,
            Self::Mismatch => 12,
            Self::Illegal => 13,
            Self::Violation => 20,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The exit codes as a block of help text.
macro_rules! exit_codes {
    () => {
        "Exit codes:
  0  ok; for `authorization check`: allowed
  1  failure (I/O, ledger in use, …)
  2  usage
  3  refused by the rules; for `authorization check`: denied
  4  no key or no authority
  5  the head moved
 10  chain broken (tampered, corrupt)
 11  a signature does not verify
 12  a checkpoint or proof does not match (truncation, rollback, split view)
 13  an illegal event, replay divergence, or an operation of a newer version
 20  a simulation violated an invariant"
    };
}
pub(super) use exit_codes;

/// What stands below the options in every long help: examples to copy, then the exit codes.
macro_rules! help {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\n",
            $crate::cli::exit::exit_codes!()
        )
    };
}
pub(super) use help;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_lists_every_code() {
        let lines: Vec<String> = EXIT_CODES
            .iter()
            .map(|(code, meaning)| format!("{code:>3}  {meaning}"))
            .collect();
        assert_eq!(exit_codes!(), format!("Exit codes:\n{}", lines.join("\n")));
        let all = [
            Exit::Ok,
            Exit::Failure,
            Exit::Usage,
            Exit::Refused,
            Exit::NoAuthority,
            Exit::HeadMoved,
            Exit::ChainBroken,
            Exit::BadSignature,
            Exit::Mismatch,
            Exit::Illegal,
            Exit::Violation,
        ];
        let codes: Vec<u8> = all.iter().map(|exit| exit.code()).collect();
        let documented: Vec<u8> = EXIT_CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, documented);
    }
}
