//! The count against a plain reading of the specification, for every small electorate.

use std::collections::BTreeSet;

use althing::governance::policy::{Policy, Rule};
use althing::governance::tally::{
    Reason, Standing, Tally, Verdict, judge_at_deadline, judge_early, stands,
};
use althing::governance::weight::{Fraction, Weight};
use proptest::prelude::*;

/// The weights of yes, no, abstain and byz, and T, as the specification names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Count {
    yes: u128,
    no: u128,
    abstain: u128,
    byz: u128,
    total: u128,
}

/// "P·qd ≥ qn·T"
fn has_quorum(rule: &Rule, count: Count) -> bool {
    let participation = count.yes + count.no + count.abstain;
    rule.quorum.is_none_or(|quorum| {
        participation * u128::from(quorum.denominator())
            >= u128::from(quorum.numerator()) * count.total
    })
}

/// "yes > 0 and yes·ad ≥ an·(yes+no+byz)", "yes·xd > xn·T"
fn has_majorities(rule: &Rule, count: Count) -> bool {
    let approval = rule.approval.is_none_or(|approval| {
        count.yes * u128::from(approval.denominator())
            >= u128::from(approval.numerator()) * (count.yes + count.no + count.byz)
    });
    let absolute = rule.absolute.is_none_or(|absolute| {
        count.yes * u128::from(absolute.denominator())
            > u128::from(absolute.numerator()) * count.total
    });
    count.yes > 0 && approval && absolute
}

/// "all conditions hold → passed; else quorum missed → expired; else rejected"
fn outcome(rules: &[Rule], count: Count) -> Verdict {
    if rules
        .iter()
        .all(|rule| has_quorum(rule, count) && has_majorities(rule, count))
    {
        Verdict::Passed
    } else if rules.iter().any(|rule| !has_quorum(rule, count)) {
        Verdict::Expired
    } else {
        Verdict::Rejected
    }
}

/// Everything that nodes which have not voted can still do: vote in three ways, contradict
/// themselves, be removed, or never turn up.
fn futures(count: Count, uncast: &[u64]) -> BTreeSet<Count> {
    let Some((weight, rest)) = uncast.split_first() else {
        return BTreeSet::from([count]);
    };
    let weight = u128::from(*weight);
    let mut all = futures(count, rest);
    let mut add = |change: fn(&mut Count) -> &mut u128| {
        let mut next = count;
        *change(&mut next) += weight;
        all.extend(futures(next, rest));
    };
    add(|count| &mut count.yes);
    add(|count| &mut count.no);
    add(|count| &mut count.abstain);
    add(|count| &mut count.byz);
    all
}

/// Sure to pass, sure not to pass, or open.
fn early(rules: &[Rule], count: Count, uncast: &[u64]) -> Option<Verdict> {
    let passes: BTreeSet<bool> = futures(count, uncast)
        .into_iter()
        .map(|future| outcome(rules, future) == Verdict::Passed)
        .collect();
    match (passes.contains(&true), passes.contains(&false)) {
        (true, false) => Some(Verdict::Passed),
        (false, true) => Some(Verdict::Rejected),
        _ => None,
    }
}

fn rule(quorum: Option<&str>, approval: Option<&str>, absolute: Option<&str>) -> Rule {
    let fraction = |text: Option<&str>| text.map(|text| text.parse().expect("a fraction"));
    Rule {
        quorum: fraction(quorum),
        approval: fraction(approval),
        absolute: fraction(absolute),
        ..Policy::uniform().default
    }
}

fn rule_sets() -> Vec<Vec<Rule>> {
    let two_thirds = Some("2/3");
    let uniform = rule(two_thirds, two_thirds, None);
    let half = rule(two_thirds, two_thirds, Some("1/2"));
    let strict = rule(two_thirds, two_thirds, two_thirds);
    let freeze = rule(None, None, Some("1/3"));
    vec![
        vec![uniform.clone()],
        vec![half.clone()],
        vec![strict.clone()],
        vec![freeze.clone()],
        vec![rule(Some("0/1"), two_thirds, None)],
        vec![rule(Some("1/1"), Some("1/1"), None)],
        vec![rule(Some("1/2"), Some("1/2"), None)],
        vec![rule(None, Some("1/3"), None)],
        vec![rule(None, None, Some("0/1"))],
        vec![strict, rule(Some("1/1"), Some("1/2"), Some("1/3"))],
        vec![freeze, uniform],
    ]
}

/// All ways to write `total` as a sum of weights, in descending order.
fn electorates(total: u64, most: u64) -> Vec<Vec<u64>> {
    if total == 0 {
        return vec![Vec::new()];
    }
    (1..=most.min(total))
        .flat_map(|first| {
            electorates(total - first, first)
                .into_iter()
                .map(move |rest| {
                    let mut weights = vec![first];
                    weights.extend(rest);
                    weights
                })
        })
        .collect()
}

