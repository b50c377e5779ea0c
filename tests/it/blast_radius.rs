//! The decisions that hung on one node, against the same history without its ballots.

use std::collections::BTreeMap;

use althing::governance::ballot::Decision::{self, Abstain, Approve, Reject};
use althing::governance::blast_radius::{Flip, blast_radius, took_part_in};
use althing::governance::event::Event;
use althing::governance::id::{NodeId, ProposalId};
use althing::governance::kind::ProposalKind;
use althing::governance::policy::Policy;
use althing::governance::proposal::Action;
use althing::governance::state::State;
use althing::governance::state::proposal::Status;
use althing::governance::tally::{Standing, Verdict};
use althing::governance::time::Seconds;
use althing::testing::actions::{authorize_model, remove_node};
use althing::testing::{Assembly, strategies};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn at_the_deadline(policy: Policy) -> Policy {
    Policy {
        early_decision: false,
        ..policy
    }
}

/// One node's ballot on each proposal.
type Ballots = Vec<Vec<Option<Decision>>>;

/// Opens one proposal for each row, lets the nodes vote but for `absent`, and closes them all.
fn play(
    policy: &Policy,
    weights: &[u64],
    rows: &Ballots,
    absent: Option<usize>,
) -> (Assembly, BTreeMap<ProposalId, Verdict>) {
    let mut assembly = Assembly::under(policy.clone(), weights);
    let proposals: Vec<ProposalId> = (0..rows.len())
        .map(|row| assembly.propose(row % weights.len(), authorize_model(&format!("m{row}"))))
        .collect();
    for (proposal, row) in proposals.iter().zip(rows) {
        for (by, decision) in row.iter().enumerate().take(weights.len()) {
            if let Some(decision) = decision.filter(|_| Some(by) != absent) {
                assembly.vote(by, *proposal, decision);
            }
        }
    }
    let verdicts = (proposals.into_iter())
        .map(|proposal| (proposal, close(&mut assembly, proposal)))
        .collect();
    (assembly, verdicts)
}

fn close(assembly: &mut Assembly, proposal: ProposalId) -> Verdict {
    let events = assembly.close_at_deadline(proposal);
    let verdict = events.iter().find_map(|event| match event {
        Event::ConsensusReached(consensus) => Some(consensus.decision),
        _ => None,
    });
    verdict.expect("closing decides")
}

/// What flips, by proposal.
fn flips(state: &State, node: NodeId) -> BTreeMap<ProposalId, (Verdict, Verdict)> {
    let flips = blast_radius(state, node).into_iter();
    flips
        .map(|flip| (flip.proposal, (flip.was, flip.without)))
        .collect()
}

proptest! {
    #![proptest_config(crate::config(256))]

    #[test]
    fn what_flips_is_what_another_history_without_the_ballots_decides_otherwise(
        policy in strategies::policies(),
        weights in strategies::electorates(),
        rows in vec(vec(option::weighted(0.8, strategies::decisions()), 6), 1..=3),
        early in any::<bool>(),
    ) {
        let policy = Policy { max_open_proposals: 16, ..at_the_deadline(policy) };
        let (assembly, with) = play(&policy, &weights, &rows, None);
        for node in 0..weights.len() {
            let (_, without) = play(&policy, &weights, &rows, Some(node));
            let expected: BTreeMap<ProposalId, (Verdict, Verdict)> = (with.iter())
                .map(|(proposal, was)| (*proposal, (*was, without[proposal])))
                .filter(|(_, (was, without))| was != without)
                .collect();
            prop_assert_eq!(flips(assembly.state(), assembly.id(node)), expected);
            let voted = rows.iter().filter(|row| row[node].is_some()).count();
            prop_assert_eq!(took_part_in(assembly.state(), assembly.id(node)), voted);
        }
        // Evidence that comes after the decisions changes none of them.
        if early {
            let mut accused = assembly;
            let before: Vec<_> = (0..weights.len())
                .map(|node| flips(accused.state(), accused.id(node)))
                .collect();
            for node in 0..weights.len() {
                for proposal in with.keys() {
                    accused.accuse(node, *proposal);
                }
            }
            for (node, before) in before.into_iter().enumerate() {
                prop_assert_eq!(flips(accused.state(), accused.id(node)), before);
            }
        }
    }

    /// Whatever happens after a decision, with evidence, removals and new keys: what hung on whom
    /// stays what it was when it was decided.
    #[test]
    fn what_hung_on_a_node_never_changes_after_the_decision(
        history in strategies::histories(25),
    ) {
        let mut played = althing::testing::History {
            steps: Vec::new(),
            ..history.clone()
        }
        .play();
        let mut known: BTreeMap<(NodeId, ProposalId), Option<(Verdict, Verdict)>> = BTreeMap::new();
        for step in &history.steps {
            played.take(step);
            let state = played.assembly.state();
            for (node, _) in state.registry().iter() {
                let flips = flips(state, node);
                for proposal in state.proposals().iter().filter(|it| it.decided().is_some()) {
                    let found = flips.get(&proposal.id()).copied();
                    let first = known.entry((node, proposal.id())).or_insert(found);
                    prop_assert_eq!(*first, found, "{} on {}", node, proposal.id());
                }
            }
        }
    }
}

