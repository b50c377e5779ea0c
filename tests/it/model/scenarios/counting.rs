//! Where two ways to count part: what is certain before the deadline, and several rules at once.

use super::super::steps::{Matter, Rules, Step, Terms, Whom};
use super::{
    Approve, DAY, FOUR, HOUR, Reject, Scenario, Script, accuse, authorize, propose, revoke, vote,
};
use althing::governance::kind::AuthorizationKind as Kind;

/// Who stayed away until the deadline has no say any more, neither then nor when evidence comes up.
pub fn decided_at_the_deadline() -> Scenario {
    let mut it = Script::new(HOUR);
    for label in [1, 2] {
        it.propose(0, label, revoke(Kind::Model, Whom::Model(0)))
            .approve(&[0, 1, 2], label)
            .then([vote(3, label, Reject)]);
    }
    it.wait(DAY)
        .then([1, 2].map(Step::Close))
        .propose(0, 3, authorize(Whom::Model(0)))
        .then([vote(4, 3, Approve), accuse(5, 2)])
        .carry_out(1);
    it.named(
        "decided at the deadline",
        &[1; 6],
        Rules {
            late: true,
            timelock: HOUR,
            ..Rules::default()
        },
    )
}

fn shares(quorum: u64, approval: u64) -> Rules {
    Rules {
        uniform: true,
        shares: Some((quorum, approval)),
        ..Rules::default()
    }
}

/// Weight that contradicted itself counts against a proposal until the end: two such nodes and one
/// that may still vote keep four of seven from being two thirds for certain.
pub fn certain_against_contradictions() -> Scenario {
    let mut it = Script::new(0);
    it.propose(0, 1, authorize(Whom::Model(0)))
        .then([accuse(5, 1), accuse(6, 1)])
        .approve(&[0, 1, 2, 3, 4], 1);
    it.named("certain against contradictions", &[1; 7], shares(4, 6))
}

/// A change of the policy has to pass under the policy in force and under the new one.
pub fn judged_by_both_policies() -> Scenario {
    let update = |rules| Matter::UpdatePolicy(rules);
    let later = |rules| Rules {
        late: true,
        ..rules
    };
    let mut it = Script::new(0);
    // Enough for the old policy, too few for the new one; too little approval for the old one,
    // while too few take part for the new one; and the other way around.
    it.propose(0, 1, update(later(shares(9, 1))))
        .propose(0, 2, update(later(shares(9, 1))))
        .propose(0, 3, update(later(shares(1, 9))))
        .propose(0, 4, update(later(shares(1, 1))))
        .approve(&[0, 1, 2], 1)
        .then([vote(0, 2, Approve), vote(1, 2, Reject)])
        .approve(&[0, 1, 2], 3)
        .then([vote(3, 3, Reject)])
        .approve(&[0], 4)
        .wait(DAY)
        .then([1, 2, 3, 4].map(Step::Close));
    it.named("judged by both policies", &FOUR, later(shares(1, 5)))
}

/// Early it is the first policy that is out of reach, whatever it is that it misses.
pub fn out_of_reach_of_both_policies() -> Scenario {
    let mut it = Script::new(0);
    it.propose(0, 1, Matter::UpdatePolicy(shares(9, 1)))
        .propose(0, 2, Matter::UpdatePolicy(shares(9, 9)))
        .propose(1, 3, Matter::UpdatePolicy(shares(1, 9)))
        // Some timelock and some window: the longest and the shortest count.
        .propose(
            1,
            4,
            Matter::UpdatePolicy(Rules {
                timelock: HOUR,
                window: HOUR,
                ..shares(0, 9)
            }),
        )
        .approve(&[0, 1, 2], 3)
        .then([accuse(3, 1)])
        .approve(&[0, 1, 2], 2)
        .then([vote(2, 4, Approve), vote(1, 4, Approve)])
        .approve(&[0], 4)
        .wait(HOUR)
        .then([Step::Execute(4)]);
    it.named("out of reach of both policies", &FOUR, shares(0, 9))
}

/// Two freezes at once hold back no longer than one: the window is stretched once.
pub fn stretched_once() -> Scenario {
    let freeze = |whom| Matter::Freeze {
        whom,
        seconds: 1_000,
    };
    let mut it = Script::new(0);
    for label in [1, 2] {
        it.propose(0, label, authorize(Whom::Agent(0)))
            .approve(&[0], label);
    }
    it.wait(HOUR)
        .enact(&[0], 3, freeze(Some(Whom::Agent(0))))
        .wait(400)
        .enact(&[0], 4, freeze(None))
        // Frozen from 0 to 1,000 and from 400 to 1,400: for 1,400 seconds together.
        .wait(HOUR + 999)
        .then([Step::Execute(1)])
        .wait(1)
        .then([Step::Execute(2)]);
    it.named(
        "stretched once",
        &[1],
        Rules {
            timelock: HOUR,
            window: HOUR,
            swift_freeze: true,
            ..Rules::default()
        },
    )
}

fn delegate(parent: u32, to: usize, terms: Terms) -> Matter {
    Matter::Delegate { parent, to, terms }
}

/// How often a grant is passed on, when it is proposed and when it is carried out.
pub fn passed_on_too_often() -> Scenario {
    let depth = |depth| Rules {
        depth,
        ..Rules::default()
    };
    let on = |parent, to| delegate(parent, to, Terms::default());
    let mut it = Script::new(0);
    it.enact(&[0], 1, authorize(Whom::Agent(0)))
        .enact(&[0], 2, on(1, 1))
        .then([propose(0, 20, on(2, 2))])
        .enact(&[0], 3, Matter::UpdatePolicy(depth(2)))
        .propose(0, 4, on(2, 2))
        .propose(0, 5, on(1, 2))
        .enact(&[0], 6, Matter::UpdatePolicy(depth(1)))
        .approve(&[0], 4)
        .approve(&[0], 5)
        .enact(&[0], 7, Matter::UpdatePolicy(depth(0)))
        .then([propose(0, 20, on(1, 1))]);
    it.named("passed on too often", &[1], depth(1))
}

/// What is passed on holds neither before nor after what it was passed on from.
pub fn passed_on_within_its_time() -> Scenario {
    let within = |starts, ends| Terms {
        starts,
        ends,
        ..Terms::default()
    };
    let mut it = Script::new(0);
    it.enact(
        &[0],
        1,
        Matter::Authorize(Whom::Agent(0), within(Some(100), Some(200))),
    );
    for (starts, ends) in [
        (None, Some(200)),
        (Some(99), Some(200)),
        (Some(100), None),
        (Some(100), Some(201)),
    ] {
        it.then([propose(0, 20, delegate(1, 1, within(starts, ends)))]);
    }
    it.enact(&[0], 2, delegate(1, 1, within(Some(100), Some(200))))
        .wait(99)
        .then([Step::Recover])
        .wait(1)
        .then([Step::Recover])
        .wait(100)
        .then([Step::Recover]);
    it.named("passed on within its time", &[1], Rules::default())
}
