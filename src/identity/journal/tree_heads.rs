//! Checkpoints in a journal: of each ledger's tree a key signs one history.

use serde::{Deserialize, Serialize};

use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::Signature;
use crate::governance::merkle::{ConsistencyProof, TreeRoot};
use crate::governance::tree_head::{Cosignature, TreeHead};
use crate::identity::{MlDsaVerifier, SigningKey};

use super::entry::Entry;
use super::file::JournalFile;
use super::index::Place;
use super::{JournalError, NOT_THE_KEYS, SigningJournal};

impl SigningJournal {
    /// Signs a tree head if it continues the last one of the ledger that the key has signed, and the
    /// last ones of the keys that it follows. The same tree again gives the very signature recorded
    /// then, whatever the time is now.
    ///
    /// `consistency` gives the proof that the requested tree continues the one of the given size; it
    /// is asked only where there is something to prove.
    ///
    /// The signature is on disk before this returns.
    ///
    /// # Errors
    /// `already-signed` where the tree is smaller than the last one, or has its size and another root;
    /// `checkpoint.no-consistency` where the proof is missing or shows something else;
    /// `journal.wrong-key`, `journal.malformed`, `journal.replaced`, `journal.io`, `key.crypto`.
    pub fn sign_tree_head(
        &mut self,
        key: &SigningKey,
        signer: NodeId,
        head: &TreeHead,
        posix_seconds: u64,
        consistency: impl Fn(u64) -> Option<ConsistencyProof>,
    ) -> Result<Cosignature, JournalError> {
        if *key.public_key() != self.public_key {
            return Err(JournalError::WrongKey);
        }
        self.exclusively(|journal| {
            let scope = tree_scope(signer, head);
            let requested = head.tree;
            if let Some(place) = journal.own.index.last(&scope) {
                let recorded = journal.recorded_tree_head(place, signer, head)?;
                if recorded.0 == requested {
                    return Ok(recorded.1);
                }
                check_continues(recorded.0, requested, &consistency)?;
            }
            for signed in journal.trees_of_former_keys(&scope)? {
                // The same tree says nothing new, whichever key signs it.
                if signed != requested {
                    check_continues(signed, requested, &consistency)?;
                }
            }
            let cosignature = Cosignature {
                signer,
                posix_seconds,
                signature: key.sign_message(&head.message(signer, posix_seconds))?,
            };
            journal
                .own
                .append_line(&tree_line(&scope, head, &cosignature))?;
            Ok(cosignature)
        })
    }

    /// Reads a recorded tree head back, and checks its signature.
    fn recorded_tree_head(
        &self,
        place: &Place,
        signer: NodeId,
        head: &TreeHead,
    ) -> Result<(TreeRoot, Cosignature), JournalError> {
        let (signed, signature) = self.own.read_tree(place)?;
        let tree = signed.tree();
        let cosignature = Cosignature {
            signer,
            posix_seconds: signed.posix_seconds,
            signature,
        };
        let recorded = TreeHead { tree, ..*head };
        if !recorded.is_signed_by(&cosignature, &self.public_key, &MlDsaVerifier) {
            return Err(self.own.malformed(place.line, NOT_THE_KEYS));
        }
        Ok((tree, cosignature))
    }

    /// The last tree of this scope that each of the followed keys has signed.
    fn trees_of_former_keys(&self, scope: &str) -> Result<Vec<TreeRoot>, JournalError> {
        let last = |file: &JournalFile| {
            let place = file.index.last(scope)?;
            Some(file.read_tree(place).map(|(signed, _)| signed.tree()))
        };
        self.former.iter().filter_map(last).collect()
    }
}

impl JournalFile {
    fn read_tree(&self, place: &Place) -> Result<(SignedTree, Signature), JournalError> {
        let entry = self.read_entry(place)?;
        let signed = serde_json::from_str(entry.statement.get())
            .map_err(|error| self.malformed(place.line, error))?;
        Ok((signed, entry.signature))
    }
}

/// What a checkpoint's signature was for, as the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedTree {
    posix_seconds: u64,
    root: Digest,
    size: u64,
}

impl SignedTree {
    const fn tree(&self) -> TreeRoot {
        TreeRoot {
            size: self.size,
            root: self.root,
        }
    }
}

/// The kind of the journal's entries for checkpoints.
const TREE_HEAD: &str = "subtree/v1";

/// Of each ledger's tree a node signs one history.
fn tree_scope(signer: NodeId, head: &TreeHead) -> String {
    format!("checkpoint/{}/{signer}", head.origin)
}

fn tree_line(
    scope: &str,
    head: &TreeHead,
    cosignature: &Cosignature,
) -> serde_json::Result<String> {
    let TreeRoot { size, root } = head.tree;
    let statement = serde_json::value::to_raw_value(&SignedTree {
        posix_seconds: cosignature.posix_seconds,
        root,
        size,
    })?;
    let entry = Entry {
        intent: format!("{size} {root}"),
        kind: TREE_HEAD.to_owned(),
        signature: cosignature.signature.clone(),
        slot: scope.to_owned(),
        statement_sha256: Digest::of(statement.get().as_bytes()),
        statement,
    };
    Ok(serde_json::to_string(&entry)? + "\n")
}

/// A larger tree must be shown to continue the last one; everything else contradicts it.
fn check_continues(
    signed: TreeRoot,
    requested: TreeRoot,
    consistency: impl Fn(u64) -> Option<ConsistencyProof>,
) -> Result<(), JournalError> {
    if requested.size <= signed.size {
        return Err(JournalError::CheckpointSigned { signed, requested });
    }
    match consistency(signed.size) {
        Some(proof) if proof.proves(&signed, &requested) => Ok(()),
        _ => Err(JournalError::NoConsistency { signed, requested }),
    }
}
