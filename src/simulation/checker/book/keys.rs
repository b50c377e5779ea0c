//! Nodes that come, go and change their keys.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::due::Outcome;
use super::{Book, Held, Node, Paper, SignedText, Stage, Status, forged, invalid, read, text};
use crate::governance::id::NodeId;
use crate::governance::key::{PublicKey, Signature};
use crate::simulation::checker::Fault;

/// A key that a statement gives to a node.
#[derive(Deserialize)]
struct NewKeyText {
    key: PublicKey,
    #[serde(alias = "key_name")]
    name: String,
    node: String,
    possession: Signature,
}

#[derive(Deserialize)]
struct RotationText {
    ledger: String,
    new_key: Box<RawValue>,
}

impl Book {
    /// How many nodes take part.
    pub(super) fn active(&self) -> usize {
        let active = |node: &&Node| node.status == Status::Active;
        self.nodes.values().filter(active).count()
    }

    /// Whether any node ever had the key that an action gives.
    pub(super) fn knows_key(&self, action: &Value) -> bool {
        let key = action.get("key").map(Value::to_string);
        key.is_some_and(|key| self.used_keys.contains(&key))
    }

    fn note_key(&mut self, key: &PublicKey) {
        let text = serde_json::to_value(key).unwrap_or_default().to_string();
        self.used_keys.insert(text);
    }

    /// The keys that a node held at some time between two lines.
    pub(super) fn keys_between(&self, node: &str, first: u64, last: u64) -> Vec<&PublicKey> {
        let held = self.nodes.get(node).into_iter().flat_map(|node| &node.keys);
        held.filter(|held| held.from <= last && held.until.is_none_or(|until| until > first))
            .map(|held| &held.key)
            .collect()
    }

    /// The line from which on a node answers for its checkpoints; `None` of a stranger.
    pub(super) fn term(&self, node: &str) -> Option<u64> {
        self.nodes.get(node).map(|node| node.term)
    }

    pub(super) fn node_added(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let admitted = data.get("admitted_by").and_then(|by| by.get("proposal"));
        if let Some(proposal) = admitted.and_then(Value::as_str) {
            self.carry_out(proposal, Outcome::Effect("node_added"))?;
            let promised = self.papers.get(proposal).map(Paper::action);
            for member in ["node", "key", "weight", "name"] {
                if promised.and_then(|action| action.get(member)) != data.get(member) {
                    return Err(invalid(format!("node_added has another {member}")));
                }
            }
            self.epoch += 1;
        } else if self.lines > 1 && !self.papers.is_empty() {
            return Err(invalid("a founder joined after the founding"));
        } else {
            self.genesis.clone_from(&self.head);
        }
        let key: PublicKey = (data.get("key").cloned())
            .and_then(|key| serde_json::from_value(key).ok())
            .ok_or_else(|| invalid("node_added without a key"))?;
        self.note_key(&key);
        let weight = data.get("weight").and_then(Value::as_u64);
        let node = Node {
            name: text(&data, "name")?.to_owned(),
            keys: vec![Held {
                key,
                from: self.lines,
                until: None,
            }],
            term: self.lines,
            weight: weight.ok_or_else(|| invalid("node_added without a weight"))?,
            status: Status::Active,
            votes: std::collections::BTreeSet::new(),
        };
        self.nodes.insert(text(&data, "node")?.to_owned(), node);
        Ok(())
    }

    pub(super) fn node_removed(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        self.carry_out(id, Outcome::Effect("node_removed"))?;
        let node = text(&data, "node")?;
        if self.papers.get(id).map(|paper| paper.member("node")) != Some(node) {
            return Err(invalid(format!("{id} removes another node")));
        }
        self.epoch += 1;
        if let Some(node) = self.nodes.get_mut(node) {
            node.status = Status::Removed;
        }
        self.bar(node);
        Ok(())
    }

