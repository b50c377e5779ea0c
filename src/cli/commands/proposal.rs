//! `althing proposal`: look at proposals.

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::style::{Grid, bold, escaped, escaped_lines, fields};
use crate::governance::ballot::Decision;
use crate::governance::digest::Digest;
use crate::governance::event::Conditions;
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::kind::ProposalKind;
use crate::governance::proposal::Action;
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::tally::Standing;
use crate::governance::time::Timestamp;

/// Look at proposals.
#[derive(Debug, Subcommand)]
pub enum ProposalCommand {
    /// List proposals in the order in which they were opened.
    #[command(after_long_help = help!(
        "  althing proposal list\n  althing proposal list --status voting --json"
    ))]
    List(List),
    /// Show one proposal with its count and ballots.
    #[command(after_long_help = help!("  althing proposal show 3f2a91c0"))]
    Show(Show),
}

/// Arguments of `proposal list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only those in this status: voting, queued, executed, rejected, expired, withdrawn,
    /// superseded, overturned, lapsed or failed.
    #[arg(long, value_parser = parse_status)]
    status: Option<Status>,
}

/// Arguments of `proposal show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The proposal: its id, or the start of it.
    proposal: String,
}

fn parse_status(text: &str) -> Result<Status, String> {
    let all = Status::ALL;
    all.into_iter()
        .find(|status| status.name() == text)
        .ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|status| status.name()).collect();
            format!("expected one of {}", names.join(", "))
        })
}

/// One proposal in a list.
#[derive(Serialize)]
struct Summary {
    proposal_id: ProposalId,
    kind: ProposalKind,
    subject: String,
    title: String,
    status: Status,
    proposer: NodeId,
    approve_weight: u64,
    reject_weight: u64,
    abstain_weight: u64,
    byzantine_weight: u64,
    total_weight: u64,
    opened_at: Timestamp,
    deadline: Timestamp,
}

impl Summary {
    fn of(proposal: &ProposalState) -> Self {
        let tally = proposal.tally();
        Self {
            proposal_id: proposal.id(),
            kind: proposal.kind(),
            subject: proposal.content().action.subject(),
            title: proposal.content().title.to_string(),
            status: proposal.status(),
            proposer: proposal.content().proposer,
            approve_weight: tally.approve(),
            reject_weight: tally.reject(),
            abstain_weight: tally.abstain(),
            byzantine_weight: tally.byzantine(),
            total_weight: tally.total(),
            opened_at: proposal.opened_at(),
            deadline: proposal.deadline(),
        }
    }
}

#[derive(Serialize)]
struct ProposalList {
    proposals: Vec<Summary>,
}

impl Report for ProposalList {
    const SCHEMA: &'static str = "althing.proposals/1";

    fn text(&self) -> String {
        if self.proposals.is_empty() {
            return "no proposals\n".to_owned();
        }
        let heads = ["id", "kind", "status", "for", "against", "of", "title"];
        let mut grid = Grid::new(&heads).right(3).right(4).right(5);
        for proposal in &self.proposals {
            grid.row([
                proposal.proposal_id.short(),
                proposal.kind.to_string(),
                proposal.status.name().to_owned(),
                proposal.approve_weight.to_string(),
                proposal.reject_weight.to_string(),
                proposal.total_weight.to_string(),
                escaped(&proposal.title),
            ]);
        }
        grid.text()
    }
}

/// One ballot on a proposal.
#[derive(Serialize)]
struct BallotView {
    voter: NodeId,
    name: String,
    weight: u64,
    standing: Standing,
    decision: Option<Decision>,
    vote_id: Option<VoteId>,
    rationale: Option<String>,
    recorded_at: Option<Timestamp>,
    seq: Option<u64>,
}

#[derive(Serialize)]
struct ProposalView {
    #[serde(flatten)]
    summary: Summary,
    proposal_hash: Digest,
    seq: u64,
    action: Action,
    description: String,
    parameters: Map<String, Value>,
    rules: Vec<Conditions>,
    uncast_weight: u64,
    executable_from: Option<Timestamp>,
    executable_until: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    tainted: bool,
    ballots: Vec<BallotView>,
    #[serde(skip)]
    electorate: Vec<BallotView>,
    #[serde(skip)]
    proposer_name: String,
}

impl ProposalView {
    fn of(proposal: &ProposalState, state: &State, at: Timestamp) -> Self {
        let content = proposal.content();
        let window = state
            .execution_window(proposal, at)
            .filter(|_| proposal.status() == Status::Queued);
        let members = || {
            proposal
                .electorate()
                .map(|(voter, _)| ballot(proposal, voter, state))
        };
        Self {
            summary: Summary::of(proposal),
            proposal_hash: *proposal.hash(),
            seq: proposal.seq(),
            action: content.action.clone(),
            description: content.description.to_string(),
            parameters: content.parameters.clone(),
            rules: proposal.rules().iter().map(Conditions::of).collect(),
            uncast_weight: proposal.tally().uncast(),
            executable_from: window.map(|(from, _)| from),
            executable_until: window.map(|(_, until)| until),
            ended_at: proposal.ended_at(),
            tainted: proposal.is_tainted(),
            ballots: members().filter(|view| view.decision.is_some()).collect(),
            electorate: members().collect(),
            proposer_name: name(content.proposer, state),
        }
    }
}

