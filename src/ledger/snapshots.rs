//! Snapshots on disk: whole or absent, and believed only under a key.
//!
//! ```text
//! DIR/snapshots/00000000000000001234.snapshot    the snapshot as of entry 1234
//!
//! <body>                    lines, written by whoever knows what they mean
//! {"mac":"<64 hex>"}        HMAC-SHA-256 over the bytes before, under a key kept elsewhere
//! ```
//!
//! Nothing here is needed to open a ledger: every failure is one to go on without a snapshot.

use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::layout::{TEMPORARY, temporary};
use super::storage::{Disk, Storage, StorageFile, create_dirs};
use crate::governance::digest::Digest;

const ENDING: &str = ".snapshot";

/// What the MAC covers before the body, so that the key authenticates nothing else.
const DOMAIN: &[u8] = b"althing/snapshot/v1\n";

const TRAILER_START: &[u8] = b"{\"mac\":\"";
const TRAILER_END: &[u8] = b"\"}\n";
const TRAILER_BYTES: u64 = (TRAILER_START.len() + 64 + TRAILER_END.len()) as u64;

/// How many snapshots stay: one to use, and one for when that one is damaged.
const KEPT: usize = 2;

/// The key that makes a snapshot this user's own.
pub struct SnapshotKey(hmac::Key);

impl SnapshotKey {
    /// The length of the secret, in bytes.
    pub const BYTES: usize = 32;

    /// A key from its secret.
    #[must_use]
    pub fn new(secret: &[u8; Self::BYTES]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    fn begin(&self) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(DOMAIN);
        context
    }
}

impl std::fmt::Debug for SnapshotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SnapshotKey(…)")
    }
}

/// The snapshots of one ledger.
#[derive(Debug, Clone)]
pub struct SnapshotFiles<S: Storage = Disk> {
    storage: S,
    dir: PathBuf,
}

/// One snapshot, open for reading.
#[derive(Debug)]
pub struct SnapshotFile<F> {
    file: F,
    body_bytes: u64,
    mac: [u8; 32],
}

impl<S: Storage> SnapshotFiles<S> {
    /// The snapshots of the ledger in `ledger_dir` of a given storage.
    pub fn new(storage: S, ledger_dir: &Path) -> Self {
        Self {
            storage,
            dir: ledger_dir.join("snapshots"),
        }
    }

    /// The file of the snapshot as of entry `seq`.
    #[must_use]
    pub fn path(&self, seq: u64) -> PathBuf {
        self.dir.join(format!("{seq:020}{ENDING}"))
    }

    /// The entries that there are snapshots of, the newest first.
    ///
    /// # Errors
    /// Where the directory can't be read.
    pub fn list(&self) -> io::Result<Vec<u64>> {
        if !self.storage.exists(&self.dir)? {
            return Ok(Vec::new());
        }
        let names = self.storage.list(&self.dir)?;
        Ok(names.iter().rev().filter_map(|name| seq_of(name)).collect())
    }

    /// Puts a snapshot down, with a body that `fill` writes, and returns its length in bytes.
    ///
    /// It takes its place only once it is durable: a crash leaves a temporary file at most.
    ///
    /// # Errors
    /// Where something can't be written; no snapshot was changed then.
    pub fn write(
        &self,
        seq: u64,
        key: &SnapshotKey,
        fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<u64> {
        create_dirs(&self.storage, &self.dir)?;
        let path = self.path(seq);
        let temporary = temporary(&path);
        self.remove_if_there(&temporary)?;
        let file = self.storage.create_new(&temporary)?;
        let written = write_whole(file, key, fill);
        if written.is_err() {
            // Half a snapshot only takes up room that may be what is missing.
            let _ = self.remove_if_there(&temporary);
        }
        let bytes = written?;
        self.storage.rename(&temporary, &path)?;
        self.storage.sync_dir(&self.dir)?;
        Ok(bytes)
    }

    /// Removes all but the newest two of those up to entry `head`, and what crashes left half
    /// written. Only for the writer of the ledger: what lies beyond its head is of no use to it.
    ///
    /// # Errors
    /// Where something can't be removed.
    pub fn prune(&self, head: u64) -> io::Result<()> {
        let kept: Vec<u64> = (self.list()?.into_iter())
            .filter(|seq| *seq <= head)
            .take(KEPT)
            .collect();
        for name in self.storage.list(&self.dir)? {
            let is_ours = name.ends_with(TEMPORARY) || seq_of(&name).is_some();
            if is_ours && !seq_of(&name).is_some_and(|seq| kept.contains(&seq)) {
                self.storage.remove(&self.dir.join(name))?;
            }
        }
        self.storage.sync_dir(&self.dir)
    }

    fn remove_if_there(&self, path: &Path) -> io::Result<()> {
        if self.storage.exists(path)? {
            self.storage.remove(path)?;
        }
        Ok(())
    }

    /// Opens the snapshot as of entry `seq`; `None` where it has no whole MAC at its end.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn open(&self, seq: u64) -> io::Result<Option<SnapshotFile<S::File>>> {
        let mut file = self.storage.open(&self.path(seq))?;
        let bytes = file.file_len()?;
        let Some(body_bytes) = bytes.checked_sub(TRAILER_BYTES) else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(body_bytes))?;
        let mut trailer = Vec::new();
        (&mut file).take(TRAILER_BYTES).read_to_end(&mut trailer)?;
        let mac = stated_mac(&trailer);
        Ok(mac.map(|mac| SnapshotFile {
            file,
            body_bytes,
            mac,
        }))
    }
}

