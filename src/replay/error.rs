//! Why a history is refused, and where.

use crate::chain::lines::ReadLineError;
use crate::chain::verify::VerifyError;
use crate::governance::event::EventError;
use crate::governance::rejection::{Category, Rejection};
use crate::governance::time::Timestamp;

/// A history that can't be replayed: what is wrong, at which entry and byte.
#[derive(Debug, thiserror::Error)]
#[error("entry {seq} at byte {offset}: {problem}")]
pub struct ReplayError {
    /// The number of the entry, or the number that it should have.
    pub seq: u64,
    /// Where its line starts, from the ledger's first byte.
    pub offset: u64,
    /// What is wrong with it.
    #[source]
    pub problem: Box<ReplayProblem>,
}

impl ReplayError {
    pub(super) fn new(seq: u64, offset: u64, problem: ReplayProblem) -> Self {
        Self {
            seq,
            offset,
            problem: Box::new(problem),
        }
    }

    /// The stable code of the problem.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum ReplayProblem {
    /// The ledger can't be read.
    #[error("the ledger can't be read: {0}")]
    Read(#[from] ReadLineError),
    /// The bytes are not the next line of the chain.
    #[error(transparent)]
    Chain(VerifyError),
    /// The line holds no event that this version knows.
    #[error(transparent)]
    Event(EventError),
    /// The event is not what the rules give.
    #[error(transparent)]
    Illegal(Illegal),
    /// The ledger ends before the end of a batch.
    #[error("the ledger ends before the end of a batch")]
    Incomplete,
}

/// How an event differs from what the rules give.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The rules refuse the cause.
    #[error("the rules refuse this entry: {0}")]
    Refused(#[from] Rejection),
    /// The first batch is no founding.
    #[error("the first batch is not the founding of a ledger by all its founders")]
    Genesis,
    /// A consequence that no cause before it calls for.
    #[error("nothing before this entry calls for {operation}")]
    NoCause {
        /// The operation found.
        operation: &'static str,
    },
    /// A statement that is recorded already.
    #[error("this entry records what is recorded already")]
    AlreadyRecorded,
    /// Another event, or another content, than the rules give.
    #[error("the rules give another {expected} here; found {found}")]
    Divergence {
        /// The operation that the rules give.
        expected: &'static str,
        /// The operation found.
        found: &'static str,
    },
    /// A consequence is left out.
    #[error("the rules call for {expected} after this entry, in the same batch")]
    Missing {
        /// The operation that the rules give.
        expected: &'static str,
    },
    /// A consequence of another time than its cause.
    #[error("a consequence has the time of its cause, {expected}")]
    Time {
        /// The time of the cause.
        expected: Timestamp,
    },
}

impl ReplayProblem {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read(error) => error.code(),
            Self::Chain(error) => error.code(),
            Self::Event(error) => error.code(),
            Self::Illegal(illegal) => illegal.code(),
            Self::Incomplete => "replay.incomplete-batch",
        }
    }

    /// Whether a signature does not verify.
    #[must_use]
    pub const fn is_signature(&self) -> bool {
        match self {
            Self::Illegal(Illegal::Refused(rejection)) => {
                matches!(rejection.category(), Category::Signature)
            }
            _ => false,
        }
    }

    /// Whether it is only that this version does not know the operation: a newer one wrote it, and the
    /// chain is as sound as before.
    #[must_use]
    pub const fn is_of_a_newer_version(&self) -> bool {
        matches!(self, Self::Event(EventError::UnknownOperation { .. }))
    }

    /// Whether the bytes are intact, and it is the event that is wrong.
    #[must_use]
    pub const fn is_illegal(&self) -> bool {
        matches!(self, Self::Event(_) | Self::Illegal(_))
    }
}

impl Illegal {
    /// The stable code; for a refusal the refusal's own.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(rejection) => rejection.code(),
            Self::Genesis => "replay.genesis",
            Self::NoCause { .. } => "replay.no-cause",
            Self::AlreadyRecorded => "replay.already-recorded",
            Self::Divergence { .. } => "replay.divergence",
            Self::Missing { .. } => "replay.missing-consequence",
            Self::Time { .. } => "replay.time",
        }
    }
}
