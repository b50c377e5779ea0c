//! The count against a plain reading of the specification, for weights of every size. Every small
//! electorate is looked at in `exhaustive`.

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

const STANDINGS: [Standing; 6] = [
    Standing::Uncast,
    Standing::Approve,
    Standing::Reject,
    Standing::Abstain,
    Standing::Byzantine,
    Standing::Barred,
];

fn check(rules: &[Rule], members: &[(u64, usize)]) {
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
