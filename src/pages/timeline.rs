//! All entries, with filters that need no script.

use maud::{Markup, html};

use super::Document;
use super::links::{Links, entry_anchor};
use super::parts;
use crate::views::audit::{Span, Summary};
use crate::views::history::{Entry, Row, Run};

/// Kinds of entries that can be hidden: the name in ids and classes, and what it is called.
pub const GROUPS: [(&str, &str); 7] = [
    ("proposals", "Proposals and decisions"),
    ("ballots", "Ballots"),
    ("grants", "Grants and freezes"),
    ("nodes", "Nodes and keys"),
    ("byzantine", "Contradictions"),
    ("predictions", "Predictions"),
    ("records", "Checkpoints and recoveries"),
];

/// The group of an operation. One that a newer version made is with the records.
#[must_use]
pub fn group(operation: &str) -> &'static str {
    match operation {
        "vote_cast" => "ballots",
        "authorization_granted" | "authorization_revoked" | "freeze_imposed" | "freeze_lifted" => {
            "grants"
        }
        "ledger_created" | "node_added" | "node_removed" | "node_reinstated" | "key_rotated"
        | "key_replaced" => "nodes",
        "byzantine_detected" | "checkpoints_contradicted" | "consensus_contradicted" => "byzantine",
        "prediction_recorded" => "predictions",
        "checkpoint_recorded" | "recovery_recorded" => "records",
        _ if operation.starts_with("proposal_") => "proposals",
        "consensus_reached" | "decision_overturned" | "policy_updated" => "proposals",
        _ => "records",
    }
}

/// The page.
#[must_use]
pub fn page(document: &Document, links: Links) -> Markup {
    html! {
        fieldset.filters {
            legend { "Show" }
            @for (name, what) in GROUPS {
                label { input type="checkbox" id={ "show-" (name) } checked; " " (what) }
            }
            label.words.needs-script hidden {
                "Only entries with these words "
                input type="search" id="filter-words" autocomplete="off" spellcheck="false";
            }
            p #filter-count.quiet role="status" {}
        }
        ol.timeline #timeline-rows {
            @for row in &document.history.rows { (full(row, links)) }
        }
    }
}

/// A row with its lines.
fn full(row: &Row, links: Links) -> Markup {
    match row {
        Row::Entry(entry) => html! {
            li class={ "entry g-" (group(&entry.operation)) } id=(entry_anchor(entry.seq))
                data-first=(entry.seq) data-last=(entry.seq)
                data-operation=(entry.operation) data-time=(entry.at) {
                (words(entry, links))
                (bytes(entry))
            }
        },
        Row::Predictions(run) => html! {
            li.entry.g-predictions id=(entry_anchor(run.first))
                data-first=(run.first) data-last=(run.last) data-operation="prediction_recorded" {
                (predictions(run, links))
                @if let Some(lines) = &run.lines {
                    details.bytes {
                        summary { (if run.first == run.last { "line" } else { "lines" })
                            span.unseen { " of entries " (run.first) " to " (run.last) } }
                        pre.lines { "\n" (parts::raw(lines)) }
                    }
                }
            }
        },
    }
}

/// A row without its lines.
pub(super) fn brief(row: &Row, links: Links) -> Markup {
    match row {
        Row::Entry(entry) => html! {
            li class={ "entry g-" (group(&entry.operation)) } { (words(entry, links)) }
        },
        Row::Predictions(run) => html! { li.entry.g-predictions { (predictions(run, links)) } },
    }
}

fn words(entry: &Entry, links: Links) -> Markup {
    html! {
        a.seq href=(links.entry(entry.seq)) aria-label={ "entry " (entry.seq) } { (entry.seq) }
        span.when { (parts::time(entry.at)) }
        p.what {
            span.operation { (entry.operation.replace('_', " ")) } " "
            (summary(&entry.view.summary, links))
        }
    }
}

/// An event in a few words, leading to what it speaks of.
pub(super) fn summary(summary: &Summary, links: Links) -> Markup {
    html! {
        @for span in &summary.0 {
            @match span {
                Span::Text(text) => (crate::views::text::escaped(text)),
                Span::Decision(name) => strong { (name) },
                Span::Node(node, name) => (parts::node(*node, name, links)),
                Span::Proposal(proposal, name) => a href=(links.proposal(*proposal)) { (name) },
            }
        }
    }
}

fn predictions(run: &Run, links: Links) -> Markup {
    let count = run.last - run.first + 1;
    html! {
        a.seq href=(links.entry(run.first)) aria-label={ "entries " (run.first) " to " (run.last) } {
            (run.first) @if count > 1 { "–" (run.last) }
        }
        span.when { (parts::time(run.from)) }
        p.what {
            span.operation { (count) @if count == 1 { " prediction" } @else { " predictions" } } " by "
            @for (index, model) in run.models.iter().enumerate() {
                @if index > 0 { ", " }
                @if index == 3 { "others" } @else { (parts::said(model.as_str())) }
            }
            @if run.unauthorized > 0 {
                "; " strong.outside { (run.unauthorized) " outside any grant" }
            }
        }
    }
}

fn bytes(entry: &Entry) -> Markup {
    html! {
        @if let Some(line) = &entry.line {
            details.bytes {
                summary { "line" span.unseen { " of entry " (entry.seq) } }
                dl.facts {
                    dt { "Hash" } dd { (parts::hash(&entry.hash)) }
                    dt { "Follows" } dd { (parts::hash(&entry.prev_hash)) }
                    dt { "Batch" } dd { (entry.batch.index) " of " (entry.batch.count) }
                }
                pre.lines { "\n" (parts::raw(line)) }
            }
        }
    }
}
