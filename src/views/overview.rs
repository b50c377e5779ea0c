//! A whole state at one point of the history.

use serde::Serialize;

use super::View;
use super::authorizations::GrantView;
use super::nodes::NodeSummary;
use crate::governance::digest::Digest;
use crate::governance::id::{LedgerId, ProposalId};
use crate::governance::proposal::FreezeTarget;
use crate::governance::state::State;
use crate::governance::state::prediction::PredictionCount;
use crate::governance::time::Timestamp;

/// What holds, and where in the history that is.
#[derive(Debug, Clone, Serialize)]
pub struct StateView {
    /// The ledger.
    pub ledger: LedgerId,
    /// Its name.
    pub name: String,
    /// How many entries it has.
    pub entries: u64,
    /// The hash of the last one.
    pub head: Digest,
    /// When all this holds.
    pub at: Timestamp,
    /// The hash of the state.
    pub state_hash: Digest,
    /// Whether the signatures were checked when the state was made.
    pub signatures_checked: bool,
    /// All nodes in the order in which they joined.
    pub nodes: Vec<NodeSummary>,
    /// The weight of the active ones.
    pub total_weight: u64,
    /// All grants in the order in which they were given.
    pub authorizations: Vec<GrantView>,
    /// How many predictions there are, of all models.
    pub predictions: PredictionCount,
    /// How many proposals are not decided yet.
    pub open_proposals: usize,
    /// Whether any freeze is on.
    pub frozen: bool,
    /// The freezes that are on.
    pub freezes: Vec<FreezeView>,
}

/// A freeze that is on.
#[derive(Debug, Clone, Serialize)]
pub struct FreezeView {
    /// The freeze, by the proposal that imposed it.
    pub id: ProposalId,
    /// What is frozen.
    pub target: FreezeTarget,
    /// Until when, exclusively.
    pub until: Timestamp,
}

impl FreezeView {
    /// The freezes that are on at `at`.
    #[must_use]
    pub fn all(state: &State, at: Timestamp) -> Vec<Self> {
        let freezes = state.authorizations().freezes().on(at);
        freezes
            .map(|(id, freeze)| Self {
                id,
                target: freeze.target().clone(),
                until: freeze.end(),
            })
            .collect()
    }
}

impl StateView {
    /// The state as of `at`, behind the entry whose hash is `head`.
    #[must_use]
    pub fn of(state: &State, head: Digest, at: Timestamp, signatures_checked: bool) -> Self {
        let mut predictions = *state.predictions().others();
        for (_, count) in state.predictions().models() {
            predictions.authorized += count.authorized;
            predictions.unauthorized += count.unauthorized;
        }
        let freezes = FreezeView::all(state, at);
        Self {
            ledger: state.ledger(),
            name: state.identity().name.to_string(),
            entries: state.entries(),
            head,
            at,
            state_hash: state.hash(),
            signatures_checked,
            nodes: NodeSummary::all(state),
            total_weight: state.registry().active_weight().get(),
            authorizations: GrantView::all(state, at),
            predictions,
            open_proposals: state.proposals().undecided().count(),
            frozen: !freezes.is_empty(),
            freezes,
        }
    }
}

impl View for StateView {
    const SCHEMA: &'static str = "althing.replay/1";
}
