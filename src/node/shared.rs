//! One node for many threads, and one ledger for many processes.
//!
//! A durable write costs a sync, whatever its size. So callers put their commands into a queue; one
//! of them leads: it takes all that wait, has them decided in order and written as one batch, hands
//! out the answers, and hands the lead to the first of those who came meanwhile. Each caller is woken
//! alone: with its answer, or to lead.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "threads wait for each other here"
)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

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
    node: Mutex<Node<L>>,
    /// How long to wait for other processes, where the ledger is written in turn with them.
    turns: Option<Wait>,
}

/// Nobody waits unless somebody leads.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Ticket>,
    is_led: bool,
}

struct Ticket {
    request: Request,
    caller: Arc<Caller>,
}

/// A thread that waits to be told something.
struct Caller {
    told: Mutex<Option<Told>>,
    thread: Thread,
}

enum Told {
    Answer(Answer),
    /// The one who led is done with writing, and this one's command is the first that waits.
    Lead,
}

impl Caller {
    fn of_this_thread() -> Arc<Self> {
        Arc::new(Self {
            told: Mutex::default(),
            thread: thread::current(),
        })
    }

    fn tell(&self, told: Told) {
        *self.told() = Some(told);
        self.thread.unpark();
    }

    fn wait(&self) -> Told {
        loop {
            if let Some(told) = self.told().take() {
                return told;
            }
            thread::park();
        }
    }

    fn told(&self) -> MutexGuard<'_, Option<Told>> {
        // Nothing that can panic happens under this lock.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
        let caller = Caller::of_this_thread();
        let ticket = Ticket {
            request: Request {
                command,
                at: When::Clock(now),
            },
            caller: Arc::clone(&caller),
        };
        if self.enqueue(ticket) {
            self.lead();
        }
        loop {
            match caller.wait() {
                Told::Answer(answer) => return answer,
                Told::Lead => self.lead(),
            }
        }
    }

    /// Whether the caller has to lead.
    fn enqueue(&self, ticket: Ticket) -> bool {
        let mut queue = self.0.queue();
        queue.waiting.push_back(ticket);
        !std::mem::replace(&mut queue.is_led, true)
    }

    /// Looks at the node, as of its last write. Writes wait meanwhile.
    ///
    /// # Errors
    /// [`SubmitError::Abandoned`] where a thread panicked while it was writing.
    pub fn look<T>(&self, see: impl FnOnce(&Node<L>) -> T) -> Result<T, SubmitError> {
        let node = self.0.node.lock().map_err(|_| SubmitError::Abandoned)?;
        Ok(see(&node))
    }

    /// Writes for all that wait.
    fn lead(&self) {
        let mut leader = Leader {
            shared: &self.0,
            requests: Vec::new(),
            callers: VecDeque::new(),
            answers: Vec::new(),
        };
        let mut queue = self.0.queue();
        let size = queue.waiting.len().min(MAX_GROUP);
        for ticket in queue.waiting.drain(..size) {
            leader.requests.push(ticket.request);
            leader.callers.push_back(ticket.caller);
        }
        drop(queue);
        leader.answers = self.write(&leader.requests);
    }

    /// The answers to the first commands of a group; all of them where it fails.
    fn write(&self, requests: &[Request]) -> Vec<Answer> {
        let for_all = |error: SubmitError| requests.iter().map(|_| Err(error.clone())).collect();
        let Ok(mut node) = self.0.node.lock() else {
            return for_all(SubmitError::Abandoned);
        };
        match write_group(&mut node, requests, self.0.turns) {
            Ok(answers) => answers
                .into_iter()
                .map(|answer| answer.map_err(SubmitError::from))
                .collect(),
            Err(error) => for_all(SubmitError::Failed(Arc::new(error))),
        }
    }
}

impl<L> Shared<L> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic happens to the queue under its lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts what was not looked at back to where it was. Returns how many wait then.
    fn put_back(&self, left: impl DoubleEndedIterator<Item = Ticket>) -> usize {
        let mut queue = self.queue();
        for ticket in left.rev() {
            queue.waiting.push_front(ticket);
        }
        queue.waiting.len()
    }

    fn hand_on_the_lead(&self) {
        let mut queue = self.queue();
        match queue.waiting.front() {
            Some(next) => next.caller.tell(Told::Lead),
            None => queue.is_led = false,
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

/// Hands out the lead and the answers when it ends, however it ends.
struct Leader<'a, L> {
    shared: &'a Shared<L>,
    requests: Vec<Request>,
    callers: VecDeque<Arc<Caller>>,
    /// To the first of the group; the others wait on, unless this one panics.
    answers: Vec<Answer>,
}

impl<L> Drop for Leader<'_, L> {
    fn drop(&mut self) {
        let mut answers = std::mem::take(&mut self.answers);
        if answers.is_empty() {
            let abandoned = || Err(SubmitError::Abandoned);
            answers.resize_with(self.callers.len(), abandoned);
        }
        let waiting_on = self
            .callers
            .split_off(answers.len().min(self.callers.len()));
        let requests = self.requests.drain(self.callers.len()..);
        let left = requests.zip(waiting_on);
        let left = left.map(|(request, caller)| Ticket { request, caller });
        // Who gets an answer may come back at once, and a sync costs as much for one as for many: where
        // few wait, the next write waits for the answers to go out.
        let is_worth_a_write = 2 * self.shared.put_back(left) >= answers.len();
        if is_worth_a_write {
            self.shared.hand_on_the_lead();
        }
        for (caller, answer) in self.callers.drain(..).zip(answers) {
            caller.tell(Told::Answer(answer));
        }
        if !is_worth_a_write {
            self.shared.hand_on_the_lead();
        }
    }
}
