//! `althing node`: look at the registry.

use clap::{Args, Subcommand};

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::{Past, Session};
use crate::cli::style::{Grid, bold, escaped, fields, plural};
use crate::governance::id::NodeId;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::registry::{Node, NodeStatus};
use crate::views::View;
use crate::views::nodes::{BlastRadiusView, NodeList, NodeSummary, NodeView};

/// Look at the registry.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the nodes in the order in which they joined.
    #[command(after_long_help = help!("  althing node list"))]
    List(Past),
    /// Show one node.
    #[command(after_long_help = help!("  althing node show clinic"))]
    Show(Show),
    /// List the decisions that would have been others had one node not voted.
    ///
    /// The node's weight stays in the total and its ballot is absent; everything else is judged at
    /// the deadline as it was counted.
    #[command(after_long_help = help!("  althing node blast-radius clinic"))]
    BlastRadius(BlastRadius),
}

/// Arguments of `node show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The node: its name, its id, or the start of its id.
    node: String,
    #[command(flatten)]
    past: Past,
}

/// Arguments of `node blast-radius`.
#[derive(Debug, Args)]
pub struct BlastRadius {
    /// The node: its name, its id, or the start of its id.
    node: String,
}

/// All nodes as a table.
pub fn table(nodes: &[NodeSummary]) -> String {
    let mut grid = Grid::new(&["name", "weight", "status", "node id"]).right(1);
    for node in nodes {
        grid.row([
            escaped(&node.name),
            node.weight.to_string(),
            node.status.name().to_owned(),
            node.did.to_string(),
        ]);
    }
    grid.text()
}

impl Report for NodeList {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let active = self
            .nodes
            .iter()
            .filter(|node| node.status == NodeStatus::Active);
        format!(
            "{}{} active, total weight {}\n",
            table(&self.nodes),
            plural(active.count(), "node"),
            self.total_weight
        )
    }
}

impl Report for NodeView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let mut lines = vec![
            ("node", bold(&escaped(&self.summary.name))),
            ("node id", self.summary.did.to_string()),
            ("weight", self.summary.weight.to_string()),
            ("status", self.summary.status.name().to_owned()),
            ("algorithm", self.summary.algorithm.to_string()),
            ("key", format!("SHA-256 {}", self.key.fingerprint())),
            ("joined at", format!("entry {}", self.added_at_seq)),
        ];
        for proposal in &self.evidence {
            lines.push(("evidence", format!("equivocation on {proposal}")));
        }
        for seq in &self.contradicting_checkpoints {
            let what = format!("contradicting checkpoints, entry {seq}");
            lines.push(("evidence", what));
        }
        for seq in &self.contradicting_consensus {
            let what = format!("contradicting messages of consensus, entry {seq}");
            lines.push(("evidence", what));
        }
        fields(&lines)
    }
}

fn sentence(view: &BlastRadiusView) -> String {
    format!(
        "{} took part in {} of {}; {} would have been decided otherwise without its ballot",
        bold(&escaped(&view.node.name)),
        view.took_part_in,
        plural(view.decided, "decision"),
        match view.flips.len() {
            0 => "none".to_owned(),
            flips => flips.to_string(),
        }
    )
}

impl Report for BlastRadiusView {
    const SCHEMA: &'static str = <Self as View>::SCHEMA;

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.flips.is_empty() {
            let mut grid = Grid::new(&["id", "kind", "subject", "was", "without it"]);
            for flip in &self.flips {
                grid.row([
                    flip.proposal.short(),
                    flip.kind.to_string(),
                    escaped(&flip.subject),
                    flip.was.name().to_owned(),
                    flip.without.name().to_owned(),
                ]);
            }
            text.push_str(&grid.text());
        }
        text.push_str(&format!("{}\n", sentence(self)));
        text
    }
}

/// Runs `althing node`.
pub fn run(command: &NodeCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    match command {
        NodeCommand::List(past) => {
            output.report(&NodeList::of(&session.read_past(*past)?.state))?;
        }
        NodeCommand::Show(show) => {
            let state = session.read_past(show.past)?.state;
            let (id, node) = find(&state, &show.node)?;
            output.report(&NodeView::of(id, node, &state))?;
        }
        NodeCommand::BlastRadius(blast_radius) => {
            let state = session.read()?.state;
            let (id, node) = find(&state, &blast_radius.node)?;
            output.report(&BlastRadiusView::of(id, node, &state))?;
        }
    }
    Ok(Exit::Ok)
}

fn find<'a>(state: &'a State, text: &str) -> Result<(NodeId, &'a Node), Failure> {
    let id = resolve::node(state, text)?;
    let node = state.registry().get(id);
    Ok((id, node.ok_or(Rejection::UnknownNode { node: id })?))
}
