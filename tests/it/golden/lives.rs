//! The lives of proposals that nobody contradicts.

use althing::governance::ballot::Decision::{Abstain, Approve, Reject};
use althing::governance::policy::Policy;
use althing::governance::state::proposal::Status;
use althing::testing::Signatures;
use althing::testing::actions::authorize_model;
use althing::testing::scenario::{
    Scenario, authorizes, closes, events, executes, holds, passes, refused, status, vote_each,
    votes, waits, waits_for_deadline, withdraws,
};

use super::{Golden, golden, late, timelocked};

pub const SCENARIOS: &[Golden] = &[
    golden(
        "founding",
        "Three founders of different weight, and nothing else.",
        "GEN-4, GEN-5",
        founding,
    ),
    golden(
        "passed-early",
        "The second of three equal nodes decides, and the grant follows at once.",
        "TALLY-9, PROP-14",
        passed_early,
    ),
    golden(
        "rejected-early",
        "Two of three equal nodes reject: two thirds are out of reach.",
        "TALLY-8",
        rejected_early,
    ),
    golden(
        "passed-at-deadline",
        "Without early decision nothing is decided before somebody closes.",
        "TALLY-6, TALLY-7",
        passed_at_deadline,
    ),
    golden(
        "rejected-at-deadline",
        "Quorum and approval hold, more than half of T does not approve.",
        "TALLY-3, TALLY-6",
        rejected_at_deadline,
    ),
    golden(
        "expired",
        "One of three has voted when the deadline comes.",
        "TALLY-6, BAL-7",
        expired,
    ),
    golden(
        "abstentions",
        "Two abstentions make the quorum of one approval.",
        "TALLY-3, TALLY-4",
        abstentions,
    ),
    golden(
        "withdrawn",
        "A proposer that has voted itself withdraws.",
        "PROP-17",
        withdrawn,
    ),
    golden(
        "queued-and-executed",
        "A decision waits for its timelock, and somebody executes it.",
        "PROP-15",
        queued_and_executed,
    ),
    golden(
        "lapsed",
        "Nobody executes a decision in time.",
        "PROP-15, TIME-5",
        lapsed,
    ),
    golden(
        "edge-of-two-thirds",
        "Four of six are two thirds, and not more than two thirds.",
        "TALLY-3, TALLY-15",
        edge_of_two_thirds,
    ),
];

fn founding(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[3, 2, 1]).then(holds("T is 6", |stage| {
        stage.assembly.state().registry().active_weight().get() == 6
    }))
}

fn passed_early(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1, 1, 1])
        .given(authorizes(0, "triage"))
        .given(votes(0, "triage", Approve))
        .when(votes(1, "triage", Approve))
        .then(events([
            "vote_cast node-1 triage approve",
            "consensus_reached triage passed early conditions-met yes 2 of 3",
            "authorization_granted triage",
        ]))
        .when(votes(2, "triage", Reject))
        .then(refused("ballot.proposal-closed"))
}

fn rejected_early(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1, 1, 1])
        .given(authorizes(0, "triage"))
        .when(votes(1, "triage", Reject))
        .then(events(["vote_cast"]))
        .when(votes(2, "triage", Reject))
        .then(events([
            "vote_cast",
            "consensus_reached rejected early approval no 2 of 3",
        ]))
}

fn passed_at_deadline(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, late(Policy::default()), &[1, 1])
        .given(authorizes(0, "triage"))
        .when(vote_each([0, 1], "triage", Approve))
        .then(status("triage", Status::Voting))
        .when(closes("triage"))
        .then(refused("close.before-deadline"))
        .given(waits_for_deadline("triage"))
        .when(closes("triage"))
        .then(events([
            "consensus_reached passed close conditions-met yes 2 of 2",
            "authorization_granted",
        ]))
}

fn rejected_at_deadline(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[4, 2, 3])
        .given(authorizes(0, "triage"))
        .given(votes(0, "triage", Approve))
        .given(votes(1, "triage", Abstain))
        .given(waits_for_deadline("triage"))
        .when(closes("triage"))
        .then(events([
            "consensus_reached rejected close absolute yes 4 abs 2 of 9",
        ]))
}

fn expired(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1, 1, 1])
        .given(authorizes(0, "triage"))
        .given(votes(0, "triage", Approve))
        .given(waits_for_deadline("triage"))
        .when(votes(1, "triage", Approve))
        .then(refused("ballot.outside-voting-period"))
        .when(closes("triage"))
        .then(events([
            "consensus_reached expired close quorum yes 1 of 3",
        ]))
}

fn abstentions(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, late(Policy::uniform()), &[1, 1, 1])
        .given(authorizes(0, "triage"))
        .given(vote_each([1, 2], "triage", Abstain))
        .given(votes(0, "triage", Approve))
        .given(waits_for_deadline("triage"))
        .when(closes("triage"))
        .then(events([
            "consensus_reached passed yes 1 abs 2",
            "authorization_granted",
        ]))
}

fn withdrawn(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[1, 1])
        .given(authorizes(0, "triage"))
        .given(votes(0, "triage", Approve))
        .when(withdraws("triage"))
        .then(events(["proposal_withdrawn triage"]))
        .then(status("triage", Status::Withdrawn))
        .when(votes(1, "triage", Approve))
        .then(refused("ballot.proposal-closed"))
}

fn queued_and_executed(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, timelocked(), &[2, 1])
        .when(passes([0], "triage", authorize_model("triage")))
        .then(status("triage", Status::Queued))
        .when(executes("triage"))
        .then(refused("execute.before-timelock"))
        .given(waits(3_600))
        .when(executes("triage"))
        .then(events(["authorization_granted triage"]))
}

fn lapsed(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, timelocked(), &[2, 1])
        .given(passes([0], "triage", authorize_model("triage")))
        .given(waits(3_600 + 86_400))
        .when(executes("triage"))
        .then(events(["proposal_lapsed triage"]))
        .then(status("triage", Status::Lapsed))
}

fn edge_of_two_thirds(signatures: Signatures) -> Scenario {
    Scenario::signing(signatures, Policy::default(), &[4, 2])
        .when(passes(
            [0],
            "recall",
            althing::testing::actions::revoke_model("triage"),
        ))
        .then(status("recall", Status::Executed))
        .when(passes(
            [0],
            "policy",
            althing::testing::actions::update_policy(Policy::uniform()),
        ))
        .then(status("policy", Status::Voting))
        .when(votes(1, "policy", Reject))
        .then(events([
            "vote_cast",
            "consensus_reached rejected early absolute yes 4 no 2 of 6",
        ]))
}
