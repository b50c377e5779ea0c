//! Writing the lines of a batch.

use std::borrow::Cow;
use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{
    ENTRY_HASH_KEY, Head, MAX_LINE_BYTES, MAX_OPERATION_BYTES, VERSION, is_operation_byte,
    numbers_of,
};
use crate::governance::MAX_INTEGER;
use crate::governance::canonical::{self, NotCanonical};
use crate::governance::digest::Digest;
use crate::governance::time::Timestamp;

/// An event that is to become a line.
#[derive(Debug, Clone)]
pub struct NewEntry {
    /// When it happened.
    pub timestamp: Timestamp,
    /// Its kind: one to 64 lowercase letters and underscores.
    pub operation: Cow<'static, str>,
    /// A canonical JSON object, kept byte for byte.
    pub data: Box<RawValue>,
}

/// Why entries can't be written as a batch. `entry` counts from 0 within the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// There is nothing to write.
    #[error("a batch needs at least one entry")]
    Empty,
    /// The operation is not 1 to 64 lowercase letters and underscores.
    #[error("entry {entry}: an operation is 1 to 64 lowercase letters and underscores")]
    Operation {
        /// Which entry.
        entry: usize,
    },
    /// The data is not a canonical JSON object.
    #[error("entry {entry}: data must be canonical JSON: {problem}")]
    Data {
        /// Which entry.
        entry: usize,
        /// What is wrong with it.
        problem: NotCanonical,
    },
    /// The data is canonical JSON but no object.
    #[error("entry {entry}: data must be a JSON object")]
    NotAnObject {
        /// Which entry.
        entry: usize,
    },
    /// The line would be longer than [`MAX_LINE_BYTES`].
    #[error("entry {entry}: a line of {bytes} bytes exceeds the limit of 1048576")]
    TooLong {
        /// Which entry.
        entry: usize,
        /// How long its line would be, the line feed not counted.
        bytes: usize,
    },
    /// The entry is earlier than the one before it.
    #[error("entry {entry}: earlier than the entry before it")]
    Time {
        /// Which entry.
        entry: usize,
    },
    /// The sequence numbers would pass 2^53 − 1.
    #[error("the sequence numbers are used up")]
    SequenceExhausted,
}

impl EncodeError {
    /// Which entry it is about, counted from 0 within the batch.
    #[must_use]
    pub const fn entry(&self) -> Option<usize> {
        match self {
            Self::Empty | Self::SequenceExhausted => None,
            Self::Operation { entry }
            | Self::Data { entry, .. }
            | Self::NotAnObject { entry }
            | Self::TooLong { entry, .. }
            | Self::Time { entry } => Some(*entry),
        }
    }

    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "batch.empty",
            Self::Operation { .. } => "batch.operation",
            Self::Data { .. } | Self::NotAnObject { .. } => "batch.data",
            Self::TooLong { .. } => "batch.line-too-long",
            Self::Time { .. } => "batch.time",
            Self::SequenceExhausted => "batch.sequence-exhausted",
        }
    }
}

/// One line of an [`EncodedBatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEntry {
    /// Its sequence number.
    pub seq: u64,
    /// Its entry hash.
    pub hash: Digest,
    /// Where it stands in the batch's bytes, its line feed not included.
    pub range: Range<usize>,
}

/// The bytes of one durable write, and the head before and after it.
///
/// Made only by [`encode_batch`], and of lines that were verified by
/// [`BatchAssembler`](crate::chain::batches::BatchAssembler), so that whatever is appended decodes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBatch {
    pub(in crate::chain) bytes: Vec<u8>,
    pub(in crate::chain) entries: Vec<EncodedEntry>,
    previous: Head,
    pub(in crate::chain) head: Head,
    first_timestamp: Timestamp,
    pub(in crate::chain) last_timestamp: Timestamp,
}

