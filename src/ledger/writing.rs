//! An append in two halves: what has to be done in order, and what takes as long as the disk takes.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::storage::StorageFile;
use super::{AppendError, full_or};
use crate::chain::line::{EncodedBatch, Head};

/// The slow half of an append, for any thread to run while the ledger is read and the next batch is
/// decided.
#[must_use]
pub struct Writing(Box<dyn FnOnce() -> Written + Send>);

impl Writing {
    /// What `work` does, which says what came of it.
    pub fn new(work: impl FnOnce() -> Written + Send + 'static) -> Self {
        Self(Box::new(work))
    }

    /// Nothing is left to do.
    pub fn done() -> Self {
        Self::new(|| Written::of(Ok(())))
    }

    /// Writes and syncs. What comes of it is for [`Ledger::end`](super::Ledger::end).
    pub fn run(self) -> Written {
        (self.0)()
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}

/// What came of [`Writing`].
#[derive(Debug)]
#[must_use]
pub struct Written(pub(super) Result<Option<Appendix>, AppendError>);

impl Written {
    /// The batch is durable, or this is why it is not.
    pub fn of(outcome: Result<(), AppendError>) -> Self {
        Self(outcome.map(|()| None))
    }

    /// Whether the batch is durable.
    ///
    /// # Errors
    /// Why it is not.
    pub fn outcome(self) -> Result<(), AppendError> {
        self.0.map(drop)
    }
}

/// From here on it takes longer to hash a batch than to start a thread that does so during the write.
const BYTES_OF_THEIR_OWN_THREAD: usize = 256 << 10;

/// What a segment gained.
#[derive(Debug)]
pub(super) struct Appendix {
    /// The head behind it.
    pub(super) head: Head,
    /// The hash of the segment behind it; `None` where that of its beginning is not known.
    pub(super) hash: Option<Sha256>,
}

/// A file that one thread may write to while another looks at the ledger. Once the ledger has closed
/// it, nobody writes any more.
#[derive(Debug)]
pub(super) struct OpenFile<F>(Arc<Mutex<Option<F>>>);

impl<F: StorageFile> OpenFile<F> {
    pub(super) fn new(file: F) -> Self {
        Self(Arc::new(Mutex::new(Some(file))))
    }

    /// Another handle to the same file.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Waits for the write that is under way, and prevents any other.
    pub(super) fn close(&self) {
        drop(self.lock().take());
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut F) -> io::Result<T>) -> io::Result<T> {
        match &mut *self.lock() {
            Some(file) => act(file),
            None => Err(io::Error::other("the ledger was closed")),
        }
    }

    /// Writes and syncs a batch. `hash` is that of the segment so far.
    pub(super) fn write(&self, batch: &EncodedBatch, hash: Option<Sha256>) -> Written {
        let bytes = batch.bytes();
        let hashed = || {
            let mut hash = hash?;
            hash.update(bytes);
            Some(hash)
        };
        let written = || self.with(|file| Ok(write(file, bytes)));
        let (written, hash) = if bytes.len() < BYTES_OF_THEIR_OWN_THREAD {
            (written(), hashed())
        } else {
            thread::scope(|scope| {
                let hashing = thread::Builder::new().spawn_scoped(scope, hashed);
                // Without the hash, the whole segment is read again when it is sealed.
                let hash = || hashing.ok()?.join().ok()?;
                (written(), hash())
            })
        };
        let outcome = written.map_err(AppendError::Io).flatten();
        let head = *batch.head();
        Written(outcome.map(|()| Some(Appendix { head, hash })))
    }

    fn lock(&self) -> MutexGuard<'_, Option<F>> {
        // A file behind a panic is replaced before it is written to again.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(file: &mut impl StorageFile, bytes: &[u8]) -> Result<(), AppendError> {
    file.append(bytes)
        .map_err(|error| full_or(error, AppendError::DurabilityUnknown))?;
    file.sync().map_err(AppendError::DurabilityUnknown)
}
