//! Founding: GEN-3.

use super::conditions::can_stand;
use super::{Change, Key, Member, Model};
use crate::governance::founding::Founding;
use crate::governance::id::{LedgerId, NodeId};
use crate::governance::time::Timestamp;

/// What the driver says about the key and the signature of a founder.
#[derive(Debug, Clone)]
pub struct ToldFounder {
    /// The key's number.
    pub key: Key,
    /// The node id that it hashes to.
    pub gives: NodeId,
    /// Whether the signature under the founding statement verifies under it.
    pub signs: bool,
}

impl Model {
    /// A ledger after its founding, in the order in which GEN-3 asks.
    ///
    /// # Errors
    /// The code of the refusal.
    pub fn found(
        ledger: LedgerId,
        founding: &Founding,
        told: &[ToldFounder],
        at: Timestamp,
    ) -> Result<Self, &'static str> {
        check(founding)?;
        if told.len() != founding.founders.len() {
            return Err("genesis.founders-incomplete");
        }
        let mut changes = Vec::new();
        // The founding statement is the first entry.
        for (seq, (founder, told)) in (1..).zip(founding.founders.iter().zip(told)) {
            if told.gives != founder.did {
                return Err("genesis.key-mismatch");
            }
            if !told.signs {
                return Err("genesis.signature");
            }
            let member = Member {
                node: founder.did,
                name: founder.name.to_string(),
                weight: founder.weight.get(),
                key: told.key,
            };
            changes.push((seq, Change::Founder(member)));
        }
        Ok(Self {
            ledger,
            entries: 1 + changes.len() as u64,
            clock: at,
            first_policy: founding.policy.clone(),
            changes,
            proposals: Vec::new(),
            evidence: Vec::new(),
            grants: Vec::new(),
            revocations: Vec::new(),
            freezes: Vec::new(),
            lifts: Vec::new(),
            predictions: Vec::new(),
        })
    }
}

/// What the statement itself has to meet.
fn check(founding: &Founding) -> Result<(), &'static str> {
    let founders = &founding.founders;
    if founders.is_empty() {
        return Err("genesis.no-founders");
    }
    if founders.len() > 10_000 {
        return Err("node.too-many");
    }
    for (number, one) in founders.iter().enumerate() {
        let mut earlier = founders.iter().take(number);
        if earlier.any(|it| it.did == one.did || it.name == one.name) {
            return Err("genesis.duplicate-founder");
        }
    }
    let total: u128 = founders.iter().map(|it| u128::from(it.weight.get())).sum();
    if total >= 1 << 53 {
        return Err("weight.overflow");
    }
    if !can_stand(&founding.policy, &founding.policy.floors) {
        return Err("policy.invalid");
    }
    Ok(())
}
