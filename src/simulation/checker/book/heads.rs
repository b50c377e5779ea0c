//! Signed checkpoints that contradict each other.
//!
//! Trees are hashed here once more, by the recursion of RFC 6962, word for word.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Book, Status, accusation, read};
use crate::governance::digest::Digest;
use crate::governance::key::{PublicKey, Signature};
use crate::simulation::checker::Fault;

/// A signed head.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::simulation::checker) struct HeadText {
    pub(in crate::simulation::checker) posix_seconds: u64,
    pub(in crate::simulation::checker) root: Digest,
    pub(in crate::simulation::checker) signature: Signature,
    pub(in crate::simulation::checker) size: u64,
}

/// What a larger tree began with.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::simulation::checker) struct BeganText {
    pub(in crate::simulation::checker) path: Vec<Digest>,
    pub(in crate::simulation::checker) root: Digest,
}

#[derive(Deserialize)]
struct HeadsText {
    divergence: Option<BeganText>,
    first: HeadText,
    node: String,
    origin: String,
    second: HeadText,
}

#[derive(Deserialize)]
struct ContradictedText {
    checkpoints: Box<RawValue>,
    node: String,
    suspended: bool,
}

/// `MTH(D[n])` of RFC 6962.
fn tree_hash(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => Digest::of(&[&[0], leaf.as_bytes().as_slice()].concat()),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&tree_hash(left), &tree_hash(right))
        }
    }
}

fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[1], left.as_bytes().as_slice(), right.as_bytes()].concat())
}

/// The roots over the first `small` and over all `large` leaves that a consistency proof leads to,
/// by the recursion `SUBPROOF` of RFC 6962. `known` is the smaller root where the proof leaves it out.
fn roots(
    small: u64,
    large: u64,
    known: Option<Digest>,
    path: &mut std::slice::Iter<'_, Digest>,
) -> Option<(Digest, Digest)> {
    if small == large {
        let root = known.or_else(|| path.next().copied())?;
        return Some((root, root));
    }
    let left = large.next_power_of_two() / 2;
    if small <= left {
        let (old, new) = roots(small, left, known, path)?;
        let right = path.next()?;
        return Some((old, node_hash(&new, right)));
    }
    let (old, new) = roots(small - left, large - left, None, path)?;
    let whole = path.next()?;
    Some((node_hash(whole, &old), node_hash(whole, &new)))
}

/// Whether the larger head's tree began with other entries than the smaller head says.
pub(in crate::simulation::checker) fn diverges(
    small: &HeadText,
    large: &HeadText,
    began: &BeganText,
) -> bool {
    if small.size == 0 || small.size >= large.size || began.root == small.root {
        return false;
    }
    let mut path = began.path.iter();
    let found = roots(small.size, large.size, Some(began.root), &mut path);
    path.next().is_none() && found == Some((began.root, large.root))
}

impl Book {
    /// The root over the ledger's first entries.
    pub(in crate::simulation::checker) fn root(&self, size: u64) -> Option<Digest> {
        Some(tree_hash(self.hashes.get(..usize::try_from(size).ok()?)?))
    }

    /// Whether a head is signed with one of these keys, over the bytes of C2SP tlog-cosignature.
    fn signs(&self, keys: &[&PublicKey], node: &str, head: &HeadText) -> bool {
        let origin = format!("althing/v1/{}/{}", self.ledger, self.genesis);
        let mut message = b"subtree/v1\n\0".to_vec();
        message.push(u8::try_from(node.len()).unwrap_or(0));
        message.extend(node.as_bytes());
        message.extend(head.posix_seconds.to_be_bytes());
        message.push(u8::try_from(origin.len()).unwrap_or(0));
        message.extend(origin.as_bytes());
        message.extend(0_u64.to_be_bytes());
        message.extend(head.size.to_be_bytes());
        message.extend(head.root.as_bytes());
        let mut keys = keys.iter();
        keys.any(|key| self.verifier.verify(key, &message, &head.signature))
    }

    /// Whether a head is signed with a key of its signer's present term.
    pub(in crate::simulation::checker) fn answers_for(&self, node: &str, head: &HeadText) -> bool {
        let term = self.term(node).unwrap_or(u64::MAX);
        self.signs(&self.keys_between(node, term, u64::MAX), node, head)
    }

