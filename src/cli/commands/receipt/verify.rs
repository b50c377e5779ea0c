//! `althing receipt verify`: take the decision again from a receipt alone.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::view::VerifyReport;
use crate::chain::receipt::{MAX_RECEIPT_BYTES, Receipt};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;
use crate::cli::statement_file;
use crate::governance::digest::Digest;
use crate::identity::MlDsaVerifier;
use crate::replay::receipt::{Trust, TrustPolicy};

/// Arguments of `receipt verify`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing receipt verify receipt.json --origin 476b65464288ffc7071a6cafc731cc1f05d2c2e8871eaf267395fe64b62d8fa9
  althing receipt verify receipt.json --policy trusted.json

No ledger is needed. Everything is checked again from the receipt's own entries: signatures, ballots, the
count, and that each entry stands under the checkpoint. Whether the checkpoint is believed depends on what
you knew before: the hash of the ledger's last genesis entry, or the keys of its nodes. Without either the
command says what it found and exits 12."
))]
pub struct Verify {
    /// The receipt; standard input for '-'.
    file: PathBuf,
    /// Pin the ledger: the hash of its last genesis entry.
    #[arg(long, value_name = "HASH", conflicts_with = "policy")]
    origin: Option<Digest>,
    /// Pin keys: a trust policy with nodes, their keys and weights.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Runs `althing receipt verify`.
pub(super) fn run(options: &Verify, output: &Output) -> Result<Exit, Failure> {
    let trust = trust(options)?;
    let receipt = Receipt::parse(&read(&options.file)?)?;
    let verdict = receipt.verify(&trust, &MlDsaVerifier)?;
    let believed = verdict.basis.is_some();
    let report = VerifyReport::of(&receipt, &verdict).ok_or_else(|| {
        Failure::new(Exit::Mismatch, "receipt.no-grant", "the grant is not there")
    })?;
    output.report(&report)?;
    Ok(if believed { Exit::Ok } else { Exit::Mismatch })
}

fn trust(options: &Verify) -> Result<Trust, Failure> {
    if let Some(path) = &options.policy {
        let text = statement_file::read_text(path)?;
        let policy = TrustPolicy::parse(&text)
            .map_err(|error| Failure::usage(error.code(), error.to_string()))?;
        return Ok(Trust::Policy(policy));
    }
    Ok(options.origin.map_or(Trust::Nothing, Trust::Origin))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    // One byte more than a receipt may have, so that a longer one is refused and not cut.
    let most = MAX_RECEIPT_BYTES as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::file(path, &error))?;
    Ok(bytes)
}
