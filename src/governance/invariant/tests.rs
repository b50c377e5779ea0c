//! Every promise, seen broken: a check that could not fail would say nothing about the rules.

use std::sync::Arc;

use super::*;
use crate::governance::ballot::Decision::{Abstain, Approve, Reject};
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::NodeId;
use crate::governance::proposal::Action;
use crate::governance::state::authorization::Revoked;
use crate::governance::state::proposal::Decided;
use crate::governance::state::registry::NodeStatus;
use crate::governance::time::Timestamp;
use crate::testing::Assembly;
use crate::testing::actions::{
    authorize_agent, authorize_model, model, revoke_grant, revoke_model,
};

/// A state in which every promise has something to say.
struct Scene {
    /// Three heavy nodes, two light ones, and one that has contradicted itself.
    nodes: Vec<NodeId>,
    /// When only the first two proposals were executed and `open` had no ballot yet.
    earlier: State,
    state: State,
    granted: ProposalId,
    ended: ProposalId,
    revoking: ProposalId,
    withdrawn: ProposalId,
    open: ProposalId,
}

fn scene() -> Scene {
    let mut assembly = Assembly::of(&[4, 4, 4, 1, 1, 1]);
    let granted = assembly.pass(0..3, authorize_model("triage"));
    let ended = assembly.pass(0..3, authorize_model("sepsis"));
    let open = assembly.propose(0, authorize_agent("porter"));
    let earlier = assembly.state().clone();
    let _superseded = assembly.propose(1, authorize_model("sepsis"));
    let revoking = assembly.pass(0..3, revoke_model("sepsis"));
    let withdrawn = assembly.propose(0, authorize_agent("cook"));
    assembly.withdraw(withdrawn);
    let other = assembly.propose(1, authorize_agent("nurse"));
    assembly.vote(5, other, Approve);
    assembly.accuse(5, open);
    let heads = assembly.contradicting_heads(5);
    assembly.accept(&Command::SubmitContradictingHeads(Box::new(heads)));
    assembly.vote(3, open, Reject);
    assembly.vote(4, open, Abstain);
    assembly.wait(60);
    assembly.vote(0, open, Approve);
    Scene {
        nodes: (0..6).map(|index| assembly.id(index)).collect(),
        earlier,
        state: assembly.state().clone(),
        granted,
        ended,
        revoking,
        withdrawn,
        open,
    }
}

fn alter(state: &mut State, proposal: ProposalId, change: impl FnOnce(&mut ProposalState)) {
    Arc::make_mut(&mut state.proposals).update(proposal, change);
}

fn member(proposal: &mut ProposalState, node: NodeId) -> &mut Member {
    proposal.electorate.get_mut(&node).unwrap()
}

fn broken(found: Result<(), Violation>) -> &'static str {
    found.map_or_else(|violation| violation.invariant, |()| "nothing")
}

#[test]
fn a_state_that_the_rules_made_breaks_no_promise() {
    let scene = scene();
    assert_eq!(check_settled(&scene.earlier), Ok(()));
    assert_eq!(check_settled(&scene.state), Ok(()));
    assert_eq!(check_later(&scene.earlier, &scene.state), Ok(()));
    assert_eq!(check_later(&scene.state, &scene.state), Ok(()));
}

type Break = fn(&Scene, &mut State);

