//! `evolve`: what an event does to the state. It judges nothing; [`decide`](super::decide) did.
//!
//! Total: it fails for no event, and an event about something that does not exist does not bring it
//! into being.

use std::sync::Arc;

use super::digest::Digest;
use super::event::{
    AdmittedBy, AuthorizationGranted, AuthorizationRevoked, ByzantineDetected, ConsensusReached,
    Event, FreezeImposed, FreezeLifted, KeyReplaced, NodeAdded, NodeReinstated, PolicyUpdated,
    PredictionRecorded, ProposalCreated, Recorded, Timing, VoteCast,
};
use super::id::{NodeId, ProposalId, Subject};
use super::key::PublicKey;
use super::kind::AuthorizationKind;
use super::prediction::PredictionVerdict;
use super::proposal_rules::rules_for;
use super::state::authorization::{Grant, Revoked};
use super::state::freeze::Freeze;
use super::state::proposal::{CastBallot, Decided, KeptBallot, Member, ProposalState, Status};
use super::state::registry::{Node, NodeStatus};
use super::state::{Contradiction, EvidenceRecord, State};
use super::tally::{Standing, Tally, Verdict};
use super::time::{Seconds, Timestamp};

/// The state after `recorded`.
#[must_use]
pub fn evolve(mut state: State, recorded: &Recorded) -> State {
    state.apply(
        recorded.seq,
        recorded.timestamp,
        recorded.hash,
        &recorded.event,
    );
    state
}

impl State {
    /// Applies one event in place. `hash` is the entry's hash.
    pub(crate) fn apply(&mut self, seq: u64, at: Timestamp, hash: Digest, event: &Event) {
        self.entries = seq;
        self.clock = at;
        match event {
            Event::LedgerCreated(_) | Event::CheckpointRecorded(_) => {}
            Event::NodeAdded(added) => self.node_added(added, seq, at, hash),
            Event::NodeRemoved(removed) => self.node_removed(removed.node, removed.proposal_id, at),
            Event::ProposalCreated(created) => self.proposal_created(created, seq, at, hash),
            Event::ProposalWithdrawn(withdrawal) => {
                self.end(withdrawal.content().proposal_id, Status::Withdrawn, at);
            }
            Event::ProposalSuperseded(superseded) => {
                self.end(superseded.proposal_id, Status::Superseded, at);
            }
            Event::ProposalFailed(failed) => self.end(failed.proposal_id, Status::Failed, at),
            Event::ProposalLapsed(lapsed) => self.end(lapsed.proposal_id, Status::Lapsed, at),
            Event::DecisionOverturned(overturned) => {
                self.end(overturned.proposal_id, Status::Overturned, at);
            }
            Event::VoteCast(ballot) => self.vote_cast(ballot, seq, at),
            Event::ConsensusReached(consensus) => self.consensus_reached(consensus, seq, at),
            Event::ByzantineDetected(detected) => self.byzantine_detected(detected, seq, at),
            Event::CheckpointsContradicted(found) => {
                let suspended = found.suspended;
                let record = EvidenceRecord { seq, at, suspended };
                self.contradicted(Contradiction::Checkpoints, found.node, record);
            }
            Event::ConsensusContradicted(found) => {
                let suspended = found.suspended;
                let record = EvidenceRecord { seq, at, suspended };
                self.contradicted(Contradiction::Consensus, found.node, record);
            }
            Event::AuthorizationGranted(granted) => self.authorization_granted(granted, seq, at),
            Event::AuthorizationRevoked(revoked) => self.authorization_revoked(revoked, seq, at),
            Event::FreezeImposed(imposed) => self.freeze_imposed(imposed, at),
            Event::FreezeLifted(lifted) => self.freeze_lifted(lifted, at),
            Event::KeyRotated(rotation) => {
                let new = &rotation.content().new_key;
                self.key_changed(new.node, &new.key, seq);
            }
            Event::KeyReplaced(replaced) => self.key_replaced(replaced, seq, at),
            Event::NodeReinstated(reinstated) => self.node_reinstated(reinstated, seq, at),
            Event::PolicyUpdated(updated) => self.policy_updated(updated, at),
            Event::PredictionRecorded(PredictionRecorded {
                prediction,
                verdict,
            }) => self.predictions.record(&prediction.model, verdict),
            Event::RecoveryRecorded(_) => self.recoveries = self.recoveries.saturating_add(1),
        }
    }

    /// Applies a prediction of which only this is known; the state keeps no more of it.
    pub(crate) fn apply_prediction(
        &mut self,
        seq: u64,
        at: Timestamp,
        model: &Subject,
        verdict: &PredictionVerdict,
    ) {
        self.entries = seq;
        self.clock = at;
        self.predictions.record(model, verdict);
    }

    /// Tells the state the hashes of entries that were applied before they were written.
    pub fn settle(&mut self, recorded: &[Recorded]) {
        for entry in recorded {
            if let Event::ProposalCreated(created) = &entry.event {
                let proposal = created.statement.content().proposal_id;
                self.update(proposal, |proposal| proposal.hash = entry.hash);
            }
        }
    }

