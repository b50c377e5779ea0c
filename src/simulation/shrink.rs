//! The smallest scenario that still breaks an invariant.

use super::Invariant;
use super::engine::{Production, Workshop};
use super::rounds;
use super::scenario::{Latency, Scenario};

/// The most runs that shrinking takes.
const MAX_RUNS: usize = 400;

/// Takes from a scenario whatever can go while the same invariant stays broken: adversaries,
/// crashes, partitions, trouble of the network and the clocks, proposals, rounds, nodes.
///
/// Gives the scenario back as it is where it breaks none.
#[must_use]
pub fn shrink(scenario: &Scenario) -> Scenario {
    shrink_with(scenario, &Production, true)
}

pub(super) fn shrink_with(scenario: &Scenario, workshop: &dyn Workshop, replays: bool) -> Scenario {
    let broken = |scenario: &Scenario| -> Option<Invariant> {
        scenario.validate().ok()?;
        let report = rounds::run(scenario, workshop, replays).ok()?;
        Some(report.violation?.invariant)
    };
    let Some(invariant) = broken(scenario) else {
        return scenario.clone();
    };
    let mut smallest = scenario.clone();
    let mut runs = 0;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            runs += 1;
            runs <= MAX_RUNS && broken(candidate) == Some(invariant)
        });
        match smaller {
            Some(candidate) => smallest = candidate,
            None => return smallest,
        }
    }
}

/// Scenarios that are smaller by one thing, the greatest savings first.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut smaller = Vec::new();
    let mut push = |change: &dyn Fn(&mut Scenario)| {
        let mut candidate = scenario.clone();
        change(&mut candidate);
        if candidate != *scenario {
            smaller.push(candidate);
        }
    };
    push(&|it| it.rounds = 1);
    push(&|it| it.rounds = (it.rounds - 1).max(1));
    for index in 0..scenario.adversaries.len() {
        push(&|it| drop(it.adversaries.remove(index)));
    }
    push(&|it| it.crashes.clear());
    for index in 0..scenario.crashes.len() {
        push(&|it| drop(it.crashes.remove(index)));
    }
    push(&|it| it.network.partitions.clear());
    for index in 0..scenario.network.partitions.len() {
        push(&|it| drop(it.network.partitions.remove(index)));
    }
    for index in 0..scenario.proposals.len() {
        push(&|it| {
            if it.proposals.len() > 1 {
                it.proposals.remove(index);
            }
        });
    }
    for index in (0..scenario.nodes.len()).rev() {
        push(&|it| drop(it.nodes.remove(index)));
    }
    push(&|it| it.network.loss_percent = 0);
    push(&|it| it.network.duplicate_percent = 0);
    push(&|it| it.network.latency = Latency::Constant { ms: 100 });
    push(&|it| {
        for node in &mut it.nodes {
            node.clock_offset_seconds = 0;
            node.clock_drift_ppm = 0;
        }
    });
    push(&|it| it.policy = super::PolicyChoice::default());
    push(&|it| it.thinking_max_seconds = 0);
    smaller
}
