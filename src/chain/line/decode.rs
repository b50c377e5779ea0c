//! Reading one line: strict, total, without a copy.

use super::{
    BatchPosition, ENTRY_HASH_BYTES, ENTRY_HASH_KEY, MAX_LINE_BYTES, MAX_OPERATION_BYTES,
    PREV_HASH_BYTES, VERSION, covered, is_operation_byte, numbers_of,
};
use crate::governance::MAX_INTEGER;
use crate::governance::canonical::{self, Problem};
use crate::governance::digest::Digest;
use crate::governance::time::Timestamp;

/// How every line starts. Inside a line these bytes can't occur: canonical JSON would put the key
/// `seq` before `v`, and in a string the quotes are escaped.
pub(crate) const LINE_START: &[u8] = b"{\"v\":1,\"seq\":";

/// A decoded line, borrowed from its bytes.
///
/// Decoding checks the form only. Whether the line carries its own hash is
/// [`hash_matches`](Self::hash_matches); whether it continues a chain is
/// [`ChainVerifier`](crate::chain::verify::ChainVerifier)'s to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The line's number in its ledger, from 1.
    pub seq: u64,
    /// The line's place in its batch.
    pub batch: BatchPosition,
    /// When it happened.
    pub timestamp: Timestamp,
    timestamp_text: &'a [u8; 27],
    /// Which kind of event it is.
    pub operation: &'a str,
    /// The event: a canonical JSON object.
    pub data: &'a str,
    /// The entry hash of the line before.
    pub prev_hash: Digest,
    /// The entry hash that the line states.
    pub entry_hash: Digest,
    raw: &'a [u8],
}

impl<'a> Line<'a> {
    /// Decodes a line, given without its line feed. Any bytes may be passed in.
    ///
    /// # Errors
    /// [`LineError`] with the first thing that is not as it must be.
    pub fn decode(raw: &'a [u8]) -> Result<Self, LineError> {
        let line = Self::outline(raw, None)?;
        check_data(&line)?;
        Ok(line)
    }

    /// Decodes everything but the data, of which it is only known where they stand. `previous` is the
    /// line that this one probably follows.
    pub(crate) fn outline(raw: &'a [u8], previous: Option<&Line<'_>>) -> Result<Self, LineError> {
        if raw.len() > MAX_LINE_BYTES {
            return Err(LineError::TooLong);
        }
        let text = std::str::from_utf8(raw).map_err(|error| LineError::Utf8 {
            offset: error.valid_up_to(),
        })?;
        let mut cursor = Cursor { text, at: 0 };
        let position = cursor.position()?;
        let (timestamp, timestamp_text) = cursor.timestamp(previous)?;
        let operation = cursor.operation()?;
        cursor.literal(",\"data\":")?;
        let data_start = cursor.at;
        let data_end = cursor.jump_to_hashes()?;
        let known = previous.map(|line| (line.entry_hash_text(), line.entry_hash));
        let prev_hash = cursor.hash(",\"prev_hash\":\"", "\"", known)?;
        let entry_hash = cursor.hash(ENTRY_HASH_KEY, "\"}", None)?;
        let data = text.get(data_start..data_end).unwrap_or_default();
        Ok(Self {
            seq: position.seq,
            batch: position.batch,
            timestamp,
            timestamp_text,
            operation,
            data,
            prev_hash,
            entry_hash,
            raw,
        })
    }

    /// The bytes that were decoded.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    fn entry_hash_text(&self) -> Option<&'a [u8; 64]> {
        self.raw.strip_suffix(b"\"}")?.last_chunk()
    }

    /// What the line's hash covers.
    pub(crate) fn covered(&self) -> &'a [u8] {
        // A decoded line is longer than its last 81 bytes.
        covered(self.raw).unwrap_or_default()
    }

    /// The SHA-256 of every byte before the last 81.
    #[must_use]
    pub fn computed_hash(&self) -> Digest {
        Digest::of(self.covered())
    }

    /// Whether the line carries the hash of its own bytes.
    #[must_use]
    pub fn hash_matches(&self) -> bool {
        self.computed_hash() == self.entry_hash
    }
}

