//! Votes with its like against what honest nodes want, and proposes the same.

use super::{Acting, Occasion};
use crate::governance::command::Command;
use crate::governance::id::Subject;
use crate::governance::proposal::{Action, GrantTerms};
use crate::simulation::Broken;

/// What every bloc wants to see authorized.
pub(crate) const HARMFUL: &str = "urn:model:harmful";

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    match occasion {
        Occasion::Opened(proposal) if acting.may_vote(proposal) => {
            let decision = acting.harmful(proposal.id());
            let ballot = acting.own_ballot(proposal, decision)?;
            let after = acting.while_of(2);
            acting.say(after, Command::Vote(ballot));
        }
        Occasion::Round if acting.random.percent(25) => {
            let subject: Subject = HARMFUL.parse().map_err(Broken::new)?;
            let action = Action::AuthorizeModel(GrantTerms::unrestricted(subject));
            let proposal = acting.proposal(action)?;
            acting.say(0, Command::Propose(proposal));
        }
        _ => {}
    }
    Ok(())
}
