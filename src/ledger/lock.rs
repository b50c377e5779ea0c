//! One writer at a time.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
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

/// Others hold the lock for about one sync.
const SHORTEST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

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

/// What is held as long as one may write.
///
/// It knows whether the last holder left everything in order. That need not survive a loss of power:
/// what it warns of is a page cache that shows what the disk does not have, and both are gone then.
pub trait Held: std::fmt::Debug {
    /// Whether the last holder said so before it let go. One that was killed did not.
    fn was_left_in_order(&self) -> bool;

    /// Notes that everything is in order, and lets go.
    fn leave_in_order(self);
}

/// An exclusive lock of the operating system on a file that is never deleted; a deleted file could
/// be locked twice, once under each of its names. Ends with the value or with the process.
///
/// The file holds the number of the process that holds it, and nothing once that has left
/// everything in order.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
    was_left_in_order: bool,
}

impl Drop for WriterLock {
    /// Closing the file is not enough: a process that another thread is just starting holds it, too,
    /// until it runs its program.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

impl Held for WriterLock {
    fn was_left_in_order(&self) -> bool {
        self.was_left_in_order
    }

    fn leave_in_order(self) {
        // Where it can't be noted, the next writer takes more care than it has to.
        let _ = self.file.set_len(0);
    }
}

impl WriterLock {
    /// Takes the lock on `path` and leaves this process's number in it.
    ///
    /// Whoever waits stands in the queue first: who has just let go of the lock has to queue, too,
    /// so that nobody takes it again and again while others wait.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn acquire(path: &Path, wait: Wait) -> Result<Self, LockError> {
        let deadline = match wait {
            Wait::No => None,
            Wait::For(duration) => Instant::now().checked_add(duration),
        };
        let mut file = open(path).map_err(LockError::Io)?;
        let queue = open(&queue_path(path)).map_err(LockError::Io)?;
        if !take(&queue, deadline)? || !take(&file, deadline)? {
            let pid = holder(&mut file);
            return Err(LockError::InUse { pid });
        }
        queue.unlock().map_err(LockError::Io)?;
        let was_left_in_order = file.metadata().map_err(LockError::Io)?.len() == 0;
        write_pid(&mut file).map_err(LockError::Io)?;
        Ok(Self {
            file,
            was_left_in_order,
        })
    }
}

/// Tries until the deadline, or once.
fn take(file: &File, deadline: Option<Instant>) -> Result<bool, LockError> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
            Err(TryLockError::WouldBlock) => {}
        }
        if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn queue_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".queue");
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    new_file_options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// Never empties the file on the way: it would say that everything is in order.
fn write_pid(file: &mut File) -> io::Result<()> {
    let number = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(number.as_bytes())?;
    file.set_len(number.len() as u64)
}

/// The number is only for the message: it may be missing, half written or, on some systems,
/// unreadable under the lock.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
