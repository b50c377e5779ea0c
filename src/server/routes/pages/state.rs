//! Pages of what holds now: overview, proposals, nodes, authorizations; and the one that verifies.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::Response;
use maud::{Markup, html};

use super::Page;
use super::history::newest;
use crate::governance::id::{GrantId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::scope::CheckContext;
use crate::governance::state::proposal::Status;
use crate::pages::lists::Cut;
use crate::pages::overview::Overview;
use crate::pages::verify::{Lines, Verify};
use crate::pages::{self, Links, Place, links};
use crate::server::access::Client;
use crate::server::json::Query;
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;
use crate::views::authorizations::GrantView;
use crate::views::evidence::EvidenceSummary;
use crate::views::nodes::NodeView;
use crate::views::overview::StateView;
use crate::views::proposals::ProposalSummary;
use crate::views::why::WhyView;

pub(super) type Asked = State<Arc<Service>>;
pub(super) type Reader = Extension<Client>;
pub(super) type Pairs = Query<Vec<(String, String)>>;
pub(super) type Answer = Result<Response, Problem>;

const LINKS: Links = Links::Paths;

/// How many rows of a list one page has.
const ROWS: usize = 50;

/// How many grants one page has, each with its tree.
const GRANTS: usize = 15;

/// A parameter of a page that is unknown, or not what is expected.
pub(super) fn bad(name: &str, expected: impl std::fmt::Display) -> Problem {
    Problem::bad_request("request.query", format!("{name}: {expected}"))
}

/// The parameters that a form filled in: one that is left empty is not there.
pub(super) fn filled(pairs: Vec<(String, String)>) -> impl Iterator<Item = (String, String)> {
    pairs.into_iter().filter(|(_, value)| !value.is_empty())
}

pub(super) async fn overview(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    if let Some((name, _)) = filled(pairs).next() {
        return Err(bad(&name, "expected no parameter"));
    }
    let now = service.now()?;
    let (reading, shown) = (Arc::clone(&service), Arc::clone(&now));
    // The state's hash is work, and the last events are read.
    let body = service.read(move || {
        let rows = newest(&reading, &shown, pages::overview::LAST)?;
        let rows: Vec<_> = rows.iter().collect();
        let state = StateView::of(&shown.state, shown.head.hash, shown.time(), true);
        let overview = Overview {
            state: &state,
            root: shown.merkle.root(),
            evidence: EvidenceSummary::all(&shown.state).len(),
            last: &rows,
            checkpoint: None,
        };
        Ok(pages::overview::page(&overview, LINKS))
    });
    let body = body.await?;
    Ok(page(Place::Overview, "/v1/ledger").with(&body, &now, &client))
}

fn page(place: Place, twin: &str) -> Page<'static> {
    Page {
        title: place.title(),
        place,
        twin: twin.to_owned(),
    }
}

pub(super) async fn proposals(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    let (mut status, mut before) = (None, u64::MAX);
    for (name, value) in filled(pairs) {
        match name.as_str() {
            "status" => {
                let found = Status::ALL.into_iter().find(|it| it.name() == value);
                status =
                    Some(found.ok_or_else(|| bad(&name, "expected a status, such as voting"))?);
            }
            "before" => before = value.parse().map_err(|_| bad(&name, "expected an entry"))?,
            _ => return Err(bad(&name, "unknown")),
        }
    }
    let now = service.now()?;
    let listed = now.state.proposals().iter().rev();
    let mut wanted = listed
        .filter(|it| it.seq() < before && status.is_none_or(|status| status == it.status()))
        .peekable();
    let part: Vec<_> = wanted.by_ref().take(ROWS).collect();
    let link = |before: String| {
        let status = status.map_or("", Status::name);
        links::query("/proposals", [("status", status), ("before", &before)])
    };
    let last = part.last().filter(|_| wanted.peek().is_some());
    let shown: Vec<_> = part.iter().map(|it| ProposalSummary::of(it)).collect();
    let cut = Cut {
        shown: &shown,
        back: (before < u64::MAX).then(|| link(String::new())),
        on: last.map(|last| link(last.seq().to_string())),
    };
    let body = pages::proposals::cut(&cut, status, LINKS);
    let twin = links::query(
        "/v1/proposals",
        [("status", status.map_or("", Status::name))],
    );
    Ok(page(Place::Proposals, &twin).with(&body, &now, &client))
}

pub(super) async fn nodes(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    if let Some((name, _)) = filled(pairs).next() {
        return Err(bad(&name, "expected no parameter"));
    }
    let now = service.now()?;
    let state = &now.state;
    let nodes: Vec<_> = (state.registry().iter())
        .map(|(id, node)| NodeView::of(id, node, state))
        .collect();
    let evidence = EvidenceSummary::all(state);
    let total = state.registry().active_weight().get();
    let body = pages::nodes::page(&nodes, total, evidence.iter(), LINKS);
    Ok(page(Place::Nodes, "/v1/nodes").with(&body, &now, &client))
}

/// Which authorizations are wanted.
enum Wanted {
    /// All of them, given before an entry.
    Before(u64),
    /// One subject's.
    Of(AuthorizationKind, Subject, Given),
}

/// Circumstances, and as they were written.
#[derive(Default)]
struct Given {
    context: CheckContext,
    texts: Vec<String>,
}

