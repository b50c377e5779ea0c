//! The conditions of a rule and what they make of a count.

use super::count::Count;
use crate::governance::kind::ProposalKind;
use crate::governance::policy::{Floors, Policy};
use crate::governance::time::Seconds;
use crate::governance::weight::Fraction;

/// A share: numerator and denominator.
type Share = (u64, u64);

/// The conditions and times of one kind of proposal.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    pub(super) quorum: Option<Share>,
    pub(super) approval: Option<Share>,
    pub(super) absolute: Option<Share>,
    pub(super) voting: Seconds,
    pub(super) timelock: Seconds,
    pub(super) window: Seconds,
}

fn share(fraction: Option<Fraction>) -> Option<Share> {
    fraction.map(|it| (it.numerator(), it.denominator()))
}

/// TALLY-13
pub(super) fn conditions_of(policy: &Policy, kind: ProposalKind) -> Conditions {
    let default = &policy.default;
    let mut conditions = Conditions {
        quorum: share(default.quorum),
        approval: share(default.approval),
        absolute: share(default.absolute),
        voting: default.voting_seconds,
        timelock: default.timelock_seconds,
        window: default.window_seconds,
    };
    let own = policy.kinds.iter().find(|(it, _)| **it == kind);
    if let Some((_, own)) = own {
        if let Some(quorum) = own.quorum {
            conditions.quorum = share(quorum);
        }
        if let Some(approval) = own.approval {
            conditions.approval = share(approval);
        }
        if let Some(absolute) = own.absolute {
            conditions.absolute = share(absolute);
        }
        if let Some(voting) = own.voting_seconds {
            conditions.voting = voting;
        }
        if let Some(timelock) = own.timelock_seconds {
            conditions.timelock = timelock;
        }
        if let Some(window) = own.window_seconds {
            conditions.window = window;
        }
    }
    conditions
}

/// AUTH-17
pub(super) fn with_two_thirds(mut conditions: Conditions) -> Conditions {
    conditions.absolute = Some((2, 3));
    conditions
}

fn is_below((n, d): Share, (floor_n, floor_d): Share) -> bool {
    u128::from(n) * u128::from(floor_d) < u128::from(floor_n) * u128::from(d)
}

/// TALLY-14
pub(super) fn can_stand(policy: &Policy, floors: &Floors) -> bool {
    let default = Conditions {
        quorum: share(policy.default.quorum),
        approval: share(policy.default.approval),
        absolute: share(policy.default.absolute),
        voting: policy.default.voting_seconds,
        timelock: policy.default.timelock_seconds,
        window: policy.default.window_seconds,
    };
    let counts = [policy.max_open_proposals, policy.delegation_depth];
    policy.max_open_proposals >= 1
        && counts.iter().all(|it| *it < 1 << 53)
        && policy.floors == *floors
        && can_rule(&default, floors, false)
        && ProposalKind::ALL.into_iter().all(|kind| {
            let is_brake = kind == ProposalKind::EmergencyFreeze;
            can_rule(&conditions_of(policy, kind), floors, is_brake)
        })
}

fn can_rule(it: &Conditions, floors: &Floors, is_brake: bool) -> bool {
    let reaches = |share: Option<Share>, floor: Option<Share>| match (share, floor) {
        (_, None) => true,
        (None, Some(_)) => is_brake,
        (Some(share), Some(floor)) => !is_below(share, floor),
    };
    let has_some = it.approval.is_some() || it.absolute.is_some();
    let approval = it.approval.is_none_or(|(n, _)| n > 0);
    let absolute = it.absolute.is_none_or(|(n, d)| n < d);
    let times = it.voting.get() >= 1 && it.window.get() >= 1;
    has_some
        && approval
        && absolute
        && times
        && reaches(it.quorum, share(floors.quorum))
        && reaches(it.approval, share(floors.approval))
        && floors.voting_seconds.is_none_or(|least| it.voting >= least)
}

fn at_least(part: u64, (n, d): Share, whole: u64) -> bool {
    u128::from(part) * u128::from(d) >= u128::from(n) * u128::from(whole)
}

fn more_than(part: u64, (n, d): Share, whole: u64) -> bool {
    u128::from(part) * u128::from(d) > u128::from(n) * u128::from(whole)
}

/// AUTH-17: more than two thirds of T.
pub(super) fn is_more_than_two_thirds(count: &Count) -> bool {
    more_than(count.approve, (2, 3), count.total())
}

/// A verdict and its reason.
pub(super) type Judged = (&'static str, &'static str);

/// TALLY-8 and TALLY-9
pub(super) fn judge_early(rules: &[Conditions], count: &Count) -> Option<Judged> {
    for rule in rules {
        if let Some(reason) = out_of_reach(rule, count) {
            return Some(("rejected", reason));
        }
    }
    is_certain(rules, count).then_some(("passed", "conditions-met"))
}

fn out_of_reach(rule: &Conditions, c: &Count) -> Option<&'static str> {
    let best = c.approve + c.uncast;
    let most = c.approve + c.reject + c.abstain + c.uncast;
    let against = c.reject + c.byzantine;
    if rule.quorum.is_some_and(|q| !at_least(most, q, c.total())) {
        return Some("quorum");
    }
    if best == 0 {
        return Some("no-approval");
    }
    if rule
        .approval
        .is_some_and(|a| !at_least(best, a, best + against))
    {
        return Some("approval");
    }
    if rule
        .absolute
        .is_some_and(|x| !more_than(best, x, c.total()))
    {
        return Some("absolute");
    }
    None
}

/// TALLY-9
pub(super) fn is_certain(rules: &[Conditions], c: &Count) -> bool {
    let part = c.approve + c.reject + c.abstain;
    let deciding = c.approve + c.reject + c.byzantine + c.uncast;
    rules.iter().all(|rule| {
        c.approve > 0
            && rule.quorum.is_none_or(|q| at_least(part, q, c.total()))
            && rule
                .approval
                .is_none_or(|a| at_least(c.approve, a, deciding))
            && rule
                .absolute
                .is_none_or(|x| more_than(c.approve, x, c.total()))
    })
}

/// TALLY-6
pub(super) fn judge_at_deadline(rules: &[Conditions], c: &Count) -> Judged {
    let part = c.approve + c.reject + c.abstain;
    let deciding = c.approve + c.reject + c.byzantine;
    for rule in rules {
        if rule.quorum.is_some_and(|q| !at_least(part, q, c.total())) {
            return ("expired", "quorum");
        }
    }
    for rule in rules {
        if c.approve == 0 {
            return ("rejected", "no-approval");
        }
        if rule
            .approval
            .is_some_and(|a| !at_least(c.approve, a, deciding))
        {
            return ("rejected", "approval");
        }
        if rule
            .absolute
            .is_some_and(|x| !more_than(c.approve, x, c.total()))
        {
            return ("rejected", "absolute");
        }
    }
    ("passed", "conditions-met")
}
