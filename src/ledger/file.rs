//! The durable ledger: JSON Lines segments in a directory, one writer at a time.

use std::io::{self, Read};
use std::path::Path;

use super::diagnosis::Diagnosis;
use super::layout::{Layout, temporary};
use super::lock::{Wait, WriterLock};
use super::open::{Examined, OpenError, Segment, check_found, examine};
use super::prefix::place_of_last_line;
use super::reader::SegmentReader;
use super::recovery::{self, Recovery};
use super::storage::{Disk, Storage, StorageFile, copy, create_dirs};
use super::{AppendError, Ledger, check_continues, tip_after};
use crate::chain::line::{EncodedBatch, Head};
use crate::chain::place::{Place, Prefix};
use crate::chain::verify::Tip;

/// How a ledger is opened for writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// How long to wait for another writer.
    pub wait: Wait,
    /// The last line known to be covered by a checkpoint: a tail that should hold it is damage.
    pub checkpoint: Option<u64>,
    /// What is known of the ledger: where it holds this, the lines up to the last of these are not
    /// read again.
    pub prefix: Option<Prefix>,
}

/// The ledger in a directory, open for writing.
///
/// ```text
/// DIR/LOCK                                held as long as the value lives
/// DIR/ledger/00000000000000000001.jsonl   the segment whose first line is number 1
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
    /// The segments that are never written to again.
    sealed: Vec<Segment>,
    active: Segment,
    /// The active segment, open at its end.
    file: S::File,
    tip: Tip,
    prefix: Option<Prefix>,
    poisoned: bool,
    _lock: WriterLock,
}

impl FileLedger {
    /// Makes an empty ledger in `dir`, directories included.
    ///
    /// What an interrupted attempt left is taken over.
    ///
    /// # Errors
    /// [`OpenError`], `Exists` where there is one already.
    pub fn create(dir: &Path) -> Result<Self, OpenError> {
        Self::create_on(Disk, dir, Wait::default())
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
        Self::open_on(Disk, dir, options)
    }
}

