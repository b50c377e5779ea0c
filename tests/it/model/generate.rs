//! Sessions by chance: foundings, and steps that fit what has happened so far.
//!
//! What comes first in a list of choices is what a failing session shrinks towards.

use althing::governance::ballot::Decision;
use althing::governance::consensus::ConsensusStep;
use althing::governance::id::ProposalId;
use althing::governance::kind::AuthorizationKind;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use super::compare::SUBJECTS;
use super::scenarios;
use super::steps::{Claim, FalseStart, Flaw, Matter, Rules, Start, Step, Terms, Twist, Whom};
use super::world::{NOWHERE, World, label_of};

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// Labels, nodes and keys from here on are chance's, the ones below are the scenarios'.
const FIRST_LABEL: u32 = 2_000;
const FIRST_NODE: usize = 3_000;
const FIRST_KEY: usize = 5_000;

/// A number that no node has.
const STRANGER: usize = 50;

/// How a session starts: by chance, or as a scenario that it then follows now and then.
pub fn worlds() -> BoxedStrategy<World> {
    let by_chance = (weights(), rules(), vec(false_starts(), 0..=2)).prop_map(
        |(weights, rules, false_starts)| {
            let start = Start {
                weights,
                rules,
                false_starts,
            };
            World::found(start, &[])
        },
    );
    let scenarios = scenarios::all();
    let followed = (0..scenarios.len()).prop_map(move |place| {
        let scenario = &scenarios[place];
        World::found(scenario.start.clone(), &scenario.steps)
    });
    prop_oneof![2 => by_chance, 3 => followed].boxed()
}

fn weights() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        3 => vec(1..=3_u64, 3..=6),
        1 => Just(vec![1]),
        1 => Just(vec![3, 3, 3, 1_000_000]),
    ]
}

fn rules() -> impl Strategy<Value = Rules> {
    let times = (
        select(vec![0, HOUR]),
        select(vec![14 * DAY, HOUR]),
        select(vec![30 * DAY, 60]),
    );
    let switches = (
        any::<bool>(),
        weighted(3),
        weighted(2),
        weighted(4),
        weighted(4),
    );
    let shares = option::weighted(0.3, (0..=9_u64, 1..=9_u64));
    let counts = (1..=3_u64, select(vec![16, 2]));
    (times, switches, shares, counts).prop_map(
        |(
            (timelock, window, evidence),
            (uniform, late, swift_freeze, strict, floors),
            shares,
            (depth, most_open),
        )| {
            let least = if floors { 5 } else { 0 };
            Rules {
                uniform,
                late,
                shares: shares.map(|(quorum, approval)| (quorum.max(least), approval)),
                timelock,
                window,
                swift_freeze,
                evidence,
                depth,
                most_open,
                strict,
                floors,
                flaw: None,
            }
        },
    )
}

/// One of so many times.
fn weighted(times: u32) -> impl Strategy<Value = bool> {
    prop::bool::weighted(1.0 / f64::from(times))
}

fn flaws() -> impl Strategy<Value = Flaw> {
    select(vec![
        Flaw::NobodyProposes,
        Flaw::NoWindow,
        Flaw::NoVoting,
        Flaw::NoCondition,
        Flaw::ZeroApproval,
        Flaw::FullAbsolute,
        Flaw::BelowFloors,
    ])
}

fn false_starts() -> impl Strategy<Value = FalseStart> {
    prop_oneof![
        select(vec![
            FalseStart::NoFounders,
            FalseStart::SameId,
            FalseStart::SameName,
            FalseStart::TooHeavy,
            FalseStart::MissingSignature,
            FalseStart::SwappedKeys,
            FalseStart::OthersSignature,
        ]),
        flaws().prop_map(FalseStart::BadPolicy),
    ]
}

/// What there is to choose from.
struct View {
    nodes: Vec<usize>,
    suspended: Vec<usize>,
    voting: Vec<u32>,
    queued: Vec<u32>,
    all: Vec<u32>,
    /// Those who may still vote on the newest proposal in voting.
    voters: Vec<usize>,
    pauses: Vec<u64>,
    label: u32,
    node: usize,
    key: usize,
    past: usize,
}

