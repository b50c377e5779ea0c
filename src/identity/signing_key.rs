//! Secret keys.

use std::fmt;

use aws_lc_rs::signature::{
    KeyPair as _, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair,
    PqdsaSigningAlgorithm,
};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use zeroize::Zeroizing;

use crate::governance::id::NodeId;
use crate::governance::key::{Algorithm, ParseKeyError, PublicKey, Signature};
use crate::governance::statement::{Signed, Statement, StatementContent};

/// The length of the seed that a key pair is derived from (FIPS 204, algorithm 6), in bytes.
pub const SEED_BYTES: usize = 32;

/// A secret key and its public key. The secret is wiped when the value is dropped.
pub struct SigningKey {
    pair: PqdsaKeyPair,
    public_key: PublicKey,
}

/// The cryptographic library refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// No key could be made, for instance because the system gives no randomness.
    #[error("could not generate a {0} key")]
    Generate(Algorithm),
    /// The bytes are not PKCS#8 in seed form.
    #[error("expected a PKCS#8 private key for ML-DSA in the seed form of RFC 9881")]
    Malformed,
    /// No signature could be made.
    #[error("could not sign")]
    Sign,
    /// The key could not be written as PKCS#8.
    #[error("could not encode the private key")]
    Encode,
    /// The library handed back a key or signature of an impossible size.
    #[error(transparent)]
    Size(#[from] ParseKeyError),
}

impl SigningKey {
    /// Makes a new key from the system's randomness.
    ///
    /// # Errors
    /// [`SigningKeyError::Generate`] where the system gives none.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningKeyError> {
        let pair = PqdsaKeyPair::generate(signing(algorithm))
            .map_err(|_| SigningKeyError::Generate(algorithm))?;
        Self::of_pair(algorithm, pair)
    }

    /// Derives the key of a seed, always the same one.
    ///
    /// For tests and simulations: whoever knows or guesses the seed has the key. Real keys come
    /// from [`generate`](Self::generate).
    ///
    /// # Errors
    /// [`SigningKeyError::Generate`] where the library refuses the seed.
    pub fn from_seed(
        algorithm: Algorithm,
        seed: &[u8; SEED_BYTES],
    ) -> Result<Self, SigningKeyError> {
        let pair = PqdsaKeyPair::from_seed(signing(algorithm), seed)
            .map_err(|_| SigningKeyError::Generate(algorithm))?;
        Self::of_pair(algorithm, pair)
    }

    /// Reads PKCS#8 DER that holds the seed alone, as [`to_pkcs8_der`](Self::to_pkcs8_der) writes.
    ///
    /// # Errors
    /// [`SigningKeyError::Malformed`] for anything else: other algorithms, expanded keys,
    /// attributes, bytes after the end.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, SigningKeyError> {
        let malformed = SigningKeyError::Malformed;
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| malformed)?;
        let algorithm = algorithm_of(info.algorithm.oid).ok_or(malformed)?;
        let pair = PqdsaKeyPair::from_pkcs8(signing(algorithm), der).map_err(|_| malformed)?;
        let key = Self::of_pair(algorithm, pair)?;
        // The library also reads other forms and overlooks what follows the key.
        let canonical = key.to_pkcs8_der().map_err(|_| malformed)?;
        if canonical.as_slice() != der {
            return Err(malformed);
        }
        Ok(key)
    }

    /// Writes the key as PKCS#8 DER in seed form (RFC 9881, section 6), which OpenSSL 3.5 reads.
    ///
    /// # Errors
    /// [`SigningKeyError::Encode`] where the library can't.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, SigningKeyError> {
        let document = self
            .pair
            .to_pkcs8v1()
            .map_err(|_| SigningKeyError::Encode)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    fn of_pair(algorithm: Algorithm, pair: PqdsaKeyPair) -> Result<Self, SigningKeyError> {
        let public_key = PublicKey::new(algorithm, pair.public_key().as_ref())?;
        Ok(Self { pair, public_key })
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The id of the node that has this as its *first* key. A node keeps its id when it rotates
    /// to another key.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        NodeId::of_first_key(&self.public_key)
    }

    /// Signs bytes as they are, with the empty FIPS 204 context. Randomized: every call gives
    /// another signature.
    ///
    /// What a node says in a ledger is signed as a [`Statement`] instead, which binds the signature
    /// to a purpose.
    ///
    /// # Errors
    /// [`SigningKeyError::Sign`] where the library can't.
    pub fn sign_message(&self, message: &[u8]) -> Result<Signature, SigningKeyError> {
        let mut bytes = vec![0; self.public_key.algorithm().signature_bytes()];
        let written = self
            .pair
            .sign(message, &mut bytes)
            .map_err(|_| SigningKeyError::Sign)?;
        bytes.truncate(written);
        Ok(Signature::new(&bytes)?)
    }

    /// Signs a statement, bound to its kind's domain.
    ///
    /// Ballots, checkpoints and consensus votes go through the [signing
    /// journal](super::SigningJournal) instead, which calls this.
    ///
    /// # Errors
    /// [`SigningKeyError::Sign`] where the library can't.
    pub fn sign<T: StatementContent>(
        &self,
        statement: Statement<T>,
    ) -> Result<Signed<T>, SigningKeyError> {
        let signature = self.sign_message(&statement.message())?;
        Ok(statement.with_signature(signature))
    }
}

