//! The simulator: one queue of happenings, one thread, one clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Broken;
use super::agent::Task;
use super::byzantine::{Acting, Actor, Behaviour, Deed, Occasion, What, forge_consequences, react};
use super::checker::{Checker, Fault, Invariant};
use super::clock::{Clock, instant};
use super::engine::{Engine, Workshop, ledger_of};
use super::network::{Network, SEQUENCER};
use super::random::Random;
use super::replica::Replica;
use super::report::{TimelinePoint, Violation};
use super::rounds::Round;
use super::scenario::{Member, Opinion, Scenario};
use super::signer::Signer;
use crate::governance::ballot::Ballot;
use crate::governance::command::Command;
use crate::governance::event::{Event, Recorded};
use crate::governance::founding::{Founder, Founding};
use crate::governance::genesis::Genesis;
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::key::SignatureVerifier;
use crate::governance::state::State;
use crate::governance::statement::{Signed, Statement};
use crate::node::{Node, NodeError};

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// An honest node, or a Byzantine one that voted like one.
    Honest,
    /// An adversary.
    Adversary(Behaviour),
}

/// A command with its place in the order.
pub(super) struct Ordered {
    at: u64,
    command: Arc<Command>,
    origin: Origin,
}

/// Something that happens at some time.
pub(super) enum Happening {
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
}

/// What adversaries are told of; what they see of it depends on the replica that they watch.
#[derive(Clone, Copy)]
enum Cue<'e> {
    Round,
    Opened(ProposalId),
    Voted(&'e Signed<Ballot>),
    Down(usize),
}

impl<'e> Cue<'e> {
    fn occasion(self, state: &'e State) -> Option<Occasion<'e>> {
        Some(match self {
            Self::Round => Occasion::Round,
            Self::Opened(proposal) => Occasion::Opened(state.proposals().get(proposal)?),
            Self::Voted(ballot) => Occasion::Voted(ballot),
            Self::Down(place) => Occasion::Down(place),
        })
    }
}

/// A run under way.
pub(super) struct World<'s> {
    pub(super) scenario: &'s Scenario,
    pub(super) seed: u64,
    pub(super) workshop: &'s dyn Workshop,
    pub(super) verifier: Box<dyn SignatureVerifier + Send + Sync>,
    pub(super) members: Vec<Member>,
    pub(super) now: u64,
    pub(super) steps: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
    pub(super) order: Vec<Ordered>,
    /// What became of each ordered command at the first honest replica that applied it.
    judged: usize,
    pub(super) replicas: Vec<Replica>,
    founding: Vec<u8>,
    pub(super) actors: Vec<Actor>,
    pub(super) round: u64,
    pub(super) rounds: Vec<Round>,
    /// The rounds of honest proposals, and what honest nodes think of them.
    pub(super) opinions: BTreeMap<ProposalId, (u64, Opinion)>,
    pub(super) network: Network,
    pub(super) checker: Checker,
    faults: Random,
    pub(super) ids: Random,
    overheard: Vec<Arc<Signed<Ballot>>>,
    pub(super) elsewhere: Vec<Arc<Signed<Ballot>>>,
    pub(super) honest: Vec<(usize, NodeId)>,
    pub(super) refusals: BTreeMap<String, u64>,
    pub(super) adversaries: BTreeMap<Behaviour, BTreeMap<String, u64>>,
    pub(super) met: BTreeMap<String, u64>,
    pub(super) timeline: Vec<TimelinePoint>,
    pub(super) restarts: u64,
    pub(super) torn_tails: u64,
    fault: Option<(Fault, Option<usize>)>,
}

/// A run that goes on after so many steps goes on for ever.
const MOST_STEPS: u64 = 1_000_000;

/// How many ballots an adversary remembers.
const OVERHEARD: usize = 64;

