//! What honest nodes do: think, vote once, close, execute, pass on, accuse.

use super::Broken;
use super::byzantine::Behaviour;
use super::clock::micros;
use super::random::Random;
use super::world::{Happening, Origin, World};
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::command::Command;
use crate::governance::evidence::Equivocation;
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::label::Prose;
use crate::governance::proposal::Withdrawal;
use crate::governance::state::State;
use crate::governance::state::proposal::Status;
use crate::governance::statement::Signed;
use crate::governance::tally::Standing;

/// Something that a node means to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Vote on a proposal.
    Vote(ProposalId),
    /// Close a proposal whose deadline has come; the number counts attempts.
    Close(ProposalId, u32),
    /// Execute a decision whose timelock is over; the number counts attempts.
    Execute(ProposalId, u32),
    /// Submit evidence against a node.
    Accuse(NodeId, ProposalId),
    /// Compare the signed heads of a node; the number counts attempts.
    Compare(NodeId, u32),
    /// Withdraw one's own proposal.
    Withdraw(ProposalId),
}

/// The longest pause between two attempts to close or execute, in microseconds.
const LONGEST_PAUSE: u64 = 3_600_000_000;

/// How often a node tries to close or execute something: for more than a month, which is longer than
/// any clock of a random scenario is wrong and any freeze lasts. Nothing said is ever lost for good.
const MOST_ATTEMPTS: u32 = 1000;

fn pause(attempt: u32) -> u64 {
    (30_000_000_u64 << attempt.min(10)).min(LONGEST_PAUSE)
}

