//! The lives of proposals, as given, when and then.

use althing::governance::ballot::Decision::{Abstain, Approve, Reject};
use althing::governance::command::Command;
use althing::governance::event::{Event, FailureReason, SupersededBy, Timing};
use althing::governance::id::ProposalId;
use althing::governance::kind::{AuthorizationKind, ProposalKind};
use althing::governance::policy::{Policy, PredictionPolicy};
use althing::governance::possession::KeyPossession;
use althing::governance::prediction::PredictionVerdict;
use althing::governance::proposal::{Action, GrantTerms};
use althing::governance::scope::CheckContext;
use althing::governance::state::authorization::CheckReason;
use althing::governance::state::proposal::Status;
use althing::governance::state::registry::NodeStatus;
use althing::governance::tally::{Reason, Standing, Verdict};
use althing::governance::time::Seconds;
use althing::testing::actions::{
    self, authorize_agent, authorize_model, remove_node, revoke_grant, revoke_model, update_policy,
};
use althing::testing::scenario::{
    Expected, accuses, authorizes, closes, events, executes, holds, passes, status, tainted,
    vote_each, votes, waits, waits_for_deadline,
};
use althing::testing::{Assembly, Scenario, prediction};

fn with_timelock() -> Policy {
    let mut policy = Policy::default();
    policy.default.timelock_seconds = Seconds::HOUR;
    policy.default.window_seconds = Seconds::DAY;
    policy
}

fn without_early_decision() -> Policy {
    Policy {
        early_decision: false,
        ..Policy::default()
    }
}

/// Whether the model may run now, and why.
fn check(assembly: &Assembly, model: &str) -> CheckReason {
    let subject = actions::model(model);
    let authorizations = assembly.state().authorizations();
    let context = CheckContext::default();
    authorizations
        .check(AuthorizationKind::Model, &subject, &context, assembly.now())
        .reason
}

fn checks(model: &'static str, reason: CheckReason) -> Expected {
    holds(&format!("{model} is {}", reason.name()), move |stage| {
        check(&stage.assembly, model) == reason
    })
}

fn operations(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::operation).collect()
}

/// Whatever a test does, its ledger replays to the state that it left.
#[track_caller]
fn replays(assembly: &Assembly) {
    assert_eq!(assembly.replay().state.hash(), assembly.state().hash());
}

fn standing(assembly: &Assembly, proposal: ProposalId, node: usize) -> Option<Standing> {
    let member = assembly.proposal(proposal).member(assembly.id(node));
    member.map(|member| member.standing())
}

#[test]
fn a_majority_decides_early_and_is_carried_out_at_once() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assert_eq!(
        operations(&assembly.vote(0, proposal, Approve)),
        ["vote_cast"]
    );
    let decisive = assembly.vote(1, proposal, Approve);
    assert_eq!(
        operations(&decisive),
        ["vote_cast", "consensus_reached", "authorization_granted"]
    );
    let Event::ConsensusReached(consensus) = &decisive[1] else {
        panic!("{decisive:?}");
    };
    assert_eq!(consensus.decision, Verdict::Passed);
    assert_eq!(consensus.timing, Timing::Early);
    assert_eq!(consensus.approve_weight.get(), 2);
    assert_eq!(consensus.votes.len(), 2);
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    replays(&assembly);
}

#[test]
fn the_deadline_decides_what_no_majority_decided_before() {
    for (votes, status, reason) in [
        (vec![], Status::Expired, Reason::Quorum),
        (vec![Approve], Status::Expired, Reason::Quorum),
        (
            vec![Approve, Approve, Reject],
            Status::Rejected,
            Reason::Absolute,
        ),
        (
            vec![Approve, Abstain, Abstain],
            Status::Rejected,
            Reason::Absolute,
        ),
        (
            vec![Approve, Approve, Approve],
            Status::Executed,
            Reason::ConditionsMet,
        ),
    ] {
        let mut assembly = Assembly::under(without_early_decision(), &[1; 4]);
        let proposal = assembly.propose(0, authorize_model("triage"));
        for (by, decision) in votes.into_iter().enumerate() {
            assembly.vote(by, proposal, decision);
        }
        let events = assembly.close_at_deadline(proposal);
        let Event::ConsensusReached(consensus) = &events[0] else {
            panic!("{events:?}");
        };
        assert_eq!(
            (assembly.status(proposal), consensus.reason),
            (status, reason)
        );
        assert_eq!(consensus.timing, Timing::Close);
        replays(&assembly);
    }
}