    fn update(&mut self, proposal: ProposalId, change: impl FnOnce(&mut ProposalState)) {
        Arc::make_mut(&mut self.proposals).update(proposal, change);
    }

    /// Changes every proposal in voting except `except`.
    fn update_undecided(
        &mut self,
        except: Option<ProposalId>,
        change: impl Fn(&mut ProposalState),
    ) {
        for proposal in self.proposals.undecided_ids() {
            if Some(proposal) != except {
                self.update(proposal, &change);
            }
        }
    }

    fn end(&mut self, proposal: ProposalId, status: Status, at: Timestamp) {
        let seq = self.entries;
        self.update(proposal, |proposal| {
            proposal.status = status;
            proposal.ended_at = Some(at);
            proposal.ended_seq = Some(seq);
        });
    }

    /// Notes a change of membership, keys or policy.
    const fn advance_epoch(&mut self) {
        self.epoch = self.epoch.saturating_add(1);
    }

    fn node_added(&mut self, added: &NodeAdded, seq: u64, at: Timestamp, hash: Digest) {
        let node = Node {
            name: added.name.clone(),
            weight: added.weight,
            key: added.key.clone(),
            keys: Vec::new(),
            status: NodeStatus::Active,
            added_at: seq,
            votes: std::collections::BTreeSet::new(),
        };
        Arc::make_mut(&mut self.registry).add(added.node, node);
        match &added.admitted_by {
            // The last founder's entry is the ledger's origin.
            AdmittedBy::Founding(_) => Arc::make_mut(&mut self.identity).origin = hash,
            AdmittedBy::Proposal(proposal) => {
                self.advance_epoch();
                self.end(*proposal, Status::Executed, at);
            }
        }
    }

    /// A removed node's ballots stand; what it has not cast it never will.
    fn node_removed(&mut self, node: NodeId, proposal: ProposalId, at: Timestamp) {
        Arc::make_mut(&mut self.registry).retire(node, NodeStatus::Removed);
        self.advance_epoch();
        self.end(proposal, Status::Executed, at);
        self.bar(node);
    }

    /// What a node has not cast so far it never will.
    fn bar(&mut self, node: NodeId) {
        self.update_undecided(None, |proposal| {
            if proposal.member(node).map(Member::standing) == Some(Standing::Uncast) {
                proposal.stand(node, Standing::Barred);
            }
        });
    }

    fn key_changed(&mut self, node: NodeId, key: &PublicKey, seq: u64) {
        Arc::make_mut(&mut self.registry).change_key(node, key, seq);
        self.advance_epoch();
    }

    /// A node with a replaced key votes only on proposals that are opened afterwards.
    fn key_replaced(&mut self, replaced: &KeyReplaced, seq: u64, at: Timestamp) {
        self.key_changed(replaced.node, &replaced.key, seq);
        self.end(replaced.proposal_id, Status::Executed, at);
        self.bar(replaced.node);
    }

    fn node_reinstated(&mut self, reinstated: &NodeReinstated, seq: u64, at: Timestamp) {
        self.key_changed(reinstated.node, &reinstated.key, seq);
        Arc::make_mut(&mut self.registry).reinstate(reinstated.node);
        self.end(reinstated.proposal_id, Status::Executed, at);
    }

    fn freeze_imposed(&mut self, imposed: &FreezeImposed, at: Timestamp) {
        let freeze = Freeze {
            target: imposed.target.clone(),
            from: at,
            until: imposed.until,
            lifted_at: None,
        };
        let authorizations = Arc::make_mut(&mut self.authorizations);
        authorizations.freezes.impose(imposed.proposal_id, freeze);
        self.end(imposed.proposal_id, Status::Executed, at);
    }

    fn freeze_lifted(&mut self, lifted: &FreezeLifted, at: Timestamp) {
        let authorizations = Arc::make_mut(&mut self.authorizations);
        for freeze in &lifted.freezes {
            authorizations.freezes.lift(*freeze, at);
        }
        self.end(lifted.proposal_id, Status::Executed, at);
    }

    fn proposal_created(
        &mut self,
        created: &ProposalCreated,
        seq: u64,
        at: Timestamp,
        hash: Digest,
    ) {
        let content = created.statement.content().clone();
        let electorate = self.registry.active().map(|(id, node)| {
            let member = Member {
                weight: node.weight(),
                standing: Standing::Uncast,
                ballot: None,
            };
            (id, member)
        });
        let proposal = ProposalState {
            rules: rules_for(self, &content.action, at),
            content,
            hash,
            seq,
            opened_at: at,
            deadline: created.deadline,
            epoch: created.epoch,
            early_decision: self.policy.early_decision,
            evidence_window: self.policy.evidence_window_seconds,
            electorate: electorate.collect(),
            tally: Tally::open(created.total_weight),
            status: Status::Voting,
            decided: None,
            ended_at: None,
            ended_seq: None,
            tainted: false,
        };
        let proposals = Arc::make_mut(&mut self.proposals);
        proposals.open(proposal);
        // Where memory grows, it is given back.
        proposals.forget_signatures(at);
    }

