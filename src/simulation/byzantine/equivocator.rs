//! Signs two contradictory ballots and gives both to everybody.

use super::{Acting, Occasion};
use crate::governance::ballot::Decision;
use crate::governance::command::Command;
use crate::simulation::Broken;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    let Occasion::Opened(proposal) = occasion else {
        return Ok(());
    };
    if !acting.may_vote(proposal) {
        return Ok(());
    }
    for decision in [Decision::Approve, Decision::Reject] {
        let ballot = acting.own_ballot(proposal, decision)?;
        let after = acting.while_of(60);
        acting.say(after, Command::Vote(ballot));
    }
    Ok(())
}
