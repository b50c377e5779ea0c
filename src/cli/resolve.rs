//! From what a user types to the id that is meant: whole, by a unique prefix, or by name.

use super::error::Failure;
use super::exit::Exit;
use super::style::escaped;
use crate::governance::id::{GrantId, NodeId, ProposalId};
use crate::governance::state::State;
use crate::governance::state::proposal::ProposalState;

/// The proposal whose id starts with `text`.
pub fn proposal<'a>(state: &'a State, text: &str) -> Result<&'a ProposalState, Failure> {
    let matching = state
        .proposals()
        .iter()
        .filter(|proposal| proposal.id().to_string().starts_with(text))
        .collect();
    let describe = |proposal: &&ProposalState| proposal.id().to_string();
    unique("proposal", text, matching, describe)
        .map_err(|failure| failure.hint("`althing proposal list` shows them"))
}

/// The id of the proposal whose id starts with `text`.
pub fn proposal_id(state: &State, text: &str) -> Result<ProposalId, Failure> {
    proposal(state, text).map(ProposalState::id)
}

/// The grant whose id starts with `text`.
pub fn grant(state: &State, text: &str) -> Result<GrantId, Failure> {
    let matching = state
        .authorizations()
        .iter()
        .map(|(id, _)| id)
        .filter(|id| id.to_string().starts_with(text))
        .collect();
    unique("grant", text, matching, GrantId::to_string)
        .map_err(|failure| failure.hint("`althing authorization list` shows them"))
}

/// The node with this name, this DID, or a DID that starts with `text`.
pub fn node(state: &State, text: &str) -> Result<NodeId, Failure> {
    let named = state
        .registry()
        .iter()
        .find(|(_, node)| node.name().as_str() == text && node.is_active());
    if let Some((id, _)) = named {
        return Ok(id);
    }
    let matches = |id: &NodeId, name: &str| {
        let did = id.to_string();
        let hash = did.rsplit(':').next().unwrap_or_default();
        did.starts_with(text) || hash.starts_with(text) || name == text
    };
    let matching = state
        .registry()
        .iter()
        .filter(|(id, node)| matches(id, node.name().as_str()))
        .map(|(id, _)| id)
        .collect();
    unique("node", text, matching, NodeId::to_string)
        .map_err(|failure| failure.hint("`althing node list` shows the registry"))
}

fn unique<T>(
    what: &str,
    text: &str,
    mut matching: Vec<T>,
    describe: impl Fn(&T) -> String,
) -> Result<T, Failure> {
    let found = matching.len();
    let text = escaped(text);
    match matching.pop() {
        Some(only) if found == 1 && !text.is_empty() => Ok(only),
        Some(last) => Err(Failure::new(
            Exit::Refused,
            format!("{what}.ambiguous"),
            format!(
                "{found} {what}s start with \"{text}\", the last of them {}",
                describe(&last)
            ),
        )),
        None => Err(Failure::new(
            Exit::Refused,
            format!("{what}.unknown"),
            format!("no {what} has the id or name \"{text}\", or an id that starts with it"),
        )),
    }
}
