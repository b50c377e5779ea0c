//! How far a proposal is from each of its conditions, and what would decide it.

use serde::Serialize;

use super::history::Entry;
use super::proposals::ProposalView;
use super::{View, name_of};
use crate::governance::id::NodeId;
use crate::governance::policy::Rule;
use crate::governance::state::State;
use crate::governance::state::proposal::{ProposalState, Status};
use crate::governance::tally::{Standing, Tally, Verdict, judge_at_deadline, judge_early};
use crate::governance::time::Timestamp;
use crate::governance::weight::{Fraction, Weight};

/// Which of a rule's conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConditionKind {
    /// Weight that takes part, of all weight.
    Quorum,
    /// Weight that approves, of the weight that decides: approve, reject and Byzantine.
    Approval,
    /// Weight that approves, of all weight.
    Absolute,
}

/// One condition and how far the count is from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Which one.
    pub kind: ConditionKind,
    /// The share that is asked for: at least so much; for [`ConditionKind::Absolute`] more.
    pub share: Fraction,
    /// The weight that counts.
    pub weight: u64,
    /// The weight that it is a share of.
    pub of: u64,
    /// The least weight that is enough; 0 where there is nothing to have a share of.
    pub needed: u64,
    /// Whether the weight is enough.
    pub holds: bool,
}

impl Condition {
    fn of(kind: ConditionKind, share: Fraction, weight: u64, of: u64) -> Self {
        let holds = match kind {
            ConditionKind::Absolute => share.exceeded_by(weight, of),
            ConditionKind::Quorum | ConditionKind::Approval => share.reached_by(weight, of),
        };
        Self {
            kind,
            share,
            weight,
            of,
            needed: needed(kind, share, of),
            holds,
        }
    }

    /// All conditions of a proposal; those of a second rule follow those of the first.
    #[must_use]
    pub fn all(proposal: &ProposalState) -> Vec<Self> {
        let tally = proposal.tally();
        let rules = proposal.rules().iter();
        rules.flat_map(|rule| Self::of_rule(rule, tally)).collect()
    }

    fn of_rule(rule: &Rule, tally: &Tally) -> Vec<Self> {
        let deciding = tally.approve() + tally.reject() + tally.byzantine();
        let total = tally.total();
        let quorum = rule
            .quorum
            .map(|share| Self::of(ConditionKind::Quorum, share, tally.participation(), total));
        let approval = rule
            .approval
            .map(|share| Self::of(ConditionKind::Approval, share, tally.approve(), deciding));
        let absolute = rule
            .absolute
            .map(|share| Self::of(ConditionKind::Absolute, share, tally.approve(), total));
        [quorum, approval, absolute].into_iter().flatten().collect()
    }
}

/// The least weight that has the share of `of` that is asked for.
fn needed(kind: ConditionKind, share: Fraction, of: u64) -> u64 {
    let (numerator, denominator) = (
        u128::from(share.numerator()),
        u128::from(share.denominator()),
    );
    let product = numerator * u128::from(of);
    let least = match kind {
        ConditionKind::Absolute => (product / denominator) + 1,
        ConditionKind::Quorum | ConditionKind::Approval => product.div_ceil(denominator),
    };
    u64::try_from(least).unwrap_or(u64::MAX)
}

/// What would decide a proposal that is still open for ballots.
#[derive(Debug, Clone, Serialize)]
pub struct Outlook {
    /// What it would come to if nobody else voted.
    pub if_nobody_votes: Verdict,
    /// The least further weight that has to approve for it to pass, if nobody else takes part;
    /// `None` where no further approval is enough. Weights come in whole nodes.
    pub approval_to_pass: Option<u64>,
    /// The least further weight whose rejection puts passing out of reach; `None` where it can pass
    /// whatever they say.
    pub rejection_to_fail: Option<u64>,
    /// Whether it is decided as soon as no further ballot can change the outcome.
    pub decided_early: bool,
    /// Who may still vote, in the order of the electorate.
    pub may_vote: Vec<Voter>,
}

/// A member of an electorate that may still vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Voter {
    /// The node.
    pub node: NodeId,
    /// What it is called.
    pub name: String,
    /// Its weight.
    pub weight: u64,
    /// Whether its approval alone would settle that the proposal passes.
    pub approval_decides: bool,
    /// Whether its rejection alone would settle that it does not.
    pub rejection_decides: bool,
}

impl Outlook {
    /// The outlook of a proposal; `None` where it is not open for ballots.
    #[must_use]
    pub fn of(proposal: &ProposalState, state: &State) -> Option<Self> {
        if proposal.status() != Status::Voting {
            return None;
        }
        let rules = proposal.rules();
        let uncast = proposal.tally().uncast();
        let with = |weight, standing| moved(proposal.tally(), weight, standing);
        let passes = |weight| {
            with(weight, Standing::Approve)
                .is_some_and(|tally| judge_at_deadline(rules, &tally).verdict == Verdict::Passed)
        };
        let fails = |weight| {
            with(weight, Standing::Reject).is_some_and(|tally| is_settled(rules, &tally, false))
        };
        let voter = |(node, weight): (NodeId, u64)| Voter {
            node,
            name: name_of(node, state),
            weight,
            approval_decides: with(weight, Standing::Approve)
                .is_some_and(|tally| is_settled(rules, &tally, true)),
            rejection_decides: fails(weight),
        };
        let uncast_members = proposal
            .electorate()
            .filter(|(_, member)| member.standing() == Standing::Uncast)
            .map(|(node, member)| (node, member.weight().get()));
        Some(Self {
            if_nobody_votes: judge_at_deadline(rules, proposal.tally()).verdict,
            approval_to_pass: least(uncast, passes),
            rejection_to_fail: least(uncast, fails),
            decided_early: proposal.is_decided_early(),
            may_vote: uncast_members.map(voter).collect(),
        })
    }
}

