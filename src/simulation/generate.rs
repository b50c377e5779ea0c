//! Random scenarios: a little of everything, from one seed.

use super::byzantine::Behaviour;
use super::random::Random;
use super::scenario::{
    AdversaryPlan, Base, Crash, KeyRotation, Latency, Network, NodeGroup, Opinion, Partition,
    PolicyChoice, ProposalPlan, Scenario, Trigger,
};
use super::signer::Signatures;
use crate::governance::kind::ProposalKind;
use crate::governance::scope::Scope;
use crate::governance::time::Seconds;
use crate::governance::weight::{Fraction, Weight};

impl Scenario {
    /// The random scenario of a seed: nodes, weights, policy, network, crashes, adversaries and
    /// proposals all follow from it.
    #[must_use]
    pub fn random(seed: u64, signatures: Signatures) -> Self {
        let mut random = Random::new(seed, "scenario", 0);
        let mut rounds = random.between(1, 5);
        let mut interval_seconds = *random.choose(&[30, 600, 4000]).unwrap_or(&600);
        let mut thinking_max_seconds = random.between(0, 400);
        let nodes = nodes(&mut random);
        let names: Vec<String> = nodes.iter().map(|node| node.name.clone()).collect();
        let candidate = nodes.iter().find(|node| node.joins_later);
        let candidate = candidate.map(|node| node.name.clone());
        let proposals = if random.percent(6) {
            // Nodes come and go between the ballots of one vote only where rounds overlap.
            rounds = 4;
            interval_seconds = 30;
            thinking_max_seconds = random.between(100, 400);
            coming_and_going(&mut random, &names, candidate.as_ref())
        } else {
            proposals(&mut random, &names, candidate.as_ref())
        };
        let horizon = rounds * interval_seconds + 600;
        Self {
            name: format!("random {seed}"),
            description: String::new(),
            seed,
            rounds,
            interval_seconds,
            checkpoint_seconds: match random.below(6) {
                0..=2 => 0,
                parts => (rounds * interval_seconds / (parts - 1)).max(1),
            },
            predictions: random.below(4),
            signatures,
            thinking_min_seconds: 0,
            thinking_max_seconds,
            policy: policy(&mut random),
            network: network(&mut random, &names, horizon),
            proposals,
            rotations: rotations(&mut random, &names, horizon),
            crashes: crashes(&mut random, &names, horizon),
            adversaries: adversaries(&mut random),
            nodes,
        }
    }
}

fn nodes(random: &mut Random) -> Vec<NodeGroup> {
    let count = random.between(3, 7);
    let joins = random.percent(30);
    let mut nodes = Vec::new();
    for number in 1..=count {
        let wrong_clock = random.percent(20);
        nodes.push(NodeGroup {
            name: format!("node-{number}"),
            count: None,
            weight: Weight::new(random.between(1, 4)).unwrap_or(Weight::ONE),
            clock_offset_seconds: if wrong_clock {
                600 - random.below(1200) as i64
            } else {
                0
            },
            clock_drift_ppm: if wrong_clock {
                500 - random.below(1000) as i64
            } else {
                0
            },
            joins_later: joins && number == count,
        });
    }
    nodes
}

fn policy(random: &mut Random) -> PolicyChoice {
    let voting = *random.choose(&[120, 900, 86_400]).unwrap_or(&900);
    PolicyChoice {
        base: if random.percent(70) {
            Base::Default
        } else {
            Base::Uniform
        },
        quorum: random
            .percent(20)
            .then(|| Fraction::new(random.between(1, 4), 4))
            .flatten(),
        approval: random
            .percent(20)
            .then(|| Fraction::new(random.between(1, 4), 4))
            .flatten(),
        voting_seconds: Seconds::new(voting),
        timelock_seconds: random.percent(25).then(|| Seconds::new(300)).flatten(),
        early_decision: random.percent(25).then_some(false),
    }
}

fn network(random: &mut Random, names: &[String], horizon: u64) -> Network {
    let latency = match random.below(3) {
        0 => Latency::Constant {
            ms: random.between(0, 500),
        },
        1 => Latency::Uniform {
            min_ms: 5,
            max_ms: random.between(5, 20_000),
        },
        _ => Latency::HeavyTail {
            typical_ms: random.between(20, 400),
            max_ms: 60_000,
        },
    };
    let mut partitions = Vec::new();
    for _ in 0..random.below(3) {
        let from_seconds = random.below(horizon);
        partitions.push(Partition {
            from_seconds,
            until_seconds: from_seconds + random.between(1, horizon),
            isolates: some(random, names),
        });
    }
    Network {
        latency,
        loss_percent: *random.choose(&[0, 0, 10, 40]).unwrap_or(&0),
        duplicate_percent: *random.choose(&[0, 5, 30]).unwrap_or(&0),
        retransmit_ms: random.between(100, 5000),
        partitions,
    }
}

