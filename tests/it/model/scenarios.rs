//! Written-out sessions that lead where chance seldom does. Each runs as it stands, and is a thread
//! that random sessions take up and leave again.

mod checkpoints;
mod consensus;
mod counting;

use althing::governance::ballot::Decision::{self, Abstain, Approve, Reject};
use althing::governance::kind::AuthorizationKind as Kind;

use super::steps::{FalseStart, Flaw, Matter, Rules, Start, Step, Terms, Twist, Whom};
use super::world::NOWHERE;

/// A founding and what happens after it.
pub struct Scenario {
    pub name: &'static str,
    pub start: Start,
    pub steps: Vec<Step>,
}

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// Half of what the weights of a ledger may add up to.
const HEAVY: u64 = 1 << 52;

pub fn start(weights: &[u64], rules: Rules) -> Start {
    Start {
        weights: weights.to_vec(),
        rules,
        false_starts: Vec::new(),
    }
}

fn propose(by: usize, label: u32, matter: Matter) -> Step {
    Step::Propose {
        by,
        label,
        matter,
        twist: None,
    }
}

fn vote(by: usize, on: u32, decision: Decision) -> Step {
    Step::Vote {
        by,
        on,
        decision,
        twist: None,
    }
}

fn accuse(node: usize, on: u32) -> Step {
    Step::Accuse {
        node,
        on,
        twist: None,
    }
}

fn rotate(node: usize, key: usize) -> Step {
    Step::Rotate {
        node,
        key,
        twist: None,
    }
}

fn authorize(whom: Whom) -> Matter {
    Matter::Authorize(whom, Terms::default())
}

fn until(whom: Whom, ends: u64) -> Matter {
    let ends = Some(ends);
    Matter::Authorize(
        whom,
        Terms {
            ends,
            ..Terms::default()
        },
    )
}

fn revoke(kind: Kind, whom: Whom) -> Matter {
    Matter::Revoke {
        kind,
        whom,
        grant: None,
    }
}

fn freeze(seconds: u64) -> Matter {
    let whom = None;
    Matter::Freeze { whom, seconds }
}

/// Steps with a twist, where the step takes one.
fn twisted(mut step: Step, with: Twist) -> Step {
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

/// Scenarios in which decisions wait, or don't, for the same timelock.
struct Script {
    timelock: u64,
    steps: Vec<Step>,
}

impl Script {
    const fn new(timelock: u64) -> Self {
        let steps = Vec::new();
        Self { timelock, steps }
    }

    fn then(&mut self, steps: impl IntoIterator<Item = Step>) -> &mut Self {
        self.steps.extend(steps);
        self
    }

    fn wait(&mut self, seconds: u64) -> &mut Self {
        self.then([Step::Wait(seconds)])
    }

    fn propose(&mut self, by: usize, label: u32, matter: Matter) -> &mut Self {
        self.then([propose(by, label, matter)])
    }

    fn approve(&mut self, by: &[usize], on: u32) -> &mut Self {
        self.then(by.iter().map(|by| vote(*by, on, Approve)))
    }

    /// Nodes approve until it is carried out.
    fn pass(&mut self, by: &[usize], on: u32) -> &mut Self {
        self.approve(by, on).carry_out(on)
    }

    fn carry_out(&mut self, on: u32) -> &mut Self {
        if self.timelock > 0 {
            self.wait(self.timelock).then([Step::Execute(on)]);
        }
        self
    }

    /// The first of them proposes, all approve, and it is carried out.
    fn enact(&mut self, by: &[usize], label: u32, matter: Matter) -> &mut Self {
        self.propose(by[0], label, matter).pass(by, label)
    }

    fn named(&mut self, name: &'static str, weights: &[u64], rules: Rules) -> Scenario {
        Scenario {
            name,
            start: start(weights, rules),
            steps: std::mem::take(&mut self.steps),
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            timelock: self.timelock,
            ..Rules::default()
        }
    }
}

/// All scenarios but the one that takes a thousand grants.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    for timelock in [0, HOUR] {
        all.extend([
            every_effect(timelock),
            what_grants_and_freezes_fail_of(timelock),
            what_keys_fail_of(timelock),
            too_heavy_to_return(timelock),
            overtaken(timelock),
            too_little_approval_early(timelock),
            closed(timelock),
            checkpoints::contradicting(timelock),
            consensus::contradicting(timelock),
        ]);
    }
    all.extend([
        refused_proposals(),
        refused_ballots(),
        refused_evidence(),
        refused_ends(),
        waiting(),
        held_back(),
        stretched(),
        alone(),
        grants_in_time(),
        contradictions(),
        together(),
        strict(),
        checkpoints::recorded(),
        counting::decided_at_the_deadline(),
        counting::certain_against_contradictions(),
        counting::judged_by_both_policies(),
        counting::out_of_reach_of_both_policies(),
        counting::stretched_once(),
        counting::passed_on_too_often(),
        counting::passed_on_within_its_time(),
    ]);
    all
}