impl View {
    fn of(world: &World) -> Self {
        let model = &world.model;
        let labels = |ids: Vec<ProposalId>| ids.into_iter().map(label_of).collect::<Vec<_>>();
        let voting = model.proposals_that_are("voting");
        let left = voting.last().map(|id| model.voters_left(*id));
        let numbers = |ids: Vec<_>| {
            ids.into_iter()
                .filter_map(|id| world.number_of(id))
                .collect()
        };
        let newest = world.labels.keys().last().copied().unwrap_or_default();
        let past = world.past.len();
        Self {
            nodes: world.nodes.iter().map(|(number, _)| *number).collect(),
            suspended: numbers(model.suspended()),
            voters: numbers(left.unwrap_or_default()),
            voting: labels(voting),
            queued: labels(model.proposals_that_are("queued")),
            all: world.labels.keys().copied().collect(),
            pauses: pauses(world),
            label: FIRST_LABEL.max(newest + 1),
            node: FIRST_NODE + past,
            key: FIRST_KEY + past,
            past,
        }
    }

    fn node(&self) -> BoxedStrategy<usize> {
        prop_oneof![30 => select(self.nodes.clone()), 1 => Just(STRANGER)].boxed()
    }

    /// A proposal, mostly one of the newest.
    fn on(&self) -> BoxedStrategy<u32> {
        if self.all.is_empty() {
            return Just(NOWHERE).boxed();
        }
        let newest = self.all[self.all.len().saturating_sub(3)..].to_vec();
        prop_oneof![2 => select(newest), 1 => select(self.all.clone())].boxed()
    }
}

/// How long it takes to where something ends: just before, at, and just after it.
fn pauses(world: &World) -> Vec<u64> {
    let mut pauses = vec![1, 100, HOUR, DAY];
    for boundary in world.model.boundaries() {
        let micros = boundary.as_micros().saturating_sub(world.now.as_micros());
        let seconds = micros / 1_000_000;
        pauses.extend([seconds, seconds.saturating_sub(1), seconds + 1]);
    }
    pauses.retain(|seconds| (1..=60 * DAY).contains(seconds));
    pauses
}

/// The next step: the scenario's, where one is followed, or one by chance.
pub fn steps(world: &World) -> BoxedStrategy<Step> {
    let mut choices = Vec::new();
    if let Some(step) = world.next_of_script() {
        choices.push((60, Just(step.clone()).boxed()));
    }
    let view = View::of(world);
    choices.push((35, honest(&view)));
    choices.push((8, twisted(&view)));
    choices.push((2, vec(honest(&view), 2..=4).prop_map(together).boxed()));
    choices.push((
        1,
        honest(&view)
            .prop_map(|step| Step::Early(Box::new(step)))
            .boxed(),
    ));
    if view.past > 0 {
        choices.push((2, (0..view.past).prop_map(Step::Again).boxed()));
    }
    Union::new_weighted(choices).boxed()
}

/// Several steps at once; time does not pass between them.
fn together(mut steps: Vec<Step>) -> Step {
    steps.retain(|step| !matches!(step, Step::Wait(_)));
    let mut label = None;
    for step in &mut steps {
        // They were made without knowing of each other.
        if let Step::Propose { label: own, .. } = step {
            let next = label.map_or(*own, |last: u32| last + 1);
            *own = next;
            label = Some(next);
        }
    }
    if steps.is_empty() {
        return Step::Recover;
    }
    Step::Together(steps)
}

fn honest(view: &View) -> BoxedStrategy<Step> {
    let mut choices = vec![(2, Just(Step::Recover).boxed())];
    choices.push((10, proposals(view)));
    choices.push((4, select(view.pauses.clone()).prop_map(Step::Wait).boxed()));
    choices.push((1, rotations(view)));
    choices.push((2, predictions()));
    choices.push((1, checkpoints()));
    choices.push((1, forks(view)));
    choices.push((1, equivocations(view)));
    if let (Some(newest), false) = (view.voting.last().copied(), view.voters.is_empty()) {
        let choice = (select(view.voters.clone()), decisions());
        let votes = choice.prop_map(move |(by, decision)| Step::Vote {
            by,
            on: newest,
            decision,
            twist: None,
        });
        choices.push((18, votes.boxed()));
    }
    if !view.queued.is_empty() {
        let executions = select(view.queued.clone()).prop_map(Step::Execute);
        choices.push((4, executions.boxed()));
    }
    if !view.all.is_empty() {
        choices.push((4, votes(view)));
        choices.push((1, accusations(view)));
        choices.push((1, view.on().prop_map(Step::Close).boxed()));
        choices.push((1, view.on().prop_map(Step::Execute).boxed()));
        choices.push((1, withdrawals(view)));
    }
    Union::new_weighted(choices).boxed()
}

