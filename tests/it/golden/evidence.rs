//! Nodes that contradict themselves.

use althing::governance::ballot::Decision::{Approve, Reject};
use althing::governance::command::Command;
use althing::governance::consensus::ConsensusStep;
use althing::governance::policy::Policy;
use althing::governance::state::proposal::Status;
use althing::testing::Signatures;
use althing::testing::actions::authorize_model;
use althing::testing::scenario::{
    Move, Scenario, accuses, authorizes, events, executes, holds, nothing, passes, proposes,
    refused, rotates, status, submits, tainted, vote_each, votes, waits,
};

use super::{Golden, golden, reinstates, timelocked};

pub const SCENARIOS: &[Golden] = &[
    golden(
        "equivocation-before-decision",
        "A node votes both ways: it is suspended, its weight turns Byzantine everywhere, and two open proposals fail.",
        "BYZ-2, BYZ-7, BYZ-8, DET-4",
        before_the_decision,
    ),
    golden(
        "equivocation-shown-by-others",
        "Somebody shows two ballots that were never cast. They are recorded once.",
        "BYZ-1, BYZ-3, BYZ-5",
        shown_by_others,
    ),
    golden(
        "contradicting-messages-of-consensus",
        "A node voted for nothing and for a value in one round of consensus: it is suspended, once, and comes back with a new key.",
        "BYZ-17, BYZ-18, BYZ-19, BYZ-20, BYZ-21",
        in_consensus,
    ),
    golden(
        "overturned",
        "Evidence takes the majority of a decision that waits for its timelock.",
        "BYZ-9",
        overturned,
    ),
    golden(
        "queued-decision-stands",
        "Evidence against the one that rejected leaves a waiting decision as it is.",
        "BYZ-9",
        stands,
    ),
    golden(
        "tainted",
        "Evidence comes after the decision was carried out.",
        "BYZ-7, BYZ-10",
        after_the_execution,
    ),
    golden(
        "rejected-stays-rejected",
        "Evidence against those who rejected revives nothing.",
        "BYZ-10, TALLY-4",
        never_revives,
    ),
    golden(
        "last-node-flagged",
        "The last active node contradicts itself and stays active.",
        "BYZ-6, MEM-10",
        flagged,
    ),
    golden(
        "evidence-outlives-a-key",
        "A node rotates its key; what it signed before still convicts it.",
        "BYZ-3, MEM-14",
        outlives_a_key,
    ),
    golden(
        "reinstatement-overtaken",
        "New evidence overtakes the proposal to reinstate a node, in voting and waiting.",
        "MEM-15",
        reinstatement_overtaken,
    ),
];

fn before_the_decision(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::uniform(), &[1; 4])
        .given(authorizes(0, "first"))
        .given(authorizes(0, "second"))
        .given(votes(0, "first", Reject))
        .given(votes(0, "second", Reject))
        .given(votes(3, "first", Approve))
        .given(votes(3, "second", Approve))
        .when(votes(3, "second", Reject))
        .then(events([
            "byzantine_detected node-3 second suspended",
            "consensus_reached first rejected early approval byz 1",
            "consensus_reached second rejected early approval byz 1",
        ]))
}

fn shown_by_others(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[2, 2, 1])
        .given(authorizes(0, "triage"))
        .when(accuses(2, "triage"))
        .then(events(["byzantine_detected node-2 triage suspended"]))
        .when(accuses(2, "triage"))
        .then(nothing())
        .when(votes(2, "triage", Approve))
        .then(refused("ballot.equivocation"))
        .then(status("triage", Status::Voting))
}

fn overturned(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, timelocked(), &[2, 1])
        .given(passes([0], "triage", authorize_model("triage")))
        .when(accuses(0, "triage"))
        .then(events([
            "byzantine_detected node-0 triage suspended",
            "decision_overturned triage",
        ]))
        .given(waits(3_600))
        .when(executes("triage"))
        .then(refused("execute.not-queued"))
}

