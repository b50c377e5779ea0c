//! Keyed hashes of what must not stand in a ledger in clear: user ids, small inputs.
//!
//! The secret lies beside the keys and never in a ledger. Destroying it unlinks every pseudonym
//! for good. Specification, "Predictions".

use std::path::Path;

use aws_lc_rs::hmac;

use super::secret::{self, SecretError};
use crate::governance::digest::Digest;

/// The file that holds the secret, in the key directory.
const FILE: &str = "pseudonyms.secret";

/// Makes pseudonyms: HMAC-SHA-256 under a secret of this key directory.
pub struct Pseudonymizer {
    key: hmac::Key,
}

impl Pseudonymizer {
    /// Reads the secret of a key directory, or makes one where there is none.
    ///
    /// # Errors
    /// [`SecretError`] where it can't be read, made, or is open to others.
    pub fn open(key_dir: &Path) -> Result<Self, SecretError> {
        let secret = secret::existing_or_new(key_dir, FILE)?;
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()),
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
