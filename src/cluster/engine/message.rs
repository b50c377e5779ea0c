//! The engine's messages as what a node signs: the rules define the bytes
//! ([`consensus`](crate::governance::consensus)), and know two that contradict each other as evidence.
//!
//! The engine's own messages name no ledger: without it, a vote in one cluster would be good in
//! another that has the same node.

use arc_malachitebft_app_channel::app::consensus::MisbehaviorEvidence;
use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round, SignedMessage, VoteType};

use super::types::{Althing, Proposal, ValueId, Vote};
use crate::governance::consensus::{
    ConsensusChoice, ConsensusEquivocation, ConsensusPlace, ConsensusStep, SignedChoice,
};
use crate::governance::id::LedgerId;
use crate::governance::key::Signature;

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
    place_of_vote(ledger, vote).message(&choice_of_vote(vote))
}

/// What a proposal's signature covers.
#[must_use]
pub fn of_proposal(ledger: LedgerId, proposal: &Proposal) -> Vec<u8> {
    place_of_proposal(ledger, proposal).message(&choice_of_proposal(proposal))
}

// A vote always has a round. One without could not be told from the last.
fn number(round: Round) -> u32 {
    round.as_u32().unwrap_or(u32::MAX)
}

fn place_of_vote(ledger: LedgerId, vote: &Vote) -> ConsensusPlace {
    ConsensusPlace {
        height: vote.height.0,
        ledger,
        node: vote.voter.0,
        round: number(vote.round),
        step: step_of(vote.kind),
    }
}

fn choice_of_vote(vote: &Vote) -> ConsensusChoice {
    ConsensusChoice {
        earlier_round: None,
        value: match &vote.value {
            NilOrVal::Nil => None,
            NilOrVal::Val(ValueId(digest)) => Some(*digest),
        },
    }
}

fn place_of_proposal(ledger: LedgerId, proposal: &Proposal) -> ConsensusPlace {
    ConsensusPlace {
        height: proposal.height.0,
        ledger,
        node: proposal.proposer.0,
        round: number(proposal.round),
        step: ConsensusStep::Propose,
    }
}

fn choice_of_proposal(proposal: &Proposal) -> ConsensusChoice {
    ConsensusChoice {
        earlier_round: proposal.pol_round.as_u32(),
        value: Some(proposal.value.0),
    }
}

/// What the engine reports, as evidence that anyone can check.
#[must_use]
pub fn equivocations(
    ledger: LedgerId,
    reported: &MisbehaviorEvidence<Althing>,
) -> Vec<ConsensusEquivocation> {
    let votes = (reported.votes.iter())
        .flat_map(|(_, pairs)| pairs)
        .filter_map(|(first, second)| of_votes(ledger, first, second));
    let proposals = (reported.proposals.iter())
        .flat_map(|(_, pairs)| pairs)
        .filter_map(|(first, second)| of_proposals(ledger, first, second));
    votes.chain(proposals).collect()
}

/// Two votes as evidence, if they contradict each other.
#[must_use]
pub fn of_votes(
    ledger: LedgerId,
    first: &SignedMessage<Althing, Vote>,
    second: &SignedMessage<Althing, Vote>,
) -> Option<ConsensusEquivocation> {
    let said = |signed: &SignedMessage<Althing, Vote>| {
        let (vote, signature) = (&signed.message, signed.signature.clone());
        (
            place_of_vote(ledger, vote),
            signed_choice(choice_of_vote(vote), signature),
        )
    };
    equivocation(said(first), said(second))
}

/// Two proposals as evidence, if they contradict each other.
#[must_use]
pub fn of_proposals(
    ledger: LedgerId,
    first: &SignedMessage<Althing, Proposal>,
    second: &SignedMessage<Althing, Proposal>,
) -> Option<ConsensusEquivocation> {
    let said = |signed: &SignedMessage<Althing, Proposal>| {
        let (proposal, signature) = (&signed.message, signed.signature.clone());
        (
            place_of_proposal(ledger, proposal),
            signed_choice(choice_of_proposal(proposal), signature),
        )
    };
    equivocation(said(first), said(second))
}

fn signed_choice(choice: ConsensusChoice, signature: Signature) -> SignedChoice {
    SignedChoice {
        earlier_round: choice.earlier_round,
        signature,
        value: choice.value,
    }
}

fn equivocation(
    (place, first): (ConsensusPlace, SignedChoice),
    (other, second): (ConsensusPlace, SignedChoice),
) -> Option<ConsensusEquivocation> {
    let found = ConsensusEquivocation {
        first,
        height: place.height,
        ledger: place.ledger,
        node: place.node,
        round: place.round,
        second,
        step: place.step,
    };
    (place == other && found.is_contradiction()).then(|| found.ordered())
}
