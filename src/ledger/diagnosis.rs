//! What state a segment is in: clean, torn by a crash, or damaged.

use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest as _, Sha256};

use super::tail;
use crate::chain::lines::{Ending, LineReader, ReadLineError};
use crate::chain::verify::{ChainVerifier, Tip};

/// What comes before a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentStart {
    /// The last line of the segment before; it ends a batch.
    pub tip: Tip,
    /// How many bytes the segments before have: offsets count from the ledger's first byte.
    pub offset: u64,
}

/// The state of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Diagnosis {
    /// Every batch is complete and continues the one before.
    Clean {
        /// The last line.
        tip: Tip,
        /// The segment's length.
        bytes: u64,
    },
    /// A crash cut the last write short. Nothing that was acknowledged is affected.
    Torn {
        /// The last line of the last complete batch.
        tip: Tip,
        /// The length of the segment's complete batches.
        keep_bytes: u64,
        /// What stands behind them.
        tail: Tail,
    },
    /// Something that no crash of a writer leaves behind.
    Refused(Refusal),
}

/// The remains of a write that a crash cut short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Where they start, from the ledger's first byte.
    pub offset: u64,
    /// How many bytes they are.
    pub bytes: u64,
}

/// Damage, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("damaged at line {seq}, byte {offset}: {message}")]
pub struct Refusal {
    /// A stable identifier: of the line or chain error, or `tail.later-batch` (more was written
    /// behind the damage, so what is damaged had been acknowledged), `tail.checkpoint` (the damage
    /// lies at or below a checkpoint), `tail.damaged` (a tail that no crash leaves behind),
    /// `tail.torn`, `segment.incomplete`, `segment.gap`, `segment.seal` (a segment or its seal was
    /// changed after sealing), `segment.other` (another ledger stands where this process read one),
    /// `segment.io`.
    pub code: &'static str,
    /// The number that the damaged line should have.
    pub seq: u64,
    /// Where the damaged line starts, from the ledger's first byte.
    pub offset: u64,
    /// What is wrong, for people.
    pub message: String,
}

impl Refusal {
    /// A torn tail, for those who can't accept even that.
    pub(super) fn torn(tip: &Tip, tail: &Tail) -> Self {
        Self {
            code: "tail.torn",
            seq: tip.head.seq.saturating_add(1),
            offset: tail.offset,
            message: format!("the last write was cut short after {} bytes", tail.bytes),
        }
    }

    /// Where the last known line stood, another stands.
    pub(super) fn other(tip: &Tip, offset: u64) -> Self {
        Self {
            code: "segment.other",
            seq: tip.head.seq,
            offset,
            message: format!(
                "not the one that was open: entry {} is another",
                tip.head.seq
            ),
        }
    }

    /// Lines that a checkpoint covers are not there.
    pub(super) fn below(checkpoint: Option<u64>, tip: &Tip, tail: &Tail) -> Self {
        Self {
            code: "tail.checkpoint",
            message: format!(
                "the ledger ends here, but it is known to go on to line {}",
                checkpoint.unwrap_or_default()
            ),
            ..Self::torn(tip, tail)
        }
    }

    pub(super) fn unreadable(error: &io::Error) -> Self {
        Self {
            code: "segment.io",
            seq: 1,
            offset: 0,
            message: error.to_string(),
        }
    }
}

/// Reads a segment from its beginning and says in which state it is.
///
/// Memory use does not grow with the segment. `checkpoint` is the last line known to be covered by
/// a checkpoint: no tail that should hold it is torn, however it looks.
///
/// # Errors
/// Where the segment can't be read.
pub fn diagnose<R: Read + Seek>(
    segment: &mut R,
    start: &SegmentStart,
    checkpoint: Option<u64>,
) -> io::Result<Diagnosis> {
    diagnose_behind(segment, &mut Known::nothing(), start, checkpoint)
}

/// What is known of a segment already: its first bytes, which end a batch.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// How many they are.
    pub(super) bytes: u64,
    /// What they hash to so far; `None` where they were taken for good without being read.
    pub(super) hash: Option<Sha256>,
}

impl Known {
    /// A segment of which nothing is known.
    pub(super) fn nothing() -> Self {
        Self {
            bytes: 0,
            hash: Some(Sha256::new()),
        }
    }
}

/// As [`diagnose`], but reads only what stands behind the part that is `known`, and extends that by
/// the complete batches found. `start.tip` is the last line of the known part.
pub(super) fn diagnose_behind<R: Read + Seek>(
    segment: &mut R,
    known: &mut Known,
    start: &SegmentStart,
    checkpoint: Option<u64>,
) -> io::Result<Diagnosis> {
    // A writer may be appending: both passes must see the same bytes.
    let length = segment.seek(SeekFrom::End(0))?;
    let scan = scan(segment, known, start, length)?;
    known.bytes = scan.keep_bytes;
    known.hash = scan.hash;
    let tip = scan.committed;
    if scan.clean {
        let bytes = scan.keep_bytes;
        return Ok(Diagnosis::Clean { tip, bytes });
    }
    let offset = start.offset + scan.keep_bytes;
    segment.seek(SeekFrom::Start(scan.keep_bytes))?;
    let bytes = length.saturating_sub(scan.keep_bytes);
    if let Some(refusal) = tail::find_damage(segment.take(bytes), tip, offset)? {
        return Ok(Diagnosis::Refused(refusal));
    }
    let tail = Tail { offset, bytes };
    if checkpoint.is_some_and(|checkpoint| tip.head.seq < checkpoint) {
        return Ok(Diagnosis::Refused(Refusal::below(checkpoint, &tip, &tail)));
    }
    Ok(Diagnosis::Torn {
        tip,
        keep_bytes: scan.keep_bytes,
        tail,
    })
}

struct Scan {
    /// Where the last complete batch ends in the segment.
    keep_bytes: u64,
    committed: Tip,
    /// The hash of the segment up to there, where its beginning was read.
    hash: Option<Sha256>,
    clean: bool,
}

/// Follows the chain as far as it holds.
fn scan<R: Read + Seek>(
    segment: &mut R,
    known: &Known,
    start: &SegmentStart,
    length: u64,
) -> io::Result<Scan> {
    segment.seek(SeekFrom::Start(known.bytes))?;
    let Some(unknown) = length.checked_sub(known.bytes) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let behind = segment.take(unknown);
    let mut lines = LineReader::new(behind).starting_at(known.bytes);
    let mut verifier = ChainVerifier::resume(start.tip);
    let mut keep_bytes = known.bytes;
    let mut hash = known.hash.clone();
    let mut committed_hash = known.hash.clone();
    let clean = loop {
        match lines.next_line() {
            Ok(Some(line)) => {
                if line.ending != Ending::LineFeed || verifier.read(line.bytes).is_err() {
                    break false;
                }
                if let Some(hash) = &mut hash {
                    hash.update(line.bytes);
                    hash.update(b"\n");
                }
                if verifier.batch_complete() {
                    keep_bytes = line.end();
                    committed_hash.clone_from(&hash);
                }
            }
            Ok(None) => break verifier.batch_complete(),
            Err(ReadLineError::TooLong { .. }) => break false,
            Err(ReadLineError::Io(error)) => return Err(error),
        }
    };
    Ok(Scan {
        keep_bytes,
        committed: verifier.committed(),
        hash: committed_hash,
        clean,
    })
}
