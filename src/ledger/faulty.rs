//! A disk that fails at a chosen operation, and that forgets what was not synced.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::lock::{LockError, Wait, WriterLock};
use super::storage::{Disk, Storage, StorageFile};

/// How much of the failing operation takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Nothing,
    /// Half of a write; nothing of any other operation.
    Half,
    All,
}

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    /// Which operation that changes or syncs something, counted from 0.
    pub(super) at: usize,
    pub(super) effect: Effect,
    pub(super) kind: io::ErrorKind,
    /// Whether everything after it fails too, as if the process had ended.
    pub(super) dies: bool,
}

/// What a loss of power leaves of bytes that were not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PowerLoss {
    /// All of them: only the process ended.
    Spares,
    /// The first half.
    Halves,
    /// Their number, but not their values: the sectors were never written.
    Zeroes,
    /// None, and no directory entry that was not synced.
    Takes,
}

#[derive(Debug, Default)]
struct State {
    done: usize,
    faults: Vec<Fault>,
    dead: bool,
    /// Files with bytes that were not synced, and how many of their bytes were.
    unsynced: Vec<Unsynced>,
    /// How to undo what was done to directories that were not synced.
    undo: Vec<(PathBuf, Undo)>,
}

#[derive(Debug)]
struct Unsynced {
    file: File,
    inode: u64,
    synced: u64,
}

#[derive(Debug)]
enum Undo {
    Created(PathBuf),
    Renamed {
        from: PathBuf,
        to: PathBuf,
        replaced: Option<Vec<u8>>,
    },
}

/// A storage on the real disk that never waits for a sync.
#[derive(Debug, Clone, Default)]
pub(super) struct Faulty(Arc<Mutex<State>>);

#[derive(Debug)]
pub(super) struct FaultyFile {
    file: File,
    storage: Faulty,
}

impl Faulty {
    pub(super) fn with(faults: impl Into<Vec<Fault>>) -> Self {
        let storage = Self::default();
        storage.0.lock().unwrap().faults = faults.into();
        storage
    }

    /// Whether all chosen operations were reached.
    pub(super) fn has_failed(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.faults.iter().all(|fault| state.done > fault.at)
    }

    /// Another process goes on with the same disk.
    pub(super) fn revive(&self) {
        self.0.lock().unwrap().dead = false;
    }

    /// How many operations took place that could have failed.
    pub(super) fn operations(&self) -> usize {
        self.0.lock().unwrap().done
    }

    pub(super) fn is_dead(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    /// Takes everything as it now is for synced.
    pub(super) fn settle(&self) {
        let mut state = self.0.lock().unwrap();
        state.unsynced.clear();
        state.undo.clear();
    }

    pub(super) fn lose_power(&self, loss: PowerLoss) {
        let mut state = self.0.lock().unwrap();
        for unsynced in state.unsynced.drain(..) {
            spoil(&unsynced.file, unsynced.synced, loss);
        }
        if loss == PowerLoss::Takes {
            state.undo.drain(..).rev().for_each(|(_, undo)| undo.run());
        }
    }

    fn operation<T>(
        &self,
        half: impl FnOnce() -> io::Result<()>,
        all: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let fault = {
            let mut state = self.0.lock().unwrap();
            if state.dead {
                return Err(io::Error::other("the process has ended"));
            }
            let now = state.done;
            state.done += 1;
            let fault = state.faults.iter().find(|fault| fault.at == now).copied();
            state.dead = fault.is_some_and(|fault| fault.dies);
            fault
        };
        let Some(fault) = fault else {
            return all();
        };
        match fault.effect {
            Effect::Nothing => {}
            Effect::Half => half()?,
            Effect::All => drop(all()?),
        }
        Err(io::Error::new(fault.kind, "injected"))
    }

    fn whole<T>(&self, all: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.operation(|| Ok(()), all)
    }

    fn alive(&self) -> io::Result<()> {
        if self.is_dead() {
            return Err(io::Error::other("the process has ended"));
        }
        Ok(())
    }

    fn changed_dir(&self, path: &Path, undo: Undo) {
        let dir = path.parent().unwrap().to_owned();
        self.0.lock().unwrap().undo.push((dir, undo));
    }

    fn wrap(&self, file: File) -> FaultyFile {
        FaultyFile {
            file,
            storage: self.clone(),
        }
    }
}

fn spoil(file: &File, synced: u64, loss: PowerLoss) {
    let length = file.metadata().unwrap().len();
    let unsynced = length.saturating_sub(synced);
    match loss {
        PowerLoss::Spares => {}
        PowerLoss::Halves => file.set_len(length - unsynced.div_ceil(2)).unwrap(),
        PowerLoss::Zeroes => {
            file.set_len(length - unsynced).unwrap();
            file.set_len(length).unwrap();
        }
        PowerLoss::Takes => file.set_len(length - unsynced).unwrap(),
    }
}

impl Undo {
    /// What a later undone step removed already is gone either way.
    fn run(self) {
        match self {
            Self::Created(path) if path.is_dir() => drop(fs::remove_dir_all(path)),
            Self::Created(path) => drop(fs::remove_file(path)),
            Self::Renamed { from, to, replaced } => {
                drop(fs::rename(&to, from));
                if let Some(bytes) = replaced {
                    fs::write(to, bytes).unwrap();
                }
            }
        }
    }
}

impl Storage for Faulty {
    type File = FaultyFile;
    type Lock = WriterLock;

