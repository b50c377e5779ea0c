//! Replay on several threads: the same answers as [`replay`](crate::replay::replay()), sooner.
//!
//! ```text
//!            ┌ examine ┐
//!  read ─────┼ examine ┼───── take in order
//!  (chunks)  └ examine ┘      (links, rules, state)
//! ```
//!
//! The calling thread reads chunks of whole lines and takes them in order; all threads, itself among
//! them, examine what was read: hashes, links within the chunk, form, signatures. Whatever is wrong
//! is found by the plain replay, which reads a chunk again from the first line that was not found
//! good. At most a few chunks are in memory at a time.

#![allow(
    clippy::disallowed_methods,
    reason = "threads, and the number of them, are what this module is for"
)]

mod board;
mod chunks;

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;

use self::board::Board;
use self::chunks::Chunks;
use crate::chain::line::Head;
use crate::governance::key::SignatureVerifier;
use crate::governance::state::State;
use crate::ledger::UnreadLedger;
use crate::ledger::storage::{Disk, Storage};
use crate::replay::{Replay, ReplayError, Replayed, Snapshot};

/// How a history is replayed on several threads.
#[derive(Clone, Copy)]
pub struct Parallel<'a> {
    verifier: &'a (dyn SignatureVerifier + Sync),
    threads: NonZeroUsize,
    chunk_bytes: usize,
    watcher: Option<&'a dyn Watcher>,
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The number of the last entry that was taken.
    pub entries: u64,
    /// Where the next line starts, from the ledger's first byte.
    pub bytes: u64,
}

/// Somebody who is told how far a replay has come, a few hundred times a second.
pub trait Watcher {
    /// Called on the thread that asked for the replay.
    fn reached(&self, reached: Reached);
}

/// Replays everything that `source` yields on as many threads as the machine runs at once.
///
/// # Errors
/// As [`replay`](crate::replay::replay()).
pub fn replay(
    source: impl Read,
    verifier: &(dyn SignatureVerifier + Sync),
) -> Result<Replayed, ReplayError> {
    Parallel::new(verifier).replay(source)
}

impl<'a> Parallel<'a> {
    /// As many threads as the machine runs at once.
    #[must_use]
    pub fn new(verifier: &'a (dyn SignatureVerifier + Sync)) -> Self {
        Self {
            verifier,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            chunk_bytes: 256 << 10,
            watcher: None,
        }
    }

    /// This many threads, the calling one among them.
    #[must_use]
    pub const fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Chunks of about so many bytes instead of 256 KiB.
    #[must_use]
    pub const fn with_chunk_bytes(mut self, bytes: usize) -> Self {
        self.chunk_bytes = bytes;
        self
    }

    /// Tells `watcher` how far it has come.
    #[must_use]
    pub const fn watched_by(mut self, watcher: &'a dyn Watcher) -> Self {
        self.watcher = Some(watcher);
        self
    }

    /// Replays everything that `source` yields, in bounded memory.
    ///
    /// # Errors
    /// As [`replay`](crate::replay::replay()).
    pub fn replay(&self, source: impl Read) -> Result<Replayed, ReplayError> {
        self.go_on(Replay::new(self.verifier), source)?.finish()
    }

    /// As [`replay`](Self::replay), and gives the state alone: the Merkle tree is not built.
    ///
    /// # Errors
    /// As [`replay`](crate::replay::replay()).
    pub fn rebuild(&self, source: impl Read) -> Result<(State, Head), ReplayError> {
        let replay = Replay::new(self.verifier).without_tree();
        self.go_on(replay, source)?.finish_without_tree()
    }

    /// Replays what `source` yields behind a snapshot, for which the caller answers.
    ///
    /// # Errors
    /// As [`replay`](crate::replay::replay()).
    pub fn resume(&self, snapshot: Snapshot, source: impl Read) -> Result<Replayed, ReplayError> {
        let replay = Replay::resume(self.verifier, snapshot);
        self.go_on(replay, source)?.finish()
    }

    /// Replays the ledger in `dir` without looking first where its tail ends; `None` where anything is
    /// wrong or the tail is torn: then only a closer look tells what.
    ///
    /// The hashes of whole segments in `SHA256SUMS` are not compared. They say nothing of the history
    /// that the chain does not say, and every byte would be read and hashed a second time.
    #[must_use]
    pub fn replay_dir(&self, dir: &Path) -> Option<Replayed> {
        self.replay_on(Disk, dir)
    }

    /// As [`replay_dir`](Self::replay_dir), and compares the hashes of whole segments.
    #[must_use]
    pub fn verify_dir(&self, dir: &Path) -> Option<Replayed> {
        let replayed = self.replay_dir(dir)?;
        let ledger = UnreadLedger::list(dir)?;
        ledger.seals_hold().then_some(replayed)
    }

    /// As [`replay_dir`](Self::replay_dir), and gives the state alone: the Merkle tree is not built.
    #[must_use]
    pub fn rebuild_dir(&self, dir: &Path) -> Option<(State, Head)> {
        self.rebuild_on(Disk, dir)
    }

    /// As [`replay_dir`](Self::replay_dir), of a given storage.
    pub(crate) fn replay_on<S: Storage>(&self, storage: S, dir: &Path) -> Option<Replayed> {
        let ledger = UnreadLedger::list_on(storage, dir).ok()??;
        let replayed = self.replay(ledger.reader()).ok()?;
        ledger.fits(replayed.head.seq).then_some(replayed)
    }

    /// As [`rebuild_dir`](Self::rebuild_dir), of a given storage.
    pub(crate) fn rebuild_on<S: Storage>(&self, storage: S, dir: &Path) -> Option<(State, Head)> {
        let ledger = UnreadLedger::list_on(storage, dir).ok()??;
        let (state, head) = self.rebuild(ledger.reader()).ok()?;
        ledger.fits(head.seq).then_some((state, head))
    }

    fn go_on<'v>(
        &self,
        mut replay: Replay<'v>,
        source: impl Read,
    ) -> Result<Replay<'v>, ReplayError> {
        let mut chunks = Chunks::new(source, self.chunk_bytes);
        let board = Board::new(self.verifier, replay.has_tree());
        // The first lines tell the founders' keys, without which no signature can be checked early.
        if let Some(chunk) = chunks.next(Vec::new(), chunks::FIRST_BYTES) {
            for line in chunk.lines() {
                replay.line(line)?;
            }
            board.learn_keys(&replay);
        }
        thread::scope(|scope| {
            // Nothing that a panic leaves behind makes the other threads wait for ever.
            let ending = board.ending();
            let mut helpers = 0;
            let result = board.lead(&mut replay, &mut chunks, self.watcher, &mut || {
                if helpers + 1 < self.threads.get() {
                    helpers += 1;
                    scope.spawn(|| board.help());
                }
                self.threads.get()
            });
            drop(ending);
            result
        })?;
        // What is no whole line, or can't be read, is the plain replay's to judge.
        replay.read_rest(chunks.into_rest())?;
        Ok(replay)
    }
}
