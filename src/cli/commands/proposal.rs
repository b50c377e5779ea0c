//! `althing proposal`: look at proposals.

use clap::{Args, Subcommand};

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::{Moment, Past, Session};
use crate::cli::style::{Grid, bold, escaped, escaped_lines, fields};
use crate::governance::ballot::Decision;
use crate::governance::state::proposal::Status;
use crate::views::proposals::{ProposalList, ProposalView};
use crate::views::{View, text};

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
    #[command(flatten)]
    past: Past,
}

/// Arguments of `proposal show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The proposal: its id, or the start of it.
    proposal: String,
    #[command(flatten)]
    past: Past,
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

impl Report for ProposalList {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

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

impl Report for ProposalView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let summary = &self.summary;
        let mut shown = format!("{}\n", bold(&escaped(&summary.title)));
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
            lines.push(("passes with", text::rule(rule)));
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
        shown.push_str(&fields(&lines));
        shown.push('\n');
        shown.push_str(&count(self));
        shown.push('\n');
        shown.push_str(&voters(self));
        shown
    }
}

/// The widest bar of a count, in characters.
const BAR: u64 = 30;

fn count(view: &ProposalView) -> String {
    let summary = &view.summary;
    let rows = [
        ("approve", summary.approve_weight),
        ("reject", summary.reject_weight),
        ("abstain", summary.abstain_weight),
        ("Byzantine", summary.byzantine_weight),
        ("not voted", view.uncast_weight),
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

fn voters(view: &ProposalView) -> String {
    let mut grid = Grid::new(&["node", "weight", "ballot", "counts as", "rationale"]).right(1);
    for voter in &view.electorate {
        let decision = voter.decision.map_or("-", Decision::name);
        grid.row([
            escaped(&voter.name),
            voter.weight.to_string(),
            decision.to_owned(),
            text::standing(voter.standing).to_owned(),
            escaped_lines(voter.rationale.as_deref().unwrap_or_default()).join(" / "),
        ]);
    }
    grid.text()
}

fn bar(weight: u64, total: u64) -> String {
    let scaled = u128::from(weight) * u128::from(BAR);
    let length = scaled.checked_div(u128::from(total)).unwrap_or_default();
    "█".repeat(usize::try_from(length).unwrap_or_default())
}

/// Runs `althing proposal`.
pub fn run(command: &ProposalCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    match command {
        ProposalCommand::List(list) => {
            let Moment { state, .. } = session.read_past(list.past)?;
            output.report(&ProposalList::of(&state, list.status))?;
        }
        ProposalCommand::Show(show) => {
            let Moment { state, at, .. } = session.read_past(show.past)?;
            let proposal = resolve::proposal(&state, &show.proposal)?;
            output.report(&ProposalView::of(proposal, &state, at))?;
        }
    }
    Ok(Exit::Ok)
}
