//! A disk in memory that remembers every operation, so that every state in which a loss of power
//! can leave it can be made.
//!
//! The model is meaner than real file systems: a new or renamed entry survives only if its
//! directory was synced, even where the file itself was; unsynced operations on entries survive in
//! any combination; of unsynced bytes any sectors may be missing; and after a failed sync a later
//! one succeeds without anything having reached the disk.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::lock::{Held, LockError, Wait};
use super::storage::{Storage, StorageFile};

/// What a disk holds: the content of each file, `None` for a directory.
pub(super) type Image = BTreeMap<PathBuf, Option<Arc<Vec<u8>>>>;

type Inode = usize;

/// Something that was done to the disk.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    CreateDir(PathBuf),
    Create(PathBuf, Inode),
    Append(Inode, Arc<Vec<u8>>),
    Truncate(Inode, usize),
    Sync(Inode),
    /// A sync that said it failed: what was unsynced stays so for ever.
    FailedSync(Inode),
    Rename(PathBuf, PathBuf, Inode),
    RenameDir(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncDir(PathBuf),
    /// The writer was told that everything it holds now is durable.
    Told,
}

/// An operation that fails, and how much of it takes place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) at: usize,
    pub(super) kind: io::ErrorKind,
    /// How many of two halves.
    pub(super) halves: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: BTreeMap<PathBuf, Option<Inode>>,
    files: Vec<Vec<u8>>,
    log: Vec<Operation>,
    failure: Option<Failure>,
    done: usize,
    /// Whether the last writer did not say that it left everything in order.
    is_in_disorder: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Simulated(Arc<Mutex<State>>);

/// Held by nobody in particular: tests have one writer at a time.
#[derive(Debug)]
pub(super) struct SimulatedLock {
    disk: Simulated,
    was_left_in_order: bool,
}

impl Held for SimulatedLock {
    fn was_left_in_order(&self) -> bool {
        self.was_left_in_order
    }

    fn leave_in_order(self) {
        self.disk.0.lock().unwrap().is_in_disorder = false;
    }
}

#[derive(Debug)]
pub(super) struct SimulatedFile {
    disk: Simulated,
    inode: Inode,
    position: usize,
}

impl Simulated {
    /// A disk that holds an image, all of it synced.
    pub(super) fn holding(image: &Image) -> Self {
        let disk = Self::default();
        let mut state = disk.0.lock().unwrap();
        for (path, content) in image {
            let inode = content.as_ref().map(|bytes| {
                state.files.push(bytes.to_vec());
                state.files.len() - 1
            });
            state.entries.insert(path.clone(), inode);
        }
        drop(state);
        disk
    }

    pub(super) fn failing(image: &Image, failure: Failure) -> Self {
        let disk = Self::holding(image);
        disk.0.lock().unwrap().failure = Some(failure);
        disk
    }

    /// Whether there was an operation that failed.
    pub(super) fn has_failed(&self) -> bool {
        let state = self.0.lock().unwrap();
        (state.failure).is_some_and(|failure| state.done > failure.at)
    }

    /// What it holds now, as if all of it were synced.
    pub(super) fn image(&self) -> Image {
        let state = self.0.lock().unwrap();
        let content = |inode: Inode| Arc::new(state.files[inode].clone());
        (state.entries.iter())
            .map(|(path, inode)| (path.clone(), inode.map(content)))
            .collect()
    }

    pub(super) fn log(&self) -> Vec<Operation> {
        self.0.lock().unwrap().log.clone()
    }

    pub(super) fn tell(&self) {
        self.0.lock().unwrap().log.push(Operation::Told);
    }

    /// Counts an operation that may fail; the error comes with how many halves of it take place.
    fn operation(&self) -> Result<(), (io::Error, usize)> {
        let mut state = self.0.lock().unwrap();
        let now = state.done;
        state.done += 1;
        match state.failure.filter(|failure| failure.at == now) {
            Some(failure) => Err((io::Error::new(failure.kind, "injected"), failure.halves)),
            None => Ok(()),
        }
    }

    /// All of an operation on entries, or nothing.
    fn entry<T>(&self, all: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        match self.operation() {
            Ok(()) => all(&mut self.0.lock().unwrap()),
            Err((error, halves)) => {
                if halves == 2 {
                    all(&mut self.0.lock().unwrap())?;
                }
                Err(error)
            }
        }
    }

    fn open_file(&self, path: &Path) -> io::Result<SimulatedFile> {
        let inode = self.0.lock().unwrap().inode(path)?;
        Ok(self.file(inode))
    }

    fn file(&self, inode: Inode) -> SimulatedFile {
        SimulatedFile {
            disk: self.clone(),
            inode,
            position: 0,
        }
    }
}

