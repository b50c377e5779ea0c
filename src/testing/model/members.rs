//! Nodes, keys, the epoch and the policy, from the list of changes.

use super::{Caused, Change, Key, Member, Model, NOW, Outcome, Told};
use crate::governance::id::NodeId;
use crate::governance::policy::Policy;
use crate::governance::proposal::Rotation;

/// MEM-1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Suspended,
    Removed,
}

impl Model {
    /// The changes in front of an entry.
    fn changes_before(&self, seq: u64) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(move |(at, _)| *at < seq)
            .map(|(_, change)| change)
    }

    /// All nodes that ever joined before an entry, in order.
    pub(super) fn members(&self, before: u64) -> Vec<&Member> {
        self.changes_before(before)
            .filter_map(|change| match change {
                Change::Founder(member) | Change::Joined(member) => Some(member),
                _ => None,
            })
            .collect()
    }

    /// What a node is in front of an entry, if it ever joined.
    pub(super) fn node(&self, node: NodeId, before: u64) -> Option<Standing> {
        let mut standing = None;
        for change in self.changes_before(before) {
            match change {
                Change::Founder(member) | Change::Joined(member) if member.node == node => {
                    standing = Some(Standing::Active);
                }
                Change::Removed(it) if *it == node => standing = Some(Standing::Removed),
                Change::Suspended(it) if *it == node => standing = Some(Standing::Suspended),
                Change::Reinstated(it, _) if *it == node => standing = Some(Standing::Active),
                _ => {}
            }
        }
        standing
    }

    /// The active nodes in front of an entry, with their weights, in the order of joining.
    pub(super) fn active(&self, before: u64) -> Vec<(NodeId, u64)> {
        self.members(before)
            .into_iter()
            .filter(|member| self.node(member.node, before) == Some(Standing::Active))
            .map(|member| (member.node, member.weight))
            .collect()
    }

    pub(super) fn is_last_active(&self, node: NodeId) -> bool {
        let active = self.active(NOW);
        active.len() == 1 && active.iter().all(|(it, _)| *it == node)
    }

    /// The keys of a node: each with the entry that registered it and the one that registered the
    /// next. MEM-14
    pub(super) fn keys(&self, node: NodeId) -> Vec<(Key, u64, Option<u64>)> {
        let mut keys: Vec<(Key, u64, Option<u64>)> = Vec::new();
        for (seq, change) in &self.changes {
            let key = match change {
                Change::Founder(member) | Change::Joined(member) if member.node == node => {
                    member.key
                }
                Change::Rotated(it, key)
                | Change::Replaced(it, key)
                | Change::Reinstated(it, key)
                    if *it == node =>
                {
                    *key
                }
                _ => continue,
            };
            if let Some(last) = keys.last_mut() {
                last.2 = Some(*seq);
            }
            keys.push((key, *seq, None));
        }
        keys
    }

    /// The key under which a node's statements verify.
    pub(super) fn present_key(&self, node: NodeId) -> Option<Key> {
        self.keys(node).last().map(|(key, ..)| *key)
    }

    /// Whether a key is or was a node's.
    pub(super) fn is_key_used(&self, key: Key) -> bool {
        let members = self.members(NOW);
        members.iter().any(|member| {
            let mut keys = self.keys(member.node).into_iter();
            keys.any(|(it, ..)| it == key)
        })
    }

    /// Whether a node that is not removed has this name.
    pub(super) fn is_name_taken(&self, name: &str) -> bool {
        self.members(NOW).into_iter().any(|member| {
            member.name == name && self.node(member.node, NOW) != Some(Standing::Removed)
        })
    }

    /// Whether the active weight would exceed 2^53 − 1. LIM-3
    pub(super) fn would_overflow(&self, weight: u64) -> bool {
        let active: u128 = self.active(NOW).iter().map(|(_, it)| u128::from(*it)).sum();
        active + u128::from(weight) > (1 << 53) - 1
    }

    pub(super) fn weight_of(&self, node: NodeId) -> u64 {
        let members = self.members(NOW);
        let mut members = members.into_iter();
        members
            .find(|member| member.node == node)
            .map_or(0, |member| member.weight)
    }

    /// The epoch in front of an entry. MEM-7
    pub(super) fn epoch_before(&self, seq: u64) -> u64 {
        self.changes_before(seq)
            .filter(|change| !matches!(change, Change::Founder(_)))
            .count() as u64
    }

    /// The policy in front of an entry.
    pub(super) fn policy(&self, before: u64) -> &Policy {
        self.changes_before(before)
            .filter_map(|change| match change {
                Change::Policy(policy) => Some(policy.as_ref()),
                _ => None,
            })
            .last()
            .unwrap_or(&self.first_policy)
    }

    /// The policy in force.
    #[must_use]
    pub fn policy_in_force(&self) -> &Policy {
        self.policy(NOW)
    }

    /// The epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch_before(NOW)
    }

    /// All nodes in the order of joining: id, `active`, `suspended` or `removed`, and weight.
    #[must_use]
    pub fn nodes(&self) -> Vec<(NodeId, &'static str, u64)> {
        self.members(NOW)
            .into_iter()
            .map(|member| {
                let status = match self.node(member.node, NOW) {
                    Some(Standing::Suspended) => "suspended",
                    Some(Standing::Removed) => "removed",
                    _ => "active",
                };
                (member.node, status, member.weight)
            })
            .collect()
    }

    /// The number of a node's present key.
    #[must_use]
    pub fn key_of(&self, node: NodeId) -> Option<Key> {
        self.present_key(node)
    }

    /// MEM-11
    pub(super) fn rotate(&mut self, rotation: &Rotation, told: &Told) -> Caused {
        let node = rotation.new_key.node;
        if rotation.ledger != self.ledger {
            return Err("statement.wrong-ledger");
        }
        let Some(standing) = self.node(node, NOW) else {
            return Err("node.unknown");
        };
        if told.signed_by != self.present_key(node) {
            return Err("signature.invalid");
        }
        if standing != Standing::Active {
            return Err("node.not-active");
        }
        let key = self.check_new_key(told)?;
        let seq = self.next_entry();
        self.changes.push((seq, Change::Rotated(node, key)));
        Ok(Some(Outcome::Rotated(node)))
    }

    /// Rows 5 and 6 of MEM-11.
    pub(super) fn check_new_key(&self, told: &Told) -> Result<Key, &'static str> {
        let new = told.new_key.as_ref().ok_or("node.no-possession")?;
        if self.is_key_used(new.key) {
            return Err("node.key-used");
        }
        if !new.possession {
            return Err("node.no-possession");
        }
        Ok(new.key)
    }
}
