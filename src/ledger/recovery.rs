//! Setting a torn tail aside, and remembering that it was.
//!
//! The tail is copied to `quarantine/<offset>-<sha256>.pending` before it is cut off. The name
//! keeps ending in `.pending` until an event in the ledger says what happened, however many crashes
//! come in between; then it ends in `.tail`.

use std::io::{self, Seek as _, SeekFrom};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::diagnosis::Tail;
use super::layout::{Layout, TEMPORARY};
use super::storage::{Storage, StorageFile, copy, create_dirs};
use crate::governance::digest::Digest;

/// A tail that was cut off and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Where it stood, from the ledger's first byte.
    pub offset: u64,
    /// How long it was.
    pub bytes: u64,
    /// The SHA-256 of its bytes.
    pub sha256: Digest,
}

const PENDING: &str = ".pending";
const RECORDED: &str = ".tail";

impl Recovery {
    fn file_name(&self, ending: &str) -> String {
        format!("{:020}-{}{ending}", self.offset, self.sha256)
    }
}

/// Moves the bytes behind `keep_bytes` of a segment to the quarantine.
///
/// In this order, so that a crash at any point leaves the tail in at least one of the two places.
pub(super) fn set_aside<S: Storage>(
    storage: &S,
    layout: &Layout,
    segment: &mut S::File,
    keep_bytes: u64,
    tail: &Tail,
) -> io::Result<Recovery> {
    create_dirs(storage, &layout.quarantine)?;
    segment.seek(SeekFrom::Start(keep_bytes))?;
    let recovery = keep_copy(storage, &layout.quarantine, segment, tail)?;
    segment.truncate(keep_bytes)?;
    segment.sync()?;
    Ok(recovery)
}

fn keep_copy<S: Storage>(
    storage: &S,
    quarantine: &Path,
    segment: &mut S::File,
    tail: &Tail,
) -> io::Result<Recovery> {
    let temporary = quarantine.join(format!("{:020}{TEMPORARY}", tail.offset));
    if storage.exists(&temporary)? {
        storage.remove(&temporary)?;
    }
    let mut kept = storage.create_new(&temporary)?;
    let mut hasher = Sha256::new();
    copy(segment, &mut kept, tail.bytes, |chunk| hasher.update(chunk))?;
    kept.sync()?;
    let recovery = Recovery {
        offset: tail.offset,
        bytes: tail.bytes,
        sha256: Digest::from_bytes(hasher.finalize().into()),
    };
    storage.rename(&temporary, &quarantine.join(recovery.file_name(PENDING)))?;
    storage.sync_dir(quarantine)?;
    Ok(recovery)
}

/// The recoveries that no event records yet, by offset.
pub(super) fn unrecorded<S: Storage>(storage: &S, layout: &Layout) -> io::Result<Vec<Recovery>> {
    if !storage.exists(&layout.quarantine)? {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for name in storage.list(&layout.quarantine)? {
        if let Some((offset, sha256)) = parse_pending(&name) {
            let bytes = storage.len(&layout.quarantine.join(&name))?;
            found.push(Recovery {
                offset,
                bytes,
                sha256,
            });
        }
    }
    Ok(found)
}

fn parse_pending(name: &str) -> Option<(u64, Digest)> {
    let (offset, sha256) = name.strip_suffix(PENDING)?.split_once('-')?;
    Some((offset.parse().ok()?, sha256.parse().ok()?))
}

/// Notes that an event in the ledger records `recovery`.
pub(super) fn mark_recorded<S: Storage>(
    storage: &S,
    layout: &Layout,
    recovery: &Recovery,
) -> io::Result<()> {
    let pending = layout.quarantine.join(recovery.file_name(PENDING));
    let recorded = layout.quarantine.join(recovery.file_name(RECORDED));
    storage.rename(&pending, &recorded)?;
    storage.sync_dir(&layout.quarantine)
}
