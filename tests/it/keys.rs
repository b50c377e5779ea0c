//! New keys: rotation, replacement, reinstatement, and the evidence that outlives old keys.

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::command::Command;
use althing::governance::event::Event;
use althing::governance::evidence::Equivocation;
use althing::governance::id::ProposalId;
use althing::governance::possession::KeyPossession;
use althing::governance::proposal::{Action, NewKey};
use althing::governance::state::proposal::Status;
use althing::governance::state::registry::NodeStatus;
use althing::governance::tally::Standing;
use althing::testing::actions::{authorize_model, remove_node};
use althing::testing::{Assembly, Signatures, Signer};

#[track_caller]
fn replays(assembly: &Assembly) {
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

fn standing(assembly: &Assembly, proposal: ProposalId, node: usize) -> Standing {
    let member = assembly.proposal(proposal).member(assembly.id(node));
    member.expect("a member").standing()
}

#[test]
fn a_rotated_key_signs_in_open_proposals_and_the_old_one_nowhere() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let node = assembly.id(1);
    let (signer, new) = assembly.new_key(node);
    let signed = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(signed));
    assert_eq!(
        assembly.state().registry().get(node).unwrap().key(),
        signer.key()
    );
    let ballot = assembly.ballot(1, proposal, Approve);
    let by_old = assembly.signer(1).sign(ballot);
    let refused = assembly.submit(&Command::Vote(by_old));
    assert_eq!(refused.unwrap_err().code(), "ballot.signature");
    let by_new = signer.sign(assembly.ballot(1, proposal, Approve));
    assembly.accept(&Command::Vote(by_new));
    assert_eq!(standing(&assembly, proposal, 1), Standing::Approve);
    replays(&assembly);
}

#[test]
fn rotations_that_prove_nothing_are_refused() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let node = assembly.id(1);
    let (_, good) = assembly.new_key(node);
    let (_, other) = assembly.new_key(node);
    let stolen = NewKey {
        possession: other.possession.clone(),
        ..good.clone()
    };
    let renamed = NewKey {
        key_name: "another".parse().expect("a name"),
        ..good.clone()
    };
    let used = NewKey {
        key: assembly.signer(2).key().clone(),
        ..good.clone()
    };
    let stranger = NewKey {
        node: Signer::nth(Signatures::StandIn, 900).node(),
        ..good.clone()
    };
    for (by, new, code) in [
        (0, good.clone(), "signature.invalid"),
        (1, stolen, "node.no-possession"),
        (1, renamed, "node.no-possession"),
        (1, used, "node.key-used"),
        (1, stranger, "node.unknown"),
    ] {
        let signed = assembly.sign(by, assembly.rotation(new));
        let refused = assembly.submit(&Command::RotateKey(signed));
        assert_eq!(refused.unwrap_err().code(), code);
    }
    // The first key never comes back, not even for its own node.
    let (signer, new) = assembly.new_key(node);
    let signed = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(signed));
    let name = "again";
    let own = assembly.signer(1);
    let possession = KeyPossession::new(own.key().clone(), name).expect("a name");
    let back = NewKey {
        key: own.key().clone(),
        key_name: name.parse().expect("a name"),
        node,
        possession: own.sign(possession).signature,
    };
    let signed = signer.sign(assembly.rotation(back));
    let refused = assembly.submit(&Command::RotateKey(signed));
    assert_eq!(refused.unwrap_err().code(), "node.key-used");
}

#[test]
fn rotation_does_not_dodge_evidence() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let node = assembly.id(1);
    let evidence = assembly.equivocation(1, proposal);
    let (_, new) = assembly.new_key(node);
    let signed = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(signed));
    assembly.accept(&Command::SubmitEvidence(evidence));
    let status = assembly.state().registry().get(node).unwrap().status();
    assert_eq!(status, NodeStatus::Suspended);
    replays(&assembly);
}

#[test]
fn a_key_held_only_after_a_proposal_proves_nothing_about_it() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let closed = assembly.pass([0, 1], authorize_model("triage"));
    let node = assembly.id(2);
    let (signer, new) = assembly.new_key(node);
    let signed = assembly.sign(2, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(signed));
    let evidence = Equivocation {
        first: signer.sign(assembly.ballot(2, closed, Approve)),
        second: signer.sign(assembly.ballot(2, closed, Reject)),
    };
    let refused = assembly.submit(&Command::SubmitEvidence(evidence));
    assert_eq!(refused.unwrap_err().code(), "evidence.signature");

    // Nor does it where there is a recorded ballot to contradict.
    let node = assembly.id(1);
    let (signer, new) = assembly.new_key(node);
    let signed = assembly.sign(1, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(signed));
    let contradiction = signer.sign(assembly.ballot(1, closed, Reject));
    let refused = assembly.submit(&Command::Vote(contradiction));
    assert_eq!(refused.unwrap_err().code(), "ballot.proposal-closed");
    replays(&assembly);
}

