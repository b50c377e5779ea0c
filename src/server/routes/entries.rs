//! The history.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::documented::{FindProblems, ReadProblems};
use crate::chain::line::Line;
use crate::governance::event::Event;
use crate::server::json::{Path, Query, typed};
use crate::server::limits::Limits;
use crate::server::look::{self, LOOKED_AT, Raw, Span};
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;
use crate::views::audit::{AuditView, Names};
use crate::views::filter::{Filter, FilterError};

/// How many bytes of entries one answer holds, unless a single one is longer.
const PAGE_BYTES: usize = 4 << 20;

/// A line of the ledger, as it stands there.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its description is used")]
pub(super) struct Entry {
    /// The version of the format.
    v: u8,
    /// The entry's number, from 1.
    seq: u64,
    /// Its place in its durable write, from 1, and how many entries that has.
    batch: Vec<u64>,
    /// When it was recorded.
    timestamp: String,
    /// What it is, such as `vote_cast`.
    operation: String,
    /// The event.
    #[schema(value_type = Object)]
    data: Value,
    /// The hash of the entry before; zeros in the first.
    prev_hash: String,
    /// SHA-256 of the line's bytes before this member.
    entry_hash: String,
}

/// Entries in their order.
#[derive(Serialize, ToSchema)]
pub(super) struct Page {
    /// `althing.log/1`.
    schema: &'static str,
    /// The ledger's own lines.
    #[schema(value_type = Vec<Entry>)]
    entries: Vec<Box<RawValue>>,
    /// Oldest first, where to go on: the last entry that was looked at, wanted or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<u64>,
    /// Newest first, where to go on: the last entry that was looked at, wanted or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<u64>,
    /// Whether there is nothing to go on to.
    is_complete: bool,
    /// The last entry that there is.
    head: u64,
}

/// Where a page begins.
enum From {
    /// Behind an entry: oldest first.
    After(u64),
    /// Before an entry: newest first.
    Before(u64),
}

/// What is wanted of the history.
struct Wanted {
    from: From,
    limit: usize,
    filter: Filter,
}

fn wanted(pairs: Vec<(String, String)>) -> Result<Wanted, Problem> {
    let mut wanted = Wanted {
        from: From::After(0),
        limit: 100,
        filter: Filter::default(),
    };
    let mut seen = Vec::new();
    for (name, value) in pairs {
        let bad = |expected: &str| {
            Problem::bad_request("request.query", format!("{name}: expected {expected}"))
        };
        if name != "operation" && seen.contains(&name) {
            return Err(bad("to be given once"));
        }
        let number = || value.parse().map_err(|_| bad("an entry number"));
        let is_from = |name: &str| matches!(name, "after" | "before");
        if is_from(&name) && seen.iter().any(|it| is_from(it)) {
            return Err(bad("to be given without the other"));
        }
        match name.as_str() {
            "after" => wanted.from = From::After(number()?),
            "before" => wanted.from = From::Before(number()?),
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=Limits::PAGE).contains(limit));
                wanted.limit = limit.ok_or_else(|| bad("1 to 1000"))?;
            }
            _ => {
                let taken = wanted.filter.take(&name, &value);
                if !taken.map_err(|error| refused(&name, &error))? {
                    return Err(bad("a known name"));
                }
            }
        }
        seen.push(name);
    }
    Ok(wanted)
}

/// A filter that can't be read.
pub(super) fn refused(name: &str, error: &FilterError) -> Problem {
    Problem::bad_request("request.query", format!("{name}: {error}"))
}

