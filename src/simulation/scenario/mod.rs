//! What is simulated: the scenario, as it stands in a TOML file.
//!
//! `docs/simulation.md` explains every member.

mod check;
mod policy;
mod read;

use serde::{Deserialize, Serialize};

pub use policy::{Base, PolicyChoice};
pub use read::ScenarioError;

use super::byzantine::Behaviour;
use crate::governance::kind::ProposalKind;
use crate::governance::scope::Scope;
use crate::governance::weight::{Fraction, Weight};

/// Everything that a run depends on.
///
/// ```
/// let scenario: althing::simulation::Scenario = r#"
///     name = "four honest nodes"
///     rounds = 2
///     [[nodes]]
///     name = "node"
///     count = 4
///     [[proposals]]
///     kind = "authorize-model"
/// "#.parse()?;
/// let report = althing::simulation::run(&scenario)?;
/// assert_eq!(report.decided_rightly(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What the scenario is called.
    pub name: String,
    /// What it shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What chance is derived from.
    #[serde(default = "one")]
    pub seed: u64,
    /// How many proposals are made: one a round.
    #[serde(default = "one")]
    pub rounds: u64,
    /// The time between the beginnings of two rounds, in seconds.
    #[serde(default = "hour")]
    pub interval_seconds: u64,
    /// How often the state is put under the chain and every node signs the ledger so far, in seconds;
    /// never, where 0.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub checkpoint_seconds: u64,
    /// How many predictions are recorded in each round.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub predictions: u64,
    /// Which signatures the nodes make.
    #[serde(default)]
    pub signatures: super::Signatures,
    /// How long an honest node thinks before it votes: at least, in seconds.
    #[serde(default)]
    pub thinking_min_seconds: u64,
    /// How long an honest node thinks before it votes: at most, in seconds.
    #[serde(default = "minute")]
    pub thinking_max_seconds: u64,
    /// The rules of the group.
    #[serde(default)]
    pub policy: PolicyChoice,
    /// How messages travel.
    #[serde(default)]
    pub network: Network,
    /// Who votes.
    pub nodes: Vec<NodeGroup>,
    /// What is proposed, in turn.
    pub proposals: Vec<ProposalPlan>,
    /// Which nodes change their own keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rotations: Vec<KeyRotation>,
    /// Which nodes stop and start again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crashes: Vec<Crash>,
    /// Who does what it should not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adversaries: Vec<AdversaryPlan>,
}

/// One node, or several alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeGroup {
    /// The node's name; of several, the beginning of their names: `node-1`, `node-2`, ….
    pub name: String,
    /// How many nodes these are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The weight of each.
    #[serde(default = "one_weight")]
    pub weight: Weight,
    /// By how many seconds its clock is ahead at the beginning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_offset_seconds: i64,
    /// By how many microseconds a second its clock gains.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub clock_drift_ppm: i64,
    /// Whether it is no founder, and joins when a proposal to add it passes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub joins_later: bool,
}

/// How messages travel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// How long one takes.
    pub latency: Latency,
    /// How many of a hundred attempts are lost; 90 at most.
    pub loss_percent: u64,
    /// How many of a hundred messages arrive twice.
    pub duplicate_percent: u64,
    /// After how many milliseconds a lost message is sent again; the pause doubles, up to a minute.
    pub retransmit_ms: u64,
    /// When some nodes are cut off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Partition>,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            latency: Latency::Uniform {
                min_ms: 20,
                max_ms: 200,
            },
            loss_percent: 0,
            duplicate_percent: 0,
            retransmit_ms: 500,
            partitions: Vec::new(),
        }
    }
}

/// How long a message takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", tag = "distribution")]
pub enum Latency {
    /// Always as long.
    Constant {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Anything between two bounds, equally likely.
    Uniform {
        /// At least, in milliseconds.
        min_ms: u64,
        /// At most, in milliseconds.
        max_ms: u64,
    },
    /// Up to the typical time for half of the messages, and each doubling half as likely.
    HeavyTail {
        /// What half of the messages take at most, in milliseconds.
        typical_ms: u64,
        /// At most, in milliseconds.
        max_ms: u64,
    },
}

/// A time in which some nodes reach nobody but each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// From when, in seconds from the beginning.
    pub from_seconds: u64,
    /// Until when it is healed, in seconds from the beginning.
    pub until_seconds: u64,
    /// The nodes that are cut off from the others and from where the order is made.
    pub isolates: Vec<String>,
}

/// A node stops, and starts again from its own ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// Which node.
    pub node: String,
    /// When, in seconds from the beginning.
    pub at_seconds: u64,
    /// How long it is down, in seconds.
    pub for_seconds: u64,
    /// Whether it stops in the middle of a write.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub torn: bool,
}

