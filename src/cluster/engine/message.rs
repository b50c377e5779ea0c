//! The bytes that a consensus signature covers.
//!
//! ```text
//! althing/consensus/v1 LF
//! ledger id            32 bytes
//! kind                  1 byte: 0 proposal, 1 prevote, 2 precommit
//! height                8 bytes, big endian
//! round                 4 bytes, big endian
//! value                 1 byte 0 for none, or 1 and the 32 bytes of its hash
//! earlier round         proposals only: 1 byte 0 for none, or 1 and 4 bytes, big endian
//! node                 32 bytes of its id
//! ```
//!
//! The engine's own messages name no ledger: without it, a vote in one cluster would be good in
//! another that has the same node.

use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round, VoteType};

use super::types::{Address, Height, Proposal, ValueId, Vote};
use crate::governance::id::LedgerId;
use crate::identity::ConsensusStep;

/// The domain tag.
pub const DOMAIN: &str = "althing/consensus/v1";

/// The step that a kind of vote is.
#[must_use]
pub const fn step_of(kind: VoteType) -> ConsensusStep {
    match kind {
        VoteType::Prevote => ConsensusStep::Prevote,
        VoteType::Precommit => ConsensusStep::Precommit,
    }
}

/// What a vote's signature covers.
#[must_use]
pub fn of_vote(ledger: LedgerId, vote: &Vote) -> Vec<u8> {
    let value = match &vote.value {
        NilOrVal::Nil => None,
        NilOrVal::Val(id) => Some(id),
    };
    let place = (vote.height, vote.round);
    bytes(ledger, step_of(vote.kind), place, value, None, vote.voter)
}

/// What a proposal's signature covers.
#[must_use]
pub fn of_proposal(ledger: LedgerId, proposal: &Proposal) -> Vec<u8> {
    bytes(
        ledger,
        ConsensusStep::Propose,
        (proposal.height, proposal.round),
        Some(&proposal.value),
        Some(proposal.pol_round),
        proposal.proposer,
    )
}

fn bytes(
    ledger: LedgerId,
    step: ConsensusStep,
    (height, round): (Height, Round),
    value: Option<&ValueId>,
    earlier: Option<Round>,
    node: Address,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    bytes.extend_from_slice(DOMAIN.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(ledger.digest().as_bytes());
    bytes.push(match step {
        ConsensusStep::Propose => 0,
        ConsensusStep::Prevote => 1,
        ConsensusStep::Precommit => 2,
    });
    bytes.extend_from_slice(&height.0.to_be_bytes());
    // A vote always has a round. One without could not be told from round 0.
    bytes.extend_from_slice(&round.as_u32().unwrap_or(u32::MAX).to_be_bytes());
    match value {
        None => bytes.push(0),
        Some(id) => {
            bytes.push(1);
            bytes.extend_from_slice(id.0.as_bytes());
        }
    }
    match earlier.map(|round| round.as_u32()) {
        None => {}
        Some(None) => bytes.push(0),
        Some(Some(round)) => {
            bytes.push(1);
            bytes.extend_from_slice(&round.to_be_bytes());
        }
    }
    bytes.extend_from_slice(node.0.digest().as_bytes());
    bytes
}
