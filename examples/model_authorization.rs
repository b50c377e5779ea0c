//! A group decides whether a model may run, and a gate asks for the answer.
//!
//! Run with `cargo run --example model_authorization`.

mod shared;

use althing::governance::State;
use althing::governance::ballot::Decision;
use althing::governance::id::Subject;
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, GrantTerms, RevocationTerms};
use althing::governance::scope::{CheckContext, Scope};
use althing::governance::time::{Seconds, Timestamp};
use althing::node::Node;
use shared::{Group, Outcome};

fn main() -> Outcome {
    let founders = [
        ("Radiology", 3),
        ("Cardiology", 2),
        ("Ethics", 2),
        ("IT", 2),
    ];
    let mut group = Group::found(&founders, Policy::default())?;
    let model: Subject = "urn:model:triage:1.2".parse()?;

    println!("Before any decision:");
    ask(group.state(), &model, &[("environment", "prod")], group.now)?;

    println!("The group authorizes the model for production, for 30 days:");
    let mut scope = Scope::unrestricted();
    scope.allow("environment", "prod")?;
    scope.allow("max_rate_qps", "50")?;
    let terms = GrantTerms {
        expires_at: Some(group.now.saturating_add(Seconds::days(30))),
        scope,
        ..GrantTerms::unrestricted(model.clone())
    };
    let grant = group.propose(
        "Radiology",
        "Authorize triage 1.2",
        Action::AuthorizeModel(terms),
    )?;
    group.vote("Radiology", grant, Decision::Approve)?;
    group.vote("Cardiology", grant, Decision::Approve)?;
    // 7 of 9 approve: whatever IT does, two thirds are reached, so the decision falls here.
    group.vote("Ethics", grant, Decision::Approve)?;

    println!("A deployment gate asks:");
    ask(group.state(), &model, &[("environment", "prod")], group.now)?;
    ask(group.state(), &model, &[("environment", "test")], group.now)?;
    ask(group.state(), &model, &[], group.now)?;
    let later = group.now.saturating_add(Seconds::days(30));
    ask(group.state(), &model, &[("environment", "prod")], later)?;

    println!("The group revokes it:");
    group.wait(Seconds::DAY);
    let all = RevocationTerms {
        grant_id: None,
        subject: model.clone(),
    };
    let revocation = group.propose("Ethics", "Revoke triage 1.2", Action::RevokeModel(all))?;
    for member in ["Radiology", "Cardiology", "Ethics"] {
        group.vote(member, revocation, Decision::Approve)?;
    }
    ask(group.state(), &model, &[("environment", "prod")], group.now)?;

    println!("Replaying the ledger rebuilds the state:");
    let recorded = group.state().hash();
    let replayed = Node::open(group.node.into_ledger())?.state().hash();
    println!("  recorded {recorded}\n  replayed {replayed}");
    assert_eq!(recorded, replayed);
    Ok(())
}

/// Prints whether the model may run in a context.
fn ask(state: &State, model: &Subject, context: &[(&str, &str)], at: Timestamp) -> Outcome {
    let mut claims = CheckContext::default();
    for (key, value) in context {
        claims.set(key, value)?;
    }
    let outcome = state
        .authorizations()
        .check(AuthorizationKind::Model, model, &claims, at);
    let answer = if outcome.is_allowed() {
        "allowed"
    } else {
        "denied"
    };
    let reason = outcome.reason.name();
    let obligations = outcome.obligations;
    println!("  {context:?} at {at}: {answer} ({reason}), obligations {obligations:?}");
    Ok(())
}
