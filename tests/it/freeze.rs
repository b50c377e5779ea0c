//! Freezes: who can pull the brake, what it stops, and that it ends by itself.

use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::event::{Event, FailureReason};
use althing::governance::id::Subject;
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::Policy;
use althing::governance::prediction::PredictionVerdict;
use althing::governance::proposal::{Action, DelegationTerms, FreezeTarget, GrantTerms};
use althing::governance::scope::CheckContext;
use althing::governance::state::authorization::{CheckReason, GrantStatus};
use althing::governance::state::proposal::Status;
use althing::governance::time::{Seconds, Timestamp};
use althing::testing::actions::{self, authorize_model, revoke_model};
use althing::testing::{Assembly, prediction};

const HOUR: u64 = 3_600;

fn target(subject: &Subject) -> FreezeTarget {
    FreezeTarget::Subject(subject.clone())
}

/// A freeze of a model, or of everything, for so many hours from now.
fn freeze(assembly: &Assembly, target: FreezeTarget, hours: u64) -> Action {
    let until = later(assembly.now(), hours * HOUR);
    Action::EmergencyFreeze { target, until }
}

fn later(at: Timestamp, seconds: u64) -> Timestamp {
    at.saturating_add(Seconds::new(seconds).expect("a length of time"))
}

fn triage() -> FreezeTarget {
    target(&actions::model("triage"))
}

fn check(assembly: &Assembly, model: &str) -> CheckReason {
    let authorizations = assembly.state().authorizations();
    let context = CheckContext::default();
    let subject = actions::model(model);
    authorizations
        .check(AuthorizationKind::Model, &subject, &context, assembly.now())
        .reason
}

#[track_caller]
fn replays(assembly: &Assembly) {
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

/// A group of three in which a model is authorized.
fn with_grant() -> Assembly {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    assembly.pass([0, 1], authorize_model("triage"));
    assembly
}

#[test]
fn more_than_a_third_freezes_at_once_and_the_freeze_ends_by_itself() {
    let mut assembly = Assembly::of(&[2, 3, 1]);
    assembly.pass([0, 1], authorize_model("triage"));
    let action = freeze(&assembly, triage(), 2);
    let proposal = assembly.propose(0, action);
    // Two of six are exactly a third: not enough.
    assembly.vote(0, proposal, Approve);
    assert_eq!(assembly.status(proposal), Status::Voting);
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    assembly.vote(2, proposal, Approve);
    assert_eq!(assembly.status(proposal), Status::Executed);
    assert_eq!(check(&assembly, "triage"), CheckReason::Frozen);
    let grants = assembly.state().authorizations();
    let (grant, _) = grants.iter().next().expect("a grant");
    assert_eq!(
        grants.status(grant, assembly.now()),
        Some(GrantStatus::Frozen)
    );
    assembly.wait(2 * HOUR);
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    replays(&assembly);
}

#[test]
fn a_freeze_of_everything_denies_everyone_and_flags_predictions() {
    let mut assembly = with_grant();
    let action = freeze(&assembly, FreezeTarget::Everything, 1);
    assembly.pass([0, 1], action);
    // Frozen beats everything, an unknown subject included.
    for model in ["triage", "unheard-of"] {
        assert_eq!(check(&assembly, model), CheckReason::Frozen, "{model}");
    }
    let events = assembly.accept(&Command::RecordPrediction(prediction("triage")));
    let [Event::PredictionRecorded(recorded)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(recorded.verdict, PredictionVerdict::Unauthorized);
    replays(&assembly);
}

#[test]
fn nothing_is_granted_to_a_frozen_subject_before_the_freeze_ends() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let action = freeze(&assembly, triage(), 2);
    assembly.pass([0, 1], action);
    let grant = assembly.pass([0, 1], authorize_model("triage"));
    assert_eq!(assembly.status(grant), Status::Queued);
    let refused = assembly.submit(&Command::Execute(grant));
    assert_eq!(refused.unwrap_err().code(), "execute.frozen");
    // Revocations go on.
    let revocation = assembly.pass([1, 2], revoke_model("other"));
    assert_eq!(assembly.status(revocation), Status::Executed);
    assembly.wait(2 * HOUR);
    assembly.execute(grant);
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    replays(&assembly);
}

#[test]
fn the_time_to_execute_stretches_by_the_frozen_time() {
    let mut policy = Policy::default();
    policy.default.timelock_seconds = Seconds::HOUR;
    policy.default.window_seconds = Seconds::HOUR;
    // The brake itself does not wait.
    let brake = policy
        .kinds
        .entry(althing::governance::kind::ProposalKind::EmergencyFreeze)
        .or_default();
    brake.timelock_seconds = Some(Seconds::ZERO);
    for (waited, status) in [
        // Open from hour 1 to hour 2, plus two frozen hours: until hour 4.
        (3 * HOUR + 3_599, Status::Executed),
        (4 * HOUR, Status::Lapsed),
    ] {
        let mut assembly = Assembly::under(policy.clone(), &[1, 1, 1]);
        let started = assembly.now();
        let grant = assembly.pass([0, 1], authorize_model("triage"));
        let decided = assembly.now();
        assembly.wait_until(later(started, HOUR + 60));
        let action = freeze(&assembly, triage(), 2);
        assembly.pass([0, 1], action);
        assembly.wait_until(later(decided, waited));
        assembly.execute(grant);
        assert_eq!(assembly.status(grant), status, "{waited}");
        replays(&assembly);
    }
}

#[test]
fn the_time_to_pass_a_grant_on_stretches_by_its_owners_freeze() {
    let mut policy = Policy::default();
    policy.default.window_seconds = Seconds::HOUR;
    let mut assembly = Assembly::under(policy, &[1, 1, 1]);
    let parent = assembly.pass([0, 1], actions::authorize_agent("root"));
    let root = target(&actions::agent("root"));
    let action = freeze(&assembly, root, 24);
    assembly.pass([0, 1], action);
    let terms = GrantTerms::unrestricted(actions::agent("child"));
    let delegation = Action::Delegation(DelegationTerms { parent, terms });
    let delegation = assembly.pass([0, 1], delegation);
    assert_eq!(assembly.status(delegation), Status::Queued);
    assembly.wait(24 * HOUR + 60);
    assembly.execute(delegation);
    assert_eq!(assembly.status(delegation), Status::Executed);
    replays(&assembly);
}

#[test]
fn expiry_runs_on_while_frozen() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let Action::AuthorizeModel(mut terms) = authorize_model("triage") else {
        panic!("a model");
    };
    terms.expires_at = Some(later(assembly.now(), HOUR));
    assembly.pass([0, 1], Action::AuthorizeModel(terms));
    let action = freeze(&assembly, triage(), 2);
    assembly.pass([0, 1], action);
    assembly.wait(2 * HOUR);
    assert_eq!(check(&assembly, "triage"), CheckReason::Expired);
}