const FOUR: [u64; 4] = [1; 4];

fn every_effect(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    let (most, all) = ([0, 1, 2], [0, 1, 2, 3]);
    it.enact(&most, 1, authorize(Whom::Model(0)))
        .enact(&most, 2, authorize(Whom::Agent(0)))
        .enact(
            &most,
            3,
            Matter::Delegate {
                parent: 2,
                to: 1,
                terms: Terms::default(),
            },
        )
        .enact(&most, 4, revoke(Kind::Model, Whom::Model(0)))
        .enact(&all, 5, Matter::AddNode { node: 4, weight: 1 })
        .enact(&all, 6, Matter::ReplaceKey { node: 3, key: 100 })
        .enact(&all, 7, freeze(3 * HOUR))
        .enact(&all, 8, Matter::Lift(None))
        .enact(
            &all,
            9,
            Matter::UpdatePolicy(Rules {
                depth: 2,
                ..it_rules(timelock)
            }),
        )
        .then([accuse(3, 8)])
        .enact(&most, 10, Matter::Reinstate { node: 3, key: 101 })
        .enact(&all, 11, Matter::RemoveNode(4))
        .enact(&most, 12, revoke(Kind::Delegation, Whom::Agent(1)))
        .then([accuse(3, 11)])
        .enact(&most, 13, Matter::RemoveNode(3))
        .then([accuse(3, 10), accuse(3, 12)]);
    let rules = it.rules();
    it.named("every effect", &FOUR, rules)
}

fn it_rules(timelock: u64) -> Rules {
    Script::new(timelock).rules()
}

fn what_grants_and_freezes_fail_of(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    let most = [0, 1, 2];
    it.propose(0, 1, until(Whom::Model(0), 60))
        .wait(100)
        .pass(&most, 1)
        .enact(&most, 2, authorize(Whom::Agent(0)))
        .propose(
            0,
            3,
            Matter::Delegate {
                parent: 2,
                to: 1,
                terms: Terms::default(),
            },
        )
        .enact(&most, 4, revoke(Kind::Agent, Whom::Agent(0)))
        .pass(&most, 3)
        .propose(0, 5, freeze(60))
        .wait(100)
        .pass(&[0, 1], 5)
        .propose(0, 6, freeze(5 * HOUR))
        .propose(1, 7, freeze(5 * HOUR))
        .pass(&[0, 1], 6)
        .pass(&[0, 1], 7)
        .propose(0, 8, Matter::Lift(None))
        .wait(6 * HOUR)
        .pass(&most, 8);
    let rules = it.rules();
    it.named("what grants and freezes fail of", &FOUR, rules)
}