fn decisions() -> impl Strategy<Value = Decision> {
    prop_oneof![
        8 => Just(Decision::Approve),
        2 => Just(Decision::Reject),
        1 => Just(Decision::Abstain),
    ]
}

fn votes(view: &View) -> BoxedStrategy<Step> {
    (view.node(), view.on(), decisions())
        .prop_map(|(by, on, decision)| Step::Vote {
            by,
            on,
            decision,
            twist: None,
        })
        .boxed()
}

fn accusations(view: &View) -> BoxedStrategy<Step> {
    let choice = (view.node(), view.on());
    let accusations = choice.prop_map(|(node, on)| Step::Accuse {
        node,
        on,
        twist: None,
    });
    accusations.boxed()
}

fn checkpoints() -> BoxedStrategy<Step> {
    let wrong = vec![
        Claim::Right,
        Claim::OtherState,
        Claim::OtherRegistry,
        Claim::OtherRoot,
        Claim::OtherCount,
    ];
    let claims = option::weighted(0.5, select(wrong));
    claims.prop_map(Step::Checkpoint).boxed()
}

fn forks(view: &View) -> BoxedStrategy<Step> {
    let choice = (view.node(), any::<bool>());
    let forks = choice.prop_map(|(node, grown)| Step::Fork {
        node,
        grown,
        twist: None,
    });
    forks.boxed()
}

fn equivocations(view: &View) -> BoxedStrategy<Step> {
    let steps = vec![
        ConsensusStep::Propose,
        ConsensusStep::Prevote,
        ConsensusStep::Precommit,
    ];
    let choice = (view.node(), select(steps));
    let equivocations = choice.prop_map(|(node, step)| Step::Equivocate {
        node,
        step,
        twist: None,
    });
    equivocations.boxed()
}

fn withdrawals(view: &View) -> BoxedStrategy<Step> {
    let withdrawals = view.on().prop_map(|on| Step::Withdraw { on, twist: None });
    withdrawals.boxed()
}

fn rotations(view: &View) -> BoxedStrategy<Step> {
    let key = view.key;
    let rotations = view.node().prop_map(move |node| Step::Rotate {
        node,
        key,
        twist: None,
    });
    rotations.boxed()
}

fn predictions() -> BoxedStrategy<Step> {
    (0..=SUBJECTS, any::<bool>())
        .prop_map(|(model, in_prod)| Step::Predict {
            model,
            in_prod,
            twist: None,
        })
        .boxed()
}

fn proposals(view: &View) -> BoxedStrategy<Step> {
    let label = view.label;
    (view.node(), matters(view))
        .prop_map(move |(by, matter)| Step::Propose {
            by,
            label,
            matter,
            twist: None,
        })
        .boxed()
}