const STANDINGS: [Standing; 6] = [
    Standing::Uncast,
    Standing::Approve,
    Standing::Reject,
    Standing::Abstain,
    Standing::Byzantine,
    Standing::Barred,
];

/// All assignments of standings, each once where members of equal weight are alike.
fn assignments(weights: &[u64]) -> BTreeSet<Vec<(u64, usize)>> {
    let mut all = BTreeSet::from([Vec::new()]);
    for weight in weights {
        all = all
            .into_iter()
            .flat_map(|members: Vec<(u64, usize)>| {
                (0..STANDINGS.len()).map(move |standing| {
                    let mut members = members.clone();
                    members.push((*weight, standing));
                    members.sort_unstable();
                    members
                })
            })
            .collect();
    }
    all
}

fn check(rules: &[Rule], members: &[(u64, usize)]) -> (Option<Verdict>, Verdict) {
    let weigh = |wanted: Standing| -> u128 {
        let found = members.iter().filter(|(_, at)| STANDINGS[*at] == wanted);
        found.map(|(weight, _)| u128::from(*weight)).sum()
    };
    let count = Count {
        yes: weigh(Standing::Approve),
        no: weigh(Standing::Reject),
        abstain: weigh(Standing::Abstain),
        byz: weigh(Standing::Byzantine),
        total: members.iter().map(|(weight, _)| u128::from(*weight)).sum(),
    };
    let uncast: Vec<u64> = (members.iter())
        .filter(|(_, at)| STANDINGS[*at] == Standing::Uncast)
        .map(|(weight, _)| *weight)
        .collect();
    let members: Vec<(Weight, Standing)> = (members.iter())
        .map(|(weight, at)| (Weight::new(*weight).unwrap(), STANDINGS[*at]))
        .collect();
    let tally = Tally::of(&members).expect("a small total");

    let expected = (early(rules, count, &uncast), outcome(rules, count));
    let found = (
        judge_early(rules, &tally).map(|judgement| judgement.verdict),
        judge_at_deadline(rules, &tally).verdict,
    );
    assert_eq!(found, expected, "{rules:?} {members:?}");
    assert_eq!(
        stands(rules, &tally),
        expected.0 == Some(Verdict::Passed),
        "{rules:?} {members:?}"
    );
    expected
}

#[test]
fn early_decisions_are_sound_and_complete_and_deadlines_are_exact_for_every_small_electorate() {
    let mut seen = BTreeSet::new();
    for total in 1..=6 {
        for weights in electorates(total, total) {
            for members in assignments(&weights) {
                for rules in rule_sets() {
                    let (early, late) = check(&rules, &members);
                    seen.insert((early.map(Verdict::name), late.name()));
                }
            }
        }
    }
    // Each combination that can occur at all did.
    assert_eq!(
        seen.into_iter().collect::<Vec<_>>(),
        [
            (None, "expired"),
            (None, "passed"),
            (None, "rejected"),
            (Some("passed"), "passed"),
            (Some("rejected"), "expired"),
            (Some("rejected"), "rejected"),
        ]
    );
}

#[test]
fn the_reason_names_the_first_condition_that_fails() {
    let rules = [rule(Some("2/3"), Some("2/3"), Some("1/2"))];
    for (standings, verdict, reason) in [
        ("yyy...", Verdict::Expired, Reason::Quorum),
        ("aaaa..", Verdict::Rejected, Reason::NoApproval),
        ("yynn..", Verdict::Rejected, Reason::Approval),
        ("yyaa..", Verdict::Rejected, Reason::Absolute),
        ("yyyyn.", Verdict::Passed, Reason::ConditionsMet),
        ("yyyybb", Verdict::Passed, Reason::ConditionsMet),
        ("yyyabb", Verdict::Rejected, Reason::Approval),
    ] {
        let members: Vec<_> = standings
            .chars()
            .map(|standing| {
                let standing = match standing {
                    'y' => Standing::Approve,
                    'n' => Standing::Reject,
                    'a' => Standing::Abstain,
                    'b' => Standing::Byzantine,
                    _ => Standing::Uncast,
                };
                (Weight::ONE, standing)
            })
            .collect();
        let judgement = judge_at_deadline(&rules, &Tally::of(&members).unwrap());
        assert_eq!(
            (judgement.verdict, judgement.reason),
            (verdict, reason),
            "{standings}"
        );
    }
}

proptest! {
    #![proptest_config(crate::config(512))]

    /// The largest weights that a ledger can hold are counted as exactly as small ones.
    #[test]
    fn large_weights_are_counted_exactly(
        weights in proptest::collection::vec((1..=1_000_000_000_000_000_u64, 0..6_usize), 1..=6),
        (numerator, denominator) in (1..=9_007_199_254_740_990_u64)
            .prop_flat_map(|below| (0..=below, Just(below + 1))),
    ) {
        let share = Fraction::new(numerator, denominator);
        let rules = [Rule { quorum: share, approval: share, absolute: share, ..rule(None, None, None) }];
        check(&rules, &weights);
    }
}
