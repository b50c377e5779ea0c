//! One writer at a time.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::storage::new_file_options;

/// What to do while another process writes to the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Give up at once.
    No,
    /// Try for so long.
    For(Duration),
}

impl Default for Wait {
    /// Two seconds: enough for a command that another process is just finishing.
    fn default() -> Self {
        Self::For(Duration::from_secs(2))
    }
}

const POLL: Duration = Duration::from_millis(10);

/// Why the lock was not taken.
#[derive(Debug)]
pub enum LockError {
    /// Another process holds it.
    InUse {
        /// Its number, where it could be read.
        pid: Option<u32>,
    },
    /// The lock file failed.
    Io(io::Error),
}

/// An exclusive lock of the operating system on a file that is never deleted; a deleted file could
/// be locked twice, once under each of its names. Ends with the value or with the process.
#[derive(Debug)]
pub struct WriterLock {
    _file: File,
}

impl WriterLock {
    /// Takes the lock on `path` and leaves this process's number in it.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(path: &Path, wait: Wait) -> Result<Self, LockError> {
        let mut file = open(path).map_err(LockError::Io)?;
        let deadline = match wait {
            Wait::No => None,
            Wait::For(duration) => Instant::now().checked_add(duration),
        };
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                let pid = holder(&mut file);
                return Err(LockError::InUse { pid });
            }
            thread::sleep(POLL);
        }
        write_pid(&mut file).map_err(LockError::Io)?;
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    new_file_options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The number is only for the message: it may be missing, half written or, on some systems,
/// unreadable under the lock.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
