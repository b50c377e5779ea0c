//! `althing close` and `althing execute`: what anyone may do when the time has come.

use clap::Args;
use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::style::{bold, fields};
use crate::governance::command::Command;
use crate::governance::event::Recorded;
use crate::governance::id::ProposalId;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::proposal::Status;

/// The proposal that a command is about.
#[derive(Debug, Args)]
#[command(after_long_help = help!("  althing close 3f2a91c0\n  althing execute 3f2a91c0"))]
pub struct Target {
    /// The proposal: its id, or the start of it.
    proposal: String,
}

/// What became of a proposal.
#[derive(Serialize)]
pub struct StatusReport {
    proposal_id: ProposalId,
    status: Status,
    entries: Vec<u64>,
}

impl StatusReport {
    /// The report after `recorded`.
    pub fn of(
        state: &State,
        proposal: ProposalId,
        recorded: &[Recorded],
    ) -> Result<Self, Rejection> {
        let found = state.proposals().get(proposal);
        Ok(Self {
            proposal_id: proposal,
            status: found
                .ok_or(Rejection::UnknownProposal { proposal })?
                .status(),
            entries: recorded.iter().map(|entry| entry.seq).collect(),
        })
    }
}

impl Report for StatusReport {
    const SCHEMA: &'static str = "althing.proposal-status/1";

    fn text(&self) -> String {
        fields(&[
            ("proposal", self.proposal_id.to_string()),
            ("status", bold(self.status.name())),
        ])
    }
}

/// Runs `althing close`.
pub fn close(target: &Target, session: &Session, output: &Output) -> Result<Exit, Failure> {
    submit(target, Command::Close, session, output)
}

/// Runs `althing execute`.
pub fn execute(target: &Target, session: &Session, output: &Output) -> Result<Exit, Failure> {
    submit(target, Command::Execute, session, output)
}

fn submit(
    target: &Target,
    command: fn(ProposalId) -> Command,
    session: &Session,
    output: &Output,
) -> Result<Exit, Failure> {
    let mut node = session.open_node()?;
    let proposal = resolve::proposal_id(node.state(), &target.proposal)?;
    let recorded = session.submit(&mut node, &command(proposal))?;
    output.report(&StatusReport::of(node.state(), proposal, &recorded)?)?;
    session.close(&node);
    Ok(Exit::Ok)
}
