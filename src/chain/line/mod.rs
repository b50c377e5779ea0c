//! The bytes of one line of a ledger.
//!
//! ```text
//! {"v":1,"seq":12,"batch":[1,3],"timestamp":"2026-05-04T09:30:00.000000Z","operation":"vote_cast","data":{…},"prev_hash":"<64 hex>","entry_hash":"<64 hex>"}
//! ```
//!
//! The keys stand in exactly this order, without spaces; a line feed ends the line. `entry_hash` is
//! the SHA-256 of every byte before the last 81, which are `,"entry_hash":"…"}`: found by length,
//! never by searching, so that `head -c -82 | sha256sum` checks a line, line feed included.

mod decode;
mod encode;

use std::fmt;

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use crate::governance::canonical::Numbers;
use crate::governance::digest::Digest;

pub(crate) use decode::{LINE_START, Position, check_data};
pub use decode::{Line, LineError};
pub(crate) use encode::{CheckedEntry, Data, encode_checked};
pub use encode::{EncodeError, EncodedBatch, EncodedEntry, NewEntry, encode_batch};

/// The only line version that is written and read.
pub const VERSION: u64 = 1;

/// The longest line, its line feed not counted: 1 MiB.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// The longest operation name.
pub const MAX_OPERATION_BYTES: usize = 64;

/// What stands between the hashed bytes and the hash.
const ENTRY_HASH_KEY: &str = ",\"entry_hash\":\"";

/// The length of `,"entry_hash":"<64 hex>"}`, the part of a line that its hash does not cover.
const ENTRY_HASH_BYTES: usize = ENTRY_HASH_KEY.len() + 64 + 2;

/// The length of `,"prev_hash":"<64 hex>"`.
const PREV_HASH_BYTES: usize = ",\"prev_hash\":\"".len() + 64 + 1;

/// The last line of a chain: what the next line continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Head {
    /// The sequence number of the last line, 0 where there is none.
    pub seq: u64,
    /// The entry hash of the last line, zeros where there is none.
    pub hash: Digest,
}

impl Head {
    /// The head of an empty chain.
    pub const GENESIS: Self = Self {
        seq: 0,
        hash: Digest::ZERO,
    };
}

impl Default for Head {
    fn default() -> Self {
        Self::GENESIS
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.seq, self.hash.short())
    }
}

/// A line's place in its batch: the `index`-th of `count` lines that were written as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchPosition {
    /// From 1 to `count`.
    pub index: u64,
    /// How many lines the batch has.
    pub count: u64,
}

impl BatchPosition {
    /// Whether this line ends its batch.
    #[must_use]
    pub const fn is_last(self) -> bool {
        self.index == self.count
    }
}

impl fmt::Display for BatchPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{},{}]", self.index, self.count)
    }
}

/// A prediction's output summary keeps its figures as they were given; all else holds integers.
fn numbers_of(operation: &str) -> Numbers {
    if operation == "prediction_recorded" {
        Numbers::Any
    } else {
        Numbers::Integers
    }
}

fn is_operation_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

/// What a line's hash covers: every byte before the last 81.
fn covered(line: &[u8]) -> Option<&[u8]> {
    line.get(..line.len().checked_sub(ENTRY_HASH_BYTES)?)
}

/// The hash that the last 81 bytes of `line` state, where they have the form to state one.
fn stated_hash(line: &[u8]) -> Option<Digest> {
    let last = line.get(line.len().checked_sub(ENTRY_HASH_BYTES)?..)?;
    let hex = (last.strip_prefix(ENTRY_HASH_KEY.as_bytes())?).strip_suffix(b"\"}")?;
    Digest::from_hex(hex).ok()
}

/// The stated and the computed hash of bytes that end like a line, where the two differ.
pub(crate) fn stated_hash_differs(line: &[u8]) -> Option<(Digest, Digest)> {
    let stated = stated_hash(line)?;
    let computed = Digest::of(covered(line)?);
    (stated != computed).then_some((stated, computed))
}

/// Whether `bytes` start with a line that carries its own hash and go on behind it.
pub(crate) fn contains_whole_line(bytes: &[u8]) -> bool {
    let mut hasher = Sha256::new();
    let mut hashed = 0;
    for at in memmem::find_iter(bytes, ENTRY_HASH_KEY) {
        hasher.update(bytes.get(hashed..at).unwrap_or_default());
        hashed = at;
        let end = at + ENTRY_HASH_BYTES;
        if end >= bytes.len() {
            return false;
        }
        let computed = Digest::from_bytes(hasher.clone().finalize().into());
        if bytes.get(..end).and_then(stated_hash) == Some(computed) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests;
