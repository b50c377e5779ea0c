//! A naive count: what a hand-counting clerk would do with the ballots on the table.
//!
//! It asks what every possible rest of the vote leads to, where the engine compares bounds.

use serde_json::Value;

/// The conditions of one rule, as fractions.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    quorum: Option<(u128, u128)>,
    approval: Option<(u128, u128)>,
    absolute: Option<(u128, u128)>,
    pub(super) voting_seconds: u64,
    pub(super) timelock_seconds: u64,
    pub(super) window_seconds: u64,
}

impl Rule {
    /// The rule for a kind of proposal, from the policy's JSON.
    pub(super) fn of(policy: &Value, kind: &str) -> Option<Self> {
        let own = policy.get("kinds").and_then(|kinds| kinds.get(kind));
        let member = |name: &str| {
            let special = own.and_then(|own| own.get(name));
            special.or_else(|| policy.get("default")?.get(name))
        };
        let share = |name: &str| fraction(member(name)?.as_str()?);
        Some(Self {
            quorum: share("quorum"),
            approval: share("approval"),
            absolute: share("absolute"),
            voting_seconds: member("voting_seconds")?.as_u64()?,
            timelock_seconds: member("timelock_seconds")?.as_u64()?,
            window_seconds: member("window_seconds")?.as_u64()?,
        })
    }
}

impl Rule {
    /// The same rule, and more than two thirds of all weight besides.
    pub(super) fn above_two_thirds(mut self) -> Self {
        self.absolute = Some((2, 3));
        self
    }
}

fn fraction(text: &str) -> Option<(u128, u128)> {
    let (above, below) = text.split_once('/')?;
    Some((above.parse().ok()?, below.parse().ok()?))
}

/// The weights on the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) yes: u128,
    pub(super) no: u128,
    pub(super) abstain: u128,
    pub(super) byzantine: u128,
    /// Not cast yet, and still possible.
    pub(super) open: u128,
    pub(super) total: u128,
}

/// What a count comes to at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Rejected,
    Expired,
}

impl Outcome {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }
}

/// What the count comes to if nobody else votes.
pub(super) fn at_deadline(rule: &Rule, count: Count) -> Outcome {
    let part = count.yes + count.no + count.abstain;
    if let Some((above, below)) = rule.quorum
        && part * below < above * count.total
    {
        return Outcome::Expired;
    }
    let against = count.no + count.byzantine;
    let approved = rule
        .approval
        .is_none_or(|(above, below)| count.yes * below >= above * (count.yes + against));
    let absolutely =
        (rule.absolute).is_none_or(|(above, below)| count.yes * below > above * count.total);
    if count.yes > 0 && approved && absolutely {
        Outcome::Passed
    } else {
        Outcome::Rejected
    }
}

/// What the count comes to by all rules together: it expires where any of them misses its quorum,
/// whatever the others say, and passes only by every one.
pub(super) fn by_all(rules: &[Rule], count: Count) -> Outcome {
    let outcomes: Vec<Outcome> = rules.iter().map(|rule| at_deadline(rule, count)).collect();
    let worse = [Outcome::Expired, Outcome::Rejected];
    let worst = worse.into_iter().find(|worse| outcomes.contains(worse));
    worst.unwrap_or(Outcome::Passed)
}

/// Whether it passes whatever becomes of the open weight: if all of it rejects, contradicts
/// itself, or stays away.
pub(super) fn passes_surely(rules: &[Rule], count: Count) -> bool {
    let closed = Count { open: 0, ..count };
    let rejecting = Count {
        no: count.no + count.open,
        ..closed
    };
    let contradicting = Count {
        byzantine: count.byzantine + count.open,
        ..closed
    };
    let worst = [closed, rejecting, contradicting];
    rules.iter().all(|rule| {
        worst
            .iter()
            .all(|end| at_deadline(rule, *end) == Outcome::Passed)
    })
}

/// Whether it can't pass even if all open weight approves.
pub(super) fn fails_surely(rules: &[Rule], count: Count) -> bool {
    let best = Count {
        yes: count.yes + count.open,
        open: 0,
        ..count
    };
    rules
        .iter()
        .any(|rule| at_deadline(rule, best) != Outcome::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(quorum: &str, approval: &str, absolute: Option<&str>) -> Rule {
        Rule {
            quorum: fraction(quorum),
            approval: fraction(approval),
            absolute: absolute.and_then(fraction),
            ..Rule::default()
        }
    }

    #[test]
    fn counts_come_out_as_by_hand() {
        let plain = rule("2/3", "2/3", None);
        let strict = rule("2/3", "2/3", Some("1/2"));
        // (yes, no, abstain, byzantine, total, by the plain rule, by the strict one)
        for (yes, no, abstain, byzantine, total, by_plain, by_strict) in [
            (4, 2, 0, 0, 6, "passed", "passed"),
            (3, 2, 0, 0, 6, "rejected", "rejected"),
            (2, 0, 2, 0, 6, "passed", "rejected"),
            (3, 0, 0, 0, 6, "expired", "expired"),
            (4, 0, 0, 2, 6, "passed", "passed"),
            (4, 0, 0, 3, 7, "expired", "expired"),
            (0, 0, 6, 0, 6, "rejected", "rejected"),
        ] {
            let count = Count {
                yes,
                no,
                abstain,
                byzantine,
                open: 0,
                total,
            };
            assert_eq!(at_deadline(&plain, count).name(), by_plain, "{count:?}");
            assert_eq!(at_deadline(&strict, count).name(), by_strict, "{count:?}");
        }
    }

    #[test]
    fn a_missed_quorum_comes_before_a_rejection_in_whatever_order_the_rules_stand() {
        let many = rule("2/3", "2/3", None);
        let few = rule("1/4", "2/3", Some("1/2"));
        // (yes, no, of a total of six, by both)
        for (yes, no, by_both) in [
            (2, 0, "expired"),
            (3, 3, "rejected"),
            (3, 1, "rejected"),
            (4, 0, "passed"),
        ] {
            let count = Count {
                yes,
                no,
                total: 6,
                ..Count::default()
            };
            for rules in [[many.clone(), few.clone()], [few.clone(), many.clone()]] {
                assert_eq!(by_all(&rules, count).name(), by_both, "{count:?}");
            }
        }
    }
}
