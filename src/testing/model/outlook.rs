//! What a driver asks in order to choose its next step; no rule looks at it.

use super::count::Place;
use super::members::Standing;
use super::{Model, NOW, Opened};
use crate::governance::id::{NodeId, ProposalId};
use crate::governance::time::{Seconds, Timestamp};

impl Model {
    fn with_status<'a>(&'a self, status: &'a str) -> impl Iterator<Item = &'a Opened> {
        let proposals = self.proposals.iter();
        proposals.filter(move |it| it.status() == status)
    }

    /// The proposals of a status, in the order of their opening.
    #[must_use]
    pub fn proposals_that_are(&self, status: &str) -> Vec<ProposalId> {
        self.with_status(status).map(|it| it.id).collect()
    }

    /// The nodes that may still vote on a proposal.
    #[must_use]
    pub fn voters_left(&self, proposal: ProposalId) -> Vec<NodeId> {
        let Some(opened) = self.proposals.iter().find(|it| it.id == proposal) else {
            return Vec::new();
        };
        let electorate = self.electorate(opened).into_iter().map(|(node, _)| node);
        electorate
            .filter(|node| self.place(opened, *node) == Place::Uncast)
            .collect()
    }

    /// The suspended nodes.
    #[must_use]
    pub fn suspended(&self) -> Vec<NodeId> {
        let members = self.members(NOW).into_iter().map(|member| member.node);
        members
            .filter(|node| self.node(*node, NOW) == Some(Standing::Suspended))
            .collect()
    }

    /// The instants at which something ends by itself: voting, timelocks, windows, freezes, and
    /// what they ask of later freezes.
    #[must_use]
    pub fn boundaries(&self) -> Vec<Timestamp> {
        let mut ends: Vec<Timestamp> = Vec::new();
        for proposal in self.with_status("voting") {
            ends.push(self.deadline(proposal));
        }
        for proposal in self.with_status("queued") {
            let rules = self.rules(proposal);
            let longest = rules.iter().map(|rule| rule.timelock).max();
            let shortest = rules.iter().map(|rule| rule.window).min();
            if let (Some(decided), Some(timelock), Some(window)) =
                (proposal.ends.last(), longest, shortest)
            {
                let eta = decided.at.saturating_add(timelock);
                let until = eta.saturating_add(window);
                let held = self.subjects_that_hold(&proposal.action);
                let stretch = Seconds::new(self.frozen_micros(&held, eta, until) / 1_000_000);
                ends.extend([eta, until]);
                ends.extend(stretch.map(|stretch| until.saturating_add(stretch)));
            }
        }
        for freeze in &self.freezes {
            let end = self.freeze_end(freeze, NOW);
            let lasted = end.as_micros().saturating_sub(freeze.from.as_micros());
            let cooled = Seconds::new(lasted / 1_000_000).map(|it| end.saturating_add(it));
            ends.push(end);
            ends.extend(cooled);
        }
        for grant in &self.grants {
            ends.extend(grant.terms.not_before);
            ends.extend(grant.terms.expires_at);
        }
        ends
    }
}
