//! What the threads of a replay share.

use std::collections::{BTreeMap, VecDeque};
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::chunks::{Chunk, Chunks};
use super::{Reached, Watcher};
use crate::governance::key::SignatureVerifier;
use crate::replay::examine::{Examined, Examiner};
use crate::replay::foreseen::Keys;
use crate::replay::{Replay, ReplayError};

/// How many chunks for each thread are in memory at most.
const CHUNKS_PER_THREAD: usize = 4;

pub(super) struct Board<'a> {
    verifier: &'a (dyn SignatureVerifier + Sync),
    with_tree: bool,
    shared: Mutex<Shared>,
    /// Something changed that a thread may wait for.
    changed: Condvar,
}

#[derive(Default)]
struct Shared {
    /// What is to be examined, with its place in the order.
    read: VecDeque<(u64, Chunk)>,
    /// What is to be taken when its turn comes.
    examined: BTreeMap<u64, (Chunk, Examined)>,
    keys: Arc<Keys>,
    is_ending: bool,
}

/// Ends the waiting of all threads when it is dropped.
pub(super) struct Ending<'b, 'a>(&'b Board<'a>);

impl Drop for Ending<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().is_ending = true;
        self.0.changed.notify_all();
    }
}

impl<'a> Board<'a> {
    pub(super) fn new(verifier: &'a (dyn SignatureVerifier + Sync), with_tree: bool) -> Self {
        Self {
            verifier,
            with_tree,
            shared: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(&self, shared: MutexGuard<'g, Shared>) -> MutexGuard<'g, Shared> {
        let waited = self.changed.wait(shared);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn ending(&self) -> Ending<'_, 'a> {
        Ending(self)
    }

    /// Takes the keys of the state over for the signatures to come, if they changed.
    pub(super) fn learn_keys(&self, replay: &Replay<'_>) {
        let mut shared = self.lock();
        let renewed = replay.state().and_then(|state| shared.keys.renewed(state));
        if let Some(keys) = renewed {
            shared.keys = Arc::new(keys);
        }
    }

    /// Reads and takes everything. `ask_for_help` is called when there is more to examine than one
    /// thread does at a time, may start a helper, and answers how many threads there can be.
    pub(super) fn lead<R: Read>(
        &self,
        replay: &mut Replay<'_>,
        chunks: &mut Chunks<R>,
        watcher: Option<&dyn Watcher>,
        ask_for_help: &mut dyn FnMut() -> usize,
    ) -> Result<(), ReplayError> {
        let mut read = 0;
        let mut taken = 0;
        let mut most = CHUNKS_PER_THREAD;
        let mut is_at_end = false;
        let mut spare = Vec::new();
        loop {
            let ready = self.lock().examined.remove(&taken);
            if let Some((chunk, examined)) = ready {
                replay.take_examined(chunk.bytes(), examined)?;
                taken += 1;
                self.learn_keys(replay);
                spare.push(chunk.into_buffer());
                if let Some(watcher) = watcher {
                    let (entries, bytes) = replay.position();
                    watcher.reached(Reached { entries, bytes });
                }
            } else if !is_at_end && read - taken < most as u64 {
                let chunk = chunks.next_chunk(spare.pop().unwrap_or_default());
                let Some(chunk) = chunk else {
                    is_at_end = true;
                    continue;
                };
                if read > taken {
                    most = CHUNKS_PER_THREAD * ask_for_help();
                }
                self.lock().read.push_back((read, chunk));
                self.changed.notify_all();
                read += 1;
            } else if taken == read || !self.examine_or_wait(taken) {
                return Ok(());
            }
        }
    }

    /// Examines a chunk, or waits for the next one in turn where others are at it; false where that
    /// will never come, because a helper panicked.
    fn examine_or_wait(&self, turn: u64) -> bool {
        let mut shared = self.lock();
        while !shared.is_ending && !shared.examined.contains_key(&turn) {
            if let Some((place, chunk)) = shared.read.pop_front() {
                self.examine(shared, place, chunk);
                return true;
            }
            shared = self.wait(shared);
        }
        !shared.is_ending
    }

    /// Examines chunks until there are no more.
    pub(super) fn help(&self) {
        let _ending = self.ending();
        let mut shared = self.lock();
        while !shared.is_ending {
            if let Some((place, chunk)) = shared.read.pop_front() {
                self.examine(shared, place, chunk);
                shared = self.lock();
            } else {
                shared = self.wait(shared);
            }
        }
    }

    fn examine(&self, shared: MutexGuard<'_, Shared>, place: u64, chunk: Chunk) {
        let keys = Arc::clone(&shared.keys);
        drop(shared);
        let examiner = Examiner {
            verifier: self.verifier,
            keys: &keys,
            with_tree: self.with_tree,
        };
        let examined = examiner.examine(chunk.bytes());
        self.lock().examined.insert(place, (chunk, examined));
        self.changed.notify_all();
    }
}
