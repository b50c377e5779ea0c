//! Contradicting messages of consensus as steps order them.

use althing::governance::consensus::{
    ConsensusChoice, ConsensusEquivocation, ConsensusPlace, ConsensusStep, SignedChoice,
};
use althing::governance::digest::Digest;
use althing::testing::model::Key;

use super::orders::{NOBODY, signer};

/// Two messages that nobody has signed yet.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    place: ConsensusPlace,
    choices: [ConsensusChoice; 2],
}

impl Said {
    /// A vote for nothing and one for a value, or proposals of two values, the second with an earlier
    /// round; or twice the same value.
    pub fn of(place: ConsensusPlace, agreeing: bool) -> Self {
        let is_proposal = place.step == ConsensusStep::Propose;
        let value = Some(Digest::of(b"one"));
        let first = match (agreeing, is_proposal) {
            (true, _) => value,
            (false, true) => Some(Digest::of(b"another")),
            (false, false) => None,
        };
        let choice = |value, earlier_round| ConsensusChoice {
            earlier_round,
            value,
        };
        Self {
            place,
            choices: [choice(first, None), choice(value, is_proposal.then_some(1))],
        }
    }

    /// The evidence with everybody's signatures.
    pub fn signed(&self, keys: [Option<Key>; 2]) -> ConsensusEquivocation {
        let sign = |choice: &ConsensusChoice, key: Option<Key>| SignedChoice {
            earlier_round: choice.earlier_round,
            signature: signer(key.unwrap_or(NOBODY)).sign_message(&self.place.message(choice)),
            value: choice.value,
        };
        let ([first, second], [by, second_by]) = (&self.choices, keys);
        ConsensusEquivocation {
            first: sign(first, by),
            height: self.place.height,
            ledger: self.place.ledger,
            node: self.place.node,
            round: self.place.round,
            second: sign(second, second_by),
            step: self.place.step,
        }
    }
}
