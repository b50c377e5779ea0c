//! What stands around a page of a server: head, navigation, and where the same is as JSON.

use maud::{DOCTYPE, Markup, html};

use super::links::{Links, Place};
use super::parts;
use crate::governance::time::Timestamp;
use crate::views::text::escaped;

/// The ledger, in the head of every page.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many entries it has.
    pub entries: u64,
    /// When what the page shows holds.
    pub at: Timestamp,
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub struct Shell<'a> {
    /// The ledger, where anything is to be told of it.
    pub ledger: Option<Ledger<'a>>,
    /// The page's title.
    pub title: &'a str,
    /// Which page it is, or belongs to.
    pub place: Option<Place>,
    /// Where the same is as JSON.
    pub twin: Option<String>,
    /// Whether the reader can leave: has logged in.
    pub can_leave: bool,
    /// Where style, script and icon are.
    pub assets: [&'a str; 3],
}

/// The content security policy of a served page: the server's own files, and where it `fetches` what it
/// verifies, the server's own answers.
#[must_use]
pub const fn content_security_policy(fetches: bool) -> &'static str {
    macro_rules! policy {
        ($more:literal) => {
            concat!(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; ",
                $more,
                "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; ",
                "require-trusted-types-for 'script'; trusted-types 'none'"
            )
        };
    }
    if fetches {
        policy!("connect-src 'self'; ")
    } else {
        policy!("")
    }
}

/// A page of a server.
#[must_use]
pub fn served(shell: &Shell<'_>, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            (head(shell))
            body {
                a.skip href="#main" { "Skip to the content" }
                (header(shell))
                @if shell.ledger.is_some() { (navigation(shell)) }
                main #main tabindex="-1" {
                    section id=[shell.place.map(Place::name)] aria-labelledby="title" {
                        div.title {
                            h2 #title { (escaped(shell.title)) }
                            @if let Some(twin) = &shell.twin {
                                a.twin href=(twin) type="application/json" { "JSON" span.unseen { " of this page" } }
                            }
                        }
                        (body)
                    }
                }
                footer { p { "Served by althing " (env!("CARGO_PKG_VERSION")) ". Times are UTC. "
                    a href="/openapi.json" { "Everything for programs" } "." } }
            }
        }
    };
    markup.into_string()
}

fn head(shell: &Shell<'_>) -> Markup {
    let [style, script, icon] = shell.assets;
    let name = shell
        .ledger
        .map_or("governance ledger", |ledger| ledger.name);
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="generator" content={ "althing " (env!("CARGO_PKG_VERSION")) };
            title { (escaped(shell.title)) " – " (escaped(name)) }
            link rel="stylesheet" href=(style);
            link rel="icon" type="image/svg+xml" href=(icon);
            @if let Some(twin) = &shell.twin {
                link rel="alternate" type="application/json" href=(twin);
            }
            script src=(script) defer {}
        }
    }
}

fn header(shell: &Shell<'_>) -> Markup {
    let is_first = shell.place == Some(Place::Overview);
    html! {
        header.small[!is_first] {
            p.kicker { "Governance ledger" }
            @match &shell.ledger {
                None => h1 { "Althing" },
                Some(ledger) => {
                    h1 { (parts::said(ledger.name)) }
                    p.quiet { (ledger.entries) " entries, as of " (parts::time(ledger.at)) " UTC" }
                }
            }
        }
    }
}

fn navigation(shell: &Shell<'_>) -> Markup {
    html! {
        nav.sections aria-label="Sections" {
            ol {
                @for place in Place::ALL {
                    li { a href=(Links::Paths.place(place))
                        aria-current=[(shell.place == Some(place)).then_some("page")] { (place.title()) } }
                }
                @if shell.can_leave {
                    li.leave { form method="post" action="/logout" { button.plain type="submit" { "Log out" } } }
                }
            }
        }
    }
}

/// The body of a page that asks for a token; `to` is where its reader wants to go.
#[must_use]
pub fn login(problem: Option<&str>, to: &str) -> Markup {
    html! {
        @if let Some(problem) = problem { p.notice.bad role="alert" #wrong { (escaped(problem)) } }
        p { "This ledger is shown to holders of a token with the scope " code { "read" } ". Whoever runs the server makes one: "
            code { "althing token create NAME --scope read" } "." }
        form.login method="post" action="/login" {
            input type="hidden" name="to" value=(to);
            p { label for="token" { "Token" } br;
                input #token type="password" name="token" required autocomplete="current-password" spellcheck="false"
                    aria-describedby=[problem.map(|_| "wrong")]; }
            p { button type="submit" { "Log in" } }
        }
        p.quiet { "Your browser keeps a cookie that opens these pages for at most twelve hours, and nothing else: not the "
            "token, and nothing that could write." }
    }
}

/// The body of a page that says what is wrong.
#[must_use]
pub fn problem(status: u16, code: &str, detail: &str, hint: Option<&str>) -> Markup {
    html! {
        p.notice.bad { (parts::prose(detail)) }
        @if let Some(hint) = hint { p { (parts::prose(hint)) } }
        p.quiet { "Status " (status) ", code " code { (code) } "." }
        p { a href="/" { "To the overview" } }
    }
}
