//! Signatures that are checked before it is known whose they should be.
//!
//! The key that counts is the registered one, which the lines before decide. It hardly ever changes,
//! so it is guessed, and the guess costs nothing but time: an answer is used only for the very key,
//! message and signature that it was given for. Otherwise the signature is checked where it is asked
//! for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::governance::event::Event;
use crate::governance::id::NodeId;
use crate::governance::key::{PublicKey, Signature, SignatureVerifier};
use crate::governance::state::State;

/// The keys of all nodes as of some entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    by_node: BTreeMap<NodeId, Arc<PublicKey>>,
    /// The count of membership and key changes up to there.
    epoch: Option<u64>,
}

impl Keys {
    /// The keys of `state`, if they can have changed since these.
    pub(crate) fn renewed(&self, state: &State) -> Option<Self> {
        let epoch = Some(state.epoch());
        if epoch == self.epoch {
            return None;
        }
        let key_of = |id: NodeId, key: &PublicKey| match self.by_node.get(&id) {
            Some(known) if **known == *key => known.clone(),
            _ => Arc::new(key.clone()),
        };
        let nodes = state.registry().iter();
        let by_node = nodes
            .map(|(id, node)| (id, key_of(id, node.key())))
            .collect();
        Some(Self { by_node, epoch })
    }
}

/// An answer that was given beforehand.
pub(super) struct Foreseen {
    key: Arc<PublicKey>,
    message: Vec<u8>,
    signature: Signature,
    is_valid: bool,
}

impl Foreseen {
    /// Checks the signature of a statement under the key that its author probably has.
    pub(super) fn of(event: &Event, keys: &Keys, verifier: &dyn SignatureVerifier) -> Option<Self> {
        let (author, message, signature) = match event {
            Event::VoteCast(it) => (it.content().voter, it.statement.message(), &it.signature),
            Event::ProposalCreated(it) => {
                let proposal = it.statement.content();
                (proposal.proposer, it.statement.message(), &it.signature)
            }
            _ => return None,
        };
        let key = keys.by_node.get(&author)?.clone();
        Some(Self {
            is_valid: verifier.verify(&key, &message, signature),
            key,
            message,
            signature: signature.clone(),
        })
    }

    /// A verifier that knows this one answer, and asks `verifier` for any other.
    pub(super) const fn before<'a>(
        foreseen: Option<&'a Self>,
        verifier: &'a dyn SignatureVerifier,
    ) -> impl SignatureVerifier + use<'a> {
        Foresighted { foreseen, verifier }
    }
}

struct Foresighted<'a> {
    foreseen: Option<&'a Foreseen>,
    verifier: &'a dyn SignatureVerifier,
}

impl SignatureVerifier for Foresighted<'_> {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        match self.foreseen {
            Some(known)
                if *known.key == *key
                    && known.message == message
                    && known.signature == *signature =>
            {
                known.is_valid
            }
            _ => self.verifier.verify(key, message, signature),
        }
    }
}
