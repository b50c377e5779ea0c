//! Secrets of a user: files of 32 random bytes that nobody else can read.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::private_files::{self, NewFiles, PrivateFileError};

/// A secret of 32 bytes, wiped when it is dropped.
pub type Secret = Zeroizing<[u8; 32]>;

/// A secret can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
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

impl SecretError {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Permissions { .. } => "secret.permissions",
            Self::Malformed { .. } => "secret.malformed",
            Self::Randomness => "secret.randomness",
            Self::Io { .. } => "secret.io",
        }
    }
}

impl From<PrivateFileError> for SecretError {
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Permissions { path, mode } => Self::Permissions { path, mode },
            PrivateFileError::Io { path, source } => Self::Io { path, source },
        }
    }
}

/// The secret with a name in a directory, if there is one already. Makes nothing.
///
/// # Errors
/// [`SecretError`] where it can't be read, or is open to others.
pub fn existing(dir: &Path, name: &str) -> Result<Option<Secret>, SecretError> {
    private_files::check_dir(dir)?;
    read(&dir.join(name))
}

/// The secret with a name in a directory; both are made where they are missing.
///
/// # Errors
/// [`SecretError`] where it can't be read, made, or is open to others.
pub fn existing_or_new(dir: &Path, name: &str) -> Result<Secret, SecretError> {
    private_files::ensure_dir(dir)?;
    let path = dir.join(name);
    match read(&path)? {
        Some(secret) => Ok(secret),
        None => create(&path),
    }
}

fn read(path: &Path) -> Result<Option<Secret>, SecretError> {
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
        Err(_) => Err(SecretError::Malformed {
            path: path.to_owned(),
        }),
    }
}

/// Makes a secret. Where another process was faster, its secret is the one.
fn create(path: &Path) -> Result<Secret, SecretError> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(secret.as_mut_slice())
        .map_err(|_| SecretError::Randomness)?;
    let mut files = NewFiles::default();
    match files.write(path, secret.as_slice()) {
        Ok(()) => files.keep()?,
        Err(PrivateFileError::Io { source, .. })
            if source.kind() == io::ErrorKind::AlreadyExists =>
        {
            return read(path)?.ok_or_else(|| SecretError::Malformed {
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
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_is_made_once_and_private() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/althing");
        assert_eq!(existing(&dir, "x").unwrap(), None);
        assert!(!dir.exists(), "asking makes nothing");
        let secret = existing_or_new(&dir, "x").unwrap();
        assert_eq!(existing_or_new(&dir, "x").unwrap(), secret);
        assert_eq!(existing(&dir, "x").unwrap(), Some(secret.clone()));
        assert_ne!(existing_or_new(&dir, "y").unwrap(), secret);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("x")), 0o600);
    }

    #[test]
    fn a_secret_that_others_can_read_or_that_is_none_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("althing");
        existing_or_new(&dir, "x").unwrap();
        let file = dir.join("x");
        let refused = || existing(&dir, "x").err().map(|error| error.code());
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
        set(&file, 0o640).unwrap();
        assert_eq!(refused(), Some("secret.permissions"));
        set(&file, 0o600).unwrap();
        for content in [&[7; 31][..], &[7; 33]] {
            fs::write(&file, content).unwrap();
            assert_eq!(refused(), Some("secret.malformed"));
        }
        fs::write(&file, [7; 32]).unwrap();
        assert_eq!(refused(), None);
        set(&dir, 0o755).unwrap();
        assert_eq!(refused(), Some("secret.permissions"));
    }
}
