//! What a policy means for an electorate, against enumeration of everything that nodes can do.

use std::collections::BTreeMap;

use althing::governance::kind::ProposalKind;
use althing::governance::policy::{Policy, Rule};
use althing::governance::policy_lint::{
    Behaviour, Bloc, Coalition, Code, ElectorateError, KindLint, PolicyLint, Possibility, Severity,
    lint,
};
use althing::governance::tally::{Standing, Tally, Verdict, judge_at_deadline};
use althing::governance::weight::{Fraction, Weight};
use althing::testing::strategies;
use proptest::prelude::*;

fn weights(weights: &[u64]) -> Vec<Weight> {
    let weights = weights.iter().map(|weight| Weight::new(*weight));
    weights.map(|weight| weight.expect("a weight")).collect()
}

fn linted(policy: &Policy, of: &[u64]) -> PolicyLint {
    lint(policy, &weights(of)).expect("an electorate")
}

fn of_kind(lint: &PolicyLint, kind: ProposalKind) -> &KindLint {
    let found = lint.kinds.iter().find(|lint| lint.kind == kind);
    found.expect("every kind is there")
}

/// A policy with one rule for everything.
fn only(quorum: Option<&str>, approval: Option<&str>, absolute: Option<&str>) -> Policy {
    let fraction = |text: Option<&str>| text.map(|text| text.parse().expect("a fraction"));
    let uniform = Policy::uniform();
    let default = Rule {
        quorum: fraction(quorum),
        approval: fraction(approval),
        absolute: fraction(absolute),
        ..uniform.default.clone()
    };
    Policy { default, ..uniform }
}

fn codes(lint: &PolicyLint, kind: ProposalKind) -> Vec<&'static str> {
    let about = lint.findings.iter().filter(|it| it.kinds.contains(&kind));
    about.map(|finding| finding.code.name()).collect()
}

/// Fewest nodes and least weight.
fn size(coalition: Option<Coalition>) -> Option<(usize, u64)> {
    coalition.map(|coalition| (coalition.nodes, coalition.weight))
}

#[test]
fn the_numbers_are_the_expected_ones() {
    use ProposalKind::{AddNode, AuthorizeModel, EmergencyFreeze, RevokeModel};
    let default = Policy::default();
    let uniform = Policy::uniform();
    let nine: &[u64] = &[1; 9];
    // (policy, weights, kind, against all, alone, with abstentions, blocked by, contradictory)
    for (policy, of, kind, against, alone, abstentions, blocked, contradictory) in [
        (
            &uniform,
            nine,
            AddNode,
            (6, 6),
            (6, 6),
            (1, 1),
            (4, 4),
            true,
        ),
        (
            &default,
            nine,
            AddNode,
            (7, 7),
            (7, 7),
            (7, 7),
            (3, 3),
            false,
        ),
        (
            &default,
            nine,
            AuthorizeModel,
            (6, 6),
            (6, 6),
            (5, 5),
            (4, 4),
            false,
        ),
        (
            &default,
            nine,
            RevokeModel,
            (6, 6),
            (6, 6),
            (1, 1),
            (4, 4),
            true,
        ),
        (
            &default,
            nine,
            EmergencyFreeze,
            (4, 4),
            (4, 4),
            (4, 4),
            (6, 6),
            true,
        ),
        (
            &default,
            &[1, 1, 2],
            AuthorizeModel,
            (2, 3),
            (2, 3),
            (2, 3),
            (1, 2),
            false,
        ),
        (
            &default,
            &[1, 1, 1],
            AddNode,
            (3, 3),
            (3, 3),
            (3, 3),
            (1, 1),
            false,
        ),
        // Fewest nodes and least weight are different coalitions: {5, 4} and {5, 3}, or {4, 3, 1}.
        (
            &default,
            &[5, 4, 3, 1],
            AuthorizeModel,
            (2, 9),
            (2, 9),
            (2, 7),
            (1, 5),
            false,
        ),
        (
            &default,
            &[7],
            AddNode,
            (1, 7),
            (1, 7),
            (1, 7),
            (1, 7),
            false,
        ),
    ] {
        let lint = linted(policy, of);
        let found = of_kind(&lint, kind);
        let numbers = [
            size(found.passes_against_all),
            size(found.passes_alone),
            size(found.passes_with_abstentions),
            size(Some(found.blocked_by.coalition)),
        ];
        let expected = [against, alone, abstentions, blocked].map(Some);
        assert_eq!(numbers, expected, "{kind} {of:?}");
        let possible = found.contradictory.possible == Possibility::Yes;
        assert_eq!(possible, contradictory, "{kind} {of:?}");
        assert!(found.satisfiable);
    }
}

