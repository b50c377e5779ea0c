//! A ledger that is kept elsewhere, by others too, and of which the files here are a copy.
//!
//! Whatever is appended is the upstream's first and the file's afterwards; whatever others appended
//! there is taken from it, line by line and under the checks of any opening. So the copy is a
//! [`FileLedger`] like any other: it is replayed, searched and exported as one. It is also a witness: an
//! upstream that no longer holds what it once gave is refused.

use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use memchr::memchr;
use sha2::Digest as _;

use super::AppendError;
use super::file::FileLedger;
use super::storage::{Storage, StorageFile as _};
use super::{Ledger as _, Wait, io_code, tip_after};
use crate::chain::batches::BatchAssembler;
use crate::chain::line::{EncodedBatch, Head, Line};
use crate::chain::lines::{Ending, LineReader, ReadLineError};
use crate::chain::verify::{Tip, VerifyError};

/// Where a ledger is kept that several machines append to.
///
/// Safety rests on [`append`](Self::append) alone, which compares and appends in one step. Turns only
/// keep writers from deciding in vain.
pub trait Upstream: Debug + Send + Sync {
    /// Makes what a new ledger needs there, or brings it up to date. Doing it again does no harm.
    ///
    /// # Errors
    /// [`UpstreamError::Failed`]
    fn set_up(&self) -> Result<(), UpstreamError>;

    /// Checks that it is there and of a form that this program knows.
    ///
    /// # Errors
    /// [`UpstreamError::Failed`]
    fn check(&self) -> Result<(), UpstreamError>;

    /// Waits until something is appended, or for so long; which of them is not told.
    ///
    /// # Errors
    /// [`UpstreamError::Failed`]
    fn wait_for_more(&self, at_most: Duration) -> Result<(), UpstreamError>;

    /// Waits until no other writer has its turn.
    ///
    /// # Errors
    /// [`UpstreamError::InUse`], [`UpstreamError::Failed`]
    fn take_turn(&self, wait: Wait) -> Result<(), UpstreamError>;

    /// Lets the next writer have its turn.
    fn end_turn(&self);

    /// Appends `batch` durably if the head is still the one that it continues: all of it or nothing. A
    /// batch that is there already, because the answer to an earlier attempt was lost, is there once.
    ///
    /// # Errors
    /// [`AppendError`]; its documentation says for each case what became of the batch.
    fn append(&self, batch: &EncodedBatch) -> Result<(), AppendError>;

    /// Passes the rows from `head` on to `take`, in order, the one that ends with `head` first, whose lines
    /// may be left out; that there is none where `head` is the genesis.
    ///
    /// # Errors
    /// [`UpstreamError`], that of `take` among them.
    fn rows_from(
        &self,
        head: &Head,
        take: &mut dyn FnMut(&Row<'_>) -> Result<(), UpstreamError>,
    ) -> Result<(), UpstreamError>;

    /// Its name for people, without secrets.
    fn name(&self) -> String;
}

/// A batch as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The number of its first line.
    pub first: u64,
    /// The number of its last line.
    pub last: u64,
    /// The hash of its last line.
    pub hash: &'a [u8],
    /// Its lines, each with its line feed.
    pub lines: &'a [u8],
}

/// A line of a row, without its line feed.
struct Piece<'a> {
    bytes: &'a [u8],
    is_first: bool,
    is_last: bool,
}

impl<'a> Row<'a> {
    fn pieces(&self) -> impl Iterator<Item = Piece<'a>> {
        let mut rest = Some(self.lines);
        let mut is_first = true;
        std::iter::from_fn(move || {
            let lines = rest?;
            let end = memchr(b'\n', lines).unwrap_or(lines.len());
            let (bytes, behind) = lines.split_at(end);
            rest = behind.get(1..).filter(|behind| !behind.is_empty());
            Some(Piece {
                bytes,
                is_first: std::mem::take(&mut is_first),
                is_last: rest.is_none(),
            })
        })
    }

    /// Holds the columns to a line.
    fn check(&self, piece: &Piece<'_>, line: &Line<'_>) -> Result<(), Refused> {
        let (first, last) = (!piece.is_first, !piece.is_last);
        let columns = [
            ("first number", first || self.first == line.seq),
            ("last number", last || self.last == line.seq),
            ("hash", last || self.hash == line.entry_hash.as_bytes()),
            ("end", last || self.lines.ends_with(b"\n")),
        ];
        match columns.into_iter().find(|(_, is_right)| !is_right) {
            Some((column, _)) => Err(Refused::Column(column)),
            None => Ok(()),
        }
    }
}

