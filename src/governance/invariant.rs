//! What holds of every state, whatever led to it.
//!
//! No rule depends on these checks. Tests and simulations make them after every event, and a state
//! that is read from a snapshot must pass them.
//! Each restates a promise from the parts of the state, apart from the code that keeps it.

use std::collections::{BTreeMap, BTreeSet};

use super::id::ProposalId;
use super::kind::AuthorizationKind;
use super::state::State;
use super::state::proposal::{Member, ProposalState, Status};
use super::state::registry::NodeStatus;
use super::tally::Standing;
use super::weight::TotalWeight;

/// A promise that a state breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{invariant}: {message}")]
pub struct Violation {
    /// The name of the promise.
    pub invariant: &'static str,
    /// How the state breaks it.
    pub message: String,
}

type Check = fn(&State) -> Result<(), String>;

type CheckLater = fn(&State, &State) -> Result<(), String>;

/// The names of all promises about one state, with their checks.
const INVARIANTS: &[(&str, Check)] = &[
    ("weights-add-up", weights_add_up),
    ("counted-once", counted_once),
    ("no-ballot-no-count", no_ballot_no_count),
    ("grants-are-decided", grants_are_decided),
    ("revocations-are-decided", revocations_are_decided),
    (
        "suspended-nodes-decide-nothing",
        suspended_nodes_decide_nothing,
    ),
    (
        "retired-nodes-are-out-of-reach",
        retired_nodes_are_out_of_reach,
    ),
    ("active-weight", active_weight),
    ("somebody-is-active", somebody_is_active),
    ("names-and-keys-are-unique", names_and_keys_are_unique),
    ("lists-are-right", lists_are_right),
    ("ends-are-noted", ends_are_noted),
    ("byzantine-means-evidence", byzantine_means_evidence),
    ("nothing-lies-ahead", nothing_lies_ahead),
    ("predictions-are-bounded", predictions_are_bounded),
];

/// Checks everything that holds after every event.
///
/// # Errors
/// [`Violation`] of the first promise that is broken.
pub fn check(state: &State) -> Result<(), Violation> {
    for (invariant, holds) in INVARIANTS {
        holds(state).map_err(|message| Violation { invariant, message })?;
    }
    Ok(())
}

/// Checks everything that holds between batches: besides [`check`], that nothing is left half done.
///
/// # Errors
/// [`Violation`] of the first promise that is broken.
pub fn check_settled(state: &State) -> Result<(), Violation> {
    check(state)?;
    let half_done = state
        .proposals()
        .iter()
        .find(|proposal| proposal.status() == Status::Passed);
    match half_done {
        None => Ok(()),
        Some(proposal) => Err(Violation {
            invariant: "nothing-is-half-done",
            message: format!("{} passed, but nothing came of it", proposal.id()),
        }),
    }
}