/// Names the public key only.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("public_key", &self.public_key)
            .finish_non_exhaustive()
    }
}

const fn signing(algorithm: Algorithm) -> &'static PqdsaSigningAlgorithm {
    match algorithm {
        Algorithm::MlDsa44 => &ML_DSA_44_SIGNING,
        Algorithm::MlDsa65 => &ML_DSA_65_SIGNING,
        Algorithm::MlDsa87 => &ML_DSA_87_SIGNING,
    }
}

/// The object identifiers of RFC 9881.
const OBJECT_IDENTIFIERS: [(ObjectIdentifier, Algorithm); 3] = [
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.17"),
        Algorithm::MlDsa44,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.18"),
        Algorithm::MlDsa65,
    ),
    (
        ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.3.19"),
        Algorithm::MlDsa87,
    ),
];

fn algorithm_of(identifier: ObjectIdentifier) -> Option<Algorithm> {
    OBJECT_IDENTIFIERS
        .into_iter()
        .find_map(|(known, algorithm)| (known == identifier).then_some(algorithm))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsRawBytes as _;
    use pkcs8::der::Encode as _;
    use pkcs8::der::asn1::OctetStringRef;

    use super::*;

    #[test]
    fn pkcs8_is_in_seed_form() {
        let seed: [u8; SEED_BYTES] = std::array::from_fn(|i| i as u8);
        for (algorithm, oid) in [
            (Algorithm::MlDsa44, "2.16.840.1.101.3.4.3.17"),
            (Algorithm::MlDsa65, "2.16.840.1.101.3.4.3.18"),
            (Algorithm::MlDsa87, "2.16.840.1.101.3.4.3.19"),
        ] {
            let key = SigningKey::from_seed(algorithm, &seed).unwrap();
            let der = key.to_pkcs8_der().unwrap();
            let info = PrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
            assert_eq!(info.algorithm.oid.to_string(), oid);
            assert_eq!(info.algorithm.parameters, None);
            // CHOICE { seed [0] IMPLICIT OCTET STRING (SIZE (32)), ... }
            let (header, content) = info.private_key.as_bytes().split_at(2);
            assert_eq!(header, [0x80, 32]);
            assert_eq!(content, seed);
            let read = SigningKey::from_pkcs8_der(&der).unwrap();
            assert_eq!(read.public_key(), key.public_key());
        }
    }

    #[test]
    fn other_private_keys_are_refused() {
        let key = SigningKey::from_seed(Algorithm::MlDsa44, &[1; SEED_BYTES]).unwrap();
        let der = key.to_pkcs8_der().unwrap().to_vec();
        let trailing = [der.as_slice(), &[0]].concat();
        let mut version_2 = der.clone();
        version_2[4] = 1;
        let mut ed25519 = der.clone();
        ed25519[17] = 0x70;
        assert!(SigningKey::from_pkcs8_der(&der).is_ok());
        for bytes in [&trailing, &version_2, &ed25519, &der[1..].to_vec(), &vec![]] {
            assert_eq!(
                SigningKey::from_pkcs8_der(bytes).err(),
                Some(SigningKeyError::Malformed)
            );
        }
    }

    /// PKCS#8 around the private key of another form than ours.
    fn pkcs8(key: &SigningKey, private_key: &[u8]) -> Vec<u8> {
        let der = key.to_pkcs8_der().unwrap();
        let info = PrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
        let private_key = OctetStringRef::new(private_key).unwrap();
        PrivateKeyInfoRef::new(info.algorithm, private_key)
            .to_der()
            .unwrap()
    }

    #[test]
    fn one_key_has_one_file() {
        let seed = [1; SEED_BYTES];
        let key = SigningKey::from_seed(Algorithm::MlDsa44, &seed).unwrap();
        let expanded = key.pair.private_key().as_raw_bytes().unwrap();
        // The three forms of RFC 9881, section 6; the library reads all of them.
        let seed = [&[0x80, 32], seed.as_slice()].concat();
        let expanded = [&[0x04, 0x82, 0x0a, 0x00], expanded.as_ref()].concat();
        let both = [
            [0x30, 0x82, 0x0a, 0x26, 0x04, 32].as_slice(),
            &seed[2..],
            &expanded,
        ]
        .concat();
        for (private_key, accepted) in [(seed, true), (expanded, false), (both, false)] {
            let der = pkcs8(&key, &private_key);
            assert!(PqdsaKeyPair::from_pkcs8(&ML_DSA_44_SIGNING, &der).is_ok());
            assert_eq!(SigningKey::from_pkcs8_der(&der).is_ok(), accepted);
        }
    }

    #[test]
    fn debug_names_the_public_key_only() {
        let key = SigningKey::from_seed(Algorithm::MlDsa44, &[0xab; SEED_BYTES]).unwrap();
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey {{ public_key: {:?}, .. }}", key.public_key())
        );
    }

    #[test]
    fn generated_keys_differ() {
        let [a, b] = [(); 2].map(|()| SigningKey::generate(Algorithm::MlDsa44).unwrap());
        assert_ne!(a.public_key(), b.public_key());
        assert_ne!(a.node_id(), b.node_id());
    }
}
