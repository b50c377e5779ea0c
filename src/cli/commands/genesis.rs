//! `althing genesis`: the founding ceremony across machines.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::genesis_file::GenesisFile;
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::statement_file::write_text;
use crate::governance::id::LedgerId;

/// The founding ceremony.
#[derive(Debug, Subcommand)]
pub enum GenesisCommand {
    /// Add a founder's signature to a founding statement.
    #[command(after_long_help = help!("  althing genesis sign genesis.json --as clinic"))]
    Sign(Sign),
}

/// Arguments of `genesis sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// The founding statement, as `althing init --out` wrote it; signed in place.
    file: PathBuf,
    /// The founder's key.
    #[arg(long = "as", value_name = "NAME")]
    signer: String,
}

#[derive(Serialize)]
struct SignReport {
    ledger: LedgerId,
    signed_by: String,
    missing: Vec<String>,
}

impl Report for SignReport {
    const SCHEMA: &'static str = "althing.genesis-sign/1";

    fn text(&self) -> String {
        let next = if self.missing.is_empty() {
            "all founders have signed: run `althing init --from FILE`".to_owned()
        } else {
            format!("still to sign: {}", self.missing.join(", "))
        };
        format!("signed by {}\n{next}\n", self.signed_by)
    }
}

/// Runs `althing genesis`.
pub fn run(command: &GenesisCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let GenesisCommand::Sign(sign) = command;
    let mut file = GenesisFile::read(&sign.file)?;
    let message = file.statement.message();
    let ledger = LedgerId::of_founding(file.statement.as_str());
    let signer = session.signer(&sign.signer)?;
    let founder = file.founder(signer.key.public_key()).ok_or_else(|| {
        Failure::new(
            Exit::NoAuthority,
            "genesis.not-a-founder",
            format!("the key {} is not one of the founders'", sign.signer),
        )
    })?;
    let signature = signer.key.sign_message(&message)?;
    founder.signature = Some(signature);
    write_text(&sign.file, &file.to_text()?, output)?;
    output.report(&SignReport {
        ledger,
        signed_by: sign.signer.clone(),
        missing: file.missing(),
    })?;
    Ok(Exit::Ok)
}
