//! Why somebody is authorized, and what would have come without a part of the history.

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::command::Command;
use althing::governance::id::{NodeId, ProposalId};
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, DelegationTerms, FreezeTarget, GrantTerms};
use althing::governance::provenance::{PolicyOrigin, Why};
use althing::governance::scope::CheckContext;
use althing::governance::state::State;
use althing::governance::state::authorization::{CheckReason, GrantStatus};
use althing::governance::state::proposal::Status;
use althing::governance::state::registry::NodeStatus;
use althing::governance::tally::Standing;
use althing::governance::time::Seconds;
use althing::replay::counterfactual::{Counterfactual, Without, counterfactual};
use althing::testing::actions::{
    self, authorize_agent, authorize_model, remove_node, revoke_model, update_policy,
};
use althing::testing::{Assembly, strategies};
use proptest::prelude::*;

fn why(state: &State, kind: AuthorizationKind, name: &str) -> Why {
    let subject = match kind {
        AuthorizationKind::Model => actions::model(name),
        _ => actions::agent(name),
    };
    state.why(kind, &subject, &CheckContext::default(), state.clock())
}

#[test]
fn a_grant_leads_back_to_ballots_keys_and_policy() {
    let mut assembly = Assembly::of(&[1, 2, 1]);
    let policy = Policy {
        delegation_depth: 5,
        ..Policy::default()
    };
    let change = assembly.pass([0, 1, 2], update_policy(policy));
    let node = assembly.id(1);
    let (signer, new) = assembly.new_key(node);
    let rotated = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(rotated));
    let rotated_at = assembly.state().entries();
    let grant = assembly.pass([0, 1], authorize_model("triage"));

    let answer = why(assembly.state(), AuthorizationKind::Model, "triage");
    assert_eq!(answer.outcome.reason, CheckReason::Granted);
    let [origin] = answer.grants.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!((origin.id, origin.status), (grant, GrantStatus::Live));
    let decision = origin.decision.as_ref().expect("a decision");
    assert_eq!(decision.proposal_id, grant);
    assert_eq!(decision.policy, PolicyOrigin::Proposal(change));
    assert_eq!(decision.total_weight, 4);
    let keys: Vec<_> = decision
        .electorate
        .iter()
        .map(|voter| {
            let ballot = voter.ballot.as_ref();
            let key = ballot.map(|ballot| (ballot.key_fingerprint, ballot.key_since_seq));
            (voter.node, voter.standing, key)
        })
        .collect();
    let first = assembly.signer(0).key().fingerprint();
    let added_at = 2;
    assert_eq!(
        keys,
        [
            (assembly.id(0), Standing::Approve, Some((first, added_at))),
            (
                node,
                Standing::Approve,
                Some((signer.key().fingerprint(), rotated_at))
            ),
            (assembly.id(2), Standing::Uncast, None),
        ]
    );
}

#[test]
fn a_revocation_and_a_delegation_are_told_with_their_own_decisions() {
    let mut assembly = Assembly::of(&[1]);
    assembly.pass([0], authorize_model("triage"));
    let revocation = assembly.pass([0], revoke_model("triage"));
    let answer = why(assembly.state(), AuthorizationKind::Model, "triage");
    assert_eq!(answer.outcome.reason, CheckReason::Revoked);
    let ended_by = answer.grants[0]
        .revoked_by
        .as_ref()
        .map(|it| it.proposal_id);
    assert_eq!(ended_by, Some(revocation));

    let parent = assembly.pass([0], authorize_agent("root"));
    let terms = GrantTerms::unrestricted(actions::agent("child"));
    assembly.pass([0], Action::Delegation(DelegationTerms { parent, terms }));
    let answer = why(assembly.state(), AuthorizationKind::Delegation, "child");
    let from = answer.grants[0].parent.as_ref().map(|origin| origin.id);
    assert_eq!(from, Some(parent));
    let founding = answer.grants[0].decision.as_ref().map(|it| it.policy);
    assert_eq!(founding, Some(PolicyOrigin::Founding));
    let nobody = why(assembly.state(), AuthorizationKind::Model, "unheard-of");
    assert!(nobody.grants.is_empty());
    assert_eq!(nobody.outcome.reason, CheckReason::NoGrant);
}

#[test]
fn a_freeze_is_told_with_the_decision_behind_it() {
    let mut assembly = Assembly::of(&[1]);
    assembly.pass([0], authorize_model("triage"));
    let until = assembly.now().saturating_add(Seconds::HOUR);
    let target = FreezeTarget::Everything;
    let freeze = assembly.pass([0], Action::EmergencyFreeze { target, until });
    let answer = why(assembly.state(), AuthorizationKind::Model, "triage");
    assert_eq!(answer.outcome.reason, CheckReason::Frozen);
    let [origin] = answer.freezes.as_slice() else {
        panic!("{answer:?}");
    };
    assert_eq!((origin.id, origin.until), (freeze, until));
    let decision = origin.decision.as_ref().map(|it| it.proposal_id);
    assert_eq!(decision, Some(freeze));
    assert_eq!(answer.grants[0].status, GrantStatus::Frozen);
}

fn without(assembly: &Assembly, what: Without) -> Counterfactual {
    let verifier = assembly.signatures().verifier();
    counterfactual(assembly.bytes(), verifier, what).expect("the history replays")
}

