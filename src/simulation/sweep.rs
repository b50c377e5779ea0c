//! Many runs: the same scenario under other seeds, and over a grid of settings.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::report::{RunReport, Violation};
use super::scenario::{Latency, PolicyChoice, Scenario};
use super::{SimulationError, run};
use crate::governance::weight::Fraction;

/// What a grid of runs covers: every combination of its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// Shares of the weight that adversaries hold, in place of the scenario's.
    pub byzantine: Vec<Fraction>,
    /// Policies, in place of the scenario's.
    pub policies: Vec<PolicyChoice>,
    /// Losses of the network, in percent.
    pub loss_percent: Vec<u64>,
    /// Typical latencies, in milliseconds.
    pub latency_ms: Vec<u64>,
    /// Runs in each cell.
    pub runs: u64,
}

/// What the runs of one combination came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The share of the weight that adversaries were to hold.
    pub byzantine: Fraction,
    /// The weight that they held, of the total.
    pub byzantine_weight: u64,
    /// The total weight.
    pub total_weight: u64,
    /// The policy, in a few words.
    pub policy: String,
    /// The loss of the network, in percent.
    pub loss_percent: u64,
    /// The typical latency, in milliseconds.
    pub latency_ms: u64,
    /// Which signatures the nodes made.
    pub signatures: &'static str,
    /// Runs.
    pub runs: u64,
    /// Runs in which an invariant was broken.
    pub violations: u64,
    /// The first of these, in the order of the seeds.
    pub first_violation: Option<CellViolation>,
    /// Rounds of all runs.
    pub rounds: u64,
    /// Rounds that came to a decision: passed or rejected.
    pub decided: u64,
    /// Rounds that were decided as honest nodes wanted.
    pub rightly: u64,
    /// Rounds that were decided otherwise.
    pub wrongly: u64,
    /// Rounds whose proposal honest nodes wanted.
    pub wanted: u64,
    /// How many of these proposals passed.
    pub wanted_passed: u64,
    /// Rounds whose proposal honest nodes did not want.
    pub unwanted: u64,
    /// How many of these proposals passed.
    pub unwanted_passed: u64,
    /// Runs in which anything was decided wrongly, proposals of adversaries included.
    pub runs_wrong: u64,
    /// Times from opening to decision, in milliseconds, sorted.
    #[serde(skip)]
    pub decision_ms: Vec<u64>,
    /// The median of these times.
    pub median_ms: Option<u64>,
    /// The time within which 95 of a hundred decisions were reached.
    pub p95_ms: Option<u64>,
    /// Nodes that contradicted themselves before honest eyes.
    pub equivocators: u64,
    /// How many of them were caught.
    pub equivocators_caught: u64,
    /// Refused commands by code.
    pub refusals: BTreeMap<String, u64>,
}

/// A run of a cell in which an invariant was broken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellViolation {
    /// The seed of the run.
    pub seed: u64,
    /// What was broken, and when.
    pub violation: Violation,
    /// What was run.
    #[serde(skip)]
    pub scenario: Scenario,
}

/// Is told when a run is over.
pub type Progress<'p> = &'p (dyn Fn() + Sync);

/// Runs scenarios on all cores, each on one. The reports come in the order of the scenarios.
///
/// # Errors
/// [`SimulationError`] of the first scenario that does not fit together.
pub fn run_all(
    scenarios: &[Scenario],
    progress: Progress<'_>,
) -> Result<Vec<RunReport>, SimulationError> {
    let reports = scenarios.par_iter().map(|scenario| {
        let report = run(scenario);
        progress();
        report
    });
    reports.collect()
}

/// Runs a scenario over a grid, under as many seeds as the grid says, on all cores.
///
/// # Errors
/// [`SimulationError`] where a combination does not fit together.
pub fn sweep(
    scenario: &Scenario,
    grid: &Grid,
    progress: Progress<'_>,
) -> Result<Vec<Cell>, SimulationError> {
    grid.cells(scenario)
        .par_iter()
        .map(|(cell, scenario)| sweep_cell(cell.clone(), scenario, grid.runs, progress))
        .collect()
}

