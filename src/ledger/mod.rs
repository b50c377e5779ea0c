//! Where lines are kept: in memory or durably in files.
//!
//! A ledger only appends whole batches, and only to the head that the caller expects: a moved head
//! is a conflict, never a fork. What [`FileLedger`] acknowledges is on disk; what it finds after a
//! crash is either recovered without loss or refused, never passed over.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a ledger is a shell around files and locks"
)]

mod contents;
pub mod copying;
pub mod diagnosis;
pub mod entries;
pub mod file;
mod layout;
pub mod lock;
pub mod memory;
mod open;
pub mod prefix;
pub mod reader;
pub mod recovery;
mod seals;
mod settling;
pub mod snapshots;
pub mod storage;
mod tail;
pub mod upstream;
mod writing;

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod images;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::sync::Arc;

use crate::chain::line::{EncodedBatch, Head};
use crate::chain::verify::Tip;
use crate::governance::time::Timestamp;

pub use diagnosis::{Diagnosis, Refusal, SegmentStart, Tail, diagnose};
pub use entries::{Entries, SegmentInfo};
pub use file::{FileLedger, OpenOptions};
pub use lock::Wait;
pub use memory::MemoryLedger;
pub use open::{OpenError, check_exists};
pub use reader::{LedgerReader, UnreadLedger};
pub use recovery::Recovery;
pub use snapshots::{SnapshotFile, SnapshotFiles, SnapshotKey};
pub use upstream::{Row, Upstream, UpstreamError};
pub use writing::{Writing, Written};

/// A chain of batches that can be appended to and read from its first line.
pub trait Ledger {
    /// The last acknowledged line.
    fn head(&self) -> &Head;

    /// Appends `batch` if the head is still `expected`. All of the batch is kept, or none of it.
    ///
    /// # Errors
    /// [`AppendError`]; its documentation says for each case what became of the batch.
    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError>;

    /// Begins to append `batch` as [`append`](Self::append) does. What it returns writes and syncs
    /// without the ledger; until [`end`](Self::end) is told what came of that, nothing of the batch is
    /// acknowledged and nothing else is taken. A ledger that has nothing to wait for appends at once.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn begin(&mut self, expected: &Head, batch: Arc<EncodedBatch>) -> Result<Writing, AppendError> {
        self.append(expected, &batch)?;
        Ok(Writing::done())
    }

    /// Acknowledges the batch that was begun.
    ///
    /// # Errors
    /// [`AppendError`] where it was not written, or is not the one that was begun last.
    fn end(&mut self, written: Written) -> Result<(), AppendError> {
        written.outcome()
    }

    /// The raw bytes of all acknowledged batches, from the first line.
    ///
    /// # Errors
    /// Where the bytes can't be read.
    fn reader(&self) -> io::Result<Box<dyn Read + '_>>;

    /// The recoveries from crashes that no event in the ledger records yet, this opening's and those
    /// of earlier ones. None where nothing survives a crash.
    ///
    /// # Errors
    /// Where they can't be looked up.
    fn unrecorded_recoveries(&self) -> io::Result<Vec<Recovery>> {
        Ok(Vec::new())
    }

    /// Whether an append failed, so that nothing is taken until [`recover`](Self::recover).
    fn is_poisoned(&self) -> bool {
        false
    }

    /// After a failed append, returns to exactly what was acknowledged.
    ///
    /// # Errors
    /// Where that can't be made durable; nothing is taken then, and this can be tried again.
    fn recover(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Lets others append until [`resume`](Self::resume). Nothing where nobody else can.
    fn release(&mut self) {}

    /// Takes the ledger up again after [`release`](Self::release), and returns what others
    /// appended meanwhile; `None` where nobody did.
    ///
    /// # Errors
    /// [`OpenError`]; the ledger stays released then.
    fn resume(&mut self, _wait: Wait) -> Result<Option<Appended<'_>>, OpenError> {
        Ok(None)
    }

    /// Notes that an acknowledged event records `recovery`.
    ///
    /// # Errors
    /// Where that can't be noted; the recovery then stays unrecorded.
    fn mark_recorded(&self, _recovery: &Recovery) -> io::Result<()> {
        Ok(())
    }
}