fn stands(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, timelocked(), &[2, 1])
        .given(authorizes(0, "triage"))
        .given(votes(1, "triage", Reject))
        .given(votes(0, "triage", Approve))
        .when(accuses(1, "triage"))
        .then(events(["byzantine_detected node-1 suspended"]))
        .then(status("triage", Status::Queued))
        .given(waits(3_600))
        .when(executes("triage"))
        .then(events(["authorization_granted"]))
}

fn after_the_execution(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::uniform(), &[2, 1])
        .given(passes([0], "triage", authorize_model("triage")))
        .when(accuses(0, "triage"))
        .then(events(["byzantine_detected node-0 triage suspended"]))
        .then(status("triage", Status::Executed))
        .then(tainted("triage", true))
}

fn never_revives(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1, 1, 1])
        .given(authorizes(0, "triage"))
        .given(votes(0, "triage", Approve))
        .given(vote_each([1, 2], "triage", Reject))
        .then(status("triage", Status::Rejected))
        .given(accuses(1, "triage"))
        .when(accuses(2, "triage"))
        .then(events(["byzantine_detected"]))
        .then(status("triage", Status::Rejected))
        .then(tainted("triage", false))
}

fn flagged(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1])
        .given(authorizes(0, "triage"))
        .when(accuses(0, "triage"))
        .then(events([
            "byzantine_detected node-0 flagged",
            "consensus_reached triage rejected early quorum byz 1",
        ]))
        .when(passes([0], "again", authorize_model("again")))
        .then(status("again", Status::Executed))
}

fn outlives_a_key(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[2, 2, 1])
        .given(authorizes(0, "triage"))
        .given(votes(2, "triage", Approve))
        .when(rotates(2))
        .then(events(["key_rotated node-2"]))
        .when(votes(2, "triage", Reject))
        .then(events(["byzantine_detected node-2 triage suspended"]))
        .then(holds("the node is suspended under its new key", |stage| {
            let node = stage.assembly.state().registry().get(stage.assembly.id(2));
            node.is_some_and(|node| !node.is_active() && node.former_keys().len() == 1)
        }))
}

fn reinstatement_overtaken(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, timelocked(), &[2, 1])
        .given(authorizes(0, "first"))
        .given(authorizes(0, "second"))
        .given(authorizes(0, "third"))
        .given(accuses(1, "first"))
        .given(proposes(0, "voting", reinstates(1)))
        .when(accuses(1, "second"))
        .then(events([
            "byzantine_detected flagged",
            "proposal_superseded voting evidence",
        ]))
        .given(passes([0], "waiting", reinstates(1)))
        .then(status("waiting", Status::Queued))
        .when(accuses(1, "third"))
        .then(events([
            "byzantine_detected flagged",
            "proposal_superseded waiting evidence",
        ]))
}

fn accuses_in_consensus(by: usize, height: u64, step: ConsensusStep) -> Move {
    submits("two messages of consensus are shown", move |stage| {
        let found = stage.assembly.consensus_equivocation(by, height, step);
        Command::SubmitConsensusEquivocation(Box::new(found))
    })
}

fn in_consensus(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1; 4])
        .given(authorizes(0, "voted"))
        .given(votes(3, "voted", Approve))
        .given(authorizes(0, "open"))
        .when(accuses_in_consensus(3, 7, ConsensusStep::Prevote))
        .then(events(["byzantine_detected node-3 suspended"]))
        .when(accuses_in_consensus(3, 9, ConsensusStep::Propose))
        .then(nothing())
        .when(votes(3, "open", Approve))
        .then(refused("ballot.suspended"))
        .given(proposes(0, "back", reinstates(3)))
        .given(votes(0, "back", Approve))
        .given(votes(1, "back", Approve))
        .when(votes(2, "back", Approve))
        .then(events([
            "vote_cast",
            "consensus_reached back passed",
            "node_reinstated node-3 by back",
        ]))
        .when(accuses_in_consensus(3, 9, ConsensusStep::Propose))
        .then(events(["byzantine_detected node-3 suspended"]))
}
