//! The state of the ledger at a glance.

use maud::{Markup, html};

use super::links::{Links, Place};
use super::{parts, timeline};
use crate::governance::digest::Digest;
use crate::governance::state::authorization::GrantStatus;
use crate::governance::state::registry::NodeStatus;
use crate::views::checkpoint::CheckpointView;
use crate::views::history::Row;
use crate::views::overview::StateView;

/// How many of the last events are shown.
pub const LAST: usize = 8;

/// What the page shows.
#[derive(Debug, Clone, Copy)]
pub struct Overview<'a> {
    /// What holds.
    pub state: &'a StateView,
    /// The root over all entries.
    pub root: Digest,
    /// How many pieces of evidence there are.
    pub evidence: usize,
    /// The last rows of the timeline, the newest first.
    pub last: &'a [&'a Row],
    /// The checkpoint that the ledger was held against.
    pub checkpoint: Option<&'a CheckpointView>,
}

/// The page.
#[must_use]
pub fn page(overview: &Overview<'_>, links: Links) -> Markup {
    let state = overview.state;
    html! {
        (freezes(state, links))
        (figures(overview, links))
        h3 { "The ledger" }
        dl.facts {
            dt { "Ledger" } dd { code.hash { (state.ledger) } }
            dt { "Entries" } dd { (state.entries) }
            dt { "Head" } dd { (parts::hash(&state.head)) }
            dt { "Merkle root" } dd { (parts::hash(&overview.root)) }
            dt { "State hash" } dd { (parts::hash(&state.state_hash)) }
            dt { "As of" } dd { (parts::time(state.at)) " UTC" }
            dt { "Checked" } dd { (checked(state, links)) }
            dt { "Checkpoint" } dd { (checkpoint(overview, links)) }
        }
        h3 { "Last events" }
        ol.timeline.brief {
            @for row in overview.last { (timeline::brief(row, links)) }
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

fn figures(overview: &Overview<'_>, links: Links) -> Markup {
    let state = overview.state;
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
            overview.evidence as u64,
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

fn checked(state: &StateView, links: Links) -> Markup {
    let when = match links {
        Links::Anchors => "when it made this page",
        Links::Paths => "when this server read or recorded them",
    };
    html! {
        @if state.signatures_checked {
            "Every hash, link, signature and decision, by althing " (when) ". "
        } @else {
            "Every hash and link, by althing " (when) "; signatures were not checked. "
        }
        "Do not take its word for it: " a href=(links.place(Place::Verify)) { "verify" } "."
    }
}

fn checkpoint(overview: &Overview<'_>, links: Links) -> Markup {
    html! {
        @match overview.checkpoint {
            None if links == Links::Paths => {
                "Of these " (overview.state.entries) " entries, for nodes to sign: "
                a href="/v1/checkpoint" { "the unsigned note" } ". "
                a href=(links.place(Place::Verify)) { "Compare one that you hold." }
            }
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
