//! A team writes a policy of its own and tests it before anybody signs it.
//!
//! In a crate that builds on Althing these would be tests, with the feature `testing` among its
//! development dependencies. Here they print what they find.
//!
//! Run with `cargo run --example testing_a_policy`.

use std::error::Error;

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::invariant;
use althing::governance::kind::ProposalKind;
use althing::governance::policy::{Policy, PredictionPolicy, RuleOverride};
use althing::governance::policy_lint::{Severity, lint};
use althing::governance::proposal::{Action, FreezeTarget};
use althing::governance::state::proposal::Status;
use althing::governance::time::Seconds;
use althing::governance::weight::Weight;
use althing::testing::scenario::{
    Scenario, Stage, accuses, authorizes, events, executes, holds, passes, predicts, proposes,
    refused, status, vote_each, votes, waits,
};
use althing::testing::{History, actions, strategies};
use proptest::prelude::{ProptestConfig, Strategy as _};
use proptest::test_runner::TestRunner;

/// Five hospitals, one of them small. Were one of them as large as two others, the linter would say
/// that it blocks changes of membership alone.
const HOSPITALS: [u64; 5] = [2, 2, 2, 2, 1];

/// What they agree on: more than half of all weight lets a model run, after an hour in which
/// evidence can still overturn it; anybody's prediction needs a grant; recalling is easier.
fn hospitals() -> Result<Policy, Box<dyn Error>> {
    let mut policy = Policy {
        predictions: PredictionPolicy::Refuse,
        ..Policy::default()
    };
    let authorize = RuleOverride {
        absolute: Some(Some("1/2".parse()?)),
        timelock_seconds: Some(Seconds::HOUR),
        ..RuleOverride::default()
    };
    policy.kinds.insert(ProposalKind::AuthorizeModel, authorize);
    let revoke = RuleOverride {
        approval: Some(Some("1/2".parse()?)),
        quorum: Some(Some("1/2".parse()?)),
        ..RuleOverride::default()
    };
    policy.kinds.insert(ProposalKind::RevokeModel, revoke);
    policy.validate()?;
    Ok(policy)
}

fn main() -> Result<(), Box<dyn Error>> {
    let policy = hospitals()?;
    lints_clean(&policy)?;
    no_minority_authorizes(&policy);
    half_of_the_weight_recalls(&policy);
    the_brake_works(&policy);
    evidence_overturns_in_time(&policy);
    every_history_keeps_the_promises(&policy)?;
    Ok(())
}

/// Nothing that the linter calls an error or a warning, but for what is meant.
fn lints_clean(policy: &Policy) -> Result<(), Box<dyn Error>> {
    let weights: Option<Vec<Weight>> = HOSPITALS.into_iter().map(Weight::new).collect();
    let report = lint(policy, &weights.ok_or("weights of at least 1")?)?;
    let worse = report
        .findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info);
    for finding in worse.clone() {
        println!("  {}: {}", finding.code.name(), finding.message);
    }
    assert_eq!(worse.count(), 0, "the policy does not lint clean");
    println!("lints clean, with {} remarks", report.findings.len());
    Ok(())
}

/// All sets of hospitals.
fn coalitions() -> impl Iterator<Item = Vec<usize>> {
    (0..1_u32 << HOSPITALS.len()).map(|set| {
        let members = 0..HOSPITALS.len();
        members.filter(|member| set >> member & 1 == 1).collect()
    })
}

fn weight(coalition: &[usize]) -> u64 {
    coalition.iter().map(|member| HOSPITALS[*member]).sum()
}

/// Whether a proposal passes which this coalition approves and everybody else rejects.
fn prevails(policy: &Policy, coalition: &[usize], action: &Action) -> bool {
    let others: Vec<usize> = (0..HOSPITALS.len())
        .filter(|member| !coalition.contains(member))
        .collect();
    let mut story =
        Scenario::under(policy.clone(), &HOSPITALS).given(proposes(0, "it", action.clone()));
    // Once it is decided, further ballots are refused.
    story = story.when(vote_each(coalition.iter().copied(), "it", Approve));
    story = story.when(vote_each(others, "it", Reject));
    let stage = story.stage();
    let found = stage.assembly.status(stage.proposal("it"));
    matches!(found, Status::Queued | Status::Executed)
}