/// A node changes its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotation {
    /// Which node.
    pub node: String,
    /// When, in seconds from the beginning.
    pub at_seconds: u64,
}

/// What is proposed, and what honest nodes think of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposalPlan {
    /// The kind.
    pub kind: ProposalKind,
    /// The node that is added, removed, or given another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The model or agent; a new one for every proposal where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For a delegation: whose grant is passed on, the last one that is not revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// After how many seconds a grant expires; never, where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<u64>,
    /// After how many seconds the proposer withdraws it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdraw_seconds: Option<u64>,
    /// Who proposes; the founders in turn where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposer: Option<String>,
    /// What a grant is limited to. Nothing, where there is none; for a delegation, what the grant
    /// that is passed on is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// For a change of policy: the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyChoice>,
    /// How honest nodes decide.
    #[serde(default)]
    pub honest: Opinion,
}

impl ProposalPlan {
    /// A proposal of a kind that every honest node wants, and nothing else about it.
    #[must_use]
    pub fn of(kind: ProposalKind) -> Self {
        Self {
            kind,
            node: None,
            subject: None,
            parent: None,
            expires_seconds: None,
            withdraw_seconds: None,
            proposer: None,
            scope: None,
            policy: None,
            honest: Opinion::default(),
        }
    }
}

/// How honest nodes decide: in so many of a hundred cases; the rest does not vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opinion {
    /// In favour.
    #[serde(default)]
    pub approve: u64,
    /// Against.
    #[serde(default)]
    pub reject: u64,
    /// On neither side.
    #[serde(default)]
    pub abstain: u64,
}

impl Default for Opinion {
    fn default() -> Self {
        Self {
            approve: 100,
            reject: 0,
            abstain: 0,
        }
    }
}

impl Opinion {
    /// What the group would decide if it were honest nodes only: whether the proposal should pass.
    /// `None` where they are not of one mind.
    pub(crate) const fn wants(self) -> Option<bool> {
        match (self.approve, self.reject) {
            (100, _) => Some(true),
            (_, 100) => Some(false),
            _ => None,
        }
    }
}

/// A behaviour, and who behaves so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdversaryPlan {
    /// What they do.
    pub behaviour: Behaviour,
    /// The nodes that do it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Instead of nodes: as many founders, the last ones first, as hold no more than this share of
    /// the weight together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Fraction>,
    /// When they do it.
    #[serde(default)]
    pub trigger: Trigger,
}

/// When an adversary does what it does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// In no round.
    Never,
    /// In every round.
    #[default]
    Always,
    /// In so many of a hundred rounds.
    Percent(u64),
    /// In these rounds, counted from 1.
    Rounds(Vec<u64>),
}

const fn one() -> u64 {
    1
}

const fn minute() -> u64 {
    60
}

const fn hour() -> u64 {
    3600
}

const fn one_weight() -> Weight {
    Weight::ONE
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_nothing(number: &u64) -> bool {
    *number == 0
}

/// One node of a scenario, groups taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) weight: Weight,
    pub(crate) offset_seconds: i64,
    pub(crate) drift_ppm: i64,
    pub(crate) founder: bool,
}

impl Scenario {
    /// All nodes, founders first, in the order of the file.
    pub(crate) fn members(&self) -> Vec<Member> {
        let mut members = Vec::new();
        for group in &self.nodes {
            let names: Vec<String> = match group.count {
                None => vec![group.name.clone()],
                Some(count) => (1..=count).map(|n| format!("{}-{n}", group.name)).collect(),
            };
            members.extend(names.into_iter().map(|name| Member {
                name,
                weight: group.weight,
                offset_seconds: group.clock_offset_seconds,
                drift_ppm: group.clock_drift_ppm,
                founder: !group.joins_later,
            }));
        }
        members.sort_by_key(|member| !member.founder);
        members
    }

    /// The places of the nodes that an adversary plan is about.
    pub(crate) fn places(&self, plan: &AdversaryPlan) -> Vec<usize> {
        let members = self.members();
        let Some(share) = plan.share else {
            let place = |name: &String| members.iter().position(|member| member.name == *name);
            return plan.nodes.iter().filter_map(place).collect();
        };
        let founders = members.iter().filter(|member| member.founder);
        let total: u64 = founders.map(|member| member.weight.get()).sum();
        let mut held = 0;
        let mut places = Vec::new();
        for (place, member) in members.iter().enumerate().rev() {
            let with = held + member.weight.get();
            if member.founder && !share.exceeded_by(with, total) {
                held = with;
                places.push(place);
            }
        }
        places
    }
}
