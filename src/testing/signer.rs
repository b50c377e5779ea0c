//! Keys from seeds: real ones, and stand-ins for tests that sign very much.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use ml_dsa::{MlDsa44, MlDsa65, MlDsa87, MlDsaParams, Signer as _};

use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::{Algorithm, PublicKey, Signature, SignatureVerifier};
use crate::governance::statement::{Signed, Statement, StatementContent};
use crate::identity::{MlDsaVerifier, SEED_BYTES, SigningKey};

/// Which signatures a test's nodes make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signatures {
    /// Digests that anybody could compute: fast, and refused by every real verifier.
    StandIn,
    /// ML-DSA, as nodes sign: another signature each time.
    MlDsa(Algorithm),
    /// The deterministic variant of ML-DSA (FIPS 204, section 3.4): the same bytes each time, which
    /// every verifier accepts. For ledgers that are written once more and must come out the same.
    Deterministic(Algorithm),
}

impl Signatures {
    /// The verifier that accepts these signatures.
    #[must_use]
    pub fn verifier(self) -> &'static (dyn SignatureVerifier + Send + Sync) {
        match self {
            Self::StandIn => &StandInVerifier,
            Self::MlDsa(_) | Self::Deterministic(_) => &MlDsaVerifier,
        }
    }

    /// The same verifier in a box, as a node takes it.
    #[must_use]
    pub fn boxed_verifier(self) -> Box<dyn SignatureVerifier + Send + Sync> {
        match self {
            Self::StandIn => Box::new(StandInVerifier),
            Self::MlDsa(_) | Self::Deterministic(_) => Box::new(MlDsaVerifier),
        }
    }
}

/// Accepts stand-in signatures: SHA-256 of the raw public key and the message.
///
/// Anybody can make one for any key. What it keeps of a signature is that it fits one key and one
/// message only, which is all that the rules rely on.
#[derive(Debug, Clone, Copy, Default)]
pub struct StandInVerifier;

impl SignatureVerifier for StandInVerifier {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        signature.as_bytes() == stand_in(key, message)
    }
}

fn stand_in(key: &PublicKey, message: &[u8]) -> [u8; 32] {
    *Digest::of(&[key.as_bytes(), message].concat()).as_bytes()
}

/// Signs with the key of a seed, without chance.
fn deterministically<P: MlDsaParams + 'static>(seed: &[u8; SEED_BYTES]) -> Arc<SignBytes> {
    let key = ml_dsa::SigningKey::<P>::from_seed(&(*seed).into());
    Arc::new(move |message| key.sign(message).encode().to_vec())
}

/// A key with which a test signs.
#[derive(Clone)]
pub struct Signer {
    key: PublicKey,
    node: NodeId,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    StandIn,
    MlDsa(Arc<SigningKey>),
    Deterministic(Arc<SignBytes>),
}

type SignBytes = dyn Fn(&[u8]) -> Vec<u8> + Send + Sync;

/// Making a real key takes a while, and every test asks for the same few.
static SIGNERS: Mutex<BTreeMap<(Signatures, usize), Signer>> = Mutex::new(BTreeMap::new());

impl Signer {
    /// The signer of a number, always with the same key.
    ///
    /// # Panics
    /// Where the cryptographic library refuses the seed.
    #[must_use]
    pub fn nth(signatures: Signatures, index: usize) -> Self {
        SIGNERS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((signatures, index))
            .or_insert_with(|| Self::derive(signatures, index))
            .clone()
    }

    fn derive(signatures: Signatures, index: usize) -> Self {
        let seed = *Digest::of(format!("althing test key {index}").as_bytes()).as_bytes();
        match signatures {
            Signatures::StandIn => Self::stand_in(&seed),
            Signatures::MlDsa(algorithm) => {
                Self::ml_dsa(SigningKey::from_seed(algorithm, &seed).expect("any seed gives a key"))
            }
            Signatures::Deterministic(algorithm) => Self::deterministic(algorithm, &seed),
        }
    }

    fn deterministic(algorithm: Algorithm, seed: &[u8; SEED_BYTES]) -> Self {
        let key = SigningKey::from_seed(algorithm, seed).expect("any seed gives a key");
        let sign = match algorithm {
            Algorithm::MlDsa44 => deterministically::<MlDsa44>(seed),
            Algorithm::MlDsa65 => deterministically::<MlDsa65>(seed),
            Algorithm::MlDsa87 => deterministically::<MlDsa87>(seed),
        };
        Self {
            secret: Secret::Deterministic(sign),
            ..Self::ml_dsa(key)
        }
    }

    fn stand_in(seed: &[u8; 32]) -> Self {
        let algorithm = Algorithm::MlDsa44;
        let bytes: Vec<u8> = seed
            .iter()
            .copied()
            .cycle()
            .take(algorithm.public_key_bytes())
            .collect();
        let key = PublicKey::new(algorithm, &bytes).expect("the length is the algorithm's");
        Self {
            node: NodeId::of_first_key(&key),
            key,
            secret: Secret::StandIn,
        }
    }

    /// A signer with a real key.
    #[must_use]
    pub fn ml_dsa(key: SigningKey) -> Self {
        Self {
            node: key.node_id(),
            key: key.public_key().clone(),
            secret: Secret::MlDsa(Arc::new(key)),
        }
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The id of the node that has this as its first key.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.node
    }

    /// Signs bytes.
    ///
    /// # Panics
    /// Where the cryptographic library can't sign.
    #[must_use]
    pub fn sign_message(&self, message: &[u8]) -> Signature {
        match &self.secret {
            Secret::StandIn => Signature::new(&stand_in(&self.key, message)).expect("short enough"),
            Secret::MlDsa(key) => key.sign_message(message).expect("the key can sign"),
            Secret::Deterministic(sign) => Signature::new(&sign(message)).expect("short enough"),
        }
    }

    /// Signs a statement.
    #[must_use]
    pub fn sign_statement<T: StatementContent>(&self, statement: Statement<T>) -> Signed<T> {
        let signature = self.sign_message(&statement.message());
        statement.with_signature(signature)
    }

    /// Writes `content` as a statement and signs it.
    ///
    /// # Panics
    /// Where the content has no canonical form or is too long.
    #[must_use]
    pub fn sign<T: StatementContent>(&self, content: T) -> Signed<T> {
        self.sign_statement(Statement::new(content).expect("the content can be stated"))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.node).finish()
    }
}
