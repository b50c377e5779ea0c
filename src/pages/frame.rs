//! What stands around the pages: head, navigation, and the policy of what may run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::links::{Links, Place};
use super::overview::Overview;
use super::verify::{Lines, Verify};
use super::{
    Document, authorizations, evidence, nodes, overview, parts, predictions, proposals, timeline,
    verify,
};

/// The style of all pages.
pub const STYLE: &str = include_str!("assets/page.css");

/// The script of all pages, which none of them needs.
pub const SCRIPT: &str = include_str!("assets/page.js");

/// The icon of served pages.
pub const ICON: &str = include_str!("assets/icon.svg");

/// The content security policy of a page that holds [`STYLE`] and [`SCRIPT`] inline: these two, and
/// nothing else of any kind.
#[must_use]
pub fn csp() -> String {
    let hash = |text: &str| BASE64.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

/// All pages as one file that needs nothing else.
#[must_use]
pub fn file(document: &Document) -> String {
    let links = Links::Anchors;
    let body = html! {
        @for place in Place::ALL {
            section id=(place.name()) aria-labelledby={ (place.name()) "-title" } {
                h2 id={ (place.name()) "-title" } { (place.title()) }
                (page(place, document, links))
            }
        }
    };
    frame(document, &body, links).into_string()
}

fn page(place: Place, document: &Document, links: Links) -> Markup {
    let state = &document.state;
    match place {
        Place::Overview => overview(document, links),
        Place::Timeline => timeline::page(document, links),
        Place::Proposals => proposals::page(document, links),
        Place::Nodes => {
            let evidence = document.evidence.iter().map(|evidence| &evidence.summary);
            nodes::page(&document.nodes, state.total_weight, evidence, links)
        }
        Place::Authorizations => authorizations::page(
            state.at,
            &state.authorizations,
            &document.authorizations,
            links,
        ),
        Place::Predictions => predictions::page(document, links),
        Place::Evidence => evidence::page(&document.evidence, links),
        Place::Verify => {
            let keeps_lines = document.history.keeps_lines();
            let verify = Verify {
                entries: state.entries,
                head: state.head,
                root: document.root,
                checkpoint: document.checkpoint.as_ref(),
                lines: if keeps_lines {
                    Lines::Page
                } else {
                    Lines::Files
                },
            };
            verify::page(&verify, links)
        }
    }
}

fn overview(document: &Document, links: Links) -> Markup {
    let last: Vec<_> = (document.history.rows.iter().rev())
        .take(overview::LAST)
        .collect();
    let overview = Overview {
        state: &document.state,
        root: document.root,
        evidence: document.evidence.len(),
        last: &last,
        checkpoint: document.checkpoint.as_ref(),
    };
    overview::page(&overview, links)
}

fn frame(document: &Document, body: &Markup, links: Links) -> Markup {
    let name = &document.state.name;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(csp());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content={ "althing " (env!("CARGO_PKG_VERSION")) };
                title { (crate::views::text::escaped(name)) " – governance ledger" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header {
                    p.kicker { "Governance ledger" }
                    h1 { (parts::said(name)) }
                    p.quiet { (document.state.entries) " entries, as of " (parts::time(document.state.at)) " UTC" }
                }
                nav aria-label="Sections" {
                    ol { @for place in Place::ALL {
                        li { a href=(links.place(place)) { (place.title()) } }
                    } }
                }
                main #main { (body) }
                footer { p { "Made by althing " (env!("CARGO_PKG_VERSION")) " from the ledger's own lines. Times are UTC." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}
