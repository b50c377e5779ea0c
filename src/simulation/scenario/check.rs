//! What must fit together in a scenario.

use std::collections::BTreeSet;

use super::read::{Problem, Step};
use super::{Latency, ProposalPlan, Scenario, Trigger};
use crate::governance::id::Subject;
use crate::governance::kind::ProposalKind;

/// The most nodes of one scenario.
const MAX_NODES: usize = 200;

/// The most rounds of one scenario.
const MAX_ROUNDS: u64 = 10_000;

/// The longest time that anything may take, in seconds: a year.
const MAX_SECONDS: u64 = 31_536_000;

fn problem(code: &'static str, path: &[Step], message: impl Into<String>) -> Problem {
    Problem {
        code,
        path: path.to_vec(),
        message: message.into(),
    }
}

impl Scenario {
    /// The first thing that does not fit.
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.check_limits()?;
        let names = self.check_nodes()?;
        self.check_network(&names)?;
        self.check_proposals(&names)?;
        self.check_adversaries(&names)?;
        (self.policy.policy().validate())
            .map_err(|error| problem("scenario.policy", &[Step::Key("policy")], error.to_string()))
    }

    fn check_limits(&self) -> Result<(), Problem> {
        let limits = [
            ("rounds", self.rounds, 1, MAX_ROUNDS),
            ("interval_seconds", self.interval_seconds, 1, MAX_SECONDS),
            (
                "checkpoint_seconds",
                self.checkpoint_seconds,
                0,
                MAX_SECONDS,
            ),
            ("predictions", self.predictions, 0, 1000),
            (
                "thinking_min_seconds",
                self.thinking_min_seconds,
                0,
                MAX_SECONDS,
            ),
            (
                "thinking_max_seconds",
                self.thinking_max_seconds,
                0,
                MAX_SECONDS,
            ),
        ];
        for (name, found, least, most) in limits {
            if !(least..=most).contains(&found) {
                let message = format!("{name}: expected {least} to {most}, found {found}");
                return Err(problem("scenario.limit", &[Step::Key(name)], message));
            }
        }
        Ok(())
    }

    fn check_nodes(&self) -> Result<BTreeSet<String>, Problem> {
        let nodes = [Step::Key("nodes")];
        for (index, group) in self.nodes.iter().enumerate() {
            let path = [Step::Key("nodes"), Step::Index(index)];
            if group.name.is_empty() || group.name.len() > 40 || !group.name.is_ascii() {
                let message = "expected a name of 1 to 40 ASCII characters";
                return Err(problem("scenario.node", &path, message));
            }
            if group.count.is_some_and(|count| count == 0 || count > 200) {
                return Err(problem("scenario.node", &path, "count: expected 1 to 200"));
            }
            let skewed = group.clock_offset_seconds.unsigned_abs() > MAX_SECONDS
                || group.clock_drift_ppm.unsigned_abs() > 100_000;
            if skewed {
                let message = "a clock may be wrong by a year and gain 100000 ppm at most";
                return Err(problem("scenario.node", &path, message));
            }
        }
        let members = self.members();
        if members.len() > MAX_NODES {
            let message = format!(
                "expected at most {MAX_NODES} nodes, found {}",
                members.len()
            );
            return Err(problem("scenario.node", &nodes, message));
        }
        if !members.iter().any(|member| member.founder) {
            let message = "expected at least one node that does not join later";
            return Err(problem("scenario.node", &nodes, message));
        }
        let mut names = BTreeSet::new();
        for member in members {
            if !names.insert(member.name.clone()) {
                let message = format!("two nodes are called {:?}", member.name);
                return Err(problem("scenario.node", &nodes, message));
            }
        }
        Ok(names)
    }

    fn check_network(&self, names: &BTreeSet<String>) -> Result<(), Problem> {
        let network = &self.network;
        let longest_ms = match network.latency {
            Latency::Constant { ms } => ms,
            Latency::Uniform { max_ms, .. } | Latency::HeavyTail { max_ms, .. } => max_ms,
        };
        let limits = [
            ("loss_percent", network.loss_percent, 0, 90),
            ("duplicate_percent", network.duplicate_percent, 0, 100),
            ("retransmit_ms", network.retransmit_ms, 1, 3_600_000),
            ("latency", longest_ms, 0, MAX_SECONDS * 1000),
        ];
        for (name, found, least, most) in limits {
            if !(least..=most).contains(&found) {
                let path = [Step::Key("network"), Step::Key(name)];
                let message = format!("{name}: expected {least} to {most}, found {found}");
                return Err(problem("scenario.network", &path, message));
            }
        }
        for (index, partition) in network.partitions.iter().enumerate() {
            let path = [
                Step::Key("network"),
                Step::Key("partitions"),
                Step::Index(index),
            ];
            if partition.until_seconds > MAX_SECONDS
                || partition.from_seconds >= partition.until_seconds
            {
                let message = "expected from_seconds before until_seconds, and at most a year";
                return Err(problem("scenario.network", &path, message));
            }
            known(names, &partition.isolates, "scenario.network", &path)?;
        }
        for (index, rotation) in self.rotations.iter().enumerate() {
            let path = [Step::Key("rotations"), Step::Index(index)];
            if rotation.at_seconds > MAX_SECONDS {
                let message = "expected at_seconds of at most a year";
                return Err(problem("scenario.network", &path, message));
            }
            known(names, [&rotation.node], "scenario.network", &path)?;
        }
        for (index, crash) in self.crashes.iter().enumerate() {
            let path = [Step::Key("crashes"), Step::Index(index)];
            if crash.at_seconds > MAX_SECONDS || !(1..=MAX_SECONDS).contains(&crash.for_seconds) {
                let message = "expected at_seconds of at most a year and for_seconds from 1 on";
                return Err(problem("scenario.network", &path, message));
            }
            known(names, [&crash.node], "scenario.network", &path)?;
        }
        Ok(())
    }

    fn check_proposals(&self, names: &BTreeSet<String>) -> Result<(), Problem> {
        if self.proposals.is_empty() {
            let message = "expected at least one proposal";
            return Err(problem(
                "scenario.proposal",
                &[Step::Key("proposals")],
                message,
            ));
        }
        for (index, plan) in self.proposals.iter().enumerate() {
            let path = [Step::Key("proposals"), Step::Index(index)];
            let fail = |message: String| Err(problem("scenario.proposal", &path, message));
            if let Some(message) = members_of(plan) {
                return fail(message);
            }
            let opinion = plan.honest;
            let shares = [opinion.approve, opinion.reject, opinion.abstain];
            if shares.iter().any(|share| *share > 100) || shares.iter().sum::<u64>() > 100 {
                return fail("honest: expected at most 100 in all".to_owned());
            }
            let named = plan.node.iter().chain(&plan.proposer);
            known(names, named, "scenario.proposal", &path)?;
        }
        Ok(())
    }

    fn check_adversaries(&self, names: &BTreeSet<String>) -> Result<(), Problem> {
        for (index, plan) in self.adversaries.iter().enumerate() {
            let path = [Step::Key("adversaries"), Step::Index(index)];
            let fail = |message: &str| {
                let message = format!("{}: {message}", plan.behaviour);
                Err(problem("scenario.adversary", &path, message))
            };
            let has_nodes = !plan.nodes.is_empty() || plan.share.is_some();
            if !plan.nodes.is_empty() && plan.share.is_some() {
                return fail("expected `nodes` or `share`, found both");
            }
            if plan.behaviour.is_outside() && has_nodes {
                return fail("expected neither `nodes` nor `share`: no node does it");
            }
            if !plan.behaviour.is_outside() && !has_nodes {
                return fail("expected `nodes` or `share`, found neither");
            }
            if matches!(plan.trigger, Trigger::Percent(percent) if percent > 100) {
                return fail("trigger: expected at most 100 percent");
            }
            known(names, &plan.nodes, "scenario.adversary", &path)?;
        }
        Ok(())
    }
}

