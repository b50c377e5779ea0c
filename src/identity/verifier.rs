//! ML-DSA signatures, checked by AWS-LC.

use aws_lc_rs::signature::{
    ML_DSA_44, ML_DSA_65, ML_DSA_87, PqdsaVerificationAlgorithm, UnparsedPublicKey,
};

use crate::governance::key::{Algorithm, PublicKey, Signature, SignatureVerifier};

/// Checks ML-DSA signatures (FIPS 204, pure, with the empty context).
///
/// ```
/// use althing::governance::key::{Algorithm, SignatureVerifier};
/// use althing::identity::{MlDsaVerifier, SigningKey};
///
/// let key = SigningKey::generate(Algorithm::MlDsa65)?;
/// let signature = key.sign_message(b"yes")?;
/// assert!(MlDsaVerifier.verify(key.public_key(), b"yes", &signature));
/// assert!(!MlDsaVerifier.verify(key.public_key(), b"no", &signature));
/// # Ok::<(), althing::identity::SigningKeyError>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct MlDsaVerifier;

impl SignatureVerifier for MlDsaVerifier {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let algorithm = key.algorithm();
        signature.as_bytes().len() == algorithm.signature_bytes()
            && UnparsedPublicKey::new(verification(algorithm), subject_public_key_info(key))
                .verify(message, signature.as_bytes())
                .is_ok()
    }
}

const fn verification(algorithm: Algorithm) -> &'static PqdsaVerificationAlgorithm {
    match algorithm {
        Algorithm::MlDsa44 => &ML_DSA_44,
        Algorithm::MlDsa65 => &ML_DSA_65,
        Algorithm::MlDsa87 => &ML_DSA_87,
    }
}

/// The key as DER (RFC 9881, section 4), the only form that AWS-LC reads in one way.
///
/// Given raw bytes it first tries them as DER and overlooks what follows. The first 32 bytes of a
/// raw key are its owner's choice, so they can be made to look like DER of a smaller key; such a
/// key would be good for every other implementation and bad for this one.
fn subject_public_key_info(key: &PublicKey) -> Vec<u8> {
    [spki_prefix(key.algorithm()).as_slice(), key.as_bytes()].concat()
}

/// Everything before the raw key: `SEQUENCE { SEQUENCE { OID id-ml-dsa-NN }, BIT STRING }`.
const fn spki_prefix(algorithm: Algorithm) -> [u8; 22] {
    let (outer, oid, inner) = match algorithm {
        Algorithm::MlDsa44 => ([0x05, 0x32], 0x11, [0x05, 0x21]),
        Algorithm::MlDsa65 => ([0x07, 0xb2], 0x12, [0x07, 0xa1]),
        Algorithm::MlDsa87 => ([0x0a, 0x32], 0x13, [0x0a, 0x21]),
    };
    [
        0x30, 0x82, outer[0], outer[1], 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03,
        0x04, 0x03, oid, 0x03, 0x82, inner[0], inner[1], 0x00,
    ]
}
