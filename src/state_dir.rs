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

use std::path::{Path, PathBuf};

use crate::identity::secret::{self, Secret, SecretError};

/// A user's directory of remembered things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDir(PathBuf);

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
    /// [`SecretError`] where it can't be read, or is open to others.
    pub fn secret(&self, name: &str) -> Result<Option<Secret>, SecretError> {
        secret::existing(&self.0, name)
    }

    /// The secret of a name, which is made of random bytes where there is none.
    ///
    /// # Errors
    /// [`SecretError`] where it can't be read, made, or is open to others.
    pub fn secret_or_new(&self, name: &str) -> Result<Secret, SecretError> {
        secret::existing_or_new(&self.0, name)
    }
}
