//! One node for many threads, and one ledger for many processes.
//!
//! A durable write costs a sync, whatever its size. So callers come together in groups, and one write
//! is for all of a group. While a group is written, the next one gathers:
//!
//! ```text
//! group 1   decide · encode ├── write · sync ──┤ answers
//! group 2                    gather · decide    · encode ├── write · sync ──┤ answers
//! group 3                                                 gather · decide ...
//! ```
//!
//! Who opens a group leads it: waits for its turn to write, closes the group, writes, and answers all of
//! it at once. Whoever comes meanwhile decides its own command, and those of others that wait, on the
//! state that the write under way leads to. Nothing is written, answered or shown before that write is
//! durable. Where it fails, whatever was decided on it is refused, and the node returns to what the
//! ledger holds.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "threads wait for each other here"
)]

mod leader;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::group::{Decided, Prepared};
use super::{Node, NodeError, Request, When};
use crate::governance::command::Command;
use crate::governance::event::Recorded;
use crate::governance::rejection::Rejection;
use crate::governance::time::Timestamp;
use crate::ledger::{AppendError, Ledger, Wait};

use leader::Leader;

/// A handle to a node that many threads use at once. Clones are handles to the same node.
pub struct SharedNode<L>(Arc<Shared<L>>);

/// Locks are taken in the order in which they stand here.
struct Shared<L> {
    /// Held by the one who writes, or looks.
    turn: Mutex<()>,
    node: Mutex<Ahead<L>>,
    open: Mutex<Open>,
    /// How many want to look at what is acknowledged: meanwhile nothing is decided ahead.
    lookers: AtomicUsize,
    /// How long to wait for other processes, where the ledger is written in turn with them.
    turns: Option<Wait>,
}

/// The group that gathers.
#[derive(Default)]
struct Open {
    group: Arc<Group>,
    /// How many joined it.
    size: usize,
    /// The commands that nobody has looked at yet: those of the last who joined.
    requests: Vec<Request>,
}

/// Commands that share one write. Each caller knows its place.
#[derive(Default)]
struct Group(OnceLock<Vec<Mutex<Option<Told>>>>);

enum Told {
    Answer(Answer),
    /// The write was full before it came to this command.
    NotLookedAt(Box<Request>),
}

type Answer = Result<Vec<Recorded>, SubmitError>;

/// The answers to the first commands of a group, or why there are none.
type Outcome = Result<Vec<super::Answer>, NodeError>;

/// The node, and what was decided of the open group.
struct Ahead<L> {
    node: Node<L>,
    /// Whether a write is under way, so that there is time to decide ahead.
    is_writing: bool,
    /// The commands of the first who joined the group.
    requests: Vec<Request>,
    /// What the first of these led to. The state holds it already.
    decided: Decided,
    flaw: Option<Flaw>,
}

/// Why what was decided ahead does not hold.
enum Flaw {
    /// It was decided on a write that failed: so many commands are refused.
    Baseless(usize),
    /// The state holds something that can't be written.
    Unwritable,
}

/// Why a shared node did not record a command.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// The rules refuse it. Nothing of it was recorded.
    #[error(transparent)]
    Refused(#[from] Rejection),
    /// The node failed; perhaps for several commands at once, so the error is shared. Its
    /// documentation says what became of them.
    #[error(transparent)]
    Failed(Arc<NodeError>),
    /// The thread that was writing for this one panicked: what became of the command is unknown.
    #[error("the thread that was writing this command ended in a panic")]
    Abandoned,
}

impl SubmitError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(rejection) => rejection.code(),
            Self::Failed(error) => error.code(),
            Self::Abandoned => "node.abandoned",
        }
    }

    /// Whether somebody else appended first, so that the command is to be decided again on that.
    fn is_overtaken(&self) -> bool {
        matches!(self, Self::Failed(error) if error.is_overtaken())
    }
}

impl From<NodeError> for SubmitError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Refused(rejection) => Self::Refused(rejection),
            other => Self::Failed(Arc::new(other)),
        }
    }
}

