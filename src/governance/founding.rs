//! The founding statement: what every founder signs before the ledger's first line.
//!
//! Specification, "Genesis".

use serde::{Deserialize, Serialize};

use super::id::NodeId;
use super::label::{Label, Name};
use super::policy::Policy;
use super::statement::StatementContent;
use super::time::Timestamp;
use super::weight::Weight;

/// The constitution of a ledger. SHA-256 of its canonical bytes is the ledger's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founding {
    /// When the statement was drawn up.
    pub created_at: Timestamp,
    /// The founding nodes, at least one, none twice. Each signs the whole statement.
    pub founders: Vec<Founder>,
    /// What the group calls itself.
    pub name: Name,
    /// Anything unique, so that two groups of the same founders have different ids.
    pub nonce: Label,
    /// The policy in force from the first proposal on.
    pub policy: Policy,
}

/// One founding node and its weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    /// The node's id, which its key must hash to.
    pub did: NodeId,
    /// What the node is called, unique among the founders.
    pub name: Name,
    /// Its voting weight.
    pub weight: Weight,
}

impl StatementContent for Founding {
    const DOMAIN: &'static str = "althing/founding/v1";
    const MAX_BYTES: usize = 900 * 1024;
}