#[test]
fn an_early_decision_is_judged_on_the_ballots_that_it_counted() {
    let mut assembly = Assembly::of(&[2, 1, 1]);
    let proposal = assembly.pass(0..2, authorize_model("triage"));
    assert_eq!(assembly.status(proposal), Status::Executed);
    let expected = Flip {
        proposal,
        kind: ProposalKind::AuthorizeModel,
        subject: "urn:model:triage".to_owned(),
        was: Verdict::Passed,
        without: Verdict::Expired,
    };
    for (node, flips) in [
        (0, vec![expected.clone()]),
        (1, vec![expected]),
        (2, vec![]),
    ] {
        assert_eq!(blast_radius(assembly.state(), assembly.id(node)), flips);
    }
}

#[test]
fn each_verdict_flips() {
    // (ballots, node, was, without)
    for (ballots, was, without) in [
        (
            [Approve, Approve, Approve, Abstain],
            Verdict::Passed,
            Some(Verdict::Passed),
        ),
        (
            [Approve, Approve, Reject, Abstain],
            Verdict::Passed,
            Some(Verdict::Rejected),
        ),
        (
            [Reject, Approve, Approve, Reject],
            Verdict::Rejected,
            Some(Verdict::Passed),
        ),
    ] {
        let mut assembly = Assembly::under(at_the_deadline(Policy::uniform()), &[1; 4]);
        let proposal = assembly.propose(0, authorize_model("triage"));
        for (by, decision) in ballots.into_iter().enumerate() {
            assembly.vote(by, proposal, decision);
        }
        assert_eq!(close(&mut assembly, proposal), was, "{ballots:?}");
        let found = flips(assembly.state(), assembly.id(0));
        let expected = without.filter(|without| *without != was);
        assert_eq!(
            found.get(&proposal).map(|(_, without)| *without),
            expected,
            "{ballots:?}"
        );
    }
}

/// Evidence on a decided proposal says nothing about what was counted, evidence on an undecided
/// one does.
#[test]
fn evidence_counts_from_when_it_was_recorded() {
    let policy = at_the_deadline(Policy::uniform());
    for accused_first in [false, true] {
        let mut assembly = Assembly::under(policy.clone(), &[1; 4]);
        let proposal = assembly.propose(0, authorize_model("triage"));
        assembly.vote_all(0..3, proposal, Approve);
        if accused_first {
            assembly.accuse(0, proposal);
        }
        let was = close(&mut assembly, proposal);
        if !accused_first {
            assembly.accuse(0, proposal);
        }
        // Three of four are needed, and each of them is; two are too few already.
        let (expected, hung) = if accused_first {
            (Verdict::Expired, None)
        } else {
            (Verdict::Passed, Some((Verdict::Passed, Verdict::Expired)))
        };
        assert_eq!(was, expected);
        for node in 0..3 {
            let found = flips(assembly.state(), assembly.id(node));
            assert_eq!(found.get(&proposal).copied(), hung);
            assert_eq!(took_part_in(assembly.state(), assembly.id(node)), 1);
        }
    }
}

/// A ballot turned Byzantine by evidence on another proposal stays so, though evidence on this
/// proposal follows after the decision.
#[test]
fn a_silenced_ballot_stays_silenced() {
    let mut assembly = Assembly::under(at_the_deadline(Policy::uniform()), &[1; 9]);
    let other = assembly.propose(1, authorize_model("other"));
    let proposal = assembly.propose(1, authorize_model("triage"));
    assembly.vote_all(0..8, proposal, Approve);
    assembly.accuse(0, other);
    let was = close(&mut assembly, proposal);
    let before = flips(assembly.state(), assembly.id(1));
    assembly.accuse(0, proposal);
    assert_eq!(was, Verdict::Passed);
    let member = assembly.proposal(proposal).member(assembly.id(0));
    assert_eq!(
        member.map(|member| member.standing()),
        Some(Standing::Byzantine)
    );
    assert_eq!(flips(assembly.state(), assembly.id(1)), before);
}