    fn vote_cast(&mut self, signed: &VoteCast, seq: u64, at: Timestamp) {
        let ballot = signed.content();
        Arc::make_mut(&mut self.registry).note_vote(ballot.voter, ballot.vote_id);
        let cast = CastBallot {
            kept: KeptBallot::Signed(Arc::new(signed.clone())),
            seq,
            at,
        };
        self.update(ballot.proposal_id, |proposal| {
            proposal.stand(ballot.voter, ballot.decision.standing());
            if let Some(member) = proposal.electorate.get_mut(&ballot.voter) {
                member.ballot = Some(cast);
            }
        });
    }

    fn consensus_reached(&mut self, consensus: &ConsensusReached, seq: u64, at: Timestamp) {
        let found = self.proposals.get(consensus.proposal_id);
        let frozen = found.is_some_and(|proposal| self.is_held_by_freeze(proposal, at));
        self.update(consensus.proposal_id, |proposal| {
            proposal.decided = Some(Decided {
                seq,
                at,
                early: consensus.timing == Timing::Early,
            });
            let waits = frozen || proposal.timelock() > Seconds::ZERO;
            proposal.status = match consensus.decision {
                Verdict::Passed if waits => Status::Queued,
                Verdict::Passed => Status::Passed,
                Verdict::Rejected => Status::Rejected,
                Verdict::Expired => Status::Expired,
            };
            if proposal.status.is_final() {
                proposal.ended_at = Some(at);
                proposal.ended_seq = Some(seq);
            }
        });
    }

    /// The weight on the contradicted proposal turns Byzantine whatever became of the proposal; a
    /// node that is suspended, or no longer there, loses its voice on all others that are still
    /// undecided.
    fn byzantine_detected(&mut self, detected: &ByzantineDetected, seq: u64, at: Timestamp) {
        let node = detected.node;
        let record = EvidenceRecord {
            seq,
            at,
            suspended: detected.suspended,
        };
        Arc::make_mut(&mut self.evidence).insert((node, detected.proposal_id), record);
        self.update(detected.proposal_id, |proposal| {
            proposal.stand(node, Standing::Byzantine);
            proposal.tainted |= proposal.status == Status::Executed;
        });
        self.silence(node, detected.suspended, Some(detected.proposal_id));
    }

    /// No proposal is contradicted, only the history itself.
    fn contradicted(&mut self, kind: Contradiction, node: NodeId, record: EvidenceRecord) {
        let Some(registered) = self.registry.get(node) else {
            return;
        };
        let term = self.term_of(node, registered);
        Arc::make_mut(&mut self.contradictions).insert((kind, node, term), record);
        self.silence(node, record.suspended, None);
    }

    /// Suspends a node, if it is to be, and takes its voice from all undecided proposals but
    /// `except`.
    fn silence(&mut self, node: NodeId, suspended: bool, except: Option<ProposalId>) {
        if suspended {
            Arc::make_mut(&mut self.registry).retire(node, NodeStatus::Suspended);
            self.advance_epoch();
        }
        // The last active node is only flagged: its other ballots stand.
        if self.registry.get(node).is_some_and(Node::is_active) {
            return;
        }
        self.update_undecided(except, |proposal| {
            match proposal.member(node).map(Member::standing) {
                None | Some(Standing::Byzantine | Standing::Barred) => {}
                Some(Standing::Uncast) => proposal.stand(node, Standing::Barred),
                Some(_) => proposal.stand(node, Standing::Byzantine),
            }
        });
    }

    fn authorization_granted(&mut self, granted: &AuthorizationGranted, seq: u64, at: Timestamp) {
        let grant = Grant {
            kind: granted.kind,
            parent: granted.parent,
            terms: granted.terms.clone(),
            granted_seq: seq,
            granted_at: at,
            revoked: None,
        };
        if granted.kind == AuthorizationKind::Model {
            self.predictions.note_grant(&granted.terms.subject);
        }
        Arc::make_mut(&mut self.authorizations).add(granted.grant_id, grant);
        self.end(granted.grant_id, Status::Executed, at);
    }

    fn authorization_revoked(&mut self, revoked: &AuthorizationRevoked, seq: u64, at: Timestamp) {
        let authorizations = Arc::make_mut(&mut self.authorizations);
        for grant in &revoked.grant_ids {
            let by = revoked.proposal_id;
            authorizations.revoke(*grant, Revoked { by, seq, at });
        }
        let proposal = self.proposals.get(revoked.proposal_id);
        let ends_everything = proposal
            .and_then(|proposal| proposal.content().action.revokes())
            .is_some_and(|(_, terms)| terms.grant_id.is_none());
        if ends_everything {
            authorizations.note_revocation(revoked.kind, &revoked.subject, seq);
        }
        self.end(revoked.proposal_id, Status::Executed, at);
    }

    fn policy_updated(&mut self, updated: &PolicyUpdated, at: Timestamp) {
        self.policy = Arc::new(updated.policy.as_ref().clone());
        self.advance_epoch();
        self.end(updated.proposal_id, Status::Executed, at);
    }
}
