//! An electorate, and what a rule means for it.

use std::collections::BTreeMap;

use super::sums::Sums;
use super::{
    Behaviour, Bloc, Blocking, Coalition, Contradictory, ElectorateError, Example, KindLint,
    Possibility, Side,
};
use crate::governance::event::Conditions;
use crate::governance::kind::ProposalKind;
use crate::governance::policy::Rule;
use crate::governance::state::registry::Registry;
use crate::governance::tally::{Standing, Tally, Verdict, judge_at_deadline};
use crate::governance::weight::{TotalWeight, Weight};

/// The weights of an electorate, and what sums they have.
pub(super) struct Electorate {
    /// Heaviest first.
    pub(super) weights: Vec<u64>,
    pub(super) total: u64,
    sums: Sums,
    /// The electorate in two, as evenly as its weights allow: the lighter side and the heavier.
    halves: [Vec<u64>; 2],
}

impl Electorate {
    pub(super) fn of(weights: &[Weight]) -> Result<Self, ElectorateError> {
        if weights.is_empty() {
            return Err(ElectorateError::Empty);
        }
        if weights.len() > Registry::MAX_NODES {
            return Err(ElectorateError::TooManyNodes);
        }
        let total = TotalWeight::sum(weights.iter().copied()).ok_or(ElectorateError::TooHeavy)?;
        let total = total.get();
        let mut weights: Vec<u64> = weights.iter().map(|weight| weight.get()).collect();
        weights.sort_unstable_by(|one, other| other.cmp(one));
        let sums = Sums::of(&weights, total);
        Ok(Self {
            halves: halves(&weights, total, &sums),
            weights,
            total,
            sums,
        })
    }

    /// Whether a proposal passes with these weights behind it, against it and abstaining; the
    /// others stay away.
    fn passes(&self, rule: &Rule, approve: u64, reject: u64, abstain: u64) -> bool {
        let away = self.total.saturating_sub(approve + reject + abstain);
        let blocs = [
            (approve, Standing::Approve),
            (reject, Standing::Reject),
            (abstain, Standing::Abstain),
            (away, Standing::Uncast),
        ];
        let members: Vec<(Weight, Standing)> = (blocs.into_iter())
            .filter_map(|(weight, standing)| Some((Weight::new(weight)?, standing)))
            .collect();
        Tally::of(&members).is_some_and(|tally| {
            judge_at_deadline(std::slice::from_ref(rule), &tally).verdict == Verdict::Passed
        })
    }

    pub(super) fn kind(&self, kind: ProposalKind, rule: &Rule) -> KindLint {
        let rest = |approve: u64| self.total.saturating_sub(approve);
        let with_abstentions = self.least(|yes| self.passes(rule, yes, 0, rest(yes)));
        KindLint {
            kind,
            conditions: Conditions::of(rule),
            satisfiable: self.passes(rule, self.total, 0, 0),
            passes_against_all: self.coalition(|yes| self.passes(rule, yes, rest(yes), 0)),
            passes_alone: self.coalition(|yes| self.passes(rule, yes, 0, 0)),
            passes_with_abstentions: with_abstentions.map(|needed| self.smallest(needed)),
            blocked_by: self.blocking(rule),
            contradictory: self.contradictory(rule, with_abstentions),
        }
    }

    /// The least weight of which something holds that holds of every greater weight as well.
    fn least(&self, holds: impl Fn(u64) -> bool) -> Option<u64> {
        let (mut from, mut to) = (0, self.total);
        if !holds(to) {
            return None;
        }
        while from < to {
            let middle = from + (to - from) / 2;
            if holds(middle) {
                to = middle;
            } else {
                from = middle + 1;
            }
        }
        Some(to)
    }

    fn coalition(&self, holds: impl Fn(u64) -> bool) -> Option<Coalition> {
        self.least(holds).map(|needed| self.smallest(needed))
    }

    /// The smallest coalitions of at least this weight.
    fn smallest(&self, needed: u64) -> Coalition {
        let lightest = self.sums.lightest(needed);
        Coalition {
            nodes: self.fewest(needed),
            weight: lightest
                .as_ref()
                .map_or(needed, |members| members.iter().sum()),
            exact: lightest.is_some(),
            needed_weight: needed,
        }
    }

