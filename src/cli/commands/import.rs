//! `althing import`: a ledger from its files.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::chain::batches::BatchAssembler;
use crate::chain::line::Head;
use crate::chain::lines::{Ending, LineReader};
use crate::chain::verify::{Tip, VerifyError};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::{escaped, fields};
use crate::governance::digest::Digest;
use crate::identity::MlDsaVerifier;
use crate::ledger::{FileLedger, Ledger as _, LedgerReader};
use crate::parallel::Parallel;

/// Arguments of `import`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing import ./althing-ledger --ledger postgres://althing@db/governance
  althing import ./althing-ledger --ledger ./second

The ledger is the same afterwards, byte for byte: nothing is signed or decided anew. One that holds the
beginning of it already, because an import was interrupted, is completed."
))]
pub struct Import {
    /// The directory of the ledger to import.
    from: PathBuf,
}

#[derive(Serialize)]
struct ImportReport {
    entries: u64,
    imported: u64,
    head: Digest,
    to: String,
}

impl Report for ImportReport {
    const SCHEMA: &'static str = "althing.import/1";

    fn text(&self) -> String {
        fields(&[
            (
                "imported",
                format!("{} of {} entries", self.imported, self.entries),
            ),
            ("head", self.head.to_string()),
            ("to", escaped(&self.to)),
        ])
    }
}

/// Runs `althing import`. Nothing is imported of a ledger that the rules refuse.
pub fn run(import: &Import, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let source = LedgerReader::open(&import.from)?;
    if let Some(refusal) = source.refusal() {
        return Err(Failure::new(
            Exit::ChainBroken,
            refusal.code,
            refusal.to_string(),
        ));
    }
    let replayed = Parallel::new(&MlDsaVerifier).replay(source.reader())?;
    let mut ledger = session.open_or_create_ledger()?;
    let begun = *ledger.head();
    if begun.seq > replayed.head.seq {
        return Err(other_history(&begun));
    }
    append_all(&source, &mut ledger)?;
    output.report(&ImportReport {
        entries: ledger.head().seq,
        imported: ledger.head().seq - begun.seq,
        head: ledger.head().hash,
        to: session.ledger_name(),
    })?;
    Ok(Exit::Ok)
}

/// Appends what `source` holds and `ledger` lacks, batch by batch as it is.
pub(super) fn append_all(source: &LedgerReader, ledger: &mut FileLedger) -> Result<(), Failure> {
    let begun = *ledger.head();
    let broken =
        |error: VerifyError| Failure::new(Exit::ChainBroken, error.code(), error.to_string());
    let mut lines = LineReader::new(source.reader());
    let mut batches = BatchAssembler::behind(Tip::default());
    while let Some(line) = lines
        .next_line()
        .map_err(|error| Failure::new(Exit::ChainBroken, error.code(), error.to_string()))?
        .filter(|line| line.ending == Ending::LineFeed)
    {
        let Some(batch) = batches.push(line.bytes, |_| Ok(())).map_err(broken)? else {
            continue;
        };
        if batch.head().seq > begun.seq {
            if *ledger.head() != *batch.previous() {
                return Err(other_history(ledger.head()));
            }
            ledger.append(batch.previous(), &batch)?;
        } else if batch.head().seq == begun.seq && *batch.head() != begun {
            return Err(other_history(&begun));
        }
    }
    Ok(())
}

fn other_history(head: &Head) -> Failure {
    Failure::new(
        Exit::Refused,
        "import.other-history",
        format!("there is a ledger already whose entry {head} is not one of the imported"),
    )
    .hint("name an empty place with --ledger")
}