impl<S: Storage> FileLedger<S> {
    /// Makes an empty ledger in `dir` of a given storage.
    ///
    /// # Errors
    /// As [`create`](FileLedger::create).
    pub fn create_on(storage: S, dir: &Path, wait: Wait) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        create_dirs(&storage, &layout.ledger).map_err(OpenError::io(dir))?;
        let lock = acquire(&layout, wait)?;
        create_first_segment(&storage, &layout).map_err(OpenError::io(dir))?;
        let found = settle_and_examine(&storage, &layout, &OpenOptions::default())
            .map_err(OpenError::io(dir))?;
        match &found.diagnosis {
            Diagnosis::Clean { tip, .. } | Diagnosis::Torn { tip, .. } if tip.head.seq == 0 => {
                Self::start(storage, layout, lock, found)
            }
            _ => Err(OpenError::Exists {
                path: dir.to_owned(),
            }),
        }
    }

    /// Opens the ledger in `dir` of a given storage for writing.
    ///
    /// # Errors
    /// As [`open`](FileLedger::open).
    pub fn open_on(storage: S, dir: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        let layout = Layout::new(dir);
        check_found(&storage, &layout)?;
        let lock = acquire(&layout, options.wait)?;
        let found = settle_and_examine(&storage, &layout, &options).map_err(OpenError::io(dir))?;
        match &found.diagnosis {
            Diagnosis::Clean { tip, .. } | Diagnosis::Torn { tip, .. } if tip.head.seq == 0 => {
                let path = dir.to_owned();
                Err(OpenError::NotInitialized { path })
            }
            _ => Self::start(storage, layout, lock, found),
        }
    }

    /// Recovers what was found if need be and gets ready to append.
    fn start(
        storage: S,
        layout: Layout,
        lock: WriterLock,
        mut found: Examined,
    ) -> Result<Self, OpenError> {
        let path = layout.dir.clone();
        let Some(active) = found.segments.pop() else {
            return Err(OpenError::NotInitialized { path });
        };
        let mut file = (storage.open_append(&active.path)).map_err(OpenError::io(&path))?;
        let tip = match found.diagnosis {
            Diagnosis::Clean { tip, .. } => tip,
            Diagnosis::Torn {
                tip,
                keep_bytes,
                tail,
            } => {
                recovery::set_aside(&storage, &layout, &mut file, keep_bytes, &tail)
                    .map_err(OpenError::io(&path))?;
                tip
            }
            Diagnosis::Refused(refusal) => return Err(OpenError::Refused { path, refusal }),
        };
        Ok(Self {
            storage,
            layout,
            sealed: found.segments,
            active,
            file,
            tip,
            prefix: found.prefix,
            poisoned: false,
            _lock: lock,
        })
    }

    /// The last acknowledged line, with its time.
    #[must_use]
    pub const fn tip(&self) -> &Tip {
        &self.tip
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
        place_of_last_line(&self.storage, self.all_segments())
    }

    fn all_segments(&self) -> impl DoubleEndedIterator<Item = &Segment> + Clone {
        self.sealed.iter().chain([&self.active])
    }

    /// Whether an append failed, so that nothing is taken until
    /// [`recover_after_failure`](Self::recover_after_failure).
    #[must_use]
    pub const fn is_poisoned(&self) -> bool {
        self.poisoned
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
        let temporary = temporary(&self.active.path);
        let copied = copy_prefix(&self.storage, &self.active, &temporary);
        if copied.is_err() && self.storage.exists(&temporary)? {
            // Half a copy only takes up room that may be what is missing.
            self.storage.remove(&temporary)?;
        }
        let file = copied?;
        self.storage.rename(&temporary, &self.active.path)?;
        self.storage.sync_dir(&self.layout.ledger)?;
        self.file = file;
        self.poisoned = false;
        Ok(())
    }

    /// Refuses a file that is not as this writer left it.
    fn check_length(&self) -> Result<(), AppendError> {
        let expected = self.active.bytes;
        let open = self.file.file_len().map_err(AppendError::Io)?;
        // Under the path there may be another file by now.
        let named = (self.storage.len(&self.active.path)).map_err(AppendError::Io)?;
        for found in [open, named] {
            if found != expected {
                return Err(AppendError::ForeignWriter { expected, found });
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AppendError> {
        self.file.append(bytes).map_err(|error| {
            if is_full(&error) {
                AppendError::Full(error)
            } else {
                AppendError::DurabilityUnknown(error)
            }
        })?;
        (self.file.sync()).map_err(AppendError::DurabilityUnknown)
    }
}

impl<S: Storage> Ledger for FileLedger<S> {
    fn head(&self) -> &Head {
        &self.tip.head
    }

    fn append(&mut self, expected: &Head, batch: &EncodedBatch) -> Result<(), AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        check_continues(&self.tip, expected, batch)?;
        self.check_length()?;
        if let Err(error) = self.write(batch.bytes()) {
            self.poisoned = true;
            return Err(error);
        }
        self.active.bytes += batch.bytes().len() as u64;
        self.tip = tip_after(batch);
        Ok(())
    }

    fn reader(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(SegmentReader::new(
            &self.storage,
            self.all_segments().collect(),
        )))
    }

    fn reader_from(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let mut reader = SegmentReader::new(&self.storage, self.all_segments().collect());
        reader.skip(offset)?;
        Ok(Box::new(reader))
    }

    fn unrecorded_recoveries(&self) -> io::Result<Vec<Recovery>> {
        recovery::unrecorded(&self.storage, &self.layout)
    }

    fn mark_recorded(&self, recovery: &Recovery) -> io::Result<()> {
        recovery::mark_recorded(&self.storage, &self.layout, recovery)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn acquire(layout: &Layout, wait: Wait) -> Result<WriterLock, OpenError> {
    WriterLock::acquire(&layout.lock, wait).map_err(|error| OpenError::lock(&layout.dir, error))
}

fn create_first_segment<S: Storage>(storage: &S, layout: &Layout) -> io::Result<()> {
    if layout.segments(storage)?.is_empty() {
        storage.create_new(&layout.segment(1))?;
    }
    Ok(())
}

/// Examines a ledger for its writer, who must not rely on what only the page cache holds: the
/// last writer may have ended before its last sync.
fn settle_and_examine<S: Storage>(
    storage: &S,
    layout: &Layout,
    options: &OpenOptions,
) -> io::Result<Examined> {
    layout.remove_temporaries(storage)?;
    if let Some(last) = layout.segments(storage)?.last() {
        storage.open_append(&layout.segment(*last))?.sync()?;
    }
    storage.sync_dir(&layout.ledger)?;
    storage.sync_dir(&layout.dir)?;
    examine(storage, layout, options.checkpoint, options.prefix.as_ref())
}

/// Copies the acknowledged part of `segment` to a new, synced file.
fn copy_prefix<S: Storage>(
    storage: &S,
    segment: &Segment,
    temporary: &Path,
) -> io::Result<S::File> {
    if storage.exists(temporary)? {
        storage.remove(temporary)?;
    }
    let mut old = storage.open(&segment.path)?;
    let mut new = storage.create_new(temporary)?;
    copy(&mut old, &mut new, segment.bytes, |_| {})?;
    new.sync()?;
    Ok(new)
}
