//! Which conditions a proposal has to meet: frozen at its opening, used at its count.
//!
//! Specification, "Proposals" and "Tally".

use super::policy::Rule;
use super::proposal::{Action, FreezeTarget};
use super::state::State;
use super::time::Timestamp;
use super::weight::Fraction;

/// The conditions that a proposal opened at `at` has to meet: those of the policy in force, and for
/// a change of policy those of the new one as well. A freeze on what is, or was until lately, frozen
/// needs more than two thirds of all weight besides.
pub(super) fn rules_for(state: &State, action: &Action, at: Timestamp) -> Vec<Rule> {
    let mut rules = vec![state.policy().rule(action.kind())];
    match action {
        Action::UpdatePolicy { policy: new } => rules.push(new.rule(action.kind())),
        Action::EmergencyFreeze { target, .. } if refreezes(state, target, at) => {
            rules.push(Rule {
                absolute: MORE_THAN_TWO_THIRDS,
                ..state.policy().rule(action.kind())
            });
        }
        _ => {}
    }
    rules
}

/// What a freeze needs that follows another one: no third can freeze for ever.
pub(super) const MORE_THAN_TWO_THIRDS: Option<Fraction> = Fraction::new(2, 3);

fn refreezes(state: &State, target: &FreezeTarget, at: Timestamp) -> bool {
    let freezes = state.authorizations().freezes();
    freezes.needs_two_thirds(target, at)
}
