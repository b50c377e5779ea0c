//! `althing simulate sweep`: a grid of settings, or random scenarios.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::view::{CellView, cell_sections, cells};
use super::{Signing, judge, progress, read_scenario, reproduced, violated, write};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::{Output, Report};
use crate::cli::style::{Grid as Table, bold, good};
use crate::governance::weight::Fraction;
use crate::simulation::plot::{decisions_svg, html, latency_svg};
use crate::simulation::{
    Base, Cell, Grid, PolicyChoice, RunReport, SOMETIMES, Scenario, run_all, sweep,
};

/// What is swept where no scenario is named: twelve nodes, a proposal that honest nodes want and one
/// that they don't, and adversaries that vote for the opposite.
const TWELVE: &str = include_str!("twelve.toml");

/// Arguments of `simulate sweep`.
#[derive(Debug, Args)]
pub struct Sweep {
    /// The scenario: a TOML file; twelve nodes against a colluding bloc where there is none.
    scenario: Option<PathBuf>,
    /// Shares of the weight that adversaries hold.
    #[arg(
        long,
        value_name = "SHARE,…",
        value_delimiter = ',',
        value_parser = parse_share,
        default_value = "0,1/6,1/4,1/3,5/12,1/2,7/12,2/3,3/4,5/6"
    )]
    byzantine: Vec<Fraction>,
    /// Policies to start from.
    #[arg(long, value_delimiter = ',', default_value = "default")]
    policy: Vec<PolicyName>,
    /// Quorums, in place of the policy's.
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',', value_parser = parse_share)]
    quorum: Vec<Fraction>,
    /// Approval shares, in place of the policy's.
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',', value_parser = parse_share)]
    approval: Vec<Fraction>,
    /// Losses of the network, in percent.
    #[arg(
        long,
        value_name = "PERCENT,…",
        value_delimiter = ',',
        default_value = "0"
    )]
    loss: Vec<u64>,
    /// Typical latencies, in milliseconds.
    #[arg(
        long,
        value_name = "MS,…",
        value_delimiter = ',',
        default_value = "100"
    )]
    latency: Vec<u64>,
    /// Runs in each cell.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// Run so many random scenarios instead, and only check them.
    #[arg(long, value_name = "RUNS", conflicts_with_all = ["scenario", "svg", "html"])]
    random: Option<u64>,
    /// The first seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Which signatures the nodes make.
    #[arg(long, default_value = "stand-in")]
    signatures: Signing,
    /// What the figure shows.
    #[arg(long, default_value = "decisions")]
    figure: Figure,
    /// Write a figure.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write everything into one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A policy to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PolicyName {
    /// The default policy.
    Default,
    /// Two thirds of everything and nothing else.
    Uniform,
}

/// What a figure of a sweep shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Figure {
    /// Rounds decided rightly and wrongly, against the share of adversaries.
    Decisions,
    /// How long decisions take.
    Latency,
}

fn parse_share(text: &str) -> Result<Fraction, String> {
    let text = if text == "0" { "0/1" } else { text };
    text.parse::<Fraction>().map_err(|error| error.to_string())
}

/// Runs `althing simulate sweep`.
pub fn run(arguments: &Sweep, output: &Output) -> Result<Exit, Failure> {
    if let Some(runs) = arguments.random {
        return random(arguments, runs, output);
    }
    let mut scenario = match &arguments.scenario {
        Some(path) => read_scenario(path)?,
        None => TWELVE
            .parse::<Scenario>()
            .map_err(|error| Failure::usage(error.code, error.to_string()))?,
    };
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    scenario.signatures = arguments.signatures.into();
    let grid = grid(arguments, &scenario);
    let bar = progress(output, grid.len());
    let swept = sweep(&scenario, &grid, &|| bar.inc(1))?;
    bar.finish_and_clear();
    if output.is_json() {
        for cell in &swept {
            output.report(&CellView(cell))?;
        }
    } else {
        output.text(&format!("{}\n\n{}", bold(&scenario.name), cells(&swept)))?;
    }
    let latencies = latencies(&swept, &scenario);
    if let Some(path) = &arguments.svg {
        let figure = match arguments.figure {
            Figure::Decisions => decisions_svg(&swept),
            Figure::Latency => latencies.clone(),
        };
        write(path, &figure)?;
    }
    if let Some(path) = &arguments.html {
        let figures = [decisions_svg(&swept), latencies];
        let sections = cell_sections(&swept);
        let page = html(&scenario.name, &scenario.description, &sections, &figures);
        write(path, &page)?;
    }
    verdict(&swept, output)
}

