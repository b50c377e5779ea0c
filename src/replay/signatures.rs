//! Replay without checking signatures, where speed matters more than proof.

use crate::governance::key::{PublicKey, Signature, SignatureVerifier};

/// Takes every signature for good.
///
/// For inspecting a ledger whose signatures were checked before. Never for deciding anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unchecked;

impl SignatureVerifier for Unchecked {
    fn verify(&self, _key: &PublicKey, _message: &[u8], _signature: &Signature) -> bool {
        true
    }
}
