//! The engine's messages as what a node signs: the rules define the bytes
//! ([`consensus`](crate::governance::consensus)), and know two that contradict each other as evidence.
//!
//! The engine's own messages name no ledger: without it, a vote in one cluster would be good in
//! another that has the same node.

use arc_malachitebft_app_channel::app::consensus::{MisbehaviorEvidence, SignedConsensusMsg};
use arc_malachitebft_app_channel::app::types::core::{NilOrVal, Round, SignedMessage, VoteType};

use super::types::{Althing, Heard, Proposal, ValueId, Vote};
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

/// A vote as it is kept and compared.
#[must_use]
pub fn heard_vote(ledger: LedgerId, signed: &SignedMessage<Althing, Vote>) -> Heard {
    let said = signed_choice(choice_of_vote(&signed.message), &signed.signature);
    let place = place_of_vote(ledger, &signed.message);
    Heard { place, said }
}

/// A proposal as it is kept and compared.
#[must_use]
pub fn heard_proposal(ledger: LedgerId, proposal: &Proposal, signature: &Signature) -> Heard {
    let said = signed_choice(choice_of_proposal(proposal), signature);
    let place = place_of_proposal(ledger, proposal);
    Heard { place, said }
}

/// What the engine has received, as it is kept and compared.
#[must_use]
pub fn heard(ledger: LedgerId, message: &SignedConsensusMsg<Althing>) -> Heard {
    match message {
        SignedConsensusMsg::Vote(vote) => heard_vote(ledger, vote),
        SignedConsensusMsg::Proposal(signed) => {
            heard_proposal(ledger, &signed.message, &signed.signature)
        }
    }
}

/// What the engine reports, as evidence that anyone can check.
#[must_use]
pub fn equivocations(
    ledger: LedgerId,
    reported: &MisbehaviorEvidence<Althing>,
) -> Vec<ConsensusEquivocation> {
    let votes = (reported.votes.iter()).flat_map(|(_, pairs)| pairs);
    let votes = votes.map(|(one, other)| [heard_vote(ledger, one), heard_vote(ledger, other)]);
    let proposals = (reported.proposals.iter()).flat_map(|(_, pairs)| pairs);
    let proposals = proposals.map(|(one, other)| {
        [one, other].map(|it| heard_proposal(ledger, &it.message, &it.signature))
    });
    let pairs = votes.chain(proposals);
    let found = pairs.filter(|[one, other]| one.place == other.place);
    found
        .map(|[one, other]| ConsensusEquivocation::new(one.place, one.said, other.said))
        .filter(ConsensusEquivocation::is_contradiction)
        .collect()
}

fn signed_choice(choice: ConsensusChoice, signature: &Signature) -> SignedChoice {
    SignedChoice {
        earlier_round: choice.earlier_round,
        signature: signature.clone(),
        value: choice.value,
    }
}
