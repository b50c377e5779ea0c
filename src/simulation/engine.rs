//! What a replica runs: the production node over a ledger in memory.
//!
//! Behind a trait for one reason: the tests of the checker put broken engines in its place.

use std::io::Cursor;

use crate::chain::line::Head;
use crate::governance::command::Command;
use crate::governance::event::Recorded;
use crate::governance::genesis::Genesis;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::ledger::{Diagnosis, MemoryLedger, SegmentStart, diagnose};
use crate::node::{Node, NodeError};

use super::signer::Signatures;

/// Decides ordered commands and keeps the ledger.
pub(crate) trait Engine {
    /// Decides a command and appends what follows from it.
    fn submit(&mut self, command: &Command, at: Timestamp) -> Result<Vec<Recorded>, NodeError>;
    /// The state as of the last entry.
    fn state(&self) -> &State;
    /// The last entry.
    fn head(&self) -> Head;
    /// The ledger's bytes.
    fn bytes(&self) -> &[u8];
}

/// Makes engines.
pub(crate) trait Workshop: Sync {
    /// An engine with a new ledger.
    fn found(
        &self,
        genesis: &Genesis,
        at: Timestamp,
        signatures: Signatures,
    ) -> Result<Box<dyn Engine>, NodeError>;

    /// An engine that starts from the bytes of complete batches.
    fn open(&self, bytes: Vec<u8>, signatures: Signatures) -> Result<Box<dyn Engine>, NodeError>;
}

/// Makes production nodes.
pub(crate) struct Production;

impl Workshop for Production {
    fn found(
        &self,
        genesis: &Genesis,
        at: Timestamp,
        signatures: Signatures,
    ) -> Result<Box<dyn Engine>, NodeError> {
        let ledger = MemoryLedger::new();
        let node = Node::found_with(ledger, genesis, at, signatures.verifier())?;
        Ok(Box::new(node))
    }

    fn open(&self, bytes: Vec<u8>, signatures: Signatures) -> Result<Box<dyn Engine>, NodeError> {
        let node = Node::open_with(ledger_of(bytes)?, signatures.verifier())?;
        Ok(Box::new(node))
    }
}

impl Engine for Node<MemoryLedger> {
    fn submit(&mut self, command: &Command, at: Timestamp) -> Result<Vec<Recorded>, NodeError> {
        Self::submit(self, command, at)
    }

    fn state(&self) -> &State {
        Self::state(self)
    }

    fn head(&self) -> Head {
        *Self::head(self)
    }

    fn bytes(&self) -> &[u8] {
        self.ledger().bytes()
    }
}

/// A ledger of bytes that may end in a torn write, which is set aside.
pub(crate) fn ledger_of(mut bytes: Vec<u8>) -> Result<MemoryLedger, NodeError> {
    let diagnosis = diagnose(&mut Cursor::new(&bytes), &SegmentStart::default(), None)?;
    if let Diagnosis::Torn { keep_bytes, .. } = diagnosis {
        bytes.truncate(usize::try_from(keep_bytes).unwrap_or(usize::MAX));
    }
    MemoryLedger::from_bytes(bytes)
        .map_err(|refusal| NodeError::Io(std::io::Error::other(refusal.to_string())))
}
