//! What a policy means for an electorate: who can pass what, who can stop it, and whether two
//! decisions that contradict each other can both be taken.
//!
//! A pure question about a policy and some weights; every answer asks the production
//! [`judge_at_deadline`](super::tally::judge_at_deadline), so the linter has no second opinion of
//! what passes. Each condition gets easier to meet with every weight that turns to approval, so the
//! least weight that does something is found by halving, and the rest is a question of which sums
//! the nodes' weights have:
//!
//! - with a total of at most [`MAX_TABLE_TOTAL`], all sums are tabulated: exact;
//! - otherwise with at most [`MAX_HALVED_NODES`] nodes, the sums of two halves are combined: exact;
//! - otherwise a coalition's weight is a lower bound (`exact` is false), and contradictory passes
//!   are possible where greedy halves show it, impossible where twice the needed weight exceeds
//!   the total, and [`Possibility::ByWeight`] in between.
//!
//! The rules are those of the policy alone. A change of policy has to meet the new policy as well,
//! and a freeze that follows another one needs more than two thirds besides.

mod electorate;
mod findings;
mod sums;

use serde::Serialize;

use super::event::Conditions;
use super::kind::ProposalKind;
use super::policy::Policy;
use super::weight::Weight;
use electorate::Electorate;

/// The largest total of weights whose sums are tabulated.
pub const MAX_TABLE_TOTAL: u64 = 100_000;

/// The most nodes of any weight whose sums are all looked at.
pub const MAX_HALVED_NODES: usize = 24;

/// What a policy means for an electorate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyLint {
    /// How many nodes vote.
    pub nodes: usize,
    /// Their weight together.
    pub total_weight: u64,
    /// What holds for each kind of proposal, in the order of [`ProposalKind::ALL`].
    pub kinds: Vec<KindLint>,
    /// What somebody should know, the gravest first.
    pub findings: Vec<Finding>,
}

/// What it takes to pass and to stop one kind of proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KindLint {
    /// The kind.
    pub kind: ProposalKind,
    /// Its conditions.
    pub conditions: Conditions,
    /// Whether it passes when everybody approves.
    pub satisfiable: bool,
    /// Who passes it although all others reject; `None` where nobody does.
    pub passes_against_all: Option<Coalition>,
    /// Who passes it while all others stay away.
    pub passes_alone: Option<Coalition>,
    /// Who passes it while all others abstain, which is the best that others can do short of
    /// approving.
    pub passes_with_abstentions: Option<Coalition>,
    /// Who stops it although all others approve.
    pub blocked_by: Blocking,
    /// Whether two proposals can pass of which no node approves both.
    pub contradictory: Contradictory,
}

/// The smallest sets of nodes that can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Coalition {
    /// The fewest nodes that can.
    pub nodes: usize,
    /// The weight of the lightest set of nodes that can, which may be another one.
    pub weight: u64,
    /// Whether there is a set of this weight; otherwise none that can weighs less.
    pub exact: bool,
    /// The least weight that would do, whether or not any nodes have exactly that together.
    pub needed_weight: u64,
}

/// Who stops a proposal, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Blocking {
    /// The smallest sets of nodes; none at all where nothing ever passes.
    #[serde(flatten)]
    pub coalition: Coalition,
    /// What works with the least weight.
    pub by: Behaviour,
}

/// How to stop a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    /// By voting against it.
    Rejecting,
    /// By not voting.
    StayingAway,
    /// By either.
    Either,
}

/// Whether two proposals can pass of which no node approves both, while everybody else, and each
/// side on the other's proposal, behaves as it suits: abstains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contradictory {
    /// The answer.
    pub possible: Possibility,
    /// The least approving weight that either needs; `None` where nothing passes.
    pub needed_weight: Option<u64>,
    /// Two sides of the electorate, as even as its weights allow, that pass one each.
    pub example: Option<Example>,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Possibility {
    /// There is an example.
    Yes,
    /// There is none.
    No,
    /// Twice the needed weight is there; the electorate is too large to say whether its nodes
    /// divide into two such sides.
    ByWeight,
}

