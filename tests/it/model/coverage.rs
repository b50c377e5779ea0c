//! What a run of sessions has met, what it must meet, and what no session can.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use althing::governance::event::{FailureReason, OPERATIONS};
use althing::governance::rejection::REJECTION_CODES;
use althing::governance::state::proposal::Status;

use super::event_names::text;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Refusal,
    Status,
    Transition,
    Operation,
    Failure,
    Move,
    Also,
}

impl Section {
    pub const ALL: [Self; 7] = [
        Self::Refusal,
        Self::Status,
        Self::Transition,
        Self::Operation,
        Self::Failure,
        Self::Move,
        Self::Also,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Refusal => "Refusal codes",
            Self::Status => "Statuses of a proposal",
            Self::Transition => "Transitions of a proposal",
            Self::Operation => "Operations",
            Self::Failure => "Reasons why a decision can't be carried out",
            Self::Move => "Adversarial moves",
            Self::Also => "Also met",
        }
    }

    /// Everything that a run must meet.
    pub fn expected(self) -> Vec<String> {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let outside = |name: &str| OUTSIDE.iter().any(|(it, _)| *it == name);
        match self {
            Self::Refusal => {
                let codes = REJECTION_CODES.iter().filter(|code| !outside(code));
                codes.map(|code| (*code).to_owned()).collect()
            }
            Self::Status => owned(&Status::ALL.map(Status::name)),
            Self::Transition => transitions(),
            Self::Operation => owned(OPERATIONS),
            Self::Failure => failure_reasons(),
            Self::Move => owned(MOVES),
            Self::Also => owned(ALSO),
        }
    }
}

/// What no session comes to, and why.
pub const OUTSIDE: &[(&str, &str)] = &[
    (
        "node.too-many",
        "needs 10,000 nodes: a founding statement holds fewer, and each further one is a proposal. \
         `refusals::every_refusal_has_its_code_and_changes_nothing` decides it on such a state",
    ),
    (
        "failed: too-many-nodes",
        "would need an addition between opening and execution, which moves the epoch: \
         `add-node` is superseded then",
    ),
    (
        "failed: no-active-node",
        "would need a change of membership between opening and execution, which moves the epoch: \
         `remove-node` is superseded then",
    ),
    ("failed: not-registered", "as `no-active-node`"),
    (
        "failed: policy",
        "a policy that could stand at the opening can at the execution: the floors never change, \
         and any other change of policy moves the epoch",
    ),
];

/// Every reason, and that there are no others.
fn every_failure_reason() -> Vec<FailureReason> {
    use FailureReason as Reason;
    let all = vec![
        Reason::NoActiveNode,
        Reason::WeightOverflow,
        Reason::TooManyNodes,
        Reason::AlreadyRegistered,
        Reason::NotRegistered,
        Reason::Expired,
        Reason::TooManyGrants,
        Reason::Policy,
        Reason::FreezeOver,
        Reason::FreezeTooSoon,
        Reason::NotFrozen,
        Reason::Parent,
        Reason::NotSuspended,
        Reason::NotActive,
    ];
    for reason in &all {
        // A new reason does not compile before it is in the list above.
        match reason {
            Reason::NoActiveNode
            | Reason::WeightOverflow
            | Reason::TooManyNodes
            | Reason::AlreadyRegistered
            | Reason::NotRegistered
            | Reason::Expired
            | Reason::TooManyGrants
            | Reason::Policy
            | Reason::FreezeOver
            | Reason::FreezeTooSoon
            | Reason::NotFrozen
            | Reason::Parent
            | Reason::NotSuspended
            | Reason::NotActive => {}
        }
    }
    all
}

/// All reasons, those that no session comes to among them.
pub fn every_failure_reason_name() -> Vec<String> {
    every_failure_reason().iter().map(text).collect()
}

fn failure_reasons() -> Vec<String> {
    every_failure_reason_name()
        .into_iter()
        .filter(|name| {
            let outside = format!("failed: {name}");
            !OUTSIDE.iter().any(|(it, _)| *it == outside)
        })
        .collect()
}

/// What carries a decision out.
const EFFECTS: [&str; 9] = [
    "authorization_granted",
    "authorization_revoked",
    "policy_updated",
    "node_added",
    "node_removed",
    "key_replaced",
    "node_reinstated",
    "freeze_imposed",
    "freeze_lifted",
];

/// Every way from one status to another.
fn transitions() -> Vec<String> {
    let mut all: Vec<String> = [
        "(opened) → voting: proposal_created",
        "voting → withdrawn: proposal_withdrawn",
        "voting → superseded: revocation",
        "voting → superseded: evidence",
        "voting → rejected: early, quorum",
        "voting → rejected: early, no-approval",
        "voting → rejected: early, approval",
        "voting → rejected: early, absolute",
        "voting → rejected: close, no-approval",
        "voting → rejected: close, approval",
        "voting → rejected: close, absolute",
        "voting → expired: close, quorum",
        "voting → passed: early, conditions-met",
        "voting → passed: close, conditions-met",
        "voting → queued: early, timelock",
        "voting → queued: early, freeze",
        "voting → queued: close, timelock",
        "voting → queued: close, freeze",
        "passed → superseded: epoch-changed",
        "queued → superseded: epoch-changed",
        "queued → superseded: revocation",
        "queued → superseded: evidence",
        "queued → overturned: decision_overturned",
        "queued → lapsed: proposal_lapsed",
    ]
    .map(str::to_owned)
    .to_vec();
    for from in ["passed", "queued"] {
        all.extend(EFFECTS.map(|effect| format!("{from} → executed: {effect}")));
        let reasons = failure_reasons();
        all.extend(
            reasons
                .iter()
                .map(|reason| format!("{from} → failed: {reason}")),
        );
    }
    all
}