#[test]
fn a_timelock_delays_a_decision_until_somebody_executes_it() {
    Scenario::under(with_timelock(), &[1, 1, 1])
        .given(passes(0..2, "triage", authorize_model("triage")))
        .then(status("triage", Status::Queued))
        .then(checks("triage", CheckReason::NoGrant))
        .given(waits(3_600))
        .when(executes("triage"))
        .then(events(["authorization_granted"]))
        .then(status("triage", Status::Executed))
        .then(checks("triage", CheckReason::Granted));
}

#[test]
fn a_queued_decision_lapses_when_its_window_is_over() {
    let mut assembly = Assembly::under(with_timelock(), &[1, 1, 1]);
    let proposal = assembly.pass(0..2, authorize_model("triage"));
    assembly.wait(3_600 + 86_400 - 1);
    let before = assembly
        .node()
        .preview(&Command::Execute(proposal), assembly.now());
    assert_eq!(operations(&before.unwrap()), ["authorization_granted"]);
    assembly.wait(1);
    assert_eq!(operations(&assembly.execute(proposal)), ["proposal_lapsed"]);
    assert_eq!(assembly.status(proposal), Status::Lapsed);
    assert_eq!(check(&assembly, "triage"), CheckReason::NoGrant);
    replays(&assembly);
}

#[test]
fn evidence_overturns_a_queued_decision_that_no_longer_stands() {
    Scenario::under(with_timelock(), &[1; 4])
        .given(passes(0..3, "triage", authorize_model("triage")))
        .when(accuses(0, "triage"))
        .then(events(["byzantine_detected", "decision_overturned"]))
        .then(status("triage", Status::Overturned));
}

#[test]
fn evidence_leaves_a_queued_decision_that_stands_without_the_accused() {
    Scenario::under(with_timelock(), &[1; 7])
        .given(authorizes(0, "triage"))
        .given(votes(6, "triage", Reject))
        .given(vote_each(0..5, "triage", Approve))
        .then(status("triage", Status::Queued))
        .given(accuses(6, "triage"))
        .then(status("triage", Status::Queued))
        .given(waits(3_600))
        .given(executes("triage"))
        .then(status("triage", Status::Executed));
}

#[test]
fn evidence_judges_a_decision_of_the_deadline_without_those_who_never_voted() {
    let mut policy = Policy::uniform();
    policy.default.timelock_seconds = Seconds::HOUR;
    Scenario::under(policy, &[1; 10])
        .given(authorizes(0, "triage"))
        .given(vote_each(0..5, "triage", Approve))
        .given(vote_each([5, 6], "triage", Abstain))
        .given(votes(7, "triage", Reject))
        .given(waits_for_deadline("triage"))
        .given(closes("triage"))
        // Five of six, where five of eight would not do: two nodes never voted.
        .given(accuses(7, "triage"))
        .then(status("triage", Status::Queued))
        // Without one of the abstentions there is no quorum any more.
        .given(accuses(6, "triage"))
        .then(status("triage", Status::Overturned));
}

