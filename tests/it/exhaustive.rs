//! The count, for every small electorate and everything that its members can do.
//!
//! The oracle shares no code with the count: it has its own thresholds, weighs by hand, and finds
//! out what can still happen by letting it happen.
//!
//! `cargo test` stops short of T = 8. The whole takes about a minute in a debug build:
//!
//! ```text
//! cargo test --test it exhaustive -- --include-ignored --nocapture
//! ```

use std::collections::{BTreeMap, BTreeSet};

use althing::governance::ballot::Decision;
use althing::governance::command::Command;
use althing::governance::policy::{Policy, Rule};
use althing::governance::state::proposal::Status;
use althing::governance::tally::{
    Standing, Tally, Verdict, judge_at_deadline, judge_early, stands,
};
use althing::governance::weight::{Fraction, Weight};
use althing::testing::{Assembly, actions};

/// Where a member stands, in the order of the letters of [`STANDINGS`].
type Member = (u64, usize);

const UNCAST: usize = 0;
const YES: usize = 1;
const NO: usize = 2;
const ABSTAIN: usize = 3;
const BYZANTINE: usize = 4;
const REMOVED: usize = 5;

const STANDINGS: [Standing; 6] = [
    Standing::Uncast,
    Standing::Approve,
    Standing::Reject,
    Standing::Abstain,
    Standing::Byzantine,
    Standing::Barred,
];

/// n of d.
type Share = (u64, u64);

/// The conditions of one rule, as the specification names them: q, a and x.
#[derive(Debug, Clone, Copy)]
struct Plain {
    quorum: Option<Share>,
    approval: Option<Share>,
    absolute: Option<Share>,
}

const fn plain(quorum: Option<Share>, approval: Option<Share>, absolute: Option<Share>) -> Plain {
    Plain {
        quorum,
        approval,
        absolute,
    }
}

const UNIFORM: Plain = plain(Some((2, 3)), Some((2, 3)), None);
const HALF: Plain = plain(Some((2, 3)), Some((2, 3)), Some((1, 2)));
const TWO_THIRDS: Plain = plain(Some((2, 3)), Some((2, 3)), Some((2, 3)));
const FREEZE: Plain = plain(None, None, Some((1, 3)));

/// Sets of rules that a proposal has to meet together.
const RULES: [&[Plain]; 14] = [
    &[UNIFORM],
    &[HALF],
    &[TWO_THIRDS],
    &[FREEZE],
    &[plain(Some((0, 1)), Some((2, 3)), None)],
    &[plain(Some((1, 1)), Some((1, 1)), None)],
    &[plain(Some((1, 2)), Some((1, 2)), None)],
    &[plain(Some((3, 4)), Some((3, 4)), Some((3, 4)))],
    &[plain(None, Some((1, 3)), None)],
    &[plain(None, Some((1, 1)), None)],
    &[plain(None, None, Some((0, 1)))],
    &[plain(Some((1, 3)), Some((3, 5)), Some((2, 5)))],
    &[TWO_THIRDS, plain(Some((1, 1)), Some((1, 2)), Some((1, 3)))],
    &[FREEZE, plain(None, None, Some((2, 3)))],
];

fn weigh(members: &[Member], standing: usize) -> u64 {
    let found = members.iter().filter(|(_, at)| *at == standing);
    found.map(|(weight, _)| weight).sum()
}

/// What closing at the deadline has to give.
fn outcome(rules: &[Plain], members: &[Member]) -> Verdict {
    let total: u64 = members.iter().map(|(weight, _)| weight).sum();
    let [yes, no, abstain, byz] =
        [YES, NO, ABSTAIN, BYZANTINE].map(|standing| weigh(members, standing));
    let quorum = |rule: &Plain| {
        rule.quorum
            .is_none_or(|(n, d)| (yes + no + abstain) * d >= n * total)
    };
    let passes = |rule: &Plain| {
        yes > 0
            && quorum(rule)
            && rule
                .approval
                .is_none_or(|(n, d)| yes * d >= n * (yes + no + byz))
            && rule.absolute.is_none_or(|(n, d)| yes * d > n * total)
    };
    if rules.iter().all(passes) {
        Verdict::Passed
    } else if rules.iter().all(quorum) {
        Verdict::Rejected
    } else {
        Verdict::Expired
    }
}

