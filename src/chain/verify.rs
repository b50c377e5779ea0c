//! Whether lines form one chain.

use crate::chain::line::{BatchPosition, Head, Line, LineError, stated_hash_differs};
use crate::governance::digest::Digest;
use crate::governance::time::Timestamp;

/// A head together with its time, which the next line must not precede.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tip {
    /// The last line's number and hash.
    pub head: Head,
    /// The last line's time; `None` before the first line.
    pub timestamp: Option<Timestamp>,
}

/// Checks line after line that each carries its own hash and continues the one before.
///
/// After an error the verifier stands where it stood: the line was not taken.
#[derive(Debug, Clone, Default)]
pub struct ChainVerifier {
    tip: Tip,
    /// The end of the last complete batch.
    committed: Tip,
    /// The place of the last line within a batch that is not complete yet.
    open: Option<BatchPosition>,
}

impl ChainVerifier {
    /// A verifier that expects the first line of a ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A verifier that expects the line after `tip`, which must end a batch.
    #[must_use]
    pub const fn resume(tip: Tip) -> Self {
        Self {
            tip,
            committed: tip,
            open: None,
        }
    }

    /// The last line taken.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.tip.head
    }

    /// The last line taken, with its time.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        self.tip
    }

    /// The last line of the last complete batch.
    #[must_use]
    pub const fn committed(&self) -> Tip {
        self.committed
    }

    /// Whether the last line taken ended its batch; true before the first line.
    #[must_use]
    pub const fn batch_complete(&self) -> bool {
        self.open.is_none()
    }

    /// Takes the next line.
    ///
    /// # Errors
    /// [`ChainError`]: the line's own hash is checked first, then its number, its link, its batch,
    /// its time.
    pub fn push(&mut self, line: &Line<'_>) -> Result<(), ChainError> {
        self.check_hash(line.raw())?;
        self.link(line)
    }

    /// Decodes and takes the next line, given without its line feed.
    ///
    /// Tampering is named as such: bytes that end like a line but don't have the hash they state
    /// are reported by their hash even where they don't decode either.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn read<'a>(&mut self, raw: &'a [u8]) -> Result<Line<'a>, VerifyError> {
        self.check_hash(raw)?;
        let line = Line::decode(raw).map_err(|error| VerifyError::Line {
            seq: self.next_seq(),
            error,
        })?;
        self.link(&line)?;
        Ok(line)
    }

    /// A verifier that expects `line`, and takes for granted what that says of the line before it.
    ///
    /// Lines can be followed like this before those in front of them are known: see
    /// [`join`](Self::join).
    pub(crate) const fn presuming(line: &Line<'_>) -> Self {
        let BatchPosition { index, count } = line.batch;
        let tip = Tip {
            head: Head {
                seq: line.seq.saturating_sub(1),
                hash: line.prev_hash,
            },
            timestamp: None,
        };
        let open = if index > 1 {
            let index = index - 1;
            Some(BatchPosition { index, count })
        } else {
            None
        };
        Self {
            tip,
            committed: Tip {
                head: Head::GENESIS,
                timestamp: None,
            },
            open,
        }
    }

    /// Takes the lines that `end` has taken since it [presumed](Self::presuming) what `start` says,
    /// the first of them of the time `first`; false, and nothing is taken, where they don't continue
    /// this chain.
    pub(crate) fn join(&mut self, start: &Self, first: Timestamp, end: Self) -> bool {
        let continues = start.tip.head == self.tip.head
            && start.open == self.open
            && self.tip.timestamp.is_none_or(|previous| previous <= first);
        if continues {
            let committed = if end.committed.timestamp.is_some() {
                end.committed
            } else {
                self.committed
            };
            *self = Self { committed, ..end };
        }
        continues
    }

    /// As [`push`](Self::push), of a line whose own hash was found to match.
    pub(crate) fn push_intact(&mut self, line: &Line<'_>) -> Result<(), ChainError> {
        self.link(line)
    }

    const fn next_seq(&self) -> u64 {
        self.tip.head.seq.saturating_add(1)
    }

    fn check_hash(&self, raw: &[u8]) -> Result<(), ChainError> {
        match stated_hash_differs(raw) {
            Some((stated, computed)) => Err(ChainError::Hash {
                seq: self.next_seq(),
                stated,
                computed,
            }),
            None => Ok(()),
        }
    }

    fn link(&mut self, line: &Line<'_>) -> Result<(), ChainError> {
        let seq = self.next_seq();
        self.check_place(seq, line)?;
        self.check_batch(seq, line.batch)?;
        if let Some(previous) = self.tip.timestamp.filter(|time| line.timestamp < *time) {
            return Err(ChainError::Time {
                seq,
                previous,
                found: line.timestamp,
            });
        }
        self.take(line);
        Ok(())
    }

    fn check_place(&self, seq: u64, line: &Line<'_>) -> Result<(), ChainError> {
        if line.seq != seq {
            return Err(ChainError::Sequence {
                expected: seq,
                found: line.seq,
            });
        }
        if line.prev_hash != self.tip.head.hash {
            return Err(ChainError::Link {
                seq,
                expected: self.tip.head.hash,
                found: line.prev_hash,
            });
        }
        Ok(())
    }

    fn check_batch(&self, seq: u64, found: BatchPosition) -> Result<(), ChainError> {
        let (expected, fits) = match self.open {
            Some(open) => {
                let next = BatchPosition {
                    index: open.index + 1,
                    ..open
                };
                (Some(next), found == next)
            }
            None => (None, found.index == 1),
        };
        if fits {
            return Ok(());
        }
        Err(ChainError::Batch {
            seq,
            expected,
            found,
        })
    }

    fn take(&mut self, line: &Line<'_>) {
        self.tip = Tip {
            head: Head {
                seq: line.seq,
                hash: line.entry_hash,
            },
            timestamp: Some(line.timestamp),
        };
        if line.batch.is_last() {
            self.open = None;
            self.committed = self.tip;
        } else {
            self.open = Some(line.batch);
        }
    }
}

