//! The one place through which a file ledger touches the disk.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write as _};
use std::path::Path;

use super::lock::{Held, LockError, Wait, WriterLock};

/// What a file ledger asks of a disk. Tests put faults behind it.
pub trait Storage: Debug {
    /// An open file.
    type File: StorageFile + Send + 'static;

    /// What is held as long as one may write.
    type Lock: Held;

    /// Takes the lock on `path` that only one holds at a time.
    ///
    /// # Errors
    /// Where somebody else keeps holding it, or it can't be taken.
    fn lock(&self, path: &Path, wait: Wait) -> Result<Self::Lock, LockError>;

    /// Makes one directory.
    ///
    /// # Errors
    /// Where it exists or can't be made.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether something exists at `path`.
    ///
    /// # Errors
    /// Where that can't be told.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// The names in a directory, in order; names that are no text are left out.
    ///
    /// # Errors
    /// Where it can't be read.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Opens a file for reading only.
    ///
    /// # Errors
    /// Where it does not exist or can't be opened.
    fn open(&self, path: &Path) -> io::Result<Self::File>;

    /// Opens an existing file for reading and for writing at its end.
    ///
    /// # Errors
    /// Where it does not exist or can't be opened.
    fn open_append(&self, path: &Path) -> io::Result<Self::File>;

    /// Makes a new file for writing at its end.
    ///
    /// # Errors
    /// Where it exists or can't be made.
    fn create_new(&self, path: &Path) -> io::Result<Self::File>;

    /// The length of the file that now stands at `path`.
    ///
    /// # Errors
    /// Where it does not exist or can't be examined.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Puts a file in another's place.
    ///
    /// # Errors
    /// Where it can't be renamed.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Where it can't be removed.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes what was created, renamed or removed in a directory survive a crash.
    ///
    /// # Errors
    /// Where that can't be promised.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// An open file of a [`Storage`].
pub trait StorageFile: Read + Seek + Debug {
    /// Writes all of `bytes` at the end of the file.
    ///
    /// # Errors
    /// Where writing fails; some of the bytes may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the file's bytes and length survive a crash.
    ///
    /// # Errors
    /// Where that can't be promised; nothing is then known of what was written.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `bytes`.
    ///
    /// # Errors
    /// Where that fails.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;

    /// The length of the file.
    ///
    /// # Errors
    /// Where it can't be examined.
    fn file_len(&self) -> io::Result<u64>;
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Storage for Disk {
    type File = File;
    type Lock = WriterLock;

    fn lock(&self, path: &Path, wait: Wait) -> Result<WriterLock, LockError> {
        WriterLock::acquire(path, wait)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o755);
        builder.create(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in fs::read_dir(dir)? {
            names.extend(item?.file_name().into_string());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }

    fn open_append(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().read(true).append(true).open(path)
    }

    fn create_new(&self, path: &Path) -> io::Result<File> {
        new_file_options()
            .read(true)
            .append(true)
            .create_new(true)
            .open(path)
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        fs::metadata(path).map(|metadata| metadata.len())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        sync_dir(path)
    }
}

impl StorageFile for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        // Appending and cutting change the length, so syncing the data alone would save nothing.
        self.sync_all()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn file_len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }
}

/// Options for new files that nobody but the owner may write, whatever the umask.
pub(super) fn new_file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    options
}

#[cfg(unix)]
fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a directory can't be opened, and the file system orders its own metadata.
#[cfg(not(unix))]
fn sync_dir(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes `path` and whatever is missing above it, each entry synced into its parent.
pub(super) fn create_dirs<S: Storage>(storage: &S, path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    let parent = parent_of(path);
    if storage.exists(path)? {
        // Whoever made it may have ended before the sync. A parent that can't be opened was not
        // made here.
        return match storage.sync_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            synced => synced,
        };
    }
    create_dirs(storage, parent)?;
    match storage.create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => storage.sync_dir(parent),
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Copies `bytes` bytes from one file to the end of another and shows each chunk to `see`.
pub(super) fn copy<R: Read, F: StorageFile>(
    from: &mut R,
    to: &mut F,
    bytes: u64,
    mut see: impl FnMut(&[u8]),
) -> io::Result<()> {
    const CHUNK: u64 = 1 << 20;
    let mut chunk = Vec::new();
    let mut left = bytes;
    while left > 0 {
        chunk.clear();
        let read = from.take(left.min(CHUNK)).read_to_end(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        see(&chunk);
        to.append(&chunk)?;
        left -= read as u64;
    }
    Ok(())
}
