//! `althing export --format html`: the auditor's page as one file.

use std::path::{Path, PathBuf};

use super::Export;
use crate::chain::line::Line;
use crate::chain::lines::{Ending, LineReader};
use crate::cli::commands::checkpoint::verify::held;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::identity::MlDsaVerifier;
use crate::ledger::LedgerReader;
use crate::pages::{self, Document};
use crate::views::checkpoint::CheckpointView;
use crate::views::history::History;

/// A page holds the ledger's lines up to so many bytes; a browser has to hold all of them at once.
const MAX_EMBEDDED_BYTES: u64 = 32 << 20;

/// What the page is called in a directory.
const FILE_NAME: &str = "audit.html";

/// Writes the page. The ledger is verified from its first line, whatever snapshots there are.
pub(super) fn run(export: &Export, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let replayed = session.replay_with(&MlDsaVerifier)?;
    let checkpoint = match &export.checkpoint {
        None => None,
        Some(file) => Some(held(file, &replayed, session)?),
    };
    let checkpoint =
        checkpoint.map(|held| CheckpointView::of(&held.checkpoint, &held.endorsement, &held.then));
    let entries = replayed.state.entries();
    let history = history(&session.open_intact_reader()?, entries)?;
    if !history.keeps_lines() {
        output.note(&format!(
            "the ledger has more than {} MiB, so the page holds no lines: it verifies files that are \
             chosen in it",
            MAX_EMBEDDED_BYTES >> 20
        ));
    }
    let document = Document::of(
        &replayed.state,
        replayed.head.hash,
        replayed.merkle.root(),
        session.now().max(replayed.state.clock()),
        history,
        checkpoint,
    );
    let path = path(export.out.as_deref());
    statement_file::write_text(&path, &pages::file(&document), output)?;
    output.note(&format!("exported {entries} entries"));
    Ok(Exit::Ok)
}

fn path(out: Option<&Path>) -> PathBuf {
    match out {
        None => PathBuf::from("-"),
        Some(dir) if dir.is_dir() => dir.join(FILE_NAME),
        Some(file) => file.to_owned(),
    }
}

/// The history up to the last entry that was replayed: the ledger may have grown since.
fn history(reader: &LedgerReader, entries: u64) -> Result<History, Failure> {
    let broken = |message: String| Failure::new(Exit::ChainBroken, "ledger.unreadable", message);
    let mut history = History::new(is_short(reader)?);
    let mut lines = LineReader::new(reader.reader());
    while let Some(raw) = lines
        .next_line()
        .map_err(|error| broken(error.to_string()))?
        .filter(|raw| raw.ending == Ending::LineFeed)
    {
        let line = Line::decode(raw.bytes).map_err(|error| broken(error.to_string()))?;
        if line.seq > entries {
            break;
        }
        let text = str::from_utf8(raw.bytes).map_err(|error| broken(error.to_string()))?;
        history.read(&line, text);
    }
    Ok(history)
}

/// Whether all lines can stand in the page.
fn is_short(reader: &LedgerReader) -> Result<bool, Failure> {
    use std::io::Read as _;
    let mut start = reader.reader().take(MAX_EMBEDDED_BYTES + 1);
    let read = std::io::copy(&mut start, &mut std::io::sink())
        .map_err(|error| Failure::new(Exit::Failure, "ledger.io", error.to_string()))?;
    Ok(read <= MAX_EMBEDDED_BYTES)
}
