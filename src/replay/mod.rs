//! History → state.
//!
//! Replay trusts nothing because it stands in a log. After each cause it asks the rules what
//! follows, and requires exactly those events in exactly that order: nothing made up, nothing left
//! out. Signatures are checked again. Specification, "Determinism".

mod catch_up;
pub mod counterfactual;
pub mod divergence;
mod error;
pub(crate) mod examine;
pub(crate) mod foreseen;
pub mod receipt;
mod signatures;
pub mod snapshot;
pub mod state_differences;

use std::io::Read;

use crate::chain::line::{BatchPosition, Head};
use crate::chain::lines::{Ending, LineReader};
use crate::chain::merkle::MerkleAccumulator;
use crate::chain::verify::ChainVerifier;
use crate::governance::command::Command;
use crate::governance::consequence::next_consequence;
use crate::governance::decide::{Context, admit, may_have_consequences};
use crate::governance::event::{Event, Recorded};
use crate::governance::genesis::{Genesis, found, inaugurate};
use crate::governance::key::SignatureVerifier;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::time::Timestamp;

pub use catch_up::CatchUp;
pub use error::{Illegal, ReplayError, ReplayProblem};
pub use signatures::Unchecked;
pub use snapshot::Snapshot;

/// A history in the course of being read.
pub struct Replay<'v> {
    verifier: &'v dyn SignatureVerifier,
    chain: ChainVerifier,
    /// `None` where the tree is not wanted.
    merkle: Option<MerkleAccumulator>,
    progress: Progress,
    offset: u64,
}

/// What an entry is to the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A part of the founding.
    Founding,
    /// Something that somebody did.
    Cause,
    /// Something that followed from a cause.
    Consequence,
}

/// How far a history has come.
enum Progress {
    /// Reading the founding batch.
    Founding(Vec<Recorded>),
    /// The ledger is founded. `cause_at` is the time of a cause whose consequences may still be
    /// outstanding.
    Governed {
        state: Box<State>,
        cause_at: Option<Timestamp>,
    },
}

/// What a whole history amounts to.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The state as of the last entry.
    pub state: State,
    /// The last entry.
    pub head: Head,
    /// The Merkle tree over all entry hashes.
    pub merkle: MerkleAccumulator,
}

impl<'v> Replay<'v> {
    /// A replay that expects the first line of a ledger.
    #[must_use]
    pub fn new(verifier: &'v dyn SignatureVerifier) -> Self {
        Self {
            verifier,
            chain: ChainVerifier::new(),
            merkle: Some(MerkleAccumulator::new()),
            progress: Progress::Founding(Vec::new()),
            offset: 0,
        }
    }

    /// A replay that expects the line behind a snapshot.
    ///
    /// Nothing of the snapshot is checked here: whoever resumes from one answers for it.
    #[must_use]
    pub fn resume(verifier: &'v dyn SignatureVerifier, snapshot: Snapshot) -> Self {
        let prefix = snapshot.header().prefix();
        let Replayed { state, merkle, .. } = snapshot.into_replayed();
        Self {
            verifier,
            chain: ChainVerifier::resume(prefix.tip),
            merkle: Some(merkle),
            progress: Progress::Governed {
                state: Box::new(state),
                cause_at: None,
            },
            offset: prefix.place.offset(),
        }
    }

    /// Takes all of `lines` and ends the replay.
    ///
    /// # Errors
    /// As [`replay`].
    pub fn read_to_end<R: Read>(mut self, lines: LineReader<R>) -> Result<Replayed, ReplayError> {
        self.take_lines(lines)?;
        self.finish()
    }

    /// Takes what is left of a stream of which everything before was taken.
    pub(crate) fn read_rest(&mut self, rest: impl Read) -> Result<(), ReplayError> {
        let lines = LineReader::new(rest).starting_at(self.offset);
        self.take_lines(lines)
    }

