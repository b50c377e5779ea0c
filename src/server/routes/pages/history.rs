//! Pages that read entries: the timeline, one proposal with its life, predictions, evidence.

use std::sync::Arc;

use axum::extract::{Extension, State};

use super::Page;
use super::state::{Answer, Asked, Pairs, Reader, bad, filled};
use crate::governance::event::Event;
use crate::pages::evidence::EvidencePage;
use crate::pages::lists::Cut;
use crate::pages::proposals::ProposalPage;
use crate::pages::timeline::Part;
use crate::pages::{self, Links, Place, links};
use crate::server::json::{Path, Query};
use crate::server::limits::Limits;
use crate::server::look::{self, Raw, Span};
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::routes::entries::{intact, refused, unreadable};
use crate::server::routes::{models, outlook};
use crate::server::service::Service;
use crate::views::audit::Names;
use crate::views::evidence::{EvidenceSummary, Statements};
use crate::views::filter::Filter;
use crate::views::history::{Damaged, Row};
use crate::views::stretch::{Piece, Stretch};

const LINKS: Links = Links::Paths;

/// How many rows the timeline has.
const ROWS: usize = 50;

/// How many pieces of evidence one page has.
const EVIDENCE: usize = 20;

/// How many models one page has.
const MODELS: usize = 50;

/// Where a part of the timeline lies.
#[derive(Clone, Copy)]
enum From {
    Before(u64),
    After(u64),
}

/// What is asked of the timeline.
struct Wanted {
    place: From,
    filter: Filter,
}

fn wanted(pairs: Vec<(String, String)>) -> Result<Wanted, Problem> {
    let mut place = None;
    let mut filter = Filter::default();
    let mut seen = Vec::new();
    for (name, value) in filled(pairs) {
        let number = || value.parse().map_err(|_| bad(&name, "expected an entry"));
        if name != "operation" && seen.contains(&name) {
            return Err(bad(&name, "expected to be given once"));
        }
        match name.as_str() {
            "before" | "after" if place.is_some() => {
                return Err(bad(&name, "expected either before or after"));
            }
            "before" => place = Some(From::Before(number()?)),
            "after" => place = Some(From::After(number()?)),
            "since" | "until" => take(&mut filter, &name, &whole_time(&value))?,
            _ => take(&mut filter, &name, &value)?,
        }
        seen.push(name);
    }
    Ok(Wanted {
        place: place.unwrap_or(From::Before(u64::MAX)),
        filter,
    })
}

fn take(filter: &mut Filter, name: &str, value: &str) -> Result<(), Problem> {
    let taken = filter
        .take(name, value)
        .map_err(|error| refused(name, &error))?;
    if taken {
        Ok(())
    } else {
        Err(bad(name, "unknown"))
    }
}

