//! Delegation: a part of a grant for another agent, live only with everything above it.

use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::event::{Event, FailureReason};
use althing::governance::id::{GrantId, ProposalId};
use althing::governance::kind::AuthorizationKind;
use althing::governance::proposal::{
    Action, DelegationTerms, FreezeTarget, GrantTerms, RevocationTerms,
};
use althing::governance::scope::{CheckContext, Scope};
use althing::governance::state::authorization::{CheckOutcome, CheckReason};
use althing::governance::state::proposal::Status;
use althing::governance::time::{Seconds, Timestamp};
use althing::testing::Assembly;
use althing::testing::actions::{agent, authorize_model, model, revoke_agent};

type Pairs = &'static [(&'static str, &'static str)];

fn terms(name: &str, scope: Pairs) -> GrantTerms {
    let mut limits = Scope::unrestricted();
    for (key, value) in scope {
        limits.allow(key, value).expect("a scope");
    }
    GrantTerms {
        scope: limits,
        ..GrantTerms::unrestricted(agent(name))
    }
}

fn delegation(parent: GrantId, terms: GrantTerms) -> Action {
    Action::Delegation(DelegationTerms { parent, terms })
}

fn circumstances(context: Pairs) -> CheckContext {
    let mut circumstances = CheckContext::default();
    for (key, value) in context {
        circumstances.set(key, value).expect("a context");
    }
    circumstances
}

fn check(assembly: &Assembly, name: &str, context: Pairs) -> CheckOutcome {
    let kind = AuthorizationKind::Delegation;
    let grants = assembly.state().authorizations();
    grants.check(kind, &agent(name), &circumstances(context), assembly.now())
}

fn later(at: Timestamp, hours: u64) -> Timestamp {
    at.saturating_add(Seconds::new(hours * 3_600).expect("a length of time"))
}

