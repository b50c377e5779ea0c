//! Is no node at all, and votes, proposes and accuses.

use super::{Acting, Occasion};
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::evidence::Equivocation;
use crate::governance::id::Subject;
use crate::governance::proposal::{Action, GrantTerms};
use crate::simulation::Broken;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    match occasion {
        Occasion::Opened(proposal) => {
            let own = acting.own_ballot(proposal, acting.harmful(proposal.id()))?;
            let after = acting.while_of(20);
            acting.say(after, Command::Vote(own));
            // An accusation of an honest node, with one real ballot and one made up.
            let Some((_, victim)) = acting.random.choose(acting.honest).copied() else {
                return Ok(());
            };
            let approval = acting.ballot(victim, proposal, Decision::Approve);
            let rejection = acting.ballot(victim, proposal, Decision::Reject);
            let accusation = Equivocation {
                first: acting.signer.sign(approval)?,
                second: acting.signer.sign(rejection)?,
            };
            acting.say(after, Command::SubmitEvidence(accusation));
        }
        Occasion::Voted(signed) => {
            let mut other = signed.content().clone();
            other.decision = if other.decision == Decision::Approve {
                Decision::Reject
            } else {
                Decision::Approve
            };
            let accusation = Equivocation {
                first: (*signed).clone(),
                second: acting.signer.sign(other)?,
            };
            let after = acting.while_of(20);
            acting.say(after, Command::SubmitEvidence(accusation));
        }
        Occasion::Round => {
            let subject: Subject = "urn:model:outsider".parse().map_err(Broken::new)?;
            let action = Action::AuthorizeModel(GrantTerms::unrestricted(subject));
            let proposal = acting.proposal(action)?;
            acting.say(0, Command::Propose(proposal));
        }
        _ => {}
    }
    Ok(())
}