#[test]
fn a_rotation_supersedes_what_is_bound_to_the_epoch() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let node = assembly.id(3);
    let removal = assembly.propose(0, remove_node(node));
    assembly.vote_all([0, 1], removal, Approve);
    let (_, new) = assembly.new_key(assembly.id(2));
    let signed = assembly.sign(2, assembly.rotation(new));
    assembly.accept(&Command::RotateKey(signed));
    assembly.vote_all([3], removal, Approve);
    assert_eq!(assembly.status(removal), Status::Superseded);
    replays(&assembly);
}

#[test]
fn a_replaced_key_votes_on_later_proposals_only() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let node = assembly.id(3);
    let (signer, new) = assembly.new_key(node);
    let cast = assembly.propose(0, authorize_model("one"));
    assembly.vote(3, cast, Approve);
    let uncast = assembly.propose(0, authorize_model("two"));
    let replacement = assembly.pass([0, 1, 2], Action::ReplaceKey(new));
    assert_eq!(assembly.status(replacement), Status::Executed);
    // What it has cast stands, what it has not cast it never will.
    assert_eq!(standing(&assembly, cast, 3), Standing::Approve);
    assert_eq!(standing(&assembly, uncast, 3), Standing::Barred);
    let late = signer.sign(assembly.ballot(3, uncast, Approve));
    let refused = assembly.submit(&Command::Vote(late));
    assert_eq!(refused.unwrap_err().code(), "ballot.node-removed");
    let next = assembly.propose(0, authorize_model("three"));
    let ballot = signer.sign(assembly.ballot(3, next, Approve));
    assembly.accept(&Command::Vote(ballot));
    assert_eq!(standing(&assembly, next, 3), Standing::Approve);
    replays(&assembly);
}

#[test]
fn a_suspended_node_comes_back_by_vote_with_a_new_key() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let first = assembly.propose(0, authorize_model("one"));
    assembly.accuse(3, first);
    let node = assembly.id(3);
    let (signer, new) = assembly.new_key(node);
    let reinstatement = assembly.pass([0, 1, 2], Action::ReinstateNode(new));
    assert_eq!(assembly.status(reinstatement), Status::Executed);
    let registry = assembly.state().registry();
    assert_eq!(registry.get(node).unwrap().status(), NodeStatus::Active);
    assert_eq!(registry.active_weight().get(), 4);
    // Its ballot on the proposal it contradicted itself on stays Byzantine.
    assert_eq!(standing(&assembly, first, 3), Standing::Byzantine);
    let next = assembly.propose(0, authorize_model("two"));
    let ballot = signer.sign(assembly.ballot(3, next, Approve));
    assembly.accept(&Command::Vote(ballot));
    assert_eq!(standing(&assembly, next, 3), Standing::Approve);
    replays(&assembly);
}

#[test]
fn new_evidence_overtakes_a_reinstatement() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let one = assembly.propose(0, authorize_model("one"));
    let two = assembly.propose(1, authorize_model("two"));
    let again = assembly.equivocation(3, two);
    assembly.accuse(3, one);
    let (_, new) = assembly.new_key(assembly.id(3));
    let reinstatement = assembly.propose(0, Action::ReinstateNode(new));
    let events = assembly.accept(&Command::SubmitEvidence(again));
    assert!(
        matches!(events.last(), Some(Event::ProposalSuperseded(_))),
        "{events:?}"
    );
    assert_eq!(assembly.status(reinstatement), Status::Superseded);
    replays(&assembly);
}

#[test]
fn only_the_suspended_are_reinstated_and_only_the_active_get_another_key() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("one"));
    assembly.accuse(2, proposal);
    let (_, for_suspended) = assembly.new_key(assembly.id(2));
    let (_, for_active) = assembly.new_key(assembly.id(1));
    for (action, code) in [
        (Action::ReplaceKey(for_suspended), "node.has-no-vote"),
        (Action::ReinstateNode(for_active), "node.not-suspended"),
    ] {
        let draft = assembly.draft(0, action);
        let refused = assembly.submit(&Command::Propose(assembly.sign(0, draft)));
        assert_eq!(refused.unwrap_err().code(), code);
    }
}