/// Hole 10: nine equal nodes, 4 of them for one proposal, others for its opposite.
#[test]
fn contradictory_passes_are_named_with_an_example() {
    let lint = linted(&Policy::uniform(), &[1; 9]);
    for kind in ProposalKind::ALL {
        assert!(codes(&lint, kind).contains(&"lint.contradictory-passes"));
        let contradictory = &of_kind(&lint, kind).contradictory;
        assert_eq!(contradictory.needed_weight, Some(1));
        let example = contradictory.example.as_ref().expect("an example");
        let equal = |nodes| vec![Bloc { weight: 1, nodes }];
        assert_eq!((&example.one.blocs, example.one.weight), (&equal(4), 4));
        assert_eq!((&example.other.blocs, example.other.weight), (&equal(5), 5));
        // Four ninths: 4 in favour, 2 against, and quorum by whoever else turns up.
        assert_eq!(example.one.withstands_rejecting, 2);
        assert_eq!(example.other.withstands_rejecting, 2);
    }
}

#[test]
fn the_findings_are_the_expected_ones() {
    use ProposalKind::{AddNode, AuthorizeModel, EmergencyFreeze, RevokeModel};
    let default = Policy::default();
    let two_thirds = Some("2/3");
    let nine: &[u64] = &[1; 9];
    for (policy, of, kind, expected) in [
        (&default, nine, AddNode, &[] as &[&str]),
        (&default, &[1; 9], AuthorizeModel, &[]),
        (&default, &[1; 3], AddNode, &["lint.single-node-blocks"]),
        (
            &default,
            &[1; 9],
            RevokeModel,
            &[
                "lint.contradictory-passes",
                "lint.minority-passes",
                "lint.single-node-passes",
            ],
        ),
        (
            &default,
            &[1; 9],
            EmergencyFreeze,
            &[
                "lint.contradictory-passes",
                "lint.minority-passes",
                "lint.no-quorum",
            ],
        ),
        (
            &default,
            &[1, 1, 7],
            AddNode,
            &["lint.single-node-passes", "lint.single-node-blocks"],
        ),
        (
            &Policy::uniform(),
            &[1; 9],
            EmergencyFreeze,
            &[
                "lint.freeze-within-third",
                "lint.contradictory-passes",
                "lint.freeze-beyond-third",
                "lint.minority-passes",
                "lint.single-node-passes",
            ],
        ),
        (
            &only(None, two_thirds, None),
            &[1; 9],
            AddNode,
            &[
                "lint.contradictory-passes",
                "lint.minority-passes",
                "lint.single-node-passes",
                "lint.no-quorum",
            ],
        ),
        (
            &only(Some("0/1"), None, two_thirds),
            &[1; 9],
            AddNode,
            &["lint.no-quorum"],
        ),
        // Everybody is more than everybody: never.
        (
            &only(None, None, Some("1/1")),
            &[1; 9],
            AddNode,
            &["lint.unsatisfiable"],
        ),
    ] {
        let lint = linted(policy, of);
        assert_eq!(codes(&lint, kind), expected, "{kind} {of:?}");
        let refused = lint
            .findings
            .iter()
            .any(|it| it.code == Code::InvalidPolicy);
        assert_eq!(refused, policy.validate().is_err());
        assert!(lint.findings.is_sorted_by_key(|finding| finding.severity));
    }
}

#[test]
fn nobody_passes_and_nobody_need_block_what_is_unsatisfiable() {
    let lint = linted(&only(None, None, Some("1/1")), &[1, 2]);
    let found = of_kind(&lint, ProposalKind::AddNode);
    assert!(!found.satisfiable);
    assert_eq!(found.passes_with_abstentions, None);
    assert_eq!(size(Some(found.blocked_by.coalition)), Some((0, 0)));
    assert_eq!(found.contradictory.possible, Possibility::No);
    assert_eq!(lint.findings[0].severity, Severity::Error);
}