fn what_keys_fail_of(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    let most = [0, 1, 2, 3];
    it.propose(0, 1, Matter::ReplaceKey { node: 1, key: 100 })
        .propose(0, 2, Matter::ReplaceKey { node: 2, key: 100 })
        .pass(&[0, 2, 3, 4, 5], 1)
        .pass(&[0, 2, 3, 4, 5], 2)
        .enact(&[0, 1, 2, 3, 4], 3, authorize(Whom::Model(0)))
        .then([accuse(5, 3)])
        .propose(0, 4, Matter::Reinstate { node: 5, key: 101 })
        .propose(1, 5, Matter::Reinstate { node: 5, key: 102 })
        .pass(&most, 4)
        .pass(&most, 5)
        .propose(0, 6, Matter::ReplaceKey { node: 5, key: 103 })
        .enact(&[0, 1, 2, 3, 4], 7, Matter::RemoveNode(5))
        .pass(&[0, 1, 2, 3, 4], 6);
    let rules = it.rules();
    it.named("what keys fail of", &[1; 6], rules)
}

fn too_heavy_to_return(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .then([accuse(3, 1)])
        .enact(
            &[0, 1, 2],
            2,
            Matter::AddNode {
                node: 4,
                weight: HEAVY,
            },
        )
        .propose(
            0,
            3,
            Matter::AddNode {
                node: 5,
                weight: HEAVY,
            },
        )
        .propose(4, 4, Matter::Reinstate { node: 3, key: 100 })
        .pass(&[4], 4);
    let rules = it.rules();
    it.named("too heavy to return", &[1, 1, 1, HEAVY], rules)
}

fn overtaken(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    let most = [0, 1, 2, 3];
    it.propose(0, 1, Matter::AddNode { node: 5, weight: 1 })
        .then([rotate(0, 100)])
        .pass(&most, 1)
        .propose(0, 2, authorize(Whom::Model(0)))
        .propose(0, 3, authorize(Whom::Model(1)))
        .propose(1, 4, revoke(Kind::Model, Whom::Model(1)))
        .enact(&most, 5, revoke(Kind::Model, Whom::Model(0)))
        .approve(&most, 3)
        .pass(&most, 4)
        .then([accuse(4, 4)])
        .propose(0, 6, Matter::Reinstate { node: 4, key: 101 })
        .then([accuse(4, 5)])
        .propose(0, 7, Matter::Reinstate { node: 4, key: 102 })
        .approve(&[0, 1, 2], 7)
        .then([accuse(4, 3)]);
    let rules = it.rules();
    it.named("overtaken", &[1; 5], rules)
}

fn too_little_approval_early(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(0, 3, Matter::RemoveNode(5))
        .propose(1, 4, revoke(Kind::Model, Whom::Model(0)))
        .propose(1, 5, revoke(Kind::Model, Whom::Model(1)))
        .then([0, 1, 2].map(|by| vote(by, 1, Reject)))
        .then([0, 1].map(|by| vote(by, 3, Abstain)))
        .then([0, 1, 2, 3, 4, 5].map(|by| vote(by, 4, Abstain)))
        // Half of them can't vote any more.
        .then([accuse(3, 2), accuse(4, 2), accuse(5, 2)]);
    let rules = it.rules();
    it.named("too little approval early", &[1; 6], rules)
}

fn closed(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(0, 3, revoke(Kind::Model, Whom::Model(2)))
        .propose(0, 4, revoke(Kind::Agent, Whom::Agent(2)))
        .propose(1, 5, authorize(Whom::Agent(1)))
        .propose(
            1,
            6,
            Matter::Freeze {
                whom: Some(Whom::Agent(2)),
                seconds: 2 * DAY,
            },
        )
        .propose(1, 7, authorize(Whom::Agent(2)))
        .approve(&[0, 1, 2], 1)
        .then([0, 1, 2].map(|by| vote(by, 3, Abstain)))
        .approve(&[0, 1], 4)
        .then([2, 3].map(|by| vote(by, 4, Reject)))
        .approve(&[0, 1], 5)
        .then([vote(2, 5, Abstain)])
        .approve(&[0, 1, 2], 6)
        .approve(&[0, 1, 2], 7)
        .wait(DAY - 1)
        .then([Step::Close(1)])
        .wait(1)
        .then([vote(3, 1, Approve), Step::Withdraw { on: 2, twist: None }])
        .then([1, 2, 3, 4, 5, 6].map(Step::Close))
        .carry_out(6)
        .then([Step::Close(7), Step::Execute(7)])
        .carry_out(1)
        .wait(DAY)
        .then([Step::Execute(7)]);
    let rules = Rules {
        late: true,
        swift_freeze: true,
        ..it.rules()
    };
    it.named("closed", &FOUR, rules)
}

