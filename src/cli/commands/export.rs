//! `althing export`: the history in another form.

use std::io::Read as _;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::chain::line::Line;
use crate::chain::lines::{Ending, LineReader};
use crate::cli::audit_view::{AuditView, Names};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::style::escaped;
use crate::governance::event::Event;
use crate::governance::kind::ProposalKind;
use crate::ledger::LedgerReader;

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing export --format audit-json > audit.json
  althing export --format jsonl > ledger.jsonl"
))]
pub struct Export {
    /// audit-json: an array of {timestamp, operation, proposal_id, subject_id, kind, actor_did,
    /// decision, details}. jsonl: the ledger's own lines, byte for byte.
    #[arg(long, default_value = "audit-json")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    AuditJson,
    Jsonl,
}

/// One entry in the shape of an in-memory audit log.
#[derive(Serialize)]
struct AuditEntry {
    timestamp: String,
    operation: String,
    proposal_id: Option<String>,
    subject_id: Option<String>,
    kind: Option<ProposalKind>,
    actor_did: Option<String>,
    decision: Option<&'static str>,
    details: Value,
}

/// Runs `althing export`. Nothing is exported of a ledger that does not verify, but operations of a
/// newer version are passed on as they are.
pub fn run(export: &Export, session: &Session, output: &Output) -> Result<Exit, Failure> {
    match session.read() {
        Ok(_) => {}
        Err(failure) if failure.code == "event.unknown-operation" => {
            output.note(&format!("not judged: {}", escaped(&failure.message)));
        }
        Err(failure) => return Err(failure),
    }
    let reader = session.open_intact_reader()?;
    let entries = match export.format {
        Format::AuditJson => audit_json(&reader, output)?,
        Format::Jsonl => jsonl(&reader, output)?,
    };
    output.note(&format!("exported {entries} entries"));
    Ok(Exit::Ok)
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
        let view = match Event::decode(line.operation, line.data) {
            Ok(event) => {
                names.learn(&event);
                AuditView::of(&event, &names)
            }
            // The replay came as far as a newer version's first entry: this is that one, or behind it.
            Err(_) => AuditView {
                details: serde_json::from_str(line.data).unwrap_or_default(),
                ..AuditView::default()
            },
        };
        entries = line.seq;
        let entry = entry(&line, view);
        let text = serde_json::to_string(&entry).map_err(|error| broken(error.to_string()))?;
        output.text(&format!("{separator}{text}"))?;
        separator = ",\n";
    }
    output.text("\n]\n")?;
    Ok(entries)
}

fn entry(line: &Line<'_>, view: AuditView) -> AuditEntry {
    let details = match view.details {
        Value::Null => Value::Object(serde_json::Map::new()),
        details => details,
    };
    AuditEntry {
        timestamp: line.timestamp.to_string(),
        operation: line.operation.to_owned(),
        proposal_id: view.proposal.map(|proposal| proposal.to_string()),
        subject_id: view.subject,
        kind: view.kind,
        actor_did: view.actor.map(|actor| actor.to_string()),
        decision: view.decision,
        details,
    }
}
