//! Grants, what ends them and what holds them up; predictions.

use althing::governance::ballot::Decision::Approve;
use althing::governance::command::Command;
use althing::governance::digest::Digest;
use althing::governance::event::RecoveryRecorded;
use althing::governance::kind::AuthorizationKind;
use althing::governance::policy::{Policy, PredictionPolicy};
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::scope::CheckContext;
use althing::governance::state::authorization::CheckReason;
use althing::governance::state::proposal::Status;
use althing::governance::time::Seconds;
use althing::testing::actions::{
    self, authorize_agent, authorize_model, revoke_agent, revoke_grant, revoke_model,
};
use althing::testing::scenario::{
    Expected, Scenario, Stage, authorizes, events, executes, holds, passes, predicts, proposes,
    refused, status, submits, votes, waits,
};
use althing::testing::{Signatures, prediction};

use super::{Golden, delegates, freezes, golden, lifts, timelocked};

pub const SCENARIOS: &[Golden] = &[
    golden(
        "scope-and-period",
        "A grant for one environment, with a limit, from an hour from now until its expiry.",
        "AUTH-2, AUTH-5, AUTH-7",
        scope_and_period,
    ),
    golden(
        "revocation-overtakes",
        "A revocation ends a model's grants and overtakes older proposals to grant the same, in voting and waiting.",
        "AUTH-10, AUTH-12",
        revocation_overtakes,
    ),
    golden(
        "one-grant-revoked",
        "One of two grants is revoked by name; the other holds.",
        "AUTH-3, AUTH-10, AUTH-12",
        one_grant_revoked,
    ),
    golden(
        "freeze-lift-freeze",
        "More than a third freezes, more than two thirds lift, and a second freeze needs more than two thirds.",
        "AUTH-13, AUTH-17, AUTH-18, AUTH-19",
        freeze_lift_freeze,
    ),
    golden(
        "freeze-holds-a-grant",
        "A decision to grant waits for the end of a freeze.",
        "AUTH-15, AUTH-16",
        freeze_holds_a_grant,
    ),
    golden(
        "freeze-of-everything",
        "Everything is frozen for an hour, and then not any more.",
        "AUTH-13, AUTH-14, PRED-4",
        freeze_of_everything,
    ),
    golden(
        "delegation-cascade",
        "An agent's grant is passed on twice. When it is revoked, nothing that hangs on it holds.",
        "AUTH-20, AUTH-22",
        delegation_cascade,
    ),
    golden(
        "delegation-revoked",
        "What was passed on is revoked; what it was passed on from holds.",
        "AUTH-10, AUTH-20",
        delegation_revoked,
    ),
    golden(
        "predictions-recorded",
        "Predictions before, under and after a grant, under a policy that records them all.",
        "PRED-4, PRED-5",
        predictions_recorded,
    ),
    golden(
        "predictions-refused",
        "Under a policy that refuses them, predictions without a grant leave no trace.",
        "PRED-4",
        predictions_refused,
    ),
    golden(
        "recovery",
        "A writer found a torn tail after a crash and says so.",
        "LINE-19",
        recovery,
    ),
];

fn uniform(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::uniform(), &[2, 1])
}

/// What a check of a subject says at the time of the scenario.
fn check(kind: AuthorizationKind, name: &str, claims: &str, reason: CheckReason) -> Expected {
    let what = format!("{name} in {claims:?} is {}", reason.name());
    let (name, claims) = (name.to_owned(), claims.to_owned());
    holds(&what, move |stage| {
        let subject = match kind {
            AuthorizationKind::Model => actions::model(&name),
            _ => actions::agent(&name),
        };
        let mut context = CheckContext::default();
        if !claims.is_empty() {
            context
                .set("environment", &claims)
                .expect("a key and a value");
        }
        let state = stage.assembly.state();
        let found = state
            .authorizations()
            .check(kind, &subject, &context, stage.assembly.now());
        found.reason == reason
    })
}

