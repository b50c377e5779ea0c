//! `althing evidence`: look at contradictions between ballots, checkpoints and messages of consensus.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::contradiction::{self, Checkpoints};
use crate::chain::line::Line;
use crate::chain::lines::LineReader;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::{Past, Session};
use crate::cli::statement_file;
use crate::cli::style::{Grid, bold, dim, escaped, fields};
use crate::governance::event::Event;
use crate::governance::state::State;
use crate::views::View;
use crate::views::evidence::{
    BallotsView, CheckpointsView, ConsensusView, EvidenceList, EvidenceSummary, EvidenceView,
    Statements,
};

/// Look at evidence of Byzantine behaviour.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// List the evidence.
    #[command(after_long_help = help!("  althing evidence list"))]
    List(Past),
    /// Show the two statements side by side, or write them for others to check.
    #[command(after_long_help = help!(
        "  althing evidence show clinic\n  althing evidence show clinic --out evidence.json"
    ))]
    Show(Show),
    /// Make evidence of two checkpoints that contradict each other, and record it.
    Checkpoints(Checkpoints),
}

/// Arguments of `evidence show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The entry number of the evidence, or the accused node's name or id.
    evidence: String,
    #[command(flatten)]
    past: Past,
    /// Write the two signed statements to a file, which `althing submit` accepts on any copy of the
    /// ledger; standard output for '-'.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Report for EvidenceList {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        if self.evidence.is_empty() {
            return "no evidence\n".to_owned();
        }
        let mut grid = Grid::new(&["entry", "node", "proposal", "suspended", "recorded"]).right(0);
        for item in &self.evidence {
            grid.row([
                item.seq.to_string(),
                escaped(&item.name),
                item.proposal_id
                    .map_or_else(|| format!("({})", item.kind), |it| it.short()),
                if item.suspended { "yes" } else { "no" }.to_owned(),
                item.at.to_string(),
            ]);
        }
        grid.text()
    }
}

impl Report for BallotsView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let summary = &self.summary;
        let mut text = fields(&[
            ("node", bold(&escaped(&summary.name))),
            ("node id", summary.node.to_string()),
            (
                "proposal",
                (summary.proposal_id).map_or_else(|| "none".to_owned(), |it| it.to_string()),
            ),
            ("recorded", format!("entry {}, {}", summary.seq, summary.at)),
            (
                "suspended by it",
                if summary.suspended { "yes" } else { "no" }.to_owned(),
            ),
        ]);
        text.push('\n');
        let mut grid = Grid::new(&["", "one ballot", "the other"]);
        let (one, other) = (self.first.content(), self.second.content());
        let pairs = [
            (
                "decision",
                one.decision.to_string(),
                other.decision.to_string(),
            ),
            (
                "cast at",
                one.cast_at.to_string(),
                other.cast_at.to_string(),
            ),
            (
                "vote id",
                one.vote_id.to_string(),
                other.vote_id.to_string(),
            ),
            (
                "rationale",
                escaped(one.rationale.as_str()),
                escaped(other.rationale.as_str()),
            ),
        ];
        for (name, one, other) in pairs {
            grid.row([name.to_owned(), one, other]);
        }
        text.push_str(&grid.text());
        text.push_str(&dim(
            "Both signatures verify under the key that the registry holds for the node.\n",
        ));
        text
    }
}

/// Runs `althing evidence`.
pub fn run(command: &EvidenceCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    match command {
        EvidenceCommand::Checkpoints(options) => contradiction::run(options, session, output),
        EvidenceCommand::List(past) => {
            output.report(&EvidenceList::of(&session.read_past(*past)?.state))?;
            Ok(Exit::Ok)
        }
        EvidenceCommand::Show(show) => {
            let state = session.read_past(show.past)?.state;
            let summary = find(&state, &show.evidence)?;
            let statements = read_entry(session, summary.seq)?;
            if let Some(path) = &show.out {
                statement_file::write_text(path, &statements_line(&statements)?, output)?;
                return Ok(Exit::Ok);
            }
            match EvidenceView::of(summary, statements) {
                EvidenceView::Ballots(view) => output.report(&view)?,
                EvidenceView::Checkpoints(view) => output.report(&view)?,
                EvidenceView::Consensus(view) => output.report(&view)?,
            }
            Ok(Exit::Ok)
        }
    }
}

