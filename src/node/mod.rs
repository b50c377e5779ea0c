//! A governance node's shell: decide → append → evolve, the only writer of its ledger.
//!
//! What a service embeds. Nobody ever sees a state that the ledger has not acknowledged: where an
//! append fails, the node returns to what the ledger holds.

mod distinct;
mod group;
pub mod past;
mod predictions;
mod rehearsal;
pub mod repair;
pub mod reported;
pub mod shared;
pub mod signing;
pub mod snapshots;

use std::path::Path;
use std::sync::Arc;

use crate::chain::line::{CheckedEntry, Data, EncodeError, Head, encode_checked};
use crate::chain::merkle::MerkleAccumulator;
use crate::governance::command::Command;
use crate::governance::decide::{Context, decide, decide_in_place};
use crate::governance::event::{Event, Recorded, RecoveryRecorded};
use crate::governance::genesis::{Genesis, found, inaugurate};
use crate::governance::key::SignatureVerifier;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::time::{Seconds, Timestamp};
use crate::identity::MlDsaVerifier;
use crate::ledger::{
    AppendError, FileLedger, Ledger, OpenError, OpenOptions, Recovery, Upstream, Wait, io_code,
};
use crate::parallel;
use crate::replay::{CatchUp, ReplayError};

pub use group::{Answer, MAX_GROUP_BYTES, Request, When};
pub use predictions::{PreparedPrediction, PreparedPredictions, RecordedPredictions, Recording};
pub use rehearsal::Rehearsal;
pub use shared::SharedNode;

/// How far a ledger's head may lie ahead of the writer's clock.
pub const MAX_CLOCK_LEAD: Seconds = Seconds::FIVE_MINUTES;

/// A ledger, the state that its history gives, and the rules between them.
pub struct Node<L> {
    ledger: L,
    state: State,
    merkle: MerkleAccumulator,
    verifier: Box<dyn SignatureVerifier + Send + Sync>,
    /// Whether an append failed and the ledger could not be read back.
    out_of_step: bool,
}

/// Why a node could not do something.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The rules refuse it. Nothing was recorded.
    #[error(transparent)]
    Refused(#[from] Rejection),
    /// The ledger can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The ledger's history is refused.
    #[error("the ledger's history is refused")]
    Replay(#[from] ReplayError),
    /// The ledger did not acknowledge the events.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The events can't be written as lines.
    #[error("the events can't be written: {0}")]
    Encode(#[from] EncodeError),
    /// An event has no canonical form.
    #[error("the event can't be written: {0}")]
    Event(String),
    /// The ledger can't be read.
    #[error("the ledger can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// An append failed, and then the ledger could not be read back: open the node again.
    #[error("the node lost step with its ledger and must be opened again")]
    OutOfStep,
    /// The last entry lies more than five minutes in this clock's future.
    #[error(
        "the last entry is of {head}, more than five minutes ahead of this machine's clock ({now})"
    )]
    HeadInFuture {
        /// The last entry's timestamp.
        head: Timestamp,
        /// The machine's time.
        now: Timestamp,
    },
}

impl NodeError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(rejection) => rejection.code(),
            Self::Open(error) => error.code(),
            Self::Replay(error) => error.code(),
            Self::Append(error) => error.code(),
            Self::Encode(error) => error.code(),
            Self::Event(_) => "event.unwritable",
            Self::Io(error) => io_code(error),
            Self::OutOfStep => "node.out-of-step",
            Self::HeadInFuture { .. } => "clock.head-in-future",
        }
    }

    /// Whether somebody else appended first. Nothing was recorded then, so that it can be decided again on
    /// what they left: see [`Node::retake`].
    #[must_use]
    pub const fn is_overtaken(&self) -> bool {
        matches!(self, Self::Append(AppendError::HeadMoved { .. }))
    }
}

impl<L> std::fmt::Debug for Node<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("ledger", &self.state.ledger())
            .field("entries", &self.state.entries())
            .finish_non_exhaustive()
    }
}

