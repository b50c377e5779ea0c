//! Reading a ledger without ever writing to it.

use std::io::{self, Read, Seek as _, SeekFrom};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{iter, thread, vec};

use super::diagnosis::{Diagnosis, Refusal, Tail};
use super::layout::Layout;
use super::open::{Covered, OpenError, Segment, check_found, examine_behind};
use super::prefix::place_of_last_line;
use super::seals::{Seals, digest, hash_of};
use super::storage::{Disk, Storage};
use crate::chain::line::Position;
use crate::chain::place::{Place, Prefix};

/// A ledger for readers: takes no lock, writes nothing, and works beside a writer.
///
/// A torn tail is a note to a reader, not an error: it may be what a writer is just putting down.
#[derive(Debug)]
pub struct LedgerReader<S: Storage = Disk> {
    storage: S,
    segments: Vec<Segment>,
    diagnosis: Diagnosis,
    prefix: Option<Prefix>,
}

impl LedgerReader {
    /// Opens the ledger in `dir`.
    ///
    /// # Errors
    /// [`OpenError`] where there is none or it can't be read. Damage is no error here: see
    /// [`refusal`](Self::refusal).
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Self::open_on(Disk, dir)
    }

    /// As [`open`](Self::open), and reads nothing of `prefix` but its last line, if the ledger
    /// holds it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_behind(dir: &Path, prefix: Option<&Prefix>) -> Result<Self, OpenError> {
        Self::open_behind_on(Disk, dir, prefix)
    }
}

impl<S: Storage> LedgerReader<S> {
    /// Opens the ledger in `dir` of a given storage.
    ///
    /// # Errors
    /// As [`open`](LedgerReader::open).
    pub fn open_on(storage: S, dir: &Path) -> Result<Self, OpenError> {
        Self::open_behind_on(storage, dir, None)
    }

    /// As [`open_behind`](LedgerReader::open_behind), of a given storage.
    ///
    /// # Errors
    /// As [`open`](LedgerReader::open).
    pub fn open_behind_on(
        storage: S,
        dir: &Path,
        prefix: Option<&Prefix>,
    ) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        check_found(&storage, &layout)?;
        let examined = examine_behind(&storage, &layout, Covered::default(), prefix)
            .map_err(OpenError::io(dir))?;
        match &examined.diagnosis {
            Diagnosis::Clean { tip, .. } | Diagnosis::Torn { tip, .. } if tip.head.seq == 0 => {
                let path = dir.to_owned();
                Err(OpenError::NotInitialized { path })
            }
            _ => Ok(Self {
                storage,
                segments: examined.segments,
                diagnosis: examined.diagnosis,
                prefix: examined.prefix,
            }),
        }
    }

    /// The state in which the ledger was found.
    #[must_use]
    pub const fn diagnosis(&self) -> &Diagnosis {
        &self.diagnosis
    }

    /// What a crash left behind the last complete batch, or what a writer is just putting there.
    #[must_use]
    pub const fn tail(&self) -> Option<&Tail> {
        match &self.diagnosis {
            Diagnosis::Torn { tail, .. } => Some(tail),
            _ => None,
        }
    }

    /// The damage, where there is any.
    #[must_use]
    pub const fn refusal(&self) -> Option<&Refusal> {
        match &self.diagnosis {
            Diagnosis::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// What was taken for good without being read, because the caller knew it.
    #[must_use]
    pub const fn prefix(&self) -> Option<&Prefix> {
        self.prefix.as_ref()
    }

    /// Where the last line of the last complete batch stands.
    ///
    /// # Errors
    /// Where the ledger can't be read.
    pub fn place(&self) -> io::Result<Option<Place>> {
        place_of_last_line(&self.storage, &self.segments)
    }

    /// The raw bytes from the first line: complete batches only, but all bytes of a damaged
    /// ledger, so that a verifier meets the damage itself.
    #[must_use]
    pub fn reader(&self) -> SegmentReader<'_, S> {
        self.reader_behind(0)
    }

    /// As [`reader`](Self::reader), without the first `bytes` bytes.
    #[must_use]
    pub fn reader_behind(&self, bytes: u64) -> SegmentReader<'_, S> {
        SegmentReader::behind(&self.storage, self.segments.iter().collect(), bytes)
    }

    /// How many bytes [`reader`](Self::reader) yields.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The file in which a line stands, and the number of the file's first line; `None` where there is
    /// no segment that could hold it.
    #[must_use]
    pub fn segment_of(&self, seq: u64) -> Option<(&Path, u64)> {
        let segment = self.segments.iter().rfind(|it| it.first_seq <= seq)?;
        Some((&segment.path, segment.first_seq))
    }

    /// Where the segments start in what [`reader`](Self::reader) yields.
    #[must_use]
    pub fn segment_starts(&self) -> Vec<u64> {
        let starts = self.segments.iter().scan(0, |start, segment| {
            let this = *start;
            *start += segment.bytes;
            Some(this)
        });
        starts.collect()
    }
}

/// The segments of a ledger as they stand, nothing of them read.
///
/// For a replay, which checks every line itself, so that nothing is read and hashed twice. What a
/// replay can't see is asked of [`fits`](Self::fits) behind it. Where anything is wrong or the tail is
/// torn, [`LedgerReader`] says what it is.
#[derive(Debug)]
pub struct UnreadLedger<S: Storage = Disk> {
    storage: S,
    segments: Vec<Segment>,
    seals: Seals,
}

