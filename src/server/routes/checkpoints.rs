//! The head of the ledger as nodes sign it, and receipts under what they signed.

use std::io::{self, Read};
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::documented::{ReadProblems, WriteProblems};
use super::entries::unreadable;
use crate::chain::checkpoint::Checkpoint;
use crate::governance::id::GrantId;
use crate::identity::MlDsaVerifier;
use crate::replay::Unchecked;
use crate::replay::receipt::{SelectError, Selection, Trust};
use crate::server::json::{JsonBody, typed};
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;

/// The head of the ledger as a checkpoint that nobody has signed: what nodes sign with
/// `althing checkpoint sign`.
#[utoipa::path(
    get,
    path = "/v1/checkpoint",
    responses((status = 200, description = "A note of C2SP tlog-checkpoint, without signatures", body = String, content_type = NOTE), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn latest(State(service): State<Arc<Service>>) -> Result<Response, Problem> {
    let checkpoint = Checkpoint::unsigned(service.now()?.tree_head());
    let checkpoint = checkpoint.map_err(|error| Problem::internal(error.code(), &error))?;
    Ok(typed(NOTE, checkpoint.to_string()))
}

const NOTE: &str = "text/plain; charset=utf-8";

/// Which grant, and what was signed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The grant's UUID.
    #[schema(value_type = String)]
    grant: GrantId,
    /// A checkpoint of this ledger with signatures of its nodes.
    checkpoint: String,
}

/// Makes a receipt: one file that shows without the ledger that a grant was decided, under a checkpoint
/// that nodes have signed.
#[utoipa::path(
    post,
    path = "/v1/receipts",
    request_body = Wanted,
    responses(
        (status = 200, description = "The receipt, as `althing receipt create` writes it", body = Object),
        WriteProblems
    ),
    security(("bearer" = []), ())
)]
pub(super) async fn receipt(
    State(service): State<Arc<Service>>,
    body: JsonBody,
) -> Result<Response, Problem> {
    let unprocessable = |code: &'static str, detail: String| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    };
    let wanted: Wanted = serde_json::from_str(body.text()?).map_err(|error| {
        if error.is_data() {
            unprocessable("receipt.request", error.to_string())
        } else {
            Problem::bad_request("body.malformed", error.to_string())
        }
    })?;
    let checkpoint = Checkpoint::parse(wanted.checkpoint.as_bytes())
        .map_err(|error| unprocessable(error.code(), error.to_string()))?;
    let now = service.now()?;
    check(&checkpoint, &now)?;
    let reading = Arc::clone(&service);
    let bytes = service.read(move || make(&reading, wanted.grant, checkpoint));
    Ok(typed("application/json", bytes.await?))
}

/// Refuses a checkpoint of another ledger, or of more than this one has.
fn check(checkpoint: &Checkpoint, now: &Published) -> Result<(), Problem> {
    let (given, here) = (checkpoint.head(), now.tree_head());
    let conflict =
        |code: &'static str, detail: String| Problem::new(StatusCode::CONFLICT, code, detail);
    if given.origin != here.origin {
        let detail = format!(
            "expected the ledger {}, found {}",
            here.origin, given.origin
        );
        return Err(conflict("checkpoint.other-ledger", detail));
    }
    if given.tree.size > here.tree.size {
        let (expected, found) = (here.tree.size, given.tree.size);
        let detail = format!("expected at most {expected} entries, found {found}");
        return Err(conflict("checkpoint.truncated", detail));
    }
    Ok(())
}

fn make(service: &Service, grant: GrantId, checkpoint: Checkpoint) -> Result<Vec<u8>, Problem> {
    let size = checkpoint.head().tree.size;
    let refused = |error: SelectError| match &error {
        SelectError::Replay(_) | SelectError::Read(_) => Problem::internal(error.code(), &error),
        _ => Problem::new(StatusCode::CONFLICT, error.code(), error.to_string()),
    };
    // The node has checked the signatures when it read them, and the receipt's own are checked below.
    let source = bytes(service, size)?;
    let selection = Selection::read(source, grant, &checkpoint, &Unchecked).map_err(refused)?;
    let receipt = selection
        .receipt(bytes(service, size)?, checkpoint)
        .map_err(refused)?;
    let verified = receipt.verify(&Trust::Nothing, &MlDsaVerifier);
    verified.map_err(|error| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            error.to_string(),
        )
    })?;
    let written = receipt.to_bytes();
    written.map_err(|error| Problem::internal("receipt.unwritable", &error))
}

/// The bytes of the first entries.
fn bytes(service: &Service, last: u64) -> Result<impl Read, Problem> {
    let lines = service.entries().range(1, last).map_err(unreadable)?;
    Ok(Joined {
        lines,
        current: io::Cursor::default(),
    })
}

/// Lines one after the other, with their line feeds.
struct Joined<I> {
    lines: I,
    current: io::Cursor<Vec<u8>>,
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> Read for Joined<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(line) = self.lines.next() else {
                return Ok(0);
            };
            let mut line = line?;
            line.push(b'\n');
            self.current = io::Cursor::new(line);
        }
    }
}