fn refused_proposals() -> Scenario {
    let mut it = Script::new(0);
    let most = [0, 1, 2];
    let model = || authorize(Whom::Model(0));
    let newcomer = |node| Matter::AddNode { node, weight: 1 };
    let flaws = [
        Flaw::NobodyProposes,
        Flaw::NoWindow,
        Flaw::NoVoting,
        Flaw::NoCondition,
        Flaw::ZeroApproval,
        Flaw::FullAbsolute,
        Flaw::OtherFloors,
        Flaw::BelowFloors,
    ];
    it.enact(&most, 1, model())
        .enact(&most, 2, authorize(Whom::Agent(0)))
        .then([rotate(0, 100)])
        .then([
            twisted(propose(0, 20, model()), Twist::FirstKey),
            twisted(propose(0, 20, model()), Twist::OtherLedger),
            twisted(propose(0, 20, model()), Twist::Unsigned),
            twisted(propose(0, 20, model()), Twist::SignedBy(1)),
            twisted(propose(0, 20, model()), Twist::SameId(1)),
            twisted(propose(0, 20, model()), Twist::Parameters(65_537)),
            propose(50, 20, model()),
            propose(0, 20, until(Whom::Model(0), 0)),
            propose(
                0,
                20,
                Matter::Authorize(
                    Whom::Model(0),
                    Terms {
                        starts: Some(100),
                        ends: Some(100),
                        ..Terms::default()
                    },
                ),
            ),
            propose(0, 20, newcomer(0)),
            propose(0, 20, newcomer(100)),
            twisted(propose(0, 20, newcomer(4)), Twist::Name(1)),
            twisted(propose(0, 20, newcomer(4)), Twist::Id(1)),
            twisted(propose(0, 20, newcomer(4)), Twist::NoPossession),
            twisted(propose(0, 20, newcomer(4)), Twist::OtherName),
            twisted(propose(0, 20, newcomer(4)), Twist::Key(1)),
            propose(0, 20, Matter::Reinstate { node: 1, key: 101 }),
            propose(0, 20, Matter::ReplaceKey { node: 1, key: 0 }),
            propose(0, 20, freeze(0)),
            propose(0, 20, freeze(3 * DAY + 1)),
            propose(0, 20, Matter::Lift(None)),
            twisted(
                propose(
                    0,
                    20,
                    Matter::Delegate {
                        parent: 2,
                        to: 1,
                        terms: Terms::default(),
                    },
                ),
                Twist::Nowhere,
            ),
            twisted(
                propose(0, 20, revoke(Kind::Model, Whom::Model(0))),
                Twist::Nowhere,
            ),
            propose(
                0,
                20,
                Matter::Revoke {
                    kind: Kind::Agent,
                    whom: Whom::Agent(0),
                    grant: Some(1),
                },
            ),
            propose(0, 20, Matter::RemoveNode(50)),
        ])
        .then(flaws.map(|flaw| {
            propose(
                0,
                20,
                Matter::UpdatePolicy(Rules {
                    floors: flaw != Flaw::OtherFloors,
                    flaw: Some(flaw),
                    ..Rules::default()
                }),
            )
        }))
        // From one parent on, narrower and narrower, and once around.
        .enact(
            &most,
            3,
            Matter::Delegate {
                parent: 2,
                to: 1,
                terms: Terms {
                    in_prod: true,
                    ..Terms::default()
                },
            },
        )
        .then(
            [(4, 2, true), (5, 0, true), (6, 2, false)].map(|(label, to, in_prod)| {
                propose(
                    0,
                    label,
                    Matter::Delegate {
                        parent: 3,
                        to,
                        terms: Terms {
                            in_prod,
                            ..Terms::default()
                        },
                    },
                )
            }),
        )
        .approve(&most, 4)
        .propose(0, 7, model())
        .then([twisted(propose(1, 8, model()), Twist::Parameters(65_536))])
        .then([accuse(3, 7)])
        .then([
            propose(3, 20, model()),
            propose(0, 20, Matter::ReplaceKey { node: 3, key: 102 }),
        ])
        .then([9, 10, 11, 12].map(|label| propose(2, label, model())))
        .then([
            twisted(rotate(0, 103), Twist::OtherLedger),
            twisted(rotate(0, 103), Twist::SignedBy(1)),
            twisted(rotate(0, 103), Twist::NoPossession),
            rotate(0, 100),
            rotate(3, 103),
            rotate(50, 103),
        ]);
    let mut scenario = it.named(
        "refused proposals",
        &FOUR,
        Rules {
            most_open: 3,
            floors: true,
            ..Rules::default()
        },
    );
    scenario.start.false_starts = vec![
        FalseStart::NoFounders,
        FalseStart::SameId,
        FalseStart::SameName,
        FalseStart::TooHeavy,
        FalseStart::BadPolicy(Flaw::NoWindow),
        FalseStart::BadPolicy(Flaw::BelowFloors),
        FalseStart::MissingSignature,
        FalseStart::SwappedKeys,
        FalseStart::OthersSignature,
    ];
    scenario
}