    /// Whether contradicting checkpoints of a node's present term are entered.
    pub(in crate::simulation::checker) fn has_head_evidence(&self, node: &str) -> bool {
        let term = self.term(node).unwrap_or(u64::MAX);
        self.head_evidence.contains(&(node.to_owned(), term))
    }

    pub(super) fn checkpoints_contradicted(&mut self, data: &str) -> Result<(), Fault> {
        let found: ContradictedText = read(data)?;
        let heads: HeadsText = read(found.checkpoints.get())?;
        let node = found.node.as_str();
        let origin = format!("althing/v1/{}/{}", self.ledger, self.genesis);
        if heads.node != found.node || heads.origin != origin {
            let message = format!("the evidence against {node} is of other checkpoints");
            return Err(accusation(message));
        }
        let (first, second) = (&heads.first, &heads.second);
        let contradict = match &heads.divergence {
            None => first.size == second.size && first.root != second.root,
            Some(began) => diverges(first, second, began),
        };
        if !contradict {
            let message = format!("{node} is accused without a contradiction");
            return Err(accusation(message));
        }
        if !self.answers_for(node, first) || !self.answers_for(node, second) {
            let message = format!("{node} is accused with what it did not sign");
            return Err(accusation(message));
        }
        let term = self.term(node).unwrap_or(u64::MAX);
        if !self.head_evidence.insert((found.node.clone(), term)) {
            return Err(accusation(format!("{node} is accused twice of the same")));
        }
        self.convict(node, found.suspended, None)
    }

    /// What follows for a node from evidence against it, on a proposal or on none.
    pub(super) fn convict(
        &mut self,
        node: &str,
        suspended: bool,
        contradicted: Option<&str>,
    ) -> Result<(), Fault> {
        let is_active = (self.nodes.get(node)).is_some_and(|it| it.status == Status::Active);
        if suspended != (is_active && self.active() > 1) {
            return Err(accusation(format!(
                "{node} is suspended, or not, against the rules"
            )));
        }
        self.convictions.push((node.to_owned(), self.lines));
        if suspended {
            self.epoch += 1;
            if let Some(node) = self.nodes.get_mut(node) {
                node.status = Status::Suspended;
            }
        }
        let takes_part = is_active && !suspended;
        for (id, paper) in &mut self.papers {
            let Some(seat) = paper.seats.get_mut(node) else {
                continue;
            };
            if Some(id.as_str()) == contradicted {
                seat.byzantine = true;
            } else if paper.stage == super::Stage::Voting && !takes_part {
                seat.byzantine = seat.byzantine || seat.ballot.is_some();
                seat.barred = true;
            }
        }
        Ok(())
    }

    /// Whether new evidence came up against the node that a proposal would reinstate.
    pub(super) fn is_convicted_since(&self, paper: &super::Paper) -> bool {
        let mut all = self.convictions.iter();
        paper.kind() == "reinstate-node"
            && all.any(|(node, line)| node == paper.member("node") && *line > paper.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::heads::{proof_from, root_over};

    /// Two computations that share nothing come to the same, at every pair of sizes.
    #[test]
    fn trees_and_proofs_are_those_of_the_library() {
        let leaves: Vec<Digest> = (0..20_u8).map(|number| Digest::of(&[number])).collect();
        let head = |size: u64, root: Digest| HeadText {
            posix_seconds: 0,
            root,
            signature: Signature::new(&[1]).unwrap(),
            size,
        };
        for large in 1..=20_u64 {
            let root = root_over(&leaves, large).unwrap();
            assert_eq!(tree_hash(&leaves[..large as usize]), root);
            for small in 1..large {
                let began = BeganText {
                    path: proof_from(&leaves, small, large).unwrap(),
                    root: root_over(&leaves, small).unwrap(),
                };
                let other = Digest::of(b"another tree");
                let both = |said: Digest| diverges(&head(small, said), &head(large, root), &began);
                assert!(both(other), "{small} of {large}");
                assert!(!both(began.root), "{small} of {large}");
                let elsewhere = head(large, other);
                assert!(!diverges(&head(small, other), &elsewhere, &began));
            }
        }
    }
}
