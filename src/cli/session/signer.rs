//! The user's keys, as commands sign with them.

use std::io;

use super::Session;
use crate::cli::error::Failure;
use crate::node::signing::Signer;

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
        Ok(Signer::new(key, self.keys.dir())?)
    }

    /// Holds `signer` to what every key in the directory has signed as the same node, where no ledger
    /// says which of them are the node's.
    pub fn follow_all(&self, signer: &mut Signer) -> Result<(), Failure> {
        let keys = self.keys.list()?;
        Ok(signer.follow(keys.iter().map(|key| key.export.public_key()))?)
    }
}
