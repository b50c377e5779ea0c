//! Repeats honest nodes' statements: as they are, on other proposals, from another ledger.

use super::{Acting, Occasion};
use crate::governance::command::Command;
use crate::governance::statement::Statement;
use crate::simulation::Broken;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    let Occasion::Opened(proposal) = occasion else {
        return Ok(());
    };
    let after = acting.while_of(30);
    // As it is: what was said on an earlier proposal.
    if let Some(said) = acting.random.choose(acting.overheard).cloned() {
        acting.say(after, Command::Vote(said.as_ref().clone()));
        // On this proposal: the old signature does not fit the new statement.
        let mut ballot = said.content().clone();
        ballot.proposal_id = proposal.id();
        ballot.proposal_hash = *proposal.hash();
        let statement = Statement::new(ballot).map_err(Broken::new)?;
        let moved = statement.with_signature(said.signature.clone());
        acting.say(after + 1, Command::Vote(moved));
        // On this proposal, but with the hash of the history in which it was said.
        let mut ballot = said.content().clone();
        ballot.proposal_id = proposal.id();
        if ballot.proposal_hash != *proposal.hash() {
            let statement = Statement::new(ballot).map_err(Broken::new)?;
            let moved = statement.with_signature(said.signature.clone());
            acting.say(after + 2, Command::Vote(moved));
        }
    }
    // From another ledger, where the group has nodes with the same keys.
    if let Some(said) = acting.random.choose(acting.elsewhere).cloned() {
        acting.say(after + 3, Command::Vote(said.as_ref().clone()));
    }
    Ok(())
}
