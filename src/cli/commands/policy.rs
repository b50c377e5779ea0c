//! `althing policy`: the policy in force, a template for another, and what a policy means.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::init::read_policy;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::{Past, Session};
use crate::cli::style::{Grid, bad, bold, dim, escaped, plural};
use crate::governance::policy::Policy;
use crate::governance::policy_lint::{
    Behaviour, Bloc, Coalition, Contradictory, Finding, KindLint, PolicyLint, Possibility,
    Severity, Side, lint,
};
use crate::governance::state::State;
use crate::governance::weight::Weight;

/// Show policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the policy in force.
    #[command(after_long_help = help!("  althing policy show"))]
    Show(Past),
    /// Print a complete policy to start from, as `init --policy FILE` and `propose update-policy
    /// --file FILE` read it.
    #[command(after_long_help = help!(
        "  althing policy template > policy.json\n  althing policy template --uniform"
    ))]
    Template(Template),
    /// Say who can pass and who can stop each kind of proposal, whether two contradictory
    /// proposals can both pass, and what else a policy means for an electorate.
    ///
    /// Findings are information: they never change the exit code.
    #[command(after_long_help = help!(
        "  althing policy lint
  althing policy lint --file policy.json
  althing policy lint --file uniform --weights 1,1,2"
    ))]
    Lint(Lint),
}

/// Arguments of `policy template`.
#[derive(Debug, Args)]
pub struct Template {
    /// Two thirds of everything and nothing else, instead of the default policy.
    #[arg(long)]
    uniform: bool,
}

/// Arguments of `policy lint`.
#[derive(Debug, Args)]
pub struct Lint {
    /// Another policy than the one in force: a file as `althing policy template` prints it,
    /// `default`, or `uniform`.
    #[arg(long)]
    file: Option<PathBuf>,
    /// The weights of an electorate instead of the active nodes; without a ledger and a file, the
    /// default policy is looked at.
    #[arg(long, value_name = "WEIGHT,…", value_delimiter = ',')]
    weights: Option<Vec<Weight>>,
}

/// Runs `althing policy`.
pub fn run(command: &PolicyCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let policy = match command {
        PolicyCommand::Show(past) => session.read_past(*past)?.state.policy().clone(),
        PolicyCommand::Template(Template { uniform: true }) => Policy::uniform(),
        PolicyCommand::Template(Template { uniform: false }) => Policy::default(),
        PolicyCommand::Lint(lint) => {
            output.report(&lint_report(lint, session)?)?;
            return Ok(Exit::Ok);
        }
    };
    let written = if output.is_json() {
        serde_json::to_string(&policy)
    } else {
        serde_json::to_string_pretty(&policy)
    };
    let text = written
        .map_err(|error| Failure::new(Exit::Failure, "policy.unwritable", error.to_string()))?;
    output.text(&format!("{text}\n"))?;
    Ok(Exit::Ok)
}

fn lint_report(arguments: &Lint, session: &Session) -> Result<LintReport, Failure> {
    let named = arguments.file.as_deref().map(named_policy).transpose()?;
    let (source, policy, weights) = match (named, &arguments.weights) {
        (Some((source, policy)), Some(weights)) => (source, policy, weights.clone()),
        (None, Some(weights)) => {
            let (source, policy) = policy_in_force(session)?;
            (source, policy, weights.clone())
        }
        (named, None) => {
            let state = session.read()?.state;
            let (source, policy) =
                named.unwrap_or_else(|| (IN_FORCE.to_owned(), state.policy().clone()));
            (source, policy, active_weights(&state))
        }
    };
    let lint = lint(&policy, &weights)
        .map_err(|error| Failure::usage("lint.electorate", error.to_string()))?;
    Ok(LintReport {
        policy: source,
        lint,
    })
}

/// What the policy of a ledger is called.
const IN_FORCE: &str = "in force";

fn named_policy(name: &Path) -> Result<(String, Policy), Failure> {
    let policy = match name.to_str() {
        Some("default") => Policy::default(),
        Some("uniform") => Policy::uniform(),
        _ => read_policy(name, &Policy::default())?,
    };
    Ok((name.display().to_string(), policy))
}

/// The policy in force, or the one that a ledger gets that is founded without any.
fn policy_in_force(session: &Session) -> Result<(String, Policy), Failure> {
    match session.read() {
        Ok(replayed) => Ok((IN_FORCE.to_owned(), replayed.state.policy().clone())),
        Err(failure) if failure.code == "ledger.not-found" => {
            Ok(("default".to_owned(), Policy::default()))
        }
        Err(failure) => Err(failure),
    }
}

fn active_weights(state: &State) -> Vec<Weight> {
    let active = state.registry().active();
    active.map(|(_, node)| node.weight()).collect()
}

/// What a policy means for an electorate.
#[derive(Serialize)]
struct LintReport {
    policy: String,
    #[serde(flatten)]
    lint: PolicyLint,
}

impl Report for LintReport {
    const SCHEMA: &'static str = "althing.policy-lint/1";

