//! The directory that holds a user's keys.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::governance::id::NodeId;
use crate::governance::key::{Algorithm, PublicKey};

use super::export::{ExportError, PublicKeyExport};
use super::pem::{self, PemError, PrivateKeyPem};
use super::private_files::{self, NewFiles, PrivateFileError};
use super::{SigningKey, SigningKeyError};

/// The ending of private key files.
const SECRET_SUFFIX: &str = ".pem";
/// The ending of public key exports.
const PUBLIC_SUFFIX: &str = ".pub.json";
/// The longest key name, in bytes.
const MAX_NAME_BYTES: usize = 64;
/// More than the longest private key file, in bytes.
const MAX_SECRET_BYTES: usize = 16 * 1024;

/// A private directory with two files for each key: `NAME.pem`, the private key (PKCS#8, optionally
/// encrypted), and `NAME.pub.json`, the [public key export](PublicKeyExport).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyStore {
    dir: PathBuf,
}

/// What the public files say about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The name of the key's files.
    pub name: String,
    /// The checked export, with the algorithm, the public key and the node id.
    pub export: PublicKeyExport,
    /// How the private key is kept.
    pub secret: StoredSecret,
}

impl StoredKey {
    /// The key's algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.export.algorithm()
    }

    /// The id of the node that has this as its first key.
    #[must_use]
    pub const fn node_id(&self) -> NodeId {
        self.export.node_id()
    }
}

/// How a private key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredSecret {
    /// In a file that needs no passphrase.
    Plain,
    /// In a file that needs a passphrase.
    Encrypted,
    /// There is no file, or it holds no private key.
    Missing,
}

/// A key can't be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The name could not be a file name everywhere.
    #[error(
        "expected a key name of 1 to {MAX_NAME_BYTES} letters, digits, '.', '_' or '-' that does \
         not start with '.' or '-', found {0:?}"
    )]
    Name(String),
    /// There is such a key already; keys are never overwritten.
    #[error("the key {0} exists already")]
    Exists(String),
    /// There is no such key.
    #[error("there is no key {0}")]
    NotFound(String),
    /// A private file or directory is open to other users.
    #[error("{} is open to other users; run: chmod {mode:o} {}", path.display(), path.display())]
    Permissions {
        /// The file or directory.
        path: PathBuf,
        /// The mode that it should have.
        mode: u32,
    },
    /// An empty passphrase protects nothing.
    #[error("the passphrase must not be empty")]
    EmptyPassphrase,
    /// The key is encrypted and no passphrase was given.
    #[error("the key {0} is encrypted: a passphrase is needed")]
    PassphraseNeeded(String),
    /// The passphrase does not open the key.
    #[error("the passphrase for the key {0} is wrong, or its file is damaged")]
    WrongPassphrase(String),
    /// A file does not hold what its name promises.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was expected.
        problem: String,
    },
    /// The private key belongs to another public key than the one beside it.
    #[error("the files {0}.pem and {0}.pub.json do not belong together")]
    Mismatch(String),
    /// The key can't be made, written or used.
    #[error("{0}")]
    Crypto(String),
    /// The system refused to read or write.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl KeyStoreError {
    /// A stable code for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Name(_) => "key.name",
            Self::Exists(_) => "key.exists",
            Self::NotFound(_) => "key.not-found",
            Self::Permissions { .. } => "key.permissions",
            Self::EmptyPassphrase | Self::PassphraseNeeded(_) | Self::WrongPassphrase(_) => {
                "key.passphrase"
            }
            Self::Malformed { .. } => "key.malformed",
            Self::Mismatch(_) => "key.mismatch",
            Self::Crypto(_) => "key.crypto",
            Self::Io { .. } => "key.io",
        }
    }
}

impl From<PrivateFileError> for KeyStoreError {
    fn from(error: PrivateFileError) -> Self {
        match error {
            PrivateFileError::Permissions { path, mode } => Self::Permissions { path, mode },
            PrivateFileError::Io { path, source } => Self::Io { path, source },
        }
    }
}

impl From<SigningKeyError> for KeyStoreError {
    fn from(error: SigningKeyError) -> Self {
        Self::Crypto(error.to_string())
    }
}