impl State {
    fn inode(&self, path: &Path) -> io::Result<Inode> {
        match self.entries.get(path) {
            Some(Some(inode)) => Ok(*inode),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Gives a directory and everything in it another name.
pub(super) fn move_dir(entries: &mut BTreeMap<PathBuf, Option<Inode>>, from: &Path, to: &Path) {
    let renamed = std::mem::take(entries).into_iter().map(|(path, entry)| {
        let path = match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
            Ok(rest) => to.join(rest),
            Err(_) => path,
        };
        (path, entry)
    });
    *entries = renamed.collect();
}

impl Storage for Simulated {
    type File = SimulatedFile;
    type Lock = SimulatedLock;

    fn lock(&self, _: &Path, _: Wait) -> Result<SimulatedLock, LockError> {
        let was_in_disorder = std::mem::replace(&mut self.0.lock().unwrap().is_in_disorder, true);
        Ok(SimulatedLock {
            disk: self.clone(),
            was_left_in_order: !was_in_disorder,
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.entry(|state| {
            state.entries.insert(path.to_owned(), None);
            state.log.push(Operation::CreateDir(path.to_owned()));
            Ok(())
        })
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(path == Path::new("/") || self.0.lock().unwrap().entries.contains_key(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let inside = state
            .entries
            .keys()
            .filter(|path| path.parent() == Some(dir));
        Ok(inside
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect())
    }

    fn open(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.open_file(path)
    }

    fn open_append(&self, path: &Path) -> io::Result<SimulatedFile> {
        self.operation().map_err(|(error, _)| error)?;
        self.open_file(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<SimulatedFile> {
        let inode = self.entry(|state| {
            if state.entries.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            let inode = state.files.len();
            state.files.push(Vec::new());
            state.entries.insert(path.to_owned(), Some(inode));
            state.log.push(Operation::Create(path.to_owned(), inode));
            Ok(inode)
        })?;
        Ok(self.file(inode))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.0.lock().unwrap();
        let inode = state.inode(path)?;
        Ok(state.files[inode].len() as u64)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.entry(|state| {
            if state.entries.get(from) == Some(&None) {
                move_dir(&mut state.entries, from, to);
                let operation = Operation::RenameDir(from.to_owned(), to.to_owned());
                state.log.push(operation);
                return Ok(());
            }
            let inode = state.inode(from)?;
            state.entries.remove(from);
            state.entries.insert(to.to_owned(), Some(inode));
            let operation = Operation::Rename(from.to_owned(), to.to_owned(), inode);
            state.log.push(operation);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.entry(|state| {
            state.inode(path)?;
            state.entries.remove(path);
            state.log.push(Operation::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.operation().map_err(|(error, _)| error)?;
        let mut state = self.0.lock().unwrap();
        state.log.push(Operation::SyncDir(path.to_owned()));
        Ok(())
    }
}

impl Read for SimulatedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.0.lock().unwrap();
        let read = state.files[self.inode]
            .get(self.position..)
            .unwrap_or_default()
            .read(buffer)?;
        self.position += read;
        Ok(read)
    }
}

impl Seek for SimulatedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let length = self.disk.0.lock().unwrap().files[self.inode].len() as u64;
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => length.checked_add_signed(offset),
            SeekFrom::Current(offset) => (self.position as u64).checked_add_signed(offset),
        };
        let position = position.ok_or(io::ErrorKind::InvalidInput)?;
        self.position = usize::try_from(position).unwrap();
        Ok(position)
    }
}

impl SimulatedFile {
    fn put(&self, bytes: &[u8]) {
        let mut state = self.disk.0.lock().unwrap();
        state.files[self.inode].extend_from_slice(bytes);
        let operation = Operation::Append(self.inode, Arc::new(bytes.to_vec()));
        state.log.push(operation);
    }

    fn note(&self, operation: Operation) {
        self.disk.0.lock().unwrap().log.push(operation);
    }
}

impl StorageFile for SimulatedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.disk.operation() {
            Ok(()) => {
                self.put(bytes);
                Ok(())
            }
            Err((error, halves)) => {
                self.put(&bytes[..bytes.len() * halves / 2]);
                Err(error)
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.disk.operation() {
            Ok(()) => {
                self.note(Operation::Sync(self.inode));
                Ok(())
            }
            Err((error, _)) => {
                self.note(Operation::FailedSync(self.inode));
                Err(error)
            }
        }
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.disk.operation().map_err(|(error, _)| error)?;
        let bytes = usize::try_from(bytes).unwrap();
        self.disk.0.lock().unwrap().files[self.inode].resize(bytes, 0);
        self.note(Operation::Truncate(self.inode, bytes));
        Ok(())
    }

    fn file_len(&self) -> io::Result<u64> {
        Ok(self.disk.0.lock().unwrap().files[self.inode].len() as u64)
    }
}
