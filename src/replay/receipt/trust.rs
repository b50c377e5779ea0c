//! What a reader of receipts believes beforehand, and what that makes of a checkpoint.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ReceiptError;
use crate::chain::checkpoint::{Checkpoint, CheckpointError, Endorsement};
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::{PublicKey, SignatureVerifier};
use crate::governance::state::registry::{Node, Registry};
use crate::governance::tree_head::Origin;
use crate::governance::weight::{TotalWeight, Weight};

/// What is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// Nothing: whoever wrote the receipt may have made up everything in it.
    Nothing,
    /// The ledger, by the hash of its last genesis entry.
    Origin(Digest),
    /// Keys and their weights.
    Policy(TrustPolicy),
}

/// Whose signatures make a reader believe a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PolicyText")]
pub struct TrustPolicy {
    format: String,
    nodes: Vec<Pinned>,
    origin: Origin,
}

/// A node whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Its key, in the form of a ledger's `node_added`.
    pub key: PublicKey,
    /// Its id.
    pub node: NodeId,
    /// How much its signature counts.
    pub weight: Weight,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyText {
    format: String,
    nodes: Vec<Pinned>,
    origin: Origin,
}

/// Why a text is no trust policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a trust policy in the form of {FORMAT}: {problem}")]
pub struct MalformedTrustPolicy {
    /// What was expected and found.
    pub problem: String,
}

impl MalformedTrustPolicy {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "receipt.trust-policy"
    }
}

const FORMAT: &str = "althing/trust-policy/v1";

impl TryFrom<PolicyText> for TrustPolicy {
    type Error = &'static str;

    fn try_from(text: PolicyText) -> Result<Self, Self::Error> {
        if text.format != FORMAT {
            return Err("the format is another one");
        }
        Self::new(text.origin, text.nodes)
    }
}

impl TrustPolicy {
    /// A policy for one ledger.
    ///
    /// # Errors
    /// What is wrong: no node, too many, one of them twice, or weights that exceed 2^53 − 1.
    pub fn new(origin: Origin, nodes: Vec<Pinned>) -> Result<Self, &'static str> {
        if nodes.is_empty() || nodes.len() > Registry::MAX_NODES {
            return Err("1 to 10,000 nodes are needed");
        }
        let mut seen = BTreeSet::new();
        if !nodes.iter().all(|pinned| seen.insert(pinned.node)) {
            return Err("a node is there twice");
        }
        let mut keys = BTreeSet::new();
        if !nodes.iter().all(|it| keys.insert(it.key.fingerprint())) {
            return Err("a key is there twice");
        }
        if TotalWeight::sum(nodes.iter().map(|pinned| pinned.weight)).is_none() {
            return Err("the weights exceed 9007199254740991");
        }
        Ok(Self {
            format: FORMAT.to_owned(),
            nodes,
            origin,
        })
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// [`MalformedTrustPolicy`].
    pub fn parse(text: &str) -> Result<Self, MalformedTrustPolicy> {
        serde_json::from_str(text).map_err(|error| MalformedTrustPolicy {
            problem: error.to_string(),
        })
    }

    /// Which ledger it is for.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whose signatures count.
    #[must_use]
    pub fn nodes(&self) -> &[Pinned] {
        &self.nodes
    }
}

/// Why a checkpoint is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Founders signed it with their founding keys.
    Founders {
        /// Their weight.
        signed: u64,
        /// The weight of all founders.
        total: u64,
    },
    /// Those who sit in the group at its last entry signed it, and the receipt shows every change of
    /// the group since it was founded.
    Registry {
        /// Their weight.
        signed: u64,
        /// The weight of all active nodes.
        total: u64,
    },
    /// The pinned keys signed it.
    Policy {
        /// Their pinned weight.
        signed: u64,
        /// All pinned weight.
        total: u64,
    },
}

/// What is weighed to decide whether a checkpoint is believed.
pub(super) struct Weighing<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) founders: &'a Registry,
    pub(super) registry: &'a Registry,
    pub(super) registry_proven: bool,
    pub(super) endorsement: &'a Endorsement,
    pub(super) verifier: &'a dyn SignatureVerifier,
}

