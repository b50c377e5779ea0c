//! The count, and what it decides: exact integers, never a division, never a float.
//!
//! Specification, "Tally".

use serde::{Deserialize, Serialize};

use super::policy::Rule;
use super::weight::{Fraction, TotalWeight, Weight};

/// Where one member of an electorate stands on a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Has not voted and still may.
    Uncast,
    /// Approves.
    Approve,
    /// Rejects.
    Reject,
    /// Takes part without taking a side.
    Abstain,
    /// Contradicted itself; counts for nothing and stays in the approval denominator.
    Byzantine,
    /// Has not voted and no longer may.
    Barred,
}

/// The weights behind each standing. They always add up to the electorate's total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    approve: u64,
    reject: u64,
    abstain: u64,
    byzantine: u64,
    uncast: u64,
    barred: u64,
}

impl Tally {
    /// The count before the first ballot.
    #[must_use]
    pub const fn open(total: TotalWeight) -> Self {
        Self {
            approve: 0,
            reject: 0,
            abstain: 0,
            byzantine: 0,
            uncast: total.get(),
            barred: 0,
        }
    }

    /// The count of members with these weights and standings; `None` where their total exceeds
    /// 2^53 − 1.
    #[must_use]
    pub fn of(members: &[(Weight, Standing)]) -> Option<Self> {
        let total = TotalWeight::sum(members.iter().map(|(weight, _)| *weight))?;
        let mut tally = Self::open(total);
        for (weight, standing) in members {
            tally.shift(*weight, Standing::Uncast, *standing);
        }
        Some(tally)
    }

    /// Weight that approves.
    #[must_use]
    pub const fn approve(&self) -> u64 {
        self.approve
    }

    /// Weight that rejects.
    #[must_use]
    pub const fn reject(&self) -> u64 {
        self.reject
    }

    /// Weight that abstains.
    #[must_use]
    pub const fn abstain(&self) -> u64 {
        self.abstain
    }

    /// Weight of nodes that contradicted themselves.
    #[must_use]
    pub const fn byzantine(&self) -> u64 {
        self.byzantine
    }

    /// Weight that has not voted and still may.
    #[must_use]
    pub const fn uncast(&self) -> u64 {
        self.uncast
    }

    /// The weight that can vote no more and has not.
    #[must_use]
    pub const fn barred(&self) -> u64 {
        self.barred
    }

    /// The electorate's total, T.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.approve + self.reject + self.abstain + self.byzantine + self.uncast + self.barred
    }

    /// Weight that takes part: approve, reject and abstain.
    #[must_use]
    pub const fn participation(&self) -> u64 {
        self.approve + self.reject + self.abstain
    }

    /// Moves a member's weight from one standing to another.
    ///
    /// The caller moves what it put there; a weight that is not there moves nothing.
    pub(super) fn shift(&mut self, weight: Weight, from: Standing, to: Standing) {
        if let Some(rest) = self.bucket(from).checked_sub(weight.get()) {
            *self.bucket(from) = rest;
            *self.bucket(to) += weight.get();
        }
    }

    fn bucket(&mut self, standing: Standing) -> &mut u64 {
        match standing {
            Standing::Uncast => &mut self.uncast,
            Standing::Approve => &mut self.approve,
            Standing::Reject => &mut self.reject,
            Standing::Abstain => &mut self.abstain,
            Standing::Byzantine => &mut self.byzantine,
            Standing::Barred => &mut self.barred,
        }
    }

    /// The same count with nobody left to vote, as it is judged at the deadline.
    #[must_use]
    pub const fn without_uncast(mut self) -> Self {
        self.barred += self.uncast;
        self.uncast = 0;
        self
    }
}

/// How a proposal was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every condition holds.
    Passed,
    /// Some condition other than the quorum fails.
    Rejected,
    /// Too little weight took part until the deadline.
    Expired,
}

impl Verdict {
    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// Which condition decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Every condition holds.
    ConditionsMet,
    /// Too little weight takes part.
    Quorum,
    /// Nobody approves.
    NoApproval,
    /// Too small a share of the deciding weight approves.
    Approval,
    /// Too small a share of the whole electorate approves.
    Absolute,
}