#[test]
fn the_more_effective_way_to_block_is_named() {
    for (policy, expected) in [
        (only(Some("1/2"), Some("2/3"), None), Behaviour::Rejecting),
        (only(Some("2/3"), Some("1/2"), None), Behaviour::StayingAway),
        (only(None, None, Some("1/2")), Behaviour::Either),
    ] {
        let lint = linted(&policy, &[1; 9]);
        let found = of_kind(&lint, ProposalKind::AddNode);
        assert_eq!(found.blocked_by.by, expected);
    }
}

#[test]
fn weights_that_are_no_electorate_are_refused() {
    let policy = Policy::default();
    let heaviest = Weight::new((1 << 53) - 1).expect("a weight");
    for (of, expected) in [
        (Vec::new(), ElectorateError::Empty),
        (vec![Weight::ONE; 10_001], ElectorateError::TooManyNodes),
        (vec![heaviest, Weight::ONE], ElectorateError::TooHeavy),
    ] {
        assert_eq!(lint(&policy, &of), Err(expected));
    }
}

#[test]
fn the_largest_electorates_are_answered() {
    let policy = Policy::uniform();
    // All different weights up to the limit of the table, and as many nodes as a ledger may have.
    let different: Vec<u64> = (1..=446).collect();
    for of in [different, vec![10; 10_000], vec![1_u64 << 39; 10_000]] {
        let lint = linted(&policy, &of);
        let found = of_kind(&lint, ProposalKind::AddNode);
        assert_eq!(found.contradictory.possible, Possibility::Yes);
    }
}

#[test]
fn what_is_too_large_to_divide_is_answered_by_weight() {
    use Possibility::{ByWeight, No, Yes};
    for (absolute, nodes, expected) in [
        // More than 49 % on each side: 26 equal nodes divide evenly.
        ("49/100", 26, Yes),
        // 25 do not, but that is not looked into.
        ("49/100", 25, ByWeight),
        ("1/2", 25, No),
        // Up to 24 nodes of any weight are.
        ("49/100", 23, No),
        ("49/100", 24, Yes),
    ] {
        let policy = only(None, None, Some(absolute));
        let lint = linted(&policy, &vec![1_000_000; nodes]);
        let found = of_kind(&lint, ProposalKind::AddNode);
        assert_eq!(found.contradictory.possible, expected, "{absolute} {nodes}");
        let exact = found.passes_against_all.expect("it passes").exact;
        assert_eq!(exact, nodes <= 24);
        let named = codes(&lint, ProposalKind::AddNode).contains(&"lint.contradictory-passes");
        assert_eq!(named, expected != No);
    }
}

#[test]
fn the_json_is_stable() {
    let lint = linted(&Policy::uniform(), &[1, 1, 2]);
    let json = serde_json::to_value(&lint).unwrap();
    assert_eq!(
        json["kinds"][0],
        serde_json::json!({
            "kind": "authorize-model",
            "conditions": {"approval": "2/3", "quorum": "2/3"},
            "satisfiable": true,
            "passes_against_all": {"nodes": 2, "weight": 3, "exact": true, "needed_weight": 3},
            "passes_alone": {"nodes": 2, "weight": 3, "exact": true, "needed_weight": 3},
            "passes_with_abstentions":
                {"nodes": 1, "weight": 1, "exact": true, "needed_weight": 1},
            "blocked_by":
                {"nodes": 1, "weight": 2, "exact": true, "needed_weight": 2, "by": "either"},
            "contradictory": {
                "possible": "yes",
                "needed_weight": 1,
                "example": {
                    "one": {
                        "blocs": [{"weight": 1, "nodes": 2}],
                        "weight": 2,
                        "withstands_rejecting": 1,
                    },
                    "other": {
                        "blocs": [{"weight": 2, "nodes": 1}],
                        "weight": 2,
                        "withstands_rejecting": 1,
                    },
                },
            },
        })
    );
    for finding in &lint.findings {
        let json = serde_json::to_value(finding).unwrap();
        assert_eq!(json["code"], finding.code.name());
        assert_eq!(json["severity"], finding.severity.name());
    }
}

/// All ways to write `total` as a sum of weights, in descending order.
fn electorates(total: u64, most: u64) -> Vec<Vec<u64>> {
    if total == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for first in 1..=most.min(total) {
        for rest in electorates(total - first, first) {
            all.push([vec![first], rest].concat());
        }
    }
    all
}

