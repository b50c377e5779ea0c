//! What a node signs in a round of consensus, byte for byte.
//!
//! ```text
//! althing/consensus/v1 LF
//! ledger id            32 bytes
//! step                  1 byte: 0 proposal, 1 prevote, 2 precommit
//! height                8 bytes, big endian
//! round                 4 bytes, big endian
//! value                 1 byte 0 for none, or 1 and the 32 bytes of its hash
//! earlier round         proposals only: 1 byte 0 for none, or 1 and 4 bytes, big endian
//! node                 32 bytes of its id
//! ```
//!
//! The rules know this and nothing else of consensus: whoever runs another engine can sign the same.
//! Specification, "Byzantine behaviour".

use serde::{Deserialize, Serialize};

use super::MAX_INTEGER;
use super::digest::Digest;
use super::id::{LedgerId, NodeId};
use super::key::{PublicKey, Signature, SignatureVerifier};

/// The domain tag.
pub const DOMAIN: &str = "althing/consensus/v1";

/// What a node says in a round, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsensusStep {
    /// Here is a value.
    Propose,
    /// I would decide this.
    Prevote,
    /// Two thirds would: I decide this.
    Precommit,
}

impl ConsensusStep {
    /// The name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Propose => "propose",
            Self::Prevote => "prevote",
            Self::Precommit => "precommit",
        }
    }
}

/// Where a node says one thing: in one ledger, at one height, in one round, in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsensusPlace {
    /// The height.
    pub height: u64,
    /// The ledger.
    pub ledger: LedgerId,
    /// The node.
    pub node: NodeId,
    /// The round of that height.
    pub round: u32,
    /// The step of that round.
    pub step: ConsensusStep,
}

/// What a node says there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsensusChoice {
    /// The round in which more than two thirds were for the value already; proposals only.
    pub earlier_round: Option<u32>,
    /// The hash of the value; none where the node votes for nothing.
    pub value: Option<Digest>,
}

impl ConsensusPlace {
    /// Whether a message that says this here is signed with one of these keys.
    #[must_use]
    pub fn is_signed_by(
        &self,
        said: &SignedChoice,
        keys: &[&PublicKey],
        verifier: &dyn SignatureVerifier,
    ) -> bool {
        let message = self.message(&said.choice());
        let mut keys = keys.iter();
        keys.any(|key| verifier.verify(key, &message, &said.signature))
    }

    /// The bytes that the signature covers.
    #[must_use]
    pub fn message(&self, choice: &ConsensusChoice) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        bytes.extend(DOMAIN.as_bytes());
        bytes.push(b'\n');
        bytes.extend(self.ledger.digest().as_bytes());
        bytes.push(match self.step {
            ConsensusStep::Propose => 0,
            ConsensusStep::Prevote => 1,
            ConsensusStep::Precommit => 2,
        });
        bytes.extend(self.height.to_be_bytes());
        bytes.extend(self.round.to_be_bytes());
        push_optional(&mut bytes, choice.value.as_ref().map(Digest::as_bytes));
        if self.step == ConsensusStep::Propose {
            let earlier = choice.earlier_round.map(u32::to_be_bytes);
            push_optional(&mut bytes, earlier.as_ref());
        }
        bytes.extend(self.node.digest().as_bytes());
        bytes
    }
}

fn push_optional<const N: usize>(bytes: &mut Vec<u8>, value: Option<&[u8; N]>) {
    match value {
        None => bytes.push(0),
        Some(value) => {
            bytes.push(1);
            bytes.extend(value);
        }
    }
}

/// Two messages of one node in one place of consensus, for different values.
///
/// What both share is written once, so that nothing has to be compared. Unverified until the rules
/// have checked both signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsensusEquivocation {
    /// One message: of the two the one whose value comes first, none before any.
    pub first: SignedChoice,
    /// The height of both.
    pub height: u64,
    /// The ledger that both are of.
    pub ledger: LedgerId,
    /// The node that signed both.
    pub node: NodeId,
    /// The round of both.
    pub round: u32,
    /// The other message.
    pub second: SignedChoice,
    /// The step of both.
    pub step: ConsensusStep,
}