fn grid(arguments: &Sweep, scenario: &Scenario) -> Grid {
    let mut policies = Vec::new();
    for policy in &arguments.policy {
        let base = match policy {
            PolicyName::Default => Base::Default,
            PolicyName::Uniform => Base::Uniform,
        };
        for quorum in or_none(&arguments.quorum) {
            for approval in or_none(&arguments.approval) {
                policies.push(PolicyChoice {
                    base,
                    quorum: quorum.or(scenario.policy.quorum),
                    approval: approval.or(scenario.policy.approval),
                    ..scenario.policy.clone()
                });
            }
        }
    }
    Grid {
        byzantine: arguments.byzantine.clone(),
        policies,
        loss_percent: arguments.loss.clone(),
        latency_ms: arguments.latency.clone(),
        runs: arguments.runs,
    }
}

/// The shares to go through; the policy's own where none is named.
fn or_none(shares: &[Fraction]) -> Vec<Option<Fraction>> {
    if shares.is_empty() {
        return vec![None];
    }
    shares.iter().copied().map(Some).collect()
}

/// The distribution of times to a decision, for each network with the fewest adversaries.
fn latencies(swept: &[Cell], scenario: &Scenario) -> String {
    let fewest = swept.iter().map(|cell| cell.byzantine_weight).min();
    let chosen = swept
        .iter()
        .filter(|cell| Some(cell.byzantine_weight) == fewest);
    let mut groups: BTreeMap<(u64, u64), Vec<u64>> = BTreeMap::new();
    for cell in chosen {
        let group = groups.entry((cell.latency_ms, cell.loss_percent));
        group.or_default().extend(&cell.decision_ms);
    }
    let named: Vec<(String, Vec<u64>)> = groups
        .into_iter()
        .map(|((latency, loss), times)| (format!("{latency} ms, {loss} % lost"), times))
        .collect();
    let note = format!(
        "{}; {} signatures; nodes think {} to {} s before they vote",
        scenario.name,
        scenario.signatures.name(),
        scenario.thinking_min_seconds,
        scenario.thinking_max_seconds
    );
    latency_svg(&named, &note)
}

/// Fails where a run of a cell broke an invariant.
fn verdict(swept: &[Cell], output: &Output) -> Result<Exit, Failure> {
    let mut broken = swept.iter().filter_map(|cell| {
        let first = cell.first_violation.as_ref()?;
        Some((cell, first))
    });
    let Some((cell, first)) = broken.next() else {
        return Ok(Exit::Ok);
    };
    let named = format!(
        " (policy {}, {} % lost, {} ms, adversaries with {} of {}; in {} of its {} runs)",
        cell.policy,
        cell.loss_percent,
        cell.latency_ms,
        cell.byzantine_weight,
        cell.total_weight,
        cell.violations,
        cell.runs
    );
    let again = "the scenario holds the settings of the cell and the seed";
    let failure = violated(&first.scenario, &first.violation, &named, again, output)?;
    Err(failure.detail("cell", named.trim()))
}

/// From how many random runs on all of [`SOMETIMES`] has to be met.
const ENOUGH: u64 = 100_000;

/// How many random scenarios are kept in memory at once.
const CHUNK: u64 = 1000;

fn random(arguments: &Sweep, runs: u64, output: &Output) -> Result<Exit, Failure> {
    let first = arguments.seed.unwrap_or(0);
    let bar = progress(output, runs);
    let mut summary = RandomReport::default();
    let mut done = 0;
    while done < runs {
        let seeds = done..(done + CHUNK).min(runs);
        done = seeds.end;
        let scenarios: Vec<Scenario> = seeds
            .map(|seed| Scenario::random(first.wrapping_add(seed), arguments.signatures.into()))
            .collect();
        let reports = run_all(&scenarios, &|| bar.inc(1))?;
        for report in &reports {
            summary.add(report);
        }
        judge(&scenarios, &reports, &reproduced, output)?;
    }
    bar.finish_and_clear();
    summary.first_seed = first;
    summary.never_met = SOMETIMES
        .iter()
        .filter(|what| !summary.met.contains_key(**what))
        .map(|what| (*what).to_owned())
        .collect();
    output.report(&summary)?;
    summary.verdict()
}

