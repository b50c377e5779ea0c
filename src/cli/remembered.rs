//! What this user last saw of each ledger: how many entries, and the root over them.
//!
//! A ledger can't show that its end was cut off, or that it was put back to an older state. Whoever has
//! seen more of it can. One small file for each ledger id and one for each path, below the user's state
//! directory:
//!
//! ```text
//! ledgers/<ledger id>.json
//! paths/<SHA-256 of the directory's path>.json
//! ```

use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::error::Failure;
use super::exit::Exit;
use super::tree;
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::merkle::{MerkleAccumulator, TreeRoot};
use crate::governance::tree_head::{Origin, TreeHead};

/// Where it is remembered.
pub struct Memory(PathBuf);

/// The content of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remembered {
    origin: Origin,
    root: Digest,
    size: u64,
}

impl Memory {
    /// What is remembered below `dir`, which need not exist.
    pub const fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    /// Where it is remembered.
    pub const fn dir(&self) -> &PathBuf {
        &self.0
    }

    /// What was last seen in the directory `ledger`.
    pub fn of_path(&self, ledger: &Path) -> Result<Option<TreeHead>, Failure> {
        read(&self.path_file(ledger))
    }

    /// What was last seen of a ledger, wherever it was.
    pub fn of_ledger(&self, ledger: LedgerId) -> Result<Option<TreeHead>, Failure> {
        read(&self.ledger_file(ledger))
    }

    /// Holds a verified ledger to what is remembered of it, by its path and by its id. `source` gives
    /// what [`tree::check_head_behind`] asks for.
    ///
    /// # Errors
    /// Exit 12 with `checkpoint.other-ledger`, `checkpoint.truncated` or `checkpoint.inconsistent`.
    pub fn check<R: Read>(
        &self,
        ledger: &Path,
        now: &TreeHead,
        source: impl Fn(u64) -> io::Result<(MerkleAccumulator, R)>,
    ) -> Result<(), Failure> {
        let known = [self.of_path(ledger)?, self.of_ledger(now.origin.ledger)?];
        for head in known.iter().flatten() {
            tree::check_head_behind(head, now, &source).map_err(|failure| {
                failure.hint(
                    "if this was done on purpose, `althing verify --forget` takes what is there now \
                     for the truth",
                )
            })?;
        }
        Ok(())
    }

    /// Remembers a verified ledger. What is remembered of a larger one stays.
    pub fn remember(&self, ledger: &Path, now: &TreeHead) -> Result<(), Failure> {
        for file in [self.path_file(ledger), self.ledger_file(now.origin.ledger)] {
            let known = read(&file)?;
            if known.is_none_or(|known| known.tree.size < now.tree.size) {
                write(&file, now).map_err(|error| Failure::file(&file, &error))?;
            }
        }
        Ok(())
    }

    /// Forgets what was seen at a path, and of a ledger.
    pub fn forget(&self, ledger: &Path, id: Option<LedgerId>) -> Result<(), Failure> {
        let files = [
            Some(self.path_file(ledger)),
            id.map(|id| self.ledger_file(id)),
        ];
        for file in files.into_iter().flatten() {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::file(&file, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ledger_file(&self, ledger: LedgerId) -> PathBuf {
        self.0.join("ledgers").join(format!("{ledger}.json"))
    }

    fn path_file(&self, ledger: &Path) -> PathBuf {
        // A directory that is gone has no other name than the one given.
        let path = fs::canonicalize(ledger).unwrap_or_else(|_| ledger.to_owned());
        let name = Digest::of(path.as_os_str().as_bytes());
        self.0.join("paths").join(format!("{name}.json"))
    }
}

/// The most bytes of such a file.
const MAX_BYTES: u64 = 4096;

fn read(file: &Path) -> Result<Option<TreeHead>, Failure> {
    let mut text = String::new();
    let opened = fs::File::open(file);
    match opened.and_then(|opened| opened.take(MAX_BYTES).read_to_string(&mut text)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::file(file, &error)),
        Ok(_) => {}
    }
    let Remembered { origin, root, size } = serde_json::from_str(&text).map_err(|error| {
        Failure::new(
            Exit::Failure,
            "state.malformed",
            format!("{}: {error}", file.display()),
        )
        .hint("`althing verify --forget` begins anew with what is there now")
    })?;
    let tree = TreeRoot { size, root };
    Ok(Some(TreeHead { origin, tree }))
}

/// Puts the file in its place as a whole, for nobody else to read.
fn write(file: &Path, head: &TreeHead) -> io::Result<()> {
    let dir = file.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let TreeHead { origin, tree } = *head;
    let TreeRoot { size, root } = tree;
    let text = serde_json::to_string(&Remembered { origin, root, size })?;
    let mut new = NamedTempFile::new_in(dir)?;
    writeln!(new, "{text}")?;
    new.persist(file)?;
    Ok(())
}
