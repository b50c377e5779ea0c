//! Keys and what is done with them: ML-DSA signing and checking, key files, public key exports
//! and the signing journal.
//!
//! The rules know signatures only through [`SignatureVerifier`](crate::governance::key::SignatureVerifier),
//! which [`MlDsaVerifier`] implements. Whoever signs does so through a [`SigningJournal`], so that
//! a retry, a restored backup or a changed mind never turns an honest node into an equivocator.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "keys live in files"
)]

mod export;
mod journal;
mod keystore;
mod pem;
mod private_files;
mod pseudonym;
pub mod secret;
mod signing_key;
mod verifier;

#[cfg(test)]
mod tests;

pub use export::{ExportError, PublicKeyExport};
pub use journal::{
    ConsensusJournal, ConsensusRecord, ConsensusSlot, JournalError, SigningJournal, Slot,
};
pub use keystore::{KeyStore, KeyStoreError, StoredKey, StoredSecret};
pub use pseudonym::Pseudonymizer;
pub use secret::SecretError;
pub use signing_key::{SEED_BYTES, SigningKey, SigningKeyError};
pub use verifier::MlDsaVerifier;
