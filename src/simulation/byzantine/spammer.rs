//! Says very much, most of it nonsense.

use super::{Acting, Occasion, another_ledger};
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::id::{ProposalId, Subject};
use crate::governance::proposal::{Action, GrantTerms};
use crate::simulation::Broken;

/// How many proposals it makes in most rounds.
const FEW: u64 = 2;

/// How many it makes in some: more than the policy allows.
const MANY: u64 = 20;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    match occasion {
        Occasion::Round => {
            let proposals = if acting.random.percent(15) { MANY } else { FEW };
            for number in 0..proposals {
                let name = format!("urn:model:spam-{number}");
                let subject: Subject = name.parse().map_err(Broken::new)?;
                let action = Action::AuthorizeModel(GrantTerms::unrestricted(subject));
                let proposal = acting.proposal(action)?;
                acting.say(number, Command::Propose(proposal.clone()));
                // The same again, which must not count twice.
                acting.say(number + MANY, Command::Propose(proposal));
            }
            let nothing = ProposalId::from_uuid(acting.random.uuid());
            acting.say(1, Command::Close(nothing));
            acting.say(2, Command::Execute(nothing));
        }
        Occasion::Opened(proposal) => {
            acting.say(0, Command::Close(proposal.id()));
            acting.say(0, Command::Execute(proposal.id()));
            let mut ballot = acting.ballot(acting.signer.node(), proposal, Decision::Approve);
            ballot.proposal_hash = Digest::of(b"another history");
            let other_history = acting.signer.sign(ballot.clone())?;
            acting.say(0, Command::Vote(other_history));
            ballot.ledger = another_ledger();
            let other_ledger = acting.signer.sign(ballot)?;
            acting.say(0, Command::Vote(other_ledger));
        }
        _ => {}
    }
    Ok(())
}
