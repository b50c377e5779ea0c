//! Ballots, evidence and withdrawals.

use super::count::Place;
use super::members::Standing;
use super::{
    Accusation, Cast, Caused, Change, End, Ending, Evidence, Model, NOW, Opened, Outcome, Told,
};
use crate::governance::ballot::Ballot;
use crate::governance::consensus::{ConsensusEquivocation, ConsensusStep};
use crate::governance::evidence::ContradictingHeads;
use crate::governance::id::NodeId;
use crate::governance::proposal::Withdrawal;
use crate::governance::time::Timestamp;

impl Model {
    /// BAL-2
    pub(super) fn vote(&mut self, ballot: &Ballot, told: &Told, at: Timestamp) -> Caused {
        let voter = ballot.voter;
        if ballot.ledger != self.ledger {
            return Err("statement.wrong-ledger");
        }
        let Some(place) = self.place_of(ballot.proposal_id) else {
            return Err("ballot.unknown-proposal");
        };
        let proposal = &self.proposals[place];
        if proposal.hash != Some(ballot.proposal_hash) {
            return Err("ballot.hash-mismatch");
        }
        if !self.is_elector(proposal, voter) {
            return Err("ballot.not-in-electorate");
        }
        if told.signed_by != self.present_key(voter) {
            return Err("ballot.signature");
        }
        let recorded = proposal.ballot_of(voter).map(|cast| cast.decision);
        if self.is_convicted(proposal, voter) && recorded != Some(ballot.decision) {
            return Err("ballot.equivocation");
        }
        if recorded.is_some_and(|decision| decision != ballot.decision) {
            if self.has_newer_key(proposal, voter) {
                return Err("ballot.proposal-closed");
            }
            if self.is_evidence_window_over(proposal, at) {
                return Err("evidence.window-over");
            }
            return Ok(Some(self.convict(place, voter)));
        }
        if self.node(voter, NOW) == Some(Standing::Suspended) {
            return Err("ballot.suspended");
        }
        if recorded.is_some() {
            return Ok(None);
        }
        self.check_period(&self.proposals[place], ballot, at)?;
        let seq = self.next_entry();
        self.proposals[place].ballots.push(Cast {
            seq,
            voter,
            decision: ballot.decision,
            vote: ballot.vote_id,
        });
        Ok(Some(Outcome::Voted(ballot.proposal_id, voter)))
    }

