//! Signs two contradictory ballots and gives each to another honest node only.

use super::{Acting, Deed, Occasion, What};
use crate::governance::ballot::Decision;
use crate::simulation::Broken;

pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    let Occasion::Opened(proposal) = occasion else {
        return Ok(());
    };
    if !acting.may_vote(proposal) || acting.honest.is_empty() {
        return Ok(());
    }
    let count = acting.honest.len() as u64;
    let first = acting.random.below(count);
    let second = (first + 1 + acting.random.below(count.saturating_sub(1))) % count;
    let told = [(Decision::Approve, first), (Decision::Reject, second)];
    for (decision, to) in told {
        let ballot = Box::new(acting.own_ballot(proposal, decision)?);
        // Sometimes the second is told long after the decision.
        let patience = if acting.random.percent(20) {
            172_800
        } else {
            60
        };
        let after = acting.while_of(patience);
        let place = usize::try_from(to).unwrap_or(0);
        if let Some((to, _)) = acting.honest.get(place) {
            let what = What::Whisper(*to, ballot);
            acting.deeds.push(Deed { after, what });
        }
    }
    Ok(())
}
