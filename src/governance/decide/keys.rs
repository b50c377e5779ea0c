//! New keys: rotation by the node itself, and what every new key has to show. Specification,
//! "Identity and signatures".

use crate::governance::event::Event;
use crate::governance::key::{PublicKey, Signature, SignatureVerifier};
use crate::governance::label::Name;
use crate::governance::possession::KeyPossession;
use crate::governance::proposal::{NewKey, Rotation};
use crate::governance::rejection::Rejection;
use crate::governance::state::State;
use crate::governance::state::registry::Registry;
use crate::governance::statement::{Signed, Statement};

use super::Context;

/// A node changes its own key: signed by the old one, with the new one's proof of possession.
pub(super) fn rotate(
    state: &State,
    signed: &Signed<Rotation>,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let rotation = signed.content();
    if rotation.ledger != state.ledger() {
        return Err(Rejection::WrongLedger);
    }
    let node = rotation.new_key.node;
    let Some(registered) = state.registry().get(node) else {
        return Err(Rejection::UnknownNode { node });
    };
    if !signed.is_signed_by(registered.key(), context.verifier) {
        return Err(Rejection::SignatureInvalid { node });
    }
    if !registered.is_active() {
        return Err(Rejection::NodeNotActive { node });
    }
    check_new_key(state.registry(), &rotation.new_key, context.verifier)?;
    Ok(Event::KeyRotated(signed.clone()))
}

/// A new key for a registered node was never any node's, and its holder shows that it has it.
pub(super) fn check_new_key(
    registry: &Registry,
    new: &NewKey,
    verifier: &dyn SignatureVerifier,
) -> Result<(), Rejection> {
    if registry.knows_key(&new.key) {
        return Err(Rejection::KeyUsed);
    }
    if !proves_possession(&new.key, &new.key_name, &new.possession, verifier) {
        return Err(Rejection::NoPossession { node: new.node });
    }
    Ok(())
}

/// Rebuilds the statement that the holder signed about its key and checks the signature.
pub(super) fn proves_possession(
    key: &PublicKey,
    name: &Name,
    possession: &Signature,
    verifier: &dyn SignatureVerifier,
) -> bool {
    KeyPossession::new(key.clone(), name.as_str())
        .ok()
        .and_then(|possession| Statement::new(possession).ok())
        .is_some_and(|statement| {
            let signed = statement.with_signature(possession.clone());
            signed.is_signed_by(key, verifier)
        })
}
