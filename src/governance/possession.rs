//! Proof of possession: a statement about a key, signed by that very key.
//!
//! It travels as a public key export and enters the registry when a node is added, so that nobody
//! can register a key that they don't hold.

use serde::{Deserialize, Serialize};

use super::display_text::{self, MAX_NAME_CHARS};
use super::id::NodeId;
use super::key::{Algorithm, ParseKeyError, PublicKey, SignatureVerifier};
use super::statement::{Signed, StatementContent};

/// "I hold the secret of this key, and I am the node that it gives its id to."
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "KeyPossessionText", into = "KeyPossessionText")]
pub struct KeyPossession {
    did: NodeId,
    name: Box<str>,
    key: PublicKey,
}

impl KeyPossession {
    /// The statement that the holder of `key` signs.
    ///
    /// # Errors
    /// [`PossessionContentError::Name`] where `name` is not [a name](display_text::is_name).
    pub fn new(key: PublicKey, name: &str) -> Result<Self, PossessionContentError> {
        Self::with_did(NodeId::of_first_key(&key), key, name)
    }

    fn with_did(did: NodeId, key: PublicKey, name: &str) -> Result<Self, PossessionContentError> {
        if !display_text::is_name(name) {
            return Err(PossessionContentError::Name);
        }
        let name = name.into();
        Ok(Self { did, name, key })
    }

    /// The claimed id, which [`check`](Self::check) compares with the key.
    #[must_use]
    pub const fn did(&self) -> NodeId {
        self.did
    }

    /// What the holder calls the key, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Checks that the statement is signed by its own key and claims the id of that key.
    ///
    /// # Errors
    /// [`PossessionError`] with the first of these that does not hold.
    pub fn check(
        signed: &Signed<Self>,
        verifier: &dyn SignatureVerifier,
    ) -> Result<(), PossessionError> {
        let Self { did, key, .. } = signed.content();
        if *did != NodeId::of_first_key(key) {
            return Err(PossessionError::Did);
        }
        if !signed.is_signed_by(key, verifier) {
            return Err(PossessionError::Signature);
        }
        Ok(())
    }
}

impl StatementContent for KeyPossession {
    const DOMAIN: &'static str = "althing/key/v1";
    const MAX_BYTES: usize = 8192;
}

/// A well-formed statement proves no possession.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PossessionError {
    /// The claimed id belongs to another key.
    #[error("the node id is not that of the public key")]
    Did,
    /// The signature was not made by the key over these bytes.
    #[error("the signature is not the public key's own")]
    Signature,
}

/// The members make no statement of possession.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PossessionContentError {
    /// A name that people could misread.
    #[error(
        "expected a name of 1 to {MAX_NAME_CHARS} characters without control or format characters \
         and without space at either end"
    )]
    Name,
    /// No key of the named algorithm.
    #[error(transparent)]
    Key(#[from] ParseKeyError),
}

/// The JSON form, in which the key's two members stand beside the others.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyPossessionText {
    algorithm: Algorithm,
    did: NodeId,
    name: String,
    public_key: String,
}

impl TryFrom<KeyPossessionText> for KeyPossession {
    type Error = PossessionContentError;

    fn try_from(text: KeyPossessionText) -> Result<Self, Self::Error> {
        let key = PublicKey::from_base64(text.algorithm, &text.public_key)?;
        Self::with_did(text.did, key, &text.name)
    }
}

impl From<KeyPossession> for KeyPossessionText {
    fn from(possession: KeyPossession) -> Self {
        Self {
            algorithm: possession.key.algorithm(),
            did: possession.did,
            name: possession.name.into(),
            public_key: possession.key.to_base64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Signature;
    use super::super::statement::Statement;
    use super::*;

    /// Takes a signature for good if it consists of the key's first byte.
    struct FirstByte;

    impl SignatureVerifier for FirstByte {
        fn verify(&self, key: &PublicKey, _message: &[u8], signature: &Signature) -> bool {
            signature.as_bytes() == &key.as_bytes()[..1]
        }
    }

    fn key(fill: u8) -> PublicKey {
        let algorithm = Algorithm::MlDsa44;
        PublicKey::new(algorithm, &vec![fill; algorithm.public_key_bytes()]).unwrap()
    }

    fn signed(possession: KeyPossession, by: u8) -> Signed<KeyPossession> {
        Statement::new(possession)
            .unwrap()
            .with_signature(Signature::new(&[by]).unwrap())
    }

    #[test]
    fn only_the_keys_own_signature_and_id_prove_possession() {
        let own = || KeyPossession::new(key(1), "a").unwrap();
        let borrowed = KeyPossession {
            did: NodeId::of_first_key(&key(2)),
            ..own()
        };
        for (statement, result) in [
            (signed(own(), 1), Ok(())),
            (signed(own(), 2), Err(PossessionError::Signature)),
            (signed(borrowed, 1), Err(PossessionError::Did)),
        ] {
            assert_eq!(KeyPossession::check(&statement, &FirstByte), result);
        }
    }

    #[test]
    fn the_json_form_is_flat_and_exact() {
        let statement = Statement::new(KeyPossession::new(key(0), "Alice").unwrap()).unwrap();
        let text = statement.as_str();
        let did = NodeId::of_first_key(&key(0));
        let base64 = key(0).to_base64();
        assert_eq!(
            text,
            format!(
                r#"{{"algorithm":"ML-DSA-44","did":"{did}","name":"Alice","public_key":"{base64}"}}"#
            )
        );
        let parse = |text: &str| Statement::<KeyPossession>::parse(text);
        assert_eq!(parse(text).unwrap().content(), statement.content());
        for broken in [
            text.replace("Alice", ""),
            text.replace("Alice", "Alice "),
            text.replace("Alice", "Al\u{202e}ice"),
            text.replace("ML-DSA-44", "ML-DSA-65"),
            text.replace("ML-DSA-44", "Ed25519"),
            text.replace("\"public_key\":\"AA", "\"public_key\":\""),
            text.replace("\"}", "\",\"purpose\":\"\"}"),
            text.replace("\"name\":\"Alice\",", ""),
            text.replace("did:pqaid:", "did:key:"),
        ] {
            assert!(parse(&broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_possession_carries_the_name_that_it_was_made_for() {
        let possession = KeyPossession::new(key(1), "laptop").unwrap();
        assert_eq!(possession.name(), "laptop");
    }
}
