//! Proposes to admit nodes that are all its own, each with a little weight, and votes with them
//! whether they were admitted or not.

use super::{Acting, Occasion};
use crate::governance::command::Command;
use crate::governance::possession::KeyPossession;
use crate::governance::proposal::{Action, NewNode};
use crate::governance::weight::Weight;
use crate::simulation::Broken;
use crate::simulation::signer::Signer;

/// How many nodes of its own it tries to bring in.
const NEWCOMERS: u64 = 3;

fn newcomer(acting: &Acting<'_>, number: u64) -> Result<Signer, Broken> {
    let name = format!("newcomer {number} of {}", acting.signer.node());
    Signer::new(acting.signatures, acting.seed, &name)
}

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    match occasion {
        Occasion::Round => {
            let number = acting.random.below(NEWCOMERS);
            let signer = newcomer(acting, number)?;
            let name = format!("{}-{number}", &acting.signer.node().to_string()[10..18]);
            let possession =
                KeyPossession::new(signer.key().clone(), &name).map_err(Broken::new)?;
            let action = Action::AddNode(NewNode {
                key: signer.key().clone(),
                name: name.parse().map_err(Broken::new)?,
                node: signer.node(),
                possession: signer.sign(possession)?.signature,
                weight: Weight::ONE,
            });
            let proposal = acting.proposal(action)?;
            acting.say(0, Command::Propose(proposal));
        }
        Occasion::Opened(proposal) => {
            let decision = acting.harmful(proposal.id());
            if acting.may_vote(proposal) {
                let ballot = acting.own_ballot(proposal, decision)?;
                acting.say(0, Command::Vote(ballot));
            }
            for number in 0..NEWCOMERS {
                let signer = newcomer(acting, number)?;
                let ballot = acting.ballot(signer.node(), proposal, decision);
                let after = acting.while_of(30);
                acting.say(after, Command::Vote(signer.sign(ballot)?));
            }
        }
        _ => {}
    }
    Ok(())
}
