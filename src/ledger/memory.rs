//! A ledger in memory, for tests and simulations.

use std::io::{self, Cursor, Read};

use super::diagnosis::{Diagnosis, Refusal, SegmentStart, diagnose};
use super::{AppendError, Ledger, check_continues, tip_after};
use crate::chain::line::{EncodedBatch, Head};
use crate::chain::verify::Tip;

/// A ledger whose bytes live in memory. They are the bytes that a file would hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryLedger {
    bytes: Vec<u8>,
    tip: Tip,
}

impl MemoryLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A ledger from the bytes of complete batches.
    ///
    /// # Errors
    /// [`Refusal`] where the bytes are anything else; `tail.torn` where they merely end too early.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Refusal> {
        let mut source = Cursor::new(&bytes);
        let diagnosis = diagnose(&mut source, &SegmentStart::default(), None);
        match diagnosis.map_err(|error| Refusal::unreadable(&error))? {
            Diagnosis::Clean { tip, .. } => Ok(Self { bytes, tip }),
            Diagnosis::Torn { tip, tail, .. } => Err(Refusal::torn(&tip, &tail)),
            Diagnosis::Refused(refusal) => Err(refusal),
        }
    }

    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Ledger for MemoryLedger {
    fn head(&self) -> &Head {
        &self.tip.head
    }

    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        check_continues(&self.tip, expected, batch)?;
        self.bytes.extend_from_slice(batch.bytes());
        self.tip = tip_after(batch);
        Ok(())
    }

    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.bytes.as_slice()))
    }
}
