//! Where a line stands among the bytes of a ledger.

use serde::{Deserialize, Serialize};

use super::verify::Tip;

/// Where a line ends in the segments of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The number of the first line of the segment that holds it.
    pub segment: u64,
    /// How many bytes the segments before have.
    pub before: u64,
    /// Where the line ends in its segment, its line feed included.
    pub end: u64,
    /// How long the line is in bytes, its line feed included.
    pub line: u64,
}

impl Place {
    /// Where the next line starts, from the ledger's first byte.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.before.saturating_add(self.end)
    }
}

/// The lines up to one that ends a batch, which need not be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Its last line.
    pub tip: Tip,
    /// Where that line stands.
    pub place: Place,
}