fn name(node: NodeId, state: &State) -> String {
    state
        .registry()
        .get(node)
        .map_or_else(|| node.short(), |node| node.name().to_string())
}

fn ballot(proposal: &ProposalState, voter: NodeId, state: &State) -> BallotView {
    let member = proposal.member(voter);
    let cast = member.and_then(|member| member.ballot());
    let content = cast.map(|cast| cast.content());
    BallotView {
        voter,
        name: name(voter, state),
        weight: member.map_or(0, |member| member.weight().get()),
        standing: member.map_or(Standing::Barred, |member| member.standing()),
        decision: content.map(|ballot| ballot.decision),
        vote_id: content.map(|ballot| ballot.vote_id),
        rationale: content.map(|ballot| ballot.rationale.to_string()),
        recorded_at: cast.map(|cast| cast.at),
        seq: cast.map(|cast| cast.seq),
    }
}

impl Report for ProposalView {
    const SCHEMA: &'static str = "althing.proposal/1";

    fn text(&self) -> String {
        let summary = &self.summary;
        let mut text = format!("{}\n", bold(&escaped(&summary.title)));
        let mut lines = vec![
            ("proposal", summary.proposal_id.to_string()),
            ("kind", summary.kind.to_string()),
            ("subject", summary.subject.clone()),
            ("proposer", escaped(&self.proposer_name)),
            ("status", bold(summary.status.name())),
            ("opened", summary.opened_at.to_string()),
            ("deadline", summary.deadline.to_string()),
        ];
        for rule in &self.rules {
            lines.push(("passes with", describe(rule)));
        }
        if let (Some(from), Some(until)) = (self.executable_from, self.executable_until) {
            lines.push(("executable", format!("from {from} until {until}")));
        }
        if self.tainted {
            lines.push((
                "tainted",
                "a voter was found Byzantine afterwards".to_owned(),
            ));
        }
        let description = escaped_lines(&self.description);
        for (index, line) in description.into_iter().enumerate() {
            lines.push((if index == 0 { "description" } else { "" }, line));
        }
        text.push_str(&fields(&lines));
        text.push('\n');
        text.push_str(&self.count());
        text.push('\n');
        text.push_str(&self.voters());
        text
    }
}

/// A rule in words.
pub fn describe(rule: &Conditions) -> String {
    let mut parts = Vec::new();
    if let Some(quorum) = rule.quorum {
        parts.push(format!("at least {quorum} taking part"));
    }
    if let Some(approval) = rule.approval {
        parts.push(format!("at least {approval} of the deciding weight"));
    }
    if let Some(absolute) = rule.absolute {
        parts.push(format!("more than {absolute} of all weight"));
    }
    parts.join(", ")
}

/// The widest bar of a count, in characters.
const BAR: u64 = 30;

impl ProposalView {
    fn count(&self) -> String {
        let summary = &self.summary;
        let rows = [
            ("approve", summary.approve_weight),
            ("reject", summary.reject_weight),
            ("abstain", summary.abstain_weight),
            ("Byzantine", summary.byzantine_weight),
            ("not voted", self.uncast_weight),
        ];
        let pairs = rows.map(|(name, weight)| {
            let bar = bar(weight, summary.total_weight);
            (
                name,
                format!("{weight:>4} of {}  {bar}", summary.total_weight),
            )
        });
        fields(&pairs)
    }

    fn voters(&self) -> String {
        let mut grid = Grid::new(&["node", "weight", "ballot", "counts as", "rationale"]).right(1);
        for voter in &self.electorate {
            let decision = voter.decision.map_or("-", Decision::name);
            grid.row([
                escaped(&voter.name),
                voter.weight.to_string(),
                decision.to_owned(),
                standing(voter.standing).to_owned(),
                escaped_lines(voter.rationale.as_deref().unwrap_or_default()).join(" / "),
            ]);
        }
        grid.text()
    }
}

fn bar(weight: u64, total: u64) -> String {
    let scaled = u128::from(weight) * u128::from(BAR);
    let length = scaled.checked_div(u128::from(total)).unwrap_or_default();
    "█".repeat(usize::try_from(length).unwrap_or_default())
}

const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Uncast => "not voted",
        Standing::Approve => "approve",
        Standing::Reject => "reject",
        Standing::Abstain => "abstain",
        Standing::Byzantine => "Byzantine",
        Standing::Barred => "no longer votes",
    }
}

/// Runs `althing proposal`.
pub fn run(command: &ProposalCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let state = session.read()?.state;
    match command {
        ProposalCommand::List(list) => {
            let proposals = state
                .proposals()
                .iter()
                .filter(|proposal| list.status.is_none_or(|status| status == proposal.status()))
                .map(Summary::of);
            output.report(&ProposalList {
                proposals: proposals.collect(),
            })?;
        }
        ProposalCommand::Show(show) => {
            let proposal = resolve::proposal(&state, &show.proposal)?;
            let at = session.now().max(state.clock());
            output.report(&ProposalView::of(proposal, &state, at))?;
        }
    }
    Ok(Exit::Ok)
}
