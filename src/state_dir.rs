//! What a user's programs remember from one run to the next, apart from keys and ledgers.
//!
//! ```text
//! DIR/              private to its user
//! DIR/snapshot.key  the secret under which this user's snapshots are believed
//! DIR/ledgers/      how far each ledger had grown when it was seen last, by its id
//! DIR/paths/        and by the path where it was
//! ```
//!
//! All of it can be deleted: nothing is lost but what would have been quicker, or noticed.

#![allow(
    clippy::disallowed_methods,
    reason = "a directory of the user is a shell around files"
)]

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use crate::identity::private_files::{self, NewFiles, PrivateFileError};

/// A user's directory of remembered things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

/// A secret of 32 bytes, wiped when it is dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// Something of the directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// The file or its directory is open to other users.
    #[error("{} is open to other users; run: chmod {mode:o} {}", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// The mode that it should have.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{}: expected 32 bytes", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no randomness.
    #[error("the system gave no random bytes")]
    Randomness,
    /// The system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl StateDirError {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Permissions { .. } => "state.permissions",
            Self::Malformed { .. } => "state.malformed",
            Self::Randomness => "state.randomness",
            Self::Io { .. } => "state.io",
        }
    }
}

impl From<PrivateFileError> for StateDirError {
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Permissions { path, mode } => Self::Permissions { path, mode },
            PrivateFileError::Io { path, source } => Self::Io { path, source },
        }
    }
}

impl StateDir {
    /// The directory at `path`, which need not exist yet.
    #[must_use]
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The secret of a name, if there is one already. Makes nothing.
    ///
    /// # Errors
    /// [`StateDirError`] where it can't be read, or is open to others.
    pub fn secret(&self, name: &str) -> Result<Option<Secret>, StateDirError> {
        private_files::check_dir(&self.0)?;
        read(&self.0.join(name))
    }

    /// The secret of a name, which is made of random bytes where there is none.
    ///
    /// # Errors
    /// [`StateDirError`] where it can't be read, made, or is open to others.
    pub fn secret_or_new(&self, name: &str) -> Result<Secret, StateDirError> {
        private_files::ensure_dir(&self.0)?;
        let path = self.0.join(name);
        match read(&path)? {
            Some(secret) => Ok(secret),
            None => create(&path),
        }
    }
}

fn read(path: &Path) -> Result<Option<Secret>, StateDirError> {
    let file = match private_files::open(path) {
        Ok(file) => file,
        Err(PrivateFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(33));
    file.take(33)
        .read_to_end(&mut bytes)
        .map_err(private_files::io_error(path))?;
    match bytes.as_slice().try_into() {
        Ok(secret) => Ok(Some(Zeroizing::new(secret))),
        Err(_) => Err(StateDirError::Malformed {
            path: path.to_owned(),
        }),
    }
}

/// Makes a secret. Where another process was faster, its secret is the one.
fn create(path: &Path) -> Result<Secret, StateDirError> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(secret.as_mut_slice())
        .map_err(|_| StateDirError::Randomness)?;
    let mut files = NewFiles::default();
    match files.write(path, secret.as_slice()) {
        Ok(()) => files.keep()?,
        Err(PrivateFileError::Io { source, .. })
            if source.kind() == io::ErrorKind::AlreadyExists =>
        {
            return read(path)?.ok_or_else(|| StateDirError::Malformed {
                path: path.to_owned(),
            });
        }
        Err(error) => return Err(error.into()),
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("a/althing"));
        assert_eq!(state.secret("x.key").unwrap(), None);
        assert!(!state.path().exists(), "asking makes nothing");
        let secret = state.secret_or_new("x.key").unwrap();
        assert_eq!(state.secret_or_new("x.key").unwrap(), secret);
        assert_eq!(state.secret("x.key").unwrap(), Some(secret.clone()));
        assert_ne!(state.secret_or_new("y.key").unwrap(), secret);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(state.path()), 0o700);
        assert_eq!(mode(&state.path().join("x.key")), 0o600);
    }

    #[test]
    fn a_secret_that_others_can_read_or_that_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::new(dir.path().join("althing"));
        state.secret_or_new("x.key").unwrap();
        let file = state.path().join("x.key");
        let refused = || state.secret("x.key").err().map(|error| error.code());
        let open = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(&file, open).unwrap();
        assert_eq!(refused(), Some("state.permissions"));
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&file, private).unwrap();
        for content in [&[7; 31][..], &[7; 33]] {
            std::fs::write(&file, content).unwrap();
            assert_eq!(refused(), Some("state.malformed"));
        }
        std::fs::write(&file, [7; 32]).unwrap();
        assert_eq!(refused(), None);
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(state.path(), open).unwrap();
        assert_eq!(refused(), Some("state.permissions"));
    }
}
