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
use crate::governance::event::{Event, OPERATIONS};
use crate::governance::time::Timestamp;
use crate::server::json::{Path, Query, typed};
use crate::server::limits::Limits;
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;
use crate::views::audit::{AuditView, Names};
use crate::views::filter::Filter;

/// How many entries one request looks at.
const LOOKED_AT: u64 = 20_000;

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
    /// Where to go on: the last entry that was looked at, wanted or not.
    next_after: u64,
    /// Whether that was the last entry that there is.
    is_complete: bool,
    /// The last entry that there is.
    head: u64,
}

/// What is wanted of the history.
struct Wanted {
    after: u64,
    limit: usize,
    filter: Filter,
}

fn wanted(pairs: Vec<(String, String)>) -> Result<Wanted, Problem> {
    let mut wanted = Wanted {
        after: 0,
        limit: 100,
        filter: Filter::default(),
    };
    let mut seen = Vec::new();
    for (name, value) in pairs {
        let bad = |expected: &str| {
            Problem::bad_request("request.query", format!("{name}: expected {expected}"))
        };
        let time = || {
            let parsed = Timestamp::parse_rfc3339(&value);
            parsed.map_err(|error| bad(&error.to_string()))
        };
        if name != "operation" && seen.contains(&name) {
            return Err(bad("to be given once"));
        }
        let filter = &mut wanted.filter;
        match name.as_str() {
            "after" => wanted.after = value.parse().map_err(|_| bad("an entry number"))?,
            "limit" => {
                let limit = value
                    .parse()
                    .ok()
                    .filter(|limit| (1..=Limits::PAGE).contains(limit));
                wanted.limit = limit.ok_or_else(|| bad("1 to 1000"))?;
            }
            "operation" if !OPERATIONS.contains(&value.as_str()) => {
                return Err(bad("an operation, such as vote_cast"));
            }
            "operation" => filter.operations.push(value),
            "proposal" => filter.proposal = Some(value),
            "actor" => filter.actor = Some(value),
            "since" => filter.since = Some(time()?),
            "until" => filter.until = Some(time()?),
            _ => return Err(bad("a known name")),
        }
        seen.push(name);
    }
    Ok(wanted)
}

/// The history, oldest first, page by page. Entry numbers are cursors that stay what they are.
#[utoipa::path(
    get,
    path = "/v1/log",
    params(
        ("after" = Option<u64>, Query, description = "Only entries behind this one"),
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
    let page = service.read(move || page(&reading, &now, &wanted)).await?;
    Ok(Json(page))
}

fn page(service: &Service, now: &Published, wanted: &Wanted) -> Result<Page, Problem> {
    let head = now.head.seq;
    let last = wanted.after.saturating_add(LOOKED_AT).min(head);
    let mut page = Page {
        schema: "althing.log/1",
        entries: Vec::new(),
        next_after: wanted.after.min(head),
        is_complete: true,
        head,
    };
    if wanted.after >= head {
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
        .range(wanted.after + 1, last)
        .map_err(unreadable)?;
    for raw in lines {
        let raw = raw.map_err(unreadable)?;
        let line = intact(&raw)?;
        page.next_after = line.seq;
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
    page.is_complete = page.next_after >= head;
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
