//! The registry: which nodes there are, with which keys and weights.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::governance::digest::Digest;
use crate::governance::id::{NodeId, VoteId};
use crate::governance::key::PublicKey;
use crate::governance::label::Name;
use crate::governance::weight::{TotalWeight, Weight};

/// All nodes that ever were, in the order in which they joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    nodes: IndexMap<NodeId, Node>,
    /// Fingerprints of every key that any node ever held: none is accepted again.
    used_keys: BTreeSet<Digest>,
    active: usize,
    active_weight: TotalWeight,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub(in crate::governance) name: Name,
    pub(in crate::governance) weight: Weight,
    pub(in crate::governance) keys: Vec<HeldKey>,
    pub(in crate::governance) key: PublicKey,
    pub(in crate::governance) status: NodeStatus,
    pub(in crate::governance) added_at: u64,
    pub(in crate::governance) votes: BTreeSet<VoteId>,
}

/// A key that a node held before its present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldKey {
    /// The key.
    pub key: PublicKey,
    /// The entry from which on it was held.
    pub from: u64,
    /// The entry from which on it was held no longer.
    pub until: u64,
}

/// Whether a node takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeStatus {
    /// It proposes and votes.
    Active,
    /// It contradicted itself and takes no part.
    Suspended,
    /// It was removed and never comes back under this id.
    Removed,
}

impl NodeStatus {
    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Removed => "removed",
        }
    }
}

impl Node {
    /// What the node is called.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Its weight.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }

    /// Its registered key: the only one under which its statements verify.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The keys that the node held before, oldest first. None of them signs anything any more;
    /// evidence against the node may still verify under them.
    #[must_use]
    pub fn former_keys(&self) -> &[HeldKey] {
        &self.keys
    }

    /// The key that the node held at an entry, and the entry from which on it held it.
    #[must_use]
    pub fn key_at(&self, seq: u64) -> (&PublicKey, u64) {
        let former = self.keys.iter().find(|held| seq < held.until);
        let current_from = self.keys.last().map_or(self.added_at, |held| held.until);
        former.map_or((&self.key, current_from), |held| (&held.key, held.from))
    }

    /// The keys that the node held at some time between two entries.
    pub fn keys_held_between(&self, first: u64, last: u64) -> impl Iterator<Item = &PublicKey> {
        let current_from = self.keys.last().map_or(self.added_at, |held| held.until);
        let current = (current_from <= last).then_some(&self.key);
        self.keys
            .iter()
            .filter(move |held| held.from <= last && held.until > first)
            .map(|held| &held.key)
            .chain(current)
    }

    /// Whether it takes part.
    #[must_use]
    pub const fn status(&self) -> NodeStatus {
        self.status
    }

    /// The entry that added it.
    #[must_use]
    pub const fn added_at(&self) -> u64 {
        self.added_at
    }

    /// Whether it takes part.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        matches!(self.status, NodeStatus::Active)
    }
}

impl Registry {
    /// The most nodes that one ledger may have.
    pub const MAX_NODES: usize = 10_000;