/// Checks what holds between a state and any later one of the same history.
///
/// # Errors
/// [`Violation`] of the first promise that is broken.
pub fn check_later(before: &State, after: &State) -> Result<(), Violation> {
    let changes: [(&'static str, CheckLater); 3] = [
        ("openings-are-frozen", openings_are_frozen),
        ("ends-are-final", ends_are_final),
        ("nothing-is-forgotten", nothing_is_forgotten),
    ];
    for (invariant, holds) in changes {
        holds(before, after).map_err(|message| Violation { invariant, message })?;
    }
    Ok(())
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

/// The weights behind the standings add up to the electorate's total, T.
fn weights_add_up(state: &State) -> Result<(), String> {
    for proposal in state.proposals().iter() {
        let members = proposal.electorate().map(|(_, member)| member.weight());
        let sum = TotalWeight::sum(members).map(TotalWeight::get);
        let total = proposal.tally().total();
        ensure(sum == Some(total), || {
            format!("{}: members weigh {sum:?}, T is {total}", proposal.id())
        })?;
    }
    Ok(())
}

/// Every member is counted where it stands and nowhere else.
fn counted_once(state: &State) -> Result<(), String> {
    for proposal in state.proposals().iter() {
        let weighs = |standing| -> u64 {
            proposal
                .electorate()
                .filter(|(_, member)| member.standing() == standing)
                .map(|(_, member)| member.weight().get())
                .sum()
        };
        let tally = proposal.tally();
        for (standing, counted) in [
            (Standing::Approve, tally.approve()),
            (Standing::Reject, tally.reject()),
            (Standing::Abstain, tally.abstain()),
            (Standing::Byzantine, tally.byzantine()),
            (Standing::Uncast, tally.uncast()),
        ] {
            ensure(weighs(standing) == counted, || {
                format!("{}: {standing:?} counts {counted}", proposal.id())
            })?;
        }
    }
    Ok(())
}

/// A side counts those alone whose signed ballot takes it; who has not voted has no ballot.
fn no_ballot_no_count(state: &State) -> Result<(), String> {
    for (proposal, node, member) in members(state) {
        let fits = match member.standing() {
            Standing::Uncast | Standing::Barred => member.ballot().is_none(),
            Standing::Byzantine => true,
            side => member.decision().map(super::ballot::Decision::standing) == Some(side),
        };
        let own = member.ballot().is_none_or(|ballot| {
            let content = ballot.content();
            content.voter == node
                && content.proposal_id == proposal.id()
                && content.proposal_hash == *proposal.hash()
        });
        ensure(fits && own, || {
            format!(
                "{}: {node} stands at {:?}",
                proposal.id(),
                member.standing()
            )
        })?;
    }
    Ok(())
}

fn members(state: &State) -> impl Iterator<Item = (&ProposalState, super::id::NodeId, &Member)> {
    state.proposals().iter().flat_map(|proposal| {
        let members = proposal.electorate();
        members.map(move |(node, member)| (proposal, node, member))
    })
}

fn executed(state: &State, proposal: ProposalId) -> Option<&ProposalState> {
    let found = state.proposals().get(proposal)?;
    (found.status() == Status::Executed).then_some(found)
}

/// Every grant was given by an executed proposal, to its subject and on its terms.
fn grants_are_decided(state: &State) -> Result<(), String> {
    for (id, grant) in state.authorizations().iter() {
        let terms = executed(state, id).and_then(|it| it.content().action.grants());
        ensure(terms == Some((grant.kind(), grant.terms())), || {
            format!("no executed proposal gave {id}")
        })?;
    }
    Ok(())
}

/// Every revoked grant was revoked by an executed proposal about its subject and kind.
fn revocations_are_decided(state: &State) -> Result<(), String> {
    for (id, grant) in state.authorizations().iter() {
        let Some(revoked) = grant.revoked() else {
            continue;
        };
        let by = executed(state, revoked.by).and_then(|it| it.content().action.revokes());
        let meant = by.is_some_and(|(kind, terms)| {
            kind == grant.kind()
                && terms.subject == grant.terms().subject
                && terms.grant_id.is_none_or(|one| one == id)
        });
        ensure(meant && revoked.seq > grant.granted_seq(), || {
            format!("no executed proposal revoked {id}")
        })?;
    }
    Ok(())
}

/// A suspended node stands on no side of an undecided proposal.
fn suspended_nodes_decide_nothing(state: &State) -> Result<(), String> {
    for (id, node) in state.registry().iter() {
        if node.status() != NodeStatus::Suspended {
            continue;
        }
        for proposal in state.proposals().undecided() {
            let standing = proposal.member(id).map(Member::standing);
            let silent = matches!(
                standing,
                None | Some(Standing::Byzantine | Standing::Barred)
            );
            ensure(silent, || {
                format!(
                    "{}: {id} is suspended and stands at {standing:?}",
                    proposal.id()
                )
            })?;
        }
    }
    Ok(())
}

/// The weight that may still vote is that of active nodes.
fn retired_nodes_are_out_of_reach(state: &State) -> Result<(), String> {
    for proposal in state.proposals().undecided() {
        for (id, member) in proposal.electorate() {
            let active = state
                .registry()
                .get(id)
                .is_some_and(|node| node.is_active());
            ensure(active || member.standing() != Standing::Uncast, || {
                format!("{}: {id} counts as uncast", proposal.id())
            })?;
        }
    }
    Ok(())
}

/// The active count and weight are those of the active nodes.
fn active_weight(state: &State) -> Result<(), String> {
    let registry = state.registry();
    let sum = TotalWeight::sum(registry.active().map(|(_, node)| node.weight()));
    ensure(sum == Some(registry.active_weight()), || {
        format!(
            "active nodes weigh {sum:?}, not {}",
            registry.active_weight()
        )
    })?;
    ensure(registry.active().count() == registry.active_count(), || {
        format!("there are not {} active nodes", registry.active_count())
    })
}

/// Nothing ever leaves a ledger without an active node, which could never act again.
fn somebody_is_active(state: &State) -> Result<(), String> {
    let registry = state.registry();
    // Founders join one after the other: the ledger exists before the first of them.
    ensure(registry.is_empty() || registry.active_count() > 0, || {
        "no node is active".to_owned()
    })
}

/// No two nodes share a key, and no two nodes in the registry share a name.
fn names_and_keys_are_unique(state: &State) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for (id, node) in state.registry().iter() {
        let removed = node.status() == NodeStatus::Removed;
        ensure(removed || names.insert(node.name()), || {
            format!("{id} is not the only {}", node.name())
        })?;
        ensure(keys.insert(node.key().fingerprint()), || {
            format!("{id} has another node's key")
        })?;
        ensure(state.registry().knows_key(node.key()), || {
            format!("the key of {id} is not remembered")
        })?;
    }
    Ok(())
}

/// The lists of undecided and unfinished proposals hold exactly those, in order of opening.
fn lists_are_right(state: &State) -> Result<(), String> {
    let proposals = state.proposals();
    let with = |wanted: fn(Status) -> bool| -> Vec<ProposalId> {
        let found = proposals.iter().filter(|it| wanted(it.status()));
        found.map(ProposalState::id).collect()
    };
    let undecided: Vec<_> = proposals.undecided().map(ProposalState::id).collect();
    let unfinished: Vec<_> = proposals.unfinished().map(ProposalState::id).collect();
    ensure(undecided == with(|status| status == Status::Voting), || {
        format!("{undecided:?} are not the undecided proposals")
    })?;
    let waiting = with(|status| matches!(status, Status::Passed | Status::Queued));
    ensure(unfinished == waiting, || {
        format!("{unfinished:?} are not the unfinished proposals")
    })
}

/// An end has a time, a decision is on record where the status says so, and only what was carried
/// out can be tainted.
fn ends_are_noted(state: &State) -> Result<(), String> {
    for proposal in state.proposals().iter() {
        let status = proposal.status();
        let decided = match status {
            Status::Voting | Status::Withdrawn => Some(false),
            // Overtaken before or after the decision.
            Status::Superseded => None,
            _ => Some(true),
        };
        let sound = proposal.ended_at().is_some() == status.is_final()
            && decided.is_none_or(|decided| decided == proposal.decided().is_some())
            && (!proposal.is_tainted() || status == Status::Executed);
        ensure(sound, || {
            format!("{} is {} without its marks", proposal.id(), status.name())
        })?;
    }
    Ok(())
}

/// Who counts as Byzantine contradicted itself there, or was suspended for doing so elsewhere; and
/// who contradicted itself counts as nothing else.
fn byzantine_means_evidence(state: &State) -> Result<(), String> {
    // One that had been removed by then is not suspended, and its other ballots count no more either.
    let convicted: BTreeSet<_> = state.convictions().map(|(node, _)| node).collect();
    for (proposal, node, member) in members(state) {
        let here = state.evidence_against(node, proposal.id()).is_some();
        let byzantine = member.standing() == Standing::Byzantine;
        let sound = if byzantine {
            here || convicted.contains(&node)
        } else {
            !here
        };
        ensure(sound, || {
            format!(
                "{}: {node} stands at {:?}",
                proposal.id(),
                member.standing()
            )
        })?;
    }
    Ok(())
}

/// No part of the state is later than its last entry.
fn nothing_lies_ahead(state: &State) -> Result<(), String> {
    let mut places: Vec<(u64, super::time::Timestamp)> = Vec::new();
    for proposal in state.proposals().iter() {
        places.push((proposal.seq(), proposal.opened_at()));
        places.extend(proposal.decided().map(|it| (it.seq, it.at)));
        places.extend(proposal.ended_at().map(|at| (proposal.seq(), at)));
    }
    places.extend(members(state).filter_map(|(.., it)| it.ballot().map(|it| (it.seq, it.at))));
    places.extend(
        state
            .convictions()
            .map(|(_, record)| (record.seq, record.at)),
    );
    for (_, grant) in state.authorizations().iter() {
        places.push((grant.granted_seq(), grant.granted_at()));
        places.extend(grant.revoked().map(|it| (it.seq, it.at)));
    }
    let ahead = |(seq, at): &(u64, _)| *seq > state.entries() || *at > state.clock();
    match places.into_iter().find(ahead) {
        None => Ok(()),
        Some((seq, at)) => Err(format!("something is of entry {seq}, {at}")),
    }
}

/// Predictions are counted for the models that ever had a grant, and for all others together.
fn predictions_are_bounded(state: &State) -> Result<(), String> {
    let granted: BTreeSet<_> = state
        .authorizations()
        .iter()
        .filter(|(_, grant)| grant.kind() == AuthorizationKind::Model)
        .map(|(_, grant)| &grant.terms().subject)
        .collect();
    let counted: BTreeSet<_> = state
        .predictions()
        .models()
        .map(|(model, _)| model)
        .collect();
    ensure(granted == counted, || {
        format!("{counted:?} are counted, {granted:?} had a grant")
    })
}

/// What was fixed at a proposal's opening stays as it was: electorate, weights, rules, deadline.
fn openings_are_frozen(before: &State, after: &State) -> Result<(), String> {
    for old in before.proposals().iter() {
        let frozen = |it: &ProposalState| {
            let members: Vec<_> = (it.electorate())
                .map(|(node, member)| (node, member.weight()))
                .collect();
            (
                members,
                *it.hash(),
                it.seq(),
                it.opened_at(),
                it.deadline(),
                it.tally().total(),
            )
        };
        let new = after.proposals().get(old.id());
        let same = new.is_some_and(|new| frozen(new) == frozen(old) && new.rules() == old.rules());
        ensure(same, || format!("{} is not as it was opened", old.id()))?;
    }
    Ok(())
}

/// What has ended stays ended in the same way, and a ballot once cast is never another.
fn ends_are_final(before: &State, after: &State) -> Result<(), String> {
    for old in before.proposals().iter() {
        let Some(new) = after.proposals().get(old.id()) else {
            continue;
        };
        let moved = new.status() != old.status() || new.ended_at() != old.ended_at();
        ensure(!(old.status().is_final() && moved), || {
            format!("{} was {} already", old.id(), old.status().name())
        })?;
        for (node, member) in old.electorate() {
            let vote = |it: &Member| it.ballot().map(|it| it.content().vote_id);
            let now = new.member(node);
            ensure(
                vote(member).is_none() || now.and_then(vote) == vote(member),
                || format!("{}: {node} had voted otherwise", old.id()),
            )?;
        }
    }
    Ok(())
}

/// Nodes, grants, evidence and counts are never dropped; the epoch and the clock never run back.
fn nothing_is_forgotten(before: &State, after: &State) -> Result<(), String> {
    let nodes = |state: &State| -> BTreeMap<_, _> {
        let nodes = state.registry().iter();
        nodes.map(|(id, node)| (id, node.weight())).collect()
    };
    let later = nodes(after);
    let kept = nodes(before)
        .iter()
        .all(|(id, weight)| later.get(id) == Some(weight))
        && (before.authorizations().iter()).all(|(id, _)| after.authorizations().get(id).is_some())
        && before
            .evidence()
            .all(|(node, proposal, record)| after.evidence_against(node, proposal) == Some(record))
        && before.contradictions().all(|(kind, node, term, record)| {
            after.contradiction_of(kind, node, term) == Some(record)
        })
        && before.epoch() <= after.epoch()
        && before.clock() <= after.clock()
        && before.entries() <= after.entries();
    ensure(kept, || "something that was on record is gone".to_owned())
}

#[cfg(test)]
mod tests;