impl Node<FileLedger> {
    /// Opens the ledger in a directory for writing, recovers it from a crash if need be, and
    /// replays it.
    ///
    /// # Errors
    /// [`NodeError`] where the ledger can't be opened or its history is refused.
    pub fn open_dir(dir: &Path, wait: Wait) -> Result<Self, NodeError> {
        Self::open(FileLedger::open(dir, wait)?)
    }

    /// As [`open_dir`](Self::open_dir), with all options.
    ///
    /// # Errors
    /// As [`open_dir`](Self::open_dir).
    pub fn open_dir_with(dir: &Path, options: OpenOptions) -> Result<Self, NodeError> {
        Self::open(FileLedger::open_with(dir, options)?)
    }

    /// Makes the ledger a copy of `upstream` from now on, and takes what is missing.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub fn follow(&mut self, upstream: Arc<dyn Upstream>, wait: Wait) -> Result<(), NodeError> {
        self.ledger.follow(upstream);
        self.resume(wait)
    }
}

impl<L: Ledger> Node<L> {
    /// Founds a new ledger on an empty one.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where the founding breaks a rule, [`NodeError::Append`] where the
    /// ledger is not empty or does not acknowledge.
    pub fn found(ledger: L, genesis: &Genesis, at: Timestamp) -> Result<Self, NodeError> {
        Self::found_with(ledger, genesis, at, Box::new(MlDsaVerifier))
    }

    /// As [`found`](Self::found), with another verifier of signatures.
    ///
    /// # Errors
    /// As [`found`](Self::found).
    pub fn found_with(
        mut ledger: L,
        genesis: &Genesis,
        at: Timestamp,
        verifier: Box<dyn SignatureVerifier + Send + Sync>,
    ) -> Result<Self, NodeError> {
        let context = Context {
            at,
            verifier: verifier.as_ref(),
        };
        let events = found(genesis, &context)?;
        let mut merkle = MerkleAccumulator::new();
        let recorded = append(&mut ledger, &mut merkle, at, events)?;
        let state = inaugurate(&recorded).ok_or(NodeError::Refused(Rejection::NoFounders))?;
        Ok(Self {
            ledger,
            state,
            merkle,
            verifier,
            out_of_step: false,
        })
    }

    /// Replays a ledger.
    ///
    /// # Errors
    /// [`NodeError::Replay`] where its history is refused.
    pub fn open(ledger: L) -> Result<Self, NodeError> {
        Self::open_with(ledger, Box::new(MlDsaVerifier))
    }

