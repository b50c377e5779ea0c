//! One node for many threads, and one ledger for many processes.
//!
//! A durable write costs a sync, whatever its size. So callers put their commands into a queue; one
//! of them leads: it takes all that wait, has them decided in order and written as one batch, and
//! hands out the answers. Who came meanwhile waits for the next batch.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "threads wait for each other here"
)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Node, NodeError, Request, When};
use crate::governance::command::Command;
use crate::governance::event::Recorded;
use crate::governance::rejection::Rejection;
use crate::governance::time::Timestamp;
use crate::ledger::{Ledger, Wait};

/// How many commands one durable write takes at most.
pub const MAX_GROUP: usize = 512;

/// A handle to a node that many threads use at once. Clones are handles to the same node.
pub struct SharedNode<L>(Arc<Shared<L>>);

struct Shared<L> {
    queue: Mutex<Queue>,
    /// Tells those who wait that there are answers, or that somebody else may lead.
    changed: Condvar,
    node: Mutex<Node<L>>,
    /// How long to wait for other processes, where the ledger is written in turn with them.
    turns: Option<Wait>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Ticket>,
    answers: BTreeMap<u64, Answer>,
    next: u64,
    is_led: bool,
}

struct Ticket {
    number: u64,
    request: Request,
}

type Answer = Result<Vec<Recorded>, SubmitError>;

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
            queue: Mutex::default(),
            changed: Condvar::new(),
            node: Mutex::new(node),
            turns,
        }))
    }

    /// Decides `command` at the time `now` of the machine's clock, or at that of the head if that
    /// is later, and records what follows, in one durable write with the commands of other threads.
    /// Returns once it is durable.
    ///
    /// # Errors
    /// [`SubmitError`]. A command that is refused does not affect others; a write that fails fails
    /// for all that shared it, and what is acknowledged is restored before anything else is taken.
    pub fn submit(&self, command: Command, now: Timestamp) -> Result<Vec<Recorded>, SubmitError> {
        let at = When::Clock(now);
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.push_back(Ticket {
            number,
            request: Request { command, at },
        });
        loop {
            if let Some(answer) = queue.answers.remove(&number) {
                return answer;
            }
            queue = if queue.is_led {
                let woken = self.0.changed.wait(queue);
                woken.unwrap_or_else(PoisonError::into_inner)
            } else {
                self.lead(queue)
            };
        }
    }

    /// Looks at the node, as of its last write. Writes wait meanwhile.
    ///
    /// # Errors
    /// [`SubmitError::Abandoned`] where a thread panicked while it was writing.
    pub fn look<T>(&self, see: impl FnOnce(&Node<L>) -> T) -> Result<T, SubmitError> {
        let node = self.0.node.lock().map_err(|_| SubmitError::Abandoned)?;
        Ok(see(&node))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic happens to the queue under its lock.
        (self.0.queue.lock()).unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes for all that wait.
    fn lead<'a>(&'a self, mut queue: MutexGuard<'a, Queue>) -> MutexGuard<'a, Queue> {
        queue.is_led = true;
        let size = queue.waiting.len().min(MAX_GROUP);
        let group: Vec<Ticket> = queue.waiting.drain(..size).collect();
        drop(queue);
        let mut leader = Leader {
            shared: &self.0,
            group,
            answers: Vec::new(),
        };
        leader.answers = self.write(&leader.group);
        drop(leader);
        self.queue()
    }

    /// The answers to the first commands of a group; all of them where it fails.
    fn write(&self, group: &[Ticket]) -> Vec<Answer> {
        let requests: Vec<Request> = group.iter().map(|it| it.request.clone()).collect();
        let for_all = |error: SubmitError| group.iter().map(|_| Err(error.clone())).collect();
        let Ok(mut node) = self.0.node.lock() else {
            return for_all(SubmitError::Abandoned);
        };
        match write_group(&mut node, &requests, self.0.turns) {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| answer.map_err(SubmitError::from))
                .collect(),
            Err(error) => for_all(SubmitError::Failed(Arc::new(error))),
        }
    }
}

fn write_group<L: Ledger>(
    node: &mut Node<L>,
    requests: &[Request],
    turns: Option<Wait>,
) -> Result<Vec<super::Answer>, NodeError> {
    let resumed = turns.map_or(Ok(()), |wait| node.resume(wait));
    let outcome = resumed
        .and_then(|()| node.recover())
        .and_then(|()| node.submit_each(requests));
    if outcome.is_err() {
        // What can't be restored now is tried again before the next write.
        let _ = node.recover();
    }
    if turns.is_some() {
        node.release();
    }
    outcome
}

/// Hands out answers and the lead when it ends, however it ends.
struct Leader<'a, L> {
    shared: &'a Shared<L>,
    group: Vec<Ticket>,
    /// To the first of the group; the others wait on, unless this one panics.
    answers: Vec<Answer>,
}

impl<L> Drop for Leader<'_, L> {
    fn drop(&mut self) {
        let mut queue = (self.shared.queue.lock()).unwrap_or_else(PoisonError::into_inner);
        let mut group = std::mem::take(&mut self.group).into_iter();
        let answers = std::mem::take(&mut self.answers);
        let is_abandoned = answers.is_empty();
        for (ticket, answer) in group.by_ref().take(answers.len()).zip(answers) {
            queue.answers.insert(ticket.number, answer);
        }
        for ticket in group.rev() {
            if is_abandoned {
                let answer = Err(SubmitError::Abandoned);
                queue.answers.insert(ticket.number, answer);
            } else {
                queue.waiting.push_front(ticket);
            }
        }
        queue.is_led = false;
        drop(queue);
        self.shared.changed.notify_all();
    }
}
