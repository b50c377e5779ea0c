//! `althing receipt`: show to others, who have no ledger, that a grant was decided.

mod create;
mod verify;
mod view;

use clap::Subcommand;

use crate::chain::receipt::MalformedReceipt;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::replay::receipt::{ReceiptError, SelectError};

/// Show to others, who have no ledger, that a grant was decided.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Write a receipt for a grant.
    Create(create::Create),
    /// Take the decision again from a receipt alone.
    Verify(verify::Verify),
}

/// Runs `althing receipt`.
pub fn run(command: &ReceiptCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    match command {
        ReceiptCommand::Create(create) => create::run(create, session, output),
        ReceiptCommand::Verify(verify) => verify::run(verify, output),
    }
}

impl From<MalformedReceipt> for Failure {
    fn from(error: MalformedReceipt) -> Self {
        Self::new(
            Exit::Failure,
            "receipt.malformed",
            format!("no receipt: {error}"),
        )
    }
}

impl From<ReceiptError> for Failure {
    fn from(error: ReceiptError) -> Self {
        let exit = if error.is_signature() {
            Exit::BadSignature
        } else if error.is_illegal() {
            Exit::Illegal
        } else if error.is_damage() {
            Exit::ChainBroken
        } else {
            Exit::Mismatch
        };
        Self::new(exit, error.code(), error.to_string())
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        let exit = match &error {
            SelectError::UnknownGrant(_) => Exit::Refused,
            SelectError::OlderThanGrant { .. } | SelectError::OtherHistory => Exit::Mismatch,
            SelectError::Replay(_) | SelectError::Read(_) => Exit::ChainBroken,
        };
        Self::new(exit, error.code(), error.to_string())
    }
}
