//! Votes around and after the deadline: honestly dated, dated back, and after the decision.

use super::{Acting, Occasion};
use crate::governance::command::Command;
use crate::simulation::Broken;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    let Occasion::Opened(proposal) = occasion else {
        return Ok(());
    };
    if !acting.may_vote(proposal) {
        return Ok(());
    }
    let deadline = proposal.deadline();
    let left = deadline.as_micros().saturating_sub(acting.now.as_micros());
    let mut ballot = acting.ballot(
        acting.signer.node(),
        proposal,
        acting.harmful(proposal.id()),
    );
    // Signed in time, sent so that it comes a little before, at, or after the deadline.
    let jitter = acting.while_of(20);
    let dated_back = acting.signer.sign(ballot.clone())?;
    acting.say(
        (left + jitter).saturating_sub(10_000_000),
        Command::Vote(dated_back),
    );
    // Dated after the deadline, and sent before it.
    ballot.cast_at = deadline;
    ballot.vote_id = acting.vote_id();
    let dated_late = acting.signer.sign(ballot)?;
    let after = acting.random.below(left.max(1));
    acting.say(after, Command::Vote(dated_late));
    Ok(())
}
