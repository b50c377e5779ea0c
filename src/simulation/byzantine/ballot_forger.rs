//! Makes up ballots of honest nodes, and changes those that they signed.

use super::{Acting, Occasion};
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::key::Signature;
use crate::governance::statement::Statement;
use crate::simulation::Broken;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    match occasion {
        // In an honest node's name, under its own key and under none.
        Occasion::Opened(proposal) => {
            for (_, victim) in acting.honest {
                let decision = acting.harmful(proposal.id());
                let ballot = acting.ballot(*victim, proposal, decision);
                let after = acting.while_of(30);
                if acting.random.percent(50) {
                    let forged = acting.signer.sign(ballot)?;
                    acting.say(after, Command::Vote(forged));
                } else {
                    let nothing = Signature::new(&[7; 32]).map_err(Broken::new)?;
                    let statement = Statement::new(ballot).map_err(Broken::new)?;
                    acting.say(after, Command::Vote(statement.with_signature(nothing)));
                }
            }
        }
        // The victim's own signature under the opposite of what it said.
        Occasion::Voted(signed) if signed.content().voter != acting.signer.node() => {
            let mut ballot = signed.content().clone();
            ballot.decision = match ballot.decision {
                Decision::Approve => Decision::Reject,
                Decision::Reject | Decision::Abstain => Decision::Approve,
            };
            let statement = Statement::new(ballot).map_err(Broken::new)?;
            let forged = statement.with_signature(signed.signature.clone());
            let after = acting.while_of(10);
            acting.say(after, Command::Vote(forged));
        }
        _ => {}
    }
    Ok(())
}