fn code(assembly: &Assembly, what: Without) -> &'static str {
    let verifier = assembly.signatures().verifier();
    counterfactual(assembly.bytes(), verifier, what)
        .expect_err("nothing that could be left out")
        .code()
}

/// The decisive ballot on a grant, and the proposal.
fn with_decisive_ballot() -> (Assembly, ProposalId, u64) {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let grant = assembly.propose(0, authorize_model("triage"));
    assembly.vote(0, grant, Approve);
    let decisive = assembly.state().entries() + 1;
    assembly.vote(1, grant, Approve);
    (assembly, grant, decisive)
}

#[test]
fn without_the_decisive_ballot_there_is_no_grant() {
    let (assembly, grant, decisive) = with_decisive_ballot();
    let differences = without(&assembly, Without::Entry(decisive));
    assert_eq!(differences.left_out, [decisive]);
    let [proposal] = differences.proposals.as_slice() else {
        panic!("{differences:?}");
    };
    assert_eq!(
        (proposal.was, proposal.without),
        (Status::Executed, Some(Status::Voting))
    );
    let [lost] = differences.grants.as_slice() else {
        panic!("{differences:?}");
    };
    assert_eq!(lost.grant_id, grant);
    assert_eq!((lost.was, lost.without), (Some(GrantStatus::Live), None));
}

#[test]
fn what_is_no_cause_can_not_be_left_out() {
    let (assembly, _, decisive) = with_decisive_ballot();
    for (seq, expected) in [
        (1, "counterfactual.not-a-cause"),
        (2, "counterfactual.not-a-cause"),
        (decisive + 1, "counterfactual.not-a-cause"),
        (decisive + 2, "counterfactual.not-a-cause"),
        (decisive + 3, "counterfactual.no-such-entry"),
    ] {
        assert_eq!(code(&assembly, Without::Entry(seq)), expected, "{seq}");
    }
}

#[test]
fn without_a_removal_the_removed_node_is_there() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let proposing = assembly.state().entries() + 1;
    assembly.pass([0, 1, 2], remove_node(assembly.id(3)));
    let differences = without(&assembly, Without::Entry(proposing));
    let nodes: Vec<(NodeId, NodeStatus, Option<NodeStatus>)> = differences
        .nodes
        .iter()
        .map(|node| (node.node, node.was, node.without))
        .collect();
    let (was, kept) = (NodeStatus::Removed, Some(NodeStatus::Active));
    assert_eq!(nodes, [(assembly.id(3), was, kept)]);
    // Its three ballots have nothing left to be about.
    let codes: Vec<&str> = differences.fallen_away.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["ballot.unknown-proposal"; 3]);
}

#[test]
fn without_a_node_its_ballots_and_proposals_are_gone_and_its_seat_stays() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let grant = assembly.propose(0, authorize_model("triage"));
    for (by, decision) in [(0, Reject), (1, Approve), (2, Approve)] {
        assembly.vote(by, grant, decision);
    }
    assert_eq!(assembly.status(grant), Status::Executed);
    let differences = without(&assembly, Without::Node(assembly.id(2)));
    assert_eq!(differences.left_out.len(), 1);
    assert_eq!(differences.proposals[0].without, Some(Status::Voting));
    assert!(differences.nodes.is_empty());
}

fn newest(assembly: &Assembly) -> ProposalId {
    let proposals = assembly.state().proposals().iter();
    let newest = proposals.max_by_key(|it| it.seq());
    newest.expect("a proposal").id()
}

#[test]
fn without_a_node_whatever_it_signed_is_left_out() {
    type Act = (usize, fn(&mut Assembly));
    let acts: [Act; 7] = [
        (0, |it| {
            it.propose(0, authorize_model("triage"));
        }),
        (0, |it| {
            it.withdraw(newest(it));
        }),
        (1, |it| {
            it.propose(1, authorize_model("other"));
        }),
        (2, |it| {
            it.vote(2, newest(it), Approve);
        }),
        (2, |it| {
            it.accuse(2, newest(it));
        }),
        (3, |it| {
            let heads = Box::new(it.contradicting_heads(3));
            it.accept(&Command::SubmitContradictingHeads(heads));
        }),
        (1, |it| {
            let (_, new_key) = it.new_key(it.id(1));
            let rotation = it.sign(1, it.rotation(new_key));
            it.accept(&Command::RotateKey(rotation));
        }),
    ];
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let mut signed = vec![Vec::new(); 4];
    for (node, act) in acts {
        signed[node].push(assembly.state().entries() + 1);
        act(&mut assembly);
    }
    for (node, signed) in signed.into_iter().enumerate() {
        let differences = without(&assembly, Without::Node(assembly.id(node)));
        assert_eq!(differences.left_out, signed, "{node}");
    }
}

proptest! {
    #![proptest_config(crate::config(48))]

    /// Leaving out somebody who never signed anything changes nothing at all.
    #[test]
    fn without_a_silent_node_everything_is_as_it_was(history in strategies::histories(30)) {
        let played = history.play();
        let silent = althing::testing::Signer::nth(played.assembly.signatures(), 5_000);
        let differences = without(&played.assembly, Without::Node(silent.node()));
        prop_assert!(differences.left_out.is_empty());
        prop_assert!(differences.fallen_away.is_empty(), "{:?}", differences.fallen_away);
        prop_assert!(differences.proposals.is_empty() && differences.grants.is_empty());
        prop_assert!(differences.nodes.is_empty());
    }
}
