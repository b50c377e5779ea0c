//! Checkpoints: how far a ledger had grown and the root over its entries, signed by its nodes.
//!
//! A checkpoint is a signed note of C2SP tlog-checkpoint:
//!
//! ```text
//! althing/v1/<ledger id>/<hash of the last genesis entry>
//! <number of entries>
//! <Merkle root over the entry hashes, base64>
//!
//! — did:pqaid:… <base64 of key id, POSIX seconds (8 bytes, big endian) and ML-DSA signature>
//! ```
//!
//! It holds no extension lines: the signatures would not cover them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::note::{NoteError, NoteSignature, SignedNote};
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::{PublicKey, Signature, SignatureVerifier};
use crate::governance::merkle::{MAX_SIZE, TreeRoot};
use crate::governance::state::registry::Registry;
use crate::governance::tree_head::{Cosignature, TreeHead, key_id};
use crate::governance::weight::TotalWeight;

/// A tree head with the signatures below it, none of them checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    head: TreeHead,
    note: SignedNote,
}

/// Why something is no checkpoint, or not one to rely on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// No signed note.
    #[error("no checkpoint: {0}")]
    Note(#[from] NoteError),
    /// A note that says something else.
    #[error("no checkpoint: line {line}: expected {expected}")]
    Line {
        /// The line's number, from 1.
        line: usize,
        /// What it should have said.
        expected: &'static str,
    },
    /// A signature that claims to be a node's, and is not.
    #[error("the signature of {node} does not verify under its registered key")]
    Signature {
        /// Whose it claims to be.
        node: NodeId,
    },
}

impl CheckpointError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Note(_) | Self::Line { .. } => "checkpoint.malformed",
            Self::Signature { .. } => "checkpoint.signature",
        }
    }
}

/// Who stands behind a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// The active nodes whose signatures verify, in the order of their lines, with the times that
    /// they state, in seconds since 1970.
    pub signers: Vec<(NodeId, u64)>,
    /// Their weight.
    pub signed_weight: TotalWeight,
    /// The weight of all active nodes.
    pub active_weight: TotalWeight,
    /// How many signature lines are of keys that no active node has. They count for nothing.
    pub unknown: usize,
}

impl Endorsement {
    /// Whether more than two thirds of the active weight have signed: less than a third that lies
    /// could not have brought that about for two contradicting checkpoints.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        u128::from(self.signed_weight.get()) * 3 > u128::from(self.active_weight.get()) * 2
    }
}

