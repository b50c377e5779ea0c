//! `althing snapshot`: the state put down, so that the next start need not replay everything.

use clap::Subcommand;
use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::{Grid, bold, fields, good};
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::time::Timestamp;
use crate::node::snapshots::{Snapshots, Taken};
use crate::replay::snapshot::Header;

/// Keep the state beside the ledger.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Take a snapshot now.
    #[command(after_long_help = help!("  althing snapshot create"))]
    Create,
    /// List the snapshots, and say which one would be used.
    #[command(after_long_help = help!(
        "  althing snapshot inspect
  althing snapshot inspect --json | jq .snapshots"
    ))]
    Inspect,
}

/// What a snapshot is of.
#[derive(Serialize)]
struct Contents {
    ledger: LedgerId,
    head: Digest,
    timestamp: Timestamp,
    state_hash: Digest,
    format: u64,
    projection: u64,
}

impl Contents {
    const fn of(header: &Header) -> Self {
        Self {
            ledger: header.ledger,
            head: header.head,
            timestamp: header.timestamp,
            state_hash: header.state_hash,
            format: header.format(),
            projection: header.projection,
        }
    }
}

#[derive(Serialize)]
struct CreateReport {
    seq: u64,
    file: String,
    bytes: u64,
    #[serde(flatten)]
    contents: Contents,
}

impl CreateReport {
    fn of(taken: &Taken) -> Self {
        Self {
            seq: taken.header.seq,
            file: taken.path.display().to_string(),
            bytes: taken.bytes,
            contents: Contents::of(&taken.header),
        }
    }
}

impl Report for CreateReport {
    const SCHEMA: &'static str = "althing.snapshot/1";

    fn text(&self) -> String {
        fields(&[
            ("snapshot", self.file.clone()),
            ("as of entry", self.seq.to_string()),
            ("head", self.contents.head.to_string()),
            ("state hash", bold(&self.contents.state_hash.to_string())),
            ("bytes", self.bytes.to_string()),
        ])
    }
}

#[derive(Serialize)]
struct InspectReport {
    snapshots: Vec<SnapshotView>,
}

/// One snapshot, and whether the next command would go on from it.
#[derive(Serialize)]
struct SnapshotView {
    seq: u64,
    file: String,
    bytes: Option<u64>,
    /// What its first line says; `null` where that can't be read.
    contents: Option<Contents>,
    /// Whether it would be used.
    used: bool,
    /// Why it would not be used.
    reason: Option<Reason>,
}

#[derive(Serialize)]
struct Reason {
    code: &'static str,
    message: String,
}

impl Report for InspectReport {
    const SCHEMA: &'static str = "althing.snapshots/1";

    fn text(&self) -> String {
        if self.snapshots.is_empty() {
            return "there is no snapshot\n".to_owned();
        }
        let mut grid = Grid::new(&["entry", "bytes", "state hash", "used"])
            .right(0)
            .right(1);
        for view in &self.snapshots {
            let hash = view.contents.as_ref().map(|it| it.state_hash.to_string());
            let used = match (&view.reason, view.used) {
                (Some(reason), _) => format!("no: {} [{}]", reason.message, reason.code),
                (None, true) => good("yes"),
                (None, false) => "no: there is a newer one".to_owned(),
            };
            grid.row([
                view.seq.to_string(),
                view.bytes
                    .map_or_else(String::new, |bytes| bytes.to_string()),
                hash.unwrap_or_default(),
                used,
            ]);
        }
        grid.text()
    }
}

/// Runs `althing snapshot`.
pub fn run(command: &SnapshotCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let snapshots = session.snapshots_anyway();
    match command {
        SnapshotCommand::Create => {
            let node = session.open_node()?;
            let taken = snapshots.take(&node).map_err(|error| {
                Failure::new(Exit::Failure, error.code(), error.to_string())
                    .hint("the ledger itself is whole; name another state directory with --state")
            })?;
            output.report(&CreateReport::of(&taken))?;
        }
        SnapshotCommand::Inspect => {
            session.catch_up()?;
            // Says that there is no ledger where there is none.
            crate::ledger::check_exists(session.ledger_dir())?;
            output.report(&inspect(&snapshots)?)?;
        }
    }
    Ok(Exit::Ok)
}

fn inspect(snapshots: &Snapshots) -> Result<InspectReport, Failure> {
    let list = snapshots
        .list()
        .map_err(|error| Failure::new(Exit::Failure, "snapshot.io", error.to_string()))?;
    let mut views: Vec<SnapshotView> = Vec::new();
    for seq in list {
        let read = snapshots.read(seq);
        let contents = snapshots.header(seq);
        views.push(SnapshotView {
            seq,
            file: snapshots.path(seq).display().to_string(),
            bytes: snapshots.bytes(seq).ok(),
            contents: contents.as_ref().map(Contents::of),
            used: read.is_ok() && !views.iter().any(|newer| newer.used),
            reason: read.err().map(|reason| Reason {
                code: reason.code(),
                message: reason.to_string(),
            }),
        });
    }
    Ok(InspectReport { snapshots: views })
}