    /// As [`open`](Self::open), with another verifier of signatures.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        ledger: L,
        verifier: Box<dyn SignatureVerifier + Send + Sync>,
    ) -> Result<Self, NodeError> {
        let replayed = parallel::replay(ledger.reader()?, verifier.as_ref())?;
        Ok(Self {
            ledger,
            state: replayed.state,
            merkle: replayed.merkle,
            verifier,
            out_of_step: false,
        })
    }

    /// The state as of the last acknowledged entry.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The last acknowledged entry.
    #[must_use]
    pub fn head(&self) -> &Head {
        self.ledger.head()
    }

    /// The Merkle tree over all entry hashes.
    #[must_use]
    pub const fn merkle(&self) -> &MerkleAccumulator {
        &self.merkle
    }

    /// The ledger.
    #[must_use]
    pub const fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Gives the ledger back.
    #[must_use]
    pub fn into_ledger(self) -> L {
        self.ledger
    }

    /// The time for the next entries, given the machine's clock: never before the last entry.
    ///
    /// # Errors
    /// [`NodeError::HeadInFuture`] where the last entry lies more than five minutes ahead.
    pub fn timestamp(&self, now: Timestamp) -> Result<Timestamp, NodeError> {
        let head = self.state.clock();
        if head > now.saturating_add(MAX_CLOCK_LEAD) {
            return Err(NodeError::HeadInFuture { head, now });
        }
        Ok(now.max(head))
    }

    /// What `command` would lead to, without recording anything.
    ///
    /// # Errors
    /// [`Rejection`] with the first rule that says no.
    pub fn preview(&self, command: &Command, at: Timestamp) -> Result<Vec<Event>, Rejection> {
        let verifier = self.verifier.as_ref();
        decide(&self.state, command, &Context { at, verifier })
    }

    /// Decides `command`, appends what follows, and applies it. Empty where the command asks for
    /// what is recorded already.
    ///
    /// # Errors
    /// [`NodeError`]; the state is as before, and so is the ledger unless the error says otherwise.
    pub fn submit(&mut self, command: &Command, at: Timestamp) -> Result<Vec<Recorded>, NodeError> {
        self.submit_all(std::slice::from_ref(command), at)
    }

    /// Decides commands one after the other and appends what follows from all of them in one
    /// durable write: all of it is recorded, or nothing.
    ///
    /// # Errors
    /// [`NodeError`] with the first command's that is refused; nothing was recorded then.
    pub fn submit_all(
        &mut self,
        commands: &[Command],
        at: Timestamp,
    ) -> Result<Vec<Recorded>, NodeError> {
        if self.out_of_step {
            return Err(NodeError::OutOfStep);
        }
        let mut behind_the_first = commands.iter().skip(1);
        if behind_the_first.any(|command| matches!(command, Command::RecordCheckpoint(_))) {
            // The hashes of what is decided before it are not known until all of it is written.
            return Err(Rejection::CheckpointPlace.into());
        }
        let recoveries = self.ledger.unrecorded_recoveries()?;
        // One command that is refused changes nothing. Of several, those before it have to be
        // taken back.
        let before = (commands.len() > 1).then(|| self.state.clone());
        let mut events = match self.decide_all(commands, at) {
            Ok(events) => events,
            Err(rejection) => {
                if let Some(before) = before {
                    self.state = before;
                }
                return Err(rejection.into());
            }
        };
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let decided = events.len();
        let recorded_too: Vec<Command> = recoveries.iter().map(recovery_command).collect();
        events.extend(self.decide_all(&recorded_too, at)?);
        let mut recorded = match append(&mut self.ledger, &mut self.merkle, at, events) {
            Ok(recorded) => recorded,
            Err(error) => {
                self.go_back(before)?;
                return Err(error);
            }
        };
        self.state.settle(&recorded);
        self.mark_recorded(&recoveries);
        recorded.truncate(decided);
        Ok(recorded)
    }

    /// Decides commands one after the other, each on the state that the ones before it lead to.
    fn decide_all(&mut self, commands: &[Command], at: Timestamp) -> Result<Vec<Event>, Rejection> {
        let verifier = self.verifier.as_ref();
        let context = Context { at, verifier };
        let mut events = Vec::new();
        for command in commands {
            events.extend(decide_in_place(&mut self.state, command, &context)?);
        }
        Ok(events)
    }

    /// Lets other processes append until [`resume`](Self::resume).
    pub fn release(&mut self) {
        self.ledger.release();
    }

    /// Takes the ledger up again after [`release`](Self::release), and replays what others
    /// appended meanwhile, and nothing else.
    ///
    /// # Errors
    /// [`NodeError::Open`] where somebody else keeps writing or the ledger is damaged,
    /// [`NodeError::Replay`] where what was appended is not what the rules give.
    pub fn resume(&mut self, wait: Wait) -> Result<(), NodeError> {
        let Some(appended) = self.ledger.resume(wait)? else {
            return Ok(());
        };
        // Until all of it is replayed, the state is neither the old one nor the new one.
        let was_out_of_step = std::mem::replace(&mut self.out_of_step, true);
        let catch_up = CatchUp {
            state: &mut self.state,
            merkle: &mut self.merkle,
            tip: appended.tip,
            offset: appended.offset,
        };
        catch_up.replay(appended.bytes, self.verifier.as_ref())?;
        self.out_of_step = was_out_of_step;
        Ok(())
    }

    /// Takes the ledger up as others left it, after one of them appended first.
    ///
    /// # Errors
    /// As [`resume`](Self::resume) and [`recover`](Self::recover).
    pub fn retake(&mut self, wait: Wait) -> Result<(), NodeError> {
        self.recover()?;
        self.release();
        self.resume(wait)
    }

    /// Returns to exactly what is acknowledged after a failed append, if there was one: the ledger
    /// and the state.
    ///
    /// # Errors
    /// [`NodeError`] where the ledger can't be made durable or read; nothing is taken then, and
    /// this can be tried again.
    pub fn recover(&mut self) -> Result<(), NodeError> {
        self.ledger.recover()?;
        if self.out_of_step {
            self.go_back(None)?;
        }
        Ok(())
    }

    /// What becomes of recoveries that have no record yet, each on the state that those before it lead to.
    fn decide_recoveries(
        &mut self,
        recoveries: &[Recovery],
    ) -> Result<Vec<(Timestamp, Event)>, NodeError> {
        let mut decided = Vec::new();
        for recovery in recoveries {
            let when = When::At(self.state.clock());
            let (at, events) = self.decide_at(&recovery_command(recovery), when)?;
            decided.extend(events.into_iter().map(|event| (at, event)));
        }
        Ok(decided)
    }

    /// Notes that recoveries have a record. One that can't be marked is recorded once more with the next
    /// append, which does no harm.
    fn mark_recorded(&mut self, recoveries: &[Recovery]) {
        for recovery in recoveries {
            let _ = self.ledger.mark_recorded(recovery);
        }
    }

    /// Leaves nothing of what was decided and not acknowledged.
    fn undo(&mut self, error: NodeError) -> NodeError {
        // Where that fails, too, the node knows that it lost step.
        let _ = self.go_back(None);
        error
    }

    /// Returns to what the ledger has acknowledged.
    fn go_back(&mut self, before: Option<State>) -> Result<(), NodeError> {
        self.out_of_step = true;
        match before {
            Some(state) => self.state = state,
            None => {
                let replayed = parallel::replay(self.ledger.reader()?, self.verifier.as_ref())?;
                self.state = replayed.state;
                self.merkle = replayed.merkle;
            }
        }
        self.out_of_step = false;
        Ok(())
    }
}