/// Why a row is not taken.
enum Refused {
    Chain(VerifyError),
    /// This column of its row.
    Column(&'static str),
}

impl From<VerifyError> for Refused {
    fn from(error: VerifyError) -> Self {
        Self::Chain(error)
    }
}

/// An upstream does not do what it is asked to.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Another writer has its turn.
    #[error("{name}: another process is writing")]
    InUse {
        /// The upstream.
        name: String,
    },
    /// It can't be reached, or fails.
    #[error("{name}: {source}")]
    Failed {
        /// The upstream.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// It holds something else than what it once gave.
    #[error("{name}: entry {seq} is no longer the one that this copy was given")]
    Changed {
        /// The upstream.
        name: String,
        /// The entry.
        seq: u64,
    },
    /// It lacks what it once gave.
    #[error("{name}: entry {seq}, which this copy was given, is no longer there")]
    Gone {
        /// The upstream.
        name: String,
        /// The entry.
        seq: u64,
    },
    /// A line does not continue the chain.
    #[error("{name}: entry {seq} is refused: {error}")]
    Chain {
        /// The upstream.
        name: String,
        /// The entry.
        seq: u64,
        /// Why.
        error: VerifyError,
    },
    /// A batch is kept under something that its lines do not say.
    #[error("{name}: the {column} that entry {seq} is kept under is not what its line says")]
    Column {
        /// The upstream.
        name: String,
        /// The entry.
        seq: u64,
        /// Which column.
        column: &'static str,
    },
    /// The last batch is not whole.
    #[error("{name}: the batch behind entry {seq} is not whole")]
    HalfABatch {
        /// The upstream.
        name: String,
        /// The last entry of the last whole batch.
        seq: u64,
    },
    /// The copy can't be read or written.
    #[error("the copy of {name}: {source}")]
    Copy {
        /// The upstream.
        name: String,
        /// Why.
        source: io::Error,
    },
}

impl UpstreamError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "ledger.in-use",
            Self::Failed { .. } => "upstream.failed",
            Self::Changed { .. } => "upstream.changed",
            Self::Gone { .. } => "upstream.gone",
            Self::Chain { error, .. } => error.code(),
            Self::Column { .. } => "upstream.column",
            Self::HalfABatch { .. } => "upstream.half-a-batch",
            Self::Copy { source, .. } => io_code(source),
        }
    }

    /// Whether the upstream's history is not to be believed, as opposed to out of reach.
    #[must_use]
    pub const fn is_of_history(&self) -> bool {
        match self {
            Self::Changed { .. }
            | Self::Gone { .. }
            | Self::Chain { .. }
            | Self::Column { .. }
            | Self::HalfABatch { .. } => true,
            Self::InUse { .. } | Self::Failed { .. } | Self::Copy { .. } => false,
        }
    }
}

impl<S: Storage> FileLedger<S> {
    /// Makes this ledger a copy of `upstream` from now on, and lets others append until
    /// [`resume`](super::Ledger::resume), which takes what is missing.
    pub fn follow(&mut self, upstream: Arc<dyn Upstream>) {
        self.release();
        self.upstream = Some(upstream);
    }

    /// Whether it is a copy of what is kept elsewhere.
    #[must_use]
    pub const fn is_copy(&self) -> bool {
        self.upstream.is_some()
    }

    /// Takes this writer's turn, and what others appended before it.
    pub(super) fn take_turn(
        &mut self,
        upstream: &dyn Upstream,
        wait: Wait,
    ) -> Result<(), UpstreamError> {
        upstream.take_turn(wait)?;
        let pulled = self.catch_up(upstream);
        if pulled.is_err() {
            upstream.end_turn();
        }
        pulled
    }

    /// Takes what others appended upstream; no turn to append is needed for that. It is as durable as the
    /// copy's own lines: until the file is next synced, a loss of power may take it, and then it is fetched
    /// again.
    ///
    /// # Errors
    /// [`UpstreamError`]; whatever whole batches came before it are kept.
    pub fn catch_up(&mut self, upstream: &dyn Upstream) -> Result<(), UpstreamError> {
        let head = self.contents.tip.head;
        let mut incoming = Incoming::of(upstream.name(), self.contents.tip);
        upstream.rows_from(&head, &mut |row| {
            if incoming.is_of_head(row, &head)? {
                return Ok(());
            }
            for piece in row.pieces() {
                if let Some(batch) = incoming.take(row, &piece)? {
                    self.keep(&batch).map_err(|source| UpstreamError::Copy {
                        name: incoming.name.clone(),
                        source,
                    })?;
                }
            }
            Ok(())
        })?;
        incoming.end(&head)
    }

