//! Keyed hashes of what must not stand in a ledger in clear: user ids, small inputs.
//!
//! The secret lies beside the keys and never in a ledger. Destroying it unlinks every pseudonym
//! for good. Specification, "Predictions".

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::private_files::{self, NewFiles, PrivateFileError};
use crate::governance::digest::Digest;

/// The file that holds the secret, in the key directory.
const FILE: &str = "pseudonyms.secret";

/// Length of the secret in bytes.
const SECRET_BYTES: usize = 32;

/// Makes pseudonyms: HMAC-SHA-256 under a secret of this key directory.
pub struct Pseudonymizer {
    key: hmac::Key,
}

/// The secret can't be used.
#[derive(Debug, thiserror::Error)]
pub enum PseudonymError {
    /// The secret or its directory is open to other users.
    #[error("{} is open to other users; run: chmod {mode:o} {}", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// The mode that it should have.
        mode: u32,
    },
    /// The file holds something else.
    #[error("{}: expected {SECRET_BYTES} bytes", path.display())]
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

impl PseudonymError {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Permissions { .. } => "pseudonym.permissions",
            Self::Malformed { .. } => "pseudonym.malformed",
            Self::Randomness => "pseudonym.randomness",
            Self::Io { .. } => "pseudonym.io",
        }
    }
}

impl From<PrivateFileError> for PseudonymError {
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Permissions { path, mode } => Self::Permissions { path, mode },
            PrivateFileError::Io { path, source } => Self::Io { path, source },
        }
    }
}

impl Pseudonymizer {
    /// Reads the secret of a key directory, or makes one where there is none.
    ///
    /// # Errors
    /// [`PseudonymError`] where it can't be read, made, or is open to others.
    pub fn open(key_dir: &Path) -> Result<Self, PseudonymError> {
        private_files::ensure_dir(key_dir)?;
        let path = key_dir.join(FILE);
        let secret = match read(&path)? {
            Some(secret) => secret,
            None => create(&path)?,
        };
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// The pseudonym of `text` for one purpose; those of different purposes can't be linked.
    #[must_use]
    pub fn pseudonym(&self, purpose: &str, text: &[u8]) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(purpose.as_bytes());
        context.update(b"\n");
        context.update(text);
        let mut digest = [0; 32];
        digest.copy_from_slice(context.sign().as_ref());
        Digest::from_bytes(digest)
    }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, PseudonymError> {
    let file = match private_files::open(path) {
        Ok(file) => file,
        Err(PrivateFileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_BYTES + 1));
    file.take(SECRET_BYTES as u64 + 1)
        .read_to_end(&mut secret)
        .map_err(private_files::io_error(path))?;
    if secret.len() != SECRET_BYTES {
        return Err(PseudonymError::Malformed {
            path: path.to_owned(),
        });
    }
    Ok(Some(secret))
}

/// Makes a secret. Where another process was faster, its secret is the one.
fn create(path: &Path) -> Result<Zeroizing<Vec<u8>>, PseudonymError> {
    let mut secret = Zeroizing::new(vec![0; SECRET_BYTES]);
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| PseudonymError::Randomness)?;
    let mut files = NewFiles::default();
    match files.write(path, &secret) {
        Ok(()) => files.keep()?,
        Err(PrivateFileError::Io { source, .. })
            if source.kind() == io::ErrorKind::AlreadyExists =>
        {
            return read(path)?.ok_or(PseudonymError::Malformed {
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
    fn pseudonyms_last_as_long_as_the_secret() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        let first = Pseudonymizer::open(&keys).unwrap();
        let again = Pseudonymizer::open(&keys).unwrap();
        let alice = first.pseudonym("user", b"alice");
        assert_eq!(again.pseudonym("user", b"alice"), alice);
        assert_ne!(first.pseudonym("user", b"bob"), alice);
        assert_ne!(first.pseudonym("input", b"alice"), alice);
        assert_ne!(alice, Digest::of(b"alice"));
        std::fs::remove_file(keys.join(FILE)).unwrap();
        let other = Pseudonymizer::open(&keys).unwrap();
        assert_ne!(other.pseudonym("user", b"alice"), alice);
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let keys = dir.path().join("keys");
        Pseudonymizer::open(&keys).unwrap();
        let file = keys.join(FILE);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refused = Pseudonymizer::open(&keys).err().map(|error| error.code());
        assert_eq!(refused, Some("pseudonym.permissions"));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, b"short").unwrap();
        let refused = Pseudonymizer::open(&keys).err().map(|error| error.code());
        assert_eq!(refused, Some("pseudonym.malformed"));
    }
}