/// A time as a form gives it, `2026-05-04`, `2026-05-04T09:30` or with seconds, is one in UTC.
fn whole_time(text: &str) -> String {
    match text.len() {
        10 => format!("{text}T00:00:00Z"),
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

pub(super) async fn timeline(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    let wanted = wanted(pairs)?;
    let now = service.now()?;
    let (reading, shown) = (Arc::clone(&service), Arc::clone(&now));
    let (body, twin) = service
        .read(move || timeline_of(&reading, &shown, &wanted))
        .await?;
    let page = Page {
        title: Place::Timeline.title(),
        place: Place::Timeline,
        twin,
    };
    Ok(page.with(&body, &now, &client))
}

/// A part of the timeline, and where programs have the same entries.
fn timeline_of(
    service: &Service,
    now: &Published,
    wanted: &Wanted,
) -> Result<(maud::Markup, String), Problem> {
    let head = now.head.seq;
    let all = Span {
        first: 1,
        last: head,
    };
    let filter = &wanted.filter;
    // Of a ledger whose lines do not hold, all are looked at.
    let whole = all.within(service.entries(), filter.since, filter.until);
    let whole = whole.unwrap_or(all);
    let names = Names::of_state(&now.state);
    let (found, looked_at) = look(service, whole, wanted, &names)?;
    let nodes: Vec<String> = (now.state.registry().iter())
        .map(|(_, node)| node.name().to_string())
        .collect();
    let link = |name: &'static str, seq: u64| {
        let place = (name, seq.to_string());
        links::query("/timeline", std::iter::once(place).chain(filter.parts()))
    };
    let (first, last) = looked_at.unwrap_or((head, head));
    let entries = found.entries.clamp(1, Limits::PAGE as u64).to_string();
    let twin = [("before", (last + 1).to_string()), ("limit", entries)];
    let twin = links::query("/v1/log", twin.into_iter().chain(filter.parts()));
    let part = Part {
        rows: &found.rows,
        filter,
        nodes: &nodes,
        newer: looked_at
            .filter(|_| last < whole.last)
            .map(|_| link("after", last)),
        older: looked_at
            .filter(|_| first > whole.first)
            .map(|_| link("before", first)),
        looked_at,
    };
    Ok((pages::timeline::part(&part, LINKS), twin))
}

/// Rows, and how many entries they stand for.
struct Found {
    rows: Vec<Row>,
    entries: u64,
}

type LookedAt = Option<(u64, u64)>;

fn look(
    service: &Service,
    whole: Span,
    wanted: &Wanted,
    names: &Names,
) -> Result<(Found, LookedAt), Problem> {
    let mut stretch = Stretch::default();
    let mut entries = 0;
    let make = |seq, raw: Raw<'_>| Ok(piece(seq, raw, &wanted.filter, names));
    let mut take = |piece| {
        entries += 1;
        stretch.push(piece);
        stretch.len() < ROWS
    };
    let looked_at = match wanted.place {
        From::Before(before) => {
            let last = whole.last.min(before.saturating_sub(1));
            let span = Span { last, ..whole };
            match span.is_empty() {
                true => None,
                false => Some((look::back(service.entries(), span, make, take)?, last)),
            }
        }
        From::After(after) => {
            let first = whole.first.max(after.saturating_add(1));
            let span = Span { first, ..whole };
            match span.is_empty() {
                true => None,
                false => Some((first, look::on(service.entries(), span, make, &mut take)?)),
            }
        }
    };
    let mut rows = stretch.into_rows();
    if matches!(wanted.place, From::After(_)) {
        rows.reverse();
    }
    Ok((Found { rows, entries }, looked_at))
}

fn piece(seq: u64, raw: Raw<'_>, filter: &Filter, names: &Names) -> Option<Piece> {
    match raw {
        Ok(raw) => Piece::of(seq, raw, filter, names),
        Err(error) => Some(Piece::Damaged(Damaged {
            seq,
            problem: error.to_string(),
            hashes: None,
        })),
    }
}

/// The newest rows of the timeline.
pub(super) fn newest(
    service: &Service,
    now: &Published,
    count: usize,
) -> Result<Vec<Row>, Problem> {
    let span = Span {
        first: 1,
        last: now.head.seq,
    };
    let names = Names::of_state(&now.state);
    let filter = Filter::default();
    let mut stretch = Stretch::default();
    let make = |seq, raw: Raw<'_>| Ok(piece(seq, raw, &filter, &names));
    look::back(service.entries(), span, make, |piece| {
        stretch.push(piece);
        // The last one may be a part of a run.
        stretch.len() <= count
    })?;
    let mut rows = stretch.into_rows();
    rows.truncate(count);
    Ok(rows)
}

pub(super) async fn proposal(
    State(service): Asked,
    Extension(client): Reader,
    Path(id): Path<String>,
    Query(pairs): Pairs,
) -> Answer {
    if let Some((name, _)) = filled(pairs).next() {
        return Err(bad(&name, "expected no parameter"));
    }
    let now = service.now()?;
    let id = outlook::known(&now, &id)?;
    let (reading, shown) = (Arc::clone(&service), Arc::clone(&now));
    let (title, body) = service
        .read(move || {
            let found = outlook::find(&shown, id)?;
            let life = outlook::life(&reading, &shown, found)?;
            let proposal = ProposalPage::of(found, &shown.state, shown.time());
            let title = found.content().title.to_string();
            Ok((title, pages::proposals::single(&proposal, &life, LINKS)))
        })
        .await?;
    let page = Page {
        title: &title,
        place: Place::Proposals,
        twin: format!("/v1/proposals/{id}/outlook"),
    };
    Ok(page.with(&body, &now, &client))
}

pub(super) async fn predictions(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    let mut after = String::new();
    for (name, value) in filled(pairs) {
        match name.as_str() {
            "after" => after = value,
            _ => return Err(bad(&name, "unknown")),
        }
    }
    let now = service.now()?;
    let (reading, shown) = (Arc::clone(&service), Arc::clone(&now));
    let view = service.read(move || models::view(&reading, &shown)).await?;
    let start = view
        .models
        .partition_point(|it| it.model.as_str() <= after.as_str());
    let rest = view.models.get(start..).unwrap_or_default();
    let part = rest.get(..MODELS).unwrap_or(rest);
    let last = part.last().filter(|_| part.len() < rest.len());
    let cut = Cut {
        shown: part,
        back: (start > 0).then(|| "/predictions".to_owned()),
        on: last.map(|last| links::query("/predictions", [("after", last.model.as_str())])),
    };
    let body = pages::predictions::counts(&view, &cut, LINKS);
    let page = Page {
        title: Place::Predictions.title(),
        place: Place::Predictions,
        twin: "/v1/predictions/models".to_owned(),
    };
    Ok(page.with(&body, &now, &client))
}

pub(super) async fn evidence(
    State(service): Asked,
    Extension(client): Reader,
    Query(pairs): Pairs,
) -> Answer {
    let mut before = u64::MAX;
    for (name, value) in filled(pairs) {
        match name.as_str() {
            "before" => before = value.parse().map_err(|_| bad(&name, "expected an entry"))?,
            _ => return Err(bad(&name, "unknown")),
        }
    }
    let now = service.now()?;
    let (reading, shown) = (Arc::clone(&service), Arc::clone(&now));
    let body = service
        .read(move || evidence_before(&reading, &shown, before))
        .await?;
    let page = Page {
        title: Place::Evidence.title(),
        place: Place::Evidence,
        twin: "/v1/evidence".to_owned(),
    };
    Ok(page.with(&body, &now, &client))
}

fn evidence_before(
    service: &Service,
    now: &Published,
    before: u64,
) -> Result<maud::Markup, Problem> {
    let all = EvidenceSummary::all(&now.state);
    let mut older = all.into_iter().rev().filter(|it| it.seq < before);
    let mut shown = Vec::new();
    for summary in older.by_ref().take(EVIDENCE) {
        let lines = service.entries().range(summary.seq, summary.seq);
        let raw = lines
            .map_err(unreadable)?
            .next()
            .transpose()
            .map_err(unreadable)?;
        let raw = raw.unwrap_or_default();
        let line = intact(&raw)?;
        let event = Event::decode(line.operation, line.data).ok();
        if let Some(statements) = event.and_then(Statements::of) {
            shown.push(EvidencePage {
                summary,
                statements,
            });
        }
    }
    let link = |before: String| links::query("/evidence", [("before", before)]);
    let last = shown.last().map(|last| last.summary.seq);
    let cut = Cut {
        shown: &shown,
        back: (before < u64::MAX).then(|| link(String::new())),
        on: last
            .filter(|_| older.next().is_some())
            .map(|last| link(last.to_string())),
    };
    Ok(maud::html! {
        (pages::evidence::page(cut.shown, LINKS))
        (cut.steps("Other evidence"))
    })
}
