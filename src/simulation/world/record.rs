//! What is known from the beginning, and what became of it.

use std::sync::Arc;

use super::{Happening, OVERHEARD, Origin, World};
use crate::governance::command::Command;
use crate::governance::event::{Event, Recorded};
use crate::simulation::coverage::{kind_of, variety_of};

/// The most checkpoints of a run.
const MOST_CHECKPOINTS: u64 = 10_000;

impl World<'_> {
    /// Puts everything into the queue that is known from the beginning.
    pub(super) fn plan(&mut self, names: &[String]) {
        for round in 1..=self.scenario.rounds {
            let at = (round - 1) * self.scenario.interval_seconds * 1_000_000;
            self.schedule(at + 1_000_000, Happening::Round(round));
        }
        let every = self.scenario.checkpoint_seconds;
        let end = self.scenario.rounds * self.scenario.interval_seconds;
        for number in (1..=MOST_CHECKPOINTS).take_while(|number| every > 0 && number * every <= end)
        {
            let at = number * every * 1_000_000;
            self.schedule(at, Happening::Checkpoint(number));
        }
        for rotation in &self.scenario.rotations {
            if let Some(place) = names.iter().position(|name| *name == rotation.node) {
                self.schedule(rotation.at_seconds * 1_000_000, Happening::Rotate(place));
            }
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

    /// Notes what became of a command.
    pub(super) fn judge(
        &mut self,
        place: usize,
        origin: Origin,
        command: &Command,
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
        if result.as_ref().is_ok_and(|recorded| !recorded.is_empty()) {
            self.meet(&format!("command: {}", kind_of(command)));
        }
        for entry in result.as_ref().into_iter().flatten() {
            self.meet(entry.event.operation());
            if let Some(variety) = variety_of(&entry.event) {
                self.meet(&variety);
            }
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
    pub(in crate::simulation) fn meet(&mut self, what: &str) {
        *self.met.entry(what.to_owned()).or_default() += 1;
    }
}