fn wanted(pairs: Vec<(String, String)>, now: &Published) -> Result<Wanted, Problem> {
    let (mut subject, mut kind, mut before) = (None, None, None);
    let mut given = Given::default();
    for (name, value) in filled(pairs) {
        let bad = |expected: &dyn std::fmt::Display| bad(&name, expected);
        match name.as_str() {
            "before" if before.is_none() => {
                before = Some(value.parse().map_err(|_| bad(&"expected an entry"))?);
            }
            "grant" if subject.is_none() => {
                let id: GrantId = value.parse().map_err(|_| unknown_grant())?;
                let grant = now
                    .state
                    .authorizations()
                    .get(id)
                    .ok_or_else(unknown_grant)?;
                (subject, kind) = (Some(grant.terms().subject.clone()), Some(grant.kind()));
            }
            "subject" if subject.is_none() => {
                subject = Some(value.parse::<Subject>().map_err(|error| bad(&error))?);
            }
            "kind" if kind.is_none() => {
                let parsed = value.parse::<AuthorizationKind>();
                kind = Some(parsed.map_err(|error| bad(&error))?);
            }
            "context" => {
                let pair = value
                    .split_once('=')
                    .ok_or_else(|| bad(&"expected KEY=VALUE"))?;
                let set = given.context.set(pair.0, pair.1);
                set.map_err(|error| bad(&error))?;
                given.texts.push(value);
            }
            _ => return Err(bad(&"unknown, or given twice")),
        }
    }
    match (subject, kind) {
        (Some(subject), kind) => {
            let kind = kind.unwrap_or(AuthorizationKind::Model);
            Ok(Wanted::Of(kind, subject, given))
        }
        // The form always says a kind.
        (None, _) => Ok(Wanted::Before(before.unwrap_or(u64::MAX))),
    }
}

fn unknown_grant() -> Problem {
    Problem::not_found("grant.unknown", "there is no such grant")
}

pub(super) async fn authorizations(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    let now = service.now()?;
    let wanted = wanted(pairs, &now)?;
    let shown = Arc::clone(&now);
    let (body, twin) = service
        .read(move || {
            Ok(match wanted {
                Wanted::Before(before) => (grants(&shown, before), "/v1/authorizations".to_owned()),
                Wanted::Of(kind, subject, given) => answer(&shown, kind, &subject, &given),
            })
        })
        .await?;
    Ok(page(Place::Authorizations, &twin).with(&body, &now, &client))
}

/// Some grants, the newest first, and a tree for each subject of theirs.
fn grants(now: &Published, before: u64) -> Markup {
    let (state, at) = (&now.state, now.time());
    let given = state.authorizations().iter().rev();
    let mut older = given
        .filter(|(_, grant)| grant.granted_seq() < before)
        .peekable();
    let part: Vec<_> = older.by_ref().take(GRANTS).collect();
    let last = part.last().filter(|_| older.peek().is_some());
    let link = |before: String| links::query("/authorizations", [("before", before)]);
    let shown: Vec<_> = part
        .iter()
        .filter_map(|(id, _)| GrantView::of(*id, state, at))
        .collect();
    let mut asked = Vec::new();
    for grant in &shown {
        let question = (grant.kind, &grant.subject);
        if !asked.contains(&question) {
            asked.push(question);
        }
    }
    let anywhere = CheckContext::default();
    let trees: Vec<_> = asked
        .into_iter()
        .map(|(kind, subject)| WhyView::of(kind, subject, &anywhere, state, at))
        .collect();
    let cut = Cut {
        shown: &shown,
        back: (before < u64::MAX).then(|| link(String::new())),
        on: last.map(|(_, grant)| link(grant.granted_seq().to_string())),
    };
    html! {
        (pages::authorizations::question(None, None, ""))
        (pages::authorizations::page(at, &shown, &trees, LINKS))
        (cut.steps("Other grants"))
    }
}

/// Why one subject may act, or may not, and where programs ask the same.
fn answer(
    now: &Published,
    kind: AuthorizationKind,
    subject: &Subject,
    given: &Given,
) -> (Markup, String) {
    let why = WhyView::of(kind, subject, &given.context, &now.state, now.time());
    let parameters = [
        ("subject", subject.to_string()),
        ("kind", kind.name().to_owned()),
    ];
    let contexts = given.texts.iter().map(|it| ("context", it.clone()));
    let twin = links::query(
        "/v1/authorizations/why",
        parameters.into_iter().chain(contexts),
    );
    let first = given.texts.first().map_or("", String::as_str);
    let body = html! {
        (pages::authorizations::question(Some(kind), Some(subject), first))
        @if why.grants.is_empty() { p { "This subject was never granted anything." } }
        (pages::authorizations::tree(&why, LINKS))
        p { a href=(LINKS.place(Place::Authorizations)) { "All grants" } }
    };
    (body, twin)
}

pub(super) async fn verify(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    if let Some((name, _)) = filled(pairs).next() {
        return Err(bad(&name, "expected no parameter"));
    }
    let now = service.now()?;
    let body = pages::verify::page(
        &Verify {
            entries: now.head.seq,
            head: now.head.hash,
            root: now.merkle.root(),
            checkpoint: None,
            lines: Lines::Server,
        },
        LINKS,
    );
    Ok(page(Place::Verify, "/v1/segments").with(&body, &now, &client))
}
