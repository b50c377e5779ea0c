//! Replaying only what others appended to a history that is known already.

use std::io::Read;

use super::{Illegal, ReplayError, ReplayProblem, advance, require_nothing_outstanding};
use crate::chain::lines::{Ending, LineReader};
use crate::chain::merkle::MerkleAccumulator;
use crate::chain::verify::{ChainVerifier, Tip};
use crate::governance::event::{Event, Recorded};
use crate::governance::key::SignatureVerifier;
use crate::governance::state::State;
use crate::governance::time::Timestamp;

/// A known history, to which more was appended.
#[derive(Debug)]
pub struct CatchUp<'a> {
    /// The state as of the last known entry.
    pub state: &'a mut State,
    /// The Merkle tree over all known entries.
    pub merkle: &'a mut MerkleAccumulator,
    /// The last known entry, which ends a batch.
    pub tip: Tip,
    /// How many bytes are known.
    pub offset: u64,
}

impl CatchUp<'_> {
    /// Replays the lines that `source` yields behind the known ones.
    ///
    /// # Errors
    /// [`ReplayError`] with the first line that is not what the rules give. What was known is lost
    /// then: the state holds part of what follows it.
    pub fn replay(
        self,
        source: impl Read,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), ReplayError> {
        let mut chain = ChainVerifier::resume(self.tip);
        let mut lines = LineReader::new(source).starting_at(self.offset);
        let mut cause_at = None;
        loop {
            let seq = chain.head().seq.saturating_add(1);
            let line = lines
                .next_line()
                .map_err(|error| ReplayError::new(seq, self.offset, error.into()))?;
            let Some(line) = line else {
                break;
            };
            let at_line = |problem| ReplayError::new(seq, line.offset, problem);
            if line.ending != Ending::LineFeed {
                return Err(at_line(ReplayProblem::Incomplete));
            }
            let entry = enter(&mut chain, self.merkle, line.bytes).map_err(at_line)?;
            follow(self.state, &mut cause_at, &entry, &chain, verifier)
                .map_err(|illegal| at_line(ReplayProblem::Illegal(illegal)))?;
        }
        if chain.batch_complete() {
            return Ok(());
        }
        let seq = chain.head().seq.saturating_add(1);
        Err(ReplayError::new(
            seq,
            self.offset,
            ReplayProblem::Incomplete,
        ))
    }
}

fn enter(
    chain: &mut ChainVerifier,
    merkle: &mut MerkleAccumulator,
    raw: &[u8],
) -> Result<Recorded, ReplayProblem> {
    let line = chain.read(raw).map_err(ReplayProblem::Chain)?;
    merkle.push(&line.entry_hash);
    let event = Event::decode_canonical(line.operation, line.data).map_err(ReplayProblem::Event)?;
    Ok(Recorded {
        seq: line.seq,
        timestamp: line.timestamp,
        hash: line.entry_hash,
        event,
    })
}

fn follow(
    state: &mut State,
    cause_at: &mut Option<Timestamp>,
    entry: &Recorded,
    chain: &ChainVerifier,
    verifier: &dyn SignatureVerifier,
) -> Result<(), Illegal> {
    advance(state, cause_at, entry, verifier)?;
    if chain.batch_complete() {
        require_nothing_outstanding(state, *cause_at)?;
        *cause_at = None;
    }
    Ok(())
}