/// The signed statements as `althing submit` takes them.
fn statements_line(statements: &Statements) -> Result<String, Failure> {
    match statements {
        Statements::Ballots(evidence) => statement_file::evidence_to_line(evidence),
        Statements::Checkpoints(heads) => statement_file::checkpoints_to_line(heads),
        Statements::Consensus(found) => statement_file::consensus_to_line(found),
    }
}

/// Who is accused, where it stands and what it led to.
fn recorded(summary: &EvidenceSummary) -> Vec<(&'static str, String)> {
    let suspended = if summary.suspended { "yes" } else { "no" };
    vec![
        ("node", bold(&escaped(&summary.name))),
        ("node id", summary.node.to_string()),
        ("recorded", format!("entry {}, {}", summary.seq, summary.at)),
        ("suspended by it", suspended.to_owned()),
    ]
}

impl Report for ConsensusView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let said = &self.consensus;
        let mut lines = recorded(&self.summary);
        lines.push(("height", said.height.to_string()));
        lines.push(("round", said.round.to_string()));
        lines.push(("step", said.step.name().to_owned()));
        for (name, choice) in [("one value", &said.first), ("the other", &said.second)] {
            let value = choice
                .value
                .map_or_else(|| "none".to_owned(), |it| it.to_string());
            lines.push((name, value));
        }
        fields(&lines)
    }
}

impl Report for CheckpointsView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let mut text = fields(&recorded(&self.summary));
        text.push('\n');
        let mut grid = Grid::new(&["signed checkpoint", "Merkle root"]).right(0);
        for head in [&self.checkpoints.first, &self.checkpoints.second] {
            grid.row([format!("{} entries", head.size), head.root.to_string()]);
        }
        if let Some(divergence) = &self.checkpoints.divergence {
            let began = format!("the second began with {}", self.checkpoints.first.size);
            grid.row([began, divergence.root.to_string()]);
        }
        text.push_str(&grid.text());
        text
    }
}

fn find(state: &State, text: &str) -> Result<EvidenceSummary, Failure> {
    let mut all = EvidenceSummary::all(state).into_iter();
    let found = match text.parse::<u64>() {
        Ok(seq) => all.find(|summary| summary.seq == seq),
        Err(_) => {
            let node = resolve::node(state, text)?;
            all.find(|summary| summary.node == node)
        }
    };
    found.ok_or_else(|| {
        Failure::new(
            Exit::Refused,
            "evidence.unknown",
            format!("there is no evidence \"{}\"", escaped(text)),
        )
        .hint("`althing evidence list` shows all of it")
    })
}

/// Reads the evidence in entry `seq` of a ledger that was just replayed.
fn read_entry(session: &Session, seq: u64) -> Result<Statements, Failure> {
    let reader = session.open_reader()?;
    let mut lines = LineReader::new(reader.reader());
    let broken = |message: String| Failure::new(Exit::ChainBroken, "evidence.unreadable", message);
    while let Some(raw) = lines
        .next_line()
        .map_err(|error| broken(error.to_string()))?
    {
        let line = Line::decode(raw.bytes).map_err(|error| broken(error.to_string()))?;
        if line.seq != seq {
            continue;
        }
        let event = Event::decode(line.operation, line.data).ok();
        return event
            .and_then(Statements::of)
            .ok_or_else(|| broken(format!("entry {seq} holds no evidence any more")));
    }
    Err(broken(format!("entry {seq} is gone")))
}