fn refused_ballots() -> Scenario {
    let mut it = Script::new(0);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(0, 3, authorize(Whom::Model(2)))
        .then([
            twisted(vote(0, 1, Approve), Twist::OtherLedger),
            twisted(vote(0, 1, Approve), Twist::Nowhere),
            twisted(vote(0, 1, Approve), Twist::OtherHash),
            twisted(vote(0, 1, Approve), Twist::Unsigned),
            twisted(vote(0, 1, Approve), Twist::SignedBy(1)),
            twisted(vote(0, 1, Approve), Twist::CastLate(0)),
            vote(0, 1, Approve),
            vote(0, 1, Approve),
            Step::Again(1),
            twisted(vote(0, 2, Approve), Twist::SameVoteId),
            Step::Early(Box::new(vote(1, 1, Approve))),
        ])
        .enact(&[0, 1, 2, 3], 4, Matter::AddNode { node: 5, weight: 1 })
        .then([vote(5, 1, Approve)])
        .enact(&[0, 1, 2, 3, 5], 5, Matter::RemoveNode(4))
        .then([vote(4, 1, Approve)])
        .then([vote(3, 2, Approve), vote(3, 2, Reject), vote(3, 2, Approve)])
        .then([vote(3, 2, Abstain), vote(3, 1, Approve)])
        .then([vote(1, 1, Approve), vote(2, 1, Approve), vote(0, 1, Reject)])
        .then([rotate(1, 100), vote(1, 1, Reject)])
        .wait(DAY)
        .then([vote(1, 2, Approve)]);
    it.named("refused ballots", &[1; 5], Rules::default())
}

