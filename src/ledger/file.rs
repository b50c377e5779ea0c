//! The durable ledger: JSON Lines segments in a directory, one writer at a time.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::contents::Contents;
use super::diagnosis::{Diagnosis, Known, Refusal, SegmentStart};
use super::layout::Layout;
use super::lock::{Held as _, Wait};
use super::open::{Covered, Examined, OpenError, Position, check_found, examine};
use super::prefix::{is_another, place_of_last_line};
use super::reader::SegmentReader;
use super::recovery::{self, Recovery};
use super::settling::{replace_by_copy, settle, settle_and_examine};
use super::storage::{Disk, Storage, StorageFile as _, create_dirs};
use super::upstream::{Upstream, UpstreamError};
use super::writing::{OpenFile, Writing, Written};
use super::{AppendError, Appended, Ledger, check_continues, full_or, tip_after};
use crate::chain::line::{EncodedBatch, Head};
use crate::chain::place::{Place, Prefix};
use crate::chain::verify::Tip;

/// How a ledger is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// How long to wait for another writer.
    pub wait: Wait,
    /// The last line known to be covered by a checkpoint: a tail that should hold it is damage.
    pub checkpoint: Option<u64>,
    /// The last line that this user has seen acknowledged, in the ledger or in a snapshot: a torn tail
    /// that should hold it is damage.
    pub acknowledged: Option<u64>,
    /// What is known of the ledger: where it holds this, the lines up to the last of these are not
    /// read again.
    pub prefix: Option<Prefix>,
    /// How many bytes a segment holds at most, unless a single batch is longer.
    pub segment_bytes: u64,
}

impl OpenOptions {
    /// The usual length of a segment: 64 MiB.
    pub const SEGMENT_BYTES: u64 = 64 << 20;
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            wait: Wait::default(),
            checkpoint: None,
            acknowledged: None,
            prefix: None,
            segment_bytes: Self::SEGMENT_BYTES,
        }
    }
}

impl From<Wait> for OpenOptions {
    fn from(wait: Wait) -> Self {
        Self {
            wait,
            ..Self::default()
        }
    }
}

/// The ledger in a directory, open for writing.
///
/// ```text
/// DIR/LOCK                                held as long as the value lives or until it is released
/// DIR/ledger/00000000000000000001.jsonl   the segment whose first line is number 1
/// DIR/ledger/SHA256SUMS                   the hashes of all segments but the last
/// DIR/quarantine/                         torn tails, kept
/// ```
///
/// An append is acknowledged only after it was synced. The first failure to write or to sync
/// poisons the value: after it nothing is known of the file's end, and trying again on the same
/// file can succeed without the bytes being there.
#[derive(Debug)]
pub struct FileLedger<S: Storage = Disk> {
    storage: S,
    layout: Layout,
    segment_bytes: u64,
    pub(super) contents: Contents<S>,
    prefix: Option<Prefix>,
    /// What the files are a copy of, if they are one.
    pub(super) upstream: Option<Arc<dyn Upstream>>,
    poisoned: bool,
    begun: Option<Begun>,
    /// Up to where the caller knows the ledger, where that is not its end: taking it up failed half-way.
    known: Option<(u64, Tip)>,
    /// `None` while the ledger is released to others.
    lock: Option<S::Lock>,
}

/// The batch that was begun and has not ended.
#[derive(Debug)]
struct Begun {
    bytes: u64,
    /// The tip behind it.
    tip: Tip,
    /// The batch itself, where the upstream has to take it first.
    batch: Option<Arc<EncodedBatch>>,
}

impl FileLedger {
    /// Makes an empty ledger in `dir`, directories included.
    ///
    /// What an interrupted attempt left is taken over.
    ///
    /// # Errors
    /// [`OpenError`], `Exists` where there is one already.
    pub fn create(dir: &Path) -> Result<Self, OpenError> {
        Self::create_on(Disk, dir, OpenOptions::default())
    }

    /// Opens the ledger in `dir` for writing and recovers it from a crash.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, wait: Wait) -> Result<Self, OpenError> {
        let options = OpenOptions {
            wait,
            ..OpenOptions::default()
        };
        Self::open_with(dir, options)
    }

    /// As [`open`](Self::open), with all options.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(dir: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        Self::open_on(Disk, dir, options)
    }
}

