//! Making durable what the last writer may have left in the page cache alone.

use std::io;
use std::path::Path;

use super::file::OpenOptions;
use super::layout::{Layout, temporary};
use super::lock::Held as _;
use super::open::{Covered, Examined, examine_behind};
use super::storage::{Storage, StorageFile as _, copy};

/// Examines a ledger for its writer, who must not rely on what only the page cache holds: the
/// last writer may have ended before its last sync.
pub(super) fn settle_and_examine<S: Storage>(
    storage: &S,
    layout: &Layout,
    lock: &S::Lock,
    options: &OpenOptions,
) -> io::Result<Examined> {
    settle(storage, layout, lock)?;
    let covered = Covered {
        checkpoint: options.checkpoint,
        seen: options.acknowledged,
    };
    examine_behind(storage, layout, covered, options.prefix.as_ref())
}

/// Makes durable what only the page cache may hold.
///
/// If the last writer did not leave in order, its last sync may have failed. Then another sync of
/// the same file can succeed without anything reaching the disk, so the file is replaced by a copy.
pub(super) fn settle<S: Storage>(storage: &S, layout: &Layout, lock: &S::Lock) -> io::Result<()> {
    layout.remove_temporaries(storage)?;
    if let Some(last) = layout.segments(storage)?.last() {
        let path = layout.segment(*last);
        if lock.was_left_in_order() {
            storage.open_append(&path)?.sync()?;
        } else {
            let bytes = storage.len(&path)?;
            drop(replace_by_copy(storage, &path, bytes)?);
        }
    }
    storage.sync_dir(&layout.ledger)?;
    storage.sync_dir(&layout.dir)
}

/// Puts a new, synced file with the first `bytes` bytes of the segment at `path` in its place. The
/// directory is the caller's to sync.
pub(super) fn replace_by_copy<S: Storage>(
    storage: &S,
    path: &Path,
    bytes: u64,
) -> io::Result<S::File> {
    let temporary = temporary(path);
    let copied = copy_prefix(storage, path, bytes, &temporary);
    if copied.is_err() && storage.exists(&temporary)? {
        // Half a copy only takes up room that may be what is missing.
        storage.remove(&temporary)?;
    }
    let file = copied?;
    storage.rename(&temporary, path)?;
    Ok(file)
}

fn copy_prefix<S: Storage>(
    storage: &S,
    path: &Path,
    bytes: u64,
    temporary: &Path,
) -> io::Result<S::File> {
    if storage.exists(temporary)? {
        storage.remove(temporary)?;
    }
    let mut old = storage.open(path)?;
    let mut new = storage.create_new(temporary)?;
    copy(&mut old, &mut new, bytes, |_| {})?;
    new.sync()?;
    Ok(new)
}
