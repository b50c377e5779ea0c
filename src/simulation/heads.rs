//! Checkpoints: nodes sign how far their ledgers have come, tell each other, and show it where one of
//! them signed what can't both be true.

use std::sync::Arc;

use super::Broken;
use super::agent::Task;
use super::byzantine::Behaviour;
use super::world::adversaries::Cue;
use super::world::{Happening, Origin, World};
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::evidence::{ContradictingHeads, Divergence, SignedHead};
use crate::governance::id::NodeId;
use crate::governance::merkle::{
    ConsistencyProof, ConsistencyProver, LeafHash, MerkleAccumulator, TreeRoot,
};
use crate::governance::state::{Contradiction, State};
use crate::governance::tree_head::{Cosignature, Origin as LedgerOrigin, TreeHead};

/// A node's signed head, and what it says its tree began with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ToldHead {
    pub(crate) node: NodeId,
    pub(crate) head: SignedHead,
    /// The signer's own proof from a smaller size; honest nodes can be asked for the ledger.
    pub(crate) from: Option<(u64, Divergence)>,
}

/// The most attempts to compare a head with a ledger that has not come so far.
const MOST_COMPARISONS: u32 = 200;

/// The most heads that are remembered of one node.
const MOST_HEADS: usize = 256;

/// The hashes of a ledger's lines; each stands in the last bytes of its line.
pub(crate) fn entry_hashes(bytes: &[u8]) -> Vec<Digest> {
    let lines = bytes.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| {
            let hash = line.get(line.len().checked_sub(66)?..line.len() - 2)?;
            std::str::from_utf8(hash).ok()?.parse().ok()
        })
        .collect()
}

/// The root over the first entries, as many as `size` says.
pub(crate) fn root_over(hashes: &[Digest], size: u64) -> Option<Digest> {
    let first = hashes.get(..usize::try_from(size).ok()?)?;
    let mut tree = MerkleAccumulator::new();
    for hash in first {
        tree.push(hash);
    }
    Some(tree.root())
}

/// The proof that all entries continue the first ones.
pub(crate) fn proof_from(hashes: &[Digest], from: u64, to: u64) -> Option<Vec<Digest>> {
    let mut prover = ConsistencyProver::new(from, to).ok()?;
    for hash in hashes.get(..usize::try_from(to).ok()?)? {
        prover.push(LeafHash::of_entry(hash));
    }
    let proof: ConsistencyProof = prover.finish().ok()?;
    Some(proof.path().to_vec())
}

/// Which ledger a state is of.
pub(crate) fn origin_of(state: &State) -> LedgerOrigin {
    LedgerOrigin {
        ledger: state.ledger(),
        genesis: state.identity().origin,
    }
}

