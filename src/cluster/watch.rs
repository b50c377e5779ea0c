//! What the nodes have said in consensus lately, and who contradicted itself.
//!
//! The engine reports contradictions that it has met itself, until a height is decided. Whoever says one
//! thing to some and another to others escapes it. So each node keeps what it has heard, and passes on
//! what speaks against a decision: of two messages that contradict each other one does.

use std::collections::BTreeMap;

use super::engine::Heard;
use crate::governance::consensus::{ConsensusEquivocation, ConsensusPlace, ConsensusStep};
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::key::{PublicKey, SignatureVerifier};
use crate::governance::state::State;

/// For how many decided heights messages are kept.
const KEPT_HEIGHTS: u64 = 8;

/// How many messages of one node are kept, and how many are passed on of one height.
const MAX_PER_NODE: usize = 256;
const MAX_PASSED_ON: usize = 64;

/// A place in the order in which messages are kept.
type Key = (NodeId, u64, u32, u8);

const fn key_of(place: &ConsensusPlace) -> Key {
    let step = match place.step {
        ConsensusStep::Propose => 0,
        ConsensusStep::Prevote => 1,
        ConsensusStep::Precommit => 2,
    };
    (place.node, place.height, place.round, step)
}

/// Messages of the last heights, each with a good signature.
#[derive(Debug, Default)]
pub struct Watch {
    heard: BTreeMap<Key, Heard>,
    /// What the last heights decided, and in which round.
    decided: BTreeMap<u64, (u32, Digest)>,
}

impl Watch {
    /// Takes a message, from whomever it came, where `next` is the next height. The evidence, if its
    /// node has said something else in that place.
    pub fn hear(
        &mut self,
        message: Heard,
        state: &State,
        next: u64,
        verifier: &dyn SignatureVerifier,
    ) -> Option<ConsensusEquivocation> {
        let Heard { place, said } = &message;
        let is_recent = place.height + KEPT_HEIGHTS >= next && place.height <= next + 1;
        if place.ledger != state.ledger() || !is_recent {
            return None;
        }
        let key = key_of(place);
        let known = self.heard.get(&key);
        if known.is_some_and(|known| known.said.value == said.value) {
            return None;
        }
        if known.is_none() && self.count_of(place.node) >= MAX_PER_NODE {
            return None;
        }
        let keys: Vec<&PublicKey> = state.keys_of_term(place.node).collect();
        if !place.is_signed_by(said, &keys, verifier) {
            return None;
        }
        let Some(known) = known else {
            self.heard.insert(key, message);
            return None;
        };
        let found = ConsensusEquivocation::new(*place, known.said.clone(), message.said);
        found.is_contradiction().then_some(found)
    }

    fn count_of(&self, node: NodeId) -> usize {
        let of_node = (node, 0, 0, 0)..=(node, u64::MAX, u32::MAX, u8::MAX);
        self.heard.range(of_node).count()
    }

    /// What others should hear of a height that decided a value in a round: what speaks against it.
    /// What is too old is forgotten.
    pub fn decide(&mut self, height: u64, round: u32, value: Digest) -> Vec<Heard> {
        self.decided.insert(height, (round, value));
        let of_height = |heard: &&Heard| heard.place.height == height;
        let heard = self.heard.values().filter(of_height);
        let against = heard.filter(|heard| self.is_against(heard));
        let passed_on = against.take(MAX_PASSED_ON).cloned().collect();
        (self.heard).retain(|(_, kept, ..), _| kept + KEPT_HEIGHTS > height);
        (self.decided).retain(|kept, _| kept + KEPT_HEIGHTS > height);
        passed_on
    }

    /// Whether a message is for something else than its height has decided, in that round or before.
    fn is_against(&self, heard: &Heard) -> bool {
        let place = &heard.place;
        (self.decided.get(&place.height)).is_some_and(|(round, value)| {
            let is_for = heard.said.value == Some(*value);
            place.round < *round || (place.round == *round && !is_for)
        })
    }