fn whom() -> impl Strategy<Value = Whom> {
    prop_oneof![
        (0..SUBJECTS).prop_map(Whom::Agent),
        (0..SUBJECTS).prop_map(Whom::Model),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let starts = option::weighted(0.15, select(vec![100, HOUR]));
    let ends = option::weighted(0.3, select(vec![HOUR, 60, 2 * DAY, 0]));
    let limit = option::weighted(0.2, 3..=5_u64);
    (weighted(4), limit, starts, ends).prop_map(|(in_prod, limit, starts, ends)| Terms {
        in_prod,
        limit,
        starts,
        ends,
    })
}

fn matters(view: &View) -> BoxedStrategy<Matter> {
    let (node, key) = (view.node, view.key);
    let grant = option::weighted(0.3, view.on());
    let weight = prop_oneof![8 => 1..=3_u64, 1 => Just(1 << 52)];
    let length = prop_oneof![4 => select(vec![HOUR, 2 * HOUR, DAY]), 1 => select(vec![0, 4 * DAY])];
    let mut choices = vec![
        (
            5,
            (whom(), terms())
                .prop_map(|(whom, terms)| Matter::Authorize(whom, terms))
                .boxed(),
        ),
        (
            3,
            (whom(), any::<bool>(), grant).prop_map(revocation).boxed(),
        ),
        (
            2,
            weight
                .prop_map(move |weight| Matter::AddNode { node, weight })
                .boxed(),
        ),
        (2, view.node().prop_map(Matter::RemoveNode).boxed()),
        (1, rules().prop_map(Matter::UpdatePolicy).boxed()),
        (
            3,
            (option::of(whom()), length)
                .prop_map(|(whom, seconds)| Matter::Freeze { whom, seconds })
                .boxed(),
        ),
        (2, option::of(whom()).prop_map(Matter::Lift).boxed()),
        (
            1,
            view.node()
                .prop_map(move |node| Matter::ReplaceKey { node, key })
                .boxed(),
        ),
    ];
    if !view.all.is_empty() {
        let delegations = (view.on(), 0..SUBJECTS, terms())
            .prop_map(|(parent, to, terms)| Matter::Delegate { parent, to, terms });
        choices.push((3, delegations.boxed()));
    }
    if !view.suspended.is_empty() {
        let reinstatements =
            select(view.suspended.clone()).prop_map(move |node| Matter::Reinstate { node, key });
        choices.push((4, reinstatements.boxed()));
    }
    Union::new_weighted(choices).boxed()
}

fn revocation((whom, passed_on, grant): (Whom, bool, Option<u32>)) -> Matter {
    let kind = match whom {
        Whom::Model(_) => AuthorizationKind::Model,
        Whom::Agent(_) if passed_on => AuthorizationKind::Delegation,
        Whom::Agent(_) => AuthorizationKind::Agent,
    };
    Matter::Revoke { kind, whom, grant }
}

/// A step with something wrong with it. The preconditions drop a twist that does not fit its step.
fn twisted(view: &View) -> BoxedStrategy<Step> {
    let mut choices = vec![
        proposals(view),
        rotations(view),
        predictions(),
        forks(view),
        equivocations(view),
    ];
    if !view.all.is_empty() {
        choices.extend([votes(view), accusations(view), withdrawals(view)]);
    }
    let others = (view.node(), view.on());
    (Union::new(choices), others, 0..TWISTS.len())
        .prop_map(|(step, (node, label), which)| with_twist(step, TWISTS[which](node, label)))
        .boxed()
}

/// All twists, given a node and a proposal.
const TWISTS: [fn(usize, u32) -> Twist; 22] = [
    |_, _| Twist::OtherLedger,
    |node, _| Twist::SignedBy(node),
    |_, _| Twist::FirstKey,
    |_, _| Twist::Unsigned,
    |_, _| Twist::OtherHash,
    |_, _| Twist::Nowhere,
    |_, label| Twist::SameId(label),
    |_, _| Twist::SameVoteId,
    |node, _| Twist::CastLate(node as u64 % 2),
    |node, _| Twist::Parameters(65_536 + node % 2),
    |_, _| Twist::NoPossession,
    |_, _| Twist::OtherName,
    |node, _| Twist::Key(node),
    |node, _| Twist::Id(node),
    |node, _| Twist::Name(node),
    |node, _| Twist::WithdrawnBy(node),
    |_, _| Twist::Agreeing,
    |node, _| Twist::TwoVoters(node),
    |_, _| Twist::TwoHashes,
    |node, _| Twist::SecondSignedBy(node),
    |_, _| Twist::OtherGenesis,
    |_, _| Twist::TookForEver,
];

fn with_twist(mut step: Step, with: Twist) -> Step {
    match &mut step {
        Step::Propose { twist, .. }
        | Step::Vote { twist, .. }
        | Step::Withdraw { twist, .. }
        | Step::Rotate { twist, .. }
        | Step::Accuse { twist, .. }
        | Step::Fork { twist, .. }
        | Step::Equivocate { twist, .. }
        | Step::Predict { twist, .. } => *twist = Some(with),
        _ => {}
    }
    step
}