/// All ways to write `total` as a sum of weights, in descending order.
fn electorates(total: u64, most: u64) -> Vec<Vec<u64>> {
    if total == 0 {
        return vec![Vec::new()];
    }
    let firsts = 1..=most.min(total);
    firsts
        .flat_map(|first| {
            let rests = electorates(total - first, first).into_iter();
            rests.map(move |rest| [vec![first], rest].concat())
        })
        .collect()
}

/// Gives `each` all assignments of one of `count` things to every member, each once where members of
/// equal weight are alike: these are given their things in ascending order.
fn assignments(weights: &[u64], count: usize, each: &mut dyn FnMut(&[Member])) {
    fn assign(
        weights: &[u64],
        count: usize,
        members: &mut Vec<Member>,
        each: &mut dyn FnMut(&[Member]),
    ) {
        let Some((weight, rest)) = weights.split_first() else {
            return each(members);
        };
        let first = members.last().filter(|(other, _)| other == weight);
        for thing in first.map_or(0, |(_, thing)| *thing)..count {
            members.push((*weight, thing));
            assign(rest, count, members, each);
            members.pop();
        }
    }
    assign(weights, count, &mut Vec::new(), each);
}

fn all_assignments(weights: &[u64], count: usize) -> Vec<Vec<Member>> {
    let mut all = Vec::new();
    assignments(weights, count, &mut |members| {
        all.push(sorted(members.to_vec()))
    });
    all
}

fn sorted(mut members: Vec<Member>) -> Vec<Member> {
    members.sort_unstable();
    members
}

/// The same members with one of them standing elsewhere.
fn moved(members: &[Member], index: usize, standing: usize) -> Vec<Member> {
    let mut members = members.to_vec();
    members[index].1 = standing;
    sorted(members)
}

/// Whether a pass and whether a failure can still come of it: by nothing at all, or by one more
/// member that has not voted voting, contradicting itself, or being removed, and what can come of
/// that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    pass: bool,
    fail: bool,
}

struct Futures<'r> {
    rules: &'r [Plain],
    known: BTreeMap<Vec<Member>, Reach>,
}

impl Futures<'_> {
    fn of(&mut self, members: &[Member]) -> Reach {
        if let Some(known) = self.known.get(members) {
            return *known;
        }
        let passes = outcome(self.rules, members) == Verdict::Passed;
        let mut reach = Reach {
            pass: passes,
            fail: !passes,
        };
        for index in 0..members.len() {
            if members[index].1 == UNCAST {
                for standing in [YES, NO, ABSTAIN, BYZANTINE, REMOVED] {
                    let next = self.of(&moved(members, index, standing));
                    reach.pass |= next.pass;
                    reach.fail |= next.fail;
                }
            }
        }
        self.known.insert(members.to_vec(), reach);
        reach
    }
}

fn real(rules: &[Plain]) -> Vec<Rule> {
    let fraction =
        |share: Option<Share>| share.map(|(n, d)| Fraction::new(n, d).expect("a fraction"));
    let rule = |rule: &Plain| Rule {
        quorum: fraction(rule.quorum),
        approval: fraction(rule.approval),
        absolute: fraction(rule.absolute),
        ..Policy::uniform().default
    };
    rules.iter().map(rule).collect()
}

fn tally(members: &[Member]) -> Tally {
    let members: Vec<(Weight, Standing)> = members
        .iter()
        .map(|(weight, at)| (Weight::new(*weight).expect("a weight"), STANDINGS[*at]))
        .collect();
    Tally::of(&members).expect("a small total")
}

