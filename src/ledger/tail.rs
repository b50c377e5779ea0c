//! Telling a torn tail from damage.
//!
//! A writer puts down batch b + 1 only after batch b was synced. So whatever stands behind the last
//! complete batch was never acknowledged if a crash left it, and a crash leaves only two traces:
//! the file ends too early, or sectors that were never written read as NUL bytes. Everything else,
//! and any sign that a later batch was ever begun, means that something acknowledged was damaged.

use std::io::{self, Read};

use memchr::memmem;

use super::diagnosis::Refusal;
use crate::chain::line::{LINE_START, Line, LineError, Position, contains_whole_line};
use crate::chain::lines::{Ending, LineReader, RawLine, ReadLineError};
use crate::chain::verify::{ChainVerifier, Tip};

/// Reads the bytes behind the last complete batch to their end; `None` where they are torn.
pub(super) fn find_damage<R: Read>(
    tail: R,
    committed: Tip,
    offset: u64,
) -> io::Result<Option<Refusal>> {
    let mut pieces = LineReader::new(tail).starting_at(offset).stopping_at_nul();
    let mut examination = Examination::new(committed);
    loop {
        match pieces.next_line() {
            Ok(None) => return Ok(None),
            Ok(Some(piece)) => {
                if let Err(refusal) = examination.piece(&piece) {
                    return Ok(Some(refusal));
                }
            }
            Err(ReadLineError::TooLong { offset }) => {
                let error = LineError::TooLong;
                return Ok(Some(examination.refuse(error.code(), offset, error)));
            }
            Err(ReadLineError::Io(error)) => return Err(error),
        }
    }
}

struct Examination {
    /// Follows the lines of the torn batch as far as they are intact.
    verifier: ChainVerifier,
    /// The first line of the torn batch: no other batch may have left a trace.
    batch: u64,
    /// Where the first damaged line starts, once a NUL byte was met.
    damage: Option<u64>,
    previous: Ending,
}

impl Examination {
    const fn new(committed: Tip) -> Self {
        Self {
            verifier: ChainVerifier::resume(committed),
            batch: committed.head.seq.saturating_add(1),
            damage: None,
            previous: Ending::LineFeed,
        }
    }

    /// The line that the examination has come to, as far as lines could be counted.
    const fn seq(&self) -> u64 {
        self.verifier.head().seq.saturating_add(1)
    }

    fn refuse(&self, code: &'static str, offset: u64, message: impl ToString) -> Refusal {
        Refusal {
            code,
            seq: self.seq(),
            offset: self.damage.unwrap_or(offset),
            message: message.to_string(),
        }
    }

    fn piece(&mut self, piece: &RawLine<'_>) -> Result<(), Refusal> {
        let starts_a_line = self.previous != Ending::Nul;
        self.previous = piece.ending;
        if self.damage.is_none() && piece.ending == Ending::LineFeed {
            return self.intact_line(piece);
        }
        self.only_this_batch(piece)?;
        let plausible = match (self.damage, piece.ending) {
            (None, _) => self.is_start_of_next_line(piece.bytes),
            (Some(_), Ending::LineFeed) if starts_a_line => is_intact(piece.bytes),
            (Some(_), _) if starts_a_line => is_start_of_line(piece.bytes).is_some(),
            (Some(_), _) => is_fragment(piece.bytes),
        };
        if !plausible {
            let message = "no crash of a writer leaves such bytes behind";
            return Err(self.refuse("tail.damaged", piece.offset, message));
        }
        if piece.ending == Ending::Nul {
            self.damage.get_or_insert(piece.offset);
        }
        Ok(())
    }

    /// Before any damage, a whole line must continue the chain.
    fn intact_line(&mut self, piece: &RawLine<'_>) -> Result<(), Refusal> {
        match self.verifier.read(piece.bytes) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.refuse(error.code(), piece.offset, error)),
        }
    }

    /// No line of another batch may start anywhere, whether or not it is intact.
    fn only_this_batch(&self, piece: &RawLine<'_>) -> Result<(), Refusal> {
        for at in memmem::find_iter(piece.bytes, LINE_START) {
            let rest = piece.bytes.get(at..).unwrap_or_default();
            let Ok(position) = Position::parse(rest) else {
                continue;
            };
            if position.batch_start() > self.batch {
                return Err(self.later_batch(piece, &position, piece.offset + at as u64));
            }
            if position.batch_start() < self.batch || at > 0 {
                let message = format!("line {} stands out of place", position.seq);
                return Err(self.refuse("tail.damaged", piece.offset, message));
            }
        }
        Ok(())
    }

    fn later_batch(&self, piece: &RawLine<'_>, later: &Position, offset: u64) -> Refusal {
        let message = format!(
            "line {} at byte {offset} was written later, so this line had been acknowledged",
            later.seq
        );
        self.refuse("tail.later-batch", piece.offset, message)
    }

    fn is_start_of_next_line(&self, bytes: &[u8]) -> bool {
        match is_start_of_line(bytes) {
            Some(Some(position)) => position.seq == self.seq(),
            Some(None) => true,
            None => false,
        }
    }
}

/// Whether `bytes` are a line that carries its own hash.
fn is_intact(bytes: &[u8]) -> bool {
    Line::decode(bytes).is_ok_and(|line| line.hash_matches())
}

/// Whether a line can start with `bytes`, and its position if they reach that far.
///
/// A whole line followed by anything else is no start of a line: its line feed was overwritten.
fn is_start_of_line(bytes: &[u8]) -> Option<Option<Position>> {
    let position = match Position::parse(bytes) {
        Ok(position) => Some(position),
        Err(LineError::Malformed { offset, .. }) if offset == bytes.len() => None,
        Err(_) => return None,
    };
    (is_fragment(bytes) && !contains_whole_line(bytes)).then_some(position)
}

/// Whether `bytes` can stand inside a line: it holds no control characters.
fn is_fragment(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte >= b' ')
}