/// Everything that a node can do on one proposal, approval first.
const BEHAVIOURS: [Standing; 5] = [
    Standing::Approve,
    Standing::Reject,
    Standing::Abstain,
    Standing::Uncast,
    Standing::Byzantine,
];

/// What all behaviours of an electorate lead to.
#[derive(Default)]
struct Enumerated {
    /// Sets of nodes, as bits, that approve what passes: always, alone, and in any way.
    against_all: Vec<usize>,
    alone: Vec<usize>,
    at_best: Vec<usize>,
    /// Sets of nodes that do anything but approve, and it does not pass.
    blocking: Vec<usize>,
}

fn enumerate(rule: &Rule, of: &[u64]) -> Enumerated {
    let mut found = Enumerated::default();
    let everybody = (1 << of.len()) - 1;
    for choice in 0..BEHAVIOURS.len().pow(u32::try_from(of.len()).unwrap()) {
        let mut rest = choice;
        let members: Vec<(Weight, Standing)> = (of.iter())
            .map(|weight| {
                let behaviour = BEHAVIOURS[rest % BEHAVIOURS.len()];
                rest /= BEHAVIOURS.len();
                (Weight::new(*weight).unwrap(), behaviour)
            })
            .collect();
        let approvers = (members.iter().enumerate())
            .filter(|(_, (_, standing))| *standing == Standing::Approve)
            .fold(0, |set, (place, _)| set | 1 << place);
        let all_others_are = |wanted: Standing| {
            let mut others = members.iter().map(|(_, standing)| *standing);
            others.all(|standing| standing == Standing::Approve || standing == wanted)
        };
        let tally = Tally::of(&members).unwrap();
        let verdict = judge_at_deadline(std::slice::from_ref(rule), &tally).verdict;
        if verdict != Verdict::Passed {
            found.blocking.push(everybody & !approvers);
            continue;
        }
        found.at_best.push(approvers);
        if all_others_are(Standing::Reject) {
            found.against_all.push(approvers);
        }
        if all_others_are(Standing::Uncast) {
            found.alone.push(approvers);
        }
    }
    for sets in [&mut found.at_best, &mut found.blocking] {
        sets.sort_unstable();
        sets.dedup();
    }
    found
}

/// Fewest nodes and least weight of some sets.
fn smallest(sets: &[usize], of: &[u64]) -> Option<(usize, u64)> {
    let count = |set: &usize| set.count_ones() as usize;
    let weigh = |set: &usize| -> u64 {
        let members = of.iter().enumerate();
        let inside = members.filter(|(place, _)| set & (1 << place) != 0);
        inside.map(|(_, weight)| *weight).sum()
    };
    Some((sets.iter().map(count).min()?, sets.iter().map(weigh).min()?))
}

fn check_example(rule: &Rule, of: &[u64], found: &KindLint) {
    let Some(example) = &found.contradictory.example else {
        return;
    };
    let total: u64 = of.iter().sum();
    let mut nodes: BTreeMap<u64, usize> = BTreeMap::new();
    for side in [&example.one, &example.other] {
        let mut weight = 0;
        for bloc in &side.blocs {
            *nodes.entry(bloc.weight).or_default() += bloc.nodes;
            weight += bloc.weight * u64::try_from(bloc.nodes).unwrap();
        }
        assert_eq!(weight, side.weight);
        let passes = |reject: u64| {
            let blocs = [
                (weight, Standing::Approve),
                (reject, Standing::Reject),
                (total - weight - reject, Standing::Abstain),
            ];
            let members: Vec<_> = (blocs.into_iter())
                .filter_map(|(weight, standing)| Some((Weight::new(weight)?, standing)))
                .collect();
            let tally = Tally::of(&members).unwrap();
            judge_at_deadline(std::slice::from_ref(rule), &tally).verdict == Verdict::Passed
        };
        let withstands = side.withstands_rejecting;
        assert!(passes(withstands), "{of:?}");
        assert!(
            withstands == total - weight || !passes(withstands + 1),
            "{of:?}"
        );
    }
    let mut expected: BTreeMap<u64, usize> = BTreeMap::new();
    for weight in of {
        *expected.entry(*weight).or_default() += 1;
    }
    assert_eq!(nodes, expected, "each node is on one side");
}