/// The history, page by page: oldest first, or with `before` newest first. Entry numbers are cursors that
/// stay what they are.
#[utoipa::path(
    get,
    path = "/v1/log",
    params(
        ("after" = Option<u64>, Query, description = "Only entries behind this one"),
        ("before" = Option<u64>, Query, description = "Only entries before this one, newest first; instead of `after`"),
        ("limit" = Option<u16>, Query, description = "At most so many, up to 1000; 100 unless given", minimum = 1, maximum = 1000),
        ("operation" = Option<Vec<String>>, Query, description = "Only of this operation; may be given several times"),
        ("proposal" = Option<String>, Query, description = "Only what concerns this proposal: its id, or the start of it"),
        ("actor" = Option<String>, Query, description = "Only what this node did or what happened to it: its name, its DID, or the start of it"),
        ("since" = Option<String>, Query, description = "Only from this time on (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Only before this time (RFC 3339)")
    ),
    responses((status = 200, description = "A page; there may be more behind it even where it is empty", body = Page), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Page>, Problem> {
    let wanted = wanted(pairs)?;
    let now = service.now()?;
    let reading = Arc::clone(&service);
    let page = service.read(move || match wanted.from {
        From::After(after) => page(&reading, &now, after, &wanted),
        From::Before(before) => page_back(&reading, &now, before, &wanted),
    });
    Ok(Json(page.await?))
}

fn page(service: &Service, now: &Published, after: u64, wanted: &Wanted) -> Result<Page, Problem> {
    let head = now.head.seq;
    let last = after.saturating_add(LOOKED_AT).min(head);
    let mut page = Page {
        schema: "althing.log/1",
        entries: Vec::new(),
        next_after: Some(after.min(head)),
        next_before: None,
        is_complete: true,
        head,
    };
    if after >= head {
        return Ok(page);
    }
    let is_plain = wanted.filter == Filter::default();
    let names = if is_plain {
        Names::default()
    } else {
        Names::of_state(&now.state)
    };
    let mut bytes = 0;
    let lines = service
        .entries()
        .range(after + 1, last)
        .map_err(unreadable)?;
    for raw in lines {
        let raw = raw.map_err(unreadable)?;
        let line = intact(&raw)?;
        page.next_after = Some(line.seq);
        if is_plain || wants(&wanted.filter, &line, &names) {
            bytes += raw.len();
            let text = String::from_utf8(raw).map_err(|error| damaged(&error))?;
            page.entries
                .push(RawValue::from_string(text).map_err(|error| damaged(&error))?);
        }
        if page.entries.len() >= wanted.limit || bytes >= PAGE_BYTES {
            break;
        }
    }
    page.is_complete = page.next_after >= Some(head);
    Ok(page)
}

/// As [`page`], newest first.
fn page_back(
    service: &Service,
    now: &Published,
    before: u64,
    wanted: &Wanted,
) -> Result<Page, Problem> {
    let head = now.head.seq;
    let mut page = Page {
        schema: "althing.log/1",
        entries: Vec::new(),
        next_after: None,
        next_before: Some(1),
        is_complete: true,
        head,
    };
    let all = Span {
        first: 1,
        last: before.saturating_sub(1).min(head),
    };
    let filter = &wanted.filter;
    let span = all.within(service.entries(), filter.since, filter.until);
    let span = span.map_err(unreadable)?;
    if span.is_empty() {
        return Ok(page);
    }
    let names = Names::of_state(&now.state);
    let mut bytes = 0;
    let make = |_, raw: Raw<'_>| {
        let raw = raw.map_err(unreadable)?;
        let line = intact(raw)?;
        Ok(wants(filter, &line, &names).then(|| raw.to_vec()))
    };
    let mut found = Vec::new();
    let oldest = look::back(service.entries(), span, make, |raw| {
        bytes += raw.len();
        found.push(raw);
        found.len() < wanted.limit && bytes < PAGE_BYTES
    })?;
    for raw in found {
        let text = String::from_utf8(raw).map_err(|error| damaged(&error))?;
        let line = RawValue::from_string(text).map_err(|error| damaged(&error))?;
        page.entries.push(line);
    }
    if oldest > span.first {
        (page.next_before, page.is_complete) = (Some(oldest), false);
    }
    Ok(page)
}

fn wants(filter: &Filter, line: &Line<'_>, names: &Names) -> bool {
    let view = Event::decode(line.operation, line.data).map_or_else(
        |_| AuditView::default(),
        |event| AuditView::of(&event, names),
    );
    filter.wants(line, &view, names)
}

/// A line that carries the hash of its own bytes: nothing else is shown as history.
pub(super) fn intact(raw: &[u8]) -> Result<Line<'_>, Problem> {
    let line = Line::decode(raw).map_err(|error| damaged(&error))?;
    if !line.hash_matches() {
        return Err(damaged(&format!("entry {} was changed", line.seq)));
    }
    Ok(line)
}

pub(super) fn unreadable(error: std::io::Error) -> Problem {
    Problem::internal("ledger.io", &error)
}

pub(super) fn damaged(error: &dyn std::fmt::Display) -> Problem {
    Problem::internal("ledger.damaged", error)
}

/// The line of one entry, which the ledger must have.
pub(super) fn entry(service: &Service, seq: u64) -> Result<Vec<u8>, Problem> {
    let mut lines = service.entries().range(seq, seq).map_err(unreadable)?;
    let line = lines.next().transpose().map_err(unreadable)?;
    let line = line.unwrap_or_default();
    intact(&line)?;
    Ok(line)
}

/// One entry, as it stands in the ledger.
#[utoipa::path(
    get,
    path = "/v1/log/{seq}",
    params(("seq" = u64, Path, description = "The entry's number, from 1", minimum = 1)),
    responses((status = 200, description = "The ledger's own line", body = Entry), FindProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn one(
    State(service): State<Arc<Service>>,
    Path(seq): Path<u64>,
) -> Result<Response, Problem> {
    let now = service.now()?;
    if seq == 0 || seq > now.head.seq {
        let message = format!("expected an entry from 1 to {}", now.head.seq);
        return Err(Problem::not_found("entry.unknown", message));
    }
    let reading = Arc::clone(&service);
    let line = service.read(move || entry(&reading, seq)).await?;
    Ok(typed("application/json", line))
}