/// What a node said and its signature under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedChoice {
    /// The round in which more than two thirds were for the value already; proposals only.
    #[serde(
        default,
        deserialize_with = "super::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub earlier_round: Option<u32>,
    /// The signature.
    pub signature: Signature,
    /// The hash of the value; none where the node votes for nothing.
    #[serde(
        default,
        deserialize_with = "super::text::present",
        skip_serializing_if = "Option::is_none"
    )]
    pub value: Option<Digest>,
}

impl SignedChoice {
    const fn choice(&self) -> ConsensusChoice {
        ConsensusChoice {
            earlier_round: self.earlier_round,
            value: self.value,
        }
    }

    /// Whether it is what can be said in a step: only votes are for nothing, only proposals name an
    /// earlier round.
    const fn fits(&self, step: ConsensusStep) -> bool {
        match step {
            ConsensusStep::Propose => self.value.is_some(),
            ConsensusStep::Prevote | ConsensusStep::Precommit => self.earlier_round.is_none(),
        }
    }
}

impl ConsensusEquivocation {
    /// What a node said twice in one place, in the one order.
    #[must_use]
    pub fn new(place: ConsensusPlace, one: SignedChoice, other: SignedChoice) -> Self {
        let found = Self {
            first: one,
            height: place.height,
            ledger: place.ledger,
            node: place.node,
            round: place.round,
            second: other,
            step: place.step,
        };
        found.ordered()
    }

    /// The same evidence in its one order.
    #[must_use]
    pub fn ordered(self) -> Self {
        if self.first.value <= self.second.value {
            return self;
        }
        Self {
            first: self.second,
            second: self.first,
            ..self
        }
    }

    /// Whether nobody who follows the protocol signs both: the values differ. A node that says for
    /// the same value that it comes from another round harms nobody.
    #[must_use]
    pub fn is_contradiction(&self) -> bool {
        self.first.value != self.second.value
            && self.height <= MAX_INTEGER
            && [&self.first, &self.second]
                .into_iter()
                .all(|choice| choice.fits(self.step))
    }

    /// Whether each of the signatures is one of these keys'. A node may have changed its key
    /// between the two.
    #[must_use]
    pub fn is_signed_by(&self, keys: &[&PublicKey], verifier: &dyn SignatureVerifier) -> bool {
        let place = ConsensusPlace {
            height: self.height,
            ledger: self.ledger,
            node: self.node,
            round: self.round,
            step: self.step,
        };
        [&self.first, &self.second]
            .into_iter()
            .all(|said| place.is_signed_by(said, keys, verifier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_bytes_are_those_of_the_specification() {
        let somewhere = ConsensusPlace {
            height: 0x0102,
            ledger: LedgerId::from_digest(Digest::from_bytes([0xaa; 32])),
            node: format!("did:pqaid:{}", "bb".repeat(32)).parse().unwrap(),
            round: 3,
            step: ConsensusStep::Prevote,
        };
        let hex = |bytes: &[u8]| -> String {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            digits.collect()
        };
        let tag = hex(b"althing/consensus/v1\n");
        let (ledger, node) = ("aa".repeat(32), "bb".repeat(32));
        let (place, value) = ("000000000000010200000003", "cc".repeat(32));
        let some = Some(Digest::from_bytes([0xcc; 32]));
        for (step, value_said, earlier, expected) in [
            (ConsensusStep::Prevote, None, None, format!("01{place}00")),
            (
                ConsensusStep::Precommit,
                some,
                None,
                format!("02{place}01{value}"),
            ),
            (
                ConsensusStep::Propose,
                some,
                None,
                format!("00{place}01{value}00"),
            ),
            (
                ConsensusStep::Propose,
                some,
                Some(2),
                format!("00{place}01{value}0100000002"),
            ),
        ] {
            let choice = ConsensusChoice {
                earlier_round: earlier,
                value: value_said,
            };
            let message = ConsensusPlace { step, ..somewhere }.message(&choice);
            assert_eq!(hex(&message), format!("{tag}{ledger}{expected}{node}"));
        }
    }
}