impl<S: Storage> FileLedger<S> {
    /// Makes an empty ledger in `dir` of a given storage.
    ///
    /// # Errors
    /// As [`create`](FileLedger::create).
    pub fn create_on(storage: S, dir: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        for made in [&layout.dir, &layout.ledger] {
            create_dirs(&storage, made).map_err(OpenError::io(dir))?;
        }
        let lock = acquire(&storage, &layout, options.wait)?;
        create_first_segment(&storage, &layout).map_err(OpenError::io(dir))?;
        let found = settle_and_examine(&storage, &layout, &lock, &OpenOptions::default())
            .map_err(OpenError::io(dir))?;
        match &found.diagnosis {
            Diagnosis::Clean { tip, .. } | Diagnosis::Torn { tip, .. } if tip.head.seq == 0 => {
                Self::start(storage, layout, lock, options, found)
            }
            _ => {
                lock.leave_in_order();
                Err(OpenError::Exists {
                    path: dir.to_owned(),
                })
            }
        }
    }

    /// Opens the ledger in `dir` of a given storage for writing.
    ///
    /// # Errors
    /// As [`open`](FileLedger::open).
    pub fn open_on(storage: S, dir: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        check_found(&storage, &layout)?;
        let lock = acquire(&storage, &layout, options.wait)?;
        let found =
            settle_and_examine(&storage, &layout, &lock, &options).map_err(OpenError::io(dir))?;
        match &found.diagnosis {
            Diagnosis::Clean { tip, .. } | Diagnosis::Torn { tip, .. } if tip.head.seq == 0 => {
                lock.leave_in_order();
                let path = dir.to_owned();
                Err(OpenError::NotInitialized { path })
            }
            _ => Self::start(storage, layout, lock, options, found),
        }
    }

    fn start(
        storage: S,
        layout: Layout,
        lock: S::Lock,
        options: OpenOptions,
        found: Examined,
    ) -> Result<Self, OpenError> {
        let prefix = found.prefix;
        let contents = match Contents::adopt(&storage, &layout, Vec::new(), found) {
            Ok(contents) => contents,
            Err(error) => {
                if matches!(error, OpenError::Refused { .. }) {
                    // Nothing was changed.
                    lock.leave_in_order();
                }
                return Err(error);
            }
        };
        Ok(Self {
            storage,
            layout,
            segment_bytes: options.segment_bytes,
            contents,
            prefix,
            upstream: None,
            poisoned: false,
            begun: None,
            known: None,
            lock: Some(lock),
        })
    }

    /// The last acknowledged line, with its time.
    #[must_use]
    pub const fn tip(&self) -> &Tip {
        &self.contents.tip
    }

