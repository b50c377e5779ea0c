//! Failures of commands: what was expected, what was found, where, and what to do about it.

use std::error::Error;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use serde_json::{Map, Value};

use super::exit::Exit;
use crate::governance::rejection::{Category, Rejection};
use crate::identity::{ExportError, JournalError, KeyStoreError, SigningKeyError};
use crate::ledger::{AppendError, OpenError, UpstreamError};
use crate::node::NodeError;
use crate::node::signing::SignError;
use crate::replay::ReplayError;

/// A command that did not do what it was asked to. Boxed, so that success stays small.
#[derive(Debug)]
pub struct Failure(Box<Parts>);

/// What there is to say about a failure.
#[derive(Debug)]
pub struct Parts {
    /// The stable code.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
    /// What the user can do.
    pub hint: Option<String>,
    /// How the process ends.
    pub exit: Exit,
    /// Further members of the JSON answer.
    pub details: Map<String, Value>,
}

impl Deref for Failure {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl Failure {
    /// A failure with a code and a message.
    pub fn new(exit: Exit, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code: code.into(),
            message: message.into(),
            causes: Vec::new(),
            hint: None,
            exit,
            details: Map::new(),
        }))
    }

    /// The command was called wrongly.
    pub fn usage(code: &str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    /// Adds what the user can do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a member to the JSON answer.
    pub fn detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// A file that can't be read or written.
    pub fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::new(
            Exit::Failure,
            "file.io",
            format!("{}: {error}", path.display()),
        )
    }

    /// A failure with the chain of its causes.
    fn caused(exit: Exit, code: &str, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Transparent errors repeat their cause's words.
            if !failure.message.contains(&text) && !failure.causes.contains(&text) {
                failure.causes.push(text);
            }
            source = cause.source();
        }
        failure
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        let exit = match rejection.category() {
            Category::Rules => Exit::Refused,
            Category::Authority => Exit::NoAuthority,
            Category::Signature => Exit::BadSignature,
            Category::Clock => Exit::Usage,
        };
        let mut failure = Self::new(exit, rejection.code(), rejection.to_string());
        failure.hint = rejection.hint().map(str::to_owned);
        failure
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        let (code, text) = (error.code(), error.to_string());
        match error {
            SignError::Refused(rejection) => rejection.into(),
            SignError::Retired => {
                Self::new(Exit::NoAuthority, code, text).hint("sign with the node's present key")
            }
            SignError::Journal(error) => error.into(),
            SignError::Key(error) => error.into(),
            SignError::Malformed { .. } => Self::usage(code, text),
        }
    }
}

impl From<ReplayError> for Failure {
    fn from(error: ReplayError) -> Self {
        let hint = if error.problem.is_of_a_newer_version() {
            "a newer version of althing wrote this ledger: use that. This one still reads it with \
             `log`, `export` and `verify`, and answers for times before that entry with --at"
        } else {
            "`althing verify` lists everything that is wrong with the ledger"
        };
        Self::caused(replay_exit(&error), error.code(), &error)
            .hint(hint)
            .detail("seq", error.seq)
            .detail("offset", error.offset)
    }
}

/// How a process ends that met a history which is refused.
pub fn replay_exit(error: &ReplayError) -> Exit {
    if error.problem.is_signature() {
        Exit::BadSignature
    } else if error.problem.is_illegal() {
        Exit::Illegal
    } else {
        Exit::ChainBroken
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let (exit, hint) = match &error {
            OpenError::NotFound { .. } => (
                Exit::Failure,
                Some("make one with `althing init`, or name another with --ledger DIR"),
            ),
            OpenError::NotInitialized { .. } => (Exit::Failure, Some("run `althing init` again")),
            OpenError::Exists { .. } => (Exit::Failure, Some("name another with --ledger DIR")),
            OpenError::InUse { .. } => (
                Exit::Failure,
                Some("one process writes at a time: try again, or wait longer with --wait SECONDS"),
            ),
            OpenError::Refused { .. } => (
                Exit::ChainBroken,
                Some("`althing verify` lists everything that is wrong; nothing was changed"),
            ),
            OpenError::Io { .. } => (Exit::Failure, hint_of(error.code())),
            OpenError::Upstream(error) => (upstream_exit(error), upstream_hint(error)),
        };
        let mut failure = Self::caused(exit, error.code(), &error);
        failure.hint = hint.map(str::to_owned);
        failure
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        let mut failure = Self::caused(upstream_exit(&error), error.code(), &error);
        failure.hint = upstream_hint(&error).map(str::to_owned);
        failure
    }
}

