//! That an entry is in the tree, and that a tree continues another.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::documented::ReadProblems;
use super::entries::{intact, unreadable};
use crate::governance::merkle::{ConsistencyProver, InclusionProver, LeafHash, ProofError};
use crate::server::json::Query;
use crate::server::problem::Problem;
use crate::server::published::Published;
use crate::server::service::Service;

/// The hashes of a proof (RFC 6962).
#[derive(Serialize, ToSchema)]
pub(super) struct Proof {
    /// `althing.inclusion/1` or `althing.consistency/1`.
    schema: &'static str,
    /// The leaf hash, of an inclusion proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf: Option<String>,
    /// The index of the leaf, from 0; or the size of the older tree.
    from: u64,
    /// The size of the tree.
    size: u64,
    /// The hashes beside the way, in the order of RFC 6962.
    path: Vec<String>,
}

/// Which entry in which tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inclusion {
    entry: u64,
    size: Option<u64>,
}

/// That an entry is one of the first `size` entries.
#[utoipa::path(
    get,
    path = "/v1/proofs/inclusion",
    params(
        ("entry" = u64, Query, description = "The entry's number, from 1", minimum = 1),
        ("size" = Option<u64>, Query, description = "The size of the tree; all entries unless given")
    ),
    responses((status = 200, description = "The proof; the root is in the checkpoint of that size", body = Proof), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn inclusion(
    State(service): State<Arc<Service>>,
    Query(asked): Query<Inclusion>,
) -> Result<Json<Proof>, Problem> {
    let now = service.now()?;
    let size = size_of(asked.size, &now)?;
    let index = asked
        .entry
        .checked_sub(1)
        .ok_or_else(|| expected("an entry from 1 on"))?;
    let mut prover = InclusionProver::new(index, size).map_err(refused)?;
    let reading = Arc::clone(&service);
    let proof = service.read(move || {
        let mut leaf = None;
        each_leaf(&reading, size, |seq, hash| {
            if seq == asked.entry {
                leaf = Some(hash.digest().to_string());
            }
            prover.push(hash);
        })?;
        let proof = prover.finish().map_err(refused)?;
        Ok(Proof {
            schema: "althing.inclusion/1",
            leaf,
            from: proof.index(),
            size: proof.size(),
            path: proof.path().iter().map(ToString::to_string).collect(),
        })
    });
    Ok(Json(proof.await?))
}

/// Which trees.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Consistency {
    from: u64,
    size: Option<u64>,
}

/// That the first `size` entries continue the first `from`.
#[utoipa::path(
    get,
    path = "/v1/proofs/consistency",
    params(
        ("from" = u64, Query, description = "The size of the older tree", minimum = 1),
        ("size" = Option<u64>, Query, description = "The size of the newer tree; all entries unless given")
    ),
    responses((status = 200, description = "The proof", body = Proof), ReadProblems),
    security(("bearer" = []), ())
)]
pub(super) async fn consistency(
    State(service): State<Arc<Service>>,
    Query(asked): Query<Consistency>,
) -> Result<Json<Proof>, Problem> {
    let now = service.now()?;
    let size = size_of(asked.size, &now)?;
    let mut prover = ConsistencyProver::new(asked.from, size).map_err(refused)?;
    let reading = Arc::clone(&service);
    let proof = service.read(move || {
        each_leaf(&reading, size, |_, hash| prover.push(hash))?;
        let proof = prover.finish().map_err(refused)?;
        Ok(Proof {
            schema: "althing.consistency/1",
            leaf: None,
            from: proof.from(),
            size: proof.to(),
            path: proof.path().iter().map(ToString::to_string).collect(),
        })
    });
    Ok(Json(proof.await?))
}

fn size_of(asked: Option<u64>, now: &Published) -> Result<u64, Problem> {
    let all = now.head.seq;
    match asked {
        Some(size) if size > all => Err(expected(&format!("a size of at most {all}"))),
        Some(size) => Ok(size),
        None => Ok(all),
    }
}

fn expected(what: &str) -> Problem {
    Problem::bad_request("proof.range", format!("expected {what}"))
}

fn refused(error: ProofError) -> Problem {
    Problem::bad_request("proof.range", error.to_string())
}

/// Gives every leaf of a tree. A proof takes a look at all entries: few are made at a time.
fn each_leaf(
    service: &Service,
    size: u64,
    mut each: impl FnMut(u64, LeafHash),
) -> Result<(), Problem> {
    for raw in service.entries().range(1, size).map_err(unreadable)? {
        let raw = raw.map_err(unreadable)?;
        let line = intact(&raw)?;
        each(line.seq, LeafHash::of_entry(&line.entry_hash));
    }
    Ok(())
}
