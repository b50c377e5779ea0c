//! AWS-LC against an implementation that shares no code with it.

use aws_lc_rs::signature::{ML_DSA_65, UnparsedPublicKey};
use ml_dsa::signature::digest::Update as _;
use ml_dsa::{Keypair as _, MlDsa44, MlDsa65, MlDsa87, MlDsaParams, Signer as _, Verifier as _};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::governance::key::{Algorithm, PublicKey, Signature, SignatureVerifier as _};
use crate::identity::{MlDsaVerifier, SEED_BYTES, SigningKey};

fn oracle_verifies<P: MlDsaParams>(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = key.try_into() else {
        return false;
    };
    ml_dsa::Signature::<P>::try_from(signature).is_ok_and(|signature| {
        ml_dsa::VerifyingKey::<P>::decode(key)
            .verify(message, &signature)
            .is_ok()
    })
}

fn flipped(bytes: &[u8], at: Index) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let bit = at.index(bytes.len() * 8);
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Key, message and signature with one bit flipped in each in turn, and the original.
fn variants(key: &[u8], message: &[u8], signature: &[u8], at: Index) -> [[Vec<u8>; 3]; 4] {
    let triple = |k: &[u8], m: &[u8], s: &[u8]| [k.to_vec(), m.to_vec(), s.to_vec()];
    [
        triple(key, message, signature),
        triple(&flipped(key, at), message, signature),
        triple(key, &flipped(message, at), signature),
        triple(key, message, &flipped(signature, at)),
    ]
}

/// Both must accept the original and refuse every variant.
fn check_signature<P: MlDsaParams>(
    algorithm: Algorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
    at: Index,
) -> Result<(), TestCaseError> {
    for (i, [key, message, signature]) in variants(key, message, signature, at).iter().enumerate() {
        let ours = MlDsaVerifier.verify(
            &PublicKey::new(algorithm, key).unwrap(),
            message,
            &Signature::new(signature).unwrap(),
        );
        prop_assert_eq!(ours, i == 0, "variant {}", i);
        let theirs = oracle_verifies::<P>(key, message, signature);
        prop_assert_eq!(theirs, i == 0, "variant {}", i);
    }
    Ok(())
}

fn check<P: MlDsaParams>(
    algorithm: Algorithm,
    seed: [u8; SEED_BYTES],
    message: &[u8],
    at: Index,
) -> Result<(), TestCaseError> {
    let ours = SigningKey::from_seed(algorithm, &seed).unwrap();
    let theirs = ml_dsa::SigningKey::<P>::from_seed(&seed.into());
    let key = ours.public_key().as_bytes();
    let their_key = theirs.verifying_key().encode();
    prop_assert_eq!(key, their_key.as_slice());

    let our_signature = ours.sign_message(message).unwrap();
    check_signature::<P>(algorithm, key, message, our_signature.as_bytes(), at)?;
    let their_signature = theirs.sign(message).encode();
    check_signature::<P>(algorithm, key, message, &their_signature, at)
}

proptest! {
    #![proptest_config(crate::test_support::config(16))]

    #[test]
    fn both_implementations_agree(
        seed in any::<[u8; SEED_BYTES]>(),
        message in prop::collection::vec(any::<u8>(), 1..200),
        at in any::<Index>(),
    ) {
        check::<MlDsa44>(Algorithm::MlDsa44, seed, &message, at)?;
        check::<MlDsa65>(Algorithm::MlDsa65, seed, &message, at)?;
        check::<MlDsa87>(Algorithm::MlDsa87, seed, &message, at)?;
    }
}

/// A raw ML-DSA-65 key that starts with the DER header of an ML-DSA-44 key, and a signature by it.
///
/// Its owner chose the public seed; the secret vectors are zero, so that the rest of the key is
/// known without any arithmetic.
fn key_in_disguise(message: &[u8]) -> (PublicKey, Signature) {
    const RHO: usize = 32;
    const K_AND_TR: usize = 32 + 64;
    // Five and six polynomials of 256 coefficients from -4 to 4 in four bits each, zero being 4.
    const S1_AND_S2: usize = (5 + 6) * 128;

    let mut rho = [0; RHO];
    rho[..22].copy_from_slice(&[
        0x30, 0x82, 0x05, 0x32, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04,
        0x03, 0x11, 0x03, 0x82, 0x05, 0x21, 0x00,
    ]);
    let mut key = vec![0; Algorithm::MlDsa65.public_key_bytes()];
    key[..RHO].copy_from_slice(&rho);

    let mut secret = ml_dsa::ExpandedSigningKeyBytes::<MlDsa65>::default();
    secret[..RHO].copy_from_slice(&rho);
    let (s, t0) = secret[RHO + K_AND_TR..].split_at_mut(S1_AND_S2);
    s.fill(0x44);
    // Thirteen bits each, zero being 2^12.
    for (i, byte) in t0.iter_mut().enumerate() {
        *byte = (0..8)
            .filter(|bit| (i * 8 + bit) % 13 == 12)
            .fold(0, |byte, bit| byte | 1 << bit);
    }
    #[expect(deprecated, reason = "no seed leads to such a key")]
    let signer = ml_dsa::ExpandedSigningKey::<MlDsa65>::from_expanded(&secret);
    let mu = ml_dsa::VerifyingKey::<MlDsa65>::decode(key.as_slice().try_into().unwrap())
        .compute_mu(
            |hash| {
                hash.update(message);
                Ok(())
            },
            &[],
        )
        .unwrap();
    let signature = signer.sign_mu_deterministic(&mu).encode();
    (
        PublicKey::new(Algorithm::MlDsa65, &key).unwrap(),
        Signature::new(&signature).unwrap(),
    )
}

#[test]
fn a_raw_key_is_never_taken_for_der() {
    let (key, signature) = key_in_disguise(b"yes");
    assert!(oracle_verifies::<MlDsa65>(
        key.as_bytes(),
        b"yes",
        signature.as_bytes()
    ));
    assert!(MlDsaVerifier.verify(&key, b"yes", &signature));
    assert!(!MlDsaVerifier.verify(&key, b"no", &signature));
    // The trap itself: once this holds no more, the wrapping can go.
    assert!(
        UnparsedPublicKey::new(&ML_DSA_65, key.as_bytes())
            .verify(b"yes", signature.as_bytes())
            .is_err()
    );
}
