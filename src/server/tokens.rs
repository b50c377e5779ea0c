//! Bearer tokens: made once, shown once, kept as hashes.
//!
//! ```text
//! althing_1f3c9a02_8d…e1      prefix, id, 32 random bytes
//! LEDGER/tokens.json          {"tokens": [{"id", "name", "scopes", "sha256", "created_at", "expires_at"}]}
//! ```
//!
//! The file is its owner's alone. What it holds opens nothing: it is the SHA-256 of 256 random bits.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use super::access::Scope;
use crate::governance::digest::Digest;
use crate::governance::label::Label;
use crate::governance::time::Timestamp;

/// The file in the ledger's directory.
const FILE: &str = "tokens.json";

/// The beginning of every token, by which scanners for leaked secrets know it.
const PREFIX: &str = "althing_";

/// The most bytes of the file.
const MAX_BYTES: u64 = 4 << 20;

/// A token as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Which token it is; no secret.
    pub id: String,
    /// Whose it is, for people, and for predictions that name no recorder.
    pub name: Label,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// The hash of the whole token.
    pub sha256: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it opens nothing.
    pub expires_at: Option<Timestamp>,
}

/// A new token, with what only its owner gets to see.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What is kept.
    pub token: Token,
    /// The whole token.
    pub secret: String,
}

/// Why tokens can't be used, made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read the file or write to it.
    #[error("{path}: others have access; expected mode 0600")]
    Permissions {
        /// The file.
        path: PathBuf,
    },
    /// The file is not what this program writes.
    #[error("{path}: {problem}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// There is no such token.
    #[error("there is no token {0}")]
    Unknown(String),
    /// The machine gives no random bytes.
    #[error("no random bytes can be had")]
    Randomness,
}

impl TokenError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "token.io",
            Self::Permissions { .. } => "token.permissions",
            Self::Malformed { .. } => "token.malformed",
            Self::Unknown(_) => "token.unknown",
            Self::Randomness => "token.randomness",
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    tokens: Vec<Token>,
}

/// The tokens of one ledger.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

impl TokenFile {
    /// The tokens of the ledger in `dir`.
    #[must_use]
    pub fn of_ledger(dir: &Path) -> Self {
        Self {
            path: dir.join(FILE),
        }
    }

    /// All tokens, expired ones too. None where there is no file.
    ///
    /// # Errors
    /// [`TokenError`] where the file can't be used.
    pub fn list(&self) -> Result<Vec<Token>, TokenError> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            file => file.map_err(|error| self.io(error))?,
        };
        let metadata = file.metadata().map_err(|error| self.io(error))?;
        if metadata.mode() & 0o077 != 0 {
            let path = self.path.clone();
            return Err(TokenError::Permissions { path });
        }
        let text = io::read_to_string(io::Read::take(file, MAX_BYTES));
        let text = text.map_err(|error| self.io(error))?;
        let content: Content =
            serde_json::from_str(&text).map_err(|error| TokenError::Malformed {
                path: self.path.clone(),
                problem: error.to_string(),
            })?;
        Ok(content.tokens)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`TokenError`]; then there is no such token.
    pub fn create(
        &self,
        name: Label,
        scopes: Vec<Scope>,
        created_at: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<NewToken, TokenError> {
        let id = hex(&random::<4>()?);
        let secret = format!("{PREFIX}{id}_{}", hex(&random::<32>()?));
        let token = Token {
            id,
            name,
            scopes,
            sha256: Digest::of(secret.as_bytes()),
            created_at,
            expires_at,
        };
        self.change(|tokens| {
            tokens.push(token.clone());
            Ok(())
        })?;
        Ok(NewToken { token, secret })
    }

    /// Takes a token back: it opens nothing from now on.
    ///
    /// # Errors
    /// [`TokenError::Unknown`] where there is none with this id.
    pub fn revoke(&self, id: &str) -> Result<Token, TokenError> {
        self.change(|tokens| {
            let index = tokens.iter().position(|token| token.id == id);
            let index = index.ok_or_else(|| TokenError::Unknown(id.to_owned()))?;
            Ok(tokens.remove(index))
        })
    }

    /// Changes the file as a whole, one process at a time.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Token>) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let lock = self.path.with_extension("lock");
        let lock = private().create(true).open(lock);
        let lock = lock.map_err(|error| self.io(error))?;
        lock.lock().map_err(|error| self.io(error))?;
        let mut tokens = self.list()?;
        let changed = change(&mut tokens)?;
        self.write(&Content { tokens })
            .map_err(|error| self.io(error))?;
        Ok(changed)
    }

    fn write(&self, content: &Content) -> io::Result<()> {
        let new = self.path.with_extension("tmp");
        // What a crash left of an earlier change.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private().create_new(true).open(&new)?;
        serde_json::to_writer_pretty(&mut file, content)?;
        writeln!(file)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        File::open(dir)?.sync_all()
    }

    fn io(&self, source: io::Error) -> TokenError {
        let path = self.path.clone();
        TokenError::Io { path, source }
    }

    /// What tells one content of the file from another, without reading it.
    fn stamp(&self) -> Option<Stamp> {
        let metadata = fs::metadata(&self.path).ok()?;
        Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
    }
}