    /// How many of the heaviest nodes it takes for this weight.
    fn fewest(&self, needed: u64) -> usize {
        let mut missing = needed;
        let before = self.weights.iter().take_while(|weight| {
            let is_missing = missing > 0;
            missing = missing.saturating_sub(**weight);
            is_missing
        });
        before.count()
    }

    /// Mixing both ways of stopping a proposal gains nothing: staying away hurts the quorum alone,
    /// rejecting the approval alone, and one failed condition is enough.
    fn blocking(&self, rule: &Rule) -> Blocking {
        let rest = |block: u64| self.total.saturating_sub(block);
        let rejecting = |block: u64| !self.passes(rule, rest(block), block, 0);
        let staying_away = |block: u64| !self.passes(rule, rest(block), 0, 0);
        // Without any approval nothing passes, so that everybody together always can.
        let needed = self.least(|block| rejecting(block) || staying_away(block));
        let needed = needed.unwrap_or(self.total);
        Blocking {
            coalition: self.smallest(needed),
            by: match (rejecting(needed), staying_away(needed)) {
                (true, false) => Behaviour::Rejecting,
                (false, true) => Behaviour::StayingAway,
                _ => Behaviour::Either,
            },
        }
    }

    fn contradictory(&self, rule: &Rule, needed: Option<u64>) -> Contradictory {
        let example = needed.and_then(|needed| self.divided(rule, needed));
        // What the lighter half does not reach, no other division reaches on both sides.
        let is_open = !self.sums.are_known()
            && needed.is_some_and(|needed| needed <= self.total.saturating_sub(needed));
        Contradictory {
            possible: match example {
                Some(_) => Possibility::Yes,
                None if is_open => Possibility::ByWeight,
                None => Possibility::No,
            },
            needed_weight: needed,
            example,
        }
    }

    fn divided(&self, rule: &Rule, needed: u64) -> Option<Example> {
        let [one, other] = &self.halves;
        let lighter: u64 = one.iter().sum();
        (lighter >= needed).then(|| Example {
            one: self.side(rule, one),
            other: self.side(rule, other),
        })
    }

    fn side(&self, rule: &Rule, members: &[u64]) -> Side {
        let weight: u64 = members.iter().sum();
        let others = self.total.saturating_sub(weight);
        let fails = |reject: u64| {
            reject > others || !self.passes(rule, weight, reject, others.saturating_sub(reject))
        };
        // The side itself is on its own side, so that everybody can't reject.
        let too_much = self.least(fails).unwrap_or(self.total);
        Side {
            blocs: blocs(members),
            weight,
            withstands_rejecting: too_much.saturating_sub(1),
        }
    }
}

/// Nodes by weight, heaviest first.
pub(super) fn blocs(weights: &[u64]) -> Vec<Bloc> {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for weight in weights {
        *counts.entry(*weight).or_default() += 1;
    }
    let heaviest_first = counts.into_iter().rev();
    heaviest_first
        .map(|(weight, nodes)| Bloc { weight, nodes })
        .collect()
}

/// An electorate in two: the lighter side and the heavier.
fn halves(weights: &[u64], total: u64, sums: &Sums) -> [Vec<u64>; 2] {
    let Some(heavier) = sums.lightest(total.div_ceil(2)) else {
        return greedy_halves(weights);
    };
    let mut taken: BTreeMap<u64, usize> = BTreeMap::new();
    for weight in &heavier {
        *taken.entry(*weight).or_default() += 1;
    }
    let lighter = weights.iter().copied().filter(|weight| {
        let Some(count) = taken.get_mut(weight).filter(|count| **count > 0) else {
            return true;
        };
        *count -= 1;
        false
    });
    [lighter.collect(), heavier]
}

/// Each node, heaviest first, joins the side that is lighter so far.
fn greedy_halves(weights: &[u64]) -> [Vec<u64>; 2] {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let (mut one_weight, mut other_weight) = (0, 0);
    for weight in weights {
        if one_weight <= other_weight {
            one_weight += weight;
            one.push(*weight);
        } else {
            other_weight += weight;
            other.push(*weight);
        }
    }
    if one_weight <= other_weight {
        [one, other]
    } else {
        [other, one]
    }
}
