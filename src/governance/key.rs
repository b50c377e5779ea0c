//! Public keys and signatures as data. Checking them is behind [`SignatureVerifier`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// The signature algorithms of FIPS 204; nothing else is ever accepted under these names.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Algorithm {
    /// ML-DSA-44: 1312-byte keys, 2420-byte signatures.
    #[serde(rename = "ML-DSA-44")]
    MlDsa44,
    /// ML-DSA-65, the default: 1952-byte keys, 3309-byte signatures.
    #[default]
    #[serde(rename = "ML-DSA-65")]
    MlDsa65,
    /// ML-DSA-87: 2592-byte keys, 4627-byte signatures.
    #[serde(rename = "ML-DSA-87")]
    MlDsa87,
}

impl Algorithm {
    /// All of them, weakest first.
    pub const ALL: [Self; 3] = [Self::MlDsa44, Self::MlDsa65, Self::MlDsa87];

    /// The name in FIPS 204.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MlDsa44 => "ML-DSA-44",
            Self::MlDsa65 => "ML-DSA-65",
            Self::MlDsa87 => "ML-DSA-87",
        }
    }

    /// Length of a raw public key in bytes (FIPS 204, table 2).
    #[must_use]
    pub const fn public_key_bytes(self) -> usize {
        match self {
            Self::MlDsa44 => 1312,
            Self::MlDsa65 => 1952,
            Self::MlDsa87 => 2592,
        }
    }

    /// Length of a signature in bytes (FIPS 204, table 2).
    #[must_use]
    pub const fn signature_bytes(self) -> usize {
        match self {
            Self::MlDsa44 => 2420,
            Self::MlDsa65 => 3309,
            Self::MlDsa87 => 4627,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of no known algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected ML-DSA-44, ML-DSA-65 or ML-DSA-87")]
pub struct ParseAlgorithmError;

impl FromStr for Algorithm {
    type Err = ParseAlgorithmError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == text)
            .ok_or(ParseAlgorithmError)
    }
}

/// A raw public key of the right length for its algorithm.
///
/// Whether it is a valid key shows when a signature verifies under it; every key enters the
/// registry together with a signature made by it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "PublicKeyText", into = "PublicKeyText")]
pub struct PublicKey {
    algorithm: Algorithm,
    bytes: SharedBytes,
}

impl PublicKey {
    /// Wraps raw key bytes.
    ///
    /// # Errors
    /// [`ParseKeyError`] where the length is not that of the algorithm's keys.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, ParseKeyError> {
        if bytes.len() != algorithm.public_key_bytes() {
            return Err(ParseKeyError::Length {
                algorithm,
                expected: algorithm.public_key_bytes(),
                found: bytes.len(),
            });
        }
        Ok(Self {
            algorithm,
            bytes: SharedBytes(bytes.into()),
        })
    }

    /// Reads a raw key from base64 with padding.
    ///
    /// # Errors
    /// [`ParseKeyError`] where the text is not base64, or the key has another length than its
    /// algorithm's.
    pub fn from_base64(algorithm: Algorithm, text: &str) -> Result<Self, ParseKeyError> {
        let bytes = BASE64.decode(text).map_err(|_| ParseKeyError::Base64)?;
        Self::new(algorithm, &bytes)
    }

    /// The raw key as base64 with padding.
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(self.as_bytes())
    }

    /// The algorithm the key is for.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes.0
    }

    /// SHA-256 of the raw key: what the registry remembers a used key by.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Digest::of(self.as_bytes())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "PublicKey({}, {})",
            self.algorithm,
            self.fingerprint().short()
        )
    }
}

/// The bytes are no key or signature of the named algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseKeyError {
    /// Not base64 with padding (RFC 4648, section 4).
    #[error("expected base64 with padding")]
    Base64,
    /// A key of another length than its algorithm's.
    #[error("expected {expected} bytes for an {algorithm} public key, found {found}")]
    Length {
        /// The algorithm that the key claims.
        algorithm: Algorithm,
        /// The length of that algorithm's keys, in bytes.
        expected: usize,
        /// The length found, in bytes.
        found: usize,
    },
    /// Longer than any signature.
    #[error("expected at most {max} bytes for a signature, found {found}")]
    SignatureTooLong {
        /// The longest signature of any algorithm, in bytes.
        max: usize,
        /// The length found, in bytes.
        found: usize,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKeyText {
    algorithm: Algorithm,
    public_key: String,
}

impl TryFrom<PublicKeyText> for PublicKey {
    type Error = ParseKeyError;

    fn try_from(text: PublicKeyText) -> Result<Self, Self::Error> {
        Self::from_base64(text.algorithm, &text.public_key)
    }
}

impl From<PublicKey> for PublicKeyText {
    fn from(key: PublicKey) -> Self {
        Self {
            algorithm: key.algorithm,
            public_key: key.to_base64(),
        }
    }
}

/// Bytes that are shared by all copies, which compare without a look at them: a replay hands each
/// signature on some five times.
#[derive(Clone, PartialOrd, Eq, Ord, Hash)]
#[allow(
    clippy::derived_hash_with_manual_eq,
    reason = "what is shared has the same bytes, and so the same hash"
)]
struct SharedBytes(Arc<[u8]>);

