//! Adversaries at work: what they are told, and what becomes of their deeds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Happening, Origin, World};
use crate::governance::ballot::Ballot;
use crate::governance::id::ProposalId;
use crate::governance::state::State;
use crate::governance::statement::Signed;
use crate::simulation::Broken;
use crate::simulation::byzantine::{Acting, Actor, Behaviour, Deed, Occasion, What, react};
use crate::simulation::clock::instant;
use crate::simulation::network::SEQUENCER;
use crate::simulation::random::Random;
use crate::simulation::scenario::Scenario;
use crate::simulation::signer::Signer;

/// What adversaries are told of; what they see of it depends on the replica that they watch.
#[derive(Clone, Copy)]
pub(in crate::simulation) enum Cue<'e> {
    Round,
    Opened(ProposalId),
    Voted(&'e Signed<Ballot>),
    Down(usize),
    Checkpoint,
}

impl<'e> Cue<'e> {
    fn occasion(self, state: &'e State) -> Option<Occasion<'e>> {
        Some(match self {
            Self::Round => Occasion::Round,
            Self::Opened(proposal) => Occasion::Opened(state.proposals().get(proposal)?),
            Self::Voted(ballot) => Occasion::Voted(ballot),
            Self::Down(place) => Occasion::Down(place),
            Self::Checkpoint => Occasion::Checkpoint,
        })
    }
}

impl World<'_> {
    /// Offers an occasion to adversaries: to all of them, or to those that watch a node.
    pub(in crate::simulation) fn occasion(
        &mut self,
        watched: Option<usize>,
        cue: Cue<'_>,
    ) -> Result<(), Broken> {
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
    pub(super) fn act(&mut self, number: usize, place: usize, cue: Cue<'_>) -> Result<(), Broken> {
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
                // A node's key may have changed since the beginning.
                signer: match actor.place {
                    Some(place) => &self.replicas[place].signer,
                    None => &actor.signer,
                },
                state,
                bytes: engine.bytes(),
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
    pub(super) fn commit(&mut self, place: usize, by: Behaviour, deed: Deed) -> Result<(), Broken> {
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
            What::Tell(to, told) => self.tell(place, to, at, &told),
            What::Forge(victim) => self.forge(victim)?,
        }
        Ok(())
    }

    /// Whether a node votes like an honest one in a round.
    pub(super) fn votes_honestly(&self, place: usize, round: u64) -> bool {
        let mut own = self
            .actors
            .iter()
            .filter(|actor| actor.place == Some(place));
        !own.any(|actor| {
            let triggered = actor.triggered(self.seed, round);
            triggered.into_iter().any(Behaviour::takes_vote_over)
        })
    }

    /// Whether a node behaves so in this round.
    pub(in crate::simulation) fn behaves(&self, place: usize, behaviour: Behaviour) -> bool {
        let mut own = self
            .actors
            .iter()
            .filter(|actor| actor.place == Some(place));
        own.any(|actor| actor.triggered(self.seed, self.round).contains(&behaviour))
    }

    /// The replica that adversaries outside watch.
    pub(super) fn watched(&self) -> Option<usize> {
        let mut honest = self.honest.iter();
        let first = honest.next().map(|(place, _)| *place);
        first.or_else(|| (!self.replicas.is_empty()).then_some(0))
    }

    pub(in crate::simulation) fn has(&self, behaviour: Behaviour) -> bool {
        let mut all = self.actors.iter().flat_map(|actor| &actor.behaviours);
        all.any(|(one, _)| *one == behaviour)
    }
}

/// Everybody with behaviours: each Byzantine node once, and each behaviour outside.
pub(super) fn actors(scenario: &Scenario, signers: &[Signer]) -> Result<Vec<Actor>, Broken> {
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