    fn take_lines<R: Read>(&mut self, mut lines: LineReader<R>) -> Result<(), ReplayError> {
        loop {
            let seq = self.chain.head().seq + 1;
            let offset = self.offset;
            let line = lines
                .next_line()
                .map_err(|error| ReplayError::new(seq, offset, error.into()))?;
            match line {
                None => return Ok(()),
                Some(line) if line.ending == Ending::LineFeed => self.line(line.bytes)?,
                Some(_) => return Err(ReplayError::new(seq, offset, ReplayProblem::Incomplete)),
            }
        }
    }

    /// Takes the next line, given without its line feed.
    ///
    /// # Errors
    /// [`ReplayError`] with the line's number and byte offset. The replay can't go on then.
    pub fn line(&mut self, raw: &[u8]) -> Result<(), ReplayError> {
        self.entry(raw).map(drop)
    }

    /// As [`line`](Self::line), and returns what the line recorded and its role.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn entry(&mut self, raw: &[u8]) -> Result<(Recorded, Role), ReplayError> {
        let offset = self.offset;
        let entry = self
            .take(raw)
            .map_err(|(seq, problem)| ReplayError::new(seq, offset, problem))?;
        self.offset += raw.len() as u64 + 1;
        Ok(entry)
    }

    fn take(&mut self, raw: &[u8]) -> Result<(Recorded, Role), (u64, ReplayProblem)> {
        let line = self
            .chain
            .read(raw)
            .map_err(|error| (error.seq(), ReplayProblem::Chain(error)))?;
        if let Some(merkle) = &mut self.merkle {
            merkle.push(&line.entry_hash);
        }
        let at_line = |problem| (line.seq, problem);
        let event = Event::decode_canonical(line.operation, line.data)
            .map_err(|error| at_line(ReplayProblem::Event(error)))?;
        let recorded = Recorded {
            seq: line.seq,
            timestamp: line.timestamp,
            hash: line.entry_hash,
            event,
        };
        let role = self
            .progress
            .enter(&recorded, line.batch, self.verifier)
            .map_err(|illegal| at_line(ReplayProblem::Illegal(illegal)))?;
        Ok((recorded, role))
    }

    /// What checks the chain behind the last line that was read, whether or not the rules took it.
    #[must_use]
    pub fn into_chain(self) -> ChainVerifier {
        self.chain
    }

    /// The state so far; `None` before the ledger is founded.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        match &self.progress {
            Progress::Founding(_) => None,
            Progress::Governed { state, .. } => Some(state),
        }
    }

    /// Ends the replay, which must have come to the end of a batch.
    ///
    /// # Errors
    /// [`ReplayError`] where the last batch is incomplete, or nothing was read at all.
    pub fn finish(mut self) -> Result<Replayed, ReplayError> {
        let merkle = self.merkle.take().unwrap_or_default();
        let (state, head) = self.finish_without_tree()?;
        Ok(Replayed {
            state,
            head,
            merkle,
        })
    }

    /// Keeps no Merkle tree from here on, for those who want the state alone.
    pub(crate) fn without_tree(mut self) -> Self {
        self.merkle = None;
        self
    }

    /// Whether the Merkle tree is kept.
    pub(crate) const fn has_tree(&self) -> bool {
        self.merkle.is_some()
    }

    /// The number of the last line, and where the next one starts.
    pub(crate) const fn position(&self) -> (u64, u64) {
        (self.chain.head().seq, self.offset)
    }

    /// As [`finish`](Self::finish), of a replay without the tree.
    pub(crate) fn finish_without_tree(self) -> Result<(State, Head), ReplayError> {
        let head = self.chain.head();
        let incomplete = ReplayError::new(head.seq + 1, self.offset, ReplayProblem::Incomplete);
        match self.progress {
            Progress::Governed { state, .. } if self.chain.batch_complete() => Ok((*state, head)),
            _ => Err(incomplete),
        }
    }
}

