//! Adversaries: one file each.
//!
//! An adversary sees what its node's replica decides and everything that is said, and does *deeds*:
//! it hands commands to the order, whispers ballots to single nodes, or writes into the ledger of a
//! node that is down. It never touches an engine. Several behaviours of one node add up; where none
//! of them takes the node's vote over, the node votes like an honest one.
//!
//! A further adversary is a variant of [`Behaviour`] and a file beside these.

mod ballot_forger;
mod bloc;
mod checkpoint_liar;
mod consequence_forger;
mod equivocator;
mod flip_flopper;
mod joiner;
mod late_voter;
mod outsider;
mod replayer;
mod spammer;
mod split_equivocator;
mod withholder;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Broken;
use super::heads::ToldHead;
use super::random::Random;
use super::scenario::Trigger;
use super::signer::{Signatures, Signer};
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::command::Command;
use crate::governance::id::{LedgerId, NodeId, ProposalId, VoteId};
use crate::governance::label::Prose;
use crate::governance::proposal::{Action, Proposal};
use crate::governance::state::State;
use crate::governance::state::proposal::ProposalState;
use crate::governance::statement::Signed;
use crate::governance::time::Timestamp;

pub(super) use consequence_forger::forge as forge_consequences;

/// What an adversary does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// Signs two contradictory ballots and gives both to everybody.
    Equivocator,
    /// Signs two contradictory ballots and gives each to another honest node only.
    SplitEquivocator,
    /// Makes up ballots of honest nodes, and changes those that they signed.
    BallotForger,
    /// Repeats honest nodes' statements: as they are, on other proposals, from another ledger.
    Replayer,
    /// Never votes.
    Withholder,
    /// Votes after the deadline, and with a date before it.
    LateVoter,
    /// Changes its mind again and again.
    FlipFlopper,
    /// Votes with its like against what honest nodes want, and proposes the same.
    ColludingBloc,
    /// Is no node at all, and votes, proposes and accuses.
    Outsider,
    /// Writes a consensus that nobody reached into the ledger of a node that is down.
    ConsequenceForger,
    /// Says very much, most of it nonsense.
    Spammer,
    /// Proposes to admit nodes that are all its own, and votes with them.
    SplittingJoiner,
    /// Signs checkpoints that contradict each other, and gives them to different honest nodes.
    CheckpointLiar,
}

impl Behaviour {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Equivocator,
        Self::SplitEquivocator,
        Self::BallotForger,
        Self::Replayer,
        Self::Withholder,
        Self::LateVoter,
        Self::FlipFlopper,
        Self::ColludingBloc,
        Self::Outsider,
        Self::ConsequenceForger,
        Self::Spammer,
        Self::SplittingJoiner,
        Self::CheckpointLiar,
    ];

    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equivocator => "equivocator",
            Self::SplitEquivocator => "split-equivocator",
            Self::BallotForger => "ballot-forger",
            Self::Replayer => "replayer",
            Self::Withholder => "withholder",
            Self::LateVoter => "late-voter",
            Self::FlipFlopper => "flip-flopper",
            Self::ColludingBloc => "colluding-bloc",
            Self::Outsider => "outsider",
            Self::ConsequenceForger => "consequence-forger",
            Self::Spammer => "spammer",
            Self::SplittingJoiner => "splitting-joiner",
            Self::CheckpointLiar => "checkpoint-liar",
        }
    }

    /// Whether nobody in the group does it, so that it holds no weight.
    #[must_use]
    pub const fn is_outside(self) -> bool {
        matches!(self, Self::Outsider | Self::ConsequenceForger)
    }

    /// Whether whoever behaves so does not vote like an honest node.
    pub(crate) const fn takes_vote_over(self) -> bool {
        matches!(
            self,
            Self::Equivocator
                | Self::SplitEquivocator
                | Self::Withholder
                | Self::LateVoter
                | Self::FlipFlopper
                | Self::ColludingBloc
                | Self::SplittingJoiner
        )
    }

    fn act(self, occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
        match self {
            Self::Equivocator => equivocator::act(occasion, acting),
            Self::SplitEquivocator => split_equivocator::act(occasion, acting),
            Self::BallotForger => ballot_forger::act(occasion, acting),
            Self::Replayer => replayer::act(occasion, acting),
            Self::Withholder => withholder::act(occasion, acting),
            Self::LateVoter => late_voter::act(occasion, acting),
            Self::FlipFlopper => flip_flopper::act(occasion, acting),
            Self::ColludingBloc => bloc::act(occasion, acting),
            Self::Outsider => outsider::act(occasion, acting),
            Self::ConsequenceForger => consequence_forger::act(occasion, acting),
            Self::Spammer => spammer::act(occasion, acting),
            Self::SplittingJoiner => joiner::act(occasion, acting),
            Self::CheckpointLiar => checkpoint_liar::act(occasion, acting),
        }
    }
}

