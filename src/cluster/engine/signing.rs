//! Signing and checking the engine's messages with the nodes' own keys.

use std::sync::{Arc, Mutex, PoisonError};

use arc_malachitebft_app_channel::app::types::core::{
    NilOrVal, Round, SignedMessage, ValidatorProof, VoteExtensionScope,
};
use arc_malachitebft_signing::{Error, Signer, VerificationResult, Verifier};
use async_trait::async_trait;

use super::message;
use super::types::{Althing, Height, Proposal, ValueId, Vote};
use crate::governance::consensus::ConsensusStep;
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::key::{PublicKey, Signature, SignatureVerifier as _};
use crate::identity::{ConsensusJournal, ConsensusSlot, JournalError, MlDsaVerifier, SigningKey};

/// Checks consensus messages of one ledger.
#[derive(Debug, Clone, Copy)]
pub struct Verifying(pub LedgerId);

impl Verifying {
    /// Whether a vote's signature is `key`'s.
    #[must_use]
    pub fn is_vote_of(&self, vote: &Vote, signature: &Signature, key: &PublicKey) -> bool {
        MlDsaVerifier.verify(key, &message::of_vote(self.0, vote), signature)
    }

    /// Whether a proposal's signature is `key`'s.
    #[must_use]
    pub fn is_proposal_of(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> bool {
        MlDsaVerifier.verify(key, &message::of_proposal(self.0, proposal), signature)
    }
}

#[async_trait]
impl Verifier<Althing> for Verifying {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        let is_good = self.is_vote_of(vote, signature, key);
        Ok(VerificationResult::from_bool(is_good))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        let is_good = self.is_proposal_of(proposal, signature, key);
        Ok(VerificationResult::from_bool(is_good))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Althing>,
        (): &(),
        _: &Signature,
        _: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(
        &self,
        _: &ValidatorProof<Althing>,
    ) -> Result<VerificationResult, Error> {
        Ok(VerificationResult::Invalid)
    }
}

/// Finds the private key of a public one.
pub type FindKey = Box<dyn Fn(&PublicKey) -> Option<SigningKey> + Send>;

/// A node's key and the journal of what it has signed.
pub struct Signing {
    ledger: LedgerId,
    key: SigningKey,
    journal: ConsensusJournal,
    keys: FindKey,
}

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signing")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What can't be signed.
#[derive(Debug, thiserror::Error)]
#[error("votes are not extended and validators send no proofs")]
struct NotSigned;

impl Signing {
    /// Signs for `ledger` with `key`; `keys` finds the private key of another public key of the same
    /// node, should the node change it.
    #[must_use]
    pub fn new(
        ledger: LedgerId,
        key: SigningKey,
        journal: ConsensusJournal,
        keys: FindKey,
    ) -> Self {
        Self {
            ledger,
            key,
            journal,
            keys,
        }
    }

    /// Goes on with the key that the registry holds for this node. Where its private key is missing,
    /// the node goes on with the old one, whose votes count for nothing.
    pub fn follow(&mut self, registered: &PublicKey) {
        if self.key.public_key() == registered {
            return;
        }
        match (self.keys)(registered) {
            Some(key) => self.key = key,
            None => tracing::warn!("the private key of this node's registered key is missing"),
        }
    }

    /// The value that this node has proposed in a place.
    #[must_use]
    pub fn proposed(&self, height: u64, round: Round) -> Option<ValueId> {
        let record = (self.journal).recorded(&slot(height, round, ConsensusStep::Propose))?;
        let (id, _) = record.intent.split_once(' ')?;
        id.parse().ok().map(ValueId)
    }

    /// Until which height a node must only watch, whose next height is `next`: where it has signed at
    /// a later one, or has decided for a value at this one and lost the engine's log, it has forgotten
    /// what it is bound to.
    #[must_use]
    pub fn watches_until(&self, next: Height, has_log: bool) -> Option<u64> {
        let signed = self.journal.height()?;
        let is_bound = (self.journal.records())
            .any(|(step, intent)| step == ConsensusStep::Precommit && intent != NIL);
        let until = if is_bound { signed + 1 } else { signed };
        let remembers = signed == next.0 && has_log;
        (until > next.0 && !remembers).then_some(until)
    }