fn stated_mac(trailer: &[u8]) -> Option<[u8; 32]> {
    let hex = trailer.strip_prefix(TRAILER_START)?;
    let digest = Digest::from_hex(hex.strip_suffix(TRAILER_END)?).ok()?;
    Some(*digest.as_bytes())
}

fn seq_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(ENDING)?;
    let all_digits = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

fn write_whole<F: StorageFile>(
    file: F,
    key: &SnapshotKey,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<u64> {
    let mut body = Body {
        file,
        context: key.begin(),
        buffer: Vec::with_capacity(CHUNK_BYTES),
        bytes: 0,
    };
    fill(&mut body)?;
    body.flush()?;
    let Body {
        mut file,
        context,
        bytes,
        ..
    } = body;
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    let hex = Digest::from_bytes(mac).hex();
    file.append(&[TRAILER_START, &hex, TRAILER_END].concat())?;
    file.sync()?;
    Ok(bytes + TRAILER_BYTES)
}

const CHUNK_BYTES: usize = 1 << 20;

/// A body in the course of being written.
struct Body<F> {
    file: F,
    context: hmac::Context,
    buffer: Vec<u8>,
    bytes: u64,
}

impl<F: StorageFile> Write for Body<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > CHUNK_BYTES {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.context.update(&self.buffer);
        self.file.append(&self.buffer)?;
        self.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl<F: StorageFile> SnapshotFile<F> {
    /// How long the file is, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.body_bytes + TRAILER_BYTES
    }

    /// Lets `read` read the body if its MAC is one under `key`; `None` where it is not.
    ///
    /// No byte is shown before the MAC over all of them was checked. They are checked once more as
    /// they are read: whoever can write to the file could change them in between.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn read_under<T>(
        &mut self,
        key: &SnapshotKey,
        read: impl FnOnce(&mut dyn Read) -> T,
    ) -> io::Result<Option<T>> {
        if self.authentic(key, |_| ())?.is_none() {
            return Ok(None);
        }
        self.authentic(key, read)
    }

    /// Lets `read` read the body, whoever wrote it.
    ///
    /// # Errors
    /// Where the file can't be read.
    pub fn read_unproven<T>(&mut self, read: impl FnOnce(&mut dyn Read) -> T) -> io::Result<T> {
        self.file.seek(SeekFrom::Start(0))?;
        Ok(read(&mut (&mut self.file).take(self.body_bytes)))
    }

    fn authentic<T>(
        &mut self,
        key: &SnapshotKey,
        read: impl FnOnce(&mut dyn Read) -> T,
    ) -> io::Result<Option<T>> {
        let mac = self.mac;
        let body_bytes = self.body_bytes;
        let (result, context, seen) = self.read_unproven(|body| {
            let mut body = Hashed {
                body,
                context: key.begin(),
                seen: 0,
            };
            let result = read(&mut body);
            // What the reader left unread is under the MAC as well.
            io::copy(&mut body, &mut io::sink()).map(|_| (result, body.context, body.seen))
        })??;
        let is_authentic =
            seen == body_bytes && verify_slices_are_equal(context.sign().as_ref(), &mac).is_ok();
        Ok(is_authentic.then_some(result))
    }
}

struct Hashed<'a> {
    body: &'a mut dyn Read,
    context: hmac::Context,
    seen: u64,
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer)?;
        self.context.update(buffer.get(..read).unwrap_or_default());
        self.seen += read as u64;
        Ok(read)
    }
}