impl World<'_> {
    /// Plans what a node has to do about everything that is open, as after a restart.
    pub(super) fn plan_all(&mut self, place: usize) {
        let Some(state) = self.state_of(place) else {
            return;
        };
        let voting: Vec<ProposalId> = state.proposals().undecided().map(|one| one.id()).collect();
        let waiting: Vec<ProposalId> = state.proposals().unfinished().map(|one| one.id()).collect();
        for proposal in voting {
            self.plan_vote(place, proposal);
        }
        for proposal in waiting {
            self.plan_execution(place, proposal);
        }
        // An accusation that was due while the node was down is not forgotten.
        self.reconsider(place, |_, _| true);
    }

    /// Plans to vote on a proposal and to close it.
    pub(super) fn plan_vote(&mut self, place: usize, proposal: ProposalId) {
        let (least, most) = (
            self.scenario.thinking_min_seconds * 1_000_000,
            self.scenario.thinking_max_seconds * 1_000_000,
        );
        let Some(deadline) = self.state_of(place).and_then(|state| {
            let open = state.proposals().get(proposal)?;
            Some(open.deadline())
        }) else {
            return;
        };
        let now = self.now;
        let replica = &mut self.replicas[place];
        let thinking = replica.random.between(least, most);
        let closing = replica.clock.until(now, deadline) + replica.random.below(10_000_000);
        self.wake(place, thinking, Task::Vote(proposal));
        self.wake(place, closing, Task::Close(proposal, 0));
    }

    /// Plans to execute a decision that waits.
    pub(super) fn plan_execution(&mut self, place: usize, proposal: ProposalId) {
        let Some(eta) = self.state_of(place).and_then(|state| {
            let open = state.proposals().get(proposal)?;
            Some(state.execution_window(open, state.clock())?.0)
        }) else {
            return;
        };
        let now = self.now;
        let replica = &mut self.replicas[place];
        let after = replica.clock.until(now, eta) + replica.random.below(10_000_000);
        self.wake(place, after, Task::Execute(proposal, 0));
    }

    /// Does what a node meant to do, if there is still reason to.
    pub(super) fn awake(&mut self, place: usize, task: Task) -> Result<(), Broken> {
        let Some(state) = self.state_of(place) else {
            return Ok(());
        };
        let status = |proposal: ProposalId| Some(state.proposals().get(proposal)?.status());
        match task {
            Task::Vote(proposal) => {
                self.vote(place, proposal)?;
                self.take_offered_key(place, proposal)?;
            }
            Task::Close(_, MOST_ATTEMPTS) | Task::Execute(_, MOST_ATTEMPTS) => {}
            Task::Close(proposal, attempt) if status(proposal) == Some(Status::Voting) => {
                self.say(place, Origin::Honest, Command::Close(proposal));
                self.wake(place, pause(attempt), Task::Close(proposal, attempt + 1));
            }
            Task::Execute(proposal, attempt) if status(proposal) == Some(Status::Queued) => {
                self.say(place, Origin::Honest, Command::Execute(proposal));
                self.wake(place, pause(attempt), Task::Execute(proposal, attempt + 1));
            }
            Task::Accuse(node, proposal) if state.evidence_against(node, proposal).is_none() => {
                if let Some(evidence) = self.contradiction(place, node, proposal) {
                    self.say(place, Origin::Honest, Command::SubmitEvidence(evidence));
                }
            }
            Task::Compare(node, attempt) => self.compare(place, node, attempt),
            Task::Withdraw(proposal) if status(proposal) == Some(Status::Voting) => {
                self.withdraw(place, proposal)?;
            }
            Task::Close(..) | Task::Execute(..) | Task::Accuse(..) | Task::Withdraw(_) => {}
        }
        Ok(())
    }

    /// Votes, with the one ballot that the journal holds or will hold for ever.
    fn vote(&mut self, place: usize, proposal: ProposalId) -> Result<(), Broken> {
        let decision = self.opinion(place, proposal);
        let now = self.now;
        let Some(ballot) = self.ballot(place, proposal, decision) else {
            return Ok(());
        };
        let replica = &mut self.replicas[place];
        let ballot = Ballot {
            cast_at: replica.clock.reads(now),
            ..ballot
        };
        let signed = match replica.journal.get(&proposal) {
            // Under another key, where the node has changed it since; what it says stays the same.
            Some(signed) if !signed.is_signed_by(replica.signer.key(), self.verifier.as_ref()) => {
                replica.signer.sign(signed.content().clone())?
            }
            Some(signed) => signed.clone(),
            None => replica.signer.sign(ballot)?,
        };
        replica.journal.insert(proposal, signed.clone());
        self.elsewhere(place, &signed)?;
        self.say(place, Origin::Honest, Command::Vote(signed));
        Ok(())
    }

    /// Withdraws a proposal of its own.
    fn withdraw(&mut self, place: usize, proposal: ProposalId) -> Result<(), Broken> {
        let Some((ledger, hash)) = self.state_of(place).and_then(|state| {
            let open = state.proposals().get(proposal)?;
            Some((state.ledger(), *open.hash()))
        }) else {
            return Ok(());
        };
        let replica = &self.replicas[place];
        let withdrawal = replica.signer.sign(Withdrawal {
            ledger,
            proposal_hash: hash,
            proposal_id: proposal,
            proposer: replica.signer.node(),
            withdrawn_at: replica.clock.reads(self.now),
        })?;
        self.say(place, Origin::Honest, Command::Withdraw(withdrawal));
        Ok(())
    }

    /// The ballot that a node would cast; `None` where it may not, or does not want to.
    fn ballot(
        &mut self,
        place: usize,
        proposal: ProposalId,
        decision: Option<Decision>,
    ) -> Option<Ballot> {
        let decision = decision?;
        let voter = self.replicas[place].signer.node();
        let state = self.state_of(place)?;
        let open = state.proposals().get(proposal)?;
        let free = open.member(voter)?.standing() == Standing::Uncast;
        let (ledger, hash) = (state.ledger(), *open.hash());
        if open.status() != Status::Voting || !free {
            return None;
        }
        Some(Ballot {
            cast_at: state.clock(),
            decision,
            ledger,
            proposal_hash: hash,
            proposal_id: proposal,
            rationale: Prose::default(),
            vote_id: VoteId::from_uuid(self.replicas[place].random.uuid()),
            voter,
        })
    }

    /// What a node thinks of a proposal: always the same, however often it is asked.
    fn opinion(&self, place: usize, proposal: ProposalId) -> Option<Decision> {
        let Some((round, opinion)) = self.opinions.get(&proposal) else {
            // Nobody honest proposed it.
            return Some(Decision::Reject);
        };
        let drawn = Random::new(self.seed, &format!("opinion of {place}"), *round).below(100);
        if drawn < opinion.approve {
            Some(Decision::Approve)
        } else if drawn < opinion.approve + opinion.reject {
            Some(Decision::Reject)
        } else if drawn < opinion.approve + opinion.reject + opinion.abstain {
            Some(Decision::Abstain)
        } else {
            None
        }
    }

    /// A node gets a ballot from somebody and passes it on.
    pub(super) fn whispered(&mut self, place: usize, ballot: Signed<Ballot>, by: Behaviour) {
        if self.replicas[place].engine.is_none() {
            return;
        }
        self.hear(place, &ballot);
        self.say(place, Origin::Adversary(by), Command::Vote(ballot));
    }

    /// A node remembers a ballot, and plans an accusation where it contradicts another one.
    pub(super) fn hear(&mut self, place: usize, ballot: &Signed<Ballot>) {
        if self.replicas[place].byzantine {
            return;
        }
        self.checker.saw(ballot);
        let content = ballot.content();
        let key = (content.voter, content.proposal_id);
        let heard = self.replicas[place].heard.entry(key).or_default();
        if heard.contains(ballot) {
            return;
        }
        let contradicts = (heard.iter()).any(|other| other.content().decision != content.decision);
        heard.push(ballot.clone());
        if contradicts {
            self.plan_accusation(place, key.0, key.1);
        }
    }

    /// Plans to accuse, if what was heard is a contradiction, after a moment in which somebody else
    /// may be quicker.
    fn plan_accusation(&mut self, place: usize, node: NodeId, proposal: ProposalId) {
        if self.contradiction(place, node, proposal).is_some() {
            let after = self.replicas[place].random.below(30_000_000);
            self.wake(place, after, Task::Accuse(node, proposal));
        }
    }

    /// Looks again at what was heard of a node on a proposal, where it is about those that `concerns`
    /// picks: by now the proposal may be known, or the node's key another one.
    pub(super) fn reconsider(
        &mut self,
        place: usize,
        concerns: impl Fn(NodeId, ProposalId) -> bool,
    ) {
        let heard = self.replicas[place].heard.iter();
        let suspects: Vec<(NodeId, ProposalId)> = heard
            .filter(|((node, proposal), ballots)| ballots.len() > 1 && concerns(*node, *proposal))
            .map(|(about, _)| *about)
            .collect();
        for (node, proposal) in suspects {
            self.plan_accusation(place, node, proposal);
        }
    }

    /// Two contradictory ballots of a node that both verify, among those that were heard.
    fn contradiction(
        &self,
        place: usize,
        node: NodeId,
        proposal: ProposalId,
    ) -> Option<Equivocation> {
        let replica = &self.replicas[place];
        let state = replica.engine.as_ref()?.state();
        let open = state.proposals().get(proposal)?;
        let last = open.ended_seq().unwrap_or(u64::MAX);
        let registered = state.registry().get(node)?;
        let verifier = self.verifier.as_ref();
        let heard = replica.heard.get(&(node, proposal))?;
        let real = |ballot: &&Signed<Ballot>| {
            let content = ballot.content();
            let mut keys = registered.keys_held_between(open.seq(), last);
            content.ledger == state.ledger()
                && content.proposal_hash == *open.hash()
                && keys.any(|key| ballot.is_signed_by(key, verifier))
        };
        let first = heard.iter().find(real)?;
        let other =
            |ballot: &&Signed<Ballot>| ballot.content().decision != first.content().decision;
        let second = heard.iter().filter(real).find(other)?;
        Some(Equivocation {
            first: first.clone(),
            second: second.clone(),
        })
    }

    /// Now and then an honest node votes the same on another ledger of the same group, where an
    /// adversary may find the ballot.
    fn elsewhere(&mut self, place: usize, signed: &Signed<Ballot>) -> Result<(), Broken> {
        let has_replayer = self.has(Behaviour::Replayer);
        let replica = &mut self.replicas[place];
        if !has_replayer || !replica.random.percent(20) {
            return Ok(());
        }
        let mut ballot = signed.content().clone();
        ballot.ledger = super::byzantine::another_ledger();
        let signed = replica.signer.sign(ballot)?;
        self.elsewhere.push(std::sync::Arc::new(signed));
        Ok(())
    }

    /// The state of a node that is up.
    pub(super) fn state_of(&self, place: usize) -> Option<&State> {
        let engine = self.replicas.get(place)?.engine.as_ref()?;
        Some(engine.state())
    }

    pub(super) fn wake(&mut self, place: usize, after: u64, task: Task) {
        let at = self.now.saturating_add(after);
        self.schedule(at, Happening::Wake(place, task));
    }

    /// How long a proposal took, in milliseconds.
    pub(super) fn duration_ms(
        from: crate::governance::time::Timestamp,
        to: crate::governance::time::Timestamp,
    ) -> u64 {
        micros(to).saturating_sub(micros(from)) / 1000
    }
}
