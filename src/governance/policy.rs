//! The policy: which share of the weight decides what, how long it takes, and the limits.
//!
//! Specification, "Tally".

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::kind::ProposalKind;
use super::text::present;
use super::time::Seconds;
use super::weight::Fraction;

/// The conditions under which one kind of proposal passes, and its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// More than this share of the whole electorate must approve; `null` for no such condition.
    #[serde(deserialize_with = "required")]
    pub absolute: Option<Fraction>,
    /// At least this share of the deciding weight (approve, reject and Byzantine) must approve;
    /// `null` for no such condition.
    #[serde(deserialize_with = "required")]
    pub approval: Option<Fraction>,
    /// At least this share of the electorate must take part; `null` for no such condition.
    #[serde(deserialize_with = "required")]
    pub quorum: Option<Fraction>,
    /// How long after passing a decision waits before it can be executed.
    pub timelock_seconds: Seconds,
    /// How long a proposal is open for ballots.
    pub voting_seconds: Seconds,
    /// How long after the timelock a decision can be executed.
    pub window_seconds: Seconds,
}

/// An option that must be written out, as `null` or as a value.
fn required<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// Where one kind of proposal departs from the default rule. Absent members follow the default;
/// `null` takes a condition away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleOverride {
    /// See [`Rule::absolute`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub absolute: Option<Option<Fraction>>,
    /// See [`Rule::approval`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub approval: Option<Option<Fraction>>,
    /// See [`Rule::quorum`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Option<Fraction>>,
    /// See [`Rule::timelock_seconds`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub timelock_seconds: Option<Seconds>,
    /// See [`Rule::voting_seconds`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub voting_seconds: Option<Seconds>,
    /// See [`Rule::window_seconds`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<Seconds>,
}

/// What happens to a prediction of a model without a grant in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionPolicy {
    /// It is recorded and flagged.
    #[default]
    Record,
    /// It is refused.
    Refuse,
}

/// Values below which no later policy may go. Set at genesis, kept for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Floors {
    /// The least approval share of every rule; only an emergency freeze may do without.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub approval: Option<Fraction>,
    /// The least quorum of every rule; only an emergency freeze may do without.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Fraction>,
    /// The shortest voting period.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub voting_seconds: Option<Seconds>,
}

/// The whole policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The rule for every kind that has none of its own.
    pub default: Rule,
    /// How often an authorization may be passed on.
    pub delegation_depth: u64,
    /// Whether a proposal is decided as soon as no further ballot can change the outcome.
    pub early_decision: bool,
    /// How long after a proposal's end evidence against its voters is accepted.
    pub evidence_window_seconds: Seconds,
    /// Values below which no later policy may go.
    pub floors: Floors,
    /// Departures from the default rule.
    pub kinds: BTreeMap<ProposalKind, RuleOverride>,
    /// The longest freeze.
    pub max_freeze_seconds: Seconds,
    /// How many undecided proposals one node may have.
    pub max_open_proposals: u64,
    /// What happens to predictions of models without a grant.
    pub predictions: PredictionPolicy,
}

const HALF: Option<Fraction> = Fraction::new(1, 2);
const THIRD: Option<Fraction> = Fraction::new(1, 3);
const TWO_THIRDS: Option<Fraction> = Fraction::new(2, 3);

impl Default for Policy {
    fn default() -> Self {
        let absolute = |fraction: Option<Fraction>| RuleOverride {
            absolute: Some(fraction),
            ..RuleOverride::default()
        };
        let mut kinds = BTreeMap::new();
        for kind in [
            ProposalKind::AuthorizeModel,
            ProposalKind::AuthorizeAgent,
            ProposalKind::Delegation,
        ] {
            kinds.insert(kind, absolute(HALF));
        }
        // Two contradictory decisions of these kinds can't both pass.
        for kind in [
            ProposalKind::AddNode,
            ProposalKind::RemoveNode,
            ProposalKind::UpdatePolicy,
            ProposalKind::LiftFreeze,
            ProposalKind::ReinstateNode,
            ProposalKind::ReplaceKey,
        ] {
            kinds.insert(kind, absolute(TWO_THIRDS));
        }
        // The brake: one honest node stands behind it while less than a third is Byzantine.
        kinds.insert(
            ProposalKind::EmergencyFreeze,
            RuleOverride {
                absolute: Some(THIRD),
                approval: Some(None),
                quorum: Some(None),
                ..RuleOverride::default()
            },
        );
        Self {
            kinds,
            ..Self::uniform()
        }
    }
}

impl Policy {
    /// Quorum 2/3 and approval 2/3 for every kind, and nothing else: what simple vote-counting
    /// libraries call their quorum policy.
    #[must_use]
    pub fn uniform() -> Self {
        Self {
            default: Rule {
                absolute: None,
                approval: TWO_THIRDS,
                quorum: TWO_THIRDS,
                timelock_seconds: Seconds::ZERO,
                voting_seconds: Seconds::DAY,
                window_seconds: Seconds::days(14),
            },
            delegation_depth: 3,
            early_decision: true,
            evidence_window_seconds: Seconds::days(30),
            floors: Floors::default(),
            kinds: BTreeMap::new(),
            max_freeze_seconds: Seconds::days(3),
            max_open_proposals: 16,
            predictions: PredictionPolicy::Record,
        }
    }