    /// A node by its id.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Node> {
        self.nodes.get(&node)
    }

    /// All nodes in the order in which they joined.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(id, node)| (*id, node))
    }

    /// The active nodes in the order in which they joined.
    pub fn active(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.iter().filter(|(_, node)| node.is_active())
    }

    /// How many nodes are active.
    #[must_use]
    pub const fn active_count(&self) -> usize {
        self.active
    }

    /// The weight of the active nodes.
    #[must_use]
    pub const fn active_weight(&self) -> TotalWeight {
        self.active_weight
    }

    /// How many nodes there ever were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there never was a node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether any node holds, or ever held, this key.
    #[must_use]
    pub fn knows_key(&self, key: &PublicKey) -> bool {
        self.used_keys.contains(&key.fingerprint())
    }

    /// Whether a node that was not removed has this name.
    #[must_use]
    pub fn has_name(&self, name: &Name) -> bool {
        self.nodes
            .values()
            .any(|node| node.name == *name && node.status != NodeStatus::Removed)
    }

    /// The total weight with `weight` added; `None` above 2^53 − 1.
    #[must_use]
    pub const fn weight_with(&self, weight: Weight) -> Option<TotalWeight> {
        self.active_weight.plus(weight)
    }

    pub(in crate::governance) fn add(&mut self, id: NodeId, node: Node) {
        if let Some(total) = self.active_weight.plus(node.weight) {
            self.active_weight = total;
        }
        self.active += 1;
        self.used_keys.insert(node.key.fingerprint());
        self.nodes.insert(id, node);
    }

    /// Puts a node back that was read from a snapshot; `None` where a key of it is known already, or
    /// where the weights exceed 2^53 − 1.
    pub(super) fn restore(&mut self, id: NodeId, node: Node) -> Option<()> {
        if node.is_active() {
            self.active += 1;
            self.active_weight = self.active_weight.plus(node.weight)?;
        }
        let keys = node.keys.iter().map(|held| &held.key).chain([&node.key]);
        let mut are_new = true;
        for key in keys {
            are_new &= self.used_keys.insert(key.fingerprint());
        }
        self.nodes.insert(id, node);
        are_new.then_some(())
    }

    /// Takes an active node out of office.
    pub(in crate::governance) fn retire(&mut self, id: NodeId, status: NodeStatus) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.is_active() {
            self.active -= 1;
            if let Some(total) = self.active_weight.minus(node.weight) {
                self.active_weight = total;
            }
        }
        node.status = status;
    }

    /// Puts another key in the place of a node's key. The old one is never accepted again.
    pub(in crate::governance) fn change_key(&mut self, id: NodeId, key: &PublicKey, seq: u64) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        self.used_keys.insert(key.fingerprint());
        let from = node.keys.last().map_or(node.added_at, |held| held.until);
        let retired = std::mem::replace(&mut node.key, key.clone());
        node.keys.push(HeldKey {
            key: retired,
            from,
            until: seq,
        });
    }

    /// Lets a suspended node take part again.
    pub(in crate::governance) fn reinstate(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else {
            return;
        };
        if node.status != NodeStatus::Suspended {
            return;
        }
        node.status = NodeStatus::Active;
        self.active += 1;
        if let Some(total) = self.active_weight.plus(node.weight) {
            self.active_weight = total;
        }
    }

    pub(in crate::governance) fn note_vote(&mut self, voter: NodeId, vote: VoteId) {
        if let Some(node) = self.nodes.get_mut(&voter) {
            node.votes.insert(vote);
        }
    }

    /// Whether `voter` has used this vote id.
    #[must_use]
    pub fn has_voted_as(&self, voter: NodeId, vote: VoteId) -> bool {
        self.get(voter)
            .is_some_and(|node| node.votes.contains(&vote))
    }

    pub(in crate::governance) fn used_keys(&self) -> &BTreeSet<Digest> {
        &self.used_keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::governance::key::Algorithm;

    fn key(byte: u8) -> PublicKey {
        PublicKey::new(Algorithm::MlDsa44, &[byte; 1312]).unwrap()
    }

    /// One node, added at entry 3, whose key was replaced at entries 10 and 20.
    fn registry() -> (Registry, NodeId) {
        let id = NodeId::of_first_key(&key(0));
        let mut registry = Registry::default();
        assert!(registry.is_empty());
        registry.add(
            id,
            Node {
                name: "clinic".parse().unwrap(),
                weight: Weight::new(5).unwrap(),
                keys: Vec::new(),
                key: key(0),
                status: NodeStatus::Active,
                added_at: 3,
                votes: BTreeSet::new(),
            },
        );
        registry.change_key(id, &key(1), 10);
        registry.change_key(id, &key(2), 20);
        assert!(!registry.is_empty());
        (registry, id)
    }

    #[test]
    fn a_key_is_held_from_its_entry_to_the_next_ones() {
        let (registry, id) = registry();
        let node = registry.get(id).unwrap();
        assert_eq!(node.added_at(), 3);
        let held: Vec<_> = (node.former_keys().iter())
            .map(|held| (held.key.clone(), held.from, held.until))
            .collect();
        assert_eq!(held, [(key(0), 3, 10), (key(1), 10, 20)]);
        for (seq, byte, from) in [
            (3, 0, 3),
            (9, 0, 3),
            (10, 1, 10),
            (19, 1, 10),
            (20, 2, 20),
            (99, 2, 20),
        ] {
            assert_eq!(node.key_at(seq), (&key(byte), from), "{seq}");
        }
        // (first, last, keys)
        for (first, last, bytes) in [
            (3, 9, &[0][..]),
            (3, 10, &[0, 1]),
            (9, 9, &[0]),
            (10, 19, &[1]),
            (10, 20, &[1, 2]),
            (20, 30, &[2]),
            (1, 30, &[0, 1, 2]),
        ] {
            let keys: Vec<_> = bytes.iter().map(|byte| key(*byte)).collect();
            let found: Vec<_> = node.keys_held_between(first, last).cloned().collect();
            assert_eq!(found, keys, "{first}..={last}");
        }
    }

    #[test]
    fn a_reinstated_node_counts_once_again() {
        let (mut registry, id) = registry();
        registry.retire(id, NodeStatus::Suspended);
        assert_eq!(
            (registry.active_count(), registry.active_weight().get()),
            (0, 0)
        );
        registry.reinstate(id);
        registry.reinstate(id);
        assert_eq!(
            (registry.active_count(), registry.active_weight().get()),
            (1, 5)
        );
    }
}
