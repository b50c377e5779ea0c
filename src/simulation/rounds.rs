//! Rounds: what is proposed, and what became of it.

use super::Broken;
use super::agent::Task;
use super::byzantine::Behaviour;
use super::checker::Invariant;
use super::engine::{Engine, Workshop};
use super::report::{RoundReport, RunReport, TimelinePoint, Violation};
use super::scenario::{Opinion, ProposalPlan, Scenario};
use super::world::{Origin, World};
use crate::governance::command::Command;
use crate::governance::event::Event;
use crate::governance::id::ProposalId;
use crate::governance::kind::ProposalKind;
use crate::governance::label::Prose;
use crate::governance::proposal::Proposal;
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};

/// A round: what was proposed.
pub(super) struct Round {
    number: u64,
    kind: ProposalKind,
    opinion: Opinion,
    /// `None` where nobody was there to propose.
    proposal: Option<ProposalId>,
}

/// Runs a scenario with engines from a workshop.
pub(super) fn run(
    scenario: &Scenario,
    workshop: &dyn Workshop,
    replays: bool,
) -> Result<RunReport, Broken> {
    let mut world = World::new(scenario, workshop, replays)?;
    let violation = world.run()?;
    Ok(world.report(violation))
}

impl World<'_> {
    /// Lets somebody propose what the scenario says for a round.
    pub(super) fn open_round(&mut self, number: u64) -> Result<(), Broken> {
        let plans = self.scenario.proposals.len() as u64;
        let index = usize::try_from((number - 1) % plans).unwrap_or(0);
        let plan = &self.scenario.proposals[index];
        let mut round = Round {
            number,
            kind: plan.kind,
            opinion: plan.honest,
            proposal: None,
        };
        if let Some(place) = self.proposer(number, plan) {
            let id = ProposalId::from_uuid(self.ids.uuid());
            let action = self.action(number, plan, place)?;
            let replica = &self.replicas[place];
            let ledger = match self.state_of(place) {
                Some(state) => state.ledger(),
                None => return Ok(()),
            };
            let signed = replica.signer.sign(Proposal {
                created_at: replica.clock.reads(self.now),
                description: Prose::default(),
                ledger,
                parameters: serde_json::Map::new(),
                proposal_id: id,
                proposer: replica.signer.node(),
                title: action.kind().name().parse().map_err(Broken::new)?,
                action,
            })?;
            round.proposal = Some(id);
            self.opinions.insert(id, (number, plan.honest));
            self.say(place, Origin::Honest, Command::Propose(signed));
            if let Some(seconds) = plan.withdraw_seconds {
                self.wake(place, seconds * 1_000_000, Task::Withdraw(id));
            }
        }
        self.rounds.push(round);
        self.predict(number)
    }

    /// Who proposes: the named node, or the founders in turn, whoever is there and may.
    fn proposer(&self, number: u64, plan: &ProposalPlan) -> Option<usize> {
        let count = self.members.len();
        let turn = usize::try_from(number - 1).unwrap_or(0);
        let named = self
            .members
            .iter()
            .position(|member| plan.proposer.as_ref() == Some(&member.name));
        let in_turn = (0..count).map(|step| (turn + step) % count);
        named.into_iter().chain(in_turn).find(|place| {
            let replica = &self.replicas[*place];
            let node = replica.signer.node();
            self.state_of(*place).is_some_and(|state| {
                let registered = state.registry().get(node);
                registered.is_some_and(crate::governance::state::registry::Node::is_active)
            })
        })
    }

    /// Notes the weights of a round's proposal after an event that moved them.
    pub(super) fn note_weights(&mut self, place: usize, event: &Event) {
        let about = match event {
            Event::ProposalCreated(created) => created.statement.content().proposal_id,
            Event::VoteCast(ballot) => ballot.content().proposal_id,
            Event::ByzantineDetected(detected) => detected.proposal_id,
            Event::ConsensusReached(consensus) => consensus.proposal_id,
            _ => return,
        };
        let Some((round, _)) = self.opinions.get(&about) else {
            return;
        };
        let point = self.state_of(place).and_then(|state| {
            let proposal = state.proposals().get(about)?;
            let tally = proposal.tally();
            Some(TimelinePoint {
                round: *round,
                ms: Self::duration_ms(proposal.opened_at(), state.clock()),
                approve: tally.approve(),
                reject: tally.reject(),
                abstain: tally.abstain(),
                byzantine: tally.byzantine(),
                total: tally.total(),
                decided: proposal.decided().is_some(),
            })
        });
        self.timeline.extend(point);
    }

    /// The honest replica with the longest ledger; any replica where nobody is honest.
    fn best(&self) -> Option<&dyn Engine> {
        let up = |place: &usize| self.replicas[*place].engine.as_deref();
        let honest = self.honest.iter().filter_map(|(place, _)| up(place));
        let longest = honest.max_by_key(|engine| engine.state().entries());
        longest.or_else(|| (0..self.replicas.len()).find_map(|place| up(&place)))
    }

    /// What the run amounts to.
    fn report(mut self, violation: Option<Violation>) -> RunReport {
        self.meet_the_rest();
        let (equivocators, equivocators_caught) = self.checker.equivocators();
        let founders = self.members.iter().enumerate();
        let weights = founders.filter(|(_, member)| member.founder);
        let (mut total_weight, mut byzantine_weight) = (0, 0);
        for (place, member) in weights {
            total_weight += member.weight.get();
            if self.replicas[place].byzantine {
                byzantine_weight += member.weight.get();
            }
        }
        let state = self.best().map(Engine::state);
        let (harmful_proposals, harmful_passed) = self.harmful(state);
        let rounds: Vec<RoundReport> = (self.rounds.iter())
            .map(|round| round_report(round, state))
            .collect();
        RunReport {
            scenario: self.scenario.name.clone(),
            seed: self.seed,
            signatures: self.scenario.signatures.name(),
            policy: self.scenario.policy.label(),
            nodes: self.members.len(),
            total_weight,
            byzantine_weight,
            rounds,
            harmful_proposals,
            harmful_passed,
            equivocators,
            equivocators_caught,
            commands: self.order.len() as u64,
            entries: state.map_or(0, State::entries),
            head: self
                .best()
                .map_or_else(String::new, |engine| engine.head().hash.to_string()),
            state_hash: state.map_or_else(String::new, |state| state.hash().to_string()),
            refusals: self.refusals,
            adversaries: self.adversaries,
            traffic: self.network.traffic,
            restarts: self.restarts,
            torn_tails: self.torn_tails,
            steps: self.steps,
            simulated_seconds: self.now / 1_000_000,
            met: self.met,
            violation,
            timeline: self.timeline,
        }
    }

    /// Proposals that adversaries opened, and how many of them passed.
    fn harmful(&self, state: Option<&State>) -> (u64, u64) {
        let all = state.into_iter().flat_map(|state| state.proposals().iter());
        let harmful = all.filter(|proposal| !self.opinions.contains_key(&proposal.id()));
        harmful.fold((0, 0), |(made, passed), proposal| {
            (made + 1, passed + u64::from(has_passed(proposal)))
        })
    }

    /// What is only known at the end of what a run should sometimes meet.
    fn meet_the_rest(&mut self) {
        let traffic = self.network.traffic;
        let counts = [
            ("network: lost", traffic.lost),
            ("network: cut", traffic.cut),
            ("network: duplicated", traffic.duplicated),
            ("node: restarted", self.restarts),
            ("node: torn tail", self.torn_tails),
        ];
        for (what, count) in counts {
            if count > 0 {
                self.met.insert(what.to_owned(), count);
            }
        }
        for invariant in Invariant::ALL {
            if let Some(count) = self.checker.exercised.get(&invariant) {
                self.met.insert(format!("checked: {invariant}"), *count);
            }
        }
        for (behaviour, outcomes) in &self.adversaries {
            for (outcome, count) in outcomes {
                self.met.insert(format!("{behaviour}: {outcome}"), *count);
            }
        }
        if self.has(Behaviour::Withholder) && !self.rounds.is_empty() {
            self.meet("withholder: withheld");
        }
        let ends: Vec<(Status, ProposalKind)> = self
            .best()
            .map(|engine| engine.state().proposals().iter())
            .into_iter()
            .flatten()
            .map(|proposal| (proposal.status(), proposal.kind()))
            .collect();
        for (status, kind) in ends {
            self.meet(&format!("proposal: {}", status.name()));
            if status == Status::Executed {
                self.meet(&format!("executed: {kind}"));
            }
        }
    }
}

