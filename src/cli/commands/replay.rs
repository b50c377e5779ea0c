//! `althing replay`: rebuild the state from the history.

use clap::Args;
use serde::Serialize;

use super::authorization::{self, GrantView};
use super::node::{self, NodeSummary};
use super::without;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::{At, Moment, Session};
use crate::cli::style::{bold, fields};
use crate::governance::digest::Digest;
use crate::governance::id::{LedgerId, ProposalId};
use crate::governance::proposal::FreezeTarget;
use crate::governance::state::prediction::PredictionCount;
use crate::governance::time::Timestamp;
use crate::replay::Unchecked;

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_long_help = help!(
    "  althing replay
  althing replay --at 42
  althing replay --json | jq -r .state_hash
  althing replay --without 15
  althing replay --without university"
))]
pub struct Replay {
    /// Stop at an entry number or a time.
    #[arg(long, value_name = "SEQ|TIME", conflicts_with = "no_signatures")]
    at: Option<At>,
    /// Take every signature for good: faster, and no proof of anything.
    #[arg(long)]
    no_signatures: bool,
    /// Show what would have come of the history without an entry, or without anything that a node
    /// signed.
    #[arg(long, value_name = "SEQ|NODE", conflicts_with_all = ["at", "no_signatures"])]
    without: Option<String>,
}

#[derive(Serialize)]
struct ReplayReport {
    ledger: LedgerId,
    name: String,
    entries: u64,
    head: Digest,
    at: Timestamp,
    state_hash: Digest,
    signatures_checked: bool,
    nodes: Vec<NodeSummary>,
    total_weight: u64,
    authorizations: Vec<GrantView>,
    predictions: PredictionCount,
    open_proposals: usize,
    frozen: bool,
    freezes: Vec<FreezeView>,
}

/// A freeze that is on.
#[derive(Serialize)]
struct FreezeView {
    id: ProposalId,
    target: FreezeTarget,
    until: Timestamp,
}

impl Report for ReplayReport {
    const SCHEMA: &'static str = "althing.replay/1";

    fn text(&self) -> String {
        let predictions = format!(
            "{} authorized, {} unauthorized",
            self.predictions.authorized, self.predictions.unauthorized
        );
        let mut text = fields(&[
            ("ledger", format!("{} {}", bold(&self.name), self.ledger)),
            ("entries", self.entries.to_string()),
            ("head", self.head.to_string()),
            ("state hash", bold(&self.state_hash.to_string())),
            ("predictions", predictions),
            ("open proposals", self.open_proposals.to_string()),
        ]);
        text.push('\n');
        text.push_str(&node::table(&self.nodes));
        text.push('\n');
        text.push_str(&authorization::table(&self.authorizations));
        for freeze in &self.freezes {
            let target = String::from(freeze.target.clone());
            text.push_str(&format!("frozen until {}: {target}\n", freeze.until));
        }
        if !self.signatures_checked {
            text.push_str("\nno signature was checked\n");
        }
        text
    }
}

/// Runs `althing replay`.
pub fn run(command: &Replay, session: &Session, output: &Output) -> Result<Exit, Failure> {
    if let Some(what) = &command.without {
        return without::run(what, session, output);
    }
    let moment = if command.no_signatures {
        let (state, head) = session.rebuild_with(&Unchecked)?;
        Moment {
            at: session.now().max(state.clock()),
            state,
            head: head.hash,
        }
    } else {
        session.read_at(command.at)?
    };
    output.report(&report(&moment, !command.no_signatures))?;
    Ok(Exit::Ok)
}

fn report(moment: &Moment, checked: bool) -> ReplayReport {
    let Moment { state, head, at } = moment;
    let mut predictions = *state.predictions().others();
    for (_, count) in state.predictions().models() {
        predictions.authorized += count.authorized;
        predictions.unauthorized += count.unauthorized;
    }
    let freezes: Vec<FreezeView> = state
        .authorizations()
        .freezes()
        .on(*at)
        .map(|(id, freeze)| FreezeView {
            id,
            target: freeze.target().clone(),
            until: freeze.end(),
        })
        .collect();
    ReplayReport {
        ledger: state.ledger(),
        name: state.identity().name.to_string(),
        entries: state.entries(),
        head: *head,
        at: *at,
        state_hash: state.hash(),
        signatures_checked: checked,
        nodes: node::summaries(state),
        total_weight: state.registry().active_weight().get(),
        authorizations: authorization::views(state, *at),
        predictions,
        open_proposals: state.proposals().undecided().count(),
        frozen: !freezes.is_empty(),
        freezes,
    }
}