const fn upstream_exit(error: &UpstreamError) -> Exit {
    if error.is_of_history() {
        Exit::ChainBroken
    } else {
        Exit::Failure
    }
}

const fn upstream_hint(error: &UpstreamError) -> Option<&'static str> {
    match error {
        UpstreamError::InUse { .. } => {
            Some("one process writes at a time: try again, or wait longer with --wait SECONDS")
        }
        UpstreamError::Changed { .. } | UpstreamError::Gone { .. } => Some(
            "the history on the server was rewritten or put back: this machine's copy still holds \
             what it once said",
        ),
        _ => None,
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        let exit = match &error {
            AppendError::HeadMoved { .. } => Exit::HeadMoved,
            _ => Exit::Failure,
        };
        let mut failure = Self::caused(exit, error.code(), &error);
        failure.hint = hint_of(error.code()).map(str::to_owned);
        failure
    }
}

/// What to do where the disk did not do its part.
fn hint_of(code: &str) -> Option<&'static str> {
    match code {
        "ledger.full" => Some(
            "make room and try again: nothing that was recorded is lost, and the next command that \
             writes clears away what this one left; reading works all the while",
        ),
        "ledger.read-only" => {
            Some("the disk is mounted for reading only; commands that read work all the same")
        }
        "ledger.permission" => {
            Some("this user has no access; reading needs less of it than writing does")
        }
        "ledger.durability-unknown" => Some(
            "the disk failed: look at its health, and with `althing log` at what was recorded, \
             before you try again",
        ),
        _ => None,
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Refused(rejection) => rejection.into(),
            NodeError::Open(error) => error.into(),
            NodeError::Replay(error) => error.into(),
            NodeError::Append(error) => error.into(),
            NodeError::HeadInFuture { .. } => Self::caused(Exit::Failure, error.code(), &error)
                .hint(
                    "set this machine's clock, or give the time with --now if the ledger is right",
                ),
            _ => {
                let mut failure = Self::caused(Exit::Failure, error.code(), &error);
                failure.hint = hint_of(error.code()).map(str::to_owned);
                failure
            }
        }
    }
}

impl From<KeyStoreError> for Failure {
    fn from(error: KeyStoreError) -> Self {
        let (exit, hint) = match error.code() {
            "key.not-found" => (
                Exit::NoAuthority,
                Some("`althing key list` shows the keys here; `althing key new NAME` makes one"),
            ),
            "key.name" => (Exit::Usage, None),
            "key.passphrase" => (Exit::NoAuthority, None),
            _ => (Exit::Failure, None),
        };
        let mut failure = Self::caused(exit, error.code(), &error);
        failure.hint = hint.map(str::to_owned);
        failure
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let exit = match &error {
            JournalError::AlreadySigned { .. } | JournalError::CheckpointSigned { .. } => {
                Exit::NoAuthority
            }
            JournalError::NoConsistency { .. } => Exit::Mismatch,
            _ => Exit::Failure,
        };
        let failure = Self::caused(exit, error.code(), &error);
        match &error {
            JournalError::CheckpointSigned { .. } => failure.hint(
                "two checkpoints that contradict each other would be evidence against this node: \
                 find out which of the two ledgers was changed",
            ),
            JournalError::NoConsistency { .. } => failure.hint(
                "sign where the ledger is at hand, or ask for a request with a proof: \
                 `althing checkpoint create --old SIZE`",
            ),
            JournalError::AlreadySigned { .. } => failure.hint(
                "a second, different ballot would be evidence against this node; --force signs it \
                 all the same, for rehearsals and tests",
            ),
            _ => failure,
        }
    }
}

impl From<SigningKeyError> for Failure {
    fn from(error: SigningKeyError) -> Self {
        Self::new(Exit::Failure, "key.crypto", error.to_string())
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let exit = match error.code() {
            "export.possession" => Exit::BadSignature,
            "export.io" => Exit::Failure,
            _ => Exit::Usage,
        };
        Self::caused(exit, error.code(), &error)
    }
}
