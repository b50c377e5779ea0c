//! Decisions that can't be carried out: one scenario for each reason.

use althing::governance::ballot::Decision::Approve;
use althing::governance::policy::Policy;
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::state::proposal::Status;
use althing::governance::time::Seconds;
use althing::testing::Signatures;
use althing::testing::actions::{self, authorize_agent, revoke_agent};
use althing::testing::scenario::{
    Scenario, Stage, accuses, authorizes, events, executes, passes, proposes, status, votes, waits,
};

use super::{Golden, delegates, freezes, golden, joins, lifts, reinstates, replaces, timelocked};

pub const SCENARIOS: &[Golden] = &[
    golden(
        "failed-expired",
        "A grant whose time is over when its timelock is.",
        "PROP-16",
        expired,
    ),
    golden(
        "failed-parent",
        "A delegation whose parent is revoked while it waits.",
        "PROP-16, AUTH-21",
        parent,
    ),
    golden(
        "failed-already-registered",
        "Two decisions give the same key.",
        "PROP-16, MEM-12",
        already_registered,
    ),
    golden(
        "failed-not-active",
        "A key is replaced of a node that was suspended since.",
        "PROP-16, MEM-12",
        not_active,
    ),
    golden(
        "failed-not-suspended",
        "A node is reinstated twice.",
        "PROP-16, MEM-13",
        not_suspended,
    ),
    golden(
        "failed-weight-overflow",
        "A node comes back when its weight is no longer free.",
        "PROP-16, LIM-3",
        weight_overflow,
    ),
    golden(
        "failed-freeze-over",
        "A freeze that ends before its timelock does.",
        "PROP-16, AUTH-13",
        freeze_over,
    ),
    golden(
        "failed-freeze-too-soon",
        "Two freezes are voted on at once; the second lacks two thirds.",
        "PROP-16, AUTH-17",
        freeze_too_soon,
    ),
    golden(
        "failed-not-frozen",
        "A freeze is lifted twice.",
        "PROP-16, AUTH-18",
        not_frozen,
    ),
];

fn uniform(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::uniform(), &[2, 1])
}

fn timelock(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, timelocked(), &[2, 1])
}

fn expired(signatures: Signatures) -> Scenario {
    timelock(signatures)
        .given(passes([0], "triage", |stage: &mut Stage| {
            Action::AuthorizeModel(GrantTerms {
                expires_at: Some(stage.assembly.now().saturating_add(Seconds::FIVE_MINUTES)),
                ..GrantTerms::unrestricted(actions::model("triage"))
            })
        }))
        .given(waits(3_600))
        .when(executes("triage"))
        .then(events(["proposal_failed triage expired"]))
}

fn parent(signatures: Signatures) -> Scenario {
    timelock(signatures)
        .given(passes([0], "scheduler", authorize_agent("scheduler")))
        .given(waits(3_600))
        .given(executes("scheduler"))
        .given(passes([0], "recall", revoke_agent("scheduler")))
        .given(passes(
            [0],
            "assistant",
            delegates("scheduler", "assistant"),
        ))
        .given(waits(3_600))
        .given(executes("recall"))
        .when(executes("assistant"))
        .then(events(["proposal_failed assistant parent"]))
}

fn already_registered(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(proposes(0, "first", replaces(1)))
        .given(proposes(0, "second", |stage: &mut Stage| {
            let first = stage.assembly.proposal(stage.proposal("first"));
            first.content().action.clone()
        }))
        .given(votes(0, "first", Approve))
        .then(status("first", Status::Executed))
        .when(votes(0, "second", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached second passed",
            "proposal_failed second already-registered",
        ]))
}

fn not_active(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(authorizes(0, "triage"))
        .given(proposes(0, "replacement", replaces(1)))
        .given(accuses(1, "triage"))
        .when(votes(0, "replacement", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached passed",
            "proposal_failed not-active",
        ]))
}

fn not_suspended(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(authorizes(0, "triage"))
        .given(accuses(1, "triage"))
        .given(proposes(0, "first", reinstates(1)))
        .given(proposes(0, "second", reinstates(1)))
        .given(votes(0, "first", Approve))
        .when(votes(0, "second", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached passed",
            "proposal_failed not-suspended",
        ]))
}

fn weight_overflow(signatures: Signatures) -> Scenario {
    const HALF: u64 = 1 << 52;
    Scenario::signing(signatures, Policy::uniform(), &[HALF, HALF - 2])
        .given(authorizes(0, "triage"))
        .given(accuses(1, "triage"))
        .given(proposes(0, "reinstatement", reinstates(1)))
        .given(passes([0], "join", joins(HALF - 1)))
        .when(votes(0, "reinstatement", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached passed",
            "proposal_failed weight-overflow",
        ]))
}

fn freeze_over(signatures: Signatures) -> Scenario {
    timelock(signatures)
        .given(passes([0], "freeze", freezes(None, 1_800)))
        .given(waits(3_600))
        .when(executes("freeze"))
        .then(events(["proposal_failed freeze freeze-over"]))
}

fn freeze_too_soon(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1, 1])
        .given(proposes(0, "first", freezes(Some("triage"), 3_600)))
        .given(proposes(0, "second", freezes(None, 3_600)))
        .given(votes(0, "first", Approve))
        .when(votes(0, "second", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached second passed yes 1 of 2",
            "proposal_failed second freeze-too-soon",
        ]))
}

fn not_frozen(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(passes([0], "freeze", freezes(None, 3_600)))
        .given(proposes(0, "first", lifts(None)))
        .given(proposes(0, "second", lifts(None)))
        .given(votes(0, "first", Approve))
        .when(votes(0, "second", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached passed",
            "proposal_failed second not-frozen",
        ]))
}