fn has_passed(proposal: &ProposalState) -> bool {
    let lost = matches!(
        proposal.status(),
        Status::Rejected | Status::Expired | Status::Overturned
    );
    proposal.decided().is_some() && !lost
}

fn round_report(round: &Round, state: Option<&State>) -> RoundReport {
    let wanted = round.opinion.wants();
    let opened = round
        .proposal
        .and_then(|proposal| state?.proposals().get(proposal));
    let mut report = RoundReport {
        round: round.number,
        kind: round.kind.name(),
        wanted,
        outcome: "not-opened".to_owned(),
        right: None,
        decision_ms: None,
        approve_weight: 0,
        reject_weight: 0,
        abstain_weight: 0,
        byzantine_weight: 0,
        total_weight: 0,
    };
    let Some(proposal) = opened else {
        return report;
    };
    let tally = proposal.tally();
    report.outcome = proposal.status().name().to_owned();
    report.right = match (wanted, proposal.status()) {
        (Some(wanted), Status::Rejected) => Some(!wanted),
        (Some(wanted), _) if has_passed(proposal) => Some(wanted),
        _ => None,
    };
    report.decision_ms =
        (proposal.decided()).map(|decided| World::duration_ms(proposal.opened_at(), decided.at));
    report.approve_weight = tally.approve();
    report.reject_weight = tally.reject();
    report.abstain_weight = tally.abstain();
    report.byzantine_weight = tally.byzantine();
    report.total_weight = tally.total();
    report
}