fn early(rules: &[Rule], members: &[Member]) -> Option<Verdict> {
    judge_early(rules, &tally(members)).map(|judgement| judgement.verdict)
}

fn late(rules: &[Rule], members: &[Member]) -> Verdict {
    judge_at_deadline(rules, &tally(members)).verdict
}

/// How many cases there were, so that nobody takes an empty loop for a proof.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cases {
    electorates: u64,
    assignments: u64,
    judged: u64,
    decided_early: u64,
    accusations: u64,
    later: u64,
    /// Each combination of an early decision and the one at the deadline.
    kinds: BTreeSet<(Option<&'static str>, &'static str)>,
}

/// The combinations that can occur at all.
const KINDS: [(Option<&str>, &str); 6] = [
    (None, "expired"),
    (None, "passed"),
    (None, "rejected"),
    (Some("passed"), "passed"),
    (Some("rejected"), "expired"),
    (Some("rejected"), "rejected"),
];

fn every_count(most: u64) -> Cases {
    let mut cases = Cases::default();
    let all = (1..=most).flat_map(|total| electorates(total, total));
    for weights in all {
        cases.electorates += 1;
        let assignments = all_assignments(&weights, STANDINGS.len());
        cases.assignments += assignments.len() as u64;
        for plain in RULES {
            let rules = real(plain);
            let mut futures = Futures {
                rules: plain,
                known: BTreeMap::new(),
            };
            for members in &assignments {
                let reach = futures.of(members);
                judged_rightly(plain, &rules, members, reach, &mut cases);
                evidence_saves_nothing(&rules, members, &mut cases);
                decisions_stay(&rules, members, &mut cases);
            }
        }
    }
    cases
}

/// Early decision fires exactly when one outcome is out of reach; closing gives what it has to.
fn judged_rightly(
    plain: &[Plain],
    rules: &[Rule],
    members: &[Member],
    reach: Reach,
    cases: &mut Cases,
) {
    let expected = match reach {
        Reach { fail: false, .. } => Some(Verdict::Passed),
        Reach { pass: false, .. } => Some(Verdict::Rejected),
        _ => None,
    };
    let found = early(rules, members);
    assert_eq!(found, expected, "early: {plain:?} {members:?}");
    assert_eq!(
        late(rules, members),
        outcome(plain, members),
        "at the deadline: {plain:?} {members:?}"
    );
    let certain = stands(rules, &tally(members));
    assert_eq!(
        certain,
        expected == Some(Verdict::Passed),
        "{plain:?} {members:?}"
    );
    let kind = (found.map(Verdict::name), outcome(plain, members).name());
    cases.kinds.insert(kind);
    cases.judged += 1;
    cases.decided_early += u64::from(found.is_some());
}

/// Whoever is found to have contradicted itself, and wherever it stood: what fails goes on failing,
/// what is rejected early stays rejected, and what does not stand does not stand.
fn evidence_saves_nothing(rules: &[Rule], members: &[Member], cases: &mut Cases) {
    for index in 0..members.len() {
        if members[index].1 == BYZANTINE {
            continue;
        }
        let accused = moved(members, index, BYZANTINE);
        let passes = |members: &[Member]| late(rules, members) == Verdict::Passed;
        assert!(
            passes(members) || !passes(&accused),
            "{rules:?} {members:?} {accused:?}"
        );
        let rejected = |members: &[Member]| early(rules, members) == Some(Verdict::Rejected);
        assert!(
            !rejected(members) || rejected(&accused),
            "{rules:?} {members:?} {accused:?}"
        );
        let certain = |members: &[Member]| stands(rules, &tally(members));
        assert!(
            certain(members) || !certain(&accused),
            "{rules:?} {members:?} {accused:?}"
        );
        cases.accusations += 1;
    }
}

