//! The given/when/then harness: what it takes, what it refuses, and what it says then.

use std::panic::{AssertUnwindSafe, catch_unwind};

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::command::Command;
use althing::governance::key::Algorithm;
use althing::governance::policy::Policy;
use althing::governance::state::proposal::Status;
use althing::governance::time::Seconds;
use althing::testing::actions::{authorize_model, remove_node};
use althing::testing::scenario::{
    Scenario, Stage, accuses, authorizes, closes, events, executes, holds, nothing, passes,
    predicts, proposes, refused, rotates, status, submits, tainted, vote_each, votes, waits,
    waits_for_deadline, withdraws,
};
use althing::testing::{Assembly, Signatures};

fn with_timelock() -> Policy {
    let mut policy = Policy::default();
    policy.default.timelock_seconds = Seconds::HOUR;
    policy
}

/// Every word that a scenario has, and what comes of it, under all kinds of signatures.
fn a_long_story(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1; 4])
        .when(authorizes(0, "triage"))
        .then(events([
            "proposal_created triage authorize-model by node-0",
        ]))
        .given(vote_each([0, 1], "triage", Approve))
        .when(votes(2, "triage", Approve))
        .then(events([
            "vote_cast node-2 triage approve",
            "consensus_reached triage passed early yes 3 of 4",
            "authorization_granted triage model urn:model:triage",
        ]))
        .when(predicts("triage"))
        .then(events(["prediction_recorded under triage"]))
        .given(authorizes(0, "other"))
        .when(withdraws("other"))
        .then(events(["proposal_withdrawn other"]))
        .when(rotates(1))
        .then(events(["key_rotated node-1"]))
        .given(authorizes(1, "late"))
        .when(closes("late"))
        .then(refused("close.before-deadline"))
        .when(votes(1, "late", Reject))
        .then(events(["vote_cast reject"]))
        .when(submits("the same ballot comes again", |stage| {
            let proposal = stage.proposal("late");
            Command::Vote(stage.assembly.signed_ballot(1, proposal, Reject))
        }))
        .then(nothing())
        .given(waits_for_deadline("late"))
        .when(closes("late"))
        .then(events(["consensus_reached late expired close quorum no 1"]))
        .then(status("late", Status::Expired))
        .when(accuses(0, "triage"))
        .then(events(["byzantine_detected node-0 triage suspended"]))
        .then(status("triage", Status::Executed))
        .then(tainted("triage", true))
        .then(holds("node 0 is in no electorate", |stage| {
            stage.assembly.state().registry().active_count() == 3
        }))
        .given(passes([1, 2, 3], "removal", |stage: &mut Stage| {
            remove_node(stage.assembly.id(0))
        }))
        .then(status("removal", Status::Executed))
}

#[test]
fn a_scenario_tells_a_history_and_replays_to_it() {
    let mut bytes = Vec::new();
    for signatures in [
        Signatures::StandIn,
        Signatures::MlDsa(Algorithm::MlDsa44),
        Signatures::Deterministic(Algorithm::MlDsa44),
    ] {
        let told = a_long_story(signatures);
        let assembly = &told.stage().assembly;
        assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
        bytes.push(assembly.bytes().to_vec());
    }
    // Keys come from seeds, and so do signatures where they are made without chance.
    let again = a_long_story(Signatures::Deterministic(Algorithm::MlDsa44));
    assert_eq!(again.stage().assembly.bytes(), bytes[2]);
    let again = a_long_story(Signatures::MlDsa(Algorithm::MlDsa44));
    assert_ne!(again.stage().assembly.bytes(), bytes[1]);
}

#[test]
fn a_scenario_goes_on_from_what_is_recorded() {
    let mut assembly = Assembly::under(with_timelock(), &[2, 1]);
    assembly.pass([0, 1], authorize_model("before"));
    Scenario::on(assembly)
        .given(passes([0, 1], "triage", authorize_model("triage")))
        .when(executes("triage"))
        .then(refused("execute.before-timelock"))
        .given(waits(3_600))
        .when(executes("triage"))
        .then(events(["authorization_granted triage"]));
}

/// What a scenario says that does not hold.
fn complaint(tell: impl FnOnce() -> Scenario) -> String {
    let failure = catch_unwind(AssertUnwindSafe(tell)).expect_err("it does not hold");
    failure.downcast_ref::<String>().expect("a message").clone()
}

fn opened() -> Scenario {
    Scenario::of(&[1, 1, 1]).given(proposes(0, "triage", authorize_model("triage")))
}

#[test]
fn what_does_not_hold_is_told_with_the_history_and_side_by_side() {
    let message = complaint(|| {
        opened()
            .given(votes(0, "triage", Approve))
            .when(votes(1, "triage", Approve))
            .then(events([
                "vote_cast node-1 approve",
                "consensus_reached rejected",
                "proposal_failed",
                "policy_updated",
            ]))
    });
    let expected = r#"
  given   founders of weights 1, 1, 1
  given   node 0 proposes "triage"
  given   node 0 votes approve on "triage"
  when    node 1 votes approve on "triage"
  then    these events are recorded

        expected                    found
     1  vote_cast node-1 approve    vote_cast node-1 triage approve
  ≠  2  consensus_reached rejected  consensus_reached triage passed early conditions-met yes 2 no 0 abs 0 byz 0 of 3
  ≠  3  proposal_failed             authorization_granted triage model urn:model:triage
  ≠  4  policy_updated              (nothing)
"#;
    assert_eq!(message, expected);
}

#[test]
fn every_expectation_can_fail() {
    let vote = || opened().when(votes(1, "triage", Approve));
    type Tell = fn(Scenario) -> Scenario;
    let wrong: [(Tell, &str); 8] = [
        (|it| it.then(events([])), "≠  1  (nothing)"),
        (|it| it.then(nothing()), "≠  1  (nothing)"),
        (
            |it| it.then(refused("ballot.signature")),
            "found     accepted",
        ),
        (
            |it| it.then(status("triage", Status::Executed)),
            "found     voting",
        ),
        (|it| it.then(tainted("triage", true)), "found     false"),
        (|it| it.then(holds("the end", |_| false)), "then    the end"),
        (
            |it| it.then(status("other", Status::Voting)),
            "nothing was proposed as \"other\"",
        ),
        (
            |it| it.given(closes("triage")),
            "refused: close.before-deadline",
        ),
    ];
    for (tell, part) in wrong {
        let message = complaint(|| tell(vote()));
        assert!(message.contains(part), "{part}: {message}");
    }
    let refusal =
        |code: &'static str| complaint(move || opened().when(closes("triage")).then(refused(code)));
    assert!(refusal("proposal.closed").contains("found     close.before-deadline"));
    let message = complaint(|| opened().when(closes("triage")).then(nothing()));
    assert!(
        message.contains("found     close.before-deadline"),
        "{message}"
    );
    let message = complaint(|| opened().then(nothing()));
    assert!(
        message.contains("nothing was told of with `when`"),
        "{message}"
    );
}
