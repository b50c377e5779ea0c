//! Keys from a seed: real ones, and stand-ins for runs by the thousand.

use std::sync::Arc;

use ml_dsa::MlDsa65;
use ml_dsa::signature::SignatureEncoding as _;
use serde::{Deserialize, Serialize};

use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::{Algorithm, PublicKey, Signature, SignatureVerifier};
use crate::governance::statement::{Signed, Statement, StatementContent};
use crate::identity::{MlDsaVerifier, SigningKey};

use super::Broken;

/// Which signatures the nodes of a simulation make. Every report says which they were.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signatures {
    /// Digests that anybody could compute, refused by every real verifier: fast.
    #[default]
    StandIn,
    /// ML-DSA-65, signed deterministically so that a seed gives the same ledger everywhere, and
    /// checked by the production verifier.
    MlDsa,
}

impl Signatures {
    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StandIn => "stand-in",
            Self::MlDsa => "ML-DSA-65",
        }
    }

    pub(crate) fn verifier(self) -> Box<dyn SignatureVerifier + Send + Sync> {
        match self {
            Self::StandIn => Box::new(StandInVerifier),
            Self::MlDsa => Box::new(MlDsaVerifier),
        }
    }
}

/// Accepts stand-in signatures: SHA-256 of the raw public key and the message. It fits one key and
/// one message only, which is all that the rules rely on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StandInVerifier;

impl SignatureVerifier for StandInVerifier {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        signature.as_bytes() == stand_in(key, message)
    }
}

fn stand_in(key: &PublicKey, message: &[u8]) -> [u8; 32] {
    *Digest::of(&[key.as_bytes(), message].concat()).as_bytes()
}

/// A key with which somebody in a simulation signs.
#[derive(Clone)]
pub(crate) struct Signer {
    key: PublicKey,
    node: NodeId,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    StandIn,
    MlDsa(Arc<ml_dsa::ExpandedSigningKey<MlDsa65>>),
}

impl Signer {
    /// The key of a name under a seed.
    pub(crate) fn new(signatures: Signatures, seed: u64, name: &str) -> Result<Self, Broken> {
        let text = format!("althing simulation key\n{seed}\n{name}\n");
        let seed = *Digest::of(text.as_bytes()).as_bytes();
        let (key, secret) = match signatures {
            Signatures::StandIn => (stand_in_key(&seed)?, Secret::StandIn),
            Signatures::MlDsa => {
                let key = SigningKey::from_seed(Algorithm::MlDsa65, &seed).map_err(Broken::new)?;
                let secret = ml_dsa::ExpandedSigningKey::from_seed(&seed.into());
                (key.public_key().clone(), Secret::MlDsa(Arc::new(secret)))
            }
        };
        Ok(Self {
            node: NodeId::of_first_key(&key),
            key,
            secret,
        })
    }

    /// The same key as another key of a node that is registered already.
    pub(crate) const fn of(mut self, node: NodeId) -> Self {
        self.node = node;
        self
    }

    /// The public key.
    pub(crate) const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The id of the node whose key this is: the one that has it as its first, or the one that it was
    /// made for.
    pub(crate) const fn node(&self) -> NodeId {
        self.node
    }

    /// Signs bytes.
    pub(crate) fn sign_message(&self, message: &[u8]) -> Result<Signature, Broken> {
        match &self.secret {
            Secret::StandIn => Signature::new(&stand_in(&self.key, message)),
            Secret::MlDsa(key) => {
                let signature = key.sign_deterministic(message, &[]).map_err(Broken::new)?;
                Signature::new(&signature.to_bytes())
            }
        }
        .map_err(Broken::new)
    }

    /// Writes `content` as a statement and signs it, whoever the content claims to be.
    pub(crate) fn sign<T: StatementContent>(&self, content: T) -> Result<Signed<T>, Broken> {
        let statement = Statement::new(content).map_err(Broken::new)?;
        let signature = self.sign_message(&statement.message())?;
        Ok(statement.with_signature(signature))
    }
}

/// A key of the shortest length that there is, filled with the seed.
fn stand_in_key(seed: &[u8; 32]) -> Result<PublicKey, Broken> {
    let length = Algorithm::MlDsa44.public_key_bytes();
    let bytes: Vec<u8> = seed.iter().copied().cycle().take(length).collect();
    PublicKey::new(Algorithm::MlDsa44, &bytes).map_err(Broken::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_signatures_are_reproducible_and_verify_in_production() {
        let signer = Signer::new(Signatures::MlDsa, 1, "clinic").unwrap();
        let signature = signer.sign_message(b"yes").unwrap();
        assert_eq!(signature, signer.sign_message(b"yes").unwrap());
        assert!(MlDsaVerifier.verify(signer.key(), b"yes", &signature));
        assert!(!MlDsaVerifier.verify(signer.key(), b"no", &signature));
    }

    #[test]
    fn a_stand_in_fits_one_key_and_one_message() {
        let signer = Signer::new(Signatures::StandIn, 1, "clinic").unwrap();
        let other = Signer::new(Signatures::StandIn, 2, "clinic").unwrap();
        let signature = signer.sign_message(b"yes").unwrap();
        assert!(StandInVerifier.verify(signer.key(), b"yes", &signature));
        assert!(!StandInVerifier.verify(signer.key(), b"no", &signature));
        assert!(!StandInVerifier.verify(other.key(), b"yes", &signature));
        assert!(!MlDsaVerifier.verify(signer.key(), b"yes", &signature));
    }
}
