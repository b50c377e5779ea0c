//! What became of a command.

use serde::{Deserialize, Serialize};

use crate::governance::digest::Digest;
use crate::governance::event::Recorded;

/// What became of a command, and at which height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Outcome {
    /// It was decided, and this follows from it.
    Recorded {
        /// The height.
        height: u64,
        /// The entries, in the ledgers of all nodes.
        entries: Vec<RecordedEntry>,
    },
    /// It asks for what was recorded before.
    Unchanged {
        /// The last decided height.
        height: u64,
    },
    /// The rules refuse it.
    Refused {
        /// The last decided height: it was refused on the state after it.
        height: u64,
        /// The stable code.
        code: String,
        /// Why.
        message: String,
    },
}

/// An entry that follows from a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedEntry {
    /// Its hash.
    pub entry_hash: Digest,
    /// What happened.
    pub operation: String,
    /// Its number.
    pub seq: u64,
}

impl From<&Recorded> for RecordedEntry {
    fn from(recorded: &Recorded) -> Self {
        Self {
            entry_hash: recorded.hash,
            operation: recorded.event.operation().to_owned(),
            seq: recorded.seq,
        }
    }
}