    /// The rule for proposals of `kind`.
    #[must_use]
    pub fn rule(&self, kind: ProposalKind) -> Rule {
        let default = &self.default;
        let Some(own) = self.kinds.get(&kind) else {
            return default.clone();
        };
        Rule {
            absolute: own.absolute.unwrap_or(default.absolute),
            approval: own.approval.unwrap_or(default.approval),
            quorum: own.quorum.unwrap_or(default.quorum),
            timelock_seconds: own.timelock_seconds.unwrap_or(default.timelock_seconds),
            voting_seconds: own.voting_seconds.unwrap_or(default.voting_seconds),
            window_seconds: own.window_seconds.unwrap_or(default.window_seconds),
        }
    }

    /// Whether this policy may take the place of `current`.
    ///
    /// # Errors
    /// [`PolicyError`] where it can't stand, or would change the floors.
    pub fn check_change_from(&self, current: &Self) -> Result<(), PolicyError> {
        if self.floors != current.floors {
            return Err(PolicyError::FloorsChanged);
        }
        self.validate()
    }

    /// Checks every rule on its own and against the floors.
    ///
    /// A policy that passes is satisfiable by every electorate: no condition asks for more than a
    /// unanimous electorate gives.
    ///
    /// # Errors
    /// [`PolicyError`] with the first kind and condition that can't stand.
    pub fn validate(&self) -> Result<(), PolicyError> {
        if self.max_open_proposals == 0 {
            return Err(PolicyError::NoProposals);
        }
        for count in [self.max_open_proposals, self.delegation_depth] {
            if count > super::MAX_INTEGER {
                return Err(PolicyError::TooLarge);
            }
        }
        check_rule(None, &self.default, &self.floors)?;
        for kind in ProposalKind::ALL {
            check_rule(Some(kind), &self.rule(kind), &self.floors)?;
        }
        Ok(())
    }
}

/// Why a policy can't stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Nobody could ever propose anything.
    #[error("max_open_proposals must be at least 1")]
    NoProposals,
    /// A count above 2^53 − 1.
    #[error("counts must be at most 9007199254740991")]
    TooLarge,
    /// A rule under which a proposal would pass without any approval.
    #[error("{}: an approval or an absolute condition is needed", of(*.0))]
    NoApproval(Option<ProposalKind>),
    /// An approval share of zero.
    #[error("{}: the approval share must be more than 0", of(*.0))]
    ZeroApproval(Option<ProposalKind>),
    /// An absolute share that not even everybody together exceeds.
    #[error("{}: the absolute share must be less than 1, it has to be exceeded", of(*.0))]
    AbsoluteOutOfReach(Option<ProposalKind>),
    /// Nobody could vote or execute in time.
    #[error("{}: voting_seconds and window_seconds must be at least 1", of(*.0))]
    NoTime(Option<ProposalKind>),
    /// A value below a floor that genesis set.
    #[error("{}: {condition} lies below the floor set at genesis", of(*.kind))]
    BelowFloor {
        /// The kind whose rule is too low; `None` for the default rule.
        kind: Option<ProposalKind>,
        /// Which condition.
        condition: &'static str,
    },
    /// A policy update that would change the floors themselves.
    #[error("the floors set at genesis can't be changed")]
    FloorsChanged,
}

fn of(kind: Option<ProposalKind>) -> &'static str {
    kind.map_or("default", ProposalKind::name)
}