impl Grid {
    /// How many runs there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        let axes = [
            self.byzantine.len(),
            self.policies.len(),
            self.loss_percent.len(),
            self.latency_ms.len(),
        ];
        axes.iter().product::<usize>() as u64 * self.runs
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every combination, with its scenario.
    fn cells(&self, base: &Scenario) -> Vec<(Cell, Scenario)> {
        let mut cells = Vec::new();
        for policy in &self.policies {
            for loss_percent in &self.loss_percent {
                for latency_ms in &self.latency_ms {
                    for byzantine in &self.byzantine {
                        let mut scenario = base.clone();
                        scenario.policy = policy.clone();
                        scenario.network.loss_percent = *loss_percent;
                        scenario.network.latency = Latency::HeavyTail {
                            typical_ms: *latency_ms,
                            max_ms: latency_ms.saturating_mul(64),
                        };
                        for adversary in &mut scenario.adversaries {
                            if !adversary.behaviour.is_outside() {
                                adversary.nodes.clear();
                                adversary.share = Some(*byzantine);
                            }
                        }
                        let cell = Cell::empty(*byzantine, *loss_percent, *latency_ms, &scenario);
                        cells.push((cell, scenario));
                    }
                }
            }
        }
        cells
    }
}

impl Cell {
    fn empty(byzantine: Fraction, loss_percent: u64, latency_ms: u64, of: &Scenario) -> Self {
        Self {
            byzantine,
            byzantine_weight: 0,
            total_weight: 0,
            policy: of.policy.label(),
            loss_percent,
            latency_ms,
            signatures: of.signatures.name(),
            runs: 0,
            violations: 0,
            first_violation: None,
            rounds: 0,
            decided: 0,
            rightly: 0,
            wrongly: 0,
            wanted: 0,
            wanted_passed: 0,
            unwanted: 0,
            unwanted_passed: 0,
            runs_wrong: 0,
            decision_ms: Vec::new(),
            median_ms: None,
            p95_ms: None,
            equivocators: 0,
            equivocators_caught: 0,
            refusals: BTreeMap::new(),
        }
    }

    fn add(&mut self, report: &RunReport) {
        self.byzantine_weight = report.byzantine_weight;
        self.total_weight = report.total_weight;
        self.runs += 1;
        self.violations += u64::from(report.violation.is_some());
        for round in &report.rounds {
            self.rounds += 1;
            self.decided += u64::from(round.right.is_some());
            self.rightly += u64::from(round.right == Some(true));
            self.wrongly += u64::from(round.right == Some(false));
            self.wanted += u64::from(round.wanted == Some(true));
            self.unwanted += u64::from(round.wanted == Some(false));
            let passed = round.right.is_some() && round.right == round.wanted;
            self.wanted_passed += u64::from(passed && round.wanted == Some(true));
            let taken = round.right == Some(false) && round.wanted == Some(false);
            self.unwanted_passed += u64::from(taken);
        }
        self.runs_wrong += u64::from(report.decided_wrongly() > 0);
        self.decision_ms.extend(report.decision_times_ms());
        self.equivocators += report.equivocators;
        self.equivocators_caught += report.equivocators_caught;
        for (code, count) in &report.refusals {
            *self.refusals.entry(code.clone()).or_default() += count;
        }
    }

    fn finish(&mut self) {
        self.decision_ms.sort_unstable();
        self.median_ms = quantile(&self.decision_ms, 50);
        self.p95_ms = quantile(&self.decision_ms, 95);
    }
}

/// The value that `percent` of a hundred of the sorted values don't exceed.
pub(crate) fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}

fn sweep_cell(
    mut cell: Cell,
    scenario: &Scenario,
    runs: u64,
    progress: Progress<'_>,
) -> Result<Cell, SimulationError> {
    // The cores take cells, and within a cell runs; the sums don't depend on who took what.
    let reports: Vec<RunReport> = (0..runs)
        .into_par_iter()
        .map(|number| {
            let mut scenario = scenario.clone();
            scenario.seed = scenario.seed.wrapping_add(number);
            let report = run(&scenario);
            progress();
            report
        })
        .collect::<Result<_, _>>()?;
    for report in &reports {
        cell.add(report);
        if let (None, Some(violation)) = (&cell.first_violation, &report.violation) {
            let seed = report.seed;
            let scenario = scenario.clone();
            cell.first_violation = Some(CellViolation {
                seed,
                violation: violation.clone(),
                scenario: Scenario { seed, ..scenario },
            });
        }
    }
    cell.finish();
    Ok(cell)
}