impl EncodedBatch {
    /// A batch without lines yet.
    pub(in crate::chain) const fn begun(previous: Head, first_timestamp: Timestamp) -> Self {
        Self {
            bytes: Vec::new(),
            entries: Vec::new(),
            previous,
            head: previous,
            first_timestamp,
            last_timestamp: first_timestamp,
        }
    }

    /// The lines, each with its line feed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The lines' numbers, hashes and places; never empty.
    #[must_use]
    pub fn entries(&self) -> &[EncodedEntry] {
        &self.entries
    }

    /// The head that the batch continues.
    #[must_use]
    pub const fn previous(&self) -> &Head {
        &self.previous
    }

    /// The head once the batch is written.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// The time of the first line, which must not lie before that of the line it follows.
    #[must_use]
    pub const fn first_timestamp(&self) -> Timestamp {
        self.first_timestamp
    }

    /// The time of the last line.
    #[must_use]
    pub const fn last_timestamp(&self) -> Timestamp {
        self.last_timestamp
    }
}

/// An entry of which it is known that its line decodes again, wherever it stands.
#[derive(Debug)]
pub(crate) struct CheckedEntry {
    timestamp: Timestamp,
    operation: &'static str,
    data: Data,
}

/// A JSON object, as it goes into a line.
#[derive(Debug)]
pub(crate) enum Data {
    /// In one piece.
    Whole(String),
    /// A part of a text that holds many of them, and what many of them end with.
    Shared {
        /// The text.
        text: Arc<String>,
        /// The part.
        range: Range<usize>,
        /// The end.
        end: Arc<str>,
    },
}

impl Data {
    fn pieces(&self) -> [&str; 2] {
        match self {
            Self::Whole(text) => [text, ""],
            Self::Shared { text, range, end } => [text.get(range.clone()).unwrap_or_default(), end],
        }
    }
}

impl CheckedEntry {
    /// `operation` is one of ours, and `data` a JSON object that was found canonical.
    pub(crate) fn of_canonical(timestamp: Timestamp, operation: &'static str, data: Data) -> Self {
        debug_assert_eq!(
            Part::new(timestamp, operation, [&data.pieces().concat(), ""]).check(0),
            Ok(()),
            "{data:?}"
        );
        Self {
            timestamp,
            operation,
            data,
        }
    }

    /// How long the JSON object is.
    pub(crate) fn data_bytes(&self) -> usize {
        self.data.pieces().map(str::len).iter().sum()
    }
}

/// What makes a line of an entry.
#[derive(Clone, Copy)]
struct Part<'a> {
    timestamp: Timestamp,
    operation: &'a str,
    /// The JSON object, one piece behind the other.
    data: [&'a str; 2],
}

/// Encodes `entries` as the batch that follows `head`.
///
/// # Errors
/// [`EncodeError`] where a line would not decode again: nothing is ever written that a reader
/// would refuse.
pub fn encode_batch(head: &Head, entries: &[NewEntry]) -> Result<EncodedBatch, EncodeError> {
    let parts =
        (entries.iter()).map(|it| Part::new(it.timestamp, &it.operation, [it.data.get(), ""]));
    for (entry, part) in parts.clone().enumerate() {
        part.check(entry)?;
    }
    encode(head, parts)
}

/// As [`encode_batch`], of entries that were checked before it was known what they follow.
///
/// # Errors
/// As [`encode_batch`].
pub(crate) fn encode_checked(
    head: &Head,
    entries: &[CheckedEntry],
) -> Result<EncodedBatch, EncodeError> {
    encode(
        head,
        (entries.iter()).map(|it| Part::new(it.timestamp, it.operation, it.data.pieces())),
    )
}

fn encode<'a>(
    head: &Head,
    parts: impl ExactSizeIterator<Item = Part<'a>> + Clone,
) -> Result<EncodedBatch, EncodeError> {
    let Some(first) = parts.clone().next() else {
        return Err(EncodeError::Empty);
    };
    let mut encoder = Encoder::new(head, first, parts.clone());
    for (entry, part) in parts.enumerate() {
        encoder.push(entry, &part)?;
    }
    Ok(encoder.batch)
}

