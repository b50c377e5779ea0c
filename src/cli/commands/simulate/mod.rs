//! `althing simulate`: seeded rounds with Byzantine nodes.

mod sweep;
mod view;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;
use crate::simulation::plot::{html, latency_svg, timeline_svg};
use crate::simulation::{
    RunReport, Scenario, ScenarioError, Signatures, SimulationError, Violation,
};
use crate::simulation::{run as simulate, run_all, shrink};

use view::{RunView, run_sections};

/// Simulate rounds of consensus with Byzantine nodes.
#[derive(Debug, Subcommand)]
pub enum SimulateCommand {
    /// Run a scenario, and check every step of it.
    #[command(after_long_help = help!(
        "  althing simulate run examples/scenarios/equivocator.toml
  althing simulate run examples/scenarios/partition.toml --seed 7 --svg round.svg
  althing simulate run examples/scenarios/honest.toml --runs 100 --json"
    ))]
    Run(Run),
    /// Run a scenario over a grid of settings, or random scenarios, on all cores.
    #[command(after_long_help = help!(
        "  althing simulate sweep --svg decisions.svg
  althing simulate sweep --byzantine 0,1/4,1/3,1/2 --policy default,uniform --loss 0,30 --runs 50
  althing simulate sweep --random 1000"
    ))]
    Sweep(sweep::Sweep),
    /// Run the random scenario of a seed again, and make it smaller if it breaks an invariant.
    #[command(after_long_help = help!(
        "  althing simulate reproduce 4711
  althing simulate reproduce 4711 --print > random.toml"
    ))]
    Reproduce(Reproduce),
}

/// Arguments of `simulate run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The scenario: a TOML file.
    scenario: PathBuf,
    /// Another seed than the scenario's.
    #[arg(long)]
    seed: Option<u64>,
    /// Run it under so many seeds, counted on from the first.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// Other signatures than the scenario's.
    #[arg(long)]
    signatures: Option<Signing>,
    /// The round whose weights the figure shows.
    #[arg(long, default_value_t = 1)]
    round: u64,
    /// Write the figure of one round's weights.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write everything into one HTML file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Arguments of `simulate reproduce`.
#[derive(Debug, Args)]
pub struct Reproduce {
    /// The seed.
    seed: u64,
    /// Which signatures the nodes make.
    #[arg(long, default_value = "stand-in")]
    signatures: Signing,
    /// Print the scenario instead of running it.
    #[arg(long)]
    print: bool,
}

/// Which signatures the nodes of a simulation make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Signing {
    /// Digests that anybody could compute: fast.
    StandIn,
    /// ML-DSA-65, deterministic.
    MlDsa,
}

impl From<Signing> for Signatures {
    fn from(signing: Signing) -> Self {
        match signing {
            Signing::StandIn => Self::StandIn,
            Signing::MlDsa => Self::MlDsa,
        }
    }
}

/// Runs `althing simulate`.
pub fn run(command: &SimulateCommand, output: &Output) -> Result<Exit, Failure> {
    match command {
        SimulateCommand::Run(arguments) => run_scenario(arguments, output),
        SimulateCommand::Sweep(arguments) => sweep::run(arguments, output),
        SimulateCommand::Reproduce(arguments) => reproduce(arguments, output),
    }
}

fn run_scenario(arguments: &Run, output: &Output) -> Result<Exit, Failure> {
    let mut scenario = read_scenario(&arguments.scenario)?;
    scenario.seed = arguments.seed.unwrap_or(scenario.seed);
    if let Some(signatures) = arguments.signatures {
        scenario.signatures = signatures.into();
    }
    let scenarios: Vec<Scenario> = (0..arguments.runs)
        .map(|number| Scenario {
            seed: scenario.seed.wrapping_add(number),
            ..scenario.clone()
        })
        .collect();
    let bar = progress(output, arguments.runs);
    let reports = run_all(&scenarios, &|| bar.inc(1))?;
    bar.finish_and_clear();
    for report in &reports {
        output.report(&RunView(report))?;
    }
    if let (Some(path), Some(first)) = (&arguments.svg, reports.first()) {
        let figure = timeline_svg(first, arguments.round).ok_or_else(|| {
            let message = format!("round {} has no ballots to show", arguments.round);
            Failure::usage("simulation.no-round", message)
        })?;
        write(path, &figure)?;
    }
    if let Some(path) = &arguments.html {
        write(path, &page(&scenario, &reports))?;
    }
    let path = arguments.scenario.display().to_string();
    let again = |seed| format!("see it again with althing simulate run {path} --seed {seed}");
    judge(&scenarios, &reports, &again, output)
}

