//! Grants, checks, freezes and delegations.

use std::collections::BTreeMap;

use super::{Freeze, Granted, Model, NOW};
use crate::governance::id::{GrantId, ProposalId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::proposal::{Action, DelegationTerms, FreezeTarget, GrantTerms};
use crate::governance::scope::{CheckContext, Dimension, Scope};
use crate::governance::time::Timestamp;

/// A reason, the grants that have it, and the limits that come with them.
pub type Checked = (&'static str, Vec<GrantId>, BTreeMap<String, u64>);

/// The reasons of AUTH-7, from the most distant to the best.
const REASONS: [&str; 7] = [
    "no-grant",
    "revoked",
    "expired",
    "not-yet-valid",
    "parent-not-live",
    "out-of-scope",
    "granted",
];

impl Model {
    pub(super) fn grant(&self, id: GrantId) -> Option<&Granted> {
        self.grants.iter().find(|grant| grant.id == id)
    }

    fn grants_of(&self, kind: AuthorizationKind, subject: &Subject) -> Vec<&Granted> {
        self.grants
            .iter()
            .filter(|grant| grant.kind == kind && grant.terms.subject == *subject)
            .collect()
    }

    fn is_revoked(&self, grant: GrantId) -> bool {
        self.revocations.iter().any(|it| it.ended.contains(&grant))
    }

    /// The grants of a subject and kind that are not revoked, in the order of giving.
    pub(super) fn unrevoked(&self, kind: AuthorizationKind, subject: &Subject) -> Vec<GrantId> {
        let grants = self.grants_of(kind, subject);
        let ids = grants.into_iter().map(|grant| grant.id);
        ids.filter(|id| !self.is_revoked(*id)).collect()
    }

    /// LIM-19
    pub(super) fn has_too_many_grants(&self, kind: AuthorizationKind, subject: &Subject) -> bool {
        self.unrevoked(kind, subject).len() >= 1_000
    }

    /// Whether all grants of a subject and kind were revoked behind an entry. AUTH-12
    pub(super) fn was_revoked_since(
        &self,
        seq: u64,
        kind: AuthorizationKind,
        subject: &Subject,
    ) -> bool {
        self.revocations
            .iter()
            .any(|it| it.seq > seq && !it.named && it.kind == kind && it.subject == *subject)
    }

    /// A grant, its parent, and so on. AUTH-20
    fn lineage<'a>(&'a self, of: &'a Granted) -> Vec<&'a Granted> {
        let mut lineage = vec![of];
        let mut next = of.parent;
        while let Some(grant) = next.and_then(|id| self.grant(id)) {
            lineage.push(grant);
            next = grant.parent;
        }
        lineage
    }

    /// AUTH-2, without the lineage.
    fn own_status(&self, grant: &Granted, at: Timestamp) -> &'static str {
        if self.is_revoked(grant.id) {
            "revoked"
        } else if grant.terms.expires_at.is_some_and(|end| at >= end) {
            "expired"
        } else if grant.terms.not_before.is_some_and(|start| at < start) {
            "not-yet-valid"
        } else if self.is_frozen(&grant.terms.subject, at) {
            "frozen"
        } else {
            "live"
        }
    }

    fn status(&self, grant: &Granted, at: Timestamp) -> &'static str {
        let own = self.own_status(grant, at);
        if own != "live" {
            return own;
        }
        let lineage = self.lineage(grant);
        if lineage.iter().any(|it| self.own_status(it, at) != "live") {
            return "parent-not-live";
        }
        "live"
    }

    /// All grants in the order of giving, with their status. AUTH-2
    #[must_use]
    pub fn grant_statuses(&self, at: Timestamp) -> Vec<(GrantId, &'static str)> {
        let grants = self.grants.iter();
        grants.map(|it| (it.id, self.status(it, at))).collect()
    }

    /// AUTH-7
    #[must_use]
    pub fn check(
        &self,
        kind: AuthorizationKind,
        subject: &Subject,
        context: &CheckContext,
        at: Timestamp,
    ) -> Checked {
        if self.is_frozen(subject, at) {
            return ("frozen", Vec::new(), BTreeMap::new());
        }
        let context = values(context);
        let reasons: Vec<(&Granted, &'static str)> = self
            .grants_of(kind, subject)
            .into_iter()
            .map(|grant| match self.status(grant, at) {
                "live" if self.admits(grant, &context) => (grant, "granted"),
                "live" => (grant, "out-of-scope"),
                status => (grant, status),
            })
            .collect();
        let best = REASONS
            .into_iter()
            .rfind(|reason| reasons.iter().any(|(_, it)| it == reason))
            .unwrap_or("no-grant");
        let with_it = reasons.iter().filter(|(_, reason)| *reason == best);
        let grants: Vec<GrantId> = with_it.map(|(grant, _)| grant.id).collect();
        let obligations = if best == "granted" {
            self.obligations(&grants)
        } else {
            BTreeMap::new()
        };
        (best, grants, obligations)
    }

    fn admits(&self, grant: &Granted, context: &BTreeMap<String, String>) -> bool {
        let lineage = self.lineage(grant);
        lineage.iter().all(|it| admits(&it.terms.scope, context))
    }

    fn obligations(&self, grants: &[GrantId]) -> BTreeMap<String, u64> {
        let mut smallest = BTreeMap::new();
        let grants = grants.iter().filter_map(|id| self.grant(*id));
        for grant in grants.flat_map(|grant| self.lineage(grant)) {
            for (key, dimension) in grant.terms.scope.dimensions() {
                if let Dimension::Limit(limit) = dimension {
                    let least = smallest.entry(key.to_string()).or_insert(*limit);
                    *least = (*least).min(*limit);
                }
            }
        }
        smallest
    }

    /// When a freeze ends or ended, as far as it was known in front of an entry. AUTH-18
    pub(super) fn freeze_end(&self, freeze: &Freeze, before: u64) -> Timestamp {
        let lifts = self.lifts.iter().filter(|lift| lift.seq < before);
        lifts
            .filter(|lift| lift.freezes.contains(&freeze.id))
            .map(|lift| lift.at)
            .fold(freeze.until, Timestamp::min)
    }

    fn is_on(&self, freeze: &Freeze, at: Timestamp) -> bool {
        freeze.from <= at && at < self.freeze_end(freeze, NOW)
    }

    /// The freezes that are on with exactly this target. AUTH-18
    pub(super) fn freezes_on(&self, target: &FreezeTarget, at: Timestamp) -> Vec<ProposalId> {
        let same = self.freezes.iter().filter(|it| it.target == *target);
        same.filter(|it| self.is_on(it, at))
            .map(|it| it.id)
            .collect()
    }

    /// The targets that are frozen, in the order of their freezes.
    #[must_use]
    pub fn frozen_targets(&self, at: Timestamp) -> Vec<FreezeTarget> {
        let on = self.freezes.iter().filter(|it| self.is_on(it, at));
        on.map(|it| it.target.clone()).collect()
    }

    /// AUTH-13
    pub(super) fn is_frozen(&self, subject: &Subject, at: Timestamp) -> bool {
        self.freezes
            .iter()
            .any(|it| covers(&it.target, subject) && self.is_on(it, at))
    }

    /// AUTH-17, by what was known in front of an entry.
    pub(super) fn is_freeze_too_soon(
        &self,
        target: &FreezeTarget,
        at: Timestamp,
        before: u64,
    ) -> bool {
        let earlier = self.freezes.iter().filter(|it| it.seq < before);
        earlier
            .filter(|it| overlap(&it.target, target))
            .any(|freeze| {
                let from = freeze.from.as_micros();
                let end = self.freeze_end(freeze, before).as_micros();
                at.as_micros() < end + (end - from)
            })
    }

    /// How long one of some subjects was frozen from one instant to another, in microseconds;
    /// overlapping freezes count once. AUTH-16
    pub(super) fn frozen_micros(
        &self,
        subjects: &[Subject],
        from: Timestamp,
        to: Timestamp,
    ) -> u64 {
        let concerns = |target: &FreezeTarget| subjects.iter().any(|it| covers(target, it));
        let own = self.freezes.iter().filter(|it| concerns(&it.target));
        let mut spans: Vec<(u64, u64)> = own
            .map(|it| (it.from.max(from), self.freeze_end(it, NOW).min(to)))
            .map(|(start, end)| (start.as_micros(), end.as_micros()))
            .filter(|(start, end)| start < end)
            .collect();
        spans.sort_unstable();
        let mut sum = 0;
        let mut counted_to = 0;
        for (start, end) in spans {
            let start = start.max(counted_to);
            if start < end {
                sum += end - start;
                counted_to = end;
            }
        }
        sum
    }

    /// Whether a freeze holds back what an action would do. AUTH-15
    pub(super) fn is_held(&self, action: &Action, at: Timestamp) -> bool {
        let held = self.subjects_that_hold(action);
        held.iter().any(|subject| self.is_frozen(subject, at))
    }

    /// The subjects whose freeze holds an action back: whom it would grant something, and those
    /// whose grants it would pass on. AUTH-15
    pub(super) fn subjects_that_hold(&self, action: &Action) -> Vec<Subject> {
        match action {
            Action::AuthorizeModel(terms) | Action::AuthorizeAgent(terms) => {
                vec![terms.subject.clone()]
            }
            Action::Delegation(delegation) => {
                let mut subjects = vec![delegation.terms.subject.clone()];
                let parent = self.grant(delegation.parent);
                for grant in parent.map_or(Vec::new(), |parent| self.lineage(parent)) {
                    subjects.push(grant.terms.subject.clone());
                }
                subjects
            }
            _ => Vec::new(),
        }
    }

    /// AUTH-21
    pub(super) fn may_delegate(&self, delegation: &DelegationTerms, at: Timestamp) -> bool {
        let terms = &delegation.terms;
        let Some(parent) = self.grant(delegation.parent) else {
            return false;
        };
        let lineage = self.lineage(parent);
        let over = |it: &&Granted| {
            self.is_revoked(it.id) || it.terms.expires_at.is_some_and(|end| at >= end)
        };
        let depth = self.policy(NOW).delegation_depth;
        parent.kind != AuthorizationKind::Model
            && !lineage.iter().any(over)
            && is_no_wider(terms, &parent.terms)
            && lineage.len() as u64 <= depth
            && !lineage.iter().any(|it| it.terms.subject == terms.subject)
    }
}

fn covers(target: &FreezeTarget, subject: &Subject) -> bool {
    match target {
        FreezeTarget::Everything => true,
        FreezeTarget::Subject(it) => it == subject,
    }
}

fn overlap(one: &FreezeTarget, other: &FreezeTarget) -> bool {
    *one == FreezeTarget::Everything || *other == FreezeTarget::Everything || one == other
}

fn values(context: &CheckContext) -> BTreeMap<String, String> {
    let json = serde_json::to_value(context).unwrap_or_default();
    serde_json::from_value(json).unwrap_or_default()
}

/// AUTH-6
fn admits(scope: &Scope, context: &BTreeMap<String, String>) -> bool {
    for (key, dimension) in scope.dimensions() {
        if let Dimension::Values(allowed) = dimension {
            match context.get(key.as_str()) {
                Some(value) if allowed.contains(value) => {}
                _ => return false,
            }
        }
    }
    true
}

/// AUTH-21, row 4.
fn is_no_wider(inner: &GrantTerms, outer: &GrantTerms) -> bool {
    if let Some(start) = outer.not_before {
        match inner.not_before {
            Some(it) if it >= start => {}
            _ => return false,
        }
    }
    if let Some(end) = outer.expires_at {
        match inner.expires_at {
            Some(it) if it <= end => {}
            _ => return false,
        }
    }
    for (key, outer) in outer.scope.dimensions() {
        let inner = inner.scope.dimensions().find(|(it, _)| *it == key);
        let narrow = match (inner.map(|(_, it)| it), outer) {
            (Some(Dimension::Values(inner)), Dimension::Values(outer)) => {
                inner.iter().all(|value| outer.contains(value))
            }
            (Some(Dimension::Limit(inner)), Dimension::Limit(outer)) => inner <= outer,
            _ => false,
        };
        if !narrow {
            return false;
        }
    }
    true
}
