//! `althing rotate-key`: change a node's key while it still has the old one.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::init::node_name;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::{bold, fields};
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::proposal::{NewKey, Rotation};
use crate::governance::state::State;
use crate::governance::statement::{Signed, Statement};
use crate::node::signing::Signer;

/// Arguments of `rotate-key`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing key new clinic-2
  althing rotate-key clinic-2 --as clinic

The node keeps its id and its place in open proposals. The old key signs nothing any more, and is
never accepted again. A node that lost its key needs `althing propose replace-key` instead."
))]
pub struct RotateKey {
    /// The new key, in the key directory.
    new: String,
    /// The node's present key.
    #[arg(long = "as", value_name = "NAME")]
    signer: String,
    /// Write the signed rotation to a file instead of recording it; standard output for '-'.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct RotateReport {
    node: NodeId,
    key_fingerprint: Digest,
    entries: Vec<u64>,
}

impl Report for RotateReport {
    const SCHEMA: &'static str = "althing.rotate-key/1";

    fn text(&self) -> String {
        fields(&[
            ("node", bold(&self.node.to_string())),
            ("new key", format!("SHA-256 {}", self.key_fingerprint)),
        ])
    }
}

/// Runs `althing rotate-key`.
pub fn run(rotate: &RotateKey, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let signer = session.signer(&rotate.signer)?;
    if let Some(path) = &rotate.out {
        let state = session.read()?.state;
        statement_file::write(path, &sign(rotate, &signer, &state, session)?, output)?;
        return Ok(Exit::Ok);
    }
    let mut node = session.open_node()?;
    let signed = sign(rotate, &signer, node.state(), session)?;
    let new_key = signed.content().new_key.clone();
    let recorded = session.submit(&mut node, &Command::RotateKey(signed))?;
    output.report(&RotateReport {
        node: new_key.node,
        key_fingerprint: new_key.key.fingerprint(),
        entries: recorded.iter().map(|entry| entry.seq).collect(),
    })?;
    session.close(&node);
    Ok(Exit::Ok)
}

fn sign(
    rotate: &RotateKey,
    signer: &Signer,
    state: &State,
    session: &Session,
) -> Result<Signed<Rotation>, Failure> {
    let export = session.keys().public(&rotate.new)?;
    let rotation = Rotation {
        ledger: state.ledger(),
        new_key: NewKey {
            key: export.public_key().clone(),
            key_name: node_name(&export)?,
            node: signer.node_id(state)?,
            possession: export.into_signed().signature,
        },
        rotated_at: session.now(),
    };
    let statement = Statement::new(rotation)
        .map_err(|error| Failure::usage("rotation.malformed", error.to_string()))?;
    Ok(signer.key.sign(statement)?)
}
