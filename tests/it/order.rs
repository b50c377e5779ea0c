//! The order of ballots. Specification, "Order independence".

use althing::governance::ballot::{Ballot, Decision};
use althing::governance::command::Command;
use althing::governance::policy::Policy;
use althing::governance::state::proposal::Status;
use althing::governance::statement::Signed;
use althing::governance::time::Seconds;
use althing::testing::{Assembly, actions, strategies};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

/// What became of a proposal, and the four weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outcome {
    status: Status,
    tainted: bool,
    weights: [u64; 4],
}

impl Outcome {
    /// Whether evidence came after the decision.
    fn is_marked(&self) -> bool {
        self.tainted || self.status == Status::Overturned
    }
}

/// Casts `votes` in this order on one proposal, refused or not, and closes it at its deadline.
///
/// Every run is the same but for the order, so that the ballots are the same bytes.
fn run(policy: &Policy, weights: &[u64], votes: &[(usize, Decision)], order: &[usize]) -> Outcome {
    let mut assembly = Assembly::under(policy.clone(), weights);
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    let ballots: Vec<Signed<Ballot>> = votes
        .iter()
        .map(|(by, decision)| assembly.signed_ballot(*by, proposal, *decision))
        .collect();
    for place in order {
        // A ballot that comes too late is refused, which is part of what is tested.
        let _ = assembly.submit(&Command::Vote(ballots[*place].clone()));
    }
    if assembly.status(proposal) == Status::Voting {
        assembly.close_at_deadline(proposal);
    }
    let found = assembly.proposal(proposal);
    let tally = found.tally();
    Outcome {
        status: found.status(),
        tainted: found.is_tainted(),
        weights: [
            tally.approve(),
            tally.reject(),
            tally.abstain(),
            tally.byzantine(),
        ],
    }
}

/// Ballots of some nodes, and two orders of them.
type Case = (Vec<u64>, Vec<(usize, Decision)>, Vec<usize>, Vec<usize>);

/// With `twice`, a node may contradict itself.
fn cases(twice: bool) -> impl Strategy<Value = Case> {
    strategies::electorates()
        .prop_flat_map(move |weights| {
            let count = weights.len();
            let voters = if twice {
                vec(0..count, 0..=2 * count).boxed()
            } else {
                subsequence((0..count).collect::<Vec<_>>(), 0..=count).boxed()
            };
            let votes = voters.prop_flat_map(|voters| {
                voters
                    .into_iter()
                    .map(|voter| strategies::decisions().prop_map(move |how| (voter, how)))
                    .collect::<Vec<_>>()
            });
            (Just(weights), votes)
        })
        .prop_flat_map(|(weights, votes)| {
            let order: Vec<usize> = (0..votes.len()).collect();
            (
                Just(weights),
                Just(votes),
                Just(order.clone()).prop_shuffle(),
                Just(order).prop_shuffle(),
            )
        })
}

fn policy(early_decision: bool, timelock: bool) -> impl Strategy<Value = Policy> {
    strategies::policies().prop_map(move |policy| Policy {
        early_decision,
        default: althing::governance::policy::Rule {
            timelock_seconds: if timelock {
                Seconds::HOUR
            } else {
                Seconds::ZERO
            },
            ..policy.default
        },
        ..policy
    })
}

proptest! {
    #![proptest_config(crate::config(100))]

    #[test]
    fn without_equivocation_order_never_changes_a_decision(
        policy in any::<bool>().prop_flat_map(|early| policy(early, false)),
        (weights, votes, one, other) in cases(false),
    ) {
        let one = run(&policy, &weights, &votes, &one);
        let other = run(&policy, &weights, &votes, &other);
        prop_assert_eq!(one.status, other.status);
        if !policy.early_decision {
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn without_early_decision_order_changes_nothing_at_all(
        policy in policy(false, false),
        (weights, votes, one, other) in cases(true),
    ) {
        let one = run(&policy, &weights, &votes, &one);
        let other = run(&policy, &weights, &votes, &other);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn with_early_decision_order_separates_only_marked_decisions_from_others(
        policy in any::<bool>().prop_flat_map(|timelock| policy(true, timelock)),
        (weights, votes, one, other) in cases(true),
    ) {
        let one = run(&policy, &weights, &votes, &one);
        let other = run(&policy, &weights, &votes, &other);
        if !one.is_marked() && !other.is_marked() {
            prop_assert_eq!(one.status, other.status);
        }
    }
}

/// What the last property allows does happen.
#[test]
fn an_equivocation_after_an_early_decision_taints_it_and_before_it_prevents_it() {
    let policy = Policy::uniform();
    let votes = [
        (0, Decision::Approve),
        (1, Decision::Approve),
        (2, Decision::Approve),
        (0, Decision::Reject),
    ];
    let after = run(&policy, &[1, 1, 1, 1], &votes, &[0, 1, 2, 3]);
    assert_eq!((after.status, after.tainted), (Status::Executed, true));
    let before = run(&policy, &[1, 1, 1, 1], &votes, &[0, 3, 1, 2]);
    assert_eq!((before.status, before.tainted), (Status::Expired, false));
}
