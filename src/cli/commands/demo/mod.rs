//! `althing demo`: the whole story on a fresh ledger, with real keys, real signatures and a real
//! chain of files.

mod cast;
mod stage;
mod story;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::{bold, dim};
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::time::Timestamp;
use stage::Stage;

/// Arguments of `demo`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing demo
  althing demo --ledger ./demo      (keeps the ledger and its keys, to look around in)"
))]
pub struct Demo {}

/// What the story came to.
#[derive(Debug, Serialize)]
pub struct DemoReport {
    ledger: LedgerId,
    entries: u64,
    head: Digest,
    state_hash: Digest,
    replayed_state_hash: Digest,
    states_equal: bool,
    refusals: Vec<&'static str>,
    origin: Digest,
    receipt_entries: usize,
    receipt_authorized_as_of: Timestamp,
    receipt_refused: &'static str,
    tampered_entry: u64,
    tampering_found_at: u64,
    tampering_code: &'static str,
    #[serde(skip)]
    kept: Option<PathBuf>,
}

impl Report for DemoReport {
    const SCHEMA: &'static str = "althing.demo/1";

    fn text(&self) -> String {
        let Some(kept) = &self.kept else {
            return format!(
                "\n{}\n",
                dim("The ledger was temporary. Keep one to look around in: \
                     althing demo --ledger ./demo")
            );
        };
        let at = kept.display();
        format!(
            "\n{}\n  althing --ledger {at} log\n  althing --ledger {at} verify\n  \
             althing --ledger {at} proposal list\n  \
             althing --ledger {at} --keys {at}/keys propose revoke-agent \
             did:example:bed-scheduler --title Enough --as aurora\n  \
             althing receipt verify {at}/{} --origin {}\n",
            bold("Look around:"),
            story::RECEIPT_FILE,
            self.origin
        )
    }
}

/// Runs `althing demo`.
pub fn run(_: &Demo, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let stage = Stage::new(output);
    let report = match session.chosen_ledger_dir() {
        Some(dir) => {
            let mut report = tell(dir, session, &stage)?;
            report.kept = Some(dir.clone());
            report
        }
        None => {
            let dir = tempfile::tempdir()
                .map_err(|error| Failure::file(&std::env::temp_dir(), &error))?;
            tell(dir.path(), session, &stage)?
        }
    };
    output.report(&report)?;
    Ok(Exit::Ok)
}

fn tell(dir: &Path, session: &Session, stage: &Stage<'_>) -> Result<DemoReport, Failure> {
    story::tell(dir, session, stage)
}