type Stamp = (u64, i64, i64);

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn random<const N: usize>() -> Result<[u8; N], TokenError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| TokenError::Randomness)?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The tokens as a running service knows them: read again when the file has changed.
#[derive(Debug)]
pub(super) struct Tokens {
    file: TokenFile,
    known: Mutex<(Option<Stamp>, Arc<Vec<Token>>)>,
}

impl Tokens {
    pub(super) fn new(file: TokenFile) -> Self {
        Self {
            file,
            known: Mutex::default(),
        }
    }

    /// The token that `secret` is, if it opens anything at `now`.
    ///
    /// # Errors
    /// [`TokenError`] where the file can't be used: then nothing opens.
    pub(super) fn find(&self, secret: &str, now: Timestamp) -> Result<Option<Token>, TokenError> {
        let tokens = self.current()?;
        let digest = Digest::of(secret.as_bytes());
        let is_it = |token: &&Token| {
            verify_slices_are_equal(token.sha256.as_bytes(), digest.as_bytes()).is_ok()
        };
        let found = tokens.iter().find(is_it);
        let is_in_time = |token: &&Token| token.expires_at.is_none_or(|end| now < end);
        Ok(found.filter(is_in_time).cloned())
    }

    /// The token with this id, if it has not expired. Whoever asks has to know more than the id.
    pub(super) fn with_id(&self, id: &str, now: Timestamp) -> Result<Option<Token>, TokenError> {
        let tokens = self.current()?;
        let mut found = tokens.iter().filter(|token| token.id == id);
        let token = found.find(|token| token.expires_at.is_none_or(|end| now < end));
        Ok(token.cloned())
    }

    fn current(&self) -> Result<Arc<Vec<Token>>, TokenError> {
        let stamp = self.file.stamp();
        // Nothing that can panic happens under this lock.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != stamp {
            known.1 = Arc::new(self.file.list()?);
            known.0 = stamp;
        }
        Ok(Arc::clone(&known.1))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn at(hour: u32) -> Timestamp {
        format!("2026-05-04T{hour:02}:00:00.000000Z")
            .parse()
            .unwrap()
    }

    #[test]
    fn a_token_opens_until_it_expires_or_is_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::of_ledger(dir.path());
        let tokens = Tokens::new(file.clone());
        let make = |name: &str, expires| {
            let name = name.parse().unwrap();
            file.create(name, vec![Scope::Predict], at(1), expires)
                .unwrap()
        };
        let found = |secret: &str, now| tokens.find(secret, now).unwrap().map(|token| token.id);
        assert_eq!(found("althing_00000000_", at(1)), None);
        let (first, second) = (make("a", None), make("b", Some(at(5))));
        let id = |new: &NewToken| Some(new.token.id.clone());
        assert_eq!(found(&first.secret, at(9)), id(&first));
        assert_eq!(found(&second.secret, at(4)), id(&second));
        assert_eq!(found(&second.secret, at(5)), None, "expired");
        let mut near = first.secret.clone();
        near.pop();
        for wrong in [
            near.as_str(),
            "",
            &first.token.id,
            &first.token.sha256.to_string(),
        ] {
            assert_eq!(found(wrong, at(2)), None, "{wrong}");
        }
        file.revoke(&first.token.id).unwrap();
        assert_eq!(found(&first.secret, at(2)), None, "revoked");
        assert_eq!(file.list().unwrap(), [second.token]);
        assert_eq!(file.revoke("1").unwrap_err().code(), "token.unknown");
    }

    #[test]
    fn the_file_holds_no_secret_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::of_ledger(dir.path());
        let new = file
            .create("a".parse().unwrap(), vec![Scope::Read], at(1), None)
            .unwrap();
        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        let secret = new.secret.rsplit('_').next().unwrap();
        assert!(!text.contains(secret), "{text}");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(file.list().unwrap_err().code(), "token.permissions");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "{}").unwrap();
        assert_eq!(file.list().unwrap_err().code(), "token.malformed");
    }
}
