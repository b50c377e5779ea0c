//! `althing submit`: record statements that were signed elsewhere.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::lifecycle::StatusReport;
use super::{propose, vote};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::{Grid, plural};
use crate::governance::command::Command;
use crate::governance::event::Recorded;
use crate::governance::state::State;

/// Arguments of `submit`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing submit ballot.json
  cat *.json | althing submit -"
))]
pub struct Submit {
    /// Signed proposals, ballots, withdrawals or evidence, one JSON object after the other;
    /// standard input for '-'.
    file: PathBuf,
}

#[derive(Serialize)]
struct SubmitReport {
    results: Vec<Submitted>,
}

/// What became of one statement.
#[derive(Serialize)]
struct Submitted {
    r#type: &'static str,
    recorded: bool,
    entries: Vec<u64>,
    /// The same members as the command of that type reports.
    #[serde(flatten)]
    outcome: Value,
}

impl Report for SubmitReport {
    const SCHEMA: &'static str = "althing.submit/1";

    fn text(&self) -> String {
        let mut grid = Grid::new(&["statement", "entries"]);
        for result in &self.results {
            let entries = if result.recorded {
                let numbers: Vec<String> = result.entries.iter().map(u64::to_string).collect();
                numbers.join(", ")
            } else {
                "recorded before".to_owned()
            };
            grid.row([result.r#type.to_owned(), entries]);
        }
        grid.text()
    }
}

/// Runs `althing submit`. Statements are recorded one after the other; the first that is refused
/// ends the command, and those before it stay recorded.
pub fn run(submit: &Submit, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let commands = statement_file::read(&submit.file)?;
    let mut node = session.open_node()?;
    let mut results = Vec::new();
    for (index, (kind, command)) in commands.into_iter().enumerate() {
        let submitted = session.submit(&mut node, &command).and_then(|recorded| {
            let outcome = outcome(node.state(), &command, &recorded)?;
            Ok((recorded, outcome))
        });
        let (recorded, outcome) = match submitted {
            Ok(result) => result,
            Err(failure) => return Err(stopped_at(failure, index, &results)),
        };
        results.push(Submitted {
            r#type: kind,
            recorded: !recorded.is_empty(),
            entries: recorded.iter().map(|entry| entry.seq).collect(),
            outcome,
        });
    }
    output.report(&SubmitReport { results })?;
    session.close(&node);
    Ok(Exit::Ok)
}

fn stopped_at(mut failure: Failure, index: usize, before: &[Submitted]) -> Failure {
    if index > 0 {
        failure.causes.push(format!(
            "statement {}; {} before it recorded",
            index + 1,
            plural(index, "statement")
        ));
    }
    let before = serde_json::to_value(before).unwrap_or_default();
    failure
        .detail("statement", index + 1)
        .detail("results", before)
}

/// What the command of that type would report.
fn outcome(state: &State, command: &Command, recorded: &[Recorded]) -> Result<Value, Failure> {
    let value = match command {
        Command::Propose(_) => serde_json::to_value(propose::report(state, recorded)?),
        Command::Vote(ballot) => serde_json::to_value(vote::report(state, ballot, recorded)?),
        Command::Withdraw(withdrawal) => {
            let proposal = withdrawal.content().proposal_id;
            serde_json::to_value(StatusReport::of(state, proposal, recorded)?)
        }
        Command::SubmitEvidence(evidence) => {
            let proposal = evidence.first.content().proposal_id;
            serde_json::to_value(StatusReport::of(state, proposal, recorded)?)
        }
        Command::SubmitContradictingHeads(heads) => Ok(serde_json::json!({"node": heads.node})),
        Command::SubmitConsensusEquivocation(found) => Ok(serde_json::json!({"node": found.node})),
        Command::RotateKey(rotation) => {
            Ok(serde_json::json!({"node": rotation.content().new_key.node}))
        }
        _ => Ok(Value::Null),
    };
    Ok(strip(value.unwrap_or_default()))
}

/// Leaves out what every result has anyway.
fn strip(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.remove("recorded");
            members.remove("entries");
            value
        }
        _ => Value::Object(serde_json::Map::new()),
    }
}