/// What is decided early is decided the same way after whatever comes later from those who have not
/// voted. So the order in which ballots come can't matter: the last of them finds the decision that
/// any of them has found.
fn decisions_stay(rules: &[Rule], members: &[Member], cases: &mut Cases) {
    let Some(decided) = early(rules, members) else {
        return;
    };
    for index in 0..members.len() {
        if members[index].1 == UNCAST {
            for standing in [YES, NO, ABSTAIN, BYZANTINE, REMOVED] {
                let later = moved(members, index, standing);
                assert_eq!(
                    early(rules, &later),
                    Some(decided),
                    "{rules:?} {members:?} {later:?}"
                );
                cases.later += 1;
            }
        }
    }
}

#[test]
fn the_count_is_right_for_every_electorate_up_to_five() {
    let cases = every_count(5);
    println!("{cases:?}");
    let expected = Cases {
        electorates: 18,
        assignments: 1_364,
        judged: 19_096,
        decided_early: 15_852,
        accusations: 56_140,
        later: 29_940,
        kinds: KINDS.into(),
    };
    assert_eq!(cases, expected);
}

#[test]
#[ignore = "takes a while in a debug build"]
fn the_count_is_right_for_every_electorate_up_to_eight() {
    let cases = every_count(8);
    println!("{cases:?}");
    let expected = Cases {
        electorates: 66,
        assignments: 25_753,
        judged: 360_542,
        decided_early: 300_384,
        accusations: 1_570_240,
        later: 980_770,
        kinds: KINDS.into(),
    };
    assert_eq!(cases, expected);
}

/// What a member does about two proposals that contradict each other. An honest one does not approve
/// both; all else is open to everybody.
const BOTH: [(usize, usize); 16] = [
    (YES, YES),
    (YES, NO),
    (YES, ABSTAIN),
    (YES, UNCAST),
    (NO, YES),
    (NO, NO),
    (NO, ABSTAIN),
    (NO, UNCAST),
    (ABSTAIN, YES),
    (ABSTAIN, NO),
    (ABSTAIN, ABSTAIN),
    (ABSTAIN, UNCAST),
    (UNCAST, YES),
    (UNCAST, NO),
    (UNCAST, ABSTAIN),
    (UNCAST, UNCAST),
];

/// Whether a count passes under a rule, asked once for each count: of equal weight on each side.
struct Passes {
    rule: Vec<Rule>,
    known: BTreeMap<[u64; 4], bool>,
}

impl Passes {
    fn of(&mut self, members: &[Member]) -> bool {
        let count = [UNCAST, YES, NO, ABSTAIN].map(|standing| weigh(members, standing));
        let passes = || late(&self.rule, members) == Verdict::Passed;
        *self.known.entry(count).or_insert_with(passes)
    }
}

/// For each T, the least weight of nodes that approve two contradictory proposals with which both
/// pass; and how many cases there were.
fn least_double(rule: Plain, most: u64) -> (BTreeMap<u64, u64>, u64) {
    let mut passes = Passes {
        rule: real(&[rule]),
        known: BTreeMap::new(),
    };
    let mut least = BTreeMap::new();
    let mut cases = 0;
    for total in 1..=most {
        for weights in electorates(total, total) {
            assignments(&weights, BOTH.len(), &mut |acts| {
                cases += 1;
                let on = |side: fn((usize, usize)) -> usize| -> Vec<Member> {
                    let members = acts.iter().map(|(weight, act)| (*weight, side(BOTH[*act])));
                    members.collect()
                };
                if passes.of(&on(|(one, _)| one)) && passes.of(&on(|(_, other)| other)) {
                    let double = weigh(acts, 0);
                    let known = least.entry(total).or_insert(double);
                    *known = double.min(*known);
                }
            });
        }
    }
    (least, cases)
}