#[test]
fn every_promise_about_a_state_can_be_broken() {
    let table: &[(&str, Break)] = &[
        ("weights-add-up", |it, state| {
            alter(state, it.open, |open| {
                let heavier = crate::governance::weight::Weight::new(5).unwrap();
                member(open, it.nodes[1]).weight = heavier;
            });
        }),
        ("counted-once", |it, state| {
            alter(state, it.open, |open| {
                member(open, it.nodes[1]).standing = Standing::Reject;
            });
        }),
        // A side without a ballot.
        ("no-ballot-no-count", |it, state| {
            alter(state, it.open, |open| {
                open.stand(it.nodes[1], Standing::Approve)
            });
        }),
        // A ballot that takes the other side.
        ("no-ballot-no-count", |it, state| {
            alter(state, it.open, |open| {
                open.stand(it.nodes[0], Standing::Reject)
            });
        }),
        // A ballot of one who counts as not having voted.
        ("no-ballot-no-count", |it, state| {
            alter(state, it.open, |open| {
                open.stand(it.nodes[0], Standing::Uncast)
            });
        }),
        // Another voter's ballot.
        ("no-ballot-no-count", |it, state| {
            alter(state, it.granted, |granted| {
                let ballot = member(granted, it.nodes[0]).ballot.clone();
                member(granted, it.nodes[1]).ballot = ballot;
            });
        }),
        // The voter's ballot on another proposal.
        ("no-ballot-no-count", |it, state| {
            let other = state.proposals().get(it.ended).unwrap();
            let ballot = other.electorate[&it.nodes[0]].ballot.clone();
            alter(state, it.granted, |granted| {
                member(granted, it.nodes[0]).ballot = ballot;
            });
        }),
        // A ballot on a proposal of the same id with another history.
        ("no-ballot-no-count", |it, state| {
            alter(state, it.granted, |granted| granted.hash = Digest::ZERO);
        }),
        ("grants-are-decided", |it, state| {
            alter(state, it.granted, |granted| granted.status = Status::Failed);
        }),
        ("grants-are-decided", |it, state| {
            alter(state, it.granted, |granted| {
                granted.content.action = authorize_model("other");
            });
        }),
        ("revocations-are-decided", |it, state| {
            alter(state, it.revoking, |revoking| {
                revoking.status = Status::Failed
            });
        }),
        // Of another subject, another kind, another grant.
        ("revocations-are-decided", |it, state| {
            alter(state, it.revoking, |revoking| {
                revoking.content.action = revoke_model("triage");
            });
        }),
        ("revocations-are-decided", |it, state| {
            alter(state, it.revoking, |revoking| {
                let Action::RevokeModel(terms) = &revoking.content.action else {
                    panic!("not a revocation")
                };
                revoking.content.action = Action::RevokeAgent(terms.clone());
            });
        }),
        ("revocations-are-decided", |it, state| {
            alter(state, it.revoking, |revoking| {
                revoking.content.action = revoke_grant("sepsis", it.granted);
            });
        }),
        // A revocation before the grant, and in the same entry.
        ("revocations-are-decided", |it, state| {
            revoke_at(it, state, 0)
        }),
        ("revocations-are-decided", |it, state| {
            let granted = state.authorizations().get(it.ended).unwrap().granted_seq();
            revoke_at(it, state, granted);
        }),
        ("suspended-nodes-decide-nothing", |it, state| {
            alter(state, it.open, |open| {
                open.stand(it.nodes[5], Standing::Uncast)
            });
        }),
        ("retired-nodes-are-out-of-reach", |it, state| {
            Arc::make_mut(&mut state.registry).retire(it.nodes[1], NodeStatus::Removed);
        }),
        // A node that is counted twice.
        ("active-weight", |it, state| {
            let node = state.registry().get(it.nodes[1]).unwrap().clone();
            Arc::make_mut(&mut state.registry).add(it.nodes[1], node);
        }),
        ("names-and-keys-are-unique", |it, state| {
            add_twin(it, state, |twin, fresh| twin.key = fresh.key().clone());
        }),
        ("names-and-keys-are-unique", |it, state| {
            add_twin(it, state, |twin, _| twin.name = "twin".parse().unwrap());
        }),
        // Ends without a time, a decision without a record, marks where none belong.
        ("ends-are-noted", |it, state| {
            alter(state, it.granted, |granted| granted.ended_at = None);
        }),
        ("ends-are-noted", |it, state| {
            let now = state.clock();
            alter(state, it.open, |open| open.ended_at = Some(now));
        }),
        ("ends-are-noted", |it, state| {
            alter(state, it.granted, |granted| granted.decided = None);
        }),
        ("ends-are-noted", |it, state| {
            alter(state, it.withdrawn, |withdrawn| {
                withdrawn.decided = Some(decided())
            });
        }),
        ("ends-are-noted", |it, state| {
            alter(state, it.withdrawn, |withdrawn| withdrawn.tainted = true);
        }),
        ("byzantine-means-evidence", |it, state| {
            alter(state, it.open, |open| {
                open.stand(it.nodes[1], Standing::Byzantine)
            });
        }),
        ("byzantine-means-evidence", |it, state| {
            alter(state, it.open, |open| {
                open.stand(it.nodes[5], Standing::Barred)
            });
        }),
        ("nothing-lies-ahead", |_, state| state.entries = 0),
        ("nothing-lies-ahead", |_, state| {
            state.clock = Timestamp::from_micros(0).unwrap();
        }),
        ("predictions-are-bounded", |_, state| {
            state.predictions.note_grant(&model("unknown"));
        }),
    ];
    for (row, (promise, damage)) in table.iter().enumerate() {
        let scene = scene();
        let mut state = scene.state.clone();
        damage(&scene, &mut state);
        assert_eq!(broken(check(&state)), *promise, "row {row}");
        assert_eq!(broken(check_settled(&state)), *promise, "row {row}");
    }
}

