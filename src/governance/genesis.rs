//! How a ledger begins: every founder signs the constitution, or there is no ledger.
//!
//! Specification, "Genesis".

use std::collections::BTreeSet;

use super::decide::Context;
use super::event::{AdmittedBy, Event, LedgerCreated, NodeAdded, Recorded};
use super::founding::{Founder, Founding};
use super::id::NodeId;
use super::key::{PublicKey, Signature, SignatureVerifier};
use super::rejection::Rejection;
use super::state::State;
use super::state::registry::Registry;
use super::statement::Statement;
use super::weight::TotalWeight;

/// A founding statement with each founder's key and signature, in the statement's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// The constitution.
    pub statement: Statement<Founding>,
    /// One key and signature a founder.
    pub founders: Vec<(PublicKey, Signature)>,
}

impl Genesis {
    /// The genesis that a ledger's first events claim: `ledger_created` and all `node_added`.
    ///
    /// `None` where they are no such events.
    #[must_use]
    pub fn claimed_by(events: &[Event]) -> Option<Self> {
        let (Event::LedgerCreated(created), founders) = events.split_first()? else {
            return None;
        };
        let founders = founders.iter().map(|event| match event {
            Event::NodeAdded(NodeAdded {
                admitted_by: AdmittedBy::Founding(signature),
                key,
                ..
            }) => Some((key.clone(), signature.clone())),
            _ => None,
        });
        Some(Self {
            statement: created.statement.clone(),
            founders: founders.collect::<Option<_>>()?,
        })
    }
}

/// The first events of a ledger: its creation, then each founder.
///
/// # Errors
/// [`Rejection`] where the policy can't stand, a founder appears twice, is not the node of its
/// key, or has not signed.
pub fn found(genesis: &Genesis, context: &Context<'_>) -> Result<Vec<Event>, Rejection> {
    let founding = genesis.statement.content();
    check_founding(founding)?;
    if genesis.founders.len() != founding.founders.len() {
        return Err(Rejection::FoundersIncomplete {
            expected: founding.founders.len(),
            found: genesis.founders.len(),
        });
    }
    let mut events = vec![Event::LedgerCreated(LedgerCreated {
        statement: genesis.statement.clone(),
    })];
    let message = genesis.statement.message();
    for (founder, (key, signature)) in founding.founders.iter().zip(&genesis.founders) {
        check_signature(founder, key, signature, &message, context.verifier)?;
        events.push(Event::NodeAdded(NodeAdded {
            admitted_by: AdmittedBy::Founding(signature.clone()),
            key: key.clone(),
            name: founder.name.clone(),
            node: founder.did,
            weight: founder.weight,
        }));
    }
    Ok(events)
}

fn check_founding(founding: &Founding) -> Result<(), Rejection> {
    if founding.founders.is_empty() {
        return Err(Rejection::NoFounders);
    }
    if founding.founders.len() > Registry::MAX_NODES {
        return Err(Rejection::TooManyNodes);
    }
    let mut nodes: BTreeSet<NodeId> = BTreeSet::new();
    let mut names = BTreeSet::new();
    for founder in &founding.founders {
        if !nodes.insert(founder.did) || !names.insert(&founder.name) {
            return Err(Rejection::DuplicateFounder { node: founder.did });
        }
    }
    if TotalWeight::sum(founding.founders.iter().map(|founder| founder.weight)).is_none() {
        return Err(Rejection::WeightOverflow);
    }
    founding
        .policy
        .validate()
        .map_err(|error| Rejection::PolicyInvalid { error })
}

fn check_signature(
    founder: &Founder,
    key: &PublicKey,
    signature: &Signature,
    message: &[u8],
    verifier: &dyn SignatureVerifier,
) -> Result<(), Rejection> {
    let node = founder.did;
    if NodeId::of_first_key(key) != node {
        return Err(Rejection::FounderKeyMismatch { node });
    }
    if !verifier.verify(key, message, signature) {
        return Err(Rejection::FounderSignature { node });
    }
    Ok(())
}

/// The state after the genesis entries; `None` where they don't begin with `ledger_created`.
#[must_use]
pub fn inaugurate(recorded: &[Recorded]) -> Option<State> {
    let (first, founders) = recorded.split_first()?;
    let Event::LedgerCreated(created) = &first.event else {
        return None;
    };
    let mut state = State::founded(&created.statement, first.timestamp);
    state.apply(first.seq, first.timestamp, first.hash, &first.event);
    for entry in founders {
        state.apply(entry.seq, entry.timestamp, entry.hash, &entry.event);
    }
    Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::policy::Policy;
    use crate::governance::weight::Weight;
    use crate::testing::{Signatures, founding};

    #[test]
    fn a_ledger_has_at_most_10_000_founders() {
        let mut founding = founding(&[1], Policy::default(), Signatures::StandIn);
        founding.founders = (0..10_000)
            .map(|index| Founder {
                did: format!("did:pqaid:{index:064x}").parse().unwrap(),
                name: format!("node {index}").parse().unwrap(),
                weight: Weight::ONE,
            })
            .collect();
        assert_eq!(check_founding(&founding), Ok(()));
        let mut one_more = founding.founders[0].clone();
        one_more.did = format!("did:pqaid:{:064x}", 10_000).parse().unwrap();
        one_more.name = "one more".parse().unwrap();
        founding.founders.push(one_more);
        assert_eq!(check_founding(&founding), Err(Rejection::TooManyNodes));
    }
}
