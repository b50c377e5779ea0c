//! Entries as they are recorded (server-sent events).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::documented::ReadProblems;
use super::entries::{intact, unreadable};
use crate::server::json::Query;
use crate::server::problem::Problem;
use crate::server::service::Service;

/// How many bytes are read at once, unless a single entry is longer.
const CHUNK_BYTES: usize = 256 << 10;

/// How many entries are read at once.
const CHUNK_ENTRIES: u64 = 1_000;

/// How often a comment shows that the connection is there, while nothing happens.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// Where to begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    after: Option<u64>,
}

/// Entries as they are recorded: `id` is the entry's number, `event` its operation, `data` the ledger's own
/// line. Begins behind the entry that `Last-Event-ID` or `after` names, or else with the next one.
#[utoipa::path(
    get,
    path = "/v1/events",
    params(
        ("after" = Option<u64>, Query, description = "Begin behind this entry"),
        ("Last-Event-ID" = Option<u64>, Header, description = "The last entry that was received; counts more than `after`")
    ),
    responses((status = 200, description = "A stream without an end", body = String, content_type = "text/event-stream"), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn stream(
    State(service): State<Arc<Service>>,
    Query(from): Query<From>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = service.now()?;
    let resumed = headers.get("last-event-id").map(|id| {
        let number = id.to_str().ok().and_then(|id| id.parse().ok());
        number.ok_or_else(|| {
            let message = "Last-Event-ID: expected the number of an entry";
            Problem::bad_request("request.last-event-id", message)
        })
    });
    let after = resumed.transpose()?.or(from.after).unwrap_or(now.head.seq);
    let place = service.stream()?;
    let counted = service.metrics().stream();
    // One chunk is sent while the next is read: who does not receive is waited for by nobody.
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let _kept = (place, counted);
        feed(&service, after, &sender).await;
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(receiver))).into_response())
}

type Chunks = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// Sends what there is and what comes, until the client has gone or the service ends.
async fn feed(service: &Arc<Service>, mut after: u64, chunks: &Chunks) {
    let mut shown = service.shown().subscribe();
    let mut ending = service.ending();
    loop {
        let head = shown
            .borrow_and_update()
            .as_ref()
            .map_or(0, |now| now.head.seq);
        if *ending.borrow() {
            return;
        }
        if after < head {
            let reading = Arc::clone(service);
            let read = service.feed(move || chunk(&reading, after, head)).await;
            let Ok((text, last)) = read else {
                // The disk fails: the client comes back and resumes.
                return;
            };
            after = last;
            if chunks.send(Ok(text.into())).await.is_err() {
                return;
            }
            continue;
        }
        let sign = tokio::select! {
            changed = shown.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            _ = ending.changed() => return,
            () = chunks.closed() => return,
            () = tokio::time::sleep(SIGN_OF_LIFE) => Bytes::from_static(b":\n\n"),
        };
        if chunks.send(Ok(sign)).await.is_err() {
            return;
        }
    }
}

/// The next entries behind `after`, and the number of the last of them.
fn chunk(service: &Service, after: u64, head: u64) -> Result<(String, u64), Problem> {
    let last = head.min(after.saturating_add(CHUNK_ENTRIES));
    let mut text = String::new();
    let mut sent = after;
    for raw in service
        .entries()
        .range(after + 1, last)
        .map_err(unreadable)?
    {
        let raw = raw.map_err(unreadable)?;
        let line = intact(&raw)?;
        let json = String::from_utf8_lossy(&raw);
        text.push_str(&format!(
            "id: {}\nevent: {}\ndata: {json}\n\n",
            line.seq, line.operation
        ));
        sent = line.seq;
        if text.len() >= CHUNK_BYTES {
            break;
        }
    }
    Ok((text, sent))
}