    /// Whether a message that comes late is one that others should hear: it is known to be its node's
    /// and speaks against what was decided.
    #[must_use]
    pub fn is_news(&self, heard: &Heard) -> bool {
        self.is_against(heard) && self.heard.get(&key_of(&heard.place)) == Some(heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Assembly, StandInVerifier};

    /// Both halves of a contradiction at a height.
    fn halves(assembly: &Assembly, by: usize, height: u64, step: ConsensusStep) -> [Heard; 2] {
        let found = assembly.consensus_equivocation(by, height, step);
        let place = ConsensusPlace {
            height,
            ledger: found.ledger,
            node: found.node,
            round: found.round,
            step,
        };
        [found.first, found.second].map(|said| Heard { place, said })
    }

    fn hear(watch: &mut Watch, assembly: &Assembly, heard: &Heard) -> bool {
        let found = watch.hear(heard.clone(), assembly.state(), 7, &StandInVerifier);
        if let Some(found) = &found {
            let key = assembly.signer_of(found.node).key();
            assert!(found.is_contradiction() && found.is_signed_by(&[key], &StandInVerifier));
        }
        found.is_some()
    }

    #[test]
    fn both_halves_of_a_lie_are_evidence_in_either_order() {
        let assembly = Assembly::of(&[1, 1, 1, 1]);
        for step in [ConsensusStep::Propose, ConsensusStep::Precommit] {
            let [one, other] = halves(&assembly, 2, 7, step);
            for (first, second) in [(&one, &other), (&other, &one)] {
                let mut watch = Watch::default();
                assert!(!hear(&mut watch, &assembly, first));
                assert!(!hear(&mut watch, &assembly, first));
                assert!(hear(&mut watch, &assembly, second));
            }
        }
    }

    #[test]
    fn what_nobody_signed_or_is_long_ago_is_not_heard() {
        let assembly = Assembly::of(&[1, 1, 1, 1]);
        let mut watch = Watch::default();
        let [one, other] = halves(&assembly, 2, 7, ConsensusStep::Prevote);
        let mut forged = one.clone();
        forged.said.signature = other.said.signature.clone();
        assert!(!hear(&mut watch, &assembly, &forged));
        assert!(!hear(&mut watch, &assembly, &other));
        assert!(!hear(&mut watch, &assembly, &forged));
        let stranger = ConsensusPlace {
            node: format!("did:pqaid:{}", Digest::ZERO).parse().unwrap(),
            ..one.place
        };
        let stranger = Heard {
            place: stranger,
            said: one.said.clone(),
        };
        assert!(!hear(&mut watch, &assembly, &stranger));
        assert_eq!(watch.heard.len(), 1);
        for height in [9, 100] {
            for half in halves(&assembly, 1, height, ConsensusStep::Prevote) {
                assert!(!hear(&mut watch, &assembly, &half));
            }
        }
        assert_eq!(watch.heard.len(), 1);
    }

    #[test]
    fn what_speaks_against_a_decision_is_passed_on_and_the_rest_is_not() {
        let assembly = Assembly::of(&[1, 1, 1, 1]);
        let [nothing, value] = halves(&assembly, 1, 7, ConsensusStep::Precommit);
        let [_, agreeing] = halves(&assembly, 2, 7, ConsensusStep::Precommit);
        let [_, later] = halves(&assembly, 3, 8, ConsensusStep::Precommit);
        let mut watch = Watch::default();
        for heard in [&nothing, &agreeing, &later] {
            assert!(!hear(&mut watch, &assembly, heard));
        }
        let decided = value.said.value.unwrap();
        assert_eq!(watch.decide(7, 0, decided), std::slice::from_ref(&nothing));
        // In a round that decided nothing everything speaks against it.
        assert_eq!(watch.decide(7, 1, decided).len(), 2);
        // The other half may come late, and so may what others should hear.
        assert!(hear(&mut watch, &assembly, &value));
        let [late, _] = halves(&assembly, 0, 7, ConsensusStep::Prevote);
        assert!(!watch.is_news(&late));
        assert!(!hear(&mut watch, &assembly, &late));
        assert!(watch.is_news(&late));
        assert!(!watch.is_news(&later));
        assert!(watch.decide(7 + KEPT_HEIGHTS, 0, decided).is_empty());
        assert_eq!(watch.heard.len(), 1);
    }

    #[test]
    fn no_node_takes_all_the_room() {
        let assembly = Assembly::of(&[1, 1, 1, 1]);
        let mut watch = Watch::default();
        let node = assembly.id(1);
        for round in 0..MAX_PER_NODE as u32 {
            let [heard, _] = halves(&assembly, 1, 7, ConsensusStep::Prevote);
            let place = ConsensusPlace {
                round,
                ..heard.place
            };
            watch.heard.insert(key_of(&place), Heard { place, ..heard });
        }
        assert_eq!(watch.count_of(node), MAX_PER_NODE);
        let [one, _] = halves(&assembly, 1, 8, ConsensusStep::Prevote);
        assert!(!hear(&mut watch, &assembly, &one));
        assert_eq!(watch.count_of(node), MAX_PER_NODE);
        // What is known of it is evidence still.
        let [_, other] = halves(&assembly, 1, 7, ConsensusStep::Prevote);
        assert!(hear(&mut watch, &assembly, &other));
    }
}
