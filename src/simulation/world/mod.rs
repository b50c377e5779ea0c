//! The simulator: one queue of happenings, one thread, one clock.

pub(in crate::simulation) mod adversaries;
mod failures;
mod founding;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::governance::ballot::Ballot;
use crate::governance::command::Command;
use crate::governance::event::{Event, Recorded};
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::key::SignatureVerifier;
use crate::governance::statement::Signed;
use crate::node::NodeError;
use crate::simulation::Broken;
use crate::simulation::agent::Task;
use crate::simulation::byzantine::{Actor, Behaviour};
use crate::simulation::checker::{Checker, Fault, Invariant};
use crate::simulation::clock::{Clock, instant};
use crate::simulation::engine::{Engine, Workshop};
use crate::simulation::heads::ToldHead;
use crate::simulation::network::{Network, SEQUENCER};
use crate::simulation::random::Random;
use crate::simulation::replica::Replica;
use crate::simulation::report::{TimelinePoint, Violation};
use crate::simulation::rounds::Round;
use crate::simulation::scenario::{Member, Opinion, Scenario};
use crate::simulation::signer::Signer;
use adversaries::{Cue, actors};
use founding::genesis;

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::simulation) enum Origin {
    /// An honest node, or a Byzantine one that voted like one.
    Honest,
    /// An adversary.
    Adversary(Behaviour),
}

/// A command with its place in the order.
pub(in crate::simulation) struct Ordered {
    at: u64,
    command: Arc<Command>,
    origin: Origin,
}

/// Something that happens at some time.
pub(in crate::simulation) enum Happening {
    /// A round begins.
    Round(u64),
    /// A command reaches the sequencer.
    Arrival(Origin, Arc<Command>),
    /// An ordered command reaches a node.
    Delivery(usize, usize),
    /// A node gets to what it meant to do.
    Wake(usize, Task),
    /// A ballot reaches one node from an adversary.
    Whisper(usize, Arc<Signed<Ballot>>, Behaviour),
    /// A node goes down, perhaps in the middle of a write.
    Crash(usize, bool),
    /// A node starts again.
    Restart(usize),
    /// A node changes its own key.
    Rotate(usize),
    /// The state is to be put under the chain, by one of the nodes in turn.
    Checkpoint(u64),
    /// A node's signed head reaches another one.
    Told(usize, Arc<ToldHead>),
}

/// A run under way.
pub(in crate::simulation) struct World<'s> {
    pub(in crate::simulation) scenario: &'s Scenario,
    pub(in crate::simulation) seed: u64,
    pub(in crate::simulation) workshop: &'s dyn Workshop,
    pub(in crate::simulation) verifier: Box<dyn SignatureVerifier + Send + Sync>,
    pub(in crate::simulation) members: Vec<Member>,
    pub(in crate::simulation) now: u64,
    pub(in crate::simulation) steps: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
    pub(in crate::simulation) order: Vec<Ordered>,
    /// What became of each ordered command at the first honest replica that applied it.
    judged: usize,
    pub(in crate::simulation) replicas: Vec<Replica>,
    founding: Vec<u8>,
    pub(in crate::simulation) actors: Vec<Actor>,
    pub(in crate::simulation) round: u64,
    pub(in crate::simulation) rounds: Vec<Round>,
    /// The rounds of honest proposals, and what honest nodes think of them.
    pub(in crate::simulation) opinions: BTreeMap<ProposalId, (u64, Opinion)>,
    pub(in crate::simulation) network: Network,
    pub(in crate::simulation) checker: Checker,
    /// Keys that nodes have made besides their first ones.
    pub(in crate::simulation) keyring: Vec<Signer>,
    faults: Random,
    pub(in crate::simulation) ids: Random,
    overheard: Vec<Arc<Signed<Ballot>>>,
    pub(in crate::simulation) elsewhere: Vec<Arc<Signed<Ballot>>>,
    pub(in crate::simulation) honest: Vec<(usize, NodeId)>,
    pub(in crate::simulation) refusals: BTreeMap<String, u64>,
    pub(in crate::simulation) adversaries: BTreeMap<Behaviour, BTreeMap<String, u64>>,
    pub(in crate::simulation) met: BTreeMap<String, u64>,
    pub(in crate::simulation) timeline: Vec<TimelinePoint>,
    pub(in crate::simulation) restarts: u64,
    pub(in crate::simulation) torn_tails: u64,
    fault: Option<(Fault, Option<usize>)>,
}

/// A run that goes on after so many steps goes on for ever.
const MOST_STEPS: u64 = 1_000_000;