impl Checkpoint {
    /// A checkpoint that nobody has signed yet.
    ///
    /// # Errors
    /// [`CheckpointError::Line`] for a tree without entries, or with more than 2^53 − 1.
    pub fn unsigned(head: TreeHead) -> Result<Self, CheckpointError> {
        check_size(head.tree.size)?;
        let root = BASE64.encode(head.tree.root.as_bytes());
        let text = format!("{}\n{}\n{root}\n", head.origin, head.tree.size);
        Ok(Self {
            head,
            note: SignedNote::new(text)?,
        })
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError`] for everything that is not in the one form.
    pub fn parse(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let note = SignedNote::parse(bytes)?;
        let head = parse_text(note.text())?;
        Ok(Self { head, note })
    }

    /// What is signed.
    #[must_use]
    pub const fn head(&self) -> &TreeHead {
        &self.head
    }

    /// The note.
    #[must_use]
    pub const fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Adds a signature, unchecked, that `key` is said to have made.
    ///
    /// # Errors
    /// [`NoteError::Duplicate`] where the key has signed already.
    pub fn sign(&mut self, cosignature: &Cosignature, key: &PublicKey) -> Result<(), NoteError> {
        let seconds = cosignature.posix_seconds.to_be_bytes();
        self.note.sign(NoteSignature {
            name: cosignature.signer.to_string(),
            key_id: key_id(cosignature.signer, key),
            signature: [seconds.as_slice(), cosignature.signature.as_bytes()].concat(),
        })
    }

    /// The signature that claims to be made by `key` of `node`, if there is one that has the form
    /// of a signature at all.
    #[must_use]
    pub fn cosignature_of(&self, node: NodeId, key: &PublicKey) -> Option<Cosignature> {
        let (name, id) = (node.to_string(), key_id(node, key));
        let mut lines = self.note.signatures().iter();
        let line = lines.find(|line| line.name == name && line.key_id == id)?;
        let (seconds, signature) = line.signature.split_first_chunk()?;
        Some(Cosignature {
            signer: node,
            posix_seconds: u64::from_be_bytes(*seconds),
            signature: Signature::new(signature).ok()?,
        })
    }

    /// Who of `registry` stands behind this checkpoint. Lines of keys that no active node has now
    /// are left out, as signed-note wants it: witnesses may sign too, and nodes come and go.
    ///
    /// # Errors
    /// [`CheckpointError::Signature`] where a line names an active node's key and is not its
    /// signature: somebody has changed the checkpoint.
    pub fn endorsement(
        &self,
        registry: &Registry,
        verifier: &dyn SignatureVerifier,
    ) -> Result<Endorsement, CheckpointError> {
        let mut endorsement = Endorsement {
            signers: Vec::new(),
            signed_weight: TotalWeight::ZERO,
            active_weight: registry.active_weight(),
            unknown: 0,
        };
        for line in self.note.signatures() {
            let Some((node, registered)) = signer(registry, line) else {
                endorsement.unknown += 1;
                continue;
            };
            let cosignature = self
                .cosignature_of(node, registered.key())
                .filter(|found| self.head.is_signed_by(found, registered.key(), verifier))
                .ok_or(CheckpointError::Signature { node })?;
            endorsement.signers.push((node, cosignature.posix_seconds));
            let weight = registered.weight();
            // A part of the active weight never exceeds it.
            if let Some(sum) = endorsement.signed_weight.plus(weight) {
                endorsement.signed_weight = sum;
            }
        }
        Ok(endorsement)
    }
}

/// The active node whose present key a line names.
fn signer<'a>(
    registry: &'a Registry,
    line: &NoteSignature,
) -> Option<(NodeId, &'a crate::governance::state::registry::Node)> {
    let node = line.name.parse().ok()?;
    let registered = registry.get(node).filter(|node| node.is_active())?;
    (key_id(node, registered.key()) == line.key_id).then_some((node, registered))
}

/// The bytes of the note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

fn parse_text(text: &str) -> Result<TreeHead, CheckpointError> {
    let wrong = |line, expected| CheckpointError::Line { line, expected };
    let mut lines = text.lines();
    let mut next = |line, expected| lines.next().ok_or_else(|| wrong(line, expected));
    let expected = "the origin of a ledger, althing/v1/…/…";
    let origin = next(1, expected)?.parse().map_err(|_| wrong(1, expected))?;
    let size = parse_size(next(2, SIZE)?).ok_or_else(|| wrong(2, SIZE))?;
    let root = parse_root(next(3, ROOT)?).ok_or_else(|| wrong(3, ROOT))?;
    if lines.next().is_some() {
        return Err(wrong(4, "no extension line: no signature covers one"));
    }
    check_size(size)?;
    let tree = TreeRoot { size, root };
    Ok(TreeHead { origin, tree })
}

const SIZE: &str = "a number of entries from 1 to 9007199254740991";
const ROOT: &str = "a root of 32 bytes in base64";

/// A number in its one decimal form: digits alone, without leading zeros.
pub(crate) fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

/// A hash in base64.
pub(crate) fn parse_root(text: &str) -> Option<Digest> {
    let bytes = BASE64.decode(text).ok()?;
    Some(Digest::from_bytes(bytes.try_into().ok()?))
}

const fn check_size(size: u64) -> Result<(), CheckpointError> {
    if size == 0 || size > MAX_SIZE {
        return Err(CheckpointError::Line {
            line: 2,
            expected: SIZE,
        });
    }
    Ok(())
}
