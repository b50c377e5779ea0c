//! A disk that shows an observer what a process is doing to it, and that can stop half way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use althing::ledger::lock::{LockError, WriterLock};
use althing::ledger::storage::{Disk, Storage, StorageFile};
use althing::ledger::{FileLedger, OpenOptions as LedgerOptions, Wait};

/// What a process is doing to its ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Doing {
    /// Something else.
    Nothing,
    /// Waiting for the lock.
    Waiting,
    /// Writing a batch.
    Writing,
    /// Has written a part of a batch, and waits to be killed.
    Half,
    /// Syncing a batch or a directory.
    Syncing,
    /// Ending a segment, beginning the next.
    Sealing,
    /// Copying what a process left that was killed.
    Copying,
    /// Setting a torn tail aside.
    SettingAside,
    /// Taking or removing a snapshot.
    Snapshot,
}

impl Doing {
    const ALL: [Self; 9] = [
        Self::Nothing,
        Self::Waiting,
        Self::Writing,
        Self::Half,
        Self::Syncing,
        Self::Sealing,
        Self::Copying,
        Self::SettingAside,
        Self::Snapshot,
    ];

    /// What `batch_work` is when it is done to the file at `path`.
    fn to(path: &Path, batch_work: Self) -> Self {
        let text = path.to_string_lossy();
        let is_in = |dir: &str| path.components().any(|part| part.as_os_str() == dir);
        if is_in("snapshots") {
            Self::Snapshot
        } else if is_in("quarantine") {
            Self::SettingAside
        } else if text.contains("SHA256SUMS") {
            Self::Sealing
        } else if text.ends_with(".jsonl.tmp") {
            Self::Copying
        } else {
            batch_work
        }
    }
}

const LINGER: Duration = Duration::from_millis(1);

/// What is seen of a process: whether its start is over, and what it does.
pub type Seen = (bool, Doing);

/// Two bytes in a file, which outlive their writer.
#[derive(Debug)]
struct Note {
    file: File,
    is_at_work: AtomicU8,
    /// How many more batches are written before one is stopped half way.
    until_half: AtomicU64,
    /// How much of that one is written, in thousandths.
    thousandths: u64,
}

impl Note {
    fn set(&self, doing: Doing) {
        let bytes = [self.is_at_work.load(SeqCst), doing as u8];
        self.file.write_all_at(&bytes, 0).unwrap();
    }

    /// Lingers before and after it, as slow disks do, so that a kill can come between any two. Not
    /// before a write: who is seen writing is killed in the write itself.
    fn during<T>(&self, doing: Doing, act: impl FnOnce() -> T) -> T {
        self.set(doing);
        if !matches!(doing, Doing::Nothing | Doing::Waiting | Doing::Writing) {
            thread::sleep(LINGER);
        }
        let done = act();
        if !matches!(doing, Doing::Nothing | Doing::Waiting) {
            thread::sleep(LINGER);
        }
        self.set(Doing::Nothing);
        done
    }
}

/// What the note at `path` says.
pub fn seen(path: &Path) -> Seen {
    match fs::read(path).ok().as_deref() {
        Some([at_work, doing]) => (*at_work == 1, Doing::ALL[usize::from(*doing)]),
        _ => (false, Doing::Nothing),
    }
}

/// The real disk, with a note of what is being done to it.
#[derive(Debug, Clone)]
pub struct Watched(Arc<Note>);

/// Which batch to stop in, counted from 1, and after how many thousandths of it; 0 for none.
pub type Half = (u64, u64);

impl Watched {
    pub fn new(note: &Path, half: Half) -> Self {
        let opened = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .open(note);
        let note = Note {
            file: opened.unwrap(),
            is_at_work: AtomicU8::new(0),
            until_half: AtomicU64::new(half.0),
            thousandths: half.1,
        };
        note.set(Doing::Nothing);
        Self(Arc::new(note))
    }

    /// The start is over.
    pub fn is_at_work(&self) {
        self.0.is_at_work.store(1, SeqCst);
        self.0.set(Doing::Nothing);
    }

    fn file(&self, file: File, path: &Path) -> WatchedFile {
        WatchedFile {
            file,
            note: Arc::clone(&self.0),
            write: Doing::to(path, Doing::Writing),
            sync: Doing::to(path, Doing::Syncing),
            cut: Doing::to(path, Doing::SettingAside),
        }
    }
}

/// A ledger on it.
pub type WatchedLedger = FileLedger<Watched>;

pub fn options(wait: Wait) -> LedgerOptions {
    LedgerOptions {
        wait,
        segment_bytes: 40_000,
        ..LedgerOptions::default()
    }
}

impl Storage for Watched {
    type File = WatchedFile;
    type Lock = WriterLock;

    fn lock(&self, path: &Path, wait: Wait) -> Result<WriterLock, LockError> {
        self.0.during(Doing::Waiting, || Disk.lock(path, wait))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Disk.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }

    fn open(&self, path: &Path) -> io::Result<WatchedFile> {
        Ok(self.file(Disk.open(path)?, path))
    }

    fn open_append(&self, path: &Path) -> io::Result<WatchedFile> {
        Ok(self.file(Disk.open_append(path)?, path))
    }

    fn create_new(&self, path: &Path) -> io::Result<WatchedFile> {
        let doing = Doing::to(path, Doing::Sealing);
        let file = self.0.during(doing, || Disk.create_new(path))?;
        Ok(self.file(file, path))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        Disk.len(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let doing = Doing::to(from, Doing::Nothing);
        self.0.during(doing, || Disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let doing = Doing::to(path, Doing::Nothing);
        self.0.during(doing, || Disk.remove(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let doing = Doing::to(path, Doing::Syncing);
        self.0.during(doing, || Disk.sync_dir(path))
    }
}

/// An open file of a watched disk.
#[derive(Debug)]
pub struct WatchedFile {
    file: File,
    note: Arc<Note>,
    write: Doing,
    sync: Doing,
    cut: Doing,
}

impl WatchedFile {
    /// Writes a part of a batch and does nothing more, with the lock held, until it is killed.
    fn stop_half_way(&mut self, bytes: &[u8]) -> ! {
        let part = bytes.len() as u64 * self.note.thousandths / 1_000;
        let part = usize::try_from(part).unwrap().clamp(1, bytes.len() - 1);
        self.file.append(&bytes[..part]).unwrap();
        self.note.set(Doing::Half);
        loop {
            thread::sleep(Duration::from_secs(1));
        }
    }
}

impl Read for WatchedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for WatchedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl StorageFile for WatchedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.write == Doing::Writing {
            match self.note.until_half.load(SeqCst) {
                0 => {}
                1 => self.stop_half_way(bytes),
                more => self.note.until_half.store(more - 1, SeqCst),
            }
        }
        let file = &mut self.file;
        self.note.during(self.write, || file.append(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        let file = &mut self.file;
        self.note.during(self.sync, || file.sync())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let file = &mut self.file;
        self.note.during(self.cut, || file.truncate(bytes))
    }

    fn file_len(&self) -> io::Result<u64> {
        self.file.file_len()
    }
}
