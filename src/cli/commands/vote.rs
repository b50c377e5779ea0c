//! `althing vote`: sign a ballot and record it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::statement_file;
use crate::cli::style::{bold, dim, fields};
use crate::governance::ballot::{Ballot, Decision};
use crate::governance::command::Command;
use crate::governance::event::{Event, Recorded};
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::label::Prose;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::proposal::Status;
use crate::governance::statement::Signed;
use crate::node::signing::{Choice, Signer};

/// Arguments of `vote`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing vote 3f2a91c0 approve --as clinic
  althing vote 3f2a91c0 reject --rationale 'no evaluation on children' --as clinic
  althing vote 3f2a91c0 approve --as clinic --out ballot.json    (submit it elsewhere)"
))]
pub struct Vote {
    /// The proposal: its id, or the start of it.
    proposal: String,
    /// approve, reject or abstain.
    decision: Decision,
    /// Why, for everyone to read.
    #[arg(long, default_value = "")]
    rationale: Prose,
    /// The voting node's key.
    #[arg(long = "as", value_name = "NAME")]
    signer: String,
    /// Sign a second, different ballot although the journal refuses: for rehearsals and tests.
    #[arg(long)]
    force: bool,
    /// Write the signed ballot to a file instead of recording it; standard output for '-'.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What became of a ballot.
#[derive(Serialize)]
pub struct VoteReport {
    vote_id: VoteId,
    proposal_id: ProposalId,
    status: Status,
    recorded: bool,
    entries: Vec<u64>,
    decision: Decision,
    approve_weight: u64,
    reject_weight: u64,
    abstain_weight: u64,
    byzantine_weight: u64,
    total_weight: u64,
}

impl Report for VoteReport {
    const SCHEMA: &'static str = "althing.vote/1";

    fn text(&self) -> String {
        let note = if self.recorded {
            String::new()
        } else {
            dim("  (recorded before: nothing new)")
        };
        fields(&[
            ("vote", format!("{}{note}", bold(self.decision.name()))),
            ("vote id", self.vote_id.to_string()),
            (
                "tally",
                format!(
                    "{} approve, {} reject, {} abstain, {} Byzantine, of {}",
                    self.approve_weight,
                    self.reject_weight,
                    self.abstain_weight,
                    self.byzantine_weight,
                    self.total_weight
                ),
            ),
            ("status", bold(self.status.name())),
        ])
    }
}

/// Runs `althing vote`.
pub fn run(vote: &Vote, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let mut signer = session.signer(&vote.signer)?;
    if let Some(path) = &vote.out {
        let state = session.read()?.state;
        let signed = sign(vote, &mut signer, &state, session)?;
        statement_file::write(path, &signed, output)?;
        return Ok(Exit::Ok);
    }
    let mut node = session.open_node()?;
    let signed = sign(vote, &mut signer, node.state(), session)?;
    let recorded = session.submit(&mut node, &Command::Vote(signed.clone()))?;
    output.report(&report(node.state(), &signed, &recorded)?)?;
    session.close(&node);
    Ok(Exit::Ok)
}

fn sign(
    vote: &Vote,
    signer: &mut Signer,
    state: &State,
    session: &Session,
) -> Result<Signed<Ballot>, Failure> {
    let proposal = resolve::proposal(state, &vote.proposal)?;
    let choice = Choice {
        vote_id: VoteId::from_uuid(Uuid::new_v4()),
        decision: vote.decision,
        rationale: vote.rationale.clone(),
        despite_conflict: vote.force,
    };
    Ok(signer.vote(choice, proposal, state, session.now())?)
}

/// What there is to say about a ballot that was just submitted. A contradiction is a refusal of
/// the ballot, although the evidence was recorded.
pub fn report(
    state: &State,
    signed: &Signed<Ballot>,
    recorded: &[Recorded],
) -> Result<VoteReport, Failure> {
    let ballot = signed.content();
    let entries: Vec<u64> = recorded.iter().map(|entry| entry.seq).collect();
    if let Some(Event::ByzantineDetected(_)) = recorded.first().map(|entry| &entry.event) {
        return Err(equivocation(state, ballot.voter, entries));
    }
    let unknown = Rejection::UnknownProposal {
        proposal: ballot.proposal_id,
    };
    let proposal = state.proposals().get(ballot.proposal_id).ok_or(unknown)?;
    let tally = proposal.tally();
    // Where the same decision was recorded before, it is the first ballot that counts.
    let counted = proposal
        .member(ballot.voter)
        .and_then(|member| member.ballot())
        .map_or(ballot.vote_id, |first| first.content().vote_id);
    Ok(VoteReport {
        vote_id: counted,
        proposal_id: proposal.id(),
        status: proposal.status(),
        recorded: !recorded.is_empty(),
        entries,
        decision: ballot.decision,
        approve_weight: tally.approve(),
        reject_weight: tally.reject(),
        abstain_weight: tally.abstain(),
        byzantine_weight: tally.byzantine(),
        total_weight: tally.total(),
    })
}

fn equivocation(state: &State, voter: NodeId, entries: Vec<u64>) -> Failure {
    let name = state
        .registry()
        .get(voter)
        .map_or_else(|| voter.short(), |node| node.name().to_string());
    Failure::new(
        Exit::Refused,
        "ballot.equivocation",
        format!(
            "{name} has voted otherwise on this proposal: the contradiction is recorded as evidence"
        ),
    )
    .hint("`althing evidence list` shows it; a suspended node's ballots no longer count")
    .detail("recorded", true)
    .detail("entries", entries)
}