fn refused_evidence() -> Scenario {
    let mut it = Script::new(0);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .enact(&[0, 1, 2, 3], 3, Matter::AddNode { node: 5, weight: 1 })
        .then(
            [
                Twist::OtherLedger,
                Twist::Nowhere,
                Twist::OtherHash,
                Twist::Unsigned,
                Twist::SignedBy(1),
                Twist::SecondSignedBy(1),
                Twist::Agreeing,
                Twist::TwoVoters(1),
                Twist::TwoHashes,
            ]
            .map(|twist| twisted(accuse(2, 1), twist)),
        )
        .then([accuse(5, 1)])
        // Its former key counts for what was open while it was held, and for nothing later.
        .then([rotate(4, 100)])
        .propose(0, 4, authorize(Whom::Model(2)))
        .then([twisted(accuse(4, 4), Twist::FirstKey)])
        .then([twisted(accuse(4, 1), Twist::FirstKey), accuse(4, 1)])
        .then([Step::Withdraw { on: 4, twist: None }])
        .wait(59)
        .then([accuse(3, 4)])
        .wait(1)
        .then([accuse(2, 4)])
        .approve(&[0, 1], 2)
        .then([vote(2, 2, Approve), vote(1, 2, Approve)])
        .wait(61)
        .then([vote(2, 2, Reject)]);
    it.named(
        "refused evidence",
        &[1; 5],
        Rules {
            evidence: 60,
            ..Rules::default()
        },
    )
}

fn refused_ends() -> Scenario {
    let withdraw = |on| Step::Withdraw { on, twist: None };
    let mut it = Script::new(0);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(0, 3, authorize(Whom::Model(2)))
        .then([
            twisted(withdraw(1), Twist::OtherLedger),
            twisted(withdraw(1), Twist::Nowhere),
            twisted(withdraw(1), Twist::WithdrawnBy(1)),
            twisted(withdraw(1), Twist::OtherHash),
            twisted(withdraw(1), Twist::Unsigned),
            twisted(withdraw(1), Twist::SignedBy(1)),
            vote(0, 1, Approve),
            withdraw(1),
            withdraw(1),
            Step::Close(1),
            vote(1, 2, Approve),
            withdraw(2),
            Step::Close(2),
            Step::Execute(2),
            Step::Close(NOWHERE),
            Step::Execute(NOWHERE),
        ])
        // A withdrawn proposal counts until its deadline.
        .propose(0, 4, authorize(Whom::Model(0)))
        .wait(DAY)
        .then([withdraw(3), Step::Close(3)])
        .propose(0, 5, authorize(Whom::Model(0)))
        .then([Step::Recover]);
    it.named(
        "refused ends",
        &FOUR,
        Rules {
            most_open: 3,
            ..Rules::default()
        },
    )
}

fn waiting() -> Scenario {
    let mut it = Script::new(HOUR);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(0, 3, authorize(Whom::Model(2)))
        .approve(&[0, 1, 2], 1)
        .approve(&[0, 1, 2], 2)
        .approve(&[0, 1, 2], 3)
        .then([vote(2, 3, Reject)])
        .wait(HOUR - 1)
        .then([Step::Execute(1)])
        .wait(2 * HOUR)
        .then([Step::Execute(1)])
        .wait(1)
        .then([Step::Execute(2), Step::Execute(2)]);
    it.named(
        "waiting",
        &FOUR,
        Rules {
            timelock: HOUR,
            window: 2 * HOUR,
            ..Rules::default()
        },
    )
}

/// What is decided while its subject is frozen waits, and may have become impossible by then.
fn held_back() -> Scenario {
    let mut it = Script::new(0);
    let most = [0, 1, 2];
    it.enact(&most, 1, authorize(Whom::Agent(0)))
        .propose(
            0,
            2,
            Matter::Delegate {
                parent: 1,
                to: 1,
                terms: Terms::default(),
            },
        )
        .propose(0, 3, until(Whom::Model(1), HOUR))
        .propose(0, 4, authorize(Whom::Model(0)))
        .enact(&most, 5, freeze(2 * HOUR))
        .approve(&most, 2)
        .approve(&most, 3)
        .approve(&most, 4)
        .then([Step::Execute(2)])
        .wait(2 * HOUR - 1)
        .then([Step::Execute(4)])
        .wait(1)
        .then([2, 3, 4].map(Step::Execute))
        // For as long again a freeze needs more than two thirds.
        .propose(0, 6, freeze(HOUR))
        .approve(&[0, 1], 6)
        .wait(2 * HOUR - 1)
        .propose(0, 7, freeze(HOUR))
        .approve(&[0, 1], 7)
        .wait(1)
        .enact(&[0, 1], 8, freeze(HOUR))
        .propose(
            0,
            9,
            Matter::Freeze {
                whom: Some(Whom::Model(0)),
                seconds: HOUR,
            },
        )
        .approve(&[0, 1], 9);
    it.named("held back", &FOUR, Rules::default())
}