impl KeyStore {
    /// The store in `dir`, which need not exist yet.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The directory, where [signing journals](super::SigningJournal) live too.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Generates a key and stores it, encrypted where there is a passphrase.
    ///
    /// # Errors
    /// As [`import`](Self::import), and `key.crypto` where the system gives no randomness.
    pub fn create(
        &self,
        name: &str,
        algorithm: Algorithm,
        passphrase: Option<&str>,
    ) -> Result<PublicKeyExport, KeyStoreError> {
        // Before the work of making a key.
        check_name(name)?;
        self.import(name, &SigningKey::generate(algorithm)?, passphrase)
    }

    /// Stores a key under a new name, encrypted where there is a passphrase.
    ///
    /// Both files are durable when this returns; after an error neither is left. A crash in between
    /// can leave the public file alone, which [`list`](Self::list) shows as a missing secret.
    ///
    /// # Errors
    /// `key.name`, `key.exists`, `key.permissions` for a directory that is open to others,
    /// `key.passphrase` for an empty one, `key.io`.
    pub fn import(
        &self,
        name: &str,
        key: &SigningKey,
        passphrase: Option<&str>,
    ) -> Result<PublicKeyExport, KeyStoreError> {
        let (public_path, secret_path) = (self.public_path(name)?, self.secret_path(name)?);
        if passphrase.is_some_and(str::is_empty) {
            return Err(KeyStoreError::EmptyPassphrase);
        }
        private_files::ensure_dir(&self.dir)?;
        let export = PublicKeyExport::new(key, name)
            .map_err(|error| KeyStoreError::Crypto(error.to_string()))?;
        let secret = pem::encode(key, passphrase)
            .map_err(|error| KeyStoreError::Crypto(error.to_string()))?;

        let exists = |error| exists_error(name, error);
        let mut files = NewFiles::default();
        files
            .write(&public_path, export.to_line().as_bytes())
            .map_err(exists)?;
        files
            .write(&secret_path, secret.as_bytes())
            .map_err(exists)?;
        files.keep()?;
        Ok(export)
    }

    /// The keys by name. Reads the public files, and of private ones no more than the first line.
    ///
    /// # Errors
    /// `key.malformed` where a public file is no export, `key.permissions`, `key.io`.
    pub fn list(&self) -> Result<Vec<StoredKey>, KeyStoreError> {
        self.names()?
            .into_iter()
            .map(|name| self.stored(name))
            .collect()
    }

    /// The public key export of a key.
    ///
    /// # Errors
    /// `key.name`, `key.not-found`, `key.malformed`, `key.permissions`, `key.io`.
    pub fn public(&self, name: &str) -> Result<PublicKeyExport, KeyStoreError> {
        let path = self.public_path(name)?;
        private_files::check_dir(&self.dir)?;
        let file = fs::File::open(&path)
            .map_err(private_files::io_error(&path))
            .map_err(|error| not_found_error(name, error))?;
        PublicKeyExport::read(file).map_err(|error| match error {
            ExportError::Io(source) => KeyStoreError::Io { path, source },
            error => KeyStoreError::Malformed {
                path,
                problem: error.to_string(),
            },
        })
    }

    /// Reads a private key. Asks for the passphrase only where the key is encrypted; `None` stands
    /// for "there is none to be had".
    ///
    /// # Errors
    /// `key.name`, `key.not-found`, `key.permissions`, `key.passphrase`, `key.malformed`,
    /// `key.io`, and `key.mismatch` where the private key is not that of the public file.
    pub fn load(
        &self,
        name: &str,
        passphrase: impl FnOnce() -> io::Result<Option<Zeroizing<String>>>,
    ) -> Result<SigningKey, KeyStoreError> {
        let export = self.public(name)?;
        let path = self.secret_path(name)?;
        let text = read_secret(&path).map_err(|error| not_found_error(name, error))?;
        let key = decode(name, &path, &text, passphrase)?;
        if key.public_key() != export.public_key() {
            return Err(KeyStoreError::Mismatch(name.to_owned()));
        }
        Ok(key)
    }