/// The least weight with which some coalition prevails, and the most with which one still does not.
fn bounds(policy: &Policy, action: &Action) -> (u64, u64) {
    let mut least = u64::MAX;
    let mut most = 0;
    for coalition in coalitions() {
        let weight = weight(&coalition);
        if prevails(policy, &coalition, action) {
            least = least.min(weight);
        } else {
            most = most.max(weight);
        }
    }
    (least, most)
}

fn no_minority_authorizes(policy: &Policy) {
    let (least, most) = bounds(policy, &actions::authorize_model("triage"));
    println!("a model: weight {least} of 9 authorizes against all others, {most} does not");
    assert_eq!((least, most), (6, 5));
}

fn half_of_the_weight_recalls(policy: &Policy) {
    let (least, most) = bounds(policy, &actions::revoke_model("triage"));
    println!("a recall: weight {least} of 9 is always enough, {most} is not");
    assert_eq!((least, most), (5, 4));
}

fn the_brake_works(policy: &Policy) {
    let freeze = |stage: &mut Stage| Action::EmergencyFreeze {
        target: FreezeTarget::Subject(actions::model("triage")),
        until: stage.assembly.now().saturating_add(Seconds::HOUR),
    };
    let story = Scenario::under(policy.clone(), &HOSPITALS)
        .given(passes(
            [0, 1, 2],
            "triage",
            actions::authorize_model("triage"),
        ))
        .when(predicts("triage"))
        .then(refused("prediction.unauthorized"))
        .given(waits(3_600))
        .given(executes("triage"))
        .when(predicts("triage"))
        .then(events(["prediction_recorded under triage"]))
        // Four of nine are more than a third, and need nobody else.
        .when(passes([1, 2], "brake", freeze))
        .then(status("brake", Status::Executed))
        .when(predicts("triage"))
        .then(refused("prediction.unauthorized"))
        .given(waits(3_600))
        .when(predicts("triage"))
        .then(events(["prediction_recorded under triage"]));
    println!("the brake, in {} steps:", story.told().len());
    for line in story.told() {
        println!("    {line}");
    }
}

fn evidence_overturns_in_time(policy: &Policy) {
    let _ = Scenario::under(policy.clone(), &HOSPITALS)
        .given(authorizes(0, "triage"))
        .given(vote_each([1, 2], "triage", Approve))
        .when(votes(0, "triage", Approve))
        .then(events(["vote_cast", "consensus_reached passed yes 6 of 9"]))
        .then(status("triage", Status::Queued))
        .when(accuses(1, "triage"))
        .then(events([
            "byzantine_detected node-1 suspended",
            "decision_overturned triage",
        ]))
        .when(executes("triage"))
        .then(refused("execute.not-queued"))
        .then(holds("nothing was granted", |stage| {
            stage.assembly.state().authorizations().iter().count() == 0
        }));
    println!("evidence within the hour overturns");
}

/// Whatever is tried, in whatever order: the promises hold, and the ledger replays to its state.
fn every_history_keeps_the_promises(policy: &Policy) -> Result<(), Box<dyn Error>> {
    let policy = policy.clone();
    let histories = strategies::histories(12).prop_map(move |history| History {
        weights: HOSPITALS.to_vec(),
        policy: policy.clone(),
        ..history
    });
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(40)
    };
    TestRunner::new(config)
        .run(&histories, |history| {
            let assembly = history.play().assembly;
            assert_eq!(invariant::check_settled(assembly.state()), Ok(()));
            assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
            Ok(())
        })
        .map_err(|error| error.to_string())?;
    println!("40 histories keep every promise");
    Ok(())
}