fn check(policy: &Policy, of: &[u64]) {
    let rule = policy.rule(ProposalKind::AddNode);
    let lint = linted(policy, of);
    let found = of_kind(&lint, ProposalKind::AddNode);
    let all = enumerate(&rule, of);
    let numbers = [
        size(found.passes_against_all),
        size(found.passes_alone),
        size(found.passes_with_abstentions),
        size(Some(found.blocked_by.coalition)),
    ];
    let expected = [
        smallest(&all.against_all, of),
        smallest(&all.alone, of),
        smallest(&all.at_best, of),
        smallest(&all.blocking, of),
    ];
    assert_eq!(numbers, expected, "{rule:?} {of:?}");
    let everybody: usize = (1 << of.len()) - 1;
    assert_eq!(found.satisfiable, all.at_best.contains(&everybody));
    let disjoint = |one: &usize| all.at_best.iter().any(|other| one & other == 0);
    let expected = if all.at_best.iter().any(disjoint) {
        Possibility::Yes
    } else {
        Possibility::No
    };
    assert_eq!(found.contradictory.possible, expected, "{rule:?} {of:?}");
    check_example(&rule, of, found);
}

#[test]
fn every_small_electorate_is_as_enumeration_finds_it() {
    let two_thirds = Some("2/3");
    for policy in [
        only(two_thirds, two_thirds, None),
        only(two_thirds, two_thirds, Some("1/2")),
        only(two_thirds, two_thirds, two_thirds),
        only(None, None, Some("1/3")),
        only(Some("1/2"), Some("3/4"), None),
        only(Some("1/1"), Some("1/1"), None),
        only(Some("4/5"), Some("1/5"), Some("2/5")),
        only(None, Some("1/2"), Some("1/7")),
        only(None, None, Some("1/1")),
    ] {
        for total in 1..=7 {
            for of in electorates(total, total) {
                check(&policy, &of);
            }
        }
    }
}

proptest! {
    #![proptest_config(crate::config(256))]

    /// Any weights and shares, with few enough nodes to enumerate.
    #[test]
    fn electorates_of_any_weight_are_as_enumeration_finds_them(
        of in prop::collection::vec(prop_oneof![1..=9_u64, 1..=90_000_u64, 1..=1_000_000_000_u64], 1..=5),
        shares in prop::collection::vec(prop::option::of(strategies::fractions()), 3),
    ) {
        let one = Fraction::new(1, 1);
        let base = only(None, None, None);
        let default = Rule {
            quorum: shares[0],
            approval: shares[1].filter(|share| share.numerator() > 0),
            absolute: shares[2].or(if shares[1].is_none() { one } else { None }),
            ..base.default.clone()
        };
        check(&Policy { default, ..base }, &of);
    }

    /// Both exact methods find the same: one counts what the other can't reach.
    #[test]
    fn weights_of_another_unit_have_the_same_coalitions(
        policy in strategies::policies(),
        of in prop::collection::vec(1..=50_u64, 1..=24),
    ) {
        let unit = 1_000_000;
        let small = linted(&policy, &of);
        let scaled: Vec<u64> = of.iter().map(|weight| weight * unit).collect();
        let large = linted(&policy, &scaled);
        for (small, large) in small.kinds.iter().zip(&large.kinds) {
            let in_units = |coalition: Option<Coalition>| {
                size(coalition).map(|(nodes, weight)| (nodes, weight * unit))
            };
            let pairs = [
                (small.passes_against_all, large.passes_against_all),
                (small.passes_alone, large.passes_alone),
                (small.passes_with_abstentions, large.passes_with_abstentions),
                (Some(small.blocked_by.coalition), Some(large.blocked_by.coalition)),
            ];
            for (small, large) in pairs {
                prop_assert_eq!(in_units(small), size(large));
            }
            prop_assert_eq!(small.contradictory.possible, large.contradictory.possible);
        }
    }

    /// The promise of the default policy, for every electorate.
    #[test]
    fn the_default_policy_never_passes_a_contradiction_where_it_promises_so(
        of in prop_oneof![
            strategies::electorates(),
            prop::collection::vec(1..=1_000_000_000_u64, 1..=40),
        ],
    ) {
        let policy = Policy::default();
        let lint = linted(&policy, &of);
        let half = Fraction::new(1, 2).unwrap();
        for kind in ProposalKind::ALL {
            let absolute = policy.rule(kind).absolute;
            if absolute.is_some_and(|share| !share.is_below(half)) {
                prop_assert!(!codes(&lint, kind).contains(&"lint.contradictory-passes"), "{kind}");
            }
        }
    }
}