/// Why a line does not continue the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The line's bytes don't have the hash that it states.
    #[error("its bytes hash to {computed}, it states {stated}")]
    Hash {
        /// The number that the line should have.
        seq: u64,
        /// The hash in the line.
        stated: Digest,
        /// The hash of the line's bytes.
        computed: Digest,
    },
    /// The line has another number than its place.
    #[error("found entry {found} where entry {expected} belongs")]
    Sequence {
        /// The number that the line should have.
        expected: u64,
        /// The number in the line.
        found: u64,
    },
    /// The line follows another line than the one before it.
    #[error("it must follow the entry {expected}, but says that it follows {found}")]
    Link {
        /// The line's number.
        seq: u64,
        /// The hash of the line before.
        expected: Digest,
        /// The hash that the line states for the line before.
        found: Digest,
    },
    /// The line's place in its batch is wrong.
    #[error("its place in the batch is {found}, expected {}", place(*.expected))]
    Batch {
        /// The line's number.
        seq: u64,
        /// The place that it should have; `None` where a batch must start.
        expected: Option<BatchPosition>,
        /// The place in the line.
        found: BatchPosition,
    },
    /// The line is earlier than the one before it.
    #[error("its time {found} lies before {previous}, the time of the line before")]
    Time {
        /// The line's number.
        seq: u64,
        /// The time of the line before.
        previous: Timestamp,
        /// The time in the line.
        found: Timestamp,
    },
}

fn place(expected: Option<BatchPosition>) -> String {
    expected.map_or_else(|| "the start of a batch".to_owned(), |at| at.to_string())
}

impl ChainError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Hash { .. } => "chain.hash",
            Self::Sequence { .. } => "chain.sequence",
            Self::Link { .. } => "chain.link",
            Self::Batch { .. } => "chain.batch",
            Self::Time { .. } => "chain.time",
        }
    }

    /// The number that the line should have.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Hash { seq, .. }
            | Self::Sequence { expected: seq, .. }
            | Self::Link { seq, .. }
            | Self::Batch { seq, .. }
            | Self::Time { seq, .. } => *seq,
        }
    }
}

/// Why bytes are not the next line of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// They are no line at all.
    #[error("{error}")]
    Line {
        /// The number that the line should have.
        seq: u64,
        /// What is wrong with it.
        error: LineError,
    },
    /// They are a line, but not the next one.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl VerifyError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Line { error, .. } => error.code(),
            Self::Chain(error) => error.code(),
        }
    }

    /// The number that the line should have.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        match self {
            Self::Line { seq, .. } => *seq,
            Self::Chain(error) => error.seq(),
        }
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
