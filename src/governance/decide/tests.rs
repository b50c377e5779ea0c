use super::*;
use crate::governance::ballot::Decision::Approve;
use crate::governance::event::RecoveryRecorded;
use crate::governance::evidence::Equivocation;
use crate::governance::proposal::{Action, FreezeTarget};
use crate::governance::state::registry::NodeStatus;
use crate::governance::time::Seconds;
use crate::testing::actions::{authorize_model, remove_node};
use crate::testing::{Assembly, Signatures, prediction};

#[test]
fn deciding_foretells_what_is_recorded_and_changes_nothing() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.vote(0, proposal, Approve);
    let command = Command::Vote(assembly.signed_ballot(1, proposal, Approve));
    let before = assembly.state().clone();
    let context = Context {
        at: before.clock(),
        verifier: Signatures::StandIn.verifier(),
    };
    let foretold = decide(&before, &command, &context).unwrap();
    assert_eq!(before.entries(), assembly.state().entries());
    let recorded = assembly.accept(&command);
    assert!(recorded.len() > 1, "the ballot decides");
    assert_eq!(foretold, recorded);
    let granted = assembly.state().authorizations().get(proposal).unwrap();
    assert_eq!(granted.granted_seq(), assembly.state().entries());
}

#[test]
fn free_form_parameters_have_at_most_64_kibibytes() {
    for (bytes, accepted) in [(65_536, true), (65_537, false)] {
        let mut assembly = Assembly::of(&[1, 1]);
        let mut draft = assembly.draft(0, authorize_model("triage"));
        // `{"a":"` and `"}` take eight.
        let value = "x".repeat(bytes - 8);
        draft.parameters.insert("a".into(), value.into());
        let length = serde_json::to_string(&draft.parameters).unwrap().len();
        assert_eq!(length, bytes);
        let signed = assembly.sign(0, draft);
        let outcome = assembly.submit(&Command::Propose(signed));
        assert_eq!(outcome.is_ok(), accepted, "{bytes}");
    }
}

#[test]
fn a_freeze_may_last_as_long_as_the_policy_says_and_no_longer() {
    let mut assembly = Assembly::of(&[1, 1]);
    assembly.wait(1);
    let now = assembly.state().clock();
    let longest = assembly.state().policy().max_freeze_seconds;
    for (seconds, accepted) in [(longest.get(), true), (longest.get() + 1, false)] {
        let until = now.saturating_add(Seconds::new(seconds).unwrap());
        let action = Action::EmergencyFreeze {
            target: FreezeTarget::Everything,
            until,
        };
        let signed = {
            let draft = assembly.draft(0, action);
            assembly.sign(0, draft)
        };
        let context = Context {
            at: now,
            verifier: Signatures::StandIn.verifier(),
        };
        let outcome = decide(assembly.state(), &Command::Propose(signed), &context);
        assert_eq!(outcome.is_ok(), accepted, "{seconds}");
    }
}

#[test]
fn a_removed_node_is_not_removed_again() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let node = assembly.id(3);
    assembly.pass(0..3, remove_node(node));
    let status = assembly.state().registry().get(node).unwrap().status();
    assert_eq!(status, NodeStatus::Removed);
    let draft = assembly.draft(0, remove_node(node));
    let again = Command::Propose(assembly.sign(0, draft));
    assert_eq!(
        assembly.submit(&again).unwrap_err(),
        Rejection::UnknownNode { node }
    );
}

#[test]
fn a_duration_is_at_most_the_largest_integer() {
    for (duration, accepted) in [
        (crate::governance::MAX_INTEGER, true),
        (crate::governance::MAX_INTEGER + 1, false),
    ] {
        let mut assembly = Assembly::of(&[1]);
        let prediction = crate::governance::prediction::Prediction {
            duration_ms: Some(duration),
            ..prediction("triage")
        };
        let outcome = assembly.submit(&Command::RecordPrediction(prediction));
        assert_eq!(outcome.is_ok(), accepted, "{duration}");
    }
}

#[test]
fn evidence_has_one_order() {
    let mut assembly = Assembly::of(&[1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let given = assembly.equivocation(1, proposal);
    let turned = Equivocation {
        first: given.second.clone(),
        second: given.first.clone(),
    };
    for evidence in [given, turned] {
        let ordered = evidence.ordered();
        assert!(ordered.first.statement.as_str() < ordered.second.statement.as_str());
    }
}

#[test]
fn statements_are_equal_where_their_bytes_are_and_verify_under_their_key_alone() {
    let mut assembly = Assembly::of(&[1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let one = assembly.signed_ballot(0, proposal, Approve);
    let other = assembly.signed_ballot(1, proposal, Approve);
    assert_eq!(one.statement, one.statement.clone());
    assert_ne!(one.statement, other.statement);
    assert!(format!("{:?}", one.statement).contains("Ballot"));
    let verifier = Signatures::StandIn.verifier();
    let keys = [assembly.signer(0).key(), assembly.signer(1).key()];
    assert!(one.clone().verify(keys[0], verifier).is_some());
    assert!(one.verify(keys[1], verifier).is_none());
}

#[test]
fn recoveries_are_counted() {
    let mut assembly = Assembly::of(&[1]);
    for count in 1..=3 {
        assembly.accept(&Command::RecordRecovery(RecoveryRecorded {
            bytes: 10,
            offset: 1000,
            sha256: Digest::of(b"torn"),
        }));
        assert_eq!(assembly.state().recoveries(), count);
    }
}