impl UnreadLedger {
    /// Lists the segments in `dir`; `None` where they or their seals can't be listed.
    #[must_use]
    pub fn list(dir: &Path) -> Option<Self> {
        Self::list_on(Disk, dir).ok()?
    }
}

impl<S: Storage> UnreadLedger<S> {
    /// As [`list`](UnreadLedger::list), of a given storage.
    pub(crate) fn list_on(storage: S, dir: &Path) -> io::Result<Option<Self>> {
        let layout = Layout::new(dir);
        // The seals come first: a writer may be sealing, and never takes back a seal.
        let Ok(seals) = Seals::read(&storage, &layout)? else {
            return Ok(None);
        };
        let segment = |first_seq| {
            let path = layout.segment(first_seq);
            let bytes = storage.len(&path)?;
            Ok(Segment {
                first_seq,
                path,
                bytes,
            })
        };
        let numbers = layout.segments(&storage)?.into_iter();
        let segments = numbers.map(segment).collect::<io::Result<_>>()?;
        Ok(Some(Self {
            seals,
            segments,
            storage,
        }))
    }

    /// The raw bytes from the first line to the last byte.
    #[must_use]
    pub fn reader(&self) -> SegmentReader<'_, S> {
        SegmentReader::behind(&self.storage, self.segments.iter().collect(), 0)
    }

    /// How many bytes [`reader`](Self::reader) yields.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Whether the segments are those of a history that ends with line `last` and in which every
    /// line continues the chain: each starts with the batch that its name says, and none is missing
    /// that has a seal. Whether the seals have the right hashes is [another question](Self::seals_hold).
    #[must_use]
    pub fn fits(&self, last: u64) -> bool {
        let all_start = self.segments.iter().enumerate().all(|(index, segment)| {
            if index == 0 {
                segment.first_seq == 1
            } else if segment.bytes == 0 {
                index + 1 == self.segments.len() && segment.first_seq == last.saturating_add(1)
            } else {
                self.starts_batch(segment).unwrap_or(false)
            }
        });
        let is_there = |first_seq| {
            let mut segments = self.segments.iter();
            segments.any(|segment| segment.first_seq == first_seq && segment.bytes > 0)
        };
        all_start && self.seals.first_seqs().all(is_there)
    }

    fn seal_holds(&self, segment: &Segment) -> bool {
        self.seals.of(segment.first_seq).is_none_or(|seal| {
            let hash = hash_of(&self.storage, &segment.path, segment.bytes);
            hash.is_ok_and(|hash| digest(&hash) == *seal)
        })
    }

    /// Whether a segment starts with the first line of a batch, and that with the segment's number.
    /// The line before it then ends a batch.
    fn starts_batch(&self, segment: &Segment) -> io::Result<bool> {
        let mut head = Vec::new();
        let file = self.storage.open(&segment.path)?;
        file.take(128).read_to_end(&mut head)?;
        let position = Position::parse(&head);
        Ok(position.is_ok_and(|it| it.seq == segment.first_seq && it.batch.index == 1))
    }
}

impl UnreadLedger {
    /// Whether every seal is the hash of its segment. The sealed segments are read for this, on as many
    /// threads as the machine runs at once.
    #[must_use]
    pub fn seals_hold(&self) -> bool {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let next = AtomicUsize::new(0);
        let hold_from_next = || {
            let mut left =
                iter::from_fn(|| self.segments.get(next.fetch_add(1, Ordering::Relaxed)));
            left.all(|segment| self.seal_holds(segment))
        };
        thread::scope(|scope| {
            let helpers: Vec<_> = (1..threads.min(self.segments.len()))
                .map(|_| scope.spawn(hold_from_next))
                .collect();
            let mine = hold_from_next();
            helpers
                .into_iter()
                .all(|helper| helper.join().unwrap_or(false))
                && mine
        })
    }
}

/// Reads segments one after the other, each up to a known length.
#[derive(Debug)]
pub struct SegmentReader<'a, S: Storage> {
    storage: &'a S,
    segments: vec::IntoIter<&'a Segment>,
    current: Option<S::File>,
    /// How much of the current segment is still to come.
    left: u64,
    /// How much is to be left out before anything is read.
    skip: u64,
}

impl<'a, S: Storage> SegmentReader<'a, S> {
    /// Leaves the first `bytes` bytes out.
    pub(super) fn behind(storage: &'a S, segments: Vec<&'a Segment>, bytes: u64) -> Self {
        Self {
            storage,
            segments: segments.into_iter(),
            current: None,
            left: 0,
            skip: bytes,
        }
    }

    /// Opens segments until one has bytes to give; false at the end of the last.
    fn advance(&mut self) -> io::Result<bool> {
        while self.left == 0 {
            let Some(segment) = self.segments.next() else {
                return Ok(false);
            };
            let skipped = self.skip.min(segment.bytes);
            self.skip -= skipped;
            self.left = segment.bytes - skipped;
            if self.left > 0 {
                let mut file = self.storage.open(&segment.path)?;
                file.seek(SeekFrom::Start(skipped))?;
                self.current = Some(file);
            }
        }
        Ok(true)
    }
}

impl<S: Storage> Read for SegmentReader<'_, S> {
    /// A segment that became shorter than it was is an error, never a quiet end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.advance()? {
            return Ok(0);
        }
        let Some(file) = &mut self.current else {
            return Ok(0);
        };
        let read = file.take(self.left).read(buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}