fn crashes(random: &mut Random, names: &[String], horizon: u64) -> Vec<Crash> {
    let mut crashes = Vec::new();
    for _ in 0..random.below(4) {
        if let Some(node) = random.choose(names).cloned() {
            crashes.push(Crash {
                node,
                at_seconds: random.below(horizon),
                for_seconds: random.between(1, 2000),
                torn: random.percent(60),
            });
        }
    }
    crashes
}

fn rotations(random: &mut Random, names: &[String], horizon: u64) -> Vec<KeyRotation> {
    let mut rotations = Vec::new();
    for _ in 0..random.below(4).saturating_sub(1) {
        if let Some(node) = random.choose(names).cloned() {
            let at_seconds = random.below(horizon);
            rotations.push(KeyRotation { node, at_seconds });
        }
    }
    rotations
}

/// What several rounds are about, so that later ones meet what earlier ones did.
const SHARED: &str = "urn:simulated:shared";
/// To whom authorizations are passed on.
const CHILD: &str = "urn:simulated:child";

/// What is proposed: single things, or what belongs together.
fn proposals(
    random: &mut Random,
    names: &[String],
    candidate: Option<&String>,
) -> Vec<ProposalPlan> {
    let mut plans = if random.percent(50) {
        let founder = names.iter().rev().find(|name| Some(*name) != candidate);
        story(random, names, founder)
    } else {
        let count = random.between(1, 4);
        (0..count)
            .map(|_| single(random, names, candidate))
            .collect()
    };
    for plan in &mut plans {
        let (approve, reject, abstain) = *random
            .choose(&[
                (100, 0, 0),
                (100, 0, 0),
                (0, 100, 0),
                (0, 0, 100),
                (60, 20, 10),
                (30, 30, 20),
            ])
            .unwrap_or(&(100, 0, 0));
        plan.honest = Opinion {
            approve,
            reject,
            abstain,
        };
        if random.percent(5) {
            plan.withdraw_seconds = Some(random.between(1, 200));
        }
        let grants = matches!(
            plan.kind,
            ProposalKind::AuthorizeModel | ProposalKind::AuthorizeAgent | ProposalKind::Delegation
        );
        if grants && random.percent(15) {
            plan.expires_seconds = Some(random.between(1, 2000));
        }
        if grants && random.percent(25) {
            plan.scope = scope(random);
        }
    }
    plans
}

/// A scope of one or two dimensions.
fn scope(random: &mut Random) -> Option<Scope> {
    let mut scope = Scope::unrestricted();
    let values = [
        ("environment", "prod"),
        ("environment", "test"),
        ("region", "eu"),
    ];
    for (key, value) in values.into_iter().filter(|_| random.percent(60)) {
        scope.allow(key, value).ok()?;
    }
    Some(scope)
}

fn about(kind: ProposalKind, subject: &str) -> ProposalPlan {
    ProposalPlan {
        subject: Some(subject.to_owned()),
        ..ProposalPlan::of(kind)
    }
}

fn delegation(parent: &str, child: &str) -> ProposalPlan {
    ProposalPlan {
        parent: Some(parent.to_owned()),
        ..about(ProposalKind::Delegation, child)
    }
}

fn of_node(kind: ProposalKind, node: Option<&String>) -> ProposalPlan {
    ProposalPlan {
        node: node.cloned(),
        ..ProposalPlan::of(kind)
    }
}

fn another_policy(random: &mut Random) -> ProposalPlan {
    ProposalPlan {
        policy: Some(policy(random)),
        ..ProposalPlan::of(ProposalKind::UpdatePolicy)
    }
}