    /// What a node has not cast so far it never will.
    fn bar(&mut self, node: &str) {
        let voting = |paper: &&mut Paper| paper.stage == Stage::Voting;
        for paper in self.papers.values_mut().filter(voting) {
            if let Some(seat) = paper.seats.get_mut(node) {
                seat.barred = true;
            }
        }
    }

    /// A new key was never a node's before, and its holder shows that it has it.
    pub(super) fn check_new_key(&self, action: &Value) -> Result<(), Fault> {
        let new: NewKeyText = read(&action.to_string())?;
        if self.knows_key(action) {
            return Err(invalid(format!("{} gets a used key", new.node)));
        }
        let key = serde_json::to_value(&new.key).unwrap_or_default();
        let quoted = |value: &str| Value::from(value).to_string();
        let statement = format!(
            "{{\"algorithm\":{},\"did\":\"{}\",\"name\":{},\"public_key\":{}}}",
            quoted(text(&key, "algorithm")?),
            NodeId::of_first_key(&new.key),
            quoted(&new.name),
            quoted(text(&key, "public_key")?),
        );
        let message = format!("althing/key/v1\n{statement}");
        let verifier = &self.verifier;
        if !verifier.verify(&new.key, message.as_bytes(), &new.possession) {
            return Err(forged(format!("{} does not hold its new key", new.node)));
        }
        Ok(())
    }

    pub(super) fn key_rotated(&mut self, data: &str) -> Result<(), Fault> {
        let signed: SignedText = read(data)?;
        let raw = signed.statement.get();
        let rotation: RotationText = read(raw)?;
        let action: Value = read(rotation.new_key.get())?;
        let node = text(&action, "node")?;
        if !self.verifies(node, "althing/rotation/v1", raw, &signed.signature) {
            return Err(forged(format!("{node} did not sign its new key")));
        }
        let active = (self.nodes.get(node)).is_some_and(|node| node.status == Status::Active);
        if !active || rotation.ledger != self.ledger {
            return Err(invalid(format!("{node} can't change its key here")));
        }
        self.check_new_key(&action)?;
        self.change_key(node, &action, false)
    }

    pub(super) fn key_given(&mut self, operation: &str, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        self.carry_out(id, Outcome::Effect(operation))?;
        let action = self.papers.get(id).map(Paper::action);
        for member in ["node", "key"] {
            if action.and_then(|action| action.get(member)) != data.get(member) {
                return Err(invalid(format!("{id} gives another {member}")));
            }
        }
        let node = text(&data, "node")?;
        self.change_key(node, &data, true)?;
        if operation == "key_replaced" {
            self.bar(node);
        } else if let Some(node) = self.nodes.get_mut(node) {
            node.status = Status::Active;
        }
        Ok(())
    }

    /// Gives a node a key; by a decision of the group it begins a new term.
    fn change_key(&mut self, node: &str, data: &Value, anew: bool) -> Result<(), Fault> {
        let key = data.get("key").cloned().unwrap_or_default();
        let key: PublicKey =
            serde_json::from_value(key).map_err(|_| invalid("a new key that is none"))?;
        self.note_key(&key);
        self.epoch += 1;
        let line = self.lines;
        if let Some(node) = self.nodes.get_mut(node) {
            if let Some(held) = node.keys.last_mut() {
                held.until = Some(line);
            }
            node.keys.push(Held {
                key,
                from: line,
                until: None,
            });
            if anew {
                node.term = line;
            }
        }
        Ok(())
    }

    pub(super) fn policy_updated(&mut self, data: &str) -> Result<(), Fault> {
        let data: Value = read(data)?;
        let id = text(&data, "proposal_id")?;
        self.carry_out(id, Outcome::Effect("policy_updated"))?;
        let policy = data.get("policy").cloned().unwrap_or_default();
        let action = self.papers.get(id).map(Paper::action);
        if action.and_then(|action| action.get("policy")) != Some(&policy) {
            return Err(invalid(format!("{id} sets another policy")));
        }
        self.policy = policy;
        self.epoch += 1;
        Ok(())
    }
}