impl World<'_> {
    /// A node signs its ledger up to an entry and tells all others; one that lies does what it likes.
    pub(super) fn cosign(&mut self, place: usize, size: u64) -> Result<(), Broken> {
        if self.behaves(place, Behaviour::CheckpointLiar) {
            return self.occasion(Some(place), Cue::Checkpoint);
        }
        let Some(engine) = self.replicas[place].engine.as_ref() else {
            return Ok(());
        };
        let signer = &self.replicas[place].signer;
        let registered = engine.state().registry().get(signer.node());
        if !registered.is_some_and(crate::governance::state::registry::Node::is_active) {
            return Ok(());
        }
        let Some(root) = root_over(&entry_hashes(engine.bytes()), size) else {
            return Ok(());
        };
        let posix_seconds = self.posix_seconds();
        let head = TreeHead {
            origin: origin_of(engine.state()),
            tree: TreeRoot { size, root },
        };
        let message = head.message(signer.node(), posix_seconds);
        let told = ToldHead {
            node: signer.node(),
            head: SignedHead {
                posix_seconds,
                root,
                signature: signer.sign_message(&message)?,
                size,
            },
            from: None,
        };
        self.meet("checkpoint signed");
        self.tell_all(place, &told);
        Ok(())
    }

    /// Tells all other nodes of a head.
    fn tell_all(&mut self, place: usize, told: &ToldHead) {
        let told = Arc::new(told.clone());
        for to in 0..self.replicas.len() {
            if to != place {
                self.tell(place, to, self.now, &told);
            }
        }
    }

    /// Tells one node of a head.
    pub(super) fn tell(&mut self, place: usize, to: usize, at: u64, told: &Arc<ToldHead>) {
        for at in self.network.send(at, place, to) {
            self.schedule(at, Happening::Told(to, Arc::clone(told)));
        }
    }

    /// A node hears of a head. What does not agree with its own ledger, or can't be compared with it
    /// yet, it passes on, so that two halves of a lie meet.
    pub(super) fn told(&mut self, place: usize, told: &ToldHead) {
        let replica = &mut self.replicas[place];
        let Some(engine) = replica.engine.as_ref() else {
            return;
        };
        if replica.byzantine {
            return;
        }
        let heads = replica.heads.entry(told.node).or_default();
        if heads.contains(told) || heads.len() >= MOST_HEADS {
            return;
        }
        heads.push(told.clone());
        let own = root_over(&entry_hashes(engine.bytes()), told.head.size);
        self.checker.saw_head(told);
        if own != Some(told.head.root) {
            replica.suspects.insert(told.node);
            self.tell_all(place, told);
            self.meet("checkpoint passed on");
        }
        self.compare_soon(place, told.node, 0);
    }

    /// Plans to look whether a node's heads contradict each other.
    fn compare_soon(&mut self, place: usize, node: NodeId, attempt: u32) {
        let replica = &mut self.replicas[place];
        // Of two that contradict each other one does not agree with the ledger.
        if !replica.suspects.contains(&node) {
            return;
        }
        let after = replica.random.below(30_000_000) + (30_000_000 << attempt.min(7));
        let after = if attempt == 0 { after / 4 } else { after };
        self.wake(place, after, Task::Compare(node, attempt));
    }

    /// Compares a node's heads, and accuses it where two contradict each other.
    pub(super) fn compare(&mut self, place: usize, node: NodeId, attempt: u32) {
        let Some(engine) = self.replicas[place].engine.as_ref() else {
            return;
        };
        let height = engine.state().entries();
        if let Some(evidence) = self.contradicting_heads(place, node) {
            let command = Command::SubmitContradictingHeads(Box::new(evidence));
            self.say(place, Origin::Honest, command);
        }
        let heads = self.replicas[place].heads.get(&node);
        let ahead = |told: &ToldHead| told.head.size > height;
        if heads.is_some_and(|heads| heads.iter().any(ahead)) && attempt < MOST_COMPARISONS {
            self.compare_soon(place, node, attempt + 1);
        }
    }

    /// After a restart a node tells all others again what it knows, since they may not have heard.
    pub(super) fn tell_again(&mut self, place: usize) {
        let known: Vec<ToldHead> = self.replicas[place]
            .heads
            .values()
            .flatten()
            .cloned()
            .collect();
        for told in &known {
            self.tell_all(place, told);
            self.compare_soon(place, told.node, 0);
        }
        self.tell_what_was_missed(place);
    }

    /// What was passed on while a node was down never arrived; those who know it repeat it. Who is down
    /// as well does so after its own restart.
    fn tell_what_was_missed(&mut self, place: usize) {
        let honest = |from: &usize| {
            let replica = &self.replicas[*from];
            *from != place && !replica.byzantine && replica.engine.is_some()
        };
        let others = (0..self.replicas.len()).filter(honest);
        let missed: Vec<(usize, ToldHead)> = others
            .flat_map(|from| {
                let known = self.replicas[from].heads.values().flatten();
                known.map(move |told| (from, told.clone()))
            })
            .collect();
        for (from, told) in missed {
            self.tell(from, place, self.now, &Arc::new(told));
        }
    }

    /// Two heads of a node's present term that can't both be true, if that is not on record.
    fn contradicting_heads(&self, place: usize, node: NodeId) -> Option<ContradictingHeads> {
        let replica = &self.replicas[place];
        let engine = replica.engine.as_ref()?;
        let state = engine.state();
        let registered = state.registry().get(node)?;
        let term = state.term_of(node, registered);
        let known = state.contradiction_of(Contradiction::Checkpoints, node, term);
        if known.is_some() {
            return None;
        }
        let origin = origin_of(state);
        let signed = |told: &&ToldHead| {
            let tree = TreeRoot {
                size: told.head.size,
                root: told.head.root,
            };
            let cosignature = Cosignature {
                signer: node,
                posix_seconds: told.head.posix_seconds,
                signature: told.head.signature.clone(),
            };
            let head = TreeHead { origin, tree };
            let verifier = self.verifier.as_ref();
            let mut keys = state.keys_of_term(node);
            keys.any(|key| head.is_signed_by(&cosignature, key, verifier))
        };
        let heads: Vec<&ToldHead> = replica.heads.get(&node)?.iter().filter(signed).collect();
        let hashes = entry_hashes(engine.bytes());
        let pairs = heads
            .iter()
            .flat_map(|first| heads.iter().map(move |second| (*first, *second)));
        let mut found = pairs.filter_map(|(first, second)| {
            let divergence = divergence(&hashes, first, second)?;
            let evidence = ContradictingHeads {
                divergence,
                first: first.head.clone(),
                node,
                origin,
                second: second.head.clone(),
            };
            let evidence = evidence.ordered();
            evidence.is_contradiction().then_some(evidence)
        });
        found.next()
    }
}

/// What shows that two heads contradict each other, if anything does: nothing more than the two where
/// they are of one size; else the ledger, or what the signer itself said.
#[expect(clippy::option_option, reason = "found; and with a proof or without")]
fn divergence(
    hashes: &[Digest],
    first: &ToldHead,
    second: &ToldHead,
) -> Option<Option<Divergence>> {
    let (small, large) = (&first.head, &second.head);
    if small.size == large.size {
        return (small.root != large.root).then_some(None);
    }
    if small.size > large.size {
        return None;
    }
    if let Some((size, said)) = &second.from
        && *size == small.size
        && said.root != small.root
    {
        return Some(Some(said.clone()));
    }
    let own = root_over(hashes, small.size)?;
    if own == small.root || root_over(hashes, large.size)? != large.root {
        return None;
    }
    let path = proof_from(hashes, small.size, large.size)?;
    Some(Some(Divergence { path, root: own }))
}
