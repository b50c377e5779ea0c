//! The reference as `proptest-state-machine` takes it.

use proptest::strategy::BoxedStrategy;
use proptest_state_machine::ReferenceStateMachine;

use super::generate;
use super::steps::Step;
use super::world::World;

pub struct Reference;

impl ReferenceStateMachine for Reference {
    type State = World;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<World> {
        generate::worlds()
    }

    fn transitions(world: &World) -> BoxedStrategy<Step> {
        generate::steps(world)
    }

    fn preconditions(world: &World, step: &Step) -> bool {
        world.allows(step)
    }

    fn apply(world: World, step: &Step) -> World {
        world.take(step)
    }
}
