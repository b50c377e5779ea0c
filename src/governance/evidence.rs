//! Evidence of Byzantine behaviour that anyone can check alone.
//!
//! Specification, "Byzantine behaviour".

use serde::{Deserialize, Serialize};

use super::ballot::Ballot;
use super::digest::Digest;
use super::id::NodeId;
use super::key::{PublicKey, Signature, SignatureVerifier};
use super::merkle::{ConsistencyProof, TreeRoot};
use super::statement::Signed;
use super::tree_head::{Cosignature, Origin, TreeHead};

/// Two ballots that claim to be one node's and contradict each other.
///
/// Unverified until the rules have checked both signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivocation {
    /// One ballot.
    pub first: Signed<Ballot>,
    /// The other.
    pub second: Signed<Ballot>,
}

impl Equivocation {
    /// The same evidence in its one order: by the statements' bytes.
    #[must_use]
    pub fn ordered(self) -> Self {
        if self.first.statement.as_str() <= self.second.statement.as_str() {
            self
        } else {
            Self {
                first: self.second,
                second: self.first,
            }
        }
    }

    /// Whether both ballots are one voter's on one proposal of one history, with different
    /// decisions.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        let (first, second) = (self.first.content(), self.second.content());
        first.voter == second.voter
            && first.ledger == second.ledger
            && first.proposal_id == second.proposal_id
            && first.proposal_hash == second.proposal_hash
            && first.decision != second.decision
    }
}

/// Two tree heads of one ledger that claim to be signed by one node and can't both be true.
///
/// Either both have one size and different roots. Or `divergence` shows that the tree of the larger
/// one began with other entries than the smaller one says: a root over so many entries that a
/// consistency proof leads from to the larger one's, and that is not the smaller one's. Whoever could
/// also show that the smaller one's root leads there would have two trees of the same shape with
/// different nodes and one root: a collision of SHA-256. So nobody can, the signer neither.
///
/// Unverified until the rules have checked both signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContradictingHeads {
    /// What shows that the larger tree does not continue the smaller one; none for equal sizes.
    #[serde(
        default,
        deserialize_with = "super::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub divergence: Option<Divergence>,
    /// The smaller head; of two of one size the one whose root comes first.
    pub first: SignedHead,
    /// The node that signed both.
    pub node: NodeId,
    /// The ledger that both are of.
    pub origin: Origin,
    /// The larger head.
    pub second: SignedHead,
}

/// What the larger of two trees began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// The consistency proof from the smaller size to the larger one.
    pub path: Vec<Digest>,
    /// The root over the larger tree's first entries, as many as the smaller tree has.
    pub root: Digest,
}

/// A tree head and a node's signature under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedHead {
    /// When it was signed, in seconds since 1970.
    pub posix_seconds: u64,
    /// The root.
    pub root: Digest,
    /// The signature.
    pub signature: Signature,
    /// The number of entries.
    pub size: u64,
}

impl SignedHead {
    const fn tree(&self) -> TreeRoot {
        TreeRoot {
            size: self.size,
            root: self.root,
        }
    }
}

impl ContradictingHeads {
    /// The same evidence in its one order.
    #[must_use]
    pub fn ordered(self) -> Self {
        let place = |head: &SignedHead| (head.size, head.root);
        if place(&self.first) <= place(&self.second) {
            return self;
        }
        Self {
            first: self.second,
            second: self.first,
            ..self
        }
    }

    /// Whether the two heads can't both be true. The heads must be in order.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        let (first, second) = (self.first.tree(), self.second.tree());
        match &self.divergence {
            None => first.size == second.size && first.root != second.root,
            Some(found) => {
                let began = TreeRoot {
                    root: found.root,
                    ..first
                };
                let proof = ConsistencyProof::new(first.size, second.size, found.path.clone());
                first.size < second.size
                    && began.root != first.root
                    && proof.is_ok_and(|proof| proof.proves(&began, &second))
            }
        }
    }

    /// Whether each of the signatures is one of these keys'. A node may have changed its key
    /// between the two.
    #[must_use]
    pub fn is_signed_by(&self, keys: &[&PublicKey], verifier: &dyn SignatureVerifier) -> bool {
        [&self.first, &self.second].into_iter().all(|signed| {
            let head = TreeHead {
                origin: self.origin,
                tree: signed.tree(),
            };
            let cosignature = Cosignature {
                signer: self.node,
                posix_seconds: signed.posix_seconds,
                signature: signed.signature.clone(),
            };
            let mut keys = keys.iter();
            keys.any(|key| head.is_signed_by(&cosignature, key, verifier))
        })
    }
}