impl<'s> World<'s> {
    pub(super) fn new(
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

    /// Puts everything into the queue that is known from the beginning.
    fn plan(&mut self, names: &[String]) {
        for round in 1..=self.scenario.rounds {
            let at = (round - 1) * self.scenario.interval_seconds * 1_000_000;
            self.schedule(at + 1_000_000, Happening::Round(round));
        }
        for crash in &self.scenario.crashes {
            let Some(place) = names.iter().position(|name| *name == crash.node) else {
                continue;
            };
            let at = crash.at_seconds * 1_000_000;
            let until = at + crash.for_seconds * 1_000_000;
            self.schedule(at, Happening::Crash(place, crash.torn));
            self.schedule(until, Happening::Restart(place));
        }
    }

    pub(super) fn schedule(&mut self, at: u64, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), happening);
    }

    /// Runs until nothing is left to happen, or the checker objects.
    pub(super) fn run(&mut self) -> Result<Option<Violation>, Broken> {
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
        }
    }

    /// Sends a command to the sequencer.
    pub(super) fn say(&mut self, place: usize, origin: Origin, command: Command) {
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
                self.judge(place, origin, &result);
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

    /// Notes what became of a command.
    fn judge(
        &mut self,
        place: usize,
        origin: Origin,
        result: &Result<Vec<Recorded>, &'static str>,
    ) {
        let outcome = match result {
            Ok(recorded) => recorded
                .first()
                .map_or("nothing-new", |entry| entry.event.operation()),
            Err(code) => {
                *self.refusals.entry((*code).to_owned()).or_default() += 1;
                code
            }
        };
        if let Origin::Adversary(behaviour) = origin {
            let outcomes = self.adversaries.entry(behaviour).or_default();
            *outcomes.entry(outcome.to_owned()).or_default() += 1;
        }
        for entry in result.as_ref().into_iter().flatten() {
            self.meet(entry.event.operation());
            if let Event::VoteCast(ballot) = &entry.event {
                self.overheard.push(Arc::new(ballot.clone()));
                if self.overheard.len() > OVERHEARD {
                    self.overheard.remove(0);
                }
            }
            self.note_weights(place, &entry.event);
        }
    }

    /// Notes that something happened that should happen in some runs.
    pub(super) fn meet(&mut self, what: &str) {
        *self.met.entry(what.to_owned()).or_default() += 1;
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
                    self.reconsider(place, proposal);
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
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a node votes like an honest one in a round.
    fn votes_honestly(&self, place: usize, round: u64) -> bool {
        let mut own = self
            .actors
            .iter()
            .filter(|actor| actor.place == Some(place));
        !own.any(|actor| {
            let triggered = actor.triggered(self.seed, round);
            triggered.into_iter().any(Behaviour::takes_vote_over)
        })
    }

    pub(super) fn has(&self, behaviour: Behaviour) -> bool {
        let mut all = self.actors.iter().flat_map(|actor| &actor.behaviours);
        all.any(|(one, _)| *one == behaviour)
    }

    /// The replica that adversaries outside watch.
    fn watched(&self) -> Option<usize> {
        let mut honest = self.honest.iter();
        let first = honest.next().map(|(place, _)| *place);
        first.or_else(|| (!self.replicas.is_empty()).then_some(0))
    }

    /// Offers an occasion to adversaries: to all of them, or to those that watch a node.
    fn occasion(&mut self, watched: Option<usize>, cue: Cue<'_>) -> Result<(), Broken> {
        for number in 0..self.actors.len() {
            let sees = self.actors[number].place.or_else(|| self.watched());
            let Some(place) = sees else {
                continue;
            };
            if watched.is_none_or(|watched| watched == place) {
                self.act(number, place, cue)?;
            }
        }
        Ok(())
    }

    /// Lets one adversary act on an occasion.
    fn act(&mut self, number: usize, place: usize, cue: Cue<'_>) -> Result<(), Broken> {
        let triggered = self.actors[number].triggered(self.seed, self.round);
        for behaviour in triggered {
            let actor = &mut self.actors[number];
            let Some(engine) = self.replicas[place].engine.as_ref() else {
                return Ok(());
            };
            let state = engine.state();
            let Some(occasion) = cue.occasion(state) else {
                continue;
            };
            let opinions = &self.opinions;
            let acting = Acting {
                now: instant(self.now),
                seed: self.seed,
                signatures: self.scenario.signatures,
                signer: &actor.signer,
                state,
                overheard: &self.overheard,
                elsewhere: &self.elsewhere,
                honest: &self.honest,
                wanted: &|proposal| match opinions.get(&proposal) {
                    Some((_, opinion)) => opinion.wants(),
                    None => Some(false),
                },
                random: &mut actor.random,
                deeds: Vec::new(),
            };
            let deeds = react(behaviour, &occasion, acting)?;
            for deed in deeds {
                self.commit(place, behaviour, deed)?;
            }
        }
        Ok(())
    }

    /// Carries an adversary's deed out.
    fn commit(&mut self, place: usize, by: Behaviour, deed: Deed) -> Result<(), Broken> {
        let at = self.now.saturating_add(deed.after);
        match deed.what {
            What::Say(command) => {
                let command = Arc::from(command);
                for at in self.network.send(at, place, SEQUENCER) {
                    let origin = Origin::Adversary(by);
                    self.schedule(at, Happening::Arrival(origin, Arc::clone(&command)));
                }
            }
            What::Whisper(to, ballot) => {
                let ballot = Arc::from(ballot);
                for at in self.network.send(at, place, to) {
                    self.schedule(at, Happening::Whisper(to, Arc::clone(&ballot), by));
                }
            }
            What::Forge(victim) => self.forge(victim)?,
        }
        Ok(())
    }

    /// A node stops. In the middle of a write, its last batch is on disk in part only; nobody has
    /// seen it acknowledged.
    fn crash(&mut self, place: usize, torn: bool) -> Result<(), Broken> {
        let replica = &mut self.replicas[place];
        let Some(engine) = replica.engine.take() else {
            return Ok(());
        };
        replica.disk = engine.bytes().to_vec();
        let (now, before) = last_batch(&replica.entries_after);
        if torn && before.is_some() && now > before {
            let lines = now.unwrap_or(0) - before.unwrap_or(0);
            let written = bytes_of_last_lines(&replica.disk, lines);
            let cut = self.faults.between(1, written.saturating_sub(1).max(1));
            let left = replica.disk.len() as u64 - cut;
            replica.disk.truncate(usize::try_from(left).unwrap_or(0));
            self.torn_tails += 1;
        }
        self.occasion(None, Cue::Down(place))
    }

    /// Somebody writes into the ledger of a node that is down.
    fn forge(&mut self, victim: usize) -> Result<(), Broken> {
        let disk = self.replicas[victim].disk.clone();
        if self.replicas[victim].engine.is_some() || self.replicas[victim].byzantine {
            return Ok(());
        }
        let ledger = ledger_of(disk).map_err(Broken::new)?;
        let Ok(node) = Node::open_with(ledger, self.scenario.signatures.verifier()) else {
            // Another one was here before.
            return Ok(());
        };
        let at = instant(self.now);
        let forged = forge_consequences(node.ledger(), node.state(), at, &mut self.faults)?;
        self.replicas[victim].disk = forged;
        Ok(())
    }

    /// A node starts from its own ledger. Where that is refused, it starts from the founding.
    fn restart(&mut self, place: usize) -> Result<(), Broken> {
        if self.replicas[place].engine.is_some() {
            return Ok(());
        }
        self.restarts += 1;
        let disk = std::mem::take(&mut self.replicas[place].disk);
        let signatures = self.scenario.signatures;
        let engine = match self.workshop.open(disk, signatures) {
            Ok(engine) => engine,
            Err(error) => {
                let code = error.code().to_owned();
                let forger = self.adversaries.entry(Behaviour::ConsequenceForger);
                *forger.or_default().entry(code.clone()).or_default() += 1;
                *self.refusals.entry(code).or_default() += 1;
                self.workshop
                    .open(self.founding.clone(), signatures)
                    .map_err(Broken::new)?
            }
        };
        let entries = engine.state().entries();
        if !self.replicas[place].byzantine {
            let looked = self.checker.look(place, engine.as_ref());
            let verdict = looked.and_then(|()| self.checker.replay(engine.as_ref()));
            self.fault = verdict.err().map(|fault| (fault, Some(place)));
        }
        self.replicas[place].engine = Some(engine);
        self.replicas[place].rewind(entries);
        for index in self.replicas[place].next..self.order.len() {
            self.send_ordered(place, index);
        }
        self.plan_all(place);
        Ok(())
    }
}

/// The number of entries before and after the last command that left any.
fn last_batch(entries_after: &[u64]) -> (Option<u64>, Option<u64>) {
    let now = entries_after.last().copied();
    let mut earlier = entries_after.iter().rev();
    let before = earlier.find(|entries| Some(**entries) != now).copied();
    (now, before)
}

fn bytes_of_last_lines(bytes: &[u8], lines: u64) -> u64 {
    let mut newlines = 0;
    for (from_end, byte) in bytes.iter().rev().enumerate() {
        newlines += u64::from(*byte == b'\n');
        if newlines > lines {
            return from_end as u64;
        }
    }
    bytes.len() as u64
}

/// Everybody with behaviours: each Byzantine node once, and each behaviour outside.
fn actors(scenario: &Scenario, signers: &[Signer]) -> Result<Vec<Actor>, Broken> {
    let mut actors: BTreeMap<usize, Actor> = BTreeMap::new();
    let mut outside = Vec::new();
    for (number, plan) in scenario.adversaries.iter().enumerate() {
        let behaviour = (plan.behaviour, plan.trigger.clone());
        if plan.behaviour.is_outside() {
            let name = format!("outsider {number}");
            outside.push(Actor {
                place: None,
                signer: Signer::new(scenario.signatures, scenario.seed, &name)?,
                behaviours: vec![behaviour],
                random: Random::new(scenario.seed, "outsider", number as u64),
            });
            continue;
        }
        for place in scenario.places(plan) {
            let actor = actors.entry(place).or_insert_with(|| Actor {
                place: Some(place),
                signer: signers[place].clone(),
                behaviours: Vec::new(),
                random: Random::new(scenario.seed, "adversary", place as u64),
            });
            actor.behaviours.push(behaviour.clone());
        }
    }
    Ok(actors.into_values().chain(outside).collect())
}

/// The founding, signed by every founder.
fn genesis(scenario: &Scenario, members: &[Member], signers: &[Signer]) -> Result<Genesis, Broken> {
    let founding = members
        .iter()
        .zip(signers)
        .filter(|(member, _)| member.founder);
    let mut founders = Vec::new();
    for (member, signer) in founding.clone() {
        founders.push(Founder {
            did: signer.node(),
            name: member.name.parse().map_err(Broken::new)?,
            weight: member.weight,
        });
    }
    let statement = Statement::new(Founding {
        created_at: instant(0),
        founders,
        name: "Simulation".parse().map_err(Broken::new)?,
        nonce: scenario.seed.to_string().parse().map_err(Broken::new)?,
        policy: scenario.policy.policy(),
    })
    .map_err(Broken::new)?;
    let message = statement.message();
    let mut signatures = Vec::new();
    for (_, signer) in founding {
        signatures.push((signer.key().clone(), signer.sign_message(&message)?));
    }
    Ok(Genesis {
        statement,
        founders: signatures,
    })
}
