//! A request to sign a checkpoint: what a signer without the ledger needs in order to know that the
//! checkpoint continues the last one that it signed.
//!
//! The body of `add-checkpoint` in C2SP tlog-witness:
//!
//! ```text
//! old <size of the older tree>
//! <hash of the consistency proof, base64>
//! …
//!
//! <the checkpoint>
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::checkpoint::{Checkpoint, CheckpointError, parse_root, parse_size};
use super::note::NoteError;
use crate::governance::merkle::ConsistencyProof;

/// A checkpoint, and that it continues an older tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    /// What is to be signed.
    pub checkpoint: Checkpoint,
    /// The proof that the tree continues an older one; none is needed for a first signature.
    pub consistency: Option<ConsistencyProof>,
}

impl SigningRequest {
    /// Reads a request, or a checkpoint alone.
    ///
    /// # Errors
    /// [`CheckpointError`] for everything that is not in the one form.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        if !bytes.starts_with(b"old ") {
            return Ok(Self {
                checkpoint: Checkpoint::parse(bytes)?,
                consistency: None,
            });
        }
        let blank = bytes.windows(2).position(|pair| pair == b"\n\n");
        let (head, note) = blank
            .and_then(|end| bytes.split_at_checked(end + 2))
            .ok_or(NoteError::Form)?;
        let checkpoint = Checkpoint::parse(note)?;
        let head = std::str::from_utf8(head).map_err(|error| NoteError::NotUtf8 {
            offset: error.valid_up_to(),
        })?;
        let consistency = parse_proof(head, checkpoint.head().tree.size)?;
        Ok(Self {
            checkpoint,
            consistency,
        })
    }
}

/// Reads the lines above the checkpoint, the blank one included.
fn parse_proof(head: &str, to: u64) -> Result<Option<ConsistencyProof>, CheckpointError> {
    let wrong = |line, expected| CheckpointError::Line { line, expected };
    let head = head.strip_suffix("\n\n").unwrap_or_default();
    let mut lines = head.split('\n');
    let old = lines.next().and_then(|line| line.strip_prefix("old "));
    let from = old
        .and_then(parse_size)
        .ok_or(wrong(1, "old, a space and the size of the older tree"))?;
    let mut path = Vec::new();
    for (index, line) in lines.enumerate() {
        if index == ConsistencyProof::MAX_PATH {
            return Err(wrong(index + 2, "a blank line: no proof is longer"));
        }
        path.push(parse_root(line).ok_or(wrong(index + 2, "a hash of 32 bytes in base64"))?);
    }
    if from == 0 && path.is_empty() {
        return Ok(None);
    }
    ConsistencyProof::new(from, to, path)
        .map(Some)
        .map_err(|_| wrong(1, "sizes and a number of hashes that belong together"))
}

/// The bytes of the request.
impl fmt::Display for SigningRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.consistency.as_ref().map_or(0, ConsistencyProof::from);
        writeln!(f, "old {from}")?;
        for hash in self.consistency.iter().flat_map(ConsistencyProof::path) {
            writeln!(f, "{}", BASE64.encode(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