/// How many ballots an adversary remembers.
const OVERHEARD: usize = 64;

impl<'s> World<'s> {
    pub(in crate::simulation) fn new(
        scenario: &'s Scenario,
        workshop: &'s dyn Workshop,
        replays: bool,
    ) -> Result<Self, Broken> {
        let seed = scenario.seed;
        let members = scenario.members();
        let names: Vec<String> = members.iter().map(|member| member.name.clone()).collect();
        let signers = names
            .iter()
            .map(|name| Signer::new(scenario.signatures, seed, name))
            .collect::<Result<Vec<_>, _>>()?;
        let actors = actors(scenario, &signers)?;
        let byzantine: BTreeSet<usize> = actors.iter().filter_map(|actor| actor.place).collect();
        let genesis = genesis(scenario, &members, &signers)?;
        let first = workshop
            .found(&genesis, instant(0), scenario.signatures)
            .map_err(Broken::new)?;
        let founding = first.bytes().to_vec();
        let mut replicas = Vec::new();
        for (place, (member, signer)) in members.iter().zip(&signers).enumerate() {
            let engine = workshop
                .open(founding.clone(), scenario.signatures)
                .map_err(Broken::new)?;
            replicas.push(Replica {
                signer: signer.clone(),
                clock: Clock {
                    offset: member.offset_seconds.saturating_mul(1_000_000),
                    drift_ppm: member.drift_ppm,
                },
                byzantine: byzantine.contains(&place),
                random: Random::new(seed, "node", place as u64),
                engine: Some(engine),
                disk: Vec::new(),
                next: 0,
                pending: BTreeSet::new(),
                entries_after: Vec::new(),
                journal: BTreeMap::new(),
                heard: BTreeMap::new(),
                heads: BTreeMap::new(),
                suspects: BTreeSet::new(),
            });
        }
        let id_of = |place: &usize| signers[*place].node();
        let honest = (0..signers.len()).filter(|place| !byzantine.contains(place));
        let honest: Vec<(usize, NodeId)> = honest.map(|place| (place, id_of(&place))).collect();
        let mut checker = Checker::new(scenario.signatures, byzantine.iter().map(id_of).collect());
        checker.replays = replays;
        let mut world = Self {
            network: Network::new(&scenario.network, &names, seed),
            verifier: scenario.signatures.verifier(),
            faults: Random::new(seed, "faults", 0),
            ids: Random::new(seed, "ids", 0),
            scenario,
            seed,
            workshop,
            members,
            now: 0,
            steps: 0,
            queue: BTreeMap::new(),
            scheduled: 0,
            order: Vec::new(),
            judged: 0,
            replicas,
            founding,
            actors,
            round: 0,
            rounds: Vec::new(),
            opinions: BTreeMap::new(),
            checker,
            keyring: Vec::new(),
            overheard: Vec::new(),
            elsewhere: Vec::new(),
            honest,
            refusals: BTreeMap::new(),
            adversaries: BTreeMap::new(),
            met: BTreeMap::new(),
            timeline: Vec::new(),
            restarts: 0,
            torn_tails: 0,
            fault: None,
        };
        world.plan(&names);
        Ok(world)
    }

