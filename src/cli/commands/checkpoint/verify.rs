//! `althing checkpoint verify`: check a checkpoint's signatures, and the ledger against it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::{Of, read};
use crate::chain::checkpoint::{Checkpoint, Endorsement};
use crate::cli::commands::contradiction::with_hint;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::{Grid, bad, bold, escaped, fields, good};
use crate::cli::tree;
use crate::governance::id::NodeId;
use crate::governance::state::State;
use crate::identity::MlDsaVerifier;
use crate::replay::Replayed;

/// Arguments of `checkpoint verify`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing checkpoint verify checkpoint.txt
  althing checkpoint verify checkpoint.txt --ledger ./copy

Checked are the ledger as `althing verify` does, its size and root against the checkpoint, and the
signatures against the nodes as they were registered at the checkpoint's last entry. The checkpoint is
believed, and the command succeeds, when nodes with more than two thirds of the active weight signed it."
))]
pub struct Verify {
    /// The checkpoint; standard input for '-'.
    file: PathBuf,
}

#[derive(Serialize)]
struct VerifyReport {
    #[serde(flatten)]
    of: Of,
    believed: bool,
    signed_weight: u64,
    active_weight: u64,
    signers: Vec<SignerRow>,
    unknown_signatures: usize,
    ledger_entries: u64,
}

#[derive(Serialize)]
struct SignerRow {
    node: NodeId,
    name: String,
    weight: u64,
    posix_seconds: u64,
}

impl Report for VerifyReport {
    const SCHEMA: &'static str = "althing.checkpoint-verify/1";

    fn text(&self) -> String {
        let verdict = if self.believed {
            good("the ledger holds what the checkpoint says, and more than two thirds signed it")
        } else {
            bad("the ledger holds what the checkpoint says, but too few signed it")
        };
        let mut rows = self.of.fields().to_vec();
        rows.push((
            "signed weight",
            format!("{} of {}", self.signed_weight, self.active_weight),
        ));
        rows.push(("unknown signatures", self.unknown_signatures.to_string()));
        rows.push((
            "entries since",
            (self.ledger_entries - self.of.size).to_string(),
        ));
        let mut text = format!("{}\n{}", bold(&verdict), fields(&rows));
        if !self.signers.is_empty() {
            let mut grid = Grid::new(&["signed by", "weight"]).right(1);
            for signer in &self.signers {
                grid.row([escaped(&signer.name), signer.weight.to_string()]);
            }
            text.push('\n');
            text.push_str(&grid.text());
        }
        text
    }
}

/// Runs `althing checkpoint verify`.
pub(super) fn run(options: &Verify, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let now = session.read()?;
    let held = held(&options.file, &now, session)?;
    let Held {
        checkpoint,
        endorsement: found,
        then,
    } = &held;
    let head = checkpoint.head();
    let believed = found.is_believed();
    output.report(&VerifyReport {
        of: Of::from(head),
        believed,
        signed_weight: found.signed_weight.get(),
        active_weight: found.active_weight.get(),
        signers: (found.signers.iter())
            .map(|(node, seconds)| row(then, *node, *seconds))
            .collect(),
        unknown_signatures: found.unknown,
        ledger_entries: now.state.entries(),
    })?;
    Ok(if believed { Exit::Ok } else { Exit::Mismatch })
}

/// A checkpoint that a ledger holds, and who stands behind it.
pub struct Held {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Who signed it.
    pub endorsement: Endorsement,
    /// The state as of its last entry.
    pub then: State,
}

/// Reads a checkpoint and holds the ledger, which was just replayed, to it.
pub fn held(file: &Path, now: &Replayed, session: &Session) -> Result<Held, Failure> {
    let checkpoint = read(file)?;
    let head = checkpoint.head();
    let reader = session.open_intact_reader()?;
    tree::check_head(head, &tree::head(now), || Ok(reader.reader()))
        .map_err(|failure| with_hint(failure, &checkpoint, file, &now.state))?;
    // Who counts is who was registered then: keys that came later sign later checkpoints.
    let then = session.read_at(head.tree.size)?.state;
    let endorsement = checkpoint.endorsement(then.registry(), &MlDsaVerifier)?;
    Ok(Held {
        checkpoint,
        endorsement,
        then,
    })
}

fn row(state: &State, node: NodeId, posix_seconds: u64) -> SignerRow {
    let registered = state.registry().get(node);
    SignerRow {
        node,
        name: registered.map_or_else(|| node.short(), |node| node.name().to_string()),
        weight: registered.map_or(0, |node| node.weight().get()),
        posix_seconds,
    }
}