/// Why bytes are not a line, and where. Offsets count from the start of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Something else stands where `expected` must stand.
    #[error("malformed at byte {offset}: expected {expected}")]
    Malformed {
        /// Where.
        offset: usize,
        /// What must stand there.
        expected: &'static str,
    },
    /// Longer than [`MAX_LINE_BYTES`].
    #[error("longer than 1048576 bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("invalid UTF-8 at byte {offset}")]
    Utf8 {
        /// Where.
        offset: usize,
    },
    /// A line of another format version.
    #[error("line version {found} is not supported, only version 1")]
    Version {
        /// The version that the line states.
        found: u64,
    },
    /// The data is not canonical JSON.
    #[error("data is not canonical JSON at byte {offset}: {problem}")]
    Data {
        /// Where.
        offset: usize,
        /// What is wrong there.
        problem: Problem,
    },
}

impl LineError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "line.malformed",
            Self::TooLong => "line.too-long",
            Self::Utf8 { .. } => "line.utf8",
            Self::Version { .. } => "line.version",
            Self::Data { .. } => "line.data",
        }
    }
}

/// Which line of which batch some bytes start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The line's number.
    pub(crate) seq: u64,
    /// The line's place in its batch.
    pub(crate) batch: BatchPosition,
}

impl Position {
    /// Reads a position from the start of bytes that need not be a whole line.
    ///
    /// # Errors
    /// [`LineError::Malformed`] with an offset equal to the length where the bytes merely end too
    /// early; any other offset where no line can start like this.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, LineError> {
        // All of a position is ASCII and far shorter than this.
        const LONGEST: usize = 128;
        let head = bytes.get(..LONGEST).unwrap_or(bytes);
        let length = head.iter().take_while(|byte| byte.is_ascii()).count();
        let ascii = head.get(..length).unwrap_or_default();
        let text = std::str::from_utf8(ascii).unwrap_or_default();
        Cursor { text, at: 0 }.position()
    }

    /// The number of the first line of the batch.
    pub(crate) const fn batch_start(&self) -> u64 {
        // Reading a position has checked that the index does not exceed the number.
        self.seq.saturating_sub(self.batch.index) + 1
    }
}

/// Requires a canonical JSON object for data.
pub(crate) fn check_data(line: &Line<'_>) -> Result<(), LineError> {
    let hashes = PREV_HASH_BYTES + ENTRY_HASH_BYTES;
    let start = line.raw.len().saturating_sub(hashes + line.data.len());
    canonical::check(line.data, numbers_of(line.operation)).map_err(|error| LineError::Data {
        offset: start + error.offset,
        problem: error.problem,
    })?;
    if !line.data.starts_with('{') {
        return malformed(start, "a JSON object");
    }
    Ok(())
}

