//! A copy of a part of a ledger, for repair.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::file::{FileLedger, OpenOptions};
use super::layout::Layout;
use super::lock::Wait;
use super::open::OpenError;
use super::storage::{Storage, StorageFile as _, copy, create_dirs};

/// A part of a ledger that is to become a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The number of its first line.
    pub first_seq: u64,
    /// How long it is.
    pub bytes: u64,
}

/// Makes a ledger in `dir`, which must not exist, from pieces of `source` that follow each other
/// and are made of whole batches. It stands there complete and durable, or not at all: until then
/// it is `DIR.partial`.
///
/// # Errors
/// [`OpenError`], `Exists` where there is something at `dir` or a copy that was interrupted.
pub fn make_copy<S: Storage + Clone>(
    storage: &S,
    dir: &Path,
    source: impl Read,
    pieces: &[Piece],
) -> Result<(), OpenError> {
    let partial = partial(dir);
    for path in [dir, partial.as_path()] {
        if storage.exists(path).map_err(OpenError::io(path))? {
            let path = path.to_owned();
            return Err(OpenError::Exists { path });
        }
    }
    let layout = Layout::new(&partial);
    write(storage, &layout, source, pieces).map_err(OpenError::io(&partial))?;
    // Whoever opens it for writing seals what has to be sealed.
    let options = OpenOptions {
        wait: Wait::No,
        ..OpenOptions::default()
    };
    drop(FileLedger::open_on(storage.clone(), &partial, options)?);
    storage
        .rename(&partial, dir)
        .and_then(|()| create_dirs(storage, dir))
        .map_err(OpenError::io(dir))
}

fn write<S: Storage>(
    storage: &S,
    layout: &Layout,
    mut source: impl Read,
    pieces: &[Piece],
) -> io::Result<()> {
    create_dirs(storage, &layout.ledger)?;
    for piece in pieces {
        let mut segment = storage.create_new(&layout.segment(piece.first_seq))?;
        copy(&mut source, &mut segment, piece.bytes, |_| {})?;
        segment.sync()?;
    }
    storage.sync_dir(&layout.ledger)
}

fn partial(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}
