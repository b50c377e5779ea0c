//! `althing node`: look at the registry.

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::resolve;
use crate::cli::session::Session;
use crate::cli::style::{Grid, bold, escaped, fields, plural};
use crate::governance::blast_radius::{Flip, blast_radius, took_part_in};
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::key::{Algorithm, PublicKey};
use crate::governance::rejection::Rejection;
use crate::governance::state::registry::{Node, NodeStatus};
use crate::governance::state::{Contradiction, State};

/// Look at the registry.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List the nodes in the order in which they joined.
    #[command(after_long_help = help!("  althing node list"))]
    List,
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
}

/// Arguments of `node blast-radius`.
#[derive(Debug, Args)]
pub struct BlastRadius {
    /// The node: its name, its id, or the start of its id.
    node: String,
}

/// One node in a list.
#[derive(Serialize)]
pub struct NodeSummary {
    did: NodeId,
    name: String,
    weight: u64,
    status: NodeStatus,
    algorithm: Algorithm,
}

impl NodeSummary {
    /// The summary of one node.
    pub fn of(id: NodeId, node: &Node) -> Self {
        Self {
            did: id,
            name: node.name().to_string(),
            weight: node.weight().get(),
            status: node.status(),
            algorithm: node.key().algorithm(),
        }
    }
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

#[derive(Serialize)]
struct NodeList {
    nodes: Vec<NodeSummary>,
    total_weight: u64,
}

impl Report for NodeList {
    const SCHEMA: &'static str = "althing.nodes/1";

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

#[derive(Serialize)]
struct NodeView {
    #[serde(flatten)]
    summary: NodeSummary,
    key: PublicKey,
    added_at_seq: u64,
    evidence: Vec<ProposalId>,
    /// The entries that hold two checkpoints of this node that contradict each other.
    contradicting_checkpoints: Vec<u64>,
    /// The entries that hold two messages of consensus of this node that contradict each other.
    contradicting_consensus: Vec<u64>,
}

impl Report for NodeView {
    const SCHEMA: &'static str = "althing.node/1";

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

/// What hung on one node.
#[derive(Serialize)]
struct BlastRadiusReport {
    #[serde(flatten)]
    node: NodeSummary,
    decided: usize,
    took_part_in: usize,
    flips: Vec<Flip>,
}

impl BlastRadiusReport {
    fn of(id: NodeId, node: &Node, state: &State) -> Self {
        let decided = state.proposals().iter();
        Self {
            node: NodeSummary::of(id, node),
            decided: decided.filter(|it| it.decided().is_some()).count(),
            took_part_in: took_part_in(state, id),
            flips: blast_radius(state, id),
        }
    }

    fn sentence(&self) -> String {
        format!(
            "{} took part in {} of {}; {} would have been decided otherwise without its ballot",
            bold(&escaped(&self.node.name)),
            self.took_part_in,
            plural(self.decided, "decision"),
            match self.flips.len() {
                0 => "none".to_owned(),
                flips => flips.to_string(),
            }
        )
    }
}

impl Report for BlastRadiusReport {
    const SCHEMA: &'static str = "althing.blast-radius/1";

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
        text.push_str(&format!("{}\n", self.sentence()));
        text
    }
}

/// Runs `althing node`.
pub fn run(command: &NodeCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let state = session.read()?.state;
    match command {
        NodeCommand::List => output.report(&NodeList {
            nodes: summaries(&state),
            total_weight: state.registry().active_weight().get(),
        })?,
        NodeCommand::Show(show) => {
            let (id, node) = find(&state, &show.node)?;
            let evidence = state.evidence().filter(|(accused, ..)| *accused == id);
            let entries = |kind: Contradiction| -> Vec<u64> {
                let mine = (state.contradictions())
                    .filter(|(found, accused, ..)| (*found, *accused) == (kind, id));
                mine.map(|(.., record)| record.seq).collect()
            };
            output.report(&NodeView {
                summary: NodeSummary::of(id, node),
                key: node.key().clone(),
                added_at_seq: node.added_at(),
                evidence: evidence.map(|(_, proposal, _)| proposal).collect(),
                contradicting_checkpoints: entries(Contradiction::Checkpoints),
                contradicting_consensus: entries(Contradiction::Consensus),
            })?;
        }
        NodeCommand::BlastRadius(blast_radius) => {
            let (id, node) = find(&state, &blast_radius.node)?;
            output.report(&BlastRadiusReport::of(id, node, &state))?;
        }
    }
    Ok(Exit::Ok)
}

fn find<'a>(state: &'a State, text: &str) -> Result<(NodeId, &'a Node), Failure> {
    let id = resolve::node(state, text)?;
    let node = state.registry().get(id);
    Ok((id, node.ok_or(Rejection::UnknownNode { node: id })?))
}

/// All nodes in the order in which they joined.
pub fn summaries(state: &State) -> Vec<NodeSummary> {
    state
        .registry()
        .iter()
        .map(|(id, node)| NodeSummary::of(id, node))
        .collect()
}
