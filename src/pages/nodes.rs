//! The registry.

use maud::{Markup, html};

use super::links::{Links, node_anchor};
use super::parts::{self, Segment};
use crate::governance::state::registry::NodeStatus;
use crate::views::evidence::EvidenceSummary;
use crate::views::nodes::NodeView;

/// The page: all nodes, the weight of the active ones, and the evidence against any.
#[must_use]
pub fn page<'a>(
    nodes: &[NodeView],
    total: u64,
    evidence: impl Iterator<Item = &'a EvidenceSummary> + Clone,
    links: Links,
) -> Markup {
    html! {
        p { "The weight of all active nodes is " strong { (total) } "." }
        @for node in nodes { (detail(node, total, evidence.clone(), links)) }
    }
}

fn detail<'a>(
    node: &NodeView,
    total: u64,
    evidence: impl Iterator<Item = &'a EvidenceSummary>,
    links: Links,
) -> Markup {
    let summary = &node.summary;
    let active = summary.status == NodeStatus::Active;
    html! {
        article.node id=(node_anchor(summary.did)) {
            h3 { (parts::said(&summary.name)) " " (parts::node_status(summary.status)) }
            p { "Weight " strong { (summary.weight) } @if active { " of " (total) } }
            @if active {
                (parts::bar(&[Segment { class: "part", weight: summary.weight }], total, None))
            }
            dl.facts {
                dt { "Node id" } dd { code.hash { (summary.did) } }
                dt { "Key" } dd { (summary.algorithm) ", SHA-256 " (parts::hash(&node.key.fingerprint())) }
                dt { "Joined" } dd { (parts::entry(node.added_at_seq, links)) }
                @for evidence in evidence {
                    @if evidence.node == summary.did {
                        dt { "Evidence" }
                        dd { a href=(links.evidence(evidence.seq)) {
                            "two " (evidence.kind) ", entry " (evidence.seq)
                        } }
                    }
                }
            }
        }
    }
}