/// Raw bytes that others appended.
pub struct Appended<'a> {
    /// Where they start, from the ledger's first byte.
    pub offset: u64,
    /// The last line before them.
    pub tip: Tip,
    /// The bytes.
    pub bytes: Box<dyn Read + 'a>,
}

impl std::fmt::Debug for Appended<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Appended")
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}

/// Why a batch was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended first. Nothing was written.
    #[error("the head moved: expected {expected}, found {found}")]
    HeadMoved {
        /// The head that the batch continues.
        expected: Head,
        /// The head of the ledger.
        found: Head,
    },
    /// The batch is earlier than the head. Nothing was written.
    #[error("the batch starts at {found}, before the time {head} of the head")]
    Time {
        /// The time of the head.
        head: Timestamp,
        /// The time of the batch's first line.
        found: Timestamp,
    },
    /// Something that does not hold the lock wrote to the file. Nothing was written.
    #[error("another program changed the file: expected {expected} bytes, found {found}")]
    ForeignWriter {
        /// The length that the writer knows.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// An earlier append failed and nothing has been repaired since. Nothing was written.
    #[error("an earlier append failed; the ledger must be recovered before it takes more")]
    Poisoned,
    /// The ledger was released to other writers and not taken up again. Nothing was written.
    #[error("the ledger was released and not taken up again")]
    Released,
    /// There is no room. The batch is incomplete on disk and will not survive recovery.
    #[error("no room left to append: {0}")]
    Full(#[source] io::Error),
    /// Writing or syncing failed: whether the batch survives a crash is unknown.
    #[error("the append failed and may or may not have reached the disk: {0}")]
    DurabilityUnknown(#[source] io::Error),
    /// The file could not be examined, or the next segment not be made. Nothing was written.
    #[error("the ledger can't be appended to: {0}")]
    Io(#[source] io::Error),
}

impl AppendError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::HeadMoved { .. } => "ledger.head-moved",
            Self::Time { .. } => "ledger.time",
            Self::ForeignWriter { .. } => "ledger.foreign-writer",
            Self::Poisoned => "ledger.poisoned",
            Self::Released => "ledger.released",
            Self::Full(_) => "ledger.full",
            Self::DurabilityUnknown(_) => "ledger.durability-unknown",
            Self::Io(error) => io_code(error),
        }
    }
}

/// A stable identifier of why the disk does not do what it is asked to.
pub(crate) fn io_code(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_full(error) => "ledger.full",
        io::ErrorKind::ReadOnlyFilesystem => "ledger.read-only",
        io::ErrorKind::PermissionDenied => "ledger.permission",
        _ => "ledger.io",
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// [`AppendError::Full`] where there is no room, `or` otherwise.
fn full_or(error: io::Error, or: impl FnOnce(io::Error) -> AppendError) -> AppendError {
    if is_full(&error) {
        return AppendError::Full(error);
    }
    or(error)
}

/// Checks that `batch` continues `tip`, and that `tip` is what the caller expects.
fn check_continues(tip: &Tip, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
    for continued in [expected, batch.previous()] {
        if *continued != tip.head {
            return Err(AppendError::HeadMoved {
                expected: *continued,
                found: tip.head,
            });
        }
    }
    match tip.timestamp {
        Some(head) if batch.first_timestamp() < head => Err(AppendError::Time {
            head,
            found: batch.first_timestamp(),
        }),
        _ => Ok(()),
    }
}

/// The tip once `batch` is appended.
const fn tip_after(batch: &EncodedBatch) -> Tip {
    Tip {
        head: *batch.head(),
        timestamp: Some(batch.last_timestamp()),
    }
}
