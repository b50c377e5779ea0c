//! The policy of a scenario, by name and with changes.

use serde::{Deserialize, Serialize};

use crate::governance::policy::Policy;
use crate::governance::time::Seconds;
use crate::governance::weight::Fraction;

/// A policy: one of the two that come with Althing, and what is different.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyChoice {
    /// Where to start from.
    #[serde(default)]
    pub base: Base,
    /// Another quorum for the kinds that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quorum: Option<Fraction>,
    /// Another approval share for the kinds that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Fraction>,
    /// Another voting period, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voting_seconds: Option<Seconds>,
    /// Another timelock, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timelock_seconds: Option<Seconds>,
    /// Whether to decide as soon as no ballot can change the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_decision: Option<bool>,
}

/// A policy that comes with Althing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// The default policy.
    #[default]
    Default,
    /// Two thirds of everything and nothing else.
    Uniform,
}

impl PolicyChoice {
    /// The policy.
    pub(crate) fn policy(&self) -> Policy {
        let mut policy = match self.base {
            Base::Default => Policy::default(),
            Base::Uniform => Policy::uniform(),
        };
        let rule = &mut policy.default;
        rule.quorum = self.quorum.or(rule.quorum);
        rule.approval = self.approval.or(rule.approval);
        rule.voting_seconds = self.voting_seconds.unwrap_or(rule.voting_seconds);
        rule.timelock_seconds = self.timelock_seconds.unwrap_or(rule.timelock_seconds);
        policy.early_decision = self.early_decision.unwrap_or(policy.early_decision);
        policy
    }

    /// What the policy is called in a report.
    #[must_use]
    pub fn label(&self) -> String {
        let mut label = match self.base {
            Base::Default => "default".to_owned(),
            Base::Uniform => "uniform".to_owned(),
        };
        if let Some(quorum) = self.quorum {
            label.push_str(&format!(", quorum {quorum}"));
        }
        if let Some(approval) = self.approval {
            label.push_str(&format!(", approval {approval}"));
        }
        label
    }
}
