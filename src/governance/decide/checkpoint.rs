//! Checkpoints of the state within the history. Specification, "Checkpoints".

use super::Context;
use crate::governance::event::{CheckpointRecorded, Event};
use crate::governance::grants_root::grants_root;
use crate::governance::rejection::Rejection;
use crate::governance::state::State;

/// What the state amounts to; where somebody claims it, it must be that.
pub(super) fn record(
    state: &State,
    claimed: Option<&CheckpointRecorded>,
    context: &Context<'_>,
) -> Result<Event, Rejection> {
    let grants = grants_root(state.authorizations(), context.at);
    let computed = CheckpointRecorded {
        grants_root: grants.root,
        live_grants: grants.size,
        registry_hash: state.registry_hash(),
        state_hash: state.hash(),
    };
    if let Some(claimed) = claimed {
        check(claimed, &computed)?;
    }
    Ok(Event::CheckpointRecorded(computed))
}

fn check(claimed: &CheckpointRecorded, computed: &CheckpointRecorded) -> Result<(), Rejection> {
    if claimed.state_hash != computed.state_hash {
        return Err(Rejection::CheckpointStateHash {
            expected: computed.state_hash,
            found: claimed.state_hash,
        });
    }
    if claimed.registry_hash != computed.registry_hash {
        return Err(Rejection::CheckpointRegistryHash {
            expected: computed.registry_hash,
            found: claimed.registry_hash,
        });
    }
    let grants = |it: &CheckpointRecorded| (it.grants_root, it.live_grants);
    if grants(claimed) != grants(computed) {
        return Err(Rejection::CheckpointGrantsRoot {
            expected: computed.grants_root,
            found: claimed.grants_root,
        });
    }
    Ok(())
}