impl fmt::Display for Behaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an adversary may react to.
#[derive(Clone, Copy)]
pub(crate) enum Occasion<'a> {
    /// A round begins.
    Round,
    /// A proposal was opened.
    Opened(&'a ProposalState),
    /// Somebody's ballot was recorded.
    Voted(&'a Signed<Ballot>),
    /// A node went down.
    Down(usize),
    /// The state was put under the chain, and nodes sign how far it has come.
    Checkpoint,
}

/// Something that an adversary does, and after how many microseconds.
pub(crate) struct Deed {
    pub(crate) after: u64,
    pub(crate) what: What,
}

/// What an adversary does.
pub(crate) enum What {
    /// It hands a command to the order.
    Say(Box<Command>),
    /// It gives a ballot to one node.
    Whisper(usize, Box<Signed<Ballot>>),
    /// It gives a signed head to one node.
    Tell(usize, Arc<ToldHead>),
    /// It appends a forged batch to the ledger of a node that is down.
    Forge(usize),
}

/// What an adversary knows while it acts, and what it does.
pub(crate) struct Acting<'a> {
    /// The right time, which it knows.
    pub(crate) now: Timestamp,
    /// The seed of the run, for keys that it makes up.
    pub(crate) seed: u64,
    pub(crate) signatures: Signatures,
    /// Its own key; an outsider's is registered nowhere.
    pub(crate) signer: &'a Signer,
    /// What its node's replica holds.
    pub(crate) state: &'a State,
    /// The ledger that its node's replica holds.
    pub(crate) bytes: &'a [u8],
    /// What was said so far, lately.
    pub(crate) overheard: &'a [Arc<Signed<Ballot>>],
    /// Ballots that honest nodes signed for another ledger of the same group.
    pub(crate) elsewhere: &'a [Arc<Signed<Ballot>>],
    /// The places and ids of the honest nodes.
    pub(crate) honest: &'a [(usize, NodeId)],
    /// Whether honest nodes want a proposal to pass, where they are of one mind.
    pub(crate) wanted: &'a dyn Fn(ProposalId) -> Option<bool>,
    pub(crate) random: &'a mut Random,
    pub(crate) deeds: Vec<Deed>,
}