#[track_caller]
fn replays(assembly: &Assembly) {
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

const PARENT_SCOPE: Pairs = &[
    ("environment", "prod"),
    ("environment", "test"),
    ("max_rate_qps", "10"),
];
const CHILD_SCOPE: Pairs = &[("environment", "prod"), ("max_rate_qps", "4")];
const PROD: Pairs = &[("environment", "prod")];
const TEST: Pairs = &[("environment", "test")];

/// A group of one, an agent with a grant, and a delegation of it.
fn with_delegation() -> (Assembly, GrantId, GrantId) {
    let mut assembly = Assembly::of(&[1]);
    let root = assembly.pass([0], Action::AuthorizeAgent(terms("root", PARENT_SCOPE)));
    let child = assembly.pass([0], delegation(root, terms("child", CHILD_SCOPE)));
    (assembly, root, child)
}

#[test]
fn a_delegate_may_do_its_part_and_no_more() {
    let (assembly, _, child) = with_delegation();
    let outcome = check(&assembly, "child", PROD);
    assert_eq!(outcome.reason, CheckReason::Granted);
    assert_eq!(outcome.grants, [child]);
    assert_eq!(outcome.obligations.get("max_rate_qps"), Some(&4));
    // Its own limit, and that of the grant that it was passed on from.
    let (name, context) = (agent("child"), circumstances(PROD));
    let grants = assembly.state().authorizations();
    let judged = grants.judge(
        AuthorizationKind::Delegation,
        &name,
        &context,
        assembly.now(),
    );
    let limits: Vec<u64> = judged.obligations().map(|(_, limit)| limit).collect();
    assert_eq!(limits, [4, 10]);
    let outside = check(&assembly, "child", TEST);
    assert_eq!(outside.reason, CheckReason::OutOfScope);
    replays(&assembly);
}

#[test]
fn revoking_or_freezing_an_ancestor_ends_the_delegate_too() {
    let (mut assembly, _, _) = with_delegation();
    let until = later(assembly.now(), 1);
    let target = FreezeTarget::Subject(agent("root"));
    assembly.pass([0], Action::EmergencyFreeze { target, until });
    let frozen = check(&assembly, "child", PROD);
    assert_eq!(frozen.reason, CheckReason::ParentNotLive);
    assembly.wait(3_600);
    assert_eq!(check(&assembly, "child", PROD).reason, CheckReason::Granted);
    assembly.pass([0], revoke_agent("root"));
    let revoked = check(&assembly, "child", PROD);
    assert_eq!(revoked.reason, CheckReason::ParentNotLive);
    replays(&assembly);
}

#[test]
fn a_delegation_is_revoked_by_its_own_kind() {
    let (mut assembly, _, _) = with_delegation();
    let subject = agent("child");
    let grant_id = None;
    let action = Action::RevokeDelegation(RevocationTerms { grant_id, subject });
    assembly.pass([0], action);
    let outcome = check(&assembly, "child", PROD);
    assert_eq!(outcome.reason, CheckReason::Revoked);
    replays(&assembly);
}

/// What is refused when it is proposed.
#[test]
fn terms_that_are_no_part_of_the_grant_are_refused() {
    let mut assembly = Assembly::of(&[1]);
    let mut parent = terms("root", PARENT_SCOPE);
    parent.not_before = Some(later(assembly.now(), 1));
    parent.expires_at = Some(later(assembly.now(), 10));
    let (start, end) = (parent.not_before, parent.expires_at);
    let root = assembly.pass([0], Action::AuthorizeAgent(parent));
    let model_grant = assembly.pass([0], authorize_model("triage"));
    let unknown = ProposalId::from_uuid(assembly.next_id());
    let now = assembly.now();
    let within = |name: &str, scope: Pairs| GrantTerms {
        not_before: start,
        expires_at: end,
        ..terms(name, scope)
    };
    type Change = fn(&mut GrantTerms, Timestamp);
    let nothing: Change = |_, _| {};
    for (parent, mut terms, change, accepted) in [
        (root, within("child", CHILD_SCOPE), nothing, true),
        (root, within("child", &[]), nothing, false),
        (root, within("child", PROD), nothing, false),
        (
            root,
            within("child", CHILD_SCOPE),
            |t, _| t.expires_at = None,
            false,
        ),
        (
            root,
            within("child", CHILD_SCOPE),
            |t, _| t.not_before = None,
            false,
        ),
        (
            root,
            within("child", CHILD_SCOPE),
            |t, now| t.expires_at = Some(later(now, 11)),
            false,
        ),
        (
            root,
            within("child", CHILD_SCOPE),
            |t, now| t.not_before = Some(later(now, 0)),
            false,
        ),
        (root, within("root", CHILD_SCOPE), nothing, false),
        (unknown, within("child", CHILD_SCOPE), nothing, false),
        (
            model_grant,
            GrantTerms::unrestricted(model("triage")),
            nothing,
            false,
        ),
    ] {
        change(&mut terms, now);
        let shown = format!("{terms:?}");
        let draft = assembly.draft(0, delegation(parent, terms));
        let submitted = assembly.submit(&Command::Propose(assembly.sign(0, draft)));
        let code = submitted.err().map(|rejection| rejection.code());
        let expected = (!accepted).then_some("delegation.invalid");
        assert_eq!(code, expected, "{shown}");
    }
}

#[test]
fn nothing_is_passed_on_more_often_than_the_policy_allows_or_in_a_circle() {
    let (mut assembly, _, child) = with_delegation();
    let mut parent = child;
    for name in ["second", "third"] {
        parent = assembly.pass([0], delegation(parent, terms(name, CHILD_SCOPE)));
        assert_eq!(assembly.status(parent), Status::Executed, "{name}");
    }
    for (parent, name) in [(parent, "fourth"), (child, "root")] {
        let draft = assembly.draft(0, delegation(parent, terms(name, CHILD_SCOPE)));
        let submitted = assembly.submit(&Command::Propose(assembly.sign(0, draft)));
        assert_eq!(
            submitted.unwrap_err().code(),
            "delegation.invalid",
            "{name}"
        );
    }
    assert_eq!(check(&assembly, "third", PROD).reason, CheckReason::Granted);
    replays(&assembly);
}

#[test]
fn a_delegation_of_what_was_revoked_in_between_fails() {
    // Two nodes, so that something can happen between opening and decision.
    let mut assembly = Assembly::of(&[1, 1]);
    let root = assembly.pass([0, 1], Action::AuthorizeAgent(terms("root", PARENT_SCOPE)));
    let pending = assembly.propose(0, delegation(root, terms("child", CHILD_SCOPE)));
    assembly.vote(0, pending, Approve);
    assembly.pass([0, 1], revoke_agent("root"));
    let events = assembly.vote(1, pending, Approve);
    let Some(Event::ProposalFailed(failed)) = events.last() else {
        panic!("{events:?}");
    };
    assert_eq!(failed.reason, FailureReason::Parent);
    replays(&assembly);
}
