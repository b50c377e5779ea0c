//! The ledger's files, for mirrors.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

use super::documented::{FindProblems, ReadProblems};
use super::entries::unreadable;
use crate::ledger::SegmentInfo;
use crate::server::json::Path;
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;

/// How many bytes are read at once.
const CHUNK_BYTES: u64 = 256 << 10;

/// A file of the ledger.
#[derive(Serialize, ToSchema)]
pub(super) struct Segment {
    name: String,
    /// The number of its first entry.
    first_seq: u64,
    /// How many bytes of it are acknowledged.
    bytes: u64,
    /// Its SHA-256, once nothing is written to it any more.
    sha256: Option<String>,
}

/// The files of the ledger, in order.
#[derive(Serialize, ToSchema)]
pub(super) struct Segments {
    /// `althing.segments/1`.
    schema: &'static str,
    /// The last entry that counts.
    head: u64,
    segments: Vec<Segment>,
}

/// The ledger's files. One after the other, they are the ledger.
#[utoipa::path(
    get,
    path = "/v1/segments",
    responses((status = 200, description = "The files", body = Segments), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn list(State(service): State<Arc<Service>>) -> Result<Json<Segments>, Problem> {
    let now = service.now()?;
    let reading = Arc::clone(&service);
    let segments = service.read(move || segments(&reading, &now)).await?;
    Ok(Json(segments))
}

fn segments(service: &Service, now: &Published) -> Result<Segments, Problem> {
    let head = now.head.seq;
    let entries = service.entries();
    let listed = entries.segments().map_err(unreadable)?.into_iter();
    let segments = listed
        .filter(|segment| segment.first_seq <= head)
        .map(|segment| {
            let bytes = entries.bytes_of(&segment, head).map_err(unreadable)?;
            Ok(Segment {
                bytes,
                name: segment.name,
                first_seq: segment.first_seq,
                sha256: segment.sha256.map(|sha256| sha256.to_string()),
            })
        })
        .collect::<Result<_, Problem>>()?;
    Ok(Segments {
        schema: "althing.segments/1",
        head,
        segments,
    })
}

/// The bytes of a file as far as they are acknowledged, or with `Range: bytes=N-` those from byte N on.
#[utoipa::path(
    get,
    path = "/v1/segments/{name}",
    params(
        ("name" = String, Path, description = "The file's name"),
        ("Range" = Option<String>, Header, description = "`bytes=N-`, to go on with a file that grew; other ranges give the whole file")
    ),
    responses(
        (status = 200, description = "The bytes", body = String, content_type = LINES),
        (status = 206, description = "The bytes behind the first N", body = String, content_type = LINES),
        FindProblems
    ),
    security(("bearer" = []), ())
)]
pub(super) async fn bytes(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = service.now()?;
    let reading = Arc::clone(&service);
    let (segment, length) = service.read(move || find(&reading, &now, &name)).await?;
    let from = headers.get(header::RANGE).and_then(|range| {
        let from = range
            .to_str()
            .ok()?
            .strip_prefix("bytes=")?
            .strip_suffix('-')?;
        from.parse().ok().filter(|from| *from < length)
    });
    let place = service.stream()?;
    let (sender, receiver) = mpsc::channel(1);
    let offset = from.unwrap_or(0);
    tokio::spawn(async move {
        let _kept = place;
        send(&service, &segment, offset, length, &sender).await;
    });
    let body = Body::from_stream(ReceiverStream::new(receiver));
    let mut response = (
        [
            (header::CONTENT_TYPE, LINES.to_owned()),
            (header::ACCEPT_RANGES, "bytes".to_owned()),
            (header::CONTENT_LENGTH, (length - offset).to_string()),
        ],
        body,
    )
        .into_response();
    if from.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {offset}-{}/{length}", length - 1);
        if let Ok(range) = range.parse() {
            response.headers_mut().insert(header::CONTENT_RANGE, range);
        }
    }
    Ok(response)
}

const LINES: &str = "application/jsonl";

/// The file with this name, and how much of it counts.
fn find(service: &Service, now: &Published, name: &str) -> Result<(SegmentInfo, u64), Problem> {
    let entries = service.entries();
    let mut listed = entries.segments().map_err(unreadable)?.into_iter();
    let is_it = |it: &SegmentInfo| it.name == name && it.first_seq <= now.head.seq;
    let segment = listed
        .find(is_it)
        .ok_or_else(|| Problem::not_found("segment.unknown", "there is no such file"))?;
    let bytes = entries
        .bytes_of(&segment, now.head.seq)
        .map_err(unreadable)?;
    Ok((segment, bytes))
}

async fn send(
    service: &Arc<Service>,
    segment: &SegmentInfo,
    mut offset: u64,
    length: u64,
    chunks: &mpsc::Sender<Result<Bytes, std::io::Error>>,
) {
    while offset < length {
        let (reading, segment) = (Arc::clone(service), segment.clone());
        let most = CHUNK_BYTES.min(length - offset);
        let read = service.feed(move || {
            let read = reading.entries().read_segment(&segment, offset, most);
            read.map_err(unreadable)
        });
        let chunk = match read.await {
            Ok(chunk) if !chunk.is_empty() => Ok(Bytes::from(chunk)),
            // The client sees that the body ends too early.
            _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
        };
        offset += chunk.as_ref().map_or(length, |chunk| chunk.len() as u64);
        if chunks.send(chunk).await.is_err() {
            return;
        }
    }
}