/// A proposal with everything that decides it.
#[derive(Debug, Clone, Serialize)]
pub struct ProposalOutlook {
    /// The proposal with its count and ballots.
    #[serde(flatten)]
    pub proposal: ProposalView,
    /// How far the count is from each condition.
    pub conditions: Vec<Condition>,
    /// What would decide it; none where it is not open for ballots.
    pub outlook: Option<Outlook>,
    /// The entries that concern it, ballots excepted, in their order.
    pub life: Vec<LifeEvent>,
}

/// An entry that concerns a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LifeEvent {
    /// The entry.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub operation: String,
}

impl ProposalOutlook {
    /// A proposal as of `at`, with the entries of its life.
    #[must_use]
    pub fn of(proposal: &ProposalState, state: &State, at: Timestamp, life: &[Entry]) -> Self {
        let event = |entry: &Entry| LifeEvent {
            seq: entry.seq,
            at: entry.at,
            operation: entry.operation.clone(),
        };
        Self {
            proposal: ProposalView::of(proposal, state, at),
            conditions: Condition::all(proposal),
            outlook: Outlook::of(proposal, state),
            life: life.iter().map(event).collect(),
        }
    }
}

impl View for ProposalOutlook {
    const SCHEMA: &'static str = "althing.proposal-outlook/1";
}

/// Whether no further ballot changes that it passes, or that it does not.
fn is_settled(rules: &[Rule], tally: &Tally, passed: bool) -> bool {
    judge_early(rules, tally).is_some_and(|it| (it.verdict == Verdict::Passed) == passed)
}

/// A count in which `weight` of those who may still vote has voted.
fn moved(tally: &Tally, weight: u64, to: Standing) -> Option<Tally> {
    let plus = |standing| if standing == to { weight } else { 0 };
    let weights = [
        (tally.approve(), Standing::Approve),
        (tally.reject(), Standing::Reject),
        (tally.abstain(), Standing::Abstain),
        (tally.byzantine(), Standing::Byzantine),
        (tally.uncast().checked_sub(weight)?, Standing::Uncast),
        (tally.barred(), Standing::Barred),
    ];
    let members: Vec<(Weight, Standing)> = weights
        .into_iter()
        .filter_map(|(weight, standing)| Some((Weight::new(weight + plus(standing))?, standing)))
        .collect();
    Tally::of(&members)
}

/// The least weight up to `most` for which `holds`, which holds for every larger one, too.
fn least(most: u64, holds: impl Fn(u64) -> bool) -> Option<u64> {
    if !holds(most) {
        return None;
    }
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::ballot::Decision;
    use crate::testing::{Assembly, actions};

    fn share(numerator: u64, denominator: u64) -> Fraction {
        Fraction::new(numerator, denominator).unwrap()
    }

    /// Against the very predicates that decide: one less is never enough.
    #[test]
    fn what_is_needed_is_the_least_that_is_enough() {
        for (numerator, denominator) in [(1, 3), (1, 2), (2, 3), (0, 1), (7, 9)] {
            let share = share(numerator, denominator);
            for of in 1..=40 {
                let at_least = needed(ConditionKind::Quorum, share, of);
                assert!(share.reached_by(at_least, of), "{share} of {of}");
                assert!(at_least == 0 || !share.reached_by(at_least - 1, of));
                let more = needed(ConditionKind::Absolute, share, of);
                assert!(share.exceeded_by(more, of), "{share} of {of}");
                assert!(more == 0 || !share.exceeded_by(more - 1, of));
            }
        }
    }

    #[test]
    fn the_outlook_names_who_can_decide() {
        // More than half of all weight, and two thirds of both kinds.
        let mut assembly = Assembly::of(&[2, 1, 3]);
        let proposal = assembly.propose(0, actions::authorize_model("triage"));
        assembly.vote(0, proposal, Decision::Approve);
        let state = assembly.state();
        let outlook = Outlook::of(state.proposals().get(proposal).unwrap(), state).unwrap();
        let rows: Vec<_> = (outlook.may_vote.iter())
            .map(|it| (it.weight, it.approval_decides, it.rejection_decides))
            .collect();
        assert_eq!(rows, [(1, false, false), (3, true, true)]);
        assert_eq!(outlook.approval_to_pass, Some(2));
        assert_eq!(outlook.rejection_to_fail, Some(3));
        assert_eq!(outlook.if_nobody_votes, Verdict::Expired);
    }
}