fn model(name: &str, reason: CheckReason) -> Expected {
    check(AuthorizationKind::Model, name, "", reason)
}

fn scope_and_period(signatures: Signatures) -> Scenario {
    let limited = |stage: &mut Stage| {
        let later = |seconds| Some(stage.assembly.now().saturating_add(seconds));
        let mut terms = GrantTerms {
            artifact_digest: Some(Digest::of(b"weights")),
            expires_at: later(Seconds::DAY),
            not_before: later(Seconds::HOUR),
            ..GrantTerms::unrestricted(actions::model("triage"))
        };
        terms
            .scope
            .allow("environment", "prod")
            .expect("a key and a value");
        terms
            .scope
            .allow("max_rate_qps", "50")
            .expect("a key and a value");
        Action::AuthorizeModel(terms)
    };
    let triage = |claims, reason| check(AuthorizationKind::Model, "triage", claims, reason);
    uniform(signatures)
        .given(passes([0], "triage", limited))
        .then(triage("prod", CheckReason::NotYetValid))
        .given(waits(3_600))
        .then(triage("prod", CheckReason::Granted))
        .then(triage("test", CheckReason::OutOfScope))
        .then(triage("", CheckReason::OutOfScope))
        .given(waits(86_400))
        .then(triage("prod", CheckReason::Expired))
}

fn revocation_overtakes(signatures: Signatures) -> Scenario {
    let mut policy = Policy::uniform();
    let authorize = policy
        .kinds
        .entry(althing::governance::kind::ProposalKind::AuthorizeModel)
        .or_default();
    authorize.timelock_seconds = Some(Seconds::HOUR);
    Scenario::signing(signatures, policy, &[2, 1])
        .given(passes([0], "live", authorize_model("triage")))
        .given(waits(3_600))
        .given(executes("live"))
        .given(passes([0], "waiting", authorize_model("triage")))
        .given(proposes(0, "voting", authorize_model("triage")))
        .given(proposes(1, "recall", revoke_model("triage")))
        .when(votes(0, "recall", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached recall passed",
            "authorization_revoked recall urn:model:triage ends live",
            "proposal_superseded voting revocation",
            "proposal_superseded waiting revocation",
        ]))
        .then(model("triage", CheckReason::Revoked))
}

fn one_grant_revoked(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(passes([0], "first", authorize_model("triage")))
        .given(passes([0], "second", authorize_model("triage")))
        .when(passes([0], "recall", |stage: &mut Stage| {
            revoke_grant("triage", stage.proposal("first"))
        }))
        .then(status("recall", Status::Executed))
        .then(model("triage", CheckReason::Granted))
        .when(predicts("triage"))
        .then(events(["prediction_recorded under second"]))
}

fn freeze_lift_freeze(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1, 1])
        .given(passes([0, 1], "triage", authorize_model("triage")))
        .when(passes([0], "freeze", freezes(Some("triage"), 7_200)))
        .then(status("freeze", Status::Executed))
        .then(model("triage", CheckReason::Frozen))
        .given(waits(3_600))
        .when(passes([0, 1], "lift", lifts(Some("triage"))))
        .then(status("lift", Status::Executed))
        .then(model("triage", CheckReason::Granted))
        .when(passes([0], "again", freezes(Some("triage"), 7_200)))
        .then(status("again", Status::Voting))
        .when(votes(1, "again", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached again passed yes 2 of 2",
            "freeze_imposed again",
        ]))
        .then(model("triage", CheckReason::Frozen))
}

fn freeze_holds_a_grant(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(passes([0], "freeze", freezes(Some("triage"), 7_200)))
        .when(passes([0], "triage", authorize_model("triage")))
        .then(status("triage", Status::Queued))
        .when(executes("triage"))
        .then(refused("execute.frozen"))
        .given(waits(7_200))
        .when(executes("triage"))
        .then(events(["authorization_granted triage"]))
}

