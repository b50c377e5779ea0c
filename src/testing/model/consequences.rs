//! Deciding, executing, and what follows from a cause (DET-4).

use super::conditions::{
    Judged, can_stand, is_certain, is_more_than_two_thirds, judge_at_deadline, judge_early,
};
use super::members::Standing;
use super::{
    Caused, Change, End, Ending, Freeze, Granted, Lift, Member, Model, NOW, Opened, Outcome,
    Revocation,
};
use crate::governance::id::{NodeId, ProposalId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::proposal::{Action, FreezeTarget, GrantTerms, NewNode, RevocationTerms};
use crate::governance::time::{Seconds, Timestamp};

/// What an action would grant.
fn grants(action: &Action) -> Option<(AuthorizationKind, &GrantTerms)> {
    match action {
        Action::AuthorizeModel(terms) => Some((AuthorizationKind::Model, terms)),
        Action::AuthorizeAgent(terms) => Some((AuthorizationKind::Agent, terms)),
        Action::Delegation(it) => Some((AuthorizationKind::Delegation, &it.terms)),
        _ => None,
    }
}

impl Model {
    /// DET-4
    pub(super) fn consequence(&mut self, at: Timestamp) -> Option<Outcome> {
        let with = |status: &'static str| move |(_, it): &(usize, &Opened)| it.status() == status;
        let proposals = || self.proposals.iter().enumerate();
        if let Some((place, _)) = proposals().find(with("passed")) {
            return Some(self.carry_out(place, at));
        }
        let mut queued = proposals().filter(with("queued"));
        if let Some((place, it)) = queued.find(|(_, it)| !self.stands(it)) {
            let id = it.id;
            self.end(place, at, End::Overturned);
            return Some(Outcome::Overturned(id));
        }
        for (reason, is_overtaken) in [
            (
                "revocation",
                Self::is_revoked_since as fn(&Self, &Opened) -> bool,
            ),
            ("evidence", Self::has_new_evidence),
        ] {
            let mut candidates = proposals()
                .filter(with("voting"))
                .chain(proposals().filter(with("queued")));
            if let Some((place, it)) = candidates.find(|(_, it)| is_overtaken(self, it)) {
                let id = it.id;
                self.end(place, at, End::Superseded);
                return Some(Outcome::Superseded(id, reason));
            }
        }
        let judged = proposals()
            .filter(with("voting"))
            .filter(|(_, it)| self.policy(it.seq).early_decision && at < self.deadline(it))
            .find_map(|(place, it)| {
                judge_early(&self.rules(it), &self.count(it)).map(|judged| (place, judged))
            });
        judged.map(|(place, judged)| self.decide(place, judged, true, at))
    }

    /// AUTH-12
    fn is_revoked_since(&self, proposal: &Opened) -> bool {
        grants(&proposal.action)
            .is_some_and(|(kind, terms)| self.was_revoked_since(proposal.seq, kind, &terms.subject))
    }

    /// MEM-15
    fn has_new_evidence(&self, proposal: &Opened) -> bool {
        match &proposal.action {
            Action::ReinstateNode(new) => {
                let mut evidence = self.evidence.iter();
                evidence.any(|it| it.node == new.node && it.seq > proposal.seq)
            }
            _ => false,
        }
    }

    /// BYZ-9
    fn stands(&self, proposal: &Opened) -> bool {
        let mut count = self.count(proposal);
        let early = proposal
            .ends
            .iter()
            .any(|it| it.end == End::Queued { early: true });
        if !early {
            count.barred += count.uncast;
            count.uncast = 0;
        }
        is_certain(&self.rules(proposal), &count)
    }

    fn end(&mut self, place: usize, at: Timestamp, end: End) -> u64 {
        let seq = self.next_entry();
        self.proposals[place].ends.push(Ending { seq, at, end });
        seq
    }

    /// TALLY-6
    pub(super) fn close(&mut self, proposal: ProposalId, at: Timestamp) -> Caused {
        let Some(place) = self.place_of(proposal) else {
            return Err("proposal.unknown");
        };
        let opened = &self.proposals[place];
        if opened.status() != "voting" {
            return Err("proposal.closed");
        }
        if at < self.deadline(opened) {
            return Err("close.before-deadline");
        }
        let judged = judge_at_deadline(&self.rules(opened), &self.count(opened));
        Ok(Some(self.decide(place, judged, false, at)))
    }

    fn decide(&mut self, place: usize, judged: Judged, early: bool, at: Timestamp) -> Outcome {
        let (verdict, reason) = judged;
        let proposal = &self.proposals[place];
        let count = self.count(proposal);
        let outcome = Outcome::Decided {
            proposal: proposal.id,
            verdict,
            reason,
            early,
            weights: [count.approve, count.reject, count.abstain, count.byzantine],
            votes: self.counted_votes(proposal),
        };
        let waits = self.timelock(proposal) > Seconds::ZERO || self.is_held(&proposal.action, at);
        let end = match verdict {
            "passed" if waits => End::Queued { early },
            "passed" => End::Passed,
            "expired" => End::Expired,
            _ => End::Rejected,
        };
        self.end(place, at, end);
        outcome
    }

    /// PROP-14
    fn timelock(&self, proposal: &Opened) -> Seconds {
        let rules = self.rules(proposal);
        let longest = rules.iter().map(|rule| rule.timelock).max();
        longest.unwrap_or(Seconds::ZERO)
    }

    /// PROP-15
    pub(super) fn execute(&mut self, proposal: ProposalId, at: Timestamp) -> Caused {
        let Some(place) = self.place_of(proposal) else {
            return Err("proposal.unknown");
        };
        let opened = &self.proposals[place];
        let decided = opened.ends.last().filter(|_| opened.status() == "queued");
        let Some(decided) = decided else {
            return Err("execute.not-queued");
        };
        let eta = decided.at.saturating_add(self.timelock(opened));
        if at < eta {
            return Err("execute.before-timelock");
        }
        if self.is_held(&opened.action, at) {
            return Err("execute.frozen");
        }
        let rules = self.rules(opened);
        let window = rules.iter().map(|rule| rule.window).min();
        let until = eta.saturating_add(window.unwrap_or(Seconds::ZERO));
        let held = self.subjects_that_hold(&opened.action);
        let stretch = self.frozen_micros(&held, eta, at);
        if at.as_micros() >= until.as_micros() + stretch {
            self.end(place, at, End::Lapsed);
            return Ok(Some(Outcome::Lapsed(proposal)));
        }
        Ok(Some(self.carry_out(place, at)))
    }

    /// PROP-16
    fn carry_out(&mut self, place: usize, at: Timestamp) -> Outcome {
        let proposal = self.proposals[place].clone();
        let id = proposal.id;
        let bound = matches!(
            proposal.action,
            Action::AddNode(_) | Action::RemoveNode { .. } | Action::UpdatePolicy { .. }
        );
        if bound && self.epoch_before(NOW) != self.epoch_before(proposal.seq) {
            self.end(place, at, End::Superseded);
            return Outcome::Superseded(id, "epoch-changed");
        }
        if let Action::Delegation(delegation) = &proposal.action
            && !self.may_delegate(delegation, at)
        {
            self.end(place, at, End::Failed);
            return Outcome::Failed(id, "parent");
        }
        if self.is_revoked_since(&proposal) {
            self.end(place, at, End::Superseded);
            return Outcome::Superseded(id, "revocation");
        }
        if let Some(reason) = self.impossible(&proposal, at) {
            self.end(place, at, End::Failed);
            return Outcome::Failed(id, reason);
        }
        let seq = self.end(place, at, End::Executed);
        self.take_effect(&proposal, seq, at)
    }

    /// The table of PROP-16.
    fn impossible(&self, proposal: &Opened, at: Timestamp) -> Option<&'static str> {
        let first = |reasons: &[(bool, &'static str)]| {
            let mut reasons = reasons.iter();
            reasons.find(|(holds, _)| *holds).map(|(_, reason)| *reason)
        };
        if let Some((kind, terms)) = grants(&proposal.action) {
            return first(&[
                (terms.expires_at.is_some_and(|end| end <= at), "expired"),
                (
                    self.has_too_many_grants(kind, &terms.subject),
                    "too-many-grants",
                ),
            ]);
        }
        let is_key_used = proposal.new_key.is_some_and(|key| self.is_key_used(key));
        match &proposal.action {
            Action::UpdatePolicy { policy } => {
                let stands = can_stand(policy, &self.policy(NOW).floors);
                first(&[(!stands, "policy")])
            }
            Action::AddNode(new) => first(&[
                (
                    self.is_newcomer_taken(new, is_key_used),
                    "already-registered",
                ),
                (self.members(NOW).len() >= 10_000, "too-many-nodes"),
                (self.would_overflow(new.weight.get()), "weight-overflow"),
            ]),
            Action::RemoveNode { node } => first(&[
                (self.is_gone(*node), "not-registered"),
                (self.is_last_active(*node), "no-active-node"),
            ]),
            Action::ReplaceKey(new) => first(&[
                (!self.stands_as(new.node, Standing::Active), "not-active"),
                (is_key_used, "already-registered"),
            ]),
            Action::ReinstateNode(new) => first(&[
                (
                    !self.stands_as(new.node, Standing::Suspended),
                    "not-suspended",
                ),
                (is_key_used, "already-registered"),
                (
                    self.would_overflow(self.weight_of(new.node)),
                    "weight-overflow",
                ),
            ]),
            Action::EmergencyFreeze { target, until } => first(&[
                (*until <= at, "freeze-over"),
                (
                    self.is_freeze_too_soon(target, at, NOW)
                        && !is_more_than_two_thirds(&self.count(proposal)),
                    "freeze-too-soon",
                ),
            ]),
            Action::LiftFreeze { target } => {
                first(&[(self.freezes_on(target, at).is_empty(), "not-frozen")])
            }
            _ => None,
        }
    }

    fn is_newcomer_taken(&self, new: &NewNode, is_key_used: bool) -> bool {
        let name = new.name.as_str();
        self.node(new.node, NOW).is_some() || is_key_used || self.is_name_taken(name)
    }

    fn is_gone(&self, node: NodeId) -> bool {
        matches!(self.node(node, NOW), None | Some(Standing::Removed))
    }

    fn stands_as(&self, node: NodeId, standing: Standing) -> bool {
        self.node(node, NOW) == Some(standing)
    }

    fn take_effect(&mut self, proposal: &Opened, seq: u64, at: Timestamp) -> Outcome {
        let id = proposal.id;
        if let Some((kind, terms)) = grants(&proposal.action) {
            let parent = match &proposal.action {
                Action::Delegation(it) => Some(it.parent),
                _ => None,
            };
            let terms = terms.clone();
            self.grants.push(Granted {
                seq,
                id,
                kind,
                parent,
                terms,
            });
            return Outcome::Granted(id);
        }
        let key = proposal.new_key.unwrap_or(usize::MAX);
        let (change, outcome) = match &proposal.action {
            Action::RevokeModel(terms) => return self.revoke(AuthorizationKind::Model, terms, seq),
            Action::RevokeAgent(terms) => return self.revoke(AuthorizationKind::Agent, terms, seq),
            Action::RevokeDelegation(terms) => {
                return self.revoke(AuthorizationKind::Delegation, terms, seq);
            }
            Action::EmergencyFreeze { target, until } => {
                self.freezes.push(Freeze {
                    seq,
                    id,
                    target: target.clone(),
                    from: at,
                    until: *until,
                });
                return Outcome::Frozen(id);
            }
            Action::LiftFreeze { target } => return self.lift(target, seq, at),
            Action::UpdatePolicy { policy } => {
                (Change::Policy(policy.clone()), Outcome::PolicyChanged)
            }
            Action::AddNode(new) => (Change::Joined(joining(new, key)), Outcome::Joined(new.node)),
            Action::RemoveNode { node } => (Change::Removed(*node), Outcome::Removed(*node)),
            Action::ReplaceKey(new) => (
                Change::Replaced(new.node, key),
                Outcome::KeyReplaced(new.node),
            ),
            Action::ReinstateNode(new) => (
                Change::Reinstated(new.node, key),
                Outcome::Reinstated(new.node),
            ),
            Action::AuthorizeModel(_) | Action::AuthorizeAgent(_) | Action::Delegation(_) => {
                unreachable!("grants were given above")
            }
        };
        self.changes.push((seq, change));
        outcome
    }

    /// AUTH-10
    fn revoke(&mut self, kind: AuthorizationKind, terms: &RevocationTerms, seq: u64) -> Outcome {
        let subject: &Subject = &terms.subject;
        let mut ended = self.unrevoked(kind, subject);
        if let Some(named) = terms.grant_id {
            ended.retain(|id| *id == named);
        }
        self.revocations.push(Revocation {
            seq,
            kind,
            subject: subject.clone(),
            named: terms.grant_id.is_some(),
            ended: ended.clone(),
        });
        Outcome::Revoked(ended)
    }

    /// AUTH-18
    fn lift(&mut self, target: &FreezeTarget, seq: u64, at: Timestamp) -> Outcome {
        let freezes = self.freezes_on(target, at);
        self.lifts.push(Lift {
            seq,
            at,
            freezes: freezes.clone(),
        });
        Outcome::Lifted(freezes)
    }
}

fn joining(new: &NewNode, key: usize) -> Member {
    Member {
        node: new.node,
        name: new.name.to_string(),
        weight: new.weight.get(),
        key,
    }
}