    /// The length of all acknowledged batches in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.contents.offset_of_active() + self.contents.active.bytes
    }

    /// The raw bytes of the acknowledged batches behind the first `bytes` bytes.
    #[must_use]
    pub fn reader_behind(&self, bytes: u64) -> SegmentReader<'_, S> {
        SegmentReader::behind(&self.storage, self.contents.segments(), bytes)
    }

    /// What was taken for good at the opening without being read, because the caller knew it.
    #[must_use]
    pub const fn prefix(&self) -> Option<&Prefix> {
        self.prefix.as_ref()
    }

    /// Where the last acknowledged line stands.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn place(&self) -> io::Result<Option<Place>> {
        place_of_last_line(&self.storage, self.contents.segments())
    }

    /// Whether an append failed, so that nothing is taken until
    /// [`recover_after_failure`](Self::recover_after_failure).
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Refuses another ledger in this one's place.
    fn check_last_line(&self) -> Result<(), OpenError> {
        let Contents { active, tip, .. } = &self.contents;
        let dir = &self.layout.dir;
        let is_another = is_another(&self.storage, &active.path, active.bytes, &tip.head);
        if is_another.map_err(OpenError::io(dir))? {
            let offset = self.contents.offset_of_active() + active.bytes;
            return Err(OpenError::Refused {
                path: dir.clone(),
                refusal: Refusal::other(tip, offset),
            });
        }
        Ok(())
    }

    fn examine_the_rest(&self, lock: &S::Lock) -> io::Result<Examined> {
        let active = &self.contents.active;
        let position = Position {
            first_seq: active.first_seq,
            known: Known {
                bytes: active.bytes,
                hash: self.contents.hash.clone(),
            },
            start: SegmentStart {
                tip: self.contents.tip,
                offset: self.contents.offset_of_active(),
            },
        };
        let is_as_left = lock.was_left_in_order()
            && self.layout.segments(&self.storage)?.last() == Some(&active.first_seq)
            && self.storage.len(&active.path)? == active.bytes;
        if is_as_left {
            return examine(&self.storage, &self.layout, Covered::default(), position);
        }
        settle(&self.storage, &self.layout, lock)?;
        examine(&self.storage, &self.layout, Covered::default(), position)
    }

    /// After a failed append, puts a new file with all acknowledged batches in the segment's place.
    ///
    /// The batch that failed is gone afterwards. After a failed sync the page cache may show bytes
    /// that the disk does not have, so the old file is never written to again.
    ///
    /// # Errors
    /// Where the new file can't be made durable; the ledger stays poisoned, and this can be tried
    /// again.
    pub fn recover_after_failure(&mut self) -> io::Result<()> {
        if !self.poisoned {
            return Ok(());
        }
        // Nobody may still write what was begun.
        self.contents.file.close();
        self.begun = None;
        let active = &self.contents.active;
        let file = replace_by_copy(&self.storage, &active.path, active.bytes)?;
        self.storage.sync_dir(&self.layout.ledger)?;
        self.contents.file = OpenFile::new(file);
        if self.contents.is_rolling {
            // The seal may stand on the disk already, so nothing more may go into the segment.
            self.contents.roll(&self.storage, &self.layout)?;
        }
        self.poisoned = false;
        Ok(())
    }

    /// Refuses a file that is not as this writer left it.
    fn check_length(&self) -> Result<(), AppendError> {
        let expected = self.contents.active.bytes;
        let open = self.contents.file.with(|file| file.file_len());
        let open = open.map_err(AppendError::Io)?;
        // Under the path there may be another file by now.
        let named = (self.storage.len(&self.contents.active.path)).map_err(AppendError::Io)?;
        for found in [open, named] {
            if found != expected {
                return Err(AppendError::ForeignWriter { expected, found });
            }
        }
        Ok(())
    }

    /// Starts another segment where a batch would make this one too long.
    pub(super) fn make_room(&mut self, batch_bytes: u64) -> io::Result<()> {
        let bytes = self.contents.active.bytes;
        if bytes == 0 || bytes.saturating_add(batch_bytes) <= self.segment_bytes {
            return Ok(());
        }
        self.contents.roll(&self.storage, &self.layout)
    }

    /// Everything of an append that comes before the write.
    fn prepare(
        &mut self,
        expected: &Head,
        batch: &EncodedBatch,
        upstream: Option<Arc<EncodedBatch>>,
    ) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        if self.lock.is_none() {
            return Err(AppendError::Released);
        }
        check_continues(&self.contents.tip, expected, batch)?;
        self.check_length()?;
        // Until the write has ended well: it may panic, or nobody may ask what came of it.
        self.poisoned = true;
        let bytes = batch.bytes().len() as u64;
        if self.upstream.is_none() {
            self.make_room(bytes)
                .map_err(|error| full_or(error, AppendError::Io))?;
        }
        self.begun = Some(Begun {
            bytes,
            tip: tip_after(batch),
            batch: upstream,
        });
        Ok(())
    }

    /// Copies what the upstream has taken. Where it has not, nothing was written here.
    fn follow_up(
        &mut self,
        outcome: Result<(), AppendError>,
        batch: &EncodedBatch,
    ) -> Result<(), AppendError> {
        self.begun = None;
        if outcome.is_ok() {
            // The upstream has it, whatever becomes of the copy.
            self.keep(batch).map_err(AppendError::DurabilityUnknown)?;
        }
        self.poisoned = false;
        outcome
    }
}