fn freeze_of_everything(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(passes([0], "triage", authorize_model("triage")))
        .given(passes([0], "freeze", freezes(None, 3_600)))
        .when(predicts("triage"))
        .then(events(["prediction_recorded unauthorized"]))
        .then(model("unheard-of", CheckReason::Frozen))
        .given(waits(3_600))
        .when(predicts("triage"))
        .then(events(["prediction_recorded under triage"]))
}

fn delegated(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(passes([0], "scheduler", authorize_agent("scheduler")))
        .given(passes(
            [0],
            "assistant",
            delegates("scheduler", "assistant"),
        ))
        .given(passes([0], "helper", delegates("assistant", "helper")))
        .then(delegate("helper", CheckReason::Granted))
}

fn delegate(name: &str, reason: CheckReason) -> Expected {
    check(AuthorizationKind::Delegation, name, "", reason)
}

fn delegation_cascade(signatures: Signatures) -> Scenario {
    delegated(signatures)
        .when(passes([0], "recall", revoke_agent("scheduler")))
        .then(status("recall", Status::Executed))
        .then(delegate("assistant", CheckReason::ParentNotLive))
        .then(delegate("helper", CheckReason::ParentNotLive))
}

fn delegation_revoked(signatures: Signatures) -> Scenario {
    let revoke = |stage: &mut Stage| {
        Action::RevokeDelegation(althing::governance::proposal::RevocationTerms {
            grant_id: Some(stage.proposal("assistant")),
            subject: actions::agent("assistant"),
        })
    };
    delegated(signatures)
        .when(passes([0], "recall", revoke))
        .then(status("recall", Status::Executed))
        .then(check(
            AuthorizationKind::Agent,
            "scheduler",
            "",
            CheckReason::Granted,
        ))
        .then(delegate("assistant", CheckReason::Revoked))
        .then(delegate("helper", CheckReason::ParentNotLive))
}

fn predictions_recorded(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .when(predicts("triage"))
        .then(events(["prediction_recorded unauthorized"]))
        .given(passes([0], "triage", authorize_model("triage")))
        .when(submits("triage reports everything there is", |_| {
            let mut full = prediction("triage");
            full.duration_ms = Some(12);
            full.output_summary =
                serde_json::from_str(r#"{"mean_confidence":0.9300,"n":3}"#).expect("a summary");
            full.recorder = "worker-1".parse().ok();
            full.request_id = "r-1".parse().ok();
            full.user_id = "hmac-sha256:00".parse().ok();
            full.context
                .set("environment", "prod")
                .expect("a key and a value");
            Command::RecordPrediction(full)
        }))
        .then(events(["prediction_recorded under triage"]))
        .given(passes([0], "recall", revoke_model("triage")))
        .when(predicts("triage"))
        .then(events(["prediction_recorded unauthorized"]))
        .then(holds("one was under the grant, one was not", |stage| {
            let state = stage.assembly.state();
            let count = state.predictions().of(&actions::model("triage"));
            count.is_some_and(|it| (it.authorized, it.unauthorized) == (1, 1))
                && state.predictions().others().unauthorized == 1
        }))
}

fn predictions_refused(signatures: Signatures) -> Scenario {
    let policy = Policy {
        predictions: PredictionPolicy::Refuse,
        ..timelocked()
    };
    Scenario::signing(signatures, policy, &[2, 1])
        .given(authorizes(0, "triage"))
        .given(votes(0, "triage", Approve))
        .when(predicts("triage"))
        .then(refused("prediction.unauthorized"))
        .given(waits(3_600))
        .given(executes("triage"))
        .when(predicts("triage"))
        .then(events(["prediction_recorded under triage"]))
}

fn recovery(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .when(submits("a torn tail is set aside", |_| {
            Command::RecordRecovery(RecoveryRecorded {
                bytes: 17,
                offset: 4_096,
                sha256: Digest::of(b"a torn tail"),
            })
        }))
        .then(events(["recovery_recorded"]))
}
