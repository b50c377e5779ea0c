//! `althing withdraw`: take one's own proposal back.

use std::path::PathBuf;

use clap::Args;

use super::lifecycle::StatusReport;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::Output;
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::governance::command::Command;
use crate::governance::proposal::Withdrawal;
use crate::governance::state::State;
use crate::governance::statement::Signed;
use crate::node::signing::Signer;

/// Arguments of `withdraw`.
#[derive(Debug, Args)]
#[command(after_long_help = help!("  althing withdraw 3f2a91c0 --as clinic"))]
pub struct Withdraw {
    /// The proposal: its id, or the start of it.
    proposal: String,
    /// The proposing node's key.
    #[arg(long = "as", value_name = "NAME")]
    signer: String,
    /// Write the signed withdrawal to a file instead of recording it; standard output for '-'.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs `althing withdraw`.
pub fn run(withdraw: &Withdraw, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let signer = session.signer(&withdraw.signer)?;
    if let Some(path) = &withdraw.out {
        let state = session.read()?.state;
        statement_file::write(path, &sign(withdraw, &signer, &state, session)?, output)?;
        return Ok(Exit::Ok);
    }
    let mut node = session.open_node()?;
    let signed = sign(withdraw, &signer, node.state(), session)?;
    let proposal = signed.content().proposal_id;
    let recorded = session.submit(&mut node, &Command::Withdraw(signed))?;
    output.report(&StatusReport::of(node.state(), proposal, &recorded)?)?;
    session.close(&node);
    Ok(Exit::Ok)
}

fn sign(
    withdraw: &Withdraw,
    signer: &Signer,
    state: &State,
    session: &Session,
) -> Result<Signed<Withdrawal>, Failure> {
    let proposal = resolve::proposal(state, &withdraw.proposal)?;
    Ok(signer.withdraw(proposal, state, session.now())?)
}
