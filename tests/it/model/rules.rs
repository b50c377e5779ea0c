//! Policies and foundings from what a session says about them.

use althing::governance::founding::Founding;
use althing::governance::genesis::Genesis;
use althing::governance::kind::ProposalKind;
use althing::governance::policy::{Policy, PredictionPolicy, RuleOverride};
use althing::governance::time::Seconds;
use althing::governance::weight::{Fraction, Weight};
use althing::testing::model::ToldFounder;
use althing::testing::{Signatures, Signer, founding, genesis};

use super::steps::{FalseStart, Flaw, Rules, Start};

pub fn seconds(count: u64) -> Seconds {
    Seconds::new(count).expect("a length of time")
}

impl Rules {
    pub fn policy(&self) -> Policy {
        let mut policy = if self.uniform {
            Policy::uniform()
        } else {
            Policy::default()
        };
        policy.early_decision = !self.late;
        policy.default.timelock_seconds = seconds(self.timelock);
        policy.default.window_seconds = seconds(self.window);
        policy.evidence_window_seconds = seconds(self.evidence);
        policy.delegation_depth = self.depth;
        policy.max_open_proposals = self.most_open;
        if let Some((quorum, approval)) = self.shares {
            policy.default.quorum = Fraction::new(quorum, 9);
            policy.default.approval = Fraction::new(approval, 9);
        }
        if self.strict {
            policy.predictions = PredictionPolicy::Refuse;
        }
        if self.floors {
            policy.floors.quorum = Fraction::new(1, 2);
            policy.floors.voting_seconds = Some(Seconds::HOUR);
        }
        if self.swift_freeze {
            let rule = policy.kinds.entry(ProposalKind::EmergencyFreeze);
            rule.or_default().timelock_seconds = Some(Seconds::ZERO);
        }
        if let Some(flaw) = self.flaw {
            spoil(&mut policy, flaw);
        }
        policy
    }
}

fn spoil(policy: &mut Policy, flaw: Flaw) {
    let kind = ProposalKind::RemoveNode;
    let mut departs = |rule| {
        policy.kinds.insert(kind, rule);
    };
    match flaw {
        Flaw::NobodyProposes => policy.max_open_proposals = 0,
        Flaw::NoWindow => policy.default.window_seconds = Seconds::ZERO,
        Flaw::NoVoting => departs(RuleOverride {
            voting_seconds: Some(Seconds::ZERO),
            ..RuleOverride::default()
        }),
        Flaw::NoCondition => departs(RuleOverride {
            approval: Some(None),
            absolute: Some(None),
            ..RuleOverride::default()
        }),
        Flaw::ZeroApproval => policy.default.approval = Fraction::new(0, 1),
        Flaw::FullAbsolute => departs(RuleOverride {
            absolute: Some(Fraction::new(3, 3)),
            ..RuleOverride::default()
        }),
        Flaw::OtherFloors => policy.floors.approval = Fraction::new(1, 9),
        Flaw::BelowFloors => {
            policy.floors.quorum = Fraction::new(1, 2);
            policy.floors.voting_seconds = Some(Seconds::HOUR);
            departs(RuleOverride {
                quorum: Some(None),
                absolute: Some(Fraction::new(1, 2)),
                ..RuleOverride::default()
            });
        }
    }
}

/// A founding as it is tried, and what the model is told about its keys and signatures.
pub struct Attempt {
    pub genesis: Genesis,
    pub told: Vec<ToldFounder>,
}

fn told(weights: &[u64]) -> Vec<ToldFounder> {
    let numbers = 0..weights.len();
    numbers
        .map(|key| ToldFounder {
            key,
            gives: Signer::nth(Signatures::StandIn, key).node(),
            signs: true,
        })
        .collect()
}

impl Start {
    /// The founding that must be accepted.
    pub fn attempt(&self) -> Attempt {
        let founding = founding(&self.weights, self.rules.policy(), Signatures::StandIn);
        Attempt {
            genesis: genesis(founding, Signatures::StandIn),
            told: told(&self.weights),
        }
    }
}

impl FalseStart {
    /// A founding of two that goes wrong.
    pub fn attempt(self) -> Attempt {
        let weights = [1, 1];
        let mut founding: Founding = founding(&weights, Policy::default(), Signatures::StandIn);
        let mut told = told(&weights);
        match self {
            Self::NoFounders => founding.founders.clear(),
            Self::SameId => founding.founders[1].did = founding.founders[0].did,
            Self::SameName => founding.founders[1].name = founding.founders[0].name.clone(),
            Self::TooHeavy => {
                founding.founders[0].weight = Weight::new((1 << 53) - 1).expect("a weight");
            }
            Self::BadPolicy(flaw) => spoil(&mut founding.policy, flaw),
            Self::MissingSignature | Self::SwappedKeys | Self::OthersSignature => {}
        }
        let mut genesis = genesis(founding, Signatures::StandIn);
        told.truncate(genesis.founders.len());
        match self {
            Self::MissingSignature => {
                genesis.founders.pop();
                told.pop();
            }
            Self::SwappedKeys => {
                genesis.founders.swap(0, 1);
                told.swap(0, 1);
            }
            Self::OthersSignature => {
                genesis.founders[1].1 = genesis.founders[0].1.clone();
                told[1].signs = false;
            }
            _ => {}
        }
        Attempt { genesis, told }
    }
}
