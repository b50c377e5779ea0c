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

    /// Passes the rows from `head` on to `take`, in order, that of `head` first unless it is the
    /// genesis.
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

/// A line as it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The number that it is kept under.
    pub seq: u64,
    /// The hash that it is kept under.
    pub hash: &'a [u8],
    /// The hash of the row before it.
    pub prev_hash: &'a [u8],
    /// The line, without its line feed.
    pub line: &'a [u8],
}

impl Row<'_> {
    fn check(&self, line: &Line<'_>) -> Result<(), Refused> {
        let columns = [
            ("number", self.seq == line.seq),
            ("hash", self.hash == line.entry_hash.as_bytes()),
            ("previous hash", self.prev_hash == line.prev_hash.as_bytes()),
        ];
        match columns.into_iter().find(|(_, is_right)| !is_right) {
            Some((column, _)) => Err(Refused::Column(column, line.seq)),
            None => Ok(()),
        }
    }
}

/// Why a row is not taken.
enum Refused {
    Chain(VerifyError),
    /// This column of this row.
    Column(&'static str, u64),
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
        /// The number of the row.
        seq: u64,
        /// Why.
        error: VerifyError,
    },
    /// A row is kept under something that its line does not say.
    #[error("{name}: the {column} of row {seq} is not what its line says")]
    Column {
        /// The upstream.
        name: String,
        /// The number of the row.
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

    /// Takes what others appended upstream; no turn to append is needed for that. It is as durable as the copy's own lines: until the file is
    /// next synced, a loss of power may take it, and then it is fetched again.
    ///
    /// # Errors
    /// [`UpstreamError`]; whatever whole batches came before it are kept.
    pub fn catch_up(&mut self, upstream: &dyn Upstream) -> Result<(), UpstreamError> {
        let head = self.contents.tip.head;
        let mut incoming = Incoming::of(upstream.name(), self.contents.tip);
        upstream.rows_from(&head, &mut |row| {
            let Some(batch) = incoming.take(row, &head)? else {
                return Ok(());
            };
            self.keep(&batch).map_err(|source| UpstreamError::Copy {
                name: incoming.name.clone(),
                source,
            })
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
        let ours = lines.next_line().map_err(unreadable)?;
        let ours = ours.filter(|line| line.ending == Ending::LineFeed);
        if ours.is_some_and(|line| line.bytes != row.line) {
            let seq = incoming.lines.tip().head.seq.saturating_add(1);
            return Err(incoming.differs(seq, Some(row.seq)));
        }
        incoming.take(row, &Head::GENESIS).map(drop)
    })?;
    incoming.end(&Head::GENESIS)?;
    let rest = lines.next_line().map_err(unreadable)?;
    match rest.filter(|line| line.ending == Ending::LineFeed) {
        Some(_) => Err(incoming.differs(incoming.lines.tip().head.seq.saturating_add(1), None)),
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

    /// Takes the next row, the first of which must be that of `head`; `Some` where a batch is whole.
    fn take(&mut self, row: &Row<'_>, head: &Head) -> Result<Option<EncodedBatch>, UpstreamError> {
        if !self.has_begun {
            self.has_begun = true;
            let is_same = row.seq == head.seq && row.hash == head.hash.as_bytes();
            return if is_same {
                Ok(None)
            } else {
                Err(self.differs(head.seq, Some(row.seq)))
            };
        }
        let taken = self.lines.push(row.line, |line| row.check(line));
        taken.map_err(|refused| {
            let (name, seq) = (self.name.clone(), row.seq);
            match refused {
                Refused::Chain(error) => UpstreamError::Chain { name, seq, error },
                Refused::Column(column, seq) => UpstreamError::Column { name, seq, column },
            }
        })
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

    /// Where entry `seq` should be, there is a row of another number, another line, or nothing.
    fn differs(&self, seq: u64, found: Option<u64>) -> UpstreamError {
        let name = self.name.clone();
        if found.is_none_or(|found| found > seq) {
            return UpstreamError::Gone { name, seq };
        }
        UpstreamError::Changed { name, seq }
    }
}
