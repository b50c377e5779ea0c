//! Why a journal does not sign.

use std::io;
use std::path::PathBuf;

use crate::governance::merkle::TreeRoot;
use crate::identity::SigningKeyError;
use crate::identity::private_files::PrivateFileError;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The key has signed something else in this scope.
    #[error(
        "this key or a former one has already signed \"{recorded}\" ({kind}) for {scope}, so it does \
         not sign \"{requested}\""
    )]
    AlreadySigned {
        /// The scope in question.
        scope: String,
        /// The domain tag of the recorded statement.
        kind: String,
        /// The recorded intent, the first of several.
        recorded: String,
        /// The conflicting intent.
        requested: String,
    },
    /// The key has signed another tree of that size, or a larger one.
    #[error(
        "this key or a former one has already signed a checkpoint of {} entries, root {}, so it does \
         not sign one of {}, root {}", signed.size, signed.root, requested.size, requested.root
    )]
    CheckpointSigned {
        /// The largest tree that it has signed.
        signed: TreeRoot,
        /// The tree that it was asked to sign.
        requested: TreeRoot,
    },
    /// Nothing shows that the tree continues the one that the key signed before.
    #[error(
        "this key or a former one has signed a checkpoint of {} entries; nothing shows that the one \
         of {} entries continues it", signed.size, requested.size
    )]
    NoConsistency {
        /// The largest tree that it has signed.
        signed: TreeRoot,
        /// The tree that it was asked to sign.
        requested: TreeRoot,
    },
    /// A line of the journal can't be read, so nobody knows what the key has signed.
    #[error("{} line {line}: {problem}; not signing anything with this key", path.display())]
    Malformed {
        /// The journal.
        path: PathBuf,
        /// The line's number, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The file was replaced or cut off while it was in use.
    #[error("{} was replaced while it was in use", path.display())]
    Replaced {
        /// The journal.
        path: PathBuf,
    },
    /// The journal is that of another key.
    #[error("the signing journal belongs to another key")]
    WrongKey,
    /// The journal or its directory is open to other users.
    #[error("{} is open to other users; run: chmod {mode:o} {}", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// The mode that it should have.
        mode: u32,
    },
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The system refused to read or write; nothing was signed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl JournalError {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadySigned { .. } | Self::CheckpointSigned { .. } => "already-signed",
            Self::NoConsistency { .. } => "checkpoint.no-consistency",
            Self::Malformed { .. } => "journal.malformed",
            Self::Replaced { .. } => "journal.replaced",
            Self::WrongKey => "journal.wrong-key",
            Self::Permissions { .. } => "journal.permissions",
            Self::Key(_) => "key.crypto",
            Self::Io { .. } => "journal.io",
        }
    }
}

impl From<PrivateFileError> for JournalError {
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Permissions { path, mode } => Self::Permissions { path, mode },
            PrivateFileError::Io { path, source } => Self::Io { path, source },
        }
    }
}