    /// Rows 12 to 16 of BAL-2.
    fn check_period(
        &self,
        proposal: &Opened,
        ballot: &Ballot,
        at: Timestamp,
    ) -> Result<(), &'static str> {
        let voter = ballot.voter;
        if self.node(voter, NOW) == Some(Standing::Removed)
            || self.place(proposal, voter) == Place::Barred
        {
            return Err("ballot.node-removed");
        }
        if proposal.status() != "voting" {
            return Err("ballot.proposal-closed");
        }
        let deadline = self.deadline(proposal);
        if at >= deadline {
            return Err("ballot.outside-voting-period");
        }
        if ballot.cast_at >= deadline {
            return Err("ballot.cast-after-deadline");
        }
        let is_used = self.proposals.iter().any(|it| {
            let cast = it.ballot_of(voter);
            cast.is_some_and(|cast| cast.vote == ballot.vote_id)
        });
        if is_used {
            return Err("ballot.vote-id-reused");
        }
        Ok(())
    }

    fn is_elector(&self, proposal: &Opened, node: NodeId) -> bool {
        let electorate = self.electorate(proposal);
        electorate.iter().any(|(it, _)| *it == node)
    }

    fn is_convicted(&self, proposal: &Opened, node: NodeId) -> bool {
        let mut evidence = self.evidence.iter();
        evidence.any(|it| it.node == node && it.of == Accusation::Ballots(proposal.id))
    }

    /// Whether a node got its present key after a proposal ended.
    fn has_newer_key(&self, proposal: &Opened, node: NodeId) -> bool {
        let keys = self.keys(node);
        match (proposal.final_end(), keys.last()) {
            (Some(ending), Some((_, from, _))) => *from > ending.seq,
            _ => false,
        }
    }

    /// BYZ-4
    fn is_evidence_window_over(&self, proposal: &Opened, at: Timestamp) -> bool {
        let window = self.policy(proposal.seq).evidence_window_seconds;
        proposal
            .final_end()
            .is_some_and(|ending| at >= ending.at.saturating_add(window))
    }

    /// BYZ-3
    pub(super) fn submit_evidence(
        &mut self,
        first: &Ballot,
        second: &Ballot,
        told: &Told,
        at: Timestamp,
    ) -> Caused {
        if first.ledger != self.ledger {
            return Err("statement.wrong-ledger");
        }
        let contradictory = first.voter == second.voter
            && first.ledger == second.ledger
            && first.proposal_id == second.proposal_id
            && first.proposal_hash == second.proposal_hash
            && first.decision != second.decision;
        if !contradictory {
            return Err("evidence.not-contradictory");
        }
        let voter = first.voter;
        let Some(place) = self.place_of(first.proposal_id) else {
            return Err("proposal.unknown");
        };
        let proposal = &self.proposals[place];
        if proposal.hash != Some(first.proposal_hash) {
            return Err("evidence.hash-mismatch");
        }
        if !self.is_elector(proposal, voter) {
            return Err("evidence.not-in-electorate");
        }
        for key in [told.signed_by, told.second_signed_by] {
            if !self.held_while_open(proposal, voter, key) {
                return Err("evidence.signature");
            }
        }
        if self.is_convicted(proposal, voter) {
            return Ok(None);
        }
        if self.is_evidence_window_over(proposal, at) {
            return Err("evidence.window-over");
        }
        Ok(Some(self.convict(place, voter)))
    }

    /// Whether a node held a key between the opening and the end of a proposal.
    fn held_while_open(&self, proposal: &Opened, node: NodeId, key: Option<usize>) -> bool {
        let end = proposal.final_end().map_or(NOW, |ending| ending.seq);
        self.keys(node).into_iter().any(|(it, from, until)| {
            Some(it) == key && from <= end && until.is_none_or(|until| until > proposal.seq)
        })
    }

    /// BYZ-6
    fn convict(&mut self, place: usize, node: NodeId) -> Outcome {
        let proposal = self.proposals[place].id;
        let suspended = self.record_evidence(node, Accusation::Ballots(proposal));
        Outcome::Convicted {
            node,
            proposal,
            suspended,
        }
    }

    /// Records evidence; whether it suspends the node. BYZ-6
    fn record_evidence(&mut self, node: NodeId, of: Accusation) -> bool {
        let active = self.node(node, NOW) == Some(Standing::Active);
        let suspended = active && !self.is_last_active(node);
        let seq = self.next_entry();
        self.evidence.push(Evidence { seq, node, of });
        if suspended {
            self.changes.push((seq, Change::Suspended(node)));
        }
        suspended
    }

    /// Two checkpoints that contradict each other. BYZ-15
    pub(super) fn fork(&mut self, heads: &ContradictingHeads, told: &Told) -> Caused {
        if heads.origin.ledger != self.ledger || told.heads.other_genesis {
            return Err("statement.wrong-ledger");
        }
        let (first, second) = (&heads.first, &heads.second);
        let contradictory = match heads.divergence {
            None => first.size == second.size && first.root != second.root,
            Some(_) => told.heads.diverge,
        };
        if !contradictory {
            return Err("evidence.not-contradictory");
        }
        let convicted = self.contradiction(heads.node, Accusation::Checkpoints, told)?;
        Ok(convicted.map(|suspended| Outcome::Forked(heads.node, suspended)))
    }

    /// Two messages of consensus that contradict each other. BYZ-20
    pub(super) fn equivocation(&mut self, it: &ConsensusEquivocation, told: &Told) -> Caused {
        if it.ledger != self.ledger {
            return Err("statement.wrong-ledger");
        }
        let is_proposal = it.step == ConsensusStep::Propose;
        let possible = [&it.first, &it.second].into_iter().all(|said| {
            if is_proposal {
                said.value.is_some()
            } else {
                said.earlier_round.is_none()
            }
        });
        if !possible || it.first.value == it.second.value || it.height >= 1 << 53 {
            return Err("evidence.not-contradictory");
        }
        let convicted = self.contradiction(it.node, Accusation::Consensus, told)?;
        Ok(convicted.map(|suspended| Outcome::Equivocated(it.node, suspended)))
    }

    /// Whether a node is suspended for what it signed in its present term; none where such is
    /// recorded. BYZ-14
    fn contradiction(
        &mut self,
        node: NodeId,
        of: Accusation,
        told: &Told,
    ) -> Result<Option<bool>, &'static str> {
        let mut given = self
            .changes
            .iter()
            .filter_map(|(seq, change)| match change {
                Change::Founder(member) | Change::Joined(member) => {
                    (member.node == node).then_some(*seq)
                }
                Change::Replaced(it, _) | Change::Reinstated(it, _) => {
                    (*it == node).then_some(*seq)
                }
                _ => None,
            });
        let Some(term) = given.next_back() else {
            return Err("node.unknown");
        };
        let keys = self.keys(node);
        for key in [told.signed_by, told.second_signed_by] {
            let in_term = |(it, from, _): &(usize, u64, _)| Some(*it) == key && *from >= term;
            if !keys.iter().any(in_term) {
                return Err("evidence.signature");
            }
        }
        let known = |it: &Evidence| it.node == node && it.of == of && it.seq > term;
        if self.evidence.iter().any(known) {
            return Ok(None);
        }
        Ok(Some(self.record_evidence(node, of)))
    }

    /// PROP-17
    pub(super) fn withdraw(&mut self, it: &Withdrawal, told: &Told, at: Timestamp) -> Caused {
        if it.ledger != self.ledger {
            return Err("statement.wrong-ledger");
        }
        let Some(place) = self.place_of(it.proposal_id) else {
            return Err("proposal.unknown");
        };
        let proposal = &self.proposals[place];
        if proposal.proposer != it.proposer {
            return Err("withdraw.not-proposer");
        }
        if proposal.hash != Some(it.proposal_hash) {
            return Err("withdraw.hash-mismatch");
        }
        if self.node(it.proposer, NOW).is_none() {
            return Err("node.unknown");
        }
        if told.signed_by != self.present_key(it.proposer) {
            return Err("signature.invalid");
        }
        if proposal.status() != "voting" {
            return Err("proposal.closed");
        }
        if proposal
            .ballots
            .iter()
            .any(|cast| cast.voter != it.proposer)
        {
            return Err("withdraw.ballots-cast");
        }
        if at >= self.deadline(proposal) {
            return Err("withdraw.after-deadline");
        }
        let seq = self.next_entry();
        self.proposals[place].ends.push(Ending {
            seq,
            at,
            end: End::Withdrawn,
        });
        Ok(Some(Outcome::Withdrawn(it.proposal_id)))
    }
}