    /// The name of a public key, where the store has it; the first in order of several.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn find_by_key(&self, key: &PublicKey) -> Result<Option<String>, KeyStoreError> {
        for name in self.names()? {
            if self.public(&name)?.public_key() == key {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    fn stored(&self, name: String) -> Result<StoredKey, KeyStoreError> {
        Ok(StoredKey {
            export: self.public(&name)?,
            secret: secret_status(&self.secret_path(&name)?)?,
            name,
        })
    }

    /// The names of all public files in order. Files with other names are not ours.
    fn names(&self) -> Result<Vec<String>, KeyStoreError> {
        private_files::check_dir(&self.dir)?;
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(private_files::io_error(&self.dir))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(private_files::io_error(&self.dir))?;
            names.extend(key_name(&entry.file_name()));
        }
        names.sort_unstable();
        Ok(names)
    }

    fn public_path(&self, name: &str) -> Result<PathBuf, KeyStoreError> {
        self.path(name, PUBLIC_SUFFIX)
    }

    fn secret_path(&self, name: &str) -> Result<PathBuf, KeyStoreError> {
        self.path(name, SECRET_SUFFIX)
    }

    /// The only way from a name to a path.
    fn path(&self, name: &str, suffix: &str) -> Result<PathBuf, KeyStoreError> {
        check_name(name)?;
        Ok(self.dir.join(format!("{name}{suffix}")))
    }
}

fn check_name(name: &str) -> Result<(), KeyStoreError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let valid = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with(['.', '-']);
    if !valid {
        return Err(KeyStoreError::Name(name.to_owned()));
    }
    Ok(())
}

fn key_name(file: &OsStr) -> Option<String> {
    let name = file.to_str()?.strip_suffix(PUBLIC_SUFFIX)?;
    check_name(name).ok()?;
    Some(name.to_owned())
}

fn exists_error(name: &str, error: PrivateFileError) -> KeyStoreError {
    match error {
        PrivateFileError::Io { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
            KeyStoreError::Exists(name.to_owned())
        }
        error => error.into(),
    }
}

fn not_found_error(name: &str, error: PrivateFileError) -> KeyStoreError {
    match error {
        PrivateFileError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            KeyStoreError::NotFound(name.to_owned())
        }
        error => error.into(),
    }
}

fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, PrivateFileError> {
    let file = private_files::open(path)?;
    // Room for everything from the start: growing would leave copies of the secret behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_SECRET_BYTES + 1));
    file.take(MAX_SECRET_BYTES as u64)
        .read_to_end(&mut text)
        .map_err(private_files::io_error(path))?;
    Ok(text)
}

fn secret_status(path: &Path) -> Result<StoredSecret, KeyStoreError> {
    const FIRST_LINE_BYTES: u64 = 64;
    let mut start = Vec::new();
    let read = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(StoredSecret::Missing),
        file => file.and_then(|file| file.take(FIRST_LINE_BYTES).read_to_end(&mut start)),
    };
    read.map_err(private_files::io_error(path))?;
    Ok(match pem::is_encrypted(&start) {
        Some(true) => StoredSecret::Encrypted,
        Some(false) => StoredSecret::Plain,
        None => StoredSecret::Missing,
    })
}

fn decode(
    name: &str,
    path: &Path,
    text: &[u8],
    passphrase: impl FnOnce() -> io::Result<Option<Zeroizing<String>>>,
) -> Result<SigningKey, KeyStoreError> {
    let failed = |error| match error {
        PemError::Passphrase => KeyStoreError::WrongPassphrase(name.to_owned()),
        error => KeyStoreError::Malformed {
            path: path.to_owned(),
            problem: error.to_string(),
        },
    };
    let secret = PrivateKeyPem::parse(text).map_err(failed)?;
    if !secret.is_encrypted() {
        return secret.into_key().map_err(failed);
    }
    let passphrase = passphrase()
        .map_err(private_files::io_error(path))?
        .ok_or_else(|| KeyStoreError::PassphraseNeeded(name.to_owned()))?;
    secret.decrypt(&passphrase).map_err(failed)
}
