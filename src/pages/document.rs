//! Everything that the pages show.

use super::evidence::EvidencePage;
use super::proposals::ProposalPage;
use crate::governance::digest::Digest;
use crate::governance::scope::CheckContext;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::views::checkpoint::CheckpointView;
use crate::views::evidence::EvidenceSummary;
use crate::views::history::History;
use crate::views::nodes::NodeView;
use crate::views::overview::StateView;
use crate::views::why::WhyView;

/// A ledger as the pages show it.
#[derive(Debug)]
pub struct Document {
    /// What holds.
    pub state: StateView,
    /// The root over all entries.
    pub root: Digest,
    /// The proposals, in the order in which they were opened.
    pub proposals: Vec<ProposalPage>,
    /// For every subject and kind that ever had a grant, why it may act or may not.
    pub authorizations: Vec<WhyView>,
    /// The nodes, in the order in which they joined.
    pub nodes: Vec<NodeView>,
    /// The evidence, in the order in which it was recorded.
    pub evidence: Vec<EvidencePage>,
    /// All entries.
    pub history: History,
    /// The checkpoint that the ledger was held against.
    pub checkpoint: Option<CheckpointView>,
}

impl Document {
    /// A verified ledger: its state as of `at`, the hash of its last entry, the root over all of them,
    /// and its whole history.
    #[must_use]
    pub fn of(
        state: &State,
        head: Digest,
        root: Digest,
        at: Timestamp,
        history: History,
        checkpoint: Option<CheckpointView>,
    ) -> Self {
        let proposals = state.proposals().iter();
        let nodes = state.registry().iter();
        let evidence = EvidenceSummary::all(state).into_iter();
        Self {
            state: StateView::of(state, head, at, true),
            root,
            proposals: proposals
                .map(|proposal| ProposalPage::of(proposal, state, at))
                .collect(),
            authorizations: answers(state, at),
            nodes: nodes
                .map(|(id, node)| NodeView::of(id, node, state))
                .collect(),
            evidence: evidence
                .filter_map(|summary| {
                    let statements = history.evidence.get(&summary.seq)?.clone();
                    Some(EvidencePage {
                        summary,
                        statements,
                    })
                })
                .collect(),
            history,
            checkpoint,
        }
    }
}

/// One answer for each subject and kind, in the order in which their first grants were given.
fn answers(state: &State, at: Timestamp) -> Vec<WhyView> {
    let mut asked = Vec::new();
    for (_, grant) in state.authorizations().iter() {
        let question = (grant.kind(), grant.terms().subject.clone());
        if !asked.contains(&question) {
            asked.push(question);
        }
    }
    let anywhere = CheckContext::default();
    asked
        .into_iter()
        .map(|(kind, subject)| WhyView::of(kind, &subject, &anywhere, state, at))
        .collect()
}
