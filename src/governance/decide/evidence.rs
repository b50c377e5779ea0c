//! Evidence of contradicting checkpoints, and of contradicting messages of consensus. Specification,
//! "Byzantine behaviour".

use super::Context;
use crate::governance::consensus::ConsensusEquivocation;
use crate::governance::event::{CheckpointsContradicted, ConsensusContradicted, Event};
use crate::governance::evidence::ContradictingHeads;
use crate::governance::id::NodeId;
use crate::governance::key::PublicKey;
use crate::governance::rejection::Rejection;
use crate::governance::state::registry::Node;
use crate::governance::state::{Contradiction, State};
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
    let is_signed = |keys: &[&PublicKey]| evidence.is_signed_by(keys, context.verifier);
    let suspended = convict(state, Contradiction::Checkpoints, node, is_signed)?;
    Ok(suspended.map(|suspended| {
        Event::CheckpointsContradicted(CheckpointsContradicted {
            checkpoints: evidence,
            node,
            suspended,
        })
    }))
}

/// As above.
pub(super) fn consensus_equivocation(
    state: &State,
    evidence: &ConsensusEquivocation,
    context: &Context<'_>,
) -> Result<Option<Event>, Rejection> {
    let evidence = evidence.clone().ordered();
    if evidence.ledger != state.ledger() {
        return Err(Rejection::WrongLedger);
    }
    if !evidence.is_contradiction() {
        return Err(Rejection::NotContradictory);
    }
    let node = evidence.node;
    let is_signed = |keys: &[&PublicKey]| evidence.is_signed_by(keys, context.verifier);
    let suspended = convict(state, Contradiction::Consensus, node, is_signed)?;
    Ok(suspended.map(|suspended| {
        Event::ConsensusContradicted(ConsensusContradicted {
            consensus: evidence,
            node,
            suspended,
        })
    }))
}

/// Whether the evidence suspends the node that signed it; none where such is recorded already.
fn convict(
    state: &State,
    kind: Contradiction,
    node: NodeId,
    is_signed_by: impl Fn(&[&PublicKey]) -> bool,
) -> Result<Option<bool>, Rejection> {
    let Some(registered) = state.registry().get(node) else {
        return Err(Rejection::UnknownNode { node });
    };
    let term = state.term_of(node, registered);
    let keys: Vec<&PublicKey> = state.keys_of_term(node).collect();
    if !is_signed_by(&keys) {
        return Err(Rejection::EvidenceSignature { voter: node });
    }
    if state.contradiction_of(kind, node, term).is_some() {
        return Ok(None);
    }
    let active = Node::is_active(registered);
    Ok(Some(active && state.registry().active_count() > 1))
}