fn page(scenario: &Scenario, reports: &[RunReport]) -> String {
    let mut figures: Vec<String> = reports
        .first()
        .into_iter()
        .flat_map(|first| (first.rounds.iter()).map(|round| timeline_svg(first, round.round)))
        .flatten()
        .collect();
    let times = reports.iter().flat_map(RunReport::decision_times_ms);
    let group = (scenario.name.clone(), times.collect());
    let note = format!(
        "{} runs; {} signatures",
        reports.len(),
        scenario.signatures.name()
    );
    figures.push(latency_svg(&[group], &note));
    let sections: Vec<_> = reports.iter().take(20).flat_map(run_sections).collect();
    html(&scenario.name, &scenario.description, &sections, &figures)
}

fn reproduce(arguments: &Reproduce, output: &Output) -> Result<Exit, Failure> {
    let scenario = Scenario::random(arguments.seed, arguments.signatures.into());
    if arguments.print {
        let text = scenario.to_toml();
        let text = text.map_err(|error| Failure::usage("scenario.unwritable", error))?;
        output.text(&text)?;
        return Ok(Exit::Ok);
    }
    let report = simulate(&scenario)?;
    output.report(&RunView(&report))?;
    judge(&[scenario], &[report], &reproduced, output)
}

/// Fails where an invariant was broken, with the smallest scenario that still breaks it. `again` says
/// how to see the run of a seed once more.
fn judge(
    scenarios: &[Scenario],
    reports: &[RunReport],
    again: &dyn Fn(u64) -> String,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut runs = scenarios.iter().zip(reports);
    let broken = runs.find_map(|(scenario, report)| Some((scenario, report.violation.as_ref()?)));
    match broken {
        None => Ok(Exit::Ok),
        Some((scenario, violation)) => {
            let again = again(scenario.seed);
            Err(violated(scenario, violation, "", &again, output)?)
        }
    }
}

/// The failure of a run that broke an invariant, after its smallest scenario was printed.
fn violated(
    scenario: &Scenario,
    violation: &Violation,
    cell: &str,
    again: &str,
    output: &Output,
) -> Result<Failure, Failure> {
    let text = shrink(scenario).to_toml().unwrap_or_else(|error| error);
    let place = violation.node.as_deref().unwrap_or("the whole group");
    if !output.is_json() {
        output.text(&format!("# the smallest scenario that shows it\n{text}"))?;
    }
    let message = format!(
        "{} is violated under seed {}{cell} in step {} at {} ms, at {place}: {}",
        violation.invariant, scenario.seed, violation.step, violation.at_ms, violation.message
    );
    let hint = format!("{again}; or keep the scenario above and run it: althing simulate run FILE");
    Ok(
        Failure::new(Exit::Violation, "simulation.violation", message)
            .hint(hint)
            .detail("seed", scenario.seed)
            .detail("step", violation.step)
            .detail("invariant", violation.invariant.name())
            .detail("scenario", text),
    )
}

/// How to see a random run again.
fn reproduced(seed: u64) -> String {
    format!("see it again with althing simulate reproduce {seed}")
}

fn read_scenario(path: &Path) -> Result<Scenario, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, &error))?;
    let parsed: Result<Scenario, ScenarioError> = text.parse();
    parsed.map_err(|error| {
        let message = format!("{}, {error}", path.display());
        Failure::usage(error.code, message)
            .hint("docs/simulation.md explains every member")
            .detail("line", error.line)
    })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::file(path, &error))
}

fn progress(output: &Output, runs: u64) -> indicatif::ProgressBar {
    let bar = if output.shows_progress() && runs > 1 {
        indicatif::ProgressBar::new(runs)
    } else {
        indicatif::ProgressBar::hidden()
    };
    let template = "{bar:30} {pos}/{len} runs, {per_sec}, {eta} left";
    match indicatif::ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

impl From<SimulationError> for Failure {
    fn from(error: SimulationError) -> Self {
        match error {
            SimulationError::Scenario(error) => Self::usage(error.code, error.message),
            SimulationError::Broken(error) => {
                Self::new(Exit::Failure, "simulation.broken", error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Invariant;

    #[test]
    fn a_violation_ends_with_its_own_exit_code_and_a_scenario() {
        let scenario = Scenario::random(22, Signatures::StandIn);
        let mut report = simulate(&scenario).unwrap();
        let output = Output::json_only();
        let scenarios = [scenario];
        let none = judge(
            &scenarios,
            std::slice::from_ref(&report),
            &reproduced,
            &output,
        );
        assert_eq!(none.unwrap(), Exit::Ok);
        report.violation = Some(Violation {
            invariant: Invariant::Agreement,
            step: 7,
            at_ms: 1500,
            node: None,
            message: "they differ".to_owned(),
        });
        let failure = judge(&scenarios, &[report], &reproduced, &output).unwrap_err();
        assert_eq!(failure.exit, Exit::Violation);
        assert_eq!(failure.code, "simulation.violation");
        assert_eq!(failure.details["seed"], 22);
        assert!(failure.message.contains("under seed 22 in step 7"));
        let smallest = failure.details["scenario"].as_str().unwrap();
        assert!(smallest.parse::<Scenario>().is_ok());
    }
}
