//! All entries, with filters that need no script: whole, or as a server shows them, page by page.

use maud::{Markup, html};

use super::Document;
use super::links::{Links, Place, entry_anchor};
use super::parts;
use crate::governance::event::OPERATIONS;
use crate::views::audit::{Span, Summary};
use crate::views::filter::Filter;
use crate::views::history::{Damaged, Entry, Row, Run};

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

/// A part of the timeline, as a server shows it.
#[derive(Debug)]
pub struct Part<'a> {
    /// The rows, the newest first.
    pub rows: &'a [Row],
    /// What is wanted.
    pub filter: &'a Filter,
    /// What the nodes are called, as suggestions.
    pub nodes: &'a [String],
    /// Where newer entries are, if there are any.
    pub newer: Option<String>,
    /// Where older entries are, if there are any.
    pub older: Option<String>,
    /// The first and the last entry that were looked at.
    pub looked_at: Option<(u64, u64)>,
}

/// The page of a server.
#[must_use]
pub fn part(part: &Part<'_>, links: Links) -> Markup {
    html! {
        (form(part, links))
        p.quiet role="status" { (looked_at(part)) }
        (steps(part))
        @if !part.rows.is_empty() {
            ol.timeline #timeline-rows { @for row in part.rows { (full(row, links)) } }
            (steps(part))
        }
    }
}

fn looked_at(part: &Part<'_>) -> Markup {
    let is_filtered = *part.filter != Filter::default();
    html! {
        @match part.looked_at {
            None => "There is no entry here.",
            Some((first, last)) if is_filtered => {
                @if part.rows.is_empty() { "None" } @else { "Those" }
                " of entries " (first) " to " (last) " that match, the newest first."
                @if part.older.is_some() { " Older ones have not been looked at yet." }
            },
            Some((first, last)) => { "Entries " (first) " to " (last) ", the newest first." },
        }
    }
}

/// Where newer and older entries are.
fn steps(part: &Part<'_>) -> Markup {
    html! {
        @if part.newer.is_some() || part.older.is_some() {
            nav.steps aria-label="Other parts of the timeline" {
                @if let Some(newer) = &part.newer { a rel="prev" href=(newer) { "← Newer" } }
                @else { span.quiet { "← Newer" } }
                @if let Some(older) = &part.older { a rel="next" href=(older) { "Older →" } }
                @else { span.quiet { "Older →" } }
            }
        }
    }
}

fn form(part: &Part<'_>, links: Links) -> Markup {
    let filter = part.filter;
    let minute = |time: &Option<crate::governance::time::Timestamp>| {
        time.map(|time| time.to_string().get(..19).unwrap_or_default().to_owned())
    };
    html! {
        form.filters method="get" action=(links.place(Place::Timeline)) aria-label="Filters" {
            label { "Operation " select name="operation" {
                option value="" { "any" }
                @for operation in OPERATIONS {
                    option value=(operation) selected[filter.operations.iter().any(|it| it == operation)] {
                        (operation.replace('_', " "))
                    }
                }
            } }
            label { "Node " input type="text" name="actor" list="nodes" autocomplete="off" spellcheck="false"
                placeholder="name or DID" value=[filter.actor.as_deref()]; }
            label { "Proposal " input type="text" name="proposal" autocomplete="off" spellcheck="false"
                placeholder="id, or its start" value=[filter.proposal.as_deref()]; }
            label { "From (UTC) " input type="datetime-local" step="1" name="since" value=[minute(&filter.since)]; }
            label { "Before (UTC) " input type="datetime-local" step="1" name="until" value=[minute(&filter.until)]; }
            span.do { button type="submit" { "Show" } " "
                @if *filter != Filter::default() { a href=(links.place(Place::Timeline)) { "Everything" } } }
            datalist #nodes { @for name in part.nodes { option value=(name) {} } }
        }
    }
}

/// A row with its lines.
fn full(row: &Row, links: Links) -> Markup {
    match row {
        Row::Damaged(damaged) => self::damaged(damaged),
        Row::Entry(entry) => html! {
            li class={ "entry g-" (group(&entry.operation)) } id=(entry_anchor(entry.seq))
                data-first=(entry.seq) data-last=(entry.seq)
                data-operation=(entry.operation) data-time=(entry.at) {
                (words(entry, links))
                (bytes(entry, links))
            }
        },
        Row::Predictions(run) => html! {
            // A served page begins with the entry that is looked for, which may be the last of a run.
            li.entry.g-predictions id=(entry_anchor(if links == Links::Paths { run.last } else { run.first }))
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
        Row::Damaged(damaged) => self::damaged(damaged),
    }
}

/// A line that does not hold, at its place.
fn damaged(damaged: &Damaged) -> Markup {
    html! {
        li.entry.bad id=(entry_anchor(damaged.seq)) data-first=(damaged.seq) data-last=(damaged.seq) {
            div.problem {
                p { "Entry " (damaged.seq) " does not hold. " (crate::views::text::escaped(&damaged.problem)) }
                @if let Some((stated, computed)) = &damaged.hashes {
                    p { "expected " (parts::hash(stated)) }
                    p { "found " (parts::hash(computed)) }
                }
            }
        }
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
    let first_shown = if links == Links::Paths {
        run.last
    } else {
        run.first
    };
    html! {
        a.seq href=(links.entry(first_shown)) aria-label={ "entries " (run.first) " to " (run.last) } {
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

fn bytes(entry: &Entry, links: Links) -> Markup {
    html! {
        @if entry.line.is_none() && links == Links::Paths {
            a.bytes href={ "/v1/log/" (entry.seq) } { "line" span.unseen { " of entry " (entry.seq) } }
        }
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