impl PartialEq for SharedBytes {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

/// A signature that nobody has checked yet, written as base64 with padding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(SharedBytes);

/// The longest signature of any [`Algorithm`], in bytes.
const MAX_SIGNATURE_BYTES: usize = Algorithm::MlDsa87.signature_bytes();

/// As much as a text has to decode to at least before it is too long for a signature.
const MAX_DECODED_BYTES: usize = MAX_SIGNATURE_BYTES.next_multiple_of(3);

impl Signature {
    /// Wraps raw signature bytes.
    ///
    /// # Errors
    /// [`ParseKeyError::SignatureTooLong`] above the length of an ML-DSA-87 signature.
    pub fn new(bytes: &[u8]) -> Result<Self, ParseKeyError> {
        if bytes.len() > MAX_SIGNATURE_BYTES {
            return Err(ParseKeyError::SignatureTooLong {
                max: MAX_SIGNATURE_BYTES,
                found: bytes.len(),
            });
        }
        Ok(Self(SharedBytes(bytes.into())))
    }

    /// The raw signature.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({} bytes)", self.as_bytes().len())
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base64::display::Base64Display::new(self.as_bytes(), &BASE64).fmt(f)
    }
}

impl FromStr for Signature {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_DECODED_BYTES / 3 * 4 {
            return Self::new(&BASE64.decode(text).map_err(|_| ParseKeyError::Base64)?);
        }
        let mut bytes = [0; MAX_DECODED_BYTES];
        let length = (BASE64.decode_slice(text, &mut bytes)).map_err(|_| ParseKeyError::Base64)?;
        Self::new(bytes.get(..length).unwrap_or_default())
    }
}

super::text::serde_as_text!(Signature, "a signature in base64 with padding");

/// Checks signatures for the rules, which know no cryptography themselves.
///
/// An implementation must be pure: the same arguments always give the same answer, on every
/// machine. Production code uses `MlDsaVerifier`.
pub trait SignatureVerifier {
    /// Whether `signature` is `key`'s over exactly the bytes of `message`, with the empty FIPS 204
    /// context.
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_must_have_its_algorithms_length() {
        for algorithm in Algorithm::ALL {
            let exact = vec![7; algorithm.public_key_bytes()];
            assert!(PublicKey::new(algorithm, &exact).is_ok());
            assert!(PublicKey::new(algorithm, &exact[1..]).is_err());
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
        }
        assert!("ml-dsa-65".parse::<Algorithm>().is_err());
        assert!("Ed25519".parse::<Algorithm>().is_err());
    }

    #[test]
    fn signatures_have_one_text() {
        let signature = Signature::new(&[1, 2, 3, 4]).unwrap();
        assert_eq!(signature.to_string(), "AQIDBA==");
        assert_eq!("AQIDBA==".parse(), Ok(signature));
        // Missing padding and trailing bits that no encoder writes.
        for text in ["AQIDBA", "AQIDBB==", "AQID BA=="] {
            assert_eq!(
                text.parse::<Signature>(),
                Err(ParseKeyError::Base64),
                "{text}"
            );
        }
        assert!(Signature::new(&[0; MAX_SIGNATURE_BYTES + 1]).is_err());
    }

    #[test]
    fn a_key_and_a_signature_can_be_told_apart_in_messages() {
        let key = PublicKey::new(Algorithm::MlDsa44, &[0; 1312]).unwrap();
        assert!(!format!("{key:?}").is_empty());
        let signature = Signature::new(&[7; 3]).unwrap();
        assert!(!format!("{signature:?}").is_empty());
        assert_eq!(Algorithm::MlDsa44.to_string(), Algorithm::MlDsa44.name());
    }
}