fn check_rule(kind: Option<ProposalKind>, rule: &Rule, floors: &Floors) -> Result<(), PolicyError> {
    if rule.approval.is_none() && rule.absolute.is_none() {
        return Err(PolicyError::NoApproval(kind));
    }
    if rule.approval.is_some_and(|share| share.numerator() == 0) {
        return Err(PolicyError::ZeroApproval(kind));
    }
    if rule
        .absolute
        .is_some_and(|share| share.numerator() == share.denominator())
    {
        return Err(PolicyError::AbsoluteOutOfReach(kind));
    }
    if rule.voting_seconds == Seconds::ZERO || rule.window_seconds == Seconds::ZERO {
        return Err(PolicyError::NoTime(kind));
    }
    let below = |condition| Err(PolicyError::BelowFloor { kind, condition });
    // A condition that is not asked for is below every floor. The brake alone has none of them.
    let is_brake = kind == Some(ProposalKind::EmergencyFreeze);
    let is_below = |share: Option<Fraction>, floor: Option<Fraction>| match (share, floor) {
        (Some(share), Some(floor)) => share.is_below(floor),
        (None, Some(_)) => !is_brake,
        (_, None) => false,
    };
    if is_below(rule.quorum, floors.quorum) {
        return below("quorum");
    }
    if is_below(rule.approval, floors.approval) {
        return below("approval");
    }
    if floors
        .voting_seconds
        .is_some_and(|floor| rule.voting_seconds < floor)
    {
        return below("voting_seconds");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_the_specified_one() {
        let policy = Policy::default();
        let two_thirds = Some("2/3");
        // (kind, quorum, approval, absolute)
        for (kind, quorum, approval, absolute) in [
            (
                ProposalKind::AuthorizeModel,
                two_thirds,
                two_thirds,
                Some("1/2"),
            ),
            (ProposalKind::RevokeModel, two_thirds, two_thirds, None),
            (
                ProposalKind::AuthorizeAgent,
                two_thirds,
                two_thirds,
                Some("1/2"),
            ),
            (ProposalKind::RevokeAgent, two_thirds, two_thirds, None),
            (
                ProposalKind::UpdatePolicy,
                two_thirds,
                two_thirds,
                two_thirds,
            ),
            (ProposalKind::AddNode, two_thirds, two_thirds, two_thirds),
            (ProposalKind::RemoveNode, two_thirds, two_thirds, two_thirds),
            (ProposalKind::EmergencyFreeze, None, None, Some("1/3")),
            (
                ProposalKind::Delegation,
                two_thirds,
                two_thirds,
                Some("1/2"),
            ),
            (ProposalKind::LiftFreeze, two_thirds, two_thirds, two_thirds),
            (
                ProposalKind::ReinstateNode,
                two_thirds,
                two_thirds,
                two_thirds,
            ),
            (ProposalKind::ReplaceKey, two_thirds, two_thirds, two_thirds),
            (ProposalKind::RevokeDelegation, two_thirds, two_thirds, None),
        ] {
            let fraction = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            let rule = policy.rule(kind);
            assert_eq!(rule.quorum, fraction(quorum), "{kind}");
            assert_eq!(rule.approval, fraction(approval), "{kind}");
            assert_eq!(rule.absolute, fraction(absolute), "{kind}");
            assert_eq!(rule.voting_seconds, Seconds::DAY);
            assert_eq!(rule.timelock_seconds, Seconds::ZERO);
        }
        assert!(policy.early_decision);
        assert_eq!(policy.validate(), Ok(()));
        assert_eq!(Policy::uniform().validate(), Ok(()));
    }

    #[test]
    fn json_round_trips_and_null_takes_a_condition_away() {
        let policy = Policy::default();
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        assert!(
            text.contains(r#""emergency-freeze":{"absolute":"1/3","approval":null,"quorum":null}"#)
        );
    }

    #[test]
    fn policies_that_can_not_stand_are_refused() {
        let zero = Fraction::new(0, 1);
        let one = Fraction::new(1, 1);
        type Change = fn(&mut Policy, Option<Fraction>);
        let cases: [(Change, Option<Fraction>, PolicyError); 8] = [
            (
                |p, f| {
                    p.floors.approval = f;
                    p.default.approval = None;
                    p.default.absolute = HALF;
                },
                HALF,
                PolicyError::BelowFloor {
                    kind: None,
                    condition: "approval",
                },
            ),
            (
                |p, _| p.max_open_proposals = 0,
                None,
                PolicyError::NoProposals,
            ),
            (
                |p, _| p.delegation_depth = u64::MAX,
                None,
                PolicyError::TooLarge,
            ),
            (
                |p, f| p.default.approval = f,
                None,
                PolicyError::NoApproval(None),
            ),
            (
                |p, f| p.default.approval = f,
                zero,
                PolicyError::ZeroApproval(None),
            ),
            (
                |p, f| p.default.absolute = f,
                one,
                PolicyError::AbsoluteOutOfReach(None),
            ),
            (
                |p, _| p.default.voting_seconds = Seconds::ZERO,
                None,
                PolicyError::NoTime(None),
            ),
            (
                |p, f| {
                    p.floors.quorum = f;
                    p.default.quorum = HALF;
                },
                one,
                PolicyError::BelowFloor {
                    kind: None,
                    condition: "quorum",
                },
            ),
        ];
        for (change, fraction, expected) in cases {
            let mut policy = Policy::default();
            change(&mut policy, fraction);
            assert_eq!(policy.validate(), Err(expected));
        }
    }

    #[test]
    fn no_rule_votes_for_less_time_than_the_floor() {
        let mut policy = Policy::default();
        for (floor, stands) in [(86_399, true), (86_400, true), (86_401, false)] {
            policy.floors.voting_seconds = Some(Seconds::new(floor).unwrap());
            assert_eq!(policy.validate().is_ok(), stands, "{floor}");
        }
    }

    #[test]
    fn limits_of_a_policy_are_exact_integers() {
        for (limit, stands) in [
            (crate::governance::MAX_INTEGER, true),
            (crate::governance::MAX_INTEGER + 1, false),
        ] {
            let policy = Policy {
                max_open_proposals: limit,
                ..Policy::default()
            };
            assert_eq!(policy.validate().is_ok(), stands, "{limit}");
        }
    }

    #[test]
    fn a_policy_error_names_its_kind() {
        assert_eq!(of(None), "default");
        assert_eq!(of(Some(ProposalKind::AddNode)), "add-node");
    }
}
