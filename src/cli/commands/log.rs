//! `althing log`: read the history.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::chain::line::Line;
use crate::chain::lines::{Ending, LineReader};
use crate::cli::args::parse_time;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::style::{bold, dim, escaped};
use crate::governance::event::OPERATIONS;
use crate::governance::time::Timestamp;
use crate::views::audit::{AuditView, Names, Span, Summary};
use crate::views::filter::Filter;

/// Arguments of `log`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing log
  althing log --reverse --limit 10
  althing log --operation vote_cast --actor clinic
  althing log --proposal 3f2a91c0 --json | jq .data
  althing log --follow

With --json each line is the ledger's own line, byte for byte: its hash can be checked."
))]
pub struct Log {
    /// Only this operation. Repeatable.
    #[arg(long, value_name = "OPERATION", value_parser = PossibleValuesParser::new(OPERATIONS))]
    operation: Vec<String>,
    /// Only what concerns this proposal: its id, or the start of it.
    #[arg(long, value_name = "PROPOSAL")]
    proposal: Option<String>,
    /// Only what this node did or what happened to it: its name, its id, or the start of its id.
    #[arg(long, value_name = "NODE")]
    actor: Option<String>,
    /// Only from this time on.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    since: Option<Timestamp>,
    /// Only before this time.
    #[arg(long, value_name = "RFC3339", value_parser = parse_time)]
    until: Option<Timestamp>,
    /// At most so many entries.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Newest first.
    #[arg(long)]
    reverse: bool,
    /// Go on and print entries as they are recorded.
    #[arg(long, conflicts_with_all = ["reverse", "limit"])]
    follow: bool,
}

impl Log {
    fn filter(&self) -> Filter {
        Filter {
            operations: self.operation.clone(),
            proposal: self.proposal.clone(),
            actor: self.actor.clone(),
            since: self.since,
            until: self.until,
        }
    }
}

/// How long `--follow` waits before it looks again.
const POLL: Duration = Duration::from_millis(500);

/// A misspelt filter looks like an empty history, so an empty answer says what it is.
const NOTHING: &str = "no entry matches";

/// Runs `althing log`.
pub fn run(log: &Log, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let mut names = Names::default();
    if log.reverse {
        newest_first(log, session, output, &mut names)?;
        return Ok(Exit::Ok);
    }
    let mut last = oldest_first(log, session, output, &mut names)?;
    if log.follow {
        loop {
            session.wait_for_more(POLL)?;
            let print = |text: String| output.text(&text);
            last = read(log, session, last, &mut names, print, output)?;
        }
    }
    Ok(Exit::Ok)
}

fn oldest_first(
    log: &Log,
    session: &Session,
    output: &Output,
    names: &mut Names,
) -> Result<u64, Failure> {
    let mut printed = 0;
    let print = |text: String| {
        let wanted = log.limit.is_none_or(|limit| printed < limit);
        printed += 1;
        if wanted { output.text(&text) } else { Ok(()) }
    };
    let last = read(log, session, 0, names, print, output)?;
    if printed == 0 {
        output.note(NOTHING);
    }
    Ok(last)
}

fn newest_first(
    log: &Log,
    session: &Session,
    output: &Output,
    names: &mut Names,
) -> Result<(), Failure> {
    let mut newest = VecDeque::new();
    let keep = |text: String| {
        newest.push_front(text);
        if let Some(limit) = log.limit {
            newest.truncate(limit);
        }
        Ok(())
    };
    read(log, session, 0, names, keep, output)?;
    if newest.is_empty() {
        output.note(NOTHING);
    }
    newest.iter().try_for_each(|text| output.text(text))
}

/// Passes every wanted entry after `after` to `print`, as text; returns the last entry's number.
///
/// Opening a ledger checks its chain, so nothing tampered with is ever shown as history.
fn read(
    log: &Log,
    session: &Session,
    after: u64,
    names: &mut Names,
    mut print: impl FnMut(String) -> Result<(), Failure>,
    output: &Output,
) -> Result<u64, Failure> {
    let reader = session.open_intact_reader()?;
    let mut lines = LineReader::new(reader.reader());
    let mut last = after;
    let filter = log.filter();
    let broken = |code: &str, message: String| Failure::new(Exit::ChainBroken, code, message);
    while let Some(raw) = lines
        .next_line()
        .map_err(|error| broken(error.code(), error.to_string()))?
        .filter(|raw| raw.ending == Ending::LineFeed)
    {
        let line =
            Line::decode(raw.bytes).map_err(|error| broken(error.code(), error.to_string()))?;
        if line.seq <= after {
            continue;
        }
        last = line.seq;
        let view = AuditView::of_line(&line, names);
        if filter.wants(&line, &view, names) {
            let text = if output.is_json() {
                format!("{}\n", String::from_utf8_lossy(raw.bytes))
            } else {
                describe(&line, &view)
            };
            print(text)?;
        }
    }
    Ok(last)
}

fn describe(line: &Line<'_>, view: &AuditView) -> String {
    let timestamp = line.timestamp.to_string();
    // Seconds are enough to read; the ledger keeps microseconds.
    let time = timestamp.get(..19).unwrap_or(&timestamp).replace('T', " ");
    format!(
        "{:>6}  {}  {}  {}\n",
        line.seq,
        dim(&time),
        bold(&format!("{:<21}", line.operation)),
        words(&view.summary)
    )
}

fn words(summary: &Summary) -> String {
    let word = |span: &Span| match span {
        Span::Decision(name) => bold(name),
        other => escaped(other.as_str()),
    };
    summary.0.iter().map(word).collect()
}