#[test]
fn a_consensus_lists_the_ballots_that_count_and_no_others() {
    let mut assembly = Assembly::of(&[1; 7]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.vote(6, proposal, Approve);
    assembly.vote(6, proposal, Reject);
    let ballots: Vec<_> = (0..5)
        .map(|by| assembly.signed_ballot(by, proposal, Approve))
        .collect();
    let mut events = Vec::new();
    for ballot in &ballots {
        events = assembly.accept(&Command::Vote(ballot.clone()));
    }
    let Event::ConsensusReached(consensus) = &events[1] else {
        panic!("{events:?}");
    };
    let counted = ballots.iter().map(|ballot| ballot.content().vote_id);
    assert_eq!(consensus.votes, counted.collect::<Vec<_>>());
    assert_eq!(consensus.byzantine_weight.get(), 1);
    replays(&assembly);
}

#[test]
fn evidence_after_the_execution_taints_and_changes_nothing_else() {
    let mut assembly = Assembly::of(&[1, 1, 1, 1]);
    let proposal = assembly.pass(0..3, authorize_model("triage"));
    assembly.accuse(0, proposal);
    assert_eq!(assembly.status(proposal), Status::Executed);
    assert!(assembly.proposal(proposal).is_tainted());
    assert_eq!(standing(&assembly, proposal, 0), Some(Standing::Byzantine));
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    let node = assembly.state().registry().get(assembly.id(0)).unwrap();
    assert_eq!(node.status(), NodeStatus::Suspended);
    replays(&assembly);
}

#[test]
fn a_rejected_decision_never_revives() {
    Scenario::of(&[1, 1, 1])
        .given(authorizes(0, "triage"))
        .given(vote_each([1, 2], "triage", Reject))
        .then(status("triage", Status::Rejected))
        .given(accuses(1, "triage"))
        .given(accuses(2, "triage"))
        .then(status("triage", Status::Rejected))
        .then(tainted("triage", false));
}

#[test]
fn a_change_of_membership_supersedes_decisions_about_membership_and_policy() {
    let mut assembly = Assembly::under(with_timelock(), &[1; 5]);
    let first = assembly.pass(0..4, remove_node(assembly.id(4)));
    let second = assembly.pass(0..4, update_policy(Policy::uniform()));
    let grant = assembly.pass(0..4, authorize_model("triage"));
    assembly.wait(3_600);
    assembly.execute(first);
    assert_eq!(assembly.state().epoch(), 1);
    let events = assembly.execute(second);
    let [Event::ProposalSuperseded(superseded)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(superseded.reason, SupersededBy::EpochChanged);
    assert_eq!(assembly.status(second), Status::Superseded);
    assert_eq!(assembly.state().policy(), &with_timelock());
    // A grant does not depend on who is a member by now.
    assembly.execute(grant);
    assert_eq!(assembly.status(grant), Status::Executed);
    replays(&assembly);
}

#[test]
fn a_suspension_counts_as_a_change_of_membership() {
    let mut assembly = Assembly::under(with_timelock(), &[1; 7]);
    let removal = assembly.pass(0..5, remove_node(assembly.id(6)));
    let other = assembly.propose(0, authorize_model("other"));
    assembly.accuse(6, other);
    assembly.wait(3_600);
    assembly.execute(removal);
    assert_eq!(assembly.status(removal), Status::Superseded);
    replays(&assembly);
}

#[test]
fn a_revocation_overtakes_older_proposals_to_grant_the_same() {
    let mut policy = Policy::default();
    let mut timelocked = policy.kinds[&ProposalKind::AuthorizeModel].clone();
    timelocked.timelock_seconds = Some(Seconds::HOUR);
    policy
        .kinds
        .insert(ProposalKind::AuthorizeModel, timelocked);
    let mut assembly = Assembly::under(policy, &[1, 1, 1]);
    let live = assembly.pass(0..2, authorize_model("triage"));
    assembly.wait(3_600);
    assembly.execute(live);
    let queued = assembly.pass(0..2, authorize_model("triage"));
    let voting = assembly.propose(0, authorize_model("triage"));
    let other_subject = assembly.propose(0, authorize_model("other"));
    let other_kind = assembly.propose(0, authorize_agent("triage"));

    let revocation = assembly.propose(0, revoke_model("triage"));
    assembly.vote(0, revocation, Approve);
    let events = assembly.vote(1, revocation, Approve);
    assert_eq!(
        operations(&events),
        [
            "vote_cast",
            "consensus_reached",
            "authorization_revoked",
            "proposal_superseded",
            "proposal_superseded"
        ]
    );
    let Event::AuthorizationRevoked(revoked) = &events[2] else {
        panic!("{events:?}");
    };
    assert_eq!(revoked.grant_ids, [live]);
    assert_eq!(assembly.status(queued), Status::Superseded);
    assert_eq!(assembly.status(voting), Status::Superseded);
    assert_eq!(assembly.status(other_subject), Status::Voting);
    assert_eq!(assembly.status(other_kind), Status::Voting);
    assert_eq!(check(&assembly, "triage"), CheckReason::Revoked);

    // A proposal opened afterwards grants again.
    let again = assembly.pass(0..2, authorize_model("triage"));
    assembly.wait(3_600);
    assembly.execute(again);
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    replays(&assembly);
}

#[test]
fn the_revocation_of_one_grant_leaves_the_others_and_open_proposals() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let first = assembly.pass(0..2, authorize_model("triage"));
    assembly.pass(0..2, authorize_model("triage"));
    let open = assembly.propose(0, authorize_model("triage"));
    assembly.pass(0..2, revoke_grant("triage", first));
    assert_eq!(assembly.status(open), Status::Voting);
    assert_eq!(check(&assembly, "triage"), CheckReason::Granted);
    let grants = assembly.state().authorizations();
    assert!(grants.get(first).unwrap().revoked().is_some());
    replays(&assembly);
}

#[test]
fn what_can_not_be_carried_out_any_more_fails_and_halts_nothing() {
    // A grant whose time is over when the timelock is.
    let mut assembly = Assembly::under(with_timelock(), &[1, 1, 1]);
    let terms = GrantTerms {
        expires_at: Some(assembly.now().saturating_add(Seconds::FIVE_MINUTES)),
        ..GrantTerms::unrestricted(actions::model("triage"))
    };
    let late = assembly.pass(0..2, Action::AuthorizeModel(terms));
    assembly.wait(3_600);
    let events = assembly.execute(late);
    let [Event::ProposalFailed(failed)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(failed.reason, FailureReason::Expired);
    assert_eq!(assembly.status(late), Status::Failed);
    assembly.pass(0..2, authorize_model("other"));
    replays(&assembly);
}

#[test]
fn a_withdrawn_proposal_counts_against_its_proposer_until_its_deadline() {
    let policy = Policy {
        max_open_proposals: 1,
        ..Policy::default()
    };
    let mut assembly = Assembly::under(policy, &[1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    assembly.vote(0, proposal, Approve);
    assembly.withdraw(proposal);
    assert_eq!(assembly.status(proposal), Status::Withdrawn);
    let draft = assembly.draft(0, authorize_model("other"));
    let next = Command::Propose(assembly.sign(0, draft));
    let refused = assembly.submit(&next).unwrap_err();
    assert_eq!(refused.code(), "proposal.too-many-open");
    assembly.propose(1, authorize_model("another"));
    assembly.wait_until(assembly.proposal(proposal).deadline());
    assembly.accept(&next);
    replays(&assembly);
}

#[test]
fn the_last_active_node_is_flagged_and_not_suspended() {
    let mut assembly = Assembly::of(&[1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let events = assembly.accuse(0, proposal);
    let Event::ByzantineDetected(detected) = &events[0] else {
        panic!("{events:?}");
    };
    assert!(!detected.suspended);
    assert_eq!(standing(&assembly, proposal, 0), Some(Standing::Byzantine));
    assert_eq!(assembly.status(proposal), Status::Rejected);
    // The ledger goes on.
    let next = assembly.pass([0], authorize_model("triage"));
    assert_eq!(assembly.status(next), Status::Executed);
    replays(&assembly);
}

#[test]
fn a_suspended_nodes_ballots_on_other_open_proposals_turn_byzantine() {
    let mut assembly = Assembly::under(without_early_decision(), &[1; 4]);
    let decided = assembly.propose(0, authorize_model("decided"));
    assembly.vote_all([0, 1, 3], decided, Approve);
    assembly.close_at_deadline(decided);
    let voted = assembly.propose(1, authorize_model("voted"));
    let unvoted = assembly.propose(1, authorize_model("unvoted"));
    let contradicted = assembly.propose(1, authorize_model("contradicted"));
    assembly.vote(3, voted, Approve);
    assembly.vote(3, contradicted, Reject);
    assembly.vote(3, contradicted, Approve);

    assert_eq!(
        standing(&assembly, contradicted, 3),
        Some(Standing::Byzantine)
    );
    assert_eq!(standing(&assembly, voted, 3), Some(Standing::Byzantine));
    assert_eq!(standing(&assembly, unvoted, 3), Some(Standing::Barred));
    // What is decided stands.
    assert_eq!(standing(&assembly, decided, 3), Some(Standing::Approve));
    assert_eq!(assembly.status(decided), Status::Executed);
    // And it is in no electorate from now on.
    let next = assembly.propose(0, authorize_model("next"));
    assert_eq!(standing(&assembly, next, 3), None);
    assert_eq!(assembly.proposal(next).tally().total(), 3);
    replays(&assembly);
}

#[test]
fn a_suspension_decides_other_proposals_in_the_same_batch() {
    let mut assembly = Assembly::under(Policy::uniform(), &[1; 4]);
    let first = assembly.propose(0, authorize_model("first"));
    let second = assembly.propose(0, authorize_model("second"));
    for proposal in [first, second] {
        assembly.vote(0, proposal, Reject);
        assembly.vote(3, proposal, Approve);
    }
    // With the fourth node's approval gone, neither can reach two thirds any more.
    let events = assembly.accuse(3, second);
    assert_eq!(
        operations(&events),
        [
            "byzantine_detected",
            "consensus_reached",
            "consensus_reached"
        ]
    );
    let decided = events.iter().filter_map(|event| match event {
        Event::ConsensusReached(consensus) => Some(consensus.proposal_id),
        _ => None,
    });
    assert_eq!(
        decided.collect::<Vec<_>>(),
        [first, second],
        "in order of opening"
    );
    replays(&assembly);
}

#[test]
fn a_removed_nodes_cast_ballots_stand_and_its_uncast_weight_leaves_reach() {
    let mut assembly = Assembly::under(Policy::uniform(), &[1; 4]);
    let voted = assembly.propose(0, authorize_model("voted"));
    assembly.vote(3, voted, Approve);
    let unvoted = assembly.propose(0, authorize_model("unvoted"));
    assembly.pass(0..3, remove_node(assembly.id(3)));

    assert_eq!(standing(&assembly, voted, 3), Some(Standing::Approve));
    assert_eq!(standing(&assembly, unvoted, 3), Some(Standing::Barred));
    for proposal in [voted, unvoted] {
        assert_eq!(assembly.proposal(proposal).tally().total(), 4, "T stays");
    }
    assert_eq!(assembly.proposal(unvoted).tally().uncast(), 3);
    // Two more approvals and the cast one are three of four.
    assembly.vote_all([0, 1], voted, Approve);
    assert_eq!(assembly.status(voted), Status::Executed);
    // Two thirds of T are out of reach with one of three against.
    assembly.vote(0, unvoted, Reject);
    assembly.vote(1, unvoted, Reject);
    assert_eq!(assembly.status(unvoted), Status::Rejected);
    replays(&assembly);
}

#[test]
fn a_node_that_joins_votes_only_on_later_proposals() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let before = assembly.propose(0, authorize_model("before"));
    let new = assembly.newcomer(5);
    assembly.pass(0..3, Action::AddNode(new));
    let after = assembly.propose(3, authorize_model("after"));
    assert_eq!(standing(&assembly, before, 3), None);
    assert_eq!(assembly.proposal(before).tally().total(), 3);
    assert_eq!(standing(&assembly, after, 3), Some(Standing::Uncast));
    assert_eq!(assembly.proposal(after).tally().total(), 8);
    replays(&assembly);
}

#[test]
fn a_removed_nodes_name_is_free_again_and_its_key_and_id_are_not() {
    let mut assembly = Assembly::of(&[1; 4]);
    let new = assembly.newcomer(1);
    assembly.pass(0..4, Action::AddNode(new.clone()));
    assembly.pass(0..4, remove_node(new.node));
    let draft = assembly.draft(0, Action::AddNode(new.clone()));
    let again = Command::Propose(assembly.sign(0, draft));
    assert_eq!(
        assembly.submit(&again).unwrap_err().code(),
        "node.already-registered"
    );
    let mut namesake = assembly.newcomer(1);
    let signer = assembly.signer(5).clone();
    let possession = KeyPossession::new(signer.key().clone(), new.name.as_str()).unwrap();
    namesake.name = new.name;
    namesake.possession = signer.sign(possession).signature;
    let proposal = assembly.pass(0..4, Action::AddNode(namesake));
    assert_eq!(assembly.status(proposal), Status::Executed);
    replays(&assembly);
}

#[test]
fn a_change_of_policy_meets_the_old_and_the_new_rules_and_spares_open_proposals() {
    let mut strict = Policy::default();
    strict.default.approval = "1/1".parse().ok();
    let mut assembly = Assembly::of(&[1; 4]);
    let open = assembly.propose(0, authorize_model("open"));
    let change = assembly.propose(0, update_policy(strict.clone()));
    assembly.vote_all(0..3, change, Approve);
    // Three of four are enough under the old rules, not under the new ones.
    assert_eq!(assembly.status(change), Status::Voting);
    assembly.vote(3, change, Approve);
    assert_eq!(assembly.status(change), Status::Executed);
    assert_eq!(assembly.state().policy(), &strict);
    // The open proposal keeps the rules of its opening.
    assembly.vote(3, open, Reject);
    assembly.vote_all(0..3, open, Approve);
    assert_eq!(assembly.status(open), Status::Executed);
    let next = assembly.propose(0, authorize_model("next"));
    assembly.vote(3, next, Reject);
    assert_eq!(assembly.status(next), Status::Rejected);
    replays(&assembly);
}

#[test]
fn the_floors_of_genesis_bind_every_later_policy() {
    let mut policy = Policy::default();
    policy.floors.quorum = "1/2".parse().ok();
    let mut assembly = Assembly::under(policy.clone(), &[1]);
    let mut lower = policy.clone();
    lower.default.quorum = "1/3".parse().ok();
    let mut without = policy.clone();
    without.floors.quorum = None;
    for bad in [lower, without] {
        let draft = assembly.draft(0, update_policy(bad));
        let command = Command::Propose(assembly.sign(0, draft));
        assert_eq!(
            assembly.submit(&command).unwrap_err().code(),
            "policy.invalid"
        );
    }
    replays(&assembly);
}

#[test]
fn predictions_are_bound_to_the_grant_in_force() {
    let mut assembly = Assembly::of(&[1]);
    let verdict = |events: &[Event]| match events {
        [Event::PredictionRecorded(recorded)] => recorded.verdict,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        verdict(&assembly.predict("triage")),
        PredictionVerdict::Unauthorized
    );
    let grant = assembly.pass([0], authorize_model("triage"));
    assert_eq!(
        verdict(&assembly.predict("triage")),
        PredictionVerdict::Granted(grant)
    );
    assembly.pass([0], revoke_model("triage"));
    assert_eq!(
        verdict(&assembly.predict("triage")),
        PredictionVerdict::Unauthorized
    );
    let model = actions::model("triage");
    let count = assembly.state().predictions().of(&model).unwrap();
    assert_eq!((count.authorized, count.unauthorized), (1, 1));
    assert_eq!(assembly.state().predictions().others().unauthorized, 1);
    let strict = Policy {
        predictions: PredictionPolicy::Refuse,
        ..Policy::default()
    };
    assembly.pass([0], update_policy(strict));
    let refused = assembly.submit(&Command::RecordPrediction(prediction("triage")));
    assert_eq!(refused.unwrap_err().code(), "prediction.unauthorized");
    replays(&assembly);
}

#[test]
fn evidence_is_recorded_once_and_by_anyone() {
    let mut assembly = Assembly::of(&[1; 4]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let evidence = assembly.equivocation(3, proposal);
    let turned = althing::governance::evidence::Equivocation {
        first: evidence.second.clone(),
        second: evidence.first.clone(),
    };
    assert_eq!(assembly.accept(&Command::SubmitEvidence(evidence)).len(), 1);
    assert_eq!(assembly.accept(&Command::SubmitEvidence(turned)), []);
    let more = assembly.equivocation(3, proposal);
    assert_eq!(assembly.accept(&Command::SubmitEvidence(more)), []);
    replays(&assembly);
}

#[test]
fn after_the_deadline_a_proposal_is_decided_by_closing_it_alone() {
    let mut assembly = Assembly::under(Policy::uniform(), &[1; 4]);
    let late = assembly.propose(0, authorize_model("late"));
    assembly.vote(1, late, Approve);
    let other = {
        assembly.wait(3_600);
        assembly.propose(0, authorize_model("other"))
    };
    assembly.wait_until(assembly.proposal(late).deadline());
    // Two suspensions put the quorum out of reach, but the deadline has passed: no early decision.
    assembly.accuse(2, other);
    assembly.accuse(3, other);
    assert_eq!(assembly.status(late), Status::Voting);
    assembly.close(late);
    assert_eq!(assembly.status(late), Status::Expired);
    replays(&assembly);
}

#[test]
fn commands_of_one_batch_see_each_other_and_are_all_recorded_or_none() {
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let proposal = assembly.propose(0, authorize_model("triage"));
    let ballots: Vec<Command> = (0..2)
        .map(|by| Command::Vote(assembly.signed_ballot(by, proposal, Approve)))
        .collect();
    let now = assembly.now();
    let before = assembly.bytes().to_vec();
    let with_bad = [&ballots[..], &[Command::Close(proposal)]].concat();
    assert!(assembly.node_mut().submit_all(&with_bad, now).is_err());
    assert_eq!(assembly.bytes(), before);
    let recorded = assembly.node_mut().submit_all(&ballots, now).unwrap();
    assert_eq!(recorded.len(), 4);
    assert_eq!(assembly.status(proposal), Status::Executed);
    replays(&assembly);
}

#[test]
fn a_ballot_can_not_name_an_entry_of_its_own_batch() {
    use althing::governance::digest::Digest;
    let mut assembly = Assembly::of(&[1, 1, 1]);
    let draft = assembly.draft(0, authorize_model("triage"));
    let proposal = draft.proposal_id;
    let mut ballot = assembly.ballot(1, proposal, Approve);
    // The entry's hash is not known before the batch is written: any guess is wrong.
    ballot.proposal_hash = Digest::ZERO;
    let commands = [
        Command::Propose(assembly.sign(0, draft)),
        Command::Vote(assembly.sign(1, ballot)),
    ];
    let now = assembly.now();
    let refused = assembly.node_mut().submit_all(&commands, now);
    assert_eq!(refused.unwrap_err().code(), "ballot.hash-mismatch");
    replays(&assembly);
}

#[test]
fn what_could_not_be_read_again_is_never_written() {
    let mut assembly = Assembly::of(&[1]);
    let mut report = prediction("triage");
    report.duration_ms = Some(u64::MAX);
    let now = assembly.now();
    let command = Command::RecordPrediction(report);
    assert!(assembly.node_mut().submit(&command, now).is_err());
    let mut report = prediction("triage");
    for key in 0..=64 {
        // One key more than a context may have.
        let _ = report.context.set(&format!("key-{key}"), "value");
    }
    let _ = assembly
        .node_mut()
        .submit(&Command::RecordPrediction(report), now);
    replays(&assembly);
}
