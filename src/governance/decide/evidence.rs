//! Evidence of contradicting checkpoints. Specification, "Byzantine behaviour".

use super::Context;
use crate::governance::event::{CheckpointsContradicted, Event};
use crate::governance::evidence::ContradictingHeads;
use crate::governance::key::PublicKey;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::registry::Node;
use crate::governance::tree_head::Origin;

/// The first rule that applies decides, in the order of the specification.
pub(super) fn contradicting_heads(
    state: &State,
    evidence: &ContradictingHeads,
    context: &Context<'_>,
) -> Result<Option<Event>, Rejection> {
    let evidence = evidence.clone().ordered();
    let origin = Origin {
        ledger: state.ledger(),
        genesis: state.identity().origin,
    };
    if evidence.origin != origin {
        return Err(Rejection::WrongLedger);
    }
    if !evidence.is_contradiction() {
        return Err(Rejection::NotContradictory);
    }
    let node = evidence.node;
    let Some(registered) = state.registry().get(node) else {
        return Err(Rejection::UnknownNode { node });
    };
    let term = state.term_of(node, registered);
    let keys: Vec<&PublicKey> = state.keys_of_term(node).collect();
    if !evidence.is_signed_by(&keys, context.verifier) {
        return Err(Rejection::EvidenceSignature { voter: node });
    }
    if state.contradicting_heads_of(node, term).is_some() {
        return Ok(None);
    }
    let active = Node::is_active(registered);
    Ok(Some(Event::CheckpointsContradicted(
        CheckpointsContradicted {
            checkpoints: evidence,
            node,
            suspended: active && state.registry().active_count() > 1,
        },
    )))
}
