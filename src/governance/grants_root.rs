//! One hash over the grants that are live at an instant, and proofs that a grant is among them.
//!
//! A Merkle tree (RFC 6962) with one leaf for each live grant, in the order of their ids. A leaf's
//! data are those of the entry that gave the grant, `authorization_granted`, byte for byte: what is
//! shown to have been granted is shown to be live by the same bytes. Specification, "Checkpoints".

use super::canonical::{self, Numbers};
use super::event::AuthorizationGranted;
use super::id::GrantId;
use super::merkle::{InclusionProof, InclusionProver, LeafHash, MerkleAccumulator, TreeRoot};
use super::state::authorization::{Authorizations, Grant, GrantStatus};
use super::time::Timestamp;

/// That a grant is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveGrant {
    /// The leaf's data: those of the entry that gave the grant.
    pub data: String,
    /// That the leaf stands in the tree.
    pub proof: InclusionProof,
}

impl LiveGrant {
    /// Whether the grant is among those under `tree`.
    #[must_use]
    pub fn is_under(&self, tree: &TreeRoot) -> bool {
        let leaf = LeafHash::of(self.data.as_bytes());
        self.proof.proves(&leaf, tree)
    }
}

/// The number of grants that are live at `at`, and the root over them: neither revoked nor over, nor
/// yet to come, nor frozen, and each that they were passed on from live as well.
#[must_use]
pub fn grants_root(authorizations: &Authorizations, at: Timestamp) -> TreeRoot {
    let mut tree = MerkleAccumulator::new();
    for (id, grant) in live(authorizations, at) {
        tree.push_leaf(LeafHash::of(data(id, grant).as_bytes()));
    }
    tree.tree_root()
}

/// That `grant` is one of those under [`grants_root`]; `None` where it is not live.
#[must_use]
pub fn prove_live(
    authorizations: &Authorizations,
    grant: GrantId,
    at: Timestamp,
) -> Option<LiveGrant> {
    let live = live(authorizations, at);
    let index = live.iter().position(|(id, _)| *id == grant)?;
    let (index, size) = (u64::try_from(index).ok()?, u64::try_from(live.len()).ok()?);
    let mut prover = InclusionProver::new(index, size).ok()?;
    for (id, grant) in &live {
        prover.push(LeafHash::of(data(*id, grant).as_bytes()));
    }
    Some(LiveGrant {
        data: data(grant, authorizations.get(grant)?),
        proof: prover.finish().ok()?,
    })
}

/// The live grants in the order of their ids.
fn live(authorizations: &Authorizations, at: Timestamp) -> Vec<(GrantId, &Grant)> {
    let mut live: Vec<_> = authorizations
        .iter()
        .filter(|(id, _)| authorizations.status(*id, at) == Some(GrantStatus::Live))
        .collect();
    live.sort_unstable_by_key(|(id, _)| *id);
    live
}

fn data(grant_id: GrantId, grant: &Grant) -> String {
    let granted = AuthorizationGranted {
        grant_id,
        kind: grant.kind(),
        parent: grant.parent(),
        terms: grant.terms().clone(),
    };
    // These very data were written as an event; an empty text would show at once.
    canonical::write(&granted, Numbers::Integers)
        .map(|data| data.get().to_owned())
        .unwrap_or_default()
}
