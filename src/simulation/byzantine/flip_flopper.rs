//! Changes its mind again and again, with some time in between.

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
    let mut after = 0;
    for decision in [
        Decision::Approve,
        Decision::Approve,
        Decision::Abstain,
        Decision::Reject,
        Decision::Approve,
    ] {
        after += acting.while_of(600);
        let ballot = acting.own_ballot(proposal, decision)?;
        acting.say(after, Command::Vote(ballot));
    }
    Ok(())
}