/// Proposals that belong together.
fn story(random: &mut Random, names: &[String], last: Option<&String>) -> Vec<ProposalPlan> {
    // Adversaries are the last founders, so that the last one has most often to be reinstated.
    match random.below(9) {
        0 => vec![
            about(ProposalKind::AuthorizeAgent, SHARED),
            delegation(SHARED, CHILD),
            about(ProposalKind::RevokeDelegation, CHILD),
        ],
        1 => vec![
            about(ProposalKind::AuthorizeAgent, SHARED),
            delegation(SHARED, CHILD),
            delegation(CHILD, "urn:simulated:grandchild"),
            about(ProposalKind::RevokeAgent, SHARED),
        ],
        2 => vec![
            about(ProposalKind::AuthorizeModel, SHARED),
            about(ProposalKind::EmergencyFreeze, SHARED),
            about(ProposalKind::AuthorizeModel, SHARED),
            about(ProposalKind::LiftFreeze, SHARED),
        ],
        3 => vec![
            about(ProposalKind::AuthorizeModel, SHARED),
            about(ProposalKind::RevokeModel, SHARED),
        ],
        4 => vec![
            ProposalPlan::of(ProposalKind::AuthorizeModel),
            of_node(ProposalKind::ReinstateNode, last),
            ProposalPlan::of(ProposalKind::AuthorizeModel),
            of_node(ProposalKind::ReinstateNode, last),
        ],
        5 => vec![
            of_node(ProposalKind::ReplaceKey, random.choose(names)),
            ProposalPlan::of(ProposalKind::AuthorizeModel),
        ],
        6 => vec![
            another_policy(random),
            ProposalPlan::of(ProposalKind::AuthorizeModel),
            another_policy(random),
        ],
        7 => vec![
            about(ProposalKind::EmergencyFreeze, SHARED),
            about(ProposalKind::LiftFreeze, SHARED),
            about(ProposalKind::LiftFreeze, SHARED),
        ],
        _ => vec![
            about(ProposalKind::EmergencyFreeze, SHARED),
            about(ProposalKind::AuthorizeAgent, SHARED),
            about(ProposalKind::EmergencyFreeze, SHARED),
        ],
    }
}

/// Authorizations that are voted on while a node leaves and, where one waits to, another joins.
fn coming_and_going(
    random: &mut Random,
    names: &[String],
    candidate: Option<&String>,
) -> Vec<ProposalPlan> {
    let founders: Vec<String> = (names.iter())
        .filter(|name| Some(*name) != candidate)
        .cloned()
        .collect();
    let leaves = of_node(ProposalKind::RemoveNode, random.choose(&founders));
    let joins = candidate.map(|_| of_node(ProposalKind::AddNode, candidate));
    let mut plans = vec![ProposalPlan::of(ProposalKind::AuthorizeModel), leaves];
    plans.extend(joins);
    plans.push(ProposalPlan::of(ProposalKind::AuthorizeAgent));
    plans
}

/// Any one thing.
fn single(random: &mut Random, names: &[String], candidate: Option<&String>) -> ProposalPlan {
    let node = random.choose(names);
    let mut plan = match random.below(16) {
        0 => ProposalPlan::of(ProposalKind::EmergencyFreeze),
        1 => ProposalPlan::of(ProposalKind::LiftFreeze),
        2 => ProposalPlan::of(ProposalKind::RevokeModel),
        3 => ProposalPlan::of(ProposalKind::AuthorizeAgent),
        4 | 5 => of_node(ProposalKind::RemoveNode, node),
        6 | 7 if candidate.is_some() => of_node(ProposalKind::AddNode, candidate),
        8 => of_node(ProposalKind::ReplaceKey, node),
        9 => of_node(ProposalKind::ReinstateNode, names.last()),
        10 => another_policy(random),
        11 => delegation(SHARED, CHILD),
        12 => ProposalPlan::of(ProposalKind::RevokeAgent),
        13 => ProposalPlan::of(ProposalKind::RevokeDelegation),
        _ => ProposalPlan::of(ProposalKind::AuthorizeModel),
    };
    if plan.node.is_none() && plan.subject.is_none() && random.percent(40) {
        plan.subject = Some(SHARED.to_owned());
    }
    plan
}

fn adversaries(random: &mut Random) -> Vec<AdversaryPlan> {
    let mut plans = Vec::new();
    let share = *random
        .choose(&[(1, 4), (1, 3), (1, 3), (1, 2), (3, 4)])
        .unwrap_or(&(1, 3));
    for _ in 0..random.below(5) {
        let behaviour = *random
            .choose(&Behaviour::ALL)
            .unwrap_or(&Behaviour::Equivocator);
        let trigger = match random.below(4) {
            0 => Trigger::Percent(random.between(10, 90)),
            1 => Trigger::Rounds(vec![random.between(1, 3)]),
            _ => Trigger::Always,
        };
        let share = Fraction::new(share.0, share.1).filter(|_| !behaviour.is_outside());
        plans.push(AdversaryPlan {
            behaviour,
            nodes: Vec::new(),
            share,
            trigger,
        });
    }
    plans
}

fn some(random: &mut Random, names: &[String]) -> Vec<String> {
    let chosen = names.iter().filter(|_| random.percent(40));
    chosen.cloned().collect()
}
