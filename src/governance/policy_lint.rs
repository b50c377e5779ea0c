//! What a policy means for an electorate: who can pass what, who can stop it, and whether two
//! decisions that contradict each other can both be taken.
//!
//! A pure question about a policy and some weights; every answer asks the production
//! [`judge_at_deadline`], so the linter has no second opinion of what passes. Each condition gets
//! easier to meet with every weight that turns to approval, so the least weight that does
//! something is found by halving, and the rest is a question of which sums the nodes' weights
//! have:
//!
//! - with a total of at most [`MAX_TABLE_TOTAL`], all sums are tabulated: exact;
//! - otherwise with at most [`MAX_HALVED_NODES`] nodes, the sums of two halves are combined: exact;
//! - otherwise a coalition's weight is a lower bound (`exact` is false), and contradictory passes
//!   are possible where greedy halves show it, impossible where twice the needed weight exceeds
//!   the total, and [`Possibility::ByWeight`] in between.
//!
//! The rules are those of the policy alone. A change of policy has to meet the new policy as well,
//! and a freeze that follows another one needs more than two thirds besides.

use std::collections::BTreeMap;

use serde::Serialize;

use super::event::Conditions;
use super::kind::ProposalKind;
use super::policy::{Policy, PolicyError, Rule};
use super::state::registry::Registry;
use super::tally::{Standing, Tally, Verdict, judge_at_deadline};
use super::weight::{TotalWeight, Weight};

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
    let findings = findings(policy.validate().err(), &kinds, &electorate);
    Ok(PolicyLint {
        nodes: weights.len(),
        total_weight: electorate.total,
        kinds,
        findings,
    })
}

/// The weights of an electorate, and what sums they have.
struct Electorate {
    /// Heaviest first.
    weights: Vec<u64>,
    total: u64,
    sums: Sums,
    /// The electorate in two, as evenly as its weights allow: the lighter side and the heavier.
    halves: [Vec<u64>; 2],
}