/// What is wrong with the members that only some kinds of proposals have.
fn members_of(plan: &ProposalPlan) -> Option<String> {
    let kind = plan.kind;
    let about_node = matches!(
        kind,
        ProposalKind::AddNode
            | ProposalKind::RemoveNode
            | ProposalKind::ReplaceKey
            | ProposalKind::ReinstateNode
    );
    let delegates = kind == ProposalKind::Delegation;
    let grants = delegates
        || matches!(
            kind,
            ProposalKind::AuthorizeModel | ProposalKind::AuthorizeAgent
        );
    let changes_policy = kind == ProposalKind::UpdatePolicy;
    for (name, expected, found) in [
        ("node", about_node, plan.node.is_some()),
        ("parent", delegates, plan.parent.is_some()),
        ("policy", changes_policy, plan.policy.is_some()),
    ] {
        if expected != found {
            let article = if expected { "a" } else { "no" };
            return Some(format!("{kind}: expected {article} `{name}`"));
        }
    }
    let terms = plan.scope.is_some() || plan.expires_seconds.is_some();
    if terms && !grants {
        return Some(format!(
            "{kind}: expected no `scope` and no `expires_seconds`"
        ));
    }
    for (name, subject) in [("subject", &plan.subject), ("parent", &plan.parent)] {
        if let Some(subject) = subject
            && subject.parse::<Subject>().is_err()
        {
            return Some(format!("{name}: expected a DID or URN, found {subject:?}"));
        }
    }
    for (name, seconds) in [
        ("expires_seconds", plan.expires_seconds),
        ("withdraw_seconds", plan.withdraw_seconds),
    ] {
        if seconds.is_some_and(|seconds| !(1..=MAX_SECONDS).contains(&seconds)) {
            return Some(format!("{name}: expected 1 to {MAX_SECONDS}"));
        }
    }
    let stands = plan
        .policy
        .as_ref()
        .map(|policy| policy.policy().validate());
    stands.and_then(|stands| Some(format!("policy: {}", stands.err()?)))
}

fn known<'a>(
    names: &BTreeSet<String>,
    used: impl IntoIterator<Item = &'a String>,
    code: &'static str,
    path: &[Step],
) -> Result<(), Problem> {
    let mut used = used.into_iter();
    match used.find(|name| !names.contains(*name)) {
        Some(name) => Err(problem(code, path, format!("there is no node {name:?}"))),
        None => Ok(()),
    }
}