    fn lock(&self, path: &Path, wait: Wait) -> Result<WriterLock, LockError> {
        WriterLock::acquire(path, wait)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.whole(|| {
            Disk.create_dir(path)?;
            self.changed_dir(path, Undo::Created(path.to_owned()));
            Ok(())
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.alive()?;
        Disk.exists(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.alive()?;
        Disk.list(dir)
    }

    fn open(&self, path: &Path) -> io::Result<FaultyFile> {
        self.alive()?;
        Ok(self.wrap(Disk.open(path)?))
    }

    fn open_append(&self, path: &Path) -> io::Result<FaultyFile> {
        self.whole(|| Ok(self.wrap(Disk.open_append(path)?)))
    }

    fn create_new(&self, path: &Path) -> io::Result<FaultyFile> {
        self.whole(|| {
            let file = Disk.create_new(path)?;
            self.changed_dir(path, Undo::Created(path.to_owned()));
            Ok(self.wrap(file))
        })
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.alive()?;
        Disk.len(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(|| {
            let replaced = fs::read(to).ok();
            Disk.rename(from, to)?;
            let undo = Undo::Renamed {
                from: from.to_owned(),
                to: to.to_owned(),
                replaced,
            };
            self.changed_dir(to, undo);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.whole(|| Disk.remove(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.whole(|| {
            self.0.lock().unwrap().undo.retain(|(dir, _)| dir != path);
            Ok(())
        })
    }
}

impl FaultyFile {
    fn inode(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.ino())
    }

    fn note_unsynced(&self) -> io::Result<()> {
        let inode = self.inode()?;
        let unsynced = &mut self.storage.0.lock().unwrap().unsynced;
        if unsynced.iter().all(|other| other.inode != inode) {
            unsynced.push(Unsynced {
                file: self.file.try_clone()?,
                inode,
                synced: self.file.metadata()?.len(),
            });
        }
        Ok(())
    }
}

impl Read for FaultyFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.storage.alive()?;
        self.file.read(buffer)
    }
}

impl Seek for FaultyFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}

impl StorageFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let storage = self.storage.clone();
        self.note_unsynced()?;
        let (mut half, mut all) = (self.file.try_clone()?, self.file.try_clone()?);
        storage.operation(
            || half.append(&bytes[..bytes.len() / 2]),
            || all.append(bytes),
        )
    }

    fn sync(&mut self) -> io::Result<()> {
        let inode = self.inode()?;
        self.storage.whole(|| {
            let unsynced = &mut self.storage.0.lock().unwrap().unsynced;
            unsynced.retain(|other| other.inode != inode);
            Ok(())
        })
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let storage = self.storage.clone();
        storage.whole(|| self.file.truncate(bytes))
    }

    fn file_len(&self) -> io::Result<u64> {
        self.storage.alive()?;
        self.file.file_len()
    }
}