impl<L> Clone for SharedNode<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L> std::fmt::Debug for SharedNode<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedNode").finish_non_exhaustive()
    }
}

impl<L: Ledger> SharedNode<L> {
    /// Shares a node among threads. It keeps its ledger to itself.
    #[must_use]
    pub fn new(node: Node<L>) -> Self {
        Self::with(node, None)
    }

    /// Shares a node among threads, and its ledger with other processes that do the same: it is
    /// taken up for each write and released after it. `wait` is how long a write waits for the
    /// others; what they appended is replayed first, and nothing else.
    #[must_use]
    pub fn in_turns(mut node: Node<L>, wait: Wait) -> Self {
        node.release();
        Self::with(node, Some(wait))
    }

    fn with(node: Node<L>, turns: Option<Wait>) -> Self {
        Self(Arc::new(Shared {
            turn: Mutex::default(),
            node: Mutex::new(Ahead {
                node,
                is_writing: false,
                requests: Vec::new(),
                decided: Decided::default(),
                flaw: None,
            }),
            open: Mutex::default(),
            lookers: AtomicUsize::new(0),
            turns,
        }))
    }

    /// Decides `command` at the time `now` of the machine's clock, or at that of the head if that
    /// is later, and records what follows, in one durable write with the commands of other threads.
    /// Returns once it is durable.
    ///
    /// # Errors
    /// [`SubmitError`]. A command that is refused does not affect others. A write that fails fails for
    /// all that shared it, and for all that were decided on it meanwhile; what is acknowledged is
    /// restored before anything else is taken.
    pub fn submit(&self, command: Command, now: Timestamp) -> Result<Vec<Recorded>, SubmitError> {
        let at = When::Clock(now);
        // Whoever shares the ledger may lose its turn with the server that kept it.
        let spare = self.0.turns.map(|_| command.clone());
        let mut request = Request { command, at };
        loop {
            let (group, place) = self.0.join(request);
            let leader = (place == 0).then(|| Leader::of(&self.0, &group));
            self.0.decide_ahead();
            if let Some(leader) = leader {
                leader.lead();
            }
            match (group.told(place), &spare) {
                (Told::Answer(Err(error)), Some(command)) if error.is_overtaken() => {
                    let command = command.clone();
                    request = Request { command, at };
                }
                (Told::Answer(answer), _) => return answer,
                (Told::NotLookedAt(again), _) => request = *again,
            }
        }
    }

    /// Looks at the node, as of its last write. Writes wait meanwhile.
    ///
    /// # Errors
    /// [`SubmitError::Abandoned`] where a thread panicked while it was writing.
    pub fn look<T>(&self, see: impl FnOnce(&Node<L>) -> T) -> Result<T, SubmitError> {
        let _looker = Looker::new(&self.0.lookers);
        let _turn = self.0.turn.lock().map_err(|_| SubmitError::Abandoned)?;
        loop {
            let ahead = self.0.node.lock().map_err(|_| SubmitError::Abandoned)?;
            if ahead.requests.is_empty() {
                return Ok(see(&ahead.node));
            }
            drop(ahead);
            // What was decided ahead shows in the state, so it has to be written first.
            let group = Arc::clone(&self.0.open().group);
            Leader::of(&self.0, &group).write();
        }
    }
}

impl Group {
    fn tell(&self, told: Vec<Told>) {
        let places = told.into_iter().map(|told| Mutex::new(Some(told)));
        // Only one thread closes a group, so nobody told it anything before.
        let _ = self.0.set(places.collect());
    }

    fn is_told(&self) -> bool {
        self.0.get().is_some()
    }

    /// Waits for what the caller at `place` is told.
    fn told(&self, place: usize) -> Told {
        let told = self.0.wait().get(place);
        // Nothing that can panic happens under this lock.
        told.and_then(|told| told.lock().unwrap_or_else(PoisonError::into_inner).take())
            .unwrap_or(Told::Answer(Err(SubmitError::Abandoned)))
    }
}

