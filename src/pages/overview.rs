//! The state of the ledger at a glance.

use maud::{Markup, html};

use super::Document;
use super::links::{Links, Place};
use super::{parts, timeline};
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::registry::NodeStatus;
use crate::views::history::Row;
use crate::views::overview::StateView;

/// How many of the last events are shown.
const LAST: usize = 8;

/// The page.
#[must_use]
pub fn page(document: &Document, links: Links) -> Markup {
    let state = &document.state;
    html! {
        (freezes(state, links))
        (figures(document, links))
        h3 { "The ledger" }
        dl.facts {
            dt { "Ledger" } dd { code.hash { (state.ledger) } }
            dt { "Entries" } dd { (state.entries) }
            dt { "Head" } dd { (parts::hash(&state.head)) }
            dt { "Merkle root" } dd { (parts::hash(&document.root)) }
            dt { "State hash" } dd { (parts::hash(&state.state_hash)) }
            dt { "As of" } dd { (parts::time(state.at)) " UTC" }
            dt { "Checked" } dd { (checked(state)) }
            dt { "Checkpoint" } dd { (checkpoint(document, links)) }
        }
        h3 { "Last events" }
        ol.timeline.brief {
            @for row in last(document) { (timeline::brief(row, links)) }
        }
        p { a href=(links.place(Place::Timeline)) { "The whole timeline" } }
    }
}

fn freezes(state: &StateView, links: Links) -> Markup {
    html! {
        @for freeze in &state.freezes {
            p.notice.bad {
                strong { "Frozen" } " until " (parts::time(freeze.until)) " UTC: "
                @let target = String::from(freeze.target.clone());
                @if target == "*" { "every authorization" } @else { (parts::said(&target)) }
                ", by " a href=(links.proposal(freeze.id)) { "proposal " (freeze.id.short()) } "."
            }
        }
        @if !state.frozen { p.notice.good { strong { "Not frozen." } " Authorizations are in effect as listed." } }
    }
}

fn figures(document: &Document, links: Links) -> Markup {
    let state = &document.state;
    let active = (state.nodes.iter()).filter(|node| node.status == NodeStatus::Active);
    let live = (state.authorizations.iter()).filter(|grant| grant.status == GrantStatus::Live);
    let figures = [
        (Place::Nodes, active.count() as u64, "active nodes"),
        (
            Place::Proposals,
            state.open_proposals as u64,
            "undecided proposals",
        ),
        (
            Place::Authorizations,
            live.count() as u64,
            "grants in force",
        ),
        (
            Place::Predictions,
            state.predictions.unauthorized,
            "predictions outside a grant",
        ),
        (
            Place::Evidence,
            document.evidence.len() as u64,
            "contradictions found",
        ),
    ];
    html! {
        ul.figures {
            @for (place, figure, what) in figures {
                li { a href=(links.place(place)) { strong { (figure) } " " span { (what) } } }
            }
        }
    }
}

fn checked(state: &StateView) -> Markup {
    html! {
        @if state.signatures_checked {
            "Every hash, link, signature and decision, by althing when it made this page. "
        } @else {
            "Every hash and link, by althing when it made this page; signatures were not checked. "
        }
        "Do not take its word for it: see Verify."
    }
}

fn checkpoint(document: &Document, links: Links) -> Markup {
    html! {
        @match &document.checkpoint {
            None => { "None was given. " a href=(links.place(Place::Verify)) { "Compare one that you hold." } }
            Some(checkpoint) => {
                "Over " (checkpoint.size) " entries"
                ", signed by " (checkpoint.signed_weight) " of " (checkpoint.active_weight) " weight: "
                @if checkpoint.believed { (parts::badge("good", "more than two thirds")) }
                @else { (parts::badge("bad", "too few")) }
            }
        }
    }
}

fn last(document: &Document) -> impl Iterator<Item = &Row> {
    document.history.rows.iter().rev().take(LAST)
}