    /// Writes a batch of which it is known that it continues the tip.
    pub(super) fn keep(&mut self, batch: &EncodedBatch) -> io::Result<()> {
        let bytes = batch.bytes();
        self.make_room(bytes.len() as u64)?;
        self.contents.file.with(|file| file.append(bytes))?;
        if let Some(hash) = &mut self.contents.hash {
            hash.update(bytes);
        }
        self.contents.active.bytes += bytes.len() as u64;
        self.contents.tip = tip_after(batch);
        Ok(())
    }
}

/// Holds `upstream` to a copy of it, from the first line to the last: every byte, and every column.
/// Returns how many entries the upstream holds.
///
/// # Errors
/// [`UpstreamError`] with the first difference. What the upstream holds behind the copy's end is only
/// checked for its chain.
pub fn compare(upstream: &dyn Upstream, copy: impl Read) -> Result<u64, UpstreamError> {
    let name = upstream.name();
    let unreadable = |error: ReadLineError| UpstreamError::Copy {
        name: name.clone(),
        source: io::Error::other(error),
    };
    let mut lines = LineReader::new(copy);
    let mut incoming = Incoming::of(name.clone(), Tip::default());
    upstream.rows_from(&Head::GENESIS, &mut |row| {
        for piece in row.pieces() {
            let ours = lines.next_line().map_err(unreadable)?;
            let ours = ours.filter(|line| line.ending == Ending::LineFeed);
            if ours.is_some_and(|line| line.bytes != piece.bytes) {
                let seq = incoming.next_seq();
                let found = if piece.is_first { row.first } else { seq };
                return Err(incoming.differs(seq, Some(found)));
            }
            incoming.take(row, &piece)?;
        }
        Ok(())
    })?;
    incoming.end(&Head::GENESIS)?;
    let rest = lines.next_line().map_err(unreadable)?;
    match rest.filter(|line| line.ending == Ending::LineFeed) {
        Some(_) => Err(incoming.differs(incoming.next_seq(), None)),
        None => Ok(incoming.lines.tip().head.seq),
    }
}

/// Rows on their way into a copy.
struct Incoming {
    name: String,
    lines: BatchAssembler,
    /// Whether the row of the head was seen.
    has_begun: bool,
}

impl Incoming {
    const fn of(name: String, tip: Tip) -> Self {
        Self {
            name,
            lines: BatchAssembler::behind(tip),
            has_begun: tip.head.seq == 0,
        }
    }

    /// Whether this is the row that ends with `head`, which comes first.
    fn is_of_head(&mut self, row: &Row<'_>, head: &Head) -> Result<bool, UpstreamError> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(false);
        }
        if row.last == head.seq && row.hash == head.hash.as_bytes() {
            return Ok(true);
        }
        let is_there = row.first <= head.seq && head.seq <= row.last;
        Err(self.differs(head.seq, is_there.then_some(head.seq)))
    }

    /// Takes the next line, which is one of `row`; `Some` where a batch is whole.
    fn take(
        &mut self,
        row: &Row<'_>,
        piece: &Piece<'_>,
    ) -> Result<Option<EncodedBatch>, UpstreamError> {
        let taken = (self.lines).push(piece.bytes, |line| row.check(piece, line));
        taken.map_err(|refused| {
            let (name, seq) = (self.name.clone(), self.next_seq());
            match refused {
                Refused::Chain(error) => UpstreamError::Chain { name, seq, error },
                Refused::Column(column) => UpstreamError::Column { name, seq, column },
            }
        })
    }

    const fn next_seq(&self) -> u64 {
        self.lines.tip().head.seq.saturating_add(1)
    }

    fn end(&self, head: &Head) -> Result<(), UpstreamError> {
        if !self.has_begun {
            return Err(self.differs(head.seq, None));
        }
        if self.lines.batch_complete() {
            return Ok(());
        }
        Err(UpstreamError::HalfABatch {
            name: self.name.clone(),
            seq: self.lines.committed().head.seq,
        })
    }

    /// Where entry `seq` should be, there is another number, another line, or nothing.
    fn differs(&self, seq: u64, found: Option<u64>) -> UpstreamError {
        let name = self.name.clone();
        if found.is_none_or(|found| found > seq) {
            return UpstreamError::Gone { name, seq };
        }
        UpstreamError::Changed { name, seq }
    }
}