impl Electorate {
    fn of(weights: &[Weight]) -> Result<Self, ElectorateError> {
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

    fn kind(&self, kind: ProposalKind, rule: &Rule) -> KindLint {
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
fn blocs(weights: &[u64]) -> Vec<Bloc> {
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

/// The sums that the weights of an electorate have.
enum Sums {
    /// For each sum up to the total the weight that made it: without that weight it is the sum of
    /// other nodes. `None` where no nodes have this sum.
    Table(Vec<Option<u64>>),
    /// The sums of one half of the nodes and of the other, each in ascending order with the nodes
    /// behind it.
    Halves([Vec<(u64, Vec<u64>)>; 2]),
    /// Too many to know.
    Unknown,
}

impl Sums {
    fn of(weights: &[u64], total: u64) -> Self {
        match usize::try_from(total) {
            Ok(size) if total <= MAX_TABLE_TOTAL => Self::Table(table(weights, size)),
            _ if weights.len() <= MAX_HALVED_NODES => {
                let (one, other) = weights.split_at(weights.len() / 2);
                Self::Halves([all_sums(one), all_sums(other)])
            }
            _ => Self::Unknown,
        }
    }

    const fn are_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// The weights of the lightest nodes that together have at least this weight; `None` where
    /// that is unknown, or more than all have.
    fn lightest(&self, at_least: u64) -> Option<Vec<u64>> {
        match self {
            Self::Table(made_by) => lightest_in_table(made_by, at_least),
            Self::Halves([one, other]) => lightest_of_halves(one, other, at_least),
            Self::Unknown => None,
        }
    }
}

/// All sums up to `total`, one pass for each different weight, of which there are few: their sum
/// is at most the total.
fn table(weights: &[u64], total: usize) -> Vec<Option<u64>> {
    let mut made_by = vec![None; total + 1];
    made_by[0] = Some(0);
    for bloc in blocs(weights) {
        let Ok(weight) = usize::try_from(bloc.weight) else {
            continue;
        };
        // How many nodes of this weight a sum takes; none where it was there before.
        let mut used = vec![0; total + 1];
        for sum in weight..=total {
            let rest = sum - weight;
            if made_by[sum].is_none() && made_by[rest].is_some() && used[rest] < bloc.nodes {
                made_by[sum] = Some(bloc.weight);
                used[sum] = used[rest] + 1;
            }
        }
    }
    made_by
}

fn lightest_in_table(made_by: &[Option<u64>], at_least: u64) -> Option<Vec<u64>> {
    let from = usize::try_from(at_least).ok()?;
    let mut sum = (from..made_by.len()).find(|sum| made_by[*sum].is_some())?;
    let mut members = Vec::new();
    while sum > 0 {
        let weight = made_by[sum]?;
        members.push(weight);
        sum = sum.checked_sub(usize::try_from(weight).ok()?)?;
    }
    Some(members)
}

/// The sums of all subsets of at most half of [`MAX_HALVED_NODES`] nodes.
fn all_sums(weights: &[u64]) -> Vec<(u64, Vec<u64>)> {
    let mut all = vec![(0, Vec::new())];
    for weight in weights {
        let with: Vec<(u64, Vec<u64>)> = (all.iter())
            .map(|(sum, members)| {
                let mut members = members.clone();
                members.push(*weight);
                (sum + weight, members)
            })
            .collect();
        all.extend(with);
    }
    all.sort();
    all
}

/// One pass upwards through one half's sums, downwards through the other's.
fn lightest_of_halves(
    one: &[(u64, Vec<u64>)],
    other: &[(u64, Vec<u64>)],
    at_least: u64,
) -> Option<Vec<u64>> {
    let mut down = other.iter().rev().peekable();
    let mut candidate = None;
    let mut best: Option<(u64, [&[u64]; 2])> = None;
    for (sum, members) in one {
        while let Some(found) = down.next_if(|(rest, _)| sum + rest >= at_least) {
            candidate = Some(found);
        }
        if let Some((rest, others)) = candidate
            && best.is_none_or(|(lightest, _)| sum + rest < lightest)
        {
            best = Some((sum + rest, [members, others]));
        }
    }
    best.map(|(_, parts)| parts.concat())
}

/// What somebody should know: the same of several kinds is said once.
fn findings(
    invalid: Option<PolicyError>,
    kinds: &[KindLint],
    electorate: &Electorate,
) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    found.extend(invalid.map(|error| Finding {
        code: Code::InvalidPolicy,
        severity: Severity::Error,
        kinds: Vec::new(),
        message: format!("the policy would be refused: {error}"),
    }));
    for kind in kinds {
        for (code, severity, message) in findings_of(kind, electorate) {
            let same = |one: &&mut Finding| {
                one.code == code && one.severity == severity && one.message == message
            };
            match found.iter_mut().find(same) {
                Some(finding) => finding.kinds.push(kind.kind),
                None => found.push(Finding {
                    code,
                    severity,
                    kinds: vec![kind.kind],
                    message,
                }),
            }
        }
    }
    found.sort_by_key(|finding| (finding.severity, finding.code));
    found
}

type Found = (Code, Severity, String);

fn findings_of(kind: &KindLint, electorate: &Electorate) -> Vec<Found> {
    let mut found = Vec::new();
    if !kind.satisfiable {
        let message = "it does not pass even if everybody approves".to_owned();
        found.push((Code::Unsatisfiable, Severity::Error, message));
        return found;
    }
    found.extend(contradictory_passes(kind));
    found.extend(minority_passes(kind, electorate));
    found.extend(single_node_passes(kind));
    found.extend(single_node_blocks(kind, electorate));
    found.extend(no_quorum(kind, electorate));
    if kind.kind == ProposalKind::EmergencyFreeze {
        found.extend(freeze(kind, electorate));
    }
    found
}

/// Decisions of these kinds only take away, so that two of them hardly contradict each other, and
/// a minority that can take them may well be meant.
const fn is_brake(kind: ProposalKind) -> bool {
    matches!(
        kind,
        ProposalKind::RevokeModel
            | ProposalKind::RevokeAgent
            | ProposalKind::RevokeDelegation
            | ProposalKind::EmergencyFreeze
    )
}

const fn unless_brake(kind: ProposalKind) -> Severity {
    if is_brake(kind) {
        Severity::Info
    } else {
        Severity::Warning
    }
}

fn contradictory_passes(kind: &KindLint) -> Option<Found> {
    let message = match (&kind.contradictory.possible, &kind.contradictory.example) {
        (Possibility::No, _) => return None,
        (_, Some(Example { one, other })) => format!(
            "two proposals that contradict each other can both pass without a common approver: \
             weight {} passes one and weight {} the other, although up to {} and {} reject them, \
             if the rest abstains",
            one.weight, other.weight, one.withstands_rejecting, other.withstands_rejecting
        ),
        (_, None) => "two proposals that contradict each other can both pass by weight; the \
                      electorate is too large to say whether its nodes divide so evenly"
            .to_owned(),
    };
    Some((Code::ContradictoryPasses, unless_brake(kind.kind), message))
}

fn minority_passes(kind: &KindLint, electorate: &Electorate) -> Option<Found> {
    let weight = kind.passes_with_abstentions?.weight;
    let message = format!(
        "less than half can pass it: weight {weight} of {}, if all others abstain",
        electorate.total
    );
    let is_minority = weight < electorate.total.saturating_sub(weight);
    is_minority.then_some((Code::MinorityPasses, unless_brake(kind.kind), message))
}

fn single_node_passes(kind: &KindLint) -> Option<Found> {
    let is_one =
        |coalition: Option<Coalition>| coalition.is_some_and(|coalition| coalition.nodes == 1);
    let (severity, message) = if is_one(kind.passes_against_all) {
        (
            Severity::Warning,
            "one node passes it, whatever all others do",
        )
    } else if is_one(kind.passes_alone) {
        (
            unless_brake(kind.kind),
            "one node passes it while all others stay away",
        )
    } else if is_one(kind.passes_with_abstentions) {
        (Severity::Info, "one node passes it if all others abstain")
    } else {
        return None;
    };
    Some((Code::SingleNodePasses, severity, message.to_owned()))
}

fn single_node_blocks(kind: &KindLint, electorate: &Electorate) -> Option<Found> {
    let blocking = &kind.blocked_by;
    let message = match blocking.by {
        Behaviour::Rejecting => "one node stops it by rejecting it, though all others approve",
        Behaviour::StayingAway => "one node stops it by staying away, though all others approve",
        Behaviour::Either => {
            "one node stops it by rejecting it or staying away, though all others approve"
        }
    };
    // A node alone is everybody.
    let stops = blocking.coalition.nodes == 1 && electorate.weights.len() > 1;
    stops.then_some((
        Code::SingleNodeBlocks,
        Severity::Warning,
        message.to_owned(),
    ))
}

fn no_quorum(kind: &KindLint, electorate: &Electorate) -> Option<Found> {
    let quorum = kind.conditions.quorum;
    let alone = kind.passes_alone?.weight;
    let message = format!(
        "no quorum: weight {alone} of {} passes it while all others stay away",
        electorate.total
    );
    let has_none = quorum.is_none_or(|quorum| quorum.numerator() == 0);
    let is_minority = alone <= electorate.total.saturating_sub(alone);
    let severity = if is_minority {
        unless_brake(kind.kind)
    } else {
        Severity::Info
    };
    has_none.then_some((Code::NoQuorum, severity, message))
}

/// The brake should take one honest node while less than a third is Byzantine, and not more.
fn freeze(kind: &KindLint, electorate: &Electorate) -> Vec<Found> {
    let total = electorate.total;
    let a_third = total / 3;
    let mut found = Vec::new();
    if let Some(with) = kind.passes_with_abstentions
        && with.needed_weight <= a_third
    {
        let message = format!(
            "a third of all weight or less can freeze, {} of {total}, if all others abstain: no \
             honest node has to stand behind a freeze",
            with.needed_weight
        );
        found.push((Code::FreezeWithinThird, Severity::Warning, message));
    }
    if let Some(against) = kind.passes_against_all
        && against.needed_weight > a_third + 1
    {
        let message = format!(
            "to freeze against all others takes weight {} of {total}, where more than a third \
             would do for a brake",
            against.needed_weight
        );
        found.push((Code::FreezeBeyondThird, Severity::Info, message));
    }
    found
}
