//! `althing export`: the history in another form.

mod html;
mod segments;

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::chain::line::Line;
use crate::chain::lines::{Ending, LineReader};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::style::escaped;
use crate::ledger::LedgerReader;
use crate::views::audit::{AuditEntry, AuditView, Names};

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing export --format audit-json > audit.json
  althing export --format jsonl > ledger.jsonl
  althing export --format html --checkpoint checkpoint.txt ./evidence
  althing export --format segments ./copy

The page is one file that works without a network, a server or JavaScript; with JavaScript the browser
of whoever reads it computes every hash again."
))]
pub struct Export {
    /// audit-json: an array of {timestamp, operation, proposal_id, subject_id, kind, actor_did,
    /// decision, details}. jsonl: the ledger's own lines, byte for byte. html: a page for auditors.
    /// segments: a ledger's files, byte for byte.
    #[arg(long, default_value = "audit-json")]
    format: Format,
    /// For html: a checkpoint that the ledger is held against, and that the page can be compared with.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// For html: where to write the page, in a directory as audit.html. [default: standard output] For
    /// segments: the directory, which is completed where it holds the beginning already.
    #[arg(value_name = "FILE|DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    AuditJson,
    Jsonl,
    Html,
    Segments,
}

/// Runs `althing export`.
pub fn run(export: &Export, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let write = match export.format {
        Format::Html => return html::run(export, session, output),
        Format::Segments => return segments::run(export, session, output),
        Format::AuditJson => audit_json,
        Format::Jsonl => jsonl,
    };
    if export.out.is_some() || export.checkpoint.is_some() {
        return Err(Failure::usage(
            "export.option",
            "FILE|DIR is for --format html and segments, --checkpoint for html: the other forms go to standard \
             output",
        ));
    }
    check(session, output)?;
    let entries = write(&session.open_intact_reader()?, output)?;
    output.note(&format!("exported {entries} entries"));
    Ok(Exit::Ok)
}

/// Nothing is exported of a ledger that does not verify, but operations of a newer version are passed
/// on as they are.
fn check(session: &Session, output: &Output) -> Result<(), Failure> {
    match session.read() {
        Ok(_) => Ok(()),
        Err(failure) if failure.code == "event.unknown-operation" => {
            output.note(&format!("not judged: {}", escaped(&failure.message)));
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

fn jsonl(reader: &LedgerReader, output: &Output) -> Result<u64, Failure> {
    let mut text = String::new();
    reader
        .reader()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(Exit::Failure, "ledger.io", error.to_string()))?;
    output.text(&text)?;
    Ok(text.lines().count() as u64)
}

fn audit_json(reader: &LedgerReader, output: &Output) -> Result<u64, Failure> {
    let mut entries = 0;
    let mut lines = LineReader::new(reader.reader());
    let mut names = Names::default();
    let mut separator = "[\n";
    let broken = |message: String| Failure::new(Exit::ChainBroken, "ledger.unreadable", message);
    while let Some(raw) = lines
        .next_line()
        .map_err(|error| broken(error.to_string()))?
        .filter(|raw| raw.ending == Ending::LineFeed)
    {
        let line = Line::decode(raw.bytes).map_err(|error| broken(error.to_string()))?;
        let view = AuditView::of_line(&line, &mut names);
        entries = line.seq;
        let entry = AuditEntry::of(&line, view);
        let text = serde_json::to_string(&entry).map_err(|error| broken(error.to_string()))?;
        output.text(&format!("{separator}{text}"))?;
        separator = ",\n";
    }
    output.text("\n]\n")?;
    Ok(entries)
}