/// Specification, TALLY-15.
fn no_contradiction(most: u64, expected_cases: u64) {
    // Membership, policy and keys: more than two thirds each, so that more than a third of T has to
    // approve both.
    let (least, cases) = least_double(TWO_THIRDS, most);
    println!("{cases} pairs of decisions; least weight that approves both, by T: {least:?}");
    assert_eq!(cases, expected_cases);
    assert_eq!(least.len() as u64, most, "with everybody faulty, both pass");
    for (total, double) in &least {
        assert!(3 * double > *total, "{double} of {total} are enough");
        // No more than it takes: two majorities of more than two thirds overlap in no less.
        assert_eq!(*double, 2 * (2 * total / 3 + 1) - total, "T = {total}");
    }
    // Authorizations: more than half each, so that somebody has to approve both.
    let (least, _) = least_double(HALF, most);
    assert!(least.values().all(|double| *double > 0), "{least:?}");
    // Without an absolute condition that does not hold: abstentions let two minorities pass.
    let (least, _) = least_double(UNIFORM, most);
    assert!(least.values().any(|double| *double == 0), "{least:?}");
}

#[test]
fn two_contradictory_membership_decisions_never_both_pass_up_to_four() {
    no_contradiction(4, 7_716);
}

#[test]
#[ignore = "takes a while in a debug build"]
fn two_contradictory_membership_decisions_never_both_pass_up_to_eight() {
    no_contradiction(8, 3_497_002);
}

/// All orders of some things, each once.
fn orders(things: &[Member]) -> BTreeSet<Vec<Member>> {
    if things.is_empty() {
        return BTreeSet::from([Vec::new()]);
    }
    let mut all = BTreeSet::new();
    for first in 0..things.len() {
        let mut rest = things.to_vec();
        let first = rest.remove(first);
        all.extend(
            orders(&rest)
                .into_iter()
                .map(|rest| [vec![first], rest].concat()),
        );
    }
    all
}

/// Casts ballots in this order on a ledger, and closes what is open then.
fn decide(policy: &Policy, weights: &[u64], ballots: &[Member]) -> Status {
    let mut assembly = Assembly::under(policy.clone(), weights);
    let proposal = assembly.propose(0, actions::authorize_model("triage"));
    for (voter, decision) in ballots {
        let decision = [Decision::Approve, Decision::Reject, Decision::Abstain][*decision - 1];
        let voter = usize::try_from(*voter).expect("a number");
        let ballot = assembly.signed_ballot(voter, proposal, decision);
        // After the decision it is refused, which is part of what is tested.
        let _ = assembly.submit(&Command::Vote(ballot));
    }
    if assembly.status(proposal) == Status::Voting {
        assembly.close_at_deadline(proposal);
    }
    assembly.status(proposal)
}

/// The rules themselves, not the count alone: all ballots of all small electorates in all orders.
fn order_decides_nothing(most: u64) -> u64 {
    let mut cases = 0;
    for policy in [Policy::uniform(), Policy::default()] {
        for weights in (1..=most).flat_map(|total| electorates(total, total)) {
            for acts in all_assignments(&weights, 4) {
                let weights: Vec<u64> = acts.iter().map(|(weight, _)| *weight).collect();
                let ballots: Vec<Member> = (0_u64..)
                    .zip(&acts)
                    .filter(|(_, (_, act))| *act != UNCAST)
                    .map(|(voter, (_, act))| (voter, *act))
                    .collect();
                let decided: BTreeSet<&str> = orders(&ballots)
                    .iter()
                    .map(|order| {
                        cases += 1;
                        decide(&policy, &weights, order).name()
                    })
                    .collect();
                assert_eq!(decided.len(), 1, "{weights:?} {ballots:?}");
            }
        }
    }
    println!("{cases} orders of ballots");
    cases
}

#[test]
fn the_order_of_ballots_decides_nothing_in_any_electorate_up_to_three() {
    assert_eq!(order_decides_nothing(3), 258);
}

#[test]
#[ignore = "takes a while in a debug build"]
fn the_order_of_ballots_decides_nothing_in_any_electorate_up_to_four() {
    assert_eq!(order_decides_nothing(4), 1_510);
}