fn recovery_command(recovery: &Recovery) -> Command {
    Command::RecordRecovery(RecoveryRecorded {
        bytes: recovery.bytes,
        offset: recovery.offset,
        sha256: recovery.sha256,
    })
}

/// An event as it is written. What would not be read again as the same event is never written: no
/// node could open the ledger after it. Predictions come by the million and consist of parts that have
/// one form each, so that tests alone read them back.
fn entry(event: &Event, at: Timestamp) -> Result<CheckedEntry, NodeError> {
    let data = event.data().map_err(NodeError::Event)?;
    let data = String::from(Box::<str>::from(data));
    if cfg!(debug_assertions) || !matches!(event, Event::PredictionRecorded(_)) {
        require_read_back(event, &data)?;
    }
    let data = Data::Whole(data);
    Ok(CheckedEntry::of_canonical(at, event.operation(), data))
}

fn require_read_back(event: &Event, data: &str) -> Result<(), NodeError> {
    let read = Event::decode_canonical(event.operation(), data)
        .map_err(|error| NodeError::Event(error.to_string()))?;
    if read != *event {
        let operation = event.operation();
        return Err(NodeError::Event(format!("{operation} reads otherwise")));
    }
    Ok(())
}

/// Writes events of one instant as one batch.
fn append<L: Ledger>(
    ledger: &mut L,
    merkle: &mut MerkleAccumulator,
    at: Timestamp,
    events: Vec<Event>,
) -> Result<Vec<Recorded>, NodeError> {
    let entries = events
        .iter()
        .map(|event| entry(event, at))
        .collect::<Result<Vec<_>, NodeError>>()?;
    let head = *ledger.head();
    let batch = encode_checked(&head, &entries)?;
    ledger.append(&head, &batch)?;
    let places = batch.entries().iter();
    Ok(places
        .zip(events)
        .map(|(place, event)| {
            merkle.push(&place.hash);
            Recorded {
                seq: place.seq,
                timestamp: at,
                hash: place.hash,
                event,
            }
        })
        .collect())
}
