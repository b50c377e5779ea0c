//! Signs two contradictory ballots and gives each to another honest node only.

use super::{Acting, Occasion, What};
use crate::governance::ballot::Decision;
use crate::simulation::Broken;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    let Occasion::Opened(proposal) = occasion else {
        return Ok(());
    };
    if !acting.may_vote(proposal) {
        return Ok(());
    }
    let Some([first, second]) = acting.two_honest() else {
        return Ok(());
    };
    for (decision, to) in [(Decision::Approve, first), (Decision::Reject, second)] {
        let ballot = Box::new(acting.own_ballot(proposal, decision)?);
        acting.soon_or_late(What::Whisper(to, ballot));
    }
    Ok(())
}