/// What random runs came to.
#[derive(Default, Serialize)]
struct RandomReport {
    first_seed: u64,
    runs: u64,
    rounds: u64,
    commands: u64,
    entries: u64,
    signatures: &'static str,
    met: BTreeMap<String, u64>,
    never_met: Vec<String>,
}

impl RandomReport {
    /// Many runs that never met something prove less than they seem to.
    fn verdict(&self) -> Result<Exit, Failure> {
        if self.runs < ENOUGH || self.never_met.is_empty() {
            return Ok(Exit::Ok);
        }
        let message = format!(
            "never met in {} runs: {}",
            self.runs,
            self.never_met.join("; ")
        );
        Err(Failure::new(
            Exit::Violation,
            "simulation.never-met",
            message,
        ))
    }

    fn add(&mut self, report: &RunReport) {
        self.runs += 1;
        self.rounds += report.rounds.len() as u64;
        self.commands += report.commands;
        self.entries += report.entries;
        self.signatures = report.signatures;
        for (what, count) in &report.met {
            *self.met.entry(what.clone()).or_default() += count;
        }
    }
}

impl Report for RandomReport {
    const SCHEMA: &'static str = "althing.simulate-random/1";

    fn text(&self) -> String {
        let mut table = Table::new(&["met", "times"]);
        for (what, count) in &self.met {
            table.row([what.clone(), count.to_string()]);
        }
        let mut text = table.right(1).text();
        text.push_str(&format!(
            "\n{}: {} random runs from seed {}, {} rounds, {} commands, {} entries, {} signatures: \
             no violation\n",
            good("ok"),
            self.runs,
            self.first_seed,
            self.rounds,
            self.commands,
            self.entries,
            self.signatures
        ));
        if !self.never_met.is_empty() {
            text.push_str(&format!("never met: {}\n", self.never_met.join("; ")));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{CellViolation, Invariant, Violation};

    #[test]
    fn a_violation_in_a_cell_names_the_seed_the_cell_and_the_step() {
        let scenario: Scenario = TWELVE.parse().unwrap();
        let grid = Grid {
            byzantine: vec![parse_share("0").unwrap()],
            policies: vec![PolicyChoice::default()],
            loss_percent: vec![7],
            latency_ms: vec![100],
            runs: 1,
        };
        let mut swept = sweep(&scenario, &grid, &|| {}).unwrap();
        let output = Output::json_only();
        assert_eq!(verdict(&swept, &output).unwrap(), Exit::Ok);
        swept[0].first_violation = Some(CellViolation {
            seed: 31,
            violation: Violation {
                invariant: Invariant::Agreement,
                step: 7,
                at_ms: 1500,
                node: None,
                message: "they differ".to_owned(),
            },
            scenario: Scenario {
                seed: 31,
                ..scenario
            },
        });
        let failure = verdict(&swept, &output).unwrap_err();
        assert_eq!(failure.exit, Exit::Violation);
        for part in ["under seed 31", "policy default", "7 % lost", "step 7"] {
            assert!(
                failure.message.contains(part),
                "{part}: {}",
                failure.message
            );
        }
        let again = failure.details["scenario"].as_str().unwrap();
        assert_eq!(again.parse::<Scenario>().unwrap().seed, 31);
    }

    #[test]
    fn many_runs_that_never_met_something_are_no_success() {
        let report = |runs, never: &[&str]| RandomReport {
            runs,
            never_met: never.iter().map(|what| (*what).to_owned()).collect(),
            ..RandomReport::default()
        };
        assert_eq!(report(ENOUGH, &[]).verdict().unwrap(), Exit::Ok);
        assert_eq!(report(ENOUGH - 1, &["x"]).verdict().unwrap(), Exit::Ok);
        let failure = report(ENOUGH, &["x"]).verdict().unwrap_err();
        assert_eq!(failure.exit, Exit::Violation);
        assert_eq!(failure.code, "simulation.never-met");
    }
}