impl Acting<'_> {
    /// Hands a command to the order after a while.
    pub(crate) fn say(&mut self, after: u64, command: Command) {
        let what = What::Say(Box::new(command));
        self.deeds.push(Deed { after, what });
    }

    /// A while: up to `seconds`, in microseconds.
    pub(crate) fn while_of(&mut self, seconds: u64) -> u64 {
        self.random.below(seconds.saturating_mul(1_000_000))
    }

    /// The places of two honest nodes, the same one twice where there is no other; `None` where there
    /// is none at all.
    pub(crate) fn two_honest(&mut self) -> Option<[usize; 2]> {
        let count = self.honest.len() as u64;
        if count == 0 {
            return None;
        }
        let one = self.random.below(count);
        let other = (one + 1 + self.random.below(count - 1)) % count;
        let place = |of: u64| self.honest.get(usize::try_from(of).ok()?).map(|it| it.0);
        Some([place(one)?, place(other)?])
    }

    /// Does something within a minute; sometimes only long after a decision.
    pub(crate) fn soon_or_late(&mut self, what: What) {
        let patience = if self.random.percent(20) { 172_800 } else { 60 };
        let after = self.while_of(patience);
        self.deeds.push(Deed { after, what });
    }

    pub(crate) fn vote_id(&mut self) -> VoteId {
        VoteId::from_uuid(self.random.uuid())
    }

    /// A ballot on a proposal, in anybody's name, yet to be signed.
    pub(crate) fn ballot(
        &mut self,
        voter: NodeId,
        proposal: &ProposalState,
        decision: Decision,
    ) -> Ballot {
        Ballot {
            cast_at: self.now,
            decision,
            ledger: self.state.ledger(),
            proposal_hash: *proposal.hash(),
            proposal_id: proposal.id(),
            rationale: Prose::default(),
            vote_id: self.vote_id(),
            voter,
        }
    }

    /// A ballot of its own.
    pub(crate) fn own_ballot(
        &mut self,
        proposal: &ProposalState,
        decision: Decision,
    ) -> Result<Signed<Ballot>, Broken> {
        let ballot = self.ballot(self.signer.node(), proposal, decision);
        self.signer.sign(ballot)
    }

    /// A proposal of its own.
    pub(crate) fn proposal(&mut self, action: Action) -> Result<Signed<Proposal>, Broken> {
        let title = action.kind().name().parse().map_err(Broken::new)?;
        self.signer.sign(Proposal {
            action,
            created_at: self.now,
            description: Prose::default(),
            ledger: self.state.ledger(),
            parameters: serde_json::Map::new(),
            proposal_id: ProposalId::from_uuid(self.random.uuid()),
            proposer: self.signer.node(),
            title,
        })
    }

    /// What this node would say to harm: the opposite of what honest nodes want. Where that is not
    /// known, it is for everything.
    pub(crate) fn harmful(&self, proposal: ProposalId) -> Decision {
        match (self.wanted)(proposal) {
            Some(true) => Decision::Reject,
            _ => Decision::Approve,
        }
    }

    /// Whether its node may vote on a proposal.
    pub(crate) fn may_vote(&self, proposal: &ProposalState) -> bool {
        proposal.member(self.signer.node()).is_some()
    }
}

/// The id of no ledger that there is.
pub(crate) fn another_ledger() -> LedgerId {
    LedgerId::of_founding("another ledger")
}

/// Somebody with behaviours: a Byzantine node, or somebody outside.
pub(crate) struct Actor {
    /// The place of its node; `None` outside.
    pub(crate) place: Option<usize>,
    pub(crate) signer: Signer,
    pub(crate) behaviours: Vec<(Behaviour, Trigger)>,
    pub(crate) random: Random,
}

impl Actor {
    /// The behaviours that a round triggers.
    pub(crate) fn triggered(&self, seed: u64, round: u64) -> Vec<Behaviour> {
        let fires = |index: usize, trigger: &Trigger| match trigger {
            Trigger::Never => false,
            Trigger::Always => true,
            Trigger::Rounds(rounds) => rounds.contains(&round),
            Trigger::Percent(percent) => {
                let place = self.place.map_or(u64::MAX, |place| place as u64);
                let name = format!("trigger {index} of {place}");
                Random::new(seed, &name, round).percent(*percent)
            }
        };
        let all = self.behaviours.iter().enumerate();
        all.filter(|(index, (_, trigger))| fires(*index, trigger))
            .map(|(_, (behaviour, _))| *behaviour)
            .collect()
    }
}

/// Lets one behaviour react.
pub(crate) fn react(
    behaviour: Behaviour,
    occasion: &Occasion<'_>,
    mut acting: Acting<'_>,
) -> Result<Vec<Deed>, Broken> {
    behaviour.act(occasion, &mut acting)?;
    Ok(acting.deeds)
}