impl<L> Shared<L> {
    fn open(&self) -> MutexGuard<'_, Open> {
        // Nothing that can panic happens under this lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a command into the open group, and returns its place there.
    fn join(&self, request: Request) -> (Arc<Group>, usize) {
        let mut open = self.open();
        let place = open.size;
        open.size += 1;
        open.requests.push(request);
        (Arc::clone(&open.group), place)
    }

    /// Opens another group in place of `group`; `None` where that is done already.
    fn close(&self, group: &Arc<Group>) -> Option<Open> {
        let mut open = self.open();
        Arc::ptr_eq(&open.group, group).then(|| std::mem::take(&mut *open))
    }
}

impl<L: Ledger> Shared<L> {
    /// Decides what nobody has looked at yet, unless somebody else is at the node: then it is left to
    /// the next who joins, or to the one who leads.
    fn decide_ahead(&self) {
        let Ok(mut ahead) = self.node.try_lock() else {
            return;
        };
        // Before a turn, the state is not known: others may append.
        let is_allowed = self.turns.is_none() && self.lookers.load(Ordering::SeqCst) == 0;
        if is_allowed && ahead.is_writing && ahead.flaw.is_none() {
            let joined = std::mem::take(&mut self.open().requests);
            ahead.decide(joined);
        }
    }
}

impl<L: Ledger> Ahead<L> {
    fn decide(&mut self, joined: Vec<Request>) {
        self.requests.extend(joined);
        let done = self.node.decide_ahead(&self.requests, &mut self.decided);
        if done.is_err() {
            self.flaw = Some(Flaw::Unwritable);
        }
    }

    /// Gets a group ready to be written, `joined` its last commands. Told is who gets nothing written:
    /// all of it where this fails.
    fn close(&mut self, joined: Vec<Request>, turns: Option<Wait>) -> Closed {
        let mut requests = std::mem::take(&mut self.requests);
        let mut decided = std::mem::take(&mut self.decided);
        requests.extend(joined);
        let mut told = Vec::new();
        let mut is_ahead = decided.len() > 0;
        match self.flaw.take() {
            Some(Flaw::Baseless(count)) => {
                let refused = |_| Err(NodeError::from(AppendError::Poisoned).into());
                told.extend(requests.drain(..count).map(refused).map(Told::Answer));
            }
            Some(Flaw::Unwritable) => {
                decided = Decided::default();
                self.node.out_of_step = true;
                is_ahead = true;
            }
            None => {}
        }
        let ready = turns.map_or(Ok(()), |wait| self.node.resume(wait));
        let ready = ready.and_then(|()| self.node.recover());
        let prepared = ready.and_then(|()| self.node.prepare(&requests, false, decided));
        if prepared.is_err() {
            // What can't be restored now is tried again before the next write.
            if is_ahead {
                let _ = self.node.go_back(None);
            }
            let _ = self.node.recover();
        }
        Closed {
            told,
            requests,
            prepared,
        }
    }

    /// Returns to what the ledger holds after a write that failed, or was not begun.
    fn fall_back(&mut self) {
        if self.decided.len() > 0 {
            self.flaw = Some(Flaw::Baseless(self.decided.len()));
            self.decided = Decided::default();
        }
        // What can't be restored now is tried again before the next write.
        let _ = self.node.go_back(None);
        let _ = self.node.recover();
    }
}

/// A group that nobody joins any more.
struct Closed {
    /// What its first commands are told.
    told: Vec<Told>,
    /// The others.
    requests: Vec<Request>,
    /// What became of these, but for the write.
    prepared: Result<Prepared, NodeError>,
}

/// Somebody who wants to look.
struct Looker<'a>(&'a AtomicUsize);

impl<'a> Looker<'a> {
    fn new(lookers: &'a AtomicUsize) -> Self {
        lookers.fetch_add(1, Ordering::SeqCst);
        Self(lookers)
    }
}

impl Drop for Looker<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