fn decided() -> Decided {
    Decided {
        seq: 0,
        at: Timestamp::from_micros(0).unwrap(),
        early: true,
    }
}

fn revoke_at(scene: &Scene, state: &mut State, seq: u64) {
    let revoked = Revoked {
        seq,
        ..*state
            .authorizations()
            .get(scene.ended)
            .unwrap()
            .revoked()
            .unwrap()
    };
    Arc::make_mut(&mut state.authorizations).revoke(scene.ended, revoked);
}

/// Adds a copy of a node under another id. Past its electorates, so that nothing else is amiss.
fn add_twin(
    scene: &Scene,
    state: &mut State,
    change: impl FnOnce(&mut crate::governance::state::registry::Node, &crate::testing::Signer),
) {
    let mut twin = state.registry().get(scene.nodes[1]).unwrap().clone();
    let fresh = crate::testing::Signer::nth(crate::testing::Signatures::StandIn, 99);
    change(&mut twin, &fresh);
    let id = NodeId::of_first_key(fresh.key());
    Arc::make_mut(&mut state.registry).add(id, twin);
}

#[test]
fn a_ledger_without_an_active_node_is_noticed() {
    let mut state = Assembly::of(&[1]).state().clone();
    let (only, _) = state.registry().iter().next().unwrap();
    Arc::make_mut(&mut state.registry).retire(only, NodeStatus::Removed);
    assert_eq!(broken(check(&state)), "somebody-is-active");
}

#[test]
fn a_proposal_in_the_wrong_list_is_noticed() {
    let mut assembly = Assembly::of(&[1]);
    let granted = assembly.pass(0..1, authorize_model("triage"));
    let mut state = assembly.state().clone();
    let ended = state.proposals().get(granted).unwrap().clone();
    Arc::make_mut(&mut state.proposals).open(ended);
    assert_eq!(broken(check(&state)), "lists-are-right");
}

#[test]
fn a_pass_of_which_nothing_came_is_unsettled() {
    let scene = scene();
    let mut state = scene.state.clone();
    alter(&mut state, scene.open, |open| {
        open.status = Status::Passed;
        open.decided = Some(decided());
    });
    assert_eq!(broken(check(&state)), "nothing");
    assert_eq!(broken(check_settled(&state)), "nothing-is-half-done");
}

#[test]
fn every_promise_about_later_states_can_be_broken() {
    let table: &[(&str, Break)] = &[
        ("openings-are-frozen", |it, state| {
            alter(state, it.open, |open| open.deadline = open.opened_at);
        }),
        ("openings-are-frozen", |it, state| {
            alter(state, it.open, |open| open.rules.clear());
        }),
        ("openings-are-frozen", |_, state| {
            state.proposals = Arc::default()
        }),
        ("ends-are-final", |it, state| {
            alter(state, it.granted, |granted| granted.status = Status::Lapsed);
        }),
        ("ends-are-final", |it, state| {
            alter(state, it.granted, |granted| granted.ended_at = None);
        }),
        ("ends-are-final", |it, state| {
            alter(state, it.open, |open| {
                member(open, it.nodes[0]).ballot = None
            });
        }),
        ("nothing-is-forgotten", |_, state| {
            state.registry = Arc::default()
        }),
        ("nothing-is-forgotten", |_, state| {
            state.authorizations = Arc::default()
        }),
        ("nothing-is-forgotten", |_, state| {
            state.evidence = Arc::default()
        }),
        ("nothing-is-forgotten", |_, state| {
            state.contradictions = Arc::default()
        }),
        ("nothing-is-forgotten", |_, state| state.epoch = 0),
        ("nothing-is-forgotten", |_, state| {
            state.clock = Timestamp::from_micros(0).unwrap();
        }),
        ("nothing-is-forgotten", |_, state| state.entries = 0),
    ];
    for (row, (promise, damage)) in table.iter().enumerate() {
        let scene = scene();
        let mut later = scene.state.clone();
        damage(&scene, &mut later);
        assert_eq!(
            broken(check_later(&scene.state, &later)),
            *promise,
            "row {row}"
        );
    }
}
