//! `althing checkpoint`: sign how far the ledger has grown, and hold it to that.

pub mod create;
mod show;
mod sign;
pub mod verify;

use std::path::Path;

use clap::Subcommand;
use serde::Serialize;

use crate::chain::checkpoint::{Checkpoint, CheckpointError};
use crate::chain::note::NoteError;
use crate::chain::signing_request::SigningRequest;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::governance::digest::Digest;
use crate::governance::tree_head::{Origin, TreeHead};

/// Sign how far the ledger has grown, and hold it to that.
#[derive(Debug, Subcommand)]
pub enum CheckpointCommand {
    /// Put the state under the chain, and write a checkpoint over all of it.
    Create(create::Create),
    /// Add a node's signature to a checkpoint.
    Sign(sign::Sign),
    /// Show what a checkpoint says, without checking anything.
    Show(show::Show),
    /// Check a checkpoint's signatures, and the ledger against it.
    Verify(verify::Verify),
}

/// Runs `althing checkpoint`.
pub fn run(
    command: &CheckpointCommand,
    session: &Session,
    output: &Output,
) -> Result<Exit, Failure> {
    match command {
        CheckpointCommand::Create(create) => create::run(create, session, output),
        CheckpointCommand::Sign(sign) => sign::run(sign, session, output),
        CheckpointCommand::Show(show) => show::run(show, output),
        CheckpointCommand::Verify(verify) => verify::run(verify, session, output),
    }
}

/// What a checkpoint is of, as every report says it.
#[derive(Serialize)]
struct Of {
    origin: Origin,
    size: u64,
    root: Digest,
}

impl From<&TreeHead> for Of {
    fn from(head: &TreeHead) -> Self {
        Self {
            origin: head.origin,
            size: head.tree.size,
            root: head.tree.root,
        }
    }
}

impl Of {
    fn fields(&self) -> [(&'static str, String); 3] {
        [
            ("origin", self.origin.to_string()),
            ("entries", self.size.to_string()),
            ("Merkle root", self.root.to_string()),
        ]
    }
}

/// Reads a checkpoint, or a request to sign one; standard input for `-`.
fn read_request(path: &Path) -> Result<SigningRequest, Failure> {
    let text = statement_file::read_text(path)?;
    Ok(SigningRequest::parse(text.as_bytes())?)
}

/// Reads a checkpoint; standard input for `-`.
pub fn read(path: &Path) -> Result<Checkpoint, Failure> {
    Ok(read_request(path)?.checkpoint)
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Self {
        let exit = match &error {
            CheckpointError::Signature { .. } => Exit::BadSignature,
            _ => Exit::Failure,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<NoteError> for Failure {
    fn from(error: NoteError) -> Self {
        CheckpointError::from(error).into()
    }
}
