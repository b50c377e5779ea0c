//! Saving what is intact and legal of a damaged ledger, elsewhere.

use std::io::{self, Read};
use std::path::Path;

use crate::chain::line::{Head, Line};
use crate::chain::lines::{Ending, LineReader, ReadLineError};
use crate::governance::key::SignatureVerifier;
use crate::ledger::copying::{Piece, make_copy};
use crate::ledger::storage::Disk;
use crate::ledger::{LedgerReader, OpenError};
use crate::replay::Replay;

/// What a repair keeps and loses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// The last entry that is kept.
    pub head: Head,
    /// How many bytes are kept.
    pub kept_bytes: u64,
    /// How many bytes behind them are not.
    pub lost_bytes: u64,
    /// How many lines among the lost bytes are intact by themselves, but continue nothing that is
    /// kept.
    pub readable: u64,
    /// What is wrong; `None` where nothing is.
    pub problem: Option<Problem>,
    pieces: Vec<Piece>,
}

/// The first thing that is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its stable code.
    pub code: &'static str,
    /// The number of the line, or the number that it should have.
    pub seq: u64,
    /// Where the line starts, from the ledger's first byte.
    pub offset: u64,
    /// What is wrong, for people.
    pub message: String,
}

/// Why a ledger was not repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The damaged ledger can't be opened, or the new one not be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The damaged ledger can't be read.
    #[error("the ledger can't be read: {0}")]
    Read(#[from] io::Error),
    /// Not even the founding is intact and legal.
    #[error("nothing of the ledger can be kept: line {}, byte {}: {}", .0.seq, .0.offset, .0.message)]
    Nothing(Box<Problem>),
    /// A newer version wrote it: what this one does not know is no damage, and must not be lost.
    #[error("entry {}, byte {}: {}", .0.seq, .0.offset, .0.message)]
    NewerVersion(Box<Problem>),
}

impl RepairError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open(error) => error.code(),
            Self::Read(_) => "ledger.io",
            Self::Nothing(_) => "repair.nothing",
            Self::NewerVersion(problem) => problem.code,
        }
    }
}

/// Copies the longest part of the ledger in `dir` whose chain is intact and whose every decision is
/// what the rules give into `out`, which must not exist. Nothing in `dir` is touched.
///
/// # Errors
/// [`RepairError`]; there is nothing at `out` then.
pub fn repair(
    dir: &Path,
    out: &Path,
    verifier: &dyn SignatureVerifier,
) -> Result<Repair, RepairError> {
    let reader = LedgerReader::open(dir)?;
    let repair = examine(&reader, verifier)?;
    if repair.head == Head::GENESIS {
        let nothing = repair.problem.unwrap_or_else(|| Problem {
            code: "replay.incomplete-batch",
            seq: 1,
            offset: 0,
            message: "there is no complete batch".to_owned(),
        });
        return Err(RepairError::Nothing(Box::new(nothing)));
    }
    make_copy(&Disk, out, reader.reader(), &repair.pieces)?;
    Ok(repair)
}

/// Follows the history as far as it is intact and legal.
fn examine(reader: &LedgerReader, verifier: &dyn SignatureVerifier) -> Result<Repair, RepairError> {
    let starts = reader.segment_starts();
    let mut found = Repair {
        head: Head::GENESIS,
        kept_bytes: 0,
        lost_bytes: 0,
        readable: 0,
        problem: None,
        pieces: Vec::new(),
    };
    let mut replay = Replay::new(verifier);
    let mut lines = LineReader::new(reader.reader());
    loop {
        let line = match lines.next_line() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(ReadLineError::Io(error)) => return Err(error.into()),
            Err(error @ ReadLineError::TooLong { offset }) => {
                let seq = found.head.seq + 1;
                found.note(error.code(), seq, offset, error.to_string());
                break;
            }
        };
        let is_first = found.problem.is_none();
        if is_first && line.ending == Ending::LineFeed {
            match replay.line(line.bytes) {
                Ok(()) => found.keep(line.bytes, line.end(), &starts),
                Err(error) => {
                    let message = error.problem.to_string();
                    if error.problem.is_of_a_newer_version() {
                        return Err(RepairError::NewerVersion(Box::new(Problem {
                            code: error.code(),
                            seq: error.seq,
                            offset: error.offset,
                            message,
                        })));
                    }
                    found.note(error.code(), error.seq, error.offset, message);
                }
            }
        } else if is_first {
            let seq = found.head.seq + 1;
            let message = "the last line is cut short".to_owned();
            found.note("replay.incomplete-batch", seq, line.offset, message);
        }
    }
    found.readable = readable(reader.reader_behind(found.kept_bytes))?;
    found.lost_bytes = reader.bytes() - found.kept_bytes;
    if let Some(tail) = reader.tail() {
        found.lost_bytes += tail.bytes;
        let message = format!(
            "{} bytes of a write that was never acknowledged",
            tail.bytes
        );
        found.note("tail.torn", found.head.seq + 1, tail.offset, message);
    }
    if let Some(refusal) = reader.refusal() {
        let message = refusal.message.clone();
        found.note(refusal.code, refusal.seq, refusal.offset, message);
    }
    Ok(found)
}

impl Repair {
    /// The first problem is the one to report.
    fn note(&mut self, code: &'static str, seq: u64, offset: u64, message: String) {
        self.problem.get_or_insert(Problem {
            code,
            seq,
            offset,
            message,
        });
    }

    /// Keeps everything up to a line that ends a batch.
    fn keep(&mut self, raw: &[u8], end: u64, starts: &[u64]) {
        let Ok(line) = Line::decode(raw) else {
            return;
        };
        if !line.batch.is_last() {
            return;
        }
        // A new segment starts where one starts in the damaged ledger.
        if self.pieces.is_empty() || starts.contains(&self.kept_bytes) {
            self.pieces.push(Piece {
                first_seq: self.head.seq + 1,
                bytes: 0,
            });
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.bytes += end - self.kept_bytes;
        }
        self.kept_bytes = end;
        self.head = Head {
            seq: line.seq,
            hash: line.entry_hash,
        };
    }
}

/// How many lines behind what is kept carry their own hash.
fn readable(behind: impl Read) -> io::Result<u64> {
    let mut readable = 0;
    let mut lines = LineReader::new(behind);
    loop {
        match lines.next_line() {
            Ok(Some(line)) => {
                let is_intact = Line::decode(line.bytes).is_ok_and(|line| line.hash_matches());
                readable += u64::from(is_intact && line.ending == Ending::LineFeed);
            }
            Err(ReadLineError::Io(error)) => return Err(error),
            // Behind a line that is too long nothing can be told apart.
            Ok(None) | Err(ReadLineError::TooLong { .. }) => return Ok(readable),
        }
    }
}