    /// Signs a vote once. Where the node has voted in this place before, that vote is given again,
    /// even if it is another one: whoever forgot it must not say the opposite now.
    ///
    /// # Errors
    /// [`JournalError`]; `already-signed` where the node has signed at a later height.
    pub fn vote(&mut self, vote: Vote) -> Result<(Vote, Signature), JournalError> {
        let slot = slot(vote.height.0, vote.round, message::step_of(vote.kind));
        let vote = match self.journal.recorded(&slot) {
            Some(record) => Vote {
                value: value_said(&record.intent).unwrap_or(vote.value),
                ..vote
            },
            None => vote,
        };
        let intent = match &vote.value {
            NilOrVal::Nil => NIL.to_owned(),
            NilOrVal::Val(id) => id.0.to_string(),
        };
        let message = message::of_vote(self.ledger, &vote);
        let signature = (self.journal).sign_once(&self.key, slot, &intent, &message)?;
        Ok((vote, signature))
    }

    /// Signs a proposal once.
    ///
    /// # Errors
    /// [`JournalError`]; `already-signed` where the node has proposed another value there.
    pub fn proposal(&mut self, proposal: &Proposal) -> Result<Signature, JournalError> {
        let slot = slot(proposal.height.0, proposal.round, ConsensusStep::Propose);
        let earlier = proposal.pol_round.as_i64();
        let intent = format!("{} {earlier}", proposal.value);
        let message = message::of_proposal(self.ledger, proposal);
        (self.journal).sign_once(&self.key, slot, &intent, &message)
    }
}

const NIL: &str = "nil";

fn value_said(intent: &str) -> Option<NilOrVal<ValueId>> {
    if intent == NIL {
        return Some(NilOrVal::Nil);
    }
    let digest: Digest = intent.parse().ok()?;
    Some(NilOrVal::Val(ValueId(digest)))
}

fn slot(height: u64, round: Round, step: ConsensusStep) -> ConsensusSlot {
    ConsensusSlot {
        height,
        round: round.as_u32().unwrap_or(u32::MAX),
        step,
    }
}

/// A node's signer, shared between the engine and the application.
#[derive(Debug, Clone)]
pub struct SharedSigner(Arc<Mutex<Signing>>);

impl SharedSigner {
    /// Shares a signer.
    #[must_use]
    pub fn new(signing: Signing) -> Self {
        Self(Arc::new(Mutex::new(signing)))
    }

    /// Uses the signer.
    pub fn with<T>(&self, action: impl FnOnce(&mut Signing) -> T) -> T {
        // The journal on disk says what was signed, whatever a panicking thread left in memory.
        action(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Signer<Althing> for SharedSigner {
    async fn sign_vote(&self, vote: Vote) -> Result<SignedMessage<Althing, Vote>, Error> {
        let signed = self.with(|signing| signing.vote(vote));
        let (vote, signature) = signed.map_err(Error::from_source)?;
        Ok(SignedMessage::new(vote, signature))
    }

    async fn sign_proposal(
        &self,
        proposal: Proposal,
    ) -> Result<SignedMessage<Althing, Proposal>, Error> {
        let signature = self.with(|signing| signing.proposal(&proposal));
        let signature = signature.map_err(Error::from_source)?;
        Ok(SignedMessage::new(proposal, signature))
    }

    async fn sign_vote_extension(
        &self,
        _: VoteExtensionScope<Althing>,
        (): (),
    ) -> Result<SignedMessage<Althing, ()>, Error> {
        Err(Error::from_source(NotSigned))
    }

    async fn sign_validator_proof(
        &self,
        _: Vec<u8>,
        _: Vec<u8>,
    ) -> Result<ValidatorProof<Althing>, Error> {
        Err(Error::from_source(NotSigned))
    }
}