    fn text(&self) -> String {
        let mut text = format!(
            "{}: {}, total weight {}\n\n",
            bold(&format!("policy {}", escaped(&self.policy))),
            plural(self.lint.nodes, "node"),
            self.lint.total_weight,
        );
        text.push_str(&kinds_table(&self.lint.kinds));
        text.push_str(&dim(
            "nodes/weight: the fewest nodes, and the lightest ones, that can\n",
        ));
        text.push('\n');
        if self.lint.findings.is_empty() {
            text.push_str("no findings\n");
        }
        for finding in &self.lint.findings {
            text.push_str(&finding_text(finding, self.lint.kinds.len()));
        }
        if let Some(example) = division(&self.lint.kinds) {
            text.push_str(&format!("\n{example}\n"));
        }
        text
    }
}

fn kinds_table(kinds: &[KindLint]) -> String {
    let heads = [
        "kind",
        "passes against all",
        "passes alone",
        "with abstentions",
        "blocked by",
        "contradictory",
    ];
    let mut grid = Grid::new(&heads);
    for kind in kinds {
        grid.row([
            kind.kind.to_string(),
            coalition(kind.passes_against_all),
            coalition(kind.passes_alone),
            coalition(kind.passes_with_abstentions),
            format!(
                "{} {}",
                coalition(Some(kind.blocked_by.coalition)),
                behaviour(kind.blocked_by.by)
            ),
            contradictory(&kind.contradictory).to_owned(),
        ]);
    }
    grid.text()
}

fn coalition(coalition: Option<Coalition>) -> String {
    coalition.map_or_else(
        || "nobody".to_owned(),
        |coalition| {
            let at_least = if coalition.exact { "" } else { "≥" };
            format!("{}/{at_least}{}", coalition.nodes, coalition.weight)
        },
    )
}

const fn behaviour(by: Behaviour) -> &'static str {
    match by {
        Behaviour::Rejecting => "rejecting",
        Behaviour::StayingAway => "away",
        Behaviour::Either => "either way",
    }
}

const fn contradictory(contradictory: &Contradictory) -> &'static str {
    match contradictory.possible {
        Possibility::Yes => "possible",
        Possibility::No => "no",
        Possibility::ByWeight => "possible by weight",
    }
}

fn finding_text(finding: &Finding, all: usize) -> String {
    let severity = finding.severity.name();
    let severity = match finding.severity {
        Severity::Error | Severity::Warning => bad(severity),
        Severity::Info => bold(severity),
    };
    let names: Vec<&str> = finding.kinds.iter().map(|kind| kind.name()).collect();
    let about = match names.len() {
        0 => "the policy".to_owned(),
        count if count == all => "every kind".to_owned(),
        _ => names.join(", "),
    };
    format!(
        "{severity} {} {}\n  {about}: {}\n",
        finding.code.name(),
        dim(&format!("({})", plural(names.len(), "kind"))),
        finding.message
    )
}

/// The example of a division is the same for every kind; which weights are on which side is said
/// once.
fn division(kinds: &[KindLint]) -> Option<String> {
    let mut examples = kinds.iter().map(|kind| &kind.contradictory.example);
    let example = examples.find_map(Option::as_ref)?;
    Some(format!(
        "the electorate divided: {} on one side, {} on the other",
        side(&example.one),
        side(&example.other)
    ))
}

fn side(side: &Side) -> String {
    let bloc = |bloc: &Bloc| format!("{} of weight {}", plural(bloc.nodes, "node"), bloc.weight);
    let blocs: Vec<String> = side.blocs.iter().map(bloc).collect();
    blocs.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(policy: &Policy, weights: &[u64]) -> LintReport {
        let weights = weights.iter().map(|weight| Weight::new(*weight));
        let weights: Vec<Weight> = weights.map(|weight| weight.expect("a weight")).collect();
        LintReport {
            policy: "of a test".to_owned(),
            lint: lint(policy, &weights).expect("an electorate"),
        }
    }

    #[test]
    fn the_text_says_every_finding_and_the_example() {
        let text = report(&Policy::uniform(), &[1; 9]).text();
        for expected in [
            "9 nodes, total weight 9",
            "4/4 either way",
            "lint.contradictory-passes",
            "weight 4 passes one and weight 5 the other, although up to 2 and 2 reject them",
            "every kind: one node passes it if all others abstain",
            "4 nodes of weight 1 on one side, 5 nodes of weight 1 on the other",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }

    #[test]
    fn a_bound_is_told_from_a_weight_that_there_is() {
        let report = report(&Policy::uniform(), &[1_000_000; 25]);
        assert!(report.text().contains("17/≥16666667"));
    }

    #[test]
    fn the_json_has_policy_and_findings_on_top() {
        let json = serde_json::to_value(report(&Policy::default(), &[1, 1, 2])).unwrap();
        let members: Vec<&String> = json.as_object().unwrap().keys().collect();
        let expected = ["findings", "kinds", "nodes", "policy", "total_weight"];
        let mut members: Vec<&str> = members.into_iter().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, expected);
    }
}
