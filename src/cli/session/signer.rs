//! The user's keys, as commands sign with them.

use std::io;

use super::Session;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::governance::id::NodeId;
use crate::governance::key::PublicKey;
use crate::governance::state::State;
use crate::identity::{SigningJournal, SigningKey};

/// A key that signs, with its journal.
pub struct Signer {
    /// The key.
    pub key: SigningKey,
    /// What it has signed.
    pub journal: SigningJournal,
}

impl Session {
    /// Loads a key from the user's key directory, and its journal.
    pub fn signer(&self, name: &str) -> Result<Signer, Failure> {
        let mut no_passphrase = None;
        let loaded = self.keys.load(name, || {
            self.passphrase(&format!("Passphrase of {name}: "))
                .map_err(|failure| {
                    let error = io::Error::other(failure.message.clone());
                    no_passphrase = Some(failure);
                    error
                })
        });
        if let Some(failure) = no_passphrase {
            return Err(failure);
        }
        let key = loaded?;
        let journal = SigningJournal::open(self.keys.dir(), key.public_key())?;
        Ok(Signer { key, journal })
    }

    /// Holds `signer` to what other keys of the same node have signed, too.
    pub fn follow<'k>(
        &self,
        signer: &mut Signer,
        keys: impl IntoIterator<Item = &'k PublicKey>,
    ) -> Result<(), Failure> {
        Ok(signer.journal.follow(self.keys.dir(), keys)?)
    }

    /// Holds `signer` to what every key in the directory has signed as the same node, where no ledger
    /// says which of them are the node's.
    pub fn follow_all(&self, signer: &mut Signer) -> Result<(), Failure> {
        let keys = self.keys.list()?;
        self.follow(signer, keys.iter().map(|key| key.export.public_key()))
    }
}

impl Signer {
    /// The node that this key belongs to in `state`, or the one that it would found: an outsider's,
    /// which the rules refuse. A key that was a node's once signs nothing any more.
    pub fn node_id(&self, state: &State) -> Result<NodeId, Failure> {
        let key = self.key.public_key();
        let mut nodes = state.registry().iter();
        match nodes.find(|(_, node)| node.key() == key) {
            Some((id, _)) => Ok(id),
            None if state.registry().knows_key(key) => Err(Failure::new(
                Exit::NoAuthority,
                "key.retired",
                "this key was a node's once and has been replaced by another",
            )
            .hint("sign with the node's present key")),
            None => Ok(self.key.node_id()),
        }
    }
}
