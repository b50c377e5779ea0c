//! The registry.

use maud::{Markup, html};

use super::Document;
use super::links::{Links, node_anchor};
use super::parts::{self, Segment};
use crate::governance::state::registry::NodeStatus;
use crate::views::nodes::NodeView;

/// The page.
#[must_use]
pub fn page(document: &Document, links: Links) -> Markup {
    let total = document.state.total_weight;
    html! {
        p { "The weight of all active nodes is " strong { (total) } "." }
        @for node in &document.nodes { (detail(node, total, document, links)) }
    }
}

fn detail(node: &NodeView, total: u64, document: &Document, links: Links) -> Markup {
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
                @for evidence in &document.evidence {
                    @if evidence.summary.node == summary.did {
                        dt { "Evidence" }
                        dd { a href=(links.evidence(evidence.summary.seq)) {
                            "two " (evidence.summary.kind) ", entry " (evidence.summary.seq)
                        } }
                    }
                }
            }
        }
    }
}
