//! Files and directories that nobody but their owner may read or change.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The mode of a private directory.
const DIR_MODE: u32 = 0o700;
/// The mode of a private file.
const FILE_MODE: u32 = 0o600;
/// The mode bits of group and others.
const FOREIGN_BITS: u32 = 0o077;

/// A private file or directory can't be used.
///
/// Callers turn this into an error of their own, which has the words for it.
#[derive(Debug)]
pub(super) enum PrivateFileError {
    /// Group or others have access; `mode` is what it should be.
    Permissions { path: PathBuf, mode: u32 },
    /// The system refused.
    Io { path: PathBuf, source: io::Error },
}

/// Attaches the path to an I/O error.
pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError + '_ {
    |source| PrivateFileError::Io {
        path: path.to_owned(),
        source,
    }
}

fn check_mode(path: &Path, metadata: &Metadata, mode: u32) -> Result<(), PrivateFileError> {
    if metadata.mode() & FOREIGN_BITS == 0 {
        return Ok(());
    }
    Err(PrivateFileError::Permissions {
        path: path.to_owned(),
        mode,
    })
}

/// Checks that a directory is private; a missing one holds nothing that could leak.
pub(super) fn check_dir(path: &Path) -> Result<(), PrivateFileError> {
    match fs::metadata(path) {
        Ok(metadata) => check_mode(path, &metadata, DIR_MODE),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(path)(error)),
    }
}

/// Creates a private directory where it is missing, durably.
pub(super) fn ensure_dir(path: &Path) -> Result<(), PrivateFileError> {
    if !fs::exists(path).map_err(io_error(path))? {
        DirBuilder::new()
            .recursive(true)
            .mode(DIR_MODE)
            .create(path)
            .map_err(io_error(path))?;
        sync_parent(path)?;
    }
    check_dir(path)
}

/// Makes the names in the directory that holds `path` durable.
pub(super) fn sync_parent(path: &Path) -> Result<(), PrivateFileError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(io_error(parent))
}

/// Opens a private file for reading.
pub(super) fn open(path: &Path) -> Result<File, PrivateFileError> {
    checked(path, OpenOptions::new().read(true))
}

/// Opens a private file for reading and appending, and creates it durably where it is missing.
pub(super) fn open_append(path: &Path) -> Result<File, PrivateFileError> {
    let file = checked(
        path,
        OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(FILE_MODE),
    )?;
    sync_parent(path)?;
    Ok(file)
}

fn checked(path: &Path, options: &OpenOptions) -> Result<File, PrivateFileError> {
    let file = options.open(path).map_err(io_error(path))?;
    // The mode of what was opened, not of what the path names by now.
    let metadata = file.metadata().map_err(io_error(path))?;
    check_mode(path, &metadata, FILE_MODE)?;
    Ok(file)
}

/// Whether `path` still names the open `file`.
pub(super) fn is_same_file(file: &File, path: &Path) -> io::Result<bool> {
    let named = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        named => named?,
    };
    let open = file.metadata()?;
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// New files that are removed again unless all of them could be written.
#[derive(Default)]
pub(super) struct NewFiles {
    created: Vec<PathBuf>,
}

impl NewFiles {
    /// Creates a private file, which must not exist, and makes its content durable.
    pub(super) fn write(&mut self, path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(path)
            .map_err(io_error(path))?;
        self.created.push(path.to_owned());
        file.write_all(content)
            .and_then(|()| file.sync_all())
            .map_err(io_error(path))
    }

    /// Makes the names durable and the files stay.
    pub(super) fn keep(mut self) -> Result<(), PrivateFileError> {
        if let Some(path) = self.created.last() {
            sync_parent(path)?;
        }
        self.created.clear();
        Ok(())
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for path in &self.created {
            // The error that led here is the one to report.
            let _ = fs::remove_file(path);
        }
    }
}
