//! `althing replay`: rebuild the state from the history.

use clap::Args;

use super::{authorization, node, without};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::{Moment, Past, Session};
use crate::cli::style::{bold, fields};
use crate::replay::Unchecked;
use crate::views::View;
use crate::views::overview::StateView;

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
    #[command(flatten)]
    past: Past,
    /// Take every signature for good: faster, and no proof of anything.
    #[arg(long, conflicts_with_all = ["at", "as_known_at"])]
    no_signatures: bool,
    /// Show what would have come of the history without an entry, or without anything that a node
    /// signed.
    #[arg(long, value_name = "SEQ|NODE", conflicts_with_all = ["at", "as_known_at", "no_signatures"])]
    without: Option<String>,
}

impl Report for StateView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

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
        session.read_past(command.past)?
    };
    let Moment { state, head, at } = &moment;
    let checked = !command.no_signatures;
    output.report(&StateView::of(state, *head, *at, checked))?;
    Ok(Exit::Ok)
}