/// A verdict and the condition behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// The outcome.
    pub verdict: Verdict,
    /// The condition that decided; for a failure the first that fails.
    pub reason: Reason,
}

/// The first condition of `rule` that fails although the most favourable `r` weights join in.
///
/// With nobody left to vote this is the plain test of the conditions.
fn out_of_reach(rule: &Rule, tally: &Tally) -> Option<Reason> {
    let most = tally.approve + tally.uncast;
    let misses = |share: Option<Fraction>, holds: &dyn Fn(Fraction) -> bool| {
        share.is_some_and(|share| !holds(share))
    };
    if misses(rule.quorum, &|quorum| {
        quorum.reached_by(tally.participation() + tally.uncast, tally.total())
    }) {
        Some(Reason::Quorum)
    } else if most == 0 {
        Some(Reason::NoApproval)
    } else if misses(rule.approval, &|approval| {
        approval.reached_by(most, most + tally.reject + tally.byzantine)
    }) {
        Some(Reason::Approval)
    } else if misses(rule.absolute, &|absolute| {
        absolute.exceeded_by(most, tally.total())
    }) {
        Some(Reason::Absolute)
    } else {
        None
    }
}

/// Whether every condition of `rule` holds even if all uncast weight turns against the proposal.
fn is_certain(rule: &Rule, tally: &Tally) -> bool {
    let deciding = tally.approve + tally.reject + tally.byzantine + tally.uncast;
    tally.approve > 0
        && rule
            .quorum
            .is_none_or(|quorum| quorum.reached_by(tally.participation(), tally.total()))
        && rule
            .approval
            .is_none_or(|approval| approval.reached_by(tally.approve, deciding))
        && rule
            .absolute
            .is_none_or(|absolute| absolute.exceeded_by(tally.approve, tally.total()))
}

/// The decision before the deadline, as soon as no later ballot can change it.
///
/// A proposal is judged by all of `rules` at once: it passes under every one or not at all.
#[must_use]
pub fn judge_early(rules: &[Rule], tally: &Tally) -> Option<Judgement> {
    if let Some(reason) = rules.iter().find_map(|rule| out_of_reach(rule, tally)) {
        return Some(Judgement {
            verdict: Verdict::Rejected,
            reason,
        });
    }
    stands(rules, tally).then_some(Judgement {
        verdict: Verdict::Passed,
        reason: Reason::ConditionsMet,
    })
}

/// Whether a pass is certain whatever the uncast weight does.
#[must_use]
pub fn stands(rules: &[Rule], tally: &Tally) -> bool {
    rules.iter().all(|rule| is_certain(rule, tally))
}

/// The decision at or after the deadline; there is no discretion.
#[must_use]
pub fn judge_at_deadline(rules: &[Rule], tally: &Tally) -> Judgement {
    let tally = tally.without_uncast();
    let failures = || rules.iter().filter_map(|rule| out_of_reach(rule, &tally));
    // A missed quorum comes first, whichever rule misses it.
    let reason = failures()
        .find(|reason| *reason == Reason::Quorum)
        .or_else(|| failures().next());
    match reason {
        None => Judgement {
            verdict: Verdict::Passed,
            reason: Reason::ConditionsMet,
        },
        Some(Reason::Quorum) => Judgement {
            verdict: Verdict::Expired,
            reason: Reason::Quorum,
        },
        Some(reason) => Judgement {
            verdict: Verdict::Rejected,
            reason,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_is_counted_on_its_own() {
        let weigh = |weight| Weight::new(weight).unwrap();
        let tally = Tally::of(&[
            (weigh(1), Standing::Approve),
            (weigh(2), Standing::Reject),
            (weigh(4), Standing::Abstain),
            (weigh(8), Standing::Byzantine),
            (weigh(16), Standing::Uncast),
            (weigh(32), Standing::Barred),
        ])
        .unwrap();
        let counts = [
            tally.approve(),
            tally.reject(),
            tally.abstain(),
            tally.byzantine(),
            tally.uncast(),
        ];
        assert_eq!(counts, [1, 2, 4, 8, 16]);
        assert_eq!((tally.participation(), tally.total()), (7, 63));
    }
}
