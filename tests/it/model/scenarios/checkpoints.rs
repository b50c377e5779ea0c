//! Checkpoints in the ledger, and those that contradict each other.

use super::super::steps::{Claim, Matter, Rules, Step, Twist, Whom};
use super::{
    FOUR, HOUR, Scenario, Script, accuse, authorize, freeze, propose, rotate, twisted, until,
};

fn fork(node: usize, grown: bool) -> Step {
    Step::Fork {
        node,
        grown,
        twist: None,
    }
}

/// What is claimed has to be what the state amounts to, which grants are live included.
pub fn recorded() -> Scenario {
    let mut it = Script::new(0);
    let most = [0, 1, 2];
    let checkpoint = || Step::Checkpoint(None);
    let claims = [
        Claim::OtherState,
        Claim::OtherRegistry,
        Claim::OtherRoot,
        Claim::OtherCount,
        Claim::Right,
    ];
    it.then([checkpoint()])
        .enact(&most, 1, authorize(Whom::Model(0)))
        .enact(&most, 2, until(Whom::Model(1), 100))
        .then(claims.map(|claim| Step::Checkpoint(Some(claim))))
        .then([
            Step::Early(Box::new(checkpoint())),
            Step::Together(vec![
                checkpoint(),
                propose(0, 3, authorize(Whom::Model(2))),
                Step::Recover,
            ]),
            Step::Together(vec![propose(0, 4, authorize(Whom::Model(2))), checkpoint()]),
            Step::Together(vec![checkpoint(), checkpoint()]),
            Step::Together(vec![
                Step::Checkpoint(Some(Claim::OtherState)),
                Step::Recover,
            ]),
        ])
        .wait(99)
        .then([checkpoint()])
        .wait(1)
        .then([Step::Checkpoint(Some(Claim::Right))])
        .enact(&[0, 1, 2, 3], 5, freeze(HOUR))
        .then([checkpoint()])
        .wait(HOUR)
        .then([checkpoint()]);
    it.named("recorded checkpoints", &FOUR, Rules::default())
}

/// A rotation launders nothing; what the group decides about a key begins anew.
pub fn contradicting(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    it.enact(&[0, 1, 2, 3, 5], 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(0, 3, authorize(Whom::Model(2)))
        .propose(5, 4, authorize(Whom::Agent(0)))
        .approve(&[5], 2)
        .then([
            twisted(fork(5, false), Twist::OtherLedger),
            twisted(fork(5, true), Twist::OtherGenesis),
            twisted(fork(5, false), Twist::Agreeing),
            twisted(fork(5, true), Twist::Agreeing),
            twisted(fork(5, false), Twist::Nowhere),
            twisted(fork(5, false), Twist::Unsigned),
            twisted(fork(5, true), Twist::SignedBy(1)),
            twisted(fork(5, false), Twist::SecondSignedBy(1)),
            fork(50, false),
            Step::Early(Box::new(fork(5, false))),
        ])
        .then([rotate(5, 100), twisted(fork(5, true), Twist::FirstKey)])
        .then([fork(5, true), fork(5, false)])
        .enact(&[0, 1, 2, 3, 4], 5, Matter::Reinstate { node: 5, key: 101 })
        .then([twisted(fork(5, false), Twist::FirstKey)])
        .then([fork(5, false), fork(5, true)])
        .enact(
            &[0, 1, 2, 3, 4],
            6,
            Matter::ReplaceKey { node: 4, key: 102 },
        )
        .then([twisted(fork(4, true), Twist::FirstKey), fork(4, true)])
        // What it is suspended for already does not keep it from being shown more.
        .then([accuse(3, 3)])
        .propose(0, 7, Matter::Reinstate { node: 3, key: 103 })
        .then([fork(3, false)])
        .propose(0, 8, Matter::Reinstate { node: 3, key: 104 })
        .then([fork(3, true)])
        .enact(&[0, 1, 2], 9, Matter::RemoveNode(3))
        .then([fork(3, true), fork(2, true), fork(1, false), fork(0, true)])
        .then([fork(0, false)])
        .enact(&[0], 10, authorize(Whom::Agent(0)));
    let rules = it.rules();
    it.named("contradicting checkpoints", &[1; 6], rules)
}
