//! `althing receipt create`: write a receipt for a grant.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::chain::checkpoint::Checkpoint;
use crate::cli::commands::checkpoint;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::fields;
use crate::cli::tree;
use crate::governance::id::GrantId;
use crate::governance::time::Timestamp;
use crate::governance::tree_head::Origin;
use crate::identity::MlDsaVerifier;
use crate::replay::receipt::{Liveness, Selection, Trust};
use crate::replay::{Replayed, Unchecked};

/// Arguments of `receipt create`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing receipt create 22edcf76 --as clinic --as university -o receipt.json
  althing receipt create 22edcf76 --checkpoint checkpoint.txt -o receipt.json

The receipt stands under a checkpoint. Either one is given that nodes have signed (see `checkpoint create`
and `checkpoint sign`), or one is made now: then the state is recorded first, and the keys named sign. A
receipt shows that a grant was live only where the checkpoint covers such a record."
))]
pub struct Create {
    /// The grant: an id, or its first characters.
    grant: String,
    /// A signed checkpoint of this ledger.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "signers",
        conflicts_with = "signers"
    )]
    checkpoint: Option<PathBuf>,
    /// Record the state, then make a checkpoint and sign it with this key; may be given several times.
    #[arg(long = "as", value_name = "NAME")]
    signers: Vec<String>,
    /// Where to write the receipt; standard output for '-'.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    out: PathBuf,
}

#[derive(Serialize)]
struct CreateReport {
    grant: GrantId,
    origin: Origin,
    size: u64,
    entries: usize,
    authorized_as_of: Option<Timestamp>,
    signed_weight: u64,
    active_weight: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

impl Report for CreateReport {
    const SCHEMA: &'static str = "althing.receipt-create/1";

    fn text(&self) -> String {
        if let Some(receipt) = &self.receipt {
            return receipt.clone();
        }
        let live = self.authorized_as_of;
        fields(&[
            ("grant", self.grant.to_string()),
            ("origin", self.origin.genesis.to_string()),
            ("entries", format!("{} of {}", self.entries, self.size)),
            (
                "signed weight",
                format!("{} of {}", self.signed_weight, self.active_weight),
            ),
            (
                "authorized as of",
                live.map_or_else(|| "not shown".to_owned(), |at| at.to_string()),
            ),
        ])
    }
}

/// Runs `althing receipt create`.
pub(super) fn run(create: &Create, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let replayed = session.read()?;
    let grant = resolve::grant(&replayed.state, &create.grant)?;
    let checkpoint = match &create.checkpoint {
        Some(path) => given(path, &replayed)?,
        None => {
            checkpoint::create::signed(&create.signers, true, session)?
                .0
                .checkpoint
        }
    };
    let reader = session.open_intact_reader()?;
    // The session has checked the signatures, and the receipt's own are checked below. That the root is
    // this history's is for the selection to find out, which reads all of it.
    let selection = Selection::read(reader.reader(), grant, &checkpoint, &Unchecked)?;
    let receipt = selection.receipt(reader.reader(), checkpoint)?;
    let verdict = receipt.verify(&Trust::Nothing, &MlDsaVerifier)?;
    let text = String::from_utf8_lossy(&receipt.to_bytes()?).into_owned();
    let to_stdout = create.out.as_os_str() == "-";
    if !to_stdout {
        statement_file::write_text(&create.out, &text, output)?;
    }
    output.report(&CreateReport {
        grant,
        origin: verdict.head.origin,
        size: verdict.head.tree.size,
        entries: receipt.entries.len(),
        authorized_as_of: match verdict.liveness {
            Liveness::AuthorizedAsOf(at) => Some(at),
            Liveness::NotShown(_) => None,
        },
        signed_weight: verdict.endorsement.signed_weight.get(),
        active_weight: verdict.endorsement.active_weight.get(),
        receipt: to_stdout.then_some(text),
    })?;
    Ok(Exit::Ok)
}

/// A checkpoint from a file, which must be of this ledger and of no more than it has by now.
fn given(path: &std::path::Path, now: &Replayed) -> Result<Checkpoint, Failure> {
    let checkpoint = checkpoint::read(path)?;
    let now = tree::head(now);
    tree::check_size(checkpoint.head(), &now)?;
    Ok(checkpoint)
}