const fn malformed<T>(offset: usize, expected: &'static str) -> Result<T, LineError> {
    Err(LineError::Malformed { offset, expected })
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let taken = self.text.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    /// Steps over `literal`; an error names the first byte that differs.
    ///
    /// Always in line, so that each literal is compared at its own length.
    #[inline(always)]
    fn literal(&mut self, literal: &'static str) -> Result<(), LineError> {
        if self.rest().starts_with(literal.as_bytes()) {
            self.at += literal.len();
            return Ok(());
        }
        let same = (self.rest().iter().zip(literal.as_bytes()))
            .take_while(|(found, expected)| found == expected)
            .count();
        malformed(self.at + same, literal)
    }

    /// An integer from 0 to 2^53 − 1: digits only, no leading zero.
    fn integer(&mut self, expected: &'static str) -> Result<u64, LineError> {
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = rest.get(..length).unwrap_or_default();
        if matches!(digits, [] | [b'0', _, ..]) {
            return malformed(self.at, expected);
        }
        let number = digits.iter().try_fold(0_u64, |number, digit| {
            let number = number
                .checked_mul(10)?
                .checked_add(u64::from(digit - b'0'))?;
            (number <= MAX_INTEGER).then_some(number)
        });
        let Some(number) = number else {
            return malformed(self.at, expected);
        };
        self.at += length;
        Ok(number)
    }

    /// The version first: what follows it may look different in another one.
    fn position(&mut self) -> Result<Position, LineError> {
        self.literal("{\"v\":")?;
        let found = self.integer("a version")?;
        if found != VERSION {
            return Err(LineError::Version { found });
        }
        self.literal(",\"seq\":")?;
        let start = self.at;
        let seq = self.integer("a sequence number from 1 to 2^53 - 1")?;
        if seq == 0 {
            return malformed(start, "a sequence number from 1 to 2^53 - 1");
        }
        self.literal(",\"batch\":[")?;
        let start = self.at;
        let index = self.integer("an index within the batch")?;
        self.literal(",")?;
        let count = self.integer("the number of lines in the batch")?;
        self.literal("]")?;
        if index == 0 || index > count || index > seq {
            return malformed(start, "an index from 1 to the number of lines in the batch");
        }
        let batch = BatchPosition { index, count };
        Ok(Position { seq, batch })
    }

    /// The time with its text. Where that is the text of the `previous` line, so is the time.
    fn timestamp(
        &mut self,
        previous: Option<&Line<'_>>,
    ) -> Result<(Timestamp, &'a [u8; 27]), LineError> {
        const EXPECTED: &str = "a timestamp such as 2026-05-04T09:30:00.000000Z";
        self.literal(",\"timestamp\":\"")?;
        let start = self.at;
        let parsed = self.take(27).and_then(|text| {
            let bytes = text.as_bytes().first_chunk()?;
            match previous.filter(|line| line.timestamp_text == bytes) {
                Some(line) => Some((line.timestamp, bytes)),
                None => Some((text.parse().ok()?, bytes)),
            }
        });
        let Some(parsed) = parsed else {
            return malformed(start, EXPECTED);
        };
        self.literal("\"")?;
        Ok(parsed)
    }

    fn operation(&mut self) -> Result<&'a str, LineError> {
        const EXPECTED: &str = "1 to 64 lowercase letters and underscores";
        self.literal(",\"operation\":\"")?;
        let start = self.at;
        let length = (self.rest().iter().copied())
            .take_while(|byte| is_operation_byte(*byte))
            .count();
        match self.take(length) {
            Some(operation) if (1..=MAX_OPERATION_BYTES).contains(&length) => {
                self.literal("\"")?;
                Ok(operation)
            }
            _ => malformed(start, EXPECTED),
        }
    }

    /// Jumps over the data: the hashes are found by length from the end of the line.
    fn jump_to_hashes(&mut self) -> Result<usize, LineError> {
        let end = (self.text.len())
            .checked_sub(PREV_HASH_BYTES + ENTRY_HASH_BYTES)
            .filter(|end| *end > self.at);
        let Some(end) = end else {
            return malformed(self.text.len(), "data and two hashes");
        };
        self.at = end;
        Ok(end)
    }

    /// A hash between two literals. Where its text is the `known` one, so is the hash.
    #[inline]
    fn hash(
        &mut self,
        before: &'static str,
        after: &'static str,
        known: Option<(Option<&[u8; 64]>, Digest)>,
    ) -> Result<Digest, LineError> {
        self.literal(before)?;
        let start = self.at;
        let digest = self.take(64).and_then(|hex| match known {
            Some((text, digest)) if text.is_some() && hex.as_bytes().first_chunk() == text => {
                Some(digest)
            }
            _ => Digest::from_hex(hex.as_bytes()).ok(),
        });
        let Some(digest) = digest else {
            return malformed(start, "64 lowercase hexadecimal digits");
        };
        self.literal(after)?;
        Ok(digest)
    }
}
