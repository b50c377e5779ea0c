//! Writes a consensus that nobody reached into the ledger of a node that is down.
//!
//! Everything about the batch is right but its meaning: numbers, links and hashes hold, so that
//! only a reader who decides again can tell.

use super::{Acting, Deed, Occasion, What};
use crate::chain::line::{EncodeError, NewEntry, encode_batch};
use crate::governance::event::{AuthorizationGranted, Conditions, ConsensusReached, Event, Timing};
use crate::governance::id::ProposalId;
use crate::governance::kind::AuthorizationKind;
use crate::governance::proposal::GrantTerms;
use crate::governance::state::State;
use crate::governance::state::proposal::ProposalState;
use crate::governance::tally::{Reason, Verdict};
use crate::governance::time::Timestamp;
use crate::governance::weight::TotalWeight;
use crate::ledger::{Ledger as _, MemoryLedger};
use crate::simulation::Broken;
use crate::simulation::random::Random;

#[expect(
    clippy::unnecessary_wraps,
    reason = "every adversary has the same form"
)]
pub(super) fn act(occasion: &Occasion<'_>, acting: &mut Acting<'_>) -> Result<(), Broken> {
    if let Occasion::Down(victim) = occasion {
        let what = What::Forge(*victim);
        acting.deeds.push(Deed { after: 0, what });
    }
    Ok(())
}

/// The bytes of a ledger with a forged consensus and its grant behind its last line.
pub(crate) fn forge(
    ledger: &MemoryLedger,
    state: &State,
    at: Timestamp,
    random: &mut Random,
) -> Result<Vec<u8>, Broken> {
    let open = state.proposals().undecided().next();
    let id = open.map_or_else(|| ProposalId::from_uuid(random.uuid()), ProposalState::id);
    let granted = AuthorizationGranted {
        grant_id: id,
        kind: AuthorizationKind::Model,
        parent: None,
        terms: GrantTerms::unrestricted(super::bloc::HARMFUL.parse().map_err(Broken::new)?),
    };
    let consensus = consensus(id, open, state);
    let events = if random.percent(50) {
        vec![consensus.into(), granted.into()]
    } else {
        vec![Event::from(granted)]
    };
    let entries = events
        .iter()
        .map(|event| {
            Ok(NewEntry {
                timestamp: at.max(state.clock()),
                operation: event.operation().into(),
                data: event.data().map_err(Broken::text)?,
            })
        })
        .collect::<Result<Vec<_>, Broken>>()?;
    let batch =
        encode_batch(ledger.head(), &entries).map_err(|error: EncodeError| Broken::new(error))?;
    Ok([ledger.bytes(), batch.bytes()].concat())
}

fn consensus(id: ProposalId, open: Option<&ProposalState>, state: &State) -> ConsensusReached {
    let all = open.map_or_else(
        || state.registry().active_weight(),
        |proposal| TotalWeight::new(proposal.tally().total()).unwrap_or_default(),
    );
    let rules = open.map(|proposal| proposal.rules().iter().map(Conditions::of).collect());
    ConsensusReached {
        abstain_weight: TotalWeight::ZERO,
        approve_weight: all,
        byzantine_weight: TotalWeight::ZERO,
        decision: Verdict::Passed,
        proposal_id: id,
        reason: Reason::ConditionsMet,
        reject_weight: TotalWeight::ZERO,
        rules: rules.unwrap_or_default(),
        timing: Timing::Early,
        total_weight: all,
        votes: Vec::new(),
    }
}
