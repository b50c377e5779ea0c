//! Signed statements: the exact canonical bytes that a node signed, beside what they say.
//!
//! A [`Signed`] statement is *unverified input*. Only [`Signed::verify`] turns it into a
//! [`Verified`] one, and only those reach the state.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use serde_json::value::RawValue;

use super::canonical::{self, NotCanonical, Numbers};
use super::key::{PublicKey, Signature, SignatureVerifier};

/// A kind of statement: what it says and the domain its signature is bound to.
pub trait StatementContent: Serialize + DeserializeOwned {
    /// The domain tag, such as `althing/ballot/v1`. A signature covers the tag, a line feed and the
    /// statement's bytes, so that a signature for one purpose is worthless for any other.
    const DOMAIN: &'static str;

    /// The longest accepted text, in bytes.
    const MAX_BYTES: usize;
}

/// The exact bytes of a statement, and the content that was read from them.
#[derive(Clone)]
pub struct Statement<T> {
    /// Shared by all copies.
    raw: Arc<str>,
    content: T,
}

/// Why bytes are no statement of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Longer than the kind's cap.
    #[error("expected at most {max} bytes for {domain}, found {found}")]
    TooLong {
        /// The kind's domain tag.
        domain: &'static str,
        /// The cap, in bytes.
        max: usize,
        /// The length found, in bytes.
        found: usize,
    },
    /// The bytes are JSON at best, but not canonical JSON.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// Canonical JSON that does not say what this kind of statement says.
    #[error("expected {domain}: {message}")]
    Content {
        /// The kind's domain tag.
        domain: &'static str,
        /// What the reader expected and found.
        message: String,
    },
}

impl<T: StatementContent> Statement<T> {
    /// Writes `content` as canonical JSON, ready to be signed.
    ///
    /// # Errors
    /// [`StatementError`] where the content has no canonical form, such as a fraction among
    /// free-form parameters, or is too long.
    pub fn new(content: T) -> Result<Self, StatementError> {
        let raw = canonical::canonicalize(&content).map_err(|message| StatementError::Content {
            domain: T::DOMAIN,
            message,
        })?;
        Self::check_length(raw.get())?;
        Ok(Self::of_parts(raw.get(), content))
    }

    /// Reads a statement from bytes that must already be canonical.
    ///
    /// # Errors
    /// [`StatementError`] for anything else: too long, not canonical, unknown or missing members.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        Self::check_length(text)?;
        canonical::check(text, Numbers::Integers)?;
        Self::parse_canonical(text)
    }

    /// As [`parse`](Self::parse), of a value within a text that was found canonical.
    fn parse_canonical(text: &str) -> Result<Self, StatementError> {
        Self::check_length(text)?;
        let content = serde_json::from_str(text).map_err(|error| StatementError::Content {
            domain: T::DOMAIN,
            message: error.to_string(),
        })?;
        Ok(Self::of_parts(text, content))
    }

    fn of_parts(raw: &str, content: T) -> Self {
        let raw = raw.into();
        Self { raw, content }
    }

    fn check_length(text: &str) -> Result<(), StatementError> {
        if text.len() > T::MAX_BYTES {
            return Err(StatementError::TooLong {
                domain: T::DOMAIN,
                max: T::MAX_BYTES,
                found: text.len(),
            });
        }
        Ok(())
    }

    /// The bytes that a signature covers: domain tag, line feed, statement.
    #[must_use]
    pub fn message(&self) -> Vec<u8> {
        [T::DOMAIN.as_bytes(), b"\n", self.as_str().as_bytes()].concat()
    }

    /// Attaches a signature, unchecked.
    #[must_use]
    pub fn with_signature(self, signature: Signature) -> Signed<T> {
        Signed {
            signature,
            statement: self,
        }
    }
}

impl<T> Statement<T> {
    /// What the statement says.
    #[must_use]
    pub const fn content(&self) -> &T {
        &self.content
    }

    /// The exact canonical text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.raw
    }
}

/// Statements are equal when their bytes are.
impl<T> PartialEq for Statement<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.raw, &other.raw) || self.as_str() == other.as_str()
    }
}

impl<T> Eq for Statement<T> {}

impl<T: fmt::Debug> fmt::Debug for Statement<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.content.fmt(f)
    }
}

impl<T> Serialize for Statement<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &RawValue = serde_json::from_str(self.as_str()).map_err(ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

impl<'de, T: StatementContent> Deserialize<'de> for Statement<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(de::Error::custom)
    }
}

/// A statement with a signature that nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "T: StatementContent")]
pub struct Signed<T: StatementContent> {
    /// The claimed signature.
    pub signature: Signature,
    /// The signed bytes.
    pub statement: Statement<T>,
}

impl<T: StatementContent> Signed<T> {
    /// Reads a text that was found canonical, with integers only, in one pass over the signature, which
    /// is most of it; `None` where only the deserialization can tell.
    ///
    /// What stands between `"statement":` and the last brace is read as one value, so nothing follows it.
    pub(super) fn read_canonical(text: &str) -> Option<Self> {
        let signature = text.strip_prefix("{\"signature\":\"")?;
        let end = memchr::memchr(b'"', signature.as_bytes())?;
        let (signature, rest) = signature.split_at_checked(end)?;
        let statement = (rest.strip_prefix("\",\"statement\":")?).strip_suffix('}')?;
        Some(Self {
            signature: signature.parse().ok()?,
            statement: Statement::parse_canonical(statement).ok()?,
        })
    }

    /// What the statement claims.
    #[must_use]
    pub const fn content(&self) -> &T {
        self.statement.content()
    }

    /// Checks the signature under `key`, which must come from the registry, never from the
    /// statement itself.
    #[must_use]
    pub fn verify(self, key: &PublicKey, verifier: &dyn SignatureVerifier) -> Option<Verified<T>> {
        self.is_signed_by(key, verifier).then_some(Verified(self))
    }

    /// Whether the signature is `key`'s.
    #[must_use]
    pub fn is_signed_by(&self, key: &PublicKey, verifier: &dyn SignatureVerifier) -> bool {
        verifier.verify(key, &self.statement.message(), &self.signature)
    }
}

/// A statement whose signature has been checked under a registered key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T: StatementContent>(Signed<T>);

impl<T: StatementContent> Verified<T> {
    /// The statement and signature, as an event keeps them.
    #[must_use]
    pub fn into_signed(self) -> Signed<T> {
        self.0
    }
}

impl<T: StatementContent> std::ops::Deref for Verified<T> {
    type Target = Signed<T>;

    fn deref(&self) -> &Signed<T> {
        &self.0
    }
}