    pub(in crate::simulation) fn schedule(&mut self, at: u64, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), happening);
    }

    /// Runs until nothing is left to happen, or the checker objects.
    pub(in crate::simulation) fn run(&mut self) -> Result<Option<Violation>, Broken> {
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            self.now = self.now.max(at);
            self.steps += 1;
            if self.steps > MOST_STEPS {
                let message = "the run does not come to rest";
                let fault = Fault::new(Invariant::Liveness, message);
                return Ok(Some(self.violation(fault, None)));
            }
            self.happen(happening)?;
            if let Some((fault, place)) = self.fault.take() {
                return Ok(Some(self.violation(fault, place)));
            }
        }
        let honest = self.honest.iter();
        let engines: Vec<(usize, &dyn Engine)> = honest
            .filter_map(|(place, _)| Some((*place, self.replicas[*place].engine.as_deref()?)))
            .collect();
        let verdict = self.checker.finish(&engines);
        Ok(verdict.err().map(|fault| self.violation(fault, None)))
    }

    fn violation(&self, fault: Fault, place: Option<usize>) -> Violation {
        Violation {
            invariant: fault.invariant,
            step: self.steps,
            at_ms: self.now / 1000,
            node: place.map(|place| self.members[place].name.clone()),
            message: fault.message,
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Broken> {
        match happening {
            Happening::Round(round) => {
                self.round = round;
                self.open_round(round)?;
                self.occasion(None, Cue::Round)
            }
            Happening::Arrival(origin, command) => {
                self.order_next(origin, command);
                Ok(())
            }
            Happening::Delivery(place, index) => self.deliver(place, index),
            Happening::Wake(place, task) => self.awake(place, task),
            Happening::Whisper(place, ballot, by) => {
                self.whispered(place, ballot.as_ref().clone(), by);
                Ok(())
            }
            Happening::Crash(place, torn) => self.crash(place, torn),
            Happening::Restart(place) => self.restart(place),
            Happening::Rotate(place) => self.rotate(place),
            Happening::Checkpoint(number) => {
                let place = usize::try_from(number).unwrap_or(0) % self.replicas.len();
                if self.replicas[place].engine.is_some() {
                    self.say(place, Origin::Honest, Command::RecordCheckpoint(None));
                }
                Ok(())
            }
            Happening::Told(place, told) => {
                self.told(place, &told);
                Ok(())
            }
        }
    }

    /// Sends a command to the sequencer.
    pub(in crate::simulation) fn say(&mut self, place: usize, origin: Origin, command: Command) {
        let command = Arc::new(command);
        for at in self.network.send(self.now, place, SEQUENCER) {
            self.schedule(at, Happening::Arrival(origin, Arc::clone(&command)));
        }
    }

    /// Gives a command the next place and sends it to everybody.
    fn order_next(&mut self, origin: Origin, command: Arc<Command>) {
        let index = self.order.len();
        self.order.push(Ordered {
            at: self.now,
            command,
            origin,
        });
        for place in 0..self.replicas.len() {
            self.send_ordered(place, index);
        }
    }

    fn send_ordered(&mut self, place: usize, index: usize) {
        for at in self.network.send(self.now, SEQUENCER, place) {
            self.schedule(at, Happening::Delivery(place, index));
        }
    }

    fn deliver(&mut self, place: usize, index: usize) -> Result<(), Broken> {
        let replica = &mut self.replicas[place];
        if replica.engine.is_none() || index < replica.next {
            return Ok(());
        }
        replica.pending.insert(index);
        while let Some(index) = self.replicas[place].take_next() {
            self.apply(place, index)?;
            if self.fault.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// Lets a replica decide a command, and everybody react who watches it.
    fn apply(&mut self, place: usize, index: usize) -> Result<(), Broken> {
        let Ordered {
            at,
            ref command,
            origin,
        } = self.order[index];
        let command = Arc::clone(command);
        let replica = &mut self.replicas[place];
        let Some(engine) = replica.engine.as_mut() else {
            return Ok(());
        };
        let result = match engine.submit(&command, instant(at)) {
            Ok(recorded) => Ok(recorded),
            Err(NodeError::Refused(rejection)) => Err(rejection.code()),
            Err(error) => return Err(Broken::new(error)),
        };
        let entries = engine.state().entries();
        replica.entries_after.push(entries);
        let byzantine = replica.byzantine;
        if !byzantine {
            if let Err(fault) = self.checker.look(place, engine.as_ref()) {
                self.fault = Some((fault, Some(place)));
                return Ok(());
            }
            if index >= self.judged {
                self.judged = index + 1;
                self.judge(place, origin, &command, &result);
            }
        }
        match command.as_ref() {
            Command::Vote(ballot) => self.hear(place, ballot),
            Command::SubmitEvidence(evidence) => {
                self.hear(place, &evidence.first);
                self.hear(place, &evidence.second);
            }
            _ => {}
        }
        self.watch(place, &result.unwrap_or_default())
    }

    /// Lets a node and the adversaries that watch it react to what it recorded.
    fn watch(&mut self, place: usize, recorded: &[Recorded]) -> Result<(), Broken> {
        for entry in recorded {
            match &entry.event {
                Event::ProposalCreated(created) => {
                    let proposal = created.statement.content().proposal_id;
                    let round = self.opinions.get(&proposal).map_or(self.round, |it| it.0);
                    if self.votes_honestly(place, round) {
                        self.plan_vote(place, proposal);
                    }
                    self.reconsider(place, |_, about| about == proposal);
                    self.occasion(Some(place), Cue::Opened(proposal))?;
                }
                Event::VoteCast(ballot) => {
                    self.occasion(Some(place), Cue::Voted(ballot))?;
                }
                Event::ConsensusReached(consensus) => {
                    let proposal = consensus.proposal_id;
                    if !self.replicas[place].byzantine {
                        self.plan_execution(place, proposal);
                    }
                }
                Event::CheckpointRecorded(_) => self.cosign(place, entry.seq)?,
                event => self.key_changed(place, event),
            }
        }
        Ok(())
    }
}
