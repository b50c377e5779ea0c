//! The ledger of a node in a cluster: as any other, but that what a crash left behind is no event.
//!
//! Every node's ledger is the same, byte for byte, and one node's crash is no other's business: what
//! was set aside stays in the node's quarantine, and the log says so.

use std::io::{self, Read};

use crate::chain::line::{EncodedBatch, Head};
use crate::ledger::{AppendError, FileLedger, Ledger};

/// A ledger whose recoveries are not recorded in it.
#[derive(Debug)]
pub struct ClusterLedger(FileLedger);

impl ClusterLedger {
    /// Keeps the recoveries of `ledger` out of it.
    #[must_use]
    pub const fn new(ledger: FileLedger) -> Self {
        Self(ledger)
    }
}

impl Ledger for ClusterLedger {
    fn head(&self) -> &Head {
        self.0.head()
    }

    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        self.0.append(expected, batch)
    }

    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        self.0.reader()
    }

    fn is_poisoned(&self) -> bool {
        self.0.is_poisoned()
    }

    fn recover(&mut self) -> io::Result<()> {
        self.0.recover()
    }
}
