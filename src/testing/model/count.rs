//! What the ballots amount to, and where a proposal is in its life.

use super::conditions::{Conditions, conditions_of, with_two_thirds};
use super::members::Standing;
use super::{Accusation, Cast, Change, End, Ending, Model, Opened};
use crate::governance::ballot::Decision;
use crate::governance::id::{NodeId, ProposalId, VoteId};
use crate::governance::kind::ProposalKind;
use crate::governance::proposal::Action;
use crate::governance::time::Timestamp;

/// The weights of TALLY-1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// *yes*.
    pub approve: u64,
    /// *no*.
    pub reject: u64,
    /// *abs*.
    pub abstain: u64,
    /// *byz*.
    pub byzantine: u64,
    /// *r*.
    pub uncast: u64,
    /// *bar*.
    pub barred: u64,
}

impl Count {
    /// T.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.approve + self.reject + self.abstain + self.byzantine + self.uncast + self.barred
    }
}

/// Where a member of an electorate stands. TALLY-1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Cast(Decision),
    Byzantine,
    Uncast,
    Barred,
}

impl Opened {
    /// The entry that ended the voting, if one did.
    fn voting_ended(&self) -> Option<u64> {
        self.ends.first().map(|ending| ending.seq)
    }

    pub(super) fn ballot_of(&self, voter: NodeId) -> Option<&Cast> {
        self.ballots.iter().find(|cast| cast.voter == voter)
    }

    /// PROP-13
    pub(super) fn status(&self) -> &'static str {
        match self.ends.last().map(|ending| ending.end) {
            None => "voting",
            Some(End::Passed) => "passed",
            Some(End::Queued { .. }) => "queued",
            Some(End::Rejected) => "rejected",
            Some(End::Expired) => "expired",
            Some(End::Withdrawn) => "withdrawn",
            Some(End::Superseded) => "superseded",
            Some(End::Overturned) => "overturned",
            Some(End::Lapsed) => "lapsed",
            Some(End::Failed) => "failed",
            Some(End::Executed) => "executed",
        }
    }

    /// When the proposal became final, if it has. PROP-12
    pub(super) fn final_end(&self) -> Option<&Ending> {
        self.ends
            .last()
            .filter(|ending| !matches!(ending.end, End::Passed | End::Queued { .. }))
    }
}

impl Model {
    /// The nodes that may vote on a proposal. PROP-10
    pub(super) fn electorate(&self, proposal: &Opened) -> Vec<(NodeId, u64)> {
        self.active(proposal.seq)
    }

    /// The conditions of a proposal, and its times. PROP-10
    pub(super) fn rules(&self, proposal: &Opened) -> Vec<Conditions> {
        let policy = self.policy(proposal.seq);
        let own = conditions_of(policy, proposal.action.kind());
        let mut rules = vec![own.clone()];
        match &proposal.action {
            Action::UpdatePolicy { policy } => {
                rules.push(conditions_of(policy, ProposalKind::UpdatePolicy));
            }
            Action::EmergencyFreeze { target, .. }
                if self.is_freeze_too_soon(target, proposal.at, proposal.seq) =>
            {
                rules.push(with_two_thirds(own));
            }
            _ => {}
        }
        rules
    }

    /// PROP-10
    pub(super) fn deadline(&self, proposal: &Opened) -> Timestamp {
        let rules = self.rules(proposal);
        let longest = rules.iter().map(|rule| rule.voting).max();
        longest.map_or(proposal.at, |voting| proposal.at.saturating_add(voting))
    }

    /// Where a member stands. TALLY-1, BYZ-7, BYZ-8, MEM-5, MEM-12
    pub(super) fn place(&self, proposal: &Opened, node: NodeId) -> Place {
        let against = || self.evidence.iter().filter(|it| it.node == node);
        if against().any(|it| it.of == Accusation::Ballots(proposal.id)) {
            return Place::Byzantine;
        }
        let ended = proposal.voting_ended().unwrap_or(super::NOW);
        let while_voting = |seq: u64| proposal.seq < seq && seq < ended;
        let ballot = proposal.ballot_of(node);
        for evidence in against().filter(|it| while_voting(it.seq)) {
            if self.node(node, evidence.seq + 1) != Some(Standing::Active) {
                return match ballot {
                    Some(cast) if cast.seq < evidence.seq => Place::Byzantine,
                    _ => Place::Barred,
                };
            }
        }
        if let Some(cast) = ballot {
            return Place::Cast(cast.decision);
        }
        let silenced = self.changes.iter().any(|(seq, change)| {
            while_voting(*seq)
                && match change {
                    Change::Removed(it)
                    | Change::Suspended(it)
                    | Change::Replaced(it, _)
                    | Change::Reinstated(it, _) => *it == node,
                    _ => false,
                }
        });
        if silenced {
            Place::Barred
        } else {
            Place::Uncast
        }
    }

    /// The count as of now.
    pub(super) fn count(&self, proposal: &Opened) -> Count {
        let mut count = Count::default();
        for (node, weight) in self.electorate(proposal) {
            let side = match self.place(proposal, node) {
                Place::Cast(Decision::Approve) => &mut count.approve,
                Place::Cast(Decision::Reject) => &mut count.reject,
                Place::Cast(Decision::Abstain) => &mut count.abstain,
                Place::Byzantine => &mut count.byzantine,
                Place::Uncast => &mut count.uncast,
                Place::Barred => &mut count.barred,
            };
            *side += weight;
        }
        count
    }

    /// TALLY-12
    pub(super) fn counted_votes(&self, proposal: &Opened) -> Vec<VoteId> {
        self.electorate(proposal)
            .into_iter()
            .filter(|(node, _)| self.place(proposal, *node) != Place::Byzantine)
            .filter_map(|(node, _)| proposal.ballot_of(node).map(|cast| cast.vote))
            .collect()
    }

    /// All proposals in the order of their opening, and where they are in their lives.
    #[must_use]
    pub fn statuses(&self) -> Vec<(ProposalId, &'static str)> {
        let proposals = self.proposals.iter();
        proposals.map(|it| (it.id, it.status())).collect()
    }

    fn opened(&self, proposal: ProposalId) -> Option<&Opened> {
        self.proposals.iter().find(|it| it.id == proposal)
    }

    /// The first instant at which no ballot on a proposal is taken, if there is one of that id.
    #[must_use]
    pub fn deadline_of(&self, proposal: ProposalId) -> Option<Timestamp> {
        self.opened(proposal).map(|it| self.deadline(it))
    }

    /// The count of a proposal, if there is one of that id.
    #[must_use]
    pub fn count_of(&self, proposal: ProposalId) -> Option<Count> {
        self.opened(proposal).map(|it| self.count(it))
    }

    /// BYZ-7
    #[must_use]
    pub fn is_tainted(&self, proposal: ProposalId) -> bool {
        let executed = self
            .opened(proposal)
            .and_then(Opened::final_end)
            .filter(|ending| ending.end == End::Executed);
        executed.is_some_and(|ending| {
            let mut evidence = self.evidence.iter();
            evidence.any(|it| it.of == Accusation::Ballots(proposal) && it.seq > ending.seq)
        })
    }
}