const MOVES: &[&str] = &[
    "a second before the last entry",
    "an earlier order again",
    "cast after the deadline",
    "evidence half of which another node signed",
    "evidence of what agrees",
    "evidence of two histories",
    "evidence of two voters",
    "for another ledger",
    "for another proposal hash",
    "for another genesis",
    "about what does not exist",
    "a false start: MissingSignature",
    "a false start: NoFounders",
    "a false start: OthersSignature",
    "a false start: SameId",
    "a false start: SameName",
    "a false start: SwappedKeys",
    "a false start: TooHeavy",
    "a false start: BadPolicy",
    "signed by another node",
    "signed with a former key",
    "with a claim of another number of grants",
    "with a claim of another root over the grants",
    "with a claim of another state",
    "with a claim of another registry",
    "with a duration beyond all numbers",
    "with a proof of possession for another name",
    "with a taken name",
    "with a used key",
    "with a used proposal id",
    "with a used vote id",
    "with another's node id",
    "with large parameters",
    "with no proof of possession",
    "with nobody's signature",
    "withdrawn by another node",
];

const ALSO: &[&str] = &[
    "a ballot that contradicts the recorded one",
    "a check answers expired",
    "a check answers frozen",
    "a check answers granted",
    "a check answers no-grant",
    "a check answers not-yet-valid",
    "a check answers out-of-scope",
    "a check answers parent-not-live",
    "a check answers revoked",
    "a decision carried out in a window that a freeze stretched",
    "a grant that is expired",
    "a grant that is frozen",
    "a grant that is live",
    "a grant that is not-yet-valid",
    "a grant that is parent-not-live",
    "a grant that is revoked",
    "a limit that comes with an authorization",
    "a node from active to removed",
    "a node from active to suspended",
    "a node from suspended to active",
    "a node from suspended to removed",
    "a node suspended for two checkpoints",
    "a node suspended for two messages of consensus",
    "a prediction under a grant",
    "a prediction without a grant",
    "an executed decision that is tainted",
    "evidence against a node that takes no part any more",
    "evidence against the last active node",
    "nothing to record",
    "several commands recorded in one write",
    "several commands refused together",
    "two checkpoints again",
    "two checkpoints of a node that takes no part any more",
    "two checkpoints of the last active node",
    "two checkpoints refused: clock.behind-head",
    "two checkpoints refused: evidence.not-contradictory",
    "two checkpoints refused: evidence.signature",
    "two checkpoints refused: node.unknown",
    "two checkpoints refused: statement.wrong-ledger",
    "two contradictory ballots shown",
    "two messages of consensus again",
    "two messages of consensus of a node that takes no part any more",
    "two messages of consensus of the last active node",
    "two messages of consensus refused: clock.behind-head",
    "two messages of consensus refused: evidence.not-contradictory",
    "two messages of consensus refused: evidence.signature",
    "two messages of consensus refused: node.unknown",
    "two messages of consensus refused: statement.wrong-ledger",
];

/// How often everything was met.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    pub sessions: u64,
    pub steps: u64,
    pub commands: u64,
    pub entries: u64,
    counts: BTreeMap<(Section, String), u64>,
}

thread_local! {
    /// A session has no other way out of the test driver.
    static MET: RefCell<Coverage> = RefCell::default();
}

impl Coverage {
    pub fn note(&mut self, section: Section, name: impl Into<String>) {
        *self.counts.entry((section, name.into())).or_default() += 1;
    }

    pub fn count(&self, section: Section, name: &str) -> u64 {
        let key = (section, name.to_owned());
        self.counts.get(&key).copied().unwrap_or_default()
    }

    pub fn add(&mut self, other: Self) {
        self.sessions += other.sessions;
        self.steps += other.steps;
        self.commands += other.commands;
        self.entries += other.entries;
        for (key, count) in other.counts {
            *self.counts.entry(key).or_default() += count;
        }
    }

    /// Hands a session's counts to the run on the same thread.
    pub fn hand_over(self) {
        MET.with_borrow_mut(|met| met.add(self));
    }

    /// What the sessions on this thread have met since the last time.
    pub fn collect() -> Self {
        MET.take()
    }

    /// What was missed, and what was met though nothing lists it.
    pub fn gaps(&self) -> Vec<String> {
        let mut gaps = Vec::new();
        for section in Section::ALL {
            let expected = section.expected();
            for name in &expected {
                if self.count(section, name) == 0 {
                    gaps.push(format!("never met ({}): {name}", section.title()));
                }
            }
            let met = self.counts.keys().filter(|(it, _)| *it == section);
            for (_, name) in met.filter(|(_, name)| !expected.contains(name)) {
                gaps.push(format!("met, but not listed ({}): {name}", section.title()));
            }
        }
        gaps
    }

    /// The tables of docs/model-checking.md.
    pub fn tables(&self) -> String {
        let mut text = format!(
            "{} sessions, {} steps, {} commands, {} entries recorded.\n",
            self.sessions, self.steps, self.commands, self.entries
        );
        for section in Section::ALL {
            write!(
                text,
                "\n### {}\n\n| met | times |\n| --- | ---: |\n",
                section.title()
            )
            .expect("a string takes everything");
            for name in section.expected() {
                writeln!(text, "| {name} | {} |", self.count(section, &name))
                    .expect("a string takes everything");
            }
        }
        text.push_str("\n### What no session comes to\n\n| what | why |\n| --- | --- |\n");
        for (name, why) in OUTSIDE {
            writeln!(text, "| {name} | {why} |").expect("a string takes everything");
        }
        text
    }
}