#[test]
fn a_freeze_is_lifted_by_more_than_two_thirds_only() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    assembly.pass([0, 1], authorize_model("triage"));
    let action = freeze(&assembly, triage(), 2);
    assembly.pass([0, 1], action);
    let target = triage();
    let lift = assembly.propose(0, Action::LiftFreeze { target });
    assembly.vote_all([0, 1], lift, Approve);
    assert_eq!(assembly.status(lift), Status::Voting);
    assert_eq!(check(&assembly, "triage"), CheckReason::Frozen);
    assembly.vote(2, lift, Approve);
    assert_eq!(assembly.status(lift), Status::Executed);
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    // Nothing is left to lift.
    let target = triage();
    let draft = assembly.draft(0, Action::LiftFreeze { target });
    let again = assembly.submit(&Command::Propose(assembly.sign(0, draft)));
    assert_eq!(again.unwrap_err().code(), "freeze.not-frozen");
    replays(&assembly);
}

#[test]
fn lifting_what_has_ended_by_itself_fails_and_halts_nothing() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let action = freeze(&assembly, triage(), 1);
    assembly.pass([0, 1], action);
    let target = triage();
    let lift = assembly.propose(0, Action::LiftFreeze { target });
    assembly.wait(HOUR);
    assembly.vote_all([0, 1], lift, Approve);
    let events = assembly.vote(2, lift, Approve);
    let Some(Event::ProposalFailed(failed)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(failed.reason, FailureReason::NotFrozen);
    replays(&assembly);
}

#[test]
fn no_third_can_freeze_for_ever() {
    // Two of four freeze. For as long again they need two more.
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let action = freeze(&assembly, triage(), 2);
    let first = assembly.pass([0, 1], action);
    assert_eq!(assembly.status(first), Status::Executed);
    assembly.wait(2 * HOUR);
    let action = freeze(&assembly, FreezeTarget::Everything, 2);
    let second = assembly.propose(0, action);
    assembly.vote_all([0, 1], second, Approve);
    assert_eq!(assembly.status(second), Status::Voting);
    assembly.vote(2, second, Approve);
    assert_eq!(assembly.status(second), Status::Executed);
    replays(&assembly);
}

#[test]
fn a_freeze_prepared_before_the_first_one_does_not_follow_it_either() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let action = freeze(&assembly, triage(), 48);
    let prepared = assembly.propose(0, action);
    assembly.vote(0, prepared, Approve);
    let action = freeze(&assembly, triage(), 2);
    assembly.pass([1, 2], action);
    let events = assembly.vote(1, prepared, Approve);
    let Some(Event::ProposalFailed(failed)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(failed.reason, FailureReason::FreezeTooSoon);
    replays(&assembly);
}

#[test]
fn a_freeze_has_an_end_within_the_policys_bound() {
    let mut assembly = Assembly::of(&[1]);
    for (hours, code) in [(0, "freeze.end-in-past"), (73, "freeze.too-long")] {
        let action = freeze(&assembly, triage(), hours);
        let draft = assembly.draft(0, action);
        let refused = assembly.submit(&Command::Propose(assembly.sign(0, draft)));
        assert_eq!(refused.unwrap_err().code(), code);
    }
}
