//! Messages of consensus that contradict each other.

use althing::governance::consensus::ConsensusStep;

use super::super::steps::{Matter, Step, Twist, Whom};
use super::{Scenario, Script, authorize, rotate, twisted};

const STEPS: [ConsensusStep; 3] = [
    ConsensusStep::Propose,
    ConsensusStep::Prevote,
    ConsensusStep::Precommit,
];

fn says(node: usize, step: ConsensusStep) -> Step {
    Step::Equivocate {
        node,
        step,
        twist: None,
    }
}

/// A rotation launders nothing; what the group decides about a key begins anew.
pub fn contradicting(timelock: u64) -> Scenario {
    let mut it = Script::new(timelock);
    let [propose, prevote, precommit] = STEPS;
    it.enact(&[0, 1, 2, 3, 5], 1, authorize(Whom::Model(0)))
        .propose(0, 2, authorize(Whom::Model(1)))
        .propose(0, 3, authorize(Whom::Model(2)))
        .approve(&[5], 2)
        .then(STEPS.map(|step| twisted(says(5, step), Twist::OtherLedger)))
        .then(STEPS.map(|step| twisted(says(5, step), Twist::Agreeing)))
        .then([
            twisted(says(5, prevote), Twist::Nowhere),
            twisted(says(5, prevote), Twist::Unsigned),
            twisted(says(5, propose), Twist::SignedBy(1)),
            twisted(says(5, precommit), Twist::SecondSignedBy(1)),
            says(50, propose),
            Step::Early(Box::new(says(5, prevote))),
        ])
        .then([rotate(5, 100), twisted(says(5, prevote), Twist::FirstKey)])
        .then(STEPS.map(|step| says(5, step)))
        // Checkpoints are evidence of their own.
        .then([Step::Fork {
            node: 5,
            grown: false,
            twist: None,
        }])
        .enact(&[0, 1, 2, 3, 4], 5, Matter::Reinstate { node: 5, key: 101 })
        .then([twisted(says(5, propose), Twist::FirstKey)])
        .then([says(5, propose), says(5, precommit)])
        .enact(
            &[0, 1, 2, 3, 4],
            6,
            Matter::ReplaceKey { node: 4, key: 102 },
        )
        .then([twisted(says(4, prevote), Twist::FirstKey), says(4, prevote)])
        .propose(0, 7, Matter::Reinstate { node: 4, key: 103 })
        .then([says(3, prevote)])
        .enact(&[0, 1, 2], 9, Matter::RemoveNode(3))
        .then([says(3, propose), says(2, propose), says(1, prevote)])
        .then([says(0, precommit), says(0, prevote)])
        .enact(&[0], 10, authorize(Whom::Agent(0)));
    let rules = it.rules();
    it.named("contradicting messages of consensus", &[1; 6], rules)
}
