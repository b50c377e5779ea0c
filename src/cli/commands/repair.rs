//! `althing repair`: save what is intact of a damaged ledger, elsewhere.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::problem::Problem;
use crate::cli::session::Session;
use crate::cli::style::{bad, bold, escaped, fields, good};
use crate::governance::digest::Digest;
use crate::identity::MlDsaVerifier;
use crate::node::repair::{self, RepairError};

/// Arguments of `repair`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing repair --out ./repaired
  althing repair --out ./repaired --json | jq .lost

The damaged ledger is never touched. Copied is the longest part from its beginning whose chain is
intact and in which every decision is what the rules give; whole batches only. What comes behind the
damage can't be carried over, because its links lead through what is gone: ask others for a copy first."
))]
pub struct Repair {
    /// Where to put the new ledger. It must not exist.
    #[arg(long, value_name = "NEWDIR")]
    out: PathBuf,
}

/// What was done.
#[derive(Serialize)]
struct RepairReport {
    out: String,
    kept: Kept,
    lost: Lost,
    /// Null where nothing is wrong with the ledger.
    problem: Option<Problem>,
}

#[derive(Serialize)]
struct Kept {
    entries: u64,
    bytes: u64,
    head: Digest,
}

#[derive(Serialize)]
struct Lost {
    /// The first entry that is not kept.
    from_entry: u64,
    /// Where it starts.
    offset: u64,
    bytes: u64,
    /// Lost, although intact by themselves.
    readable_entries: u64,
}

impl Report for RepairReport {
    const SCHEMA: &'static str = "althing.repair/1";

    fn text(&self) -> String {
        let verdict = match (&self.problem, self.lost.bytes) {
            (None, _) => good("nothing is wrong with the ledger; all of it was copied"),
            (_, 0) => good("all entries were copied"),
            _ => bad("a part of the ledger could not be kept"),
        };
        let mut lines = vec![
            ("copied to", escaped(&self.out)),
            (
                "kept",
                format!(
                    "entries 1 to {}, {} bytes",
                    self.kept.entries, self.kept.bytes
                ),
            ),
            ("head", self.kept.head.to_string()),
        ];
        if self.lost.bytes > 0 {
            lines.push((
                "lost",
                format!(
                    "{} bytes from byte {}, entry {} on",
                    self.lost.bytes, self.lost.offset, self.lost.from_entry
                ),
            ));
            lines.push((
                "readable but lost",
                format!("{} entries", self.lost.readable_entries),
            ));
        }
        if let Some(problem) = &self.problem {
            lines.push(("problem", problem.to_string()));
        }
        format!("{}\n{}", bold(&verdict), fields(&lines))
    }
}

/// Runs `althing repair`.
pub fn run(command: &Repair, session: &Session, output: &Output) -> Result<Exit, Failure> {
    session.catch_up()?;
    let repaired = repair::repair(session.ledger_dir(), &command.out, &MlDsaVerifier)?;
    output.report(&RepairReport {
        out: command.out.display().to_string(),
        kept: Kept {
            entries: repaired.head.seq,
            bytes: repaired.kept_bytes,
            head: repaired.head.hash,
        },
        lost: Lost {
            from_entry: repaired.head.seq + 1,
            offset: repaired.kept_bytes,
            bytes: repaired.lost_bytes,
            readable_entries: repaired.readable,
        },
        problem: repaired
            .problem
            .map(|it| Problem::new(it.code, it.seq, it.offset, it.message)),
    })?;
    Ok(Exit::Ok)
}

impl From<RepairError> for Failure {
    fn from(error: RepairError) -> Self {
        match error {
            RepairError::Open(error) => error.into(),
            RepairError::Read(_) => Self::new(Exit::Failure, error.code(), error.to_string()),
            RepairError::NewerVersion(_) => {
                Self::new(Exit::Illegal, error.code(), error.to_string())
                    .hint("a newer version of althing wrote this ledger: repair it with that")
            }
            RepairError::Nothing(_) => {
                Self::new(Exit::ChainBroken, error.code(), error.to_string())
                    .hint("ask another node for a copy of the ledger")
            }
        }
    }
}