/// A freeze stretches the window of what it holds back.
fn stretched() -> Scenario {
    let mut it = Script::new(0);
    it.propose(0, 1, authorize(Whom::Agent(0)))
        .propose(0, 2, authorize(Whom::Model(0)))
        .approve(&[0], 1)
        .approve(&[0], 2)
        .wait(HOUR)
        .enact(
            &[0],
            3,
            Matter::Freeze {
                whom: Some(Whom::Agent(0)),
                seconds: HOUR - 100,
            },
        )
        .wait(HOUR + 3_499)
        .then([Step::Execute(1), Step::Execute(2)]);
    it.named(
        "stretched",
        &[1],
        Rules {
            timelock: HOUR,
            window: HOUR,
            swift_freeze: true,
            ..Rules::default()
        },
    )
}

fn alone() -> Scenario {
    let mut it = Script::new(0);
    it.enact(&[0], 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .then([propose(0, 3, Matter::RemoveNode(0))])
        .then([accuse(0, 1), accuse(0, 2), vote(0, 2, Approve)])
        .enact(&[0], 4, authorize(Whom::Agent(0)));
    it.named("alone", &[3], Rules::default())
}

fn grants_in_time() -> Scenario {
    let agent = |number, terms| Matter::Authorize(Whom::Agent(number), terms);
    let mut it = Script::new(0);
    let limited = |limit| Terms {
        limit: Some(limit),
        ..Terms::default()
    };
    it.enact(&[0], 1, until(Whom::Model(0), 100))
        .enact(
            &[0],
            2,
            Matter::Authorize(
                Whom::Model(1),
                Terms {
                    starts: Some(100),
                    ends: Some(200),
                    in_prod: true,
                    ..Terms::default()
                },
            ),
        )
        .enact(&[0], 3, agent(0, limited(3)))
        .enact(&[0], 4, agent(0, limited(5)))
        .enact(
            &[0],
            5,
            Matter::Delegate {
                parent: 3,
                to: 1,
                terms: limited(2),
            },
        )
        .enact(
            &[0],
            6,
            Matter::Delegate {
                parent: 5,
                to: 2,
                terms: limited(2),
            },
        )
        .then([0, 1].map(|model| Step::Predict {
            model,
            in_prod: true,
            twist: None,
        }))
        .wait(99)
        .then([Step::Recover])
        .wait(1)
        .then([Step::Recover])
        .then([0, 1].map(|model| Step::Predict {
            model,
            in_prod: true,
            twist: None,
        }))
        .enact(
            &[0],
            7,
            Matter::Revoke {
                kind: Kind::Agent,
                whom: Whom::Agent(0),
                grant: Some(3),
            },
        )
        .wait(100)
        .then([Step::Recover])
        .enact(&[0], 8, revoke(Kind::Agent, Whom::Agent(0)))
        .enact(&[0], 9, freeze(HOUR))
        .then([Step::Recover]);
    it.named("grants in time", &[1], Rules::default())
}

/// What becomes of the ballots of a node that contradicts itself elsewhere.
fn contradictions() -> Scenario {
    let mut it = Script::new(HOUR);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(1, 3, authorize(Whom::Model(2)))
        .propose(1, 4, authorize(Whom::Agent(0)))
        .approve(&[0, 1, 2, 3, 5], 1)
        .approve(&[5, 4], 2)
        .then([vote(5, 3, Reject)])
        .approve(&[0, 1, 2, 3, 4], 4)
        // Decided already: its ballot there stands. Still open: it turns against it.
        .then([vote(5, 3, Approve)])
        .then([accuse(4, 1)])
        .approve(&[0, 1, 2], 2)
        .approve(&[3], 2)
        .then([accuse(3, 4), accuse(2, 4)])
        .wait(HOUR)
        .then([1, 2, 4].map(Step::Execute))
        .then([accuse(0, 1)]);
    it.named(
        "contradictions",
        &[2, 1, 1, 1, 1, 1],
        Rules {
            timelock: HOUR,
            uniform: true,
            ..Rules::default()
        },
    )
}

fn together() -> Scenario {
    let mut it = Script::new(0);
    it.then([
        Step::Together(vec![
            propose(0, 1, authorize(Whom::Model(0))),
            propose(1, 2, authorize(Whom::Model(1))),
            propose(2, 3, Matter::AddNode { node: 4, weight: 2 }),
        ]),
        // No ballot can name what is not written yet.
        Step::Together(vec![
            propose(0, 4, authorize(Whom::Agent(0))),
            vote(0, 4, Approve),
        ]),
        Step::Together(vec![vote(0, 1, Approve), vote(1, 1, Approve)]),
        Step::Together(vec![vote(2, 1, Approve), vote(3, 1, Approve)]),
        Step::Together(vec![
            vote(2, 1, Approve),
            vote(0, 2, Approve),
            vote(1, 2, Approve),
            vote(2, 2, Approve),
            vote(0, 3, Approve),
            vote(1, 3, Approve),
            vote(2, 3, Approve),
            propose(3, 5, authorize(Whom::Agent(0))),
            rotate(0, 100),
        ]),
        Step::Together(vec![vote(0, 5, Approve), vote(0, 5, Approve)]),
        Step::Together(vec![vote(0, 5, Reject), vote(0, 5, Approve)]),
        Step::Early(Box::new(Step::Together(vec![Step::Recover, Step::Recover]))),
    ]);
    it.named("together", &FOUR, Rules::default())
}

fn strict() -> Scenario {
    let predict = |model| Step::Predict {
        model,
        in_prod: false,
        twist: None,
    };
    let mut it = Script::new(0);
    it.then([predict(0)])
        .enact(&[0], 1, authorize(Whom::Model(0)))
        .then([predict(0), twisted(predict(0), Twist::TookForEver)])
        .enact(&[0], 2, revoke(Kind::Model, Whom::Model(0)))
        .then([predict(0)])
        .enact(&[0], 3, Matter::UpdatePolicy(Rules::default()))
        .then([predict(0), predict(1)]);
    it.named(
        "strict",
        &[1],
        Rules {
            strict: true,
            ..Rules::default()
        },
    )
}

/// A subject with as many grants as one may have. Most of them are given many in one write.
pub fn a_thousand_grants() -> Scenario {
    const AT_ONCE: u32 = 37;
    let model = || authorize(Whom::Model(0));
    let mut it = Script::new(0);
    for round in 0..999 / AT_ONCE {
        let labels = || round * AT_ONCE + 1..=(round + 1) * AT_ONCE;
        it.then([
            Step::Together(labels().map(|label| propose(0, label, model())).collect()),
            Step::Together(labels().map(|label| vote(0, label, Approve)).collect()),
        ]);
    }
    it.propose(0, 1_001, model())
        .propose(0, 1_002, model())
        .propose(0, 1_003, model())
        .enact(
            &[0],
            1_004,
            Matter::Freeze {
                whom: Some(Whom::Model(0)),
                seconds: HOUR,
            },
        )
        .approve(&[0], 1_003)
        .wait(HOUR)
        .approve(&[0], 1_001)
        .then([propose(0, 1_005, model())])
        .approve(&[0], 1_002)
        .then([Step::Execute(1_003)])
        .propose(0, 1_006, authorize(Whom::Model(1)));
    it.named(
        "a thousand grants",
        &[1],
        Rules {
            most_open: 50,
            ..Rules::default()
        },
    )
}
