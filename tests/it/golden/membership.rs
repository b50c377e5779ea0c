//! Who takes part, with which key, under which policy.

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::policy::Policy;
use althing::governance::proposal::Action;
use althing::governance::state::proposal::Status;
use althing::testing::Signatures;
use althing::testing::actions::update_policy;
use althing::testing::scenario::{
    Scenario, accuses, authorizes, events, executes, passes, proposes, refused, rotates, status,
    votes, waits,
};

use super::{Golden, golden, joins, late, leaves, reinstates, replaces, timelocked};

pub const SCENARIOS: &[Golden] = &[
    golden(
        "node-joins",
        "A node joins and votes on what is opened afterwards only.",
        "MEM-2, MEM-4, PROP-10",
        node_joins,
    ),
    golden(
        "node-leaves",
        "A removed node's ballot stands; where it has not voted its weight is out of reach.",
        "MEM-3, MEM-5",
        node_leaves,
    ),
    golden(
        "key-rotated",
        "A node changes its own key and votes on, under the new one.",
        "MEM-11, BAL-8",
        key_rotated,
    ),
    golden(
        "key-replaced",
        "The group replaces a lost key: the node votes on what is opened afterwards.",
        "MEM-12, BAL-2",
        key_replaced,
    ),
    golden(
        "node-reinstated",
        "A suspended node comes back with a new key.",
        "MEM-13, BYZ-11",
        node_reinstated,
    ),
    golden(
        "overtaken-by-another-change",
        "A removal that was opened before a change of policy has to be proposed again.",
        "MEM-7, MEM-8, PROP-16",
        overtaken,
    ),
    golden(
        "overtaken-while-waiting",
        "A change of policy waits for its timelock while a node rotates its key.",
        "MEM-7, MEM-8, PROP-16",
        overtaken_while_waiting,
    ),
    golden(
        "policy-updated",
        "A change of policy leaves the rules of an open proposal as they were.",
        "MEM-9, PROP-10",
        policy_updated,
    ),
    golden(
        "policy-fails-its-own-rules",
        "A policy that asks for unanimity is rejected by one node, though the rules in force would do.",
        "MEM-9, TALLY-5",
        policy_fails_its_own_rules,
    ),
];

fn uniform(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::uniform(), &[2, 1])
}

fn node_joins(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(authorizes(0, "before"))
        .when(passes([0], "join", joins(3)))
        .then(status("join", Status::Executed))
        .when(votes(2, "before", Approve))
        .then(refused("ballot.not-in-electorate"))
        .given(authorizes(2, "after"))
        .when(votes(2, "after", Approve))
        .then(events(["vote_cast node-2 after approve"]))
}

fn node_leaves(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::uniform(), &[2, 1, 1])
        .given(authorizes(0, "voted"))
        .given(authorizes(0, "unvoted"))
        .given(votes(2, "voted", Approve))
        .given(passes([0, 1], "removal", leaves(2)))
        .then(status("removal", Status::Executed))
        .when(votes(2, "unvoted", Approve))
        .then(refused("ballot.node-removed"))
        .when(votes(0, "voted", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached voted passed early yes 3 of 4",
            "authorization_granted voted",
        ]))
        .when(votes(0, "unvoted", Reject))
        .then(events([
            "vote_cast",
            "consensus_reached unvoted rejected approval no 2 of 4",
        ]))
}

fn key_rotated(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(authorizes(0, "triage"))
        .when(rotates(0))
        .then(events(["key_rotated node-0"]))
        .when(votes(0, "triage", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached passed",
            "authorization_granted",
        ]))
}

fn key_replaced(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(authorizes(1, "before"))
        .when(passes([0], "replacement", replaces(1)))
        .then(status("replacement", Status::Executed))
        .when(votes(1, "before", Reject))
        .then(refused("ballot.node-removed"))
        .given(authorizes(1, "after"))
        .when(votes(1, "after", Approve))
        .then(events(["vote_cast node-1 after"]))
}

fn node_reinstated(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(authorizes(0, "triage"))
        .given(accuses(1, "triage"))
        .when(passes([0], "reinstatement", reinstates(1)))
        .then(status("reinstatement", Status::Executed))
        .given(authorizes(1, "after"))
        .when(votes(1, "after", Approve))
        .then(events(["vote_cast node-1 after"]))
}

fn overtaken(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(proposes(0, "removal", leaves(1)))
        .given(passes(
            [0],
            "policy",
            update_policy(late(Policy::uniform())),
        ))
        .then(status("policy", Status::Executed))
        .when(votes(0, "removal", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached removal passed",
            "proposal_superseded removal epoch-changed",
        ]))
}

fn overtaken_while_waiting(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, timelocked(), &[2, 1])
        .given(passes(
            [0],
            "policy",
            update_policy(late(Policy::uniform())),
        ))
        .given(rotates(1))
        .given(waits(3_600))
        .when(executes("policy"))
        .then(events(["proposal_superseded policy epoch-changed"]))
}

fn strict() -> Policy {
    let mut strict = Policy::uniform();
    strict.default.approval = "1/1".parse().ok();
    strict
}

fn policy_updated(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(authorizes(0, "open"))
        .given(passes([0, 1], "policy", update_policy(strict())))
        .then(status("policy", Status::Executed))
        .given(votes(1, "open", Reject))
        .when(votes(0, "open", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached open passed",
            "authorization_granted",
        ]))
        .given(authorizes(0, "next"))
        .when(votes(1, "next", Reject))
        .then(events([
            "vote_cast",
            "consensus_reached next rejected approval",
        ]))
}

fn policy_fails_its_own_rules(signatures: Signatures) -> Scenario {
    uniform(signatures)
        .given(proposes(
            0,
            "policy",
            Action::UpdatePolicy {
                policy: Box::new(strict()),
            },
        ))
        .when(votes(0, "policy", Approve))
        .then(events(["vote_cast"]))
        .when(votes(1, "policy", Reject))
        .then(events([
            "vote_cast",
            "consensus_reached policy rejected early approval yes 2 no 1",
        ]))
}