impl<S: Storage> Ledger for FileLedger<S> {
    fn head(&self) -> &Head {
        &self.contents.tip.head
    }

    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        self.prepare(expected, batch, None)?;
        if let Some(upstream) = &self.upstream {
            let outcome = upstream.append(batch);
            return self.follow_up(outcome, batch);
        }
        let written = (self.contents.file).write(batch, self.contents.hash.clone());
        self.end(written)
    }

    fn begin(&mut self, expected: &Head, batch: Arc<EncodedBatch>) -> Result<Writing, AppendError> {
        if let Some(upstream) = self.upstream.clone() {
            self.prepare(expected, &batch, Some(Arc::clone(&batch)))?;
            return Ok(Writing::new(move || Written::of(upstream.append(&batch))));
        }
        self.prepare(expected, &batch, None)?;
        let file = self.contents.file.share();
        let hash = self.contents.hash.clone();
        Ok(Writing::new(move || file.write(&batch, hash)))
    }

    fn end(&mut self, written: Written) -> Result<(), AppendError> {
        let begun = self.begun.take();
        if let Some(batch) = begun.as_ref().and_then(|begun| begun.batch.clone()) {
            return self.follow_up(written.outcome(), &batch);
        }
        let appendix = written.0?;
        let (Some(Begun { bytes, tip, .. }), Some(appendix)) = (begun, appendix) else {
            return Err(AppendError::Poisoned);
        };
        if appendix.head != tip.head {
            return Err(AppendError::Poisoned);
        }
        self.poisoned = false;
        self.contents.active.bytes += bytes;
        self.contents.hash = appendix.hash;
        self.contents.tip = tip;
        Ok(())
    }

    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.reader_behind(0)))
    }

    /// What became of a copy is no matter of the ledger's.
    fn unrecorded_recoveries(&self) -> io::Result<Vec<Recovery>> {
        if self.upstream.is_some() {
            return Ok(Vec::new());
        }
        recovery::unrecorded(&self.storage, &self.layout)
    }

    fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn recover(&mut self) -> io::Result<()> {
        self.recover_after_failure()
    }

    /// Lets another process write. A poisoned ledger is kept: what others would find of the failed
    /// write may not be on the disk.
    fn release(&mut self) {
        if self.poisoned {
            return;
        }
        if let Some(lock) = self.lock.take() {
            if let Some(upstream) = &self.upstream {
                upstream.end_turn();
            }
            lock.leave_in_order();
        }
    }

    /// Goes on from the ledger's real end; only what others appended is read.
    fn resume(&mut self, wait: Wait) -> Result<Option<Appended<'_>>, OpenError> {
        if self.lock.is_some() {
            return Ok(None);
        }
        let lock = acquire(&self.storage, &self.layout, wait)?;
        let dir = self.layout.dir.clone();
        let (offset, tip) = self.known.unwrap_or((self.bytes(), self.contents.tip));
        self.check_last_line()?;
        let found = self.examine_the_rest(&lock).map_err(OpenError::io(&dir))?;
        // Under the path there may be another file by now, even one of the same length.
        let sealed = self.contents.sealed.clone();
        self.contents = Contents::adopt(&self.storage, &self.layout, sealed, found)?;
        if let Some(upstream) = self.upstream.clone()
            && let Err(error) = self.take_turn(upstream.as_ref(), wait)
        {
            if !matches!(error, UpstreamError::Copy { .. }) {
                lock.leave_in_order();
            }
            self.known = Some((offset, tip));
            return Err(error.into());
        }
        self.known = None;
        self.lock = Some(lock);
        Ok((self.bytes() > offset).then(|| Appended {
            offset,
            tip,
            bytes: Box::new(self.reader_behind(offset)),
        }))
    }

    fn mark_recorded(&self, recovery: &Recovery) -> io::Result<()> {
        recovery::mark_recorded(&self.storage, &self.layout, recovery)
    }
}

impl<S: Storage> Drop for FileLedger<S> {
    fn drop(&mut self) {
        // Nobody else may write before this process has stopped.
        self.contents.file.close();
        self.release();
    }
}

fn acquire<S: Storage>(storage: &S, layout: &Layout, wait: Wait) -> Result<S::Lock, OpenError> {
    (storage.lock(&layout.lock, wait)).map_err(|error| OpenError::lock(&layout.dir, error))
}

fn create_first_segment<S: Storage>(storage: &S, layout: &Layout) -> io::Result<()> {
    if layout.segments(storage)?.is_empty() {
        storage.create_new(&layout.segment(1))?;
    }
    Ok(())
}