impl Weighing<'_> {
    pub(super) fn basis(&self, trust: &Trust) -> Result<Option<Basis>, ReceiptError> {
        match trust {
            Trust::Nothing => Ok(None),
            Trust::Origin(genesis) => self.by_origin(genesis).map(Some),
            Trust::Policy(policy) => self.by_policy(policy).map(Some),
        }
    }

    fn by_origin(&self, genesis: &Digest) -> Result<Basis, ReceiptError> {
        let found = self.checkpoint.head().origin.genesis;
        if found != *genesis {
            return Err(ReceiptError::OtherOrigin {
                expected: *genesis,
                found,
            });
        }
        // Who sits in the group now speaks for it; where that is not shown, those who founded it.
        let (signed, total) = weights(self.endorsement);
        if self.registry_proven && self.endorsement.is_believed() {
            return Ok(Basis::Registry { signed, total });
        }
        let founders = self.checkpoint.endorsement(self.founders, self.verifier)?;
        let (founders_signed, founders_total) = weights(&founders);
        if founders.is_believed() {
            return Ok(Basis::Founders {
                signed: founders_signed,
                total: founders_total,
            });
        }
        if self.registry_proven {
            return Err(ReceiptError::TooFewSignatures {
                whose: "active",
                signed,
                total,
            });
        }
        Err(ReceiptError::RegistryUnproven {
            founders_signed,
            founders_total,
        })
    }

    fn by_policy(&self, policy: &TrustPolicy) -> Result<Basis, ReceiptError> {
        let found = self.checkpoint.head().origin;
        if found != policy.origin {
            return Err(ReceiptError::OtherLedger {
                expected: Box::new(policy.origin),
                found: Box::new(found),
            });
        }
        let (mut signed, mut total, mut active) = (0, 0, 0);
        for pinned in &policy.nodes {
            let weight = u128::from(pinned.weight.get());
            total += weight;
            if self.has_signed(pinned)? {
                signed += weight;
                active += self.active_weight_of(pinned);
            }
        }
        exceeds_two_thirds("pinned", signed, total)?;
        let all_active = self.registry.active_weight().get();
        exceeds_two_thirds("active", active, u128::from(all_active))?;
        // Sums of weights, which a policy holds below 2^53.
        let narrow = |weight| u64::try_from(weight).unwrap_or(u64::MAX);
        Ok(Basis::Policy {
            signed: narrow(signed),
            total: narrow(total),
        })
    }

    fn has_signed(&self, pinned: &Pinned) -> Result<bool, ReceiptError> {
        let node = pinned.node;
        let Some(cosignature) = self.checkpoint.cosignature_of(node, &pinned.key) else {
            return Ok(false);
        };
        let head = self.checkpoint.head();
        if head.is_signed_by(&cosignature, &pinned.key, self.verifier) {
            return Ok(true);
        }
        Err(CheckpointError::Signature { node }.into())
    }

    /// The weight of a pinned node in the receipt's registry, if it holds the pinned key there.
    fn active_weight_of(&self, pinned: &Pinned) -> u128 {
        let registered = self.registry.get(pinned.node);
        registered
            .filter(|node| Node::is_active(node) && *node.key() == pinned.key)
            .map_or(0, |node| u128::from(node.weight().get()))
    }
}

fn exceeds_two_thirds(whose: &'static str, signed: u128, total: u128) -> Result<(), ReceiptError> {
    if signed * 3 > total * 2 {
        return Ok(());
    }
    let narrow = |weight| u64::try_from(weight).unwrap_or(u64::MAX);
    Err(ReceiptError::TooFewSignatures {
        whose,
        signed: narrow(signed),
        total: narrow(total),
    })
}

const fn weights(endorsement: &Endorsement) -> (u64, u64) {
    (
        endorsement.signed_weight.get(),
        endorsement.active_weight.get(),
    )
}