/// Two sides without a common node, each of which passes a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The lighter side.
    pub one: Side,
    /// All other nodes.
    pub other: Side,
}

/// One side of a divided electorate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The nodes on it by weight, heaviest first.
    pub blocs: Vec<Bloc>,
    /// Their weight together.
    pub weight: u64,
    /// How much weight may even reject what it approves, where the rest abstains.
    pub withstands_rejecting: u64,
}

/// Nodes of equal weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bloc {
    /// The weight of each.
    pub weight: u64,
    /// How many.
    pub nodes: usize,
}

/// Something that somebody should know about a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// The kinds of which it holds.
    pub kinds: Vec<ProposalKind>,
    /// The same in words.
    pub message: String,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The policy can't work.
    Error,
    /// It works otherwise than most would expect.
    Warning,
    /// It may well be meant.
    Info,
}

impl Severity {
    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Code {
    /// The policy would be refused.
    #[serde(rename = "lint.invalid-policy")]
    InvalidPolicy,
    /// Not even everybody together passes it.
    #[serde(rename = "lint.unsatisfiable")]
    Unsatisfiable,
    /// Two contradictory proposals can both pass.
    #[serde(rename = "lint.contradictory-passes")]
    ContradictoryPasses,
    /// A third of the weight or less can freeze.
    #[serde(rename = "lint.freeze-within-third")]
    FreezeWithinThird,
    /// Just over a third of the weight can't freeze against the others.
    #[serde(rename = "lint.freeze-beyond-third")]
    FreezeBeyondThird,
    /// Less than half of all weight can pass it.
    #[serde(rename = "lint.minority-passes")]
    MinorityPasses,
    /// One node can pass it.
    #[serde(rename = "lint.single-node-passes")]
    SingleNodePasses,
    /// One node can stop it.
    #[serde(rename = "lint.single-node-blocks")]
    SingleNodeBlocks,
    /// No share of the electorate has to take part.
    #[serde(rename = "lint.no-quorum")]
    NoQuorum,
}

impl Code {
    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidPolicy => "lint.invalid-policy",
            Self::Unsatisfiable => "lint.unsatisfiable",
            Self::ContradictoryPasses => "lint.contradictory-passes",
            Self::FreezeWithinThird => "lint.freeze-within-third",
            Self::FreezeBeyondThird => "lint.freeze-beyond-third",
            Self::MinorityPasses => "lint.minority-passes",
            Self::SingleNodePasses => "lint.single-node-passes",
            Self::SingleNodeBlocks => "lint.single-node-blocks",
            Self::NoQuorum => "lint.no-quorum",
        }
    }
}

/// Weights that are no electorate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElectorateError {
    /// There is nobody.
    #[error("an electorate needs at least one node")]
    Empty,
    /// More nodes than a ledger may have.
    #[error("an electorate has at most 10000 nodes")]
    TooManyNodes,
    /// More weight than a ledger may have.
    #[error("the weights add up to more than 9007199254740991")]
    TooHeavy,
}

/// Says what `policy` means for nodes of these weights.
///
/// ```
/// use althing::governance::policy::Policy;
/// use althing::governance::policy_lint::{Code, lint};
/// use althing::governance::weight::Weight;
///
/// let lint = lint(&Policy::uniform(), &[Weight::ONE; 9])?;
/// let codes = lint.findings.iter().map(|finding| finding.code);
/// assert!(codes.into_iter().any(|code| code == Code::ContradictoryPasses));
/// # Ok::<(), althing::governance::policy_lint::ElectorateError>(())
/// ```
///
/// # Errors
/// [`ElectorateError`] where the weights are no electorate.
pub fn lint(policy: &Policy, weights: &[Weight]) -> Result<PolicyLint, ElectorateError> {
    let electorate = Electorate::of(weights)?;
    let kinds: Vec<KindLint> = (ProposalKind::ALL.into_iter())
        .map(|kind| electorate.kind(kind, &policy.rule(kind)))
        .collect();
    let findings = findings::findings(policy.validate().err(), &kinds, &electorate);
    Ok(PolicyLint {
        nodes: weights.len(),
        total_weight: electorate.total,
        kinds,
        findings,
    })
}