impl<'a> Part<'a> {
    const fn new(timestamp: Timestamp, operation: &'a str, data: [&'a str; 2]) -> Self {
        Self {
            timestamp,
            operation,
            data,
        }
    }

    /// Whether a line of it decodes again, but for its length and what it follows. For data in one piece.
    fn check(&self, entry: usize) -> Result<(), EncodeError> {
        let operation = self.operation.as_bytes();
        if !(1..=MAX_OPERATION_BYTES).contains(&operation.len())
            || !operation.iter().copied().all(is_operation_byte)
        {
            return Err(EncodeError::Operation { entry });
        }
        let [data, _] = self.data;
        canonical::check(data, numbers_of(self.operation))
            .map_err(|problem| EncodeError::Data { entry, problem })?;
        if !data.starts_with('{') {
            return Err(EncodeError::NotAnObject { entry });
        }
        Ok(())
    }
}

/// Writes line after line. What neighbours share is formatted once.
struct Encoder {
    batch: EncodedBatch,
    count: String,
    /// The last line's time, as it is written.
    time: String,
    /// The last line's hash, as it is written.
    hash: [u8; 64],
}

impl Encoder {
    fn new<'a>(
        head: &Head,
        first: Part<'a>,
        parts: impl ExactSizeIterator<Item = Part<'a>>,
    ) -> Self {
        const ENVELOPE: usize = 384;
        let count = parts.len();
        let bytes = parts
            .map(|part| part.data.map(str::len).iter().sum::<usize>() + ENVELOPE)
            .sum();
        Self {
            batch: EncodedBatch {
                bytes: Vec::with_capacity(bytes),
                entries: Vec::with_capacity(count),
                ..EncodedBatch::begun(*head, first.timestamp)
            },
            count: count.to_string(),
            time: first.timestamp.to_string(),
            hash: head.hash.hex(),
        }
    }

    fn push(&mut self, entry: usize, part: &Part<'_>) -> Result<(), EncodeError> {
        let batch = &mut self.batch;
        if part.timestamp < batch.last_timestamp {
            return Err(EncodeError::Time { entry });
        }
        if part.timestamp > batch.last_timestamp {
            batch.last_timestamp = part.timestamp;
            self.time = part.timestamp.to_string();
        }
        let seq = next_seq(&batch.head)?;
        let start = batch.bytes.len();
        // Writing to a vector can't fail.
        let _ = write!(
            batch.bytes,
            "{{\"v\":{VERSION},\"seq\":{seq},\"batch\":[{},",
            entry + 1
        );
        for text in [
            &self.count,
            "],\"timestamp\":\"",
            &self.time,
            "\",\"operation\":\"",
            part.operation,
            "\",\"data\":",
            part.data[0],
            part.data[1],
            ",\"prev_hash\":\"",
        ] {
            batch.bytes.extend_from_slice(text.as_bytes());
        }
        batch.bytes.extend_from_slice(&self.hash);
        batch.bytes.push(b'"');
        let hash = Digest::of(batch.bytes.get(start..).unwrap_or_default());
        self.hash = hash.hex();
        batch.bytes.extend_from_slice(ENTRY_HASH_KEY.as_bytes());
        batch.bytes.extend_from_slice(&self.hash);
        batch.bytes.extend_from_slice(b"\"}");
        let range = start..batch.bytes.len();
        if range.len() > MAX_LINE_BYTES {
            let bytes = range.len();
            return Err(EncodeError::TooLong { entry, bytes });
        }
        batch.bytes.push(b'\n');
        batch.head = Head { seq, hash };
        batch.entries.push(EncodedEntry { seq, hash, range });
        Ok(())
    }
}

fn next_seq(head: &Head) -> Result<u64, EncodeError> {
    head.seq
        .checked_add(1)
        .filter(|seq| *seq <= MAX_INTEGER)
        .ok_or(EncodeError::SequenceExhausted)
}