/// The same where the node had been removed: evidence then suspends nobody.
#[test]
fn a_removed_nodes_silenced_ballot_stays_silenced() {
    let policy = Policy {
        early_decision: true,
        ..Policy::uniform()
    };
    let mut assembly = Assembly::under(policy, &[1; 6]);
    let other = assembly.propose(1, authorize_model("other"));
    let proposal = assembly.propose(1, authorize_model("triage"));
    // Three for, one of them silenced later, and one abstention: 2 of 3 deciding, 3 of 6 there.
    assembly.vote_all([0, 1, 2], proposal, Approve);
    assembly.vote(3, proposal, Abstain);
    assembly.pass(1..6, remove_node(assembly.id(0)));
    assert!(
        assembly
            .state()
            .registry()
            .get(assembly.id(0))
            .is_some_and(|node| !node.is_active())
    );
    assembly.accuse(0, other);
    let was = close(&mut assembly, proposal);
    assert_eq!(was, Verdict::Expired);
    let before: Vec<_> = (0..6)
        .map(|node| flips(assembly.state(), assembly.id(node)))
        .collect();
    assembly.accuse(0, proposal);
    let after: Vec<_> = (0..6)
        .map(|node| flips(assembly.state(), assembly.id(node)))
        .collect();
    assert_eq!(before, after);
    // Had the ballot counted, four of six would have been there and passed it.
    assert!(after.iter().all(|flips| !flips.contains_key(&proposal)));
}

#[test]
fn what_is_undecided_or_withdrawn_hangs_on_nobody() {
    let policy = Policy {
        evidence_window_seconds: Seconds::DAY,
        ..at_the_deadline(Policy::default())
    };
    let mut assembly = Assembly::under(policy, &[1]);
    let open = assembly.propose(0, authorize_model("open"));
    assembly.vote(0, open, Approve);
    let withdrawn = assembly.propose(0, authorize_model("withdrawn"));
    assembly.vote(0, withdrawn, Approve);
    assembly.withdraw(withdrawn);
    assert_eq!(blast_radius(assembly.state(), assembly.id(0)), []);
    assert_eq!(took_part_in(assembly.state(), assembly.id(0)), 0);
    close(&mut assembly, open);
    assert_eq!(flips(assembly.state(), assembly.id(0)).len(), 1);
}

/// The last active node is flagged and its other ballots count; evidence on the proposal itself
/// that follows after the decision changes nothing of that.
#[test]
fn the_last_active_nodes_other_ballots_counted() {
    let mut assembly = Assembly::under(at_the_deadline(Policy::uniform()), &[1, 3]);
    let other = assembly.propose(1, authorize_model("other"));
    let proposal = assembly.propose(1, authorize_model("triage"));
    assembly.vote(1, proposal, Approve);
    assembly.accuse(0, other);
    assembly.accuse(1, other);
    assert_eq!(close(&mut assembly, proposal), Verdict::Passed);
    let hung = BTreeMap::from([(proposal, (Verdict::Passed, Verdict::Expired))]);
    assert_eq!(flips(assembly.state(), assembly.id(1)), hung);
    assembly.accuse(1, proposal);
    assert_eq!(flips(assembly.state(), assembly.id(1)), hung);
}

/// Evidence from before a node was reinstated says nothing about its ballots since.
#[test]
fn a_reinstated_nodes_ballots_counted() {
    let mut assembly = Assembly::under(Policy::uniform(), &[1; 4]);
    let other = assembly.propose(1, authorize_model("other"));
    assembly.accuse(0, other);
    let (_, new_key) = assembly.new_key(assembly.id(0));
    let reinstated = assembly.pass(1..4, Action::ReinstateNode(new_key));
    assert_eq!(assembly.status(reinstated), Status::Executed);
    let proposal = assembly.pass(0..3, authorize_model("triage"));
    let hung = Some((Verdict::Passed, Verdict::Expired));
    let found = flips(assembly.state(), assembly.id(0));
    assert_eq!(found.get(&proposal).copied(), hung);
    assembly.accuse(0, proposal);
    let found = flips(assembly.state(), assembly.id(0));
    assert_eq!(found.get(&proposal).copied(), hung);
}