impl Progress {
    fn enter(
        &mut self,
        recorded: &Recorded,
        batch: BatchPosition,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Role, Illegal> {
        match self {
            Self::Founding(entries) => {
                entries.push(recorded.clone());
                if batch.is_last() {
                    let state = Box::new(founded(entries, verifier)?);
                    *self = Self::Governed {
                        state,
                        cause_at: None,
                    };
                }
                Ok(Role::Founding)
            }
            Self::Governed { state, cause_at } => {
                let is_checkpoint = matches!(recorded.event, Event::CheckpointRecorded(_));
                if is_checkpoint && batch.index > 1 {
                    return Err(Rejection::CheckpointPlace.into());
                }
                let role = advance(state, cause_at, recorded, verifier)?;
                if batch.is_last() {
                    require_nothing_outstanding(state, *cause_at)?;
                    *cause_at = None;
                }
                Ok(role)
            }
        }
    }
}

/// Decides the founding again and requires what the entries claim.
fn founded(entries: &[Recorded], verifier: &dyn SignatureVerifier) -> Result<State, Illegal> {
    let claimed: Vec<Event> = entries.iter().map(|entry| entry.event.clone()).collect();
    let at = entries
        .first()
        .map(|entry| entry.timestamp)
        .ok_or(Illegal::Genesis)?;
    let genesis = Genesis::claimed_by(&claimed).ok_or(Illegal::Genesis)?;
    let events = found(&genesis, &Context { at, verifier })?;
    if events != claimed || entries.iter().any(|entry| entry.timestamp != at) {
        return Err(Illegal::Genesis);
    }
    inaugurate(entries).ok_or(Illegal::Genesis)
}

/// Requires the consequence that is outstanding, or decides a new cause.
fn advance(
    state: &mut State,
    cause_at: &mut Option<Timestamp>,
    recorded: &Recorded,
    verifier: &dyn SignatureVerifier,
) -> Result<Role, Illegal> {
    let outstanding = cause_at.and_then(|at| next_consequence(state, at).map(|event| (at, event)));
    let role = match outstanding {
        Some((at, expected)) => {
            require(&expected, &recorded.event)?;
            if recorded.timestamp != at {
                return Err(Illegal::Time { expected: at });
            }
            Role::Consequence
        }
        None => {
            let context = Context {
                at: recorded.timestamp,
                verifier,
            };
            require_cause(state, &recorded.event, &context)?;
            *cause_at = may_have_consequences(&recorded.event).then_some(recorded.timestamp);
            Role::Cause
        }
    };
    state.apply(
        recorded.seq,
        recorded.timestamp,
        recorded.hash,
        &recorded.event,
    );
    Ok(role)
}

fn require_cause(state: &State, event: &Event, context: &Context<'_>) -> Result<(), Illegal> {
    let command = Command::that_causes(event).ok_or(Illegal::NoCause {
        operation: event.operation(),
    })?;
    let decided = admit(state, &command, context)?.ok_or(Illegal::AlreadyRecorded)?;
    require(&decided, event)
}

fn require(expected: &Event, found: &Event) -> Result<(), Illegal> {
    if expected == found {
        return Ok(());
    }
    Err(Illegal::Divergence {
        expected: expected.operation(),
        found: found.operation(),
    })
}

fn require_nothing_outstanding(state: &State, cause_at: Option<Timestamp>) -> Result<(), Illegal> {
    match cause_at.and_then(|at| next_consequence(state, at)) {
        Some(missing) => Err(Illegal::Missing {
            expected: missing.operation(),
        }),
        None => Ok(()),
    }
}

/// Replays everything that `source` yields, in bounded memory.
///
/// # Errors
/// [`ReplayError`] with the first line that is not what the rules give.
pub fn replay(
    source: impl Read,
    verifier: &dyn SignatureVerifier,
) -> Result<Replayed, ReplayError> {
    replay_lines(LineReader::new(source), verifier)
}

/// Replays the lines of `lines`.
///
/// # Errors
/// As [`replay`].
pub fn replay_lines<R: Read>(
    lines: LineReader<R>,
    verifier: &dyn SignatureVerifier,
) -> Result<Replayed, ReplayError> {
    Replay::new(verifier).read_to_end(lines)
}
