//! Grants, and the answer to "may this subject do that, here and now?".
//!
//! Specification, "Authorization".

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::freeze::Freezes;
use crate::governance::id::{GrantId, ProposalId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::proposal::GrantTerms;
use crate::governance::scope::{CheckContext, ScopeKey};
use crate::governance::time::Timestamp;

/// All grants that ever were, in the order in which they were given, and the freezes over them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authorizations {
    pub(in crate::governance) freezes: Freezes,
    grants: IndexMap<GrantId, Grant>,
    by_subject: BTreeMap<AuthorizationKind, BTreeMap<Subject, SubjectRecord>>,
}

/// What is known of one subject's authorizations of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SubjectRecord {
    grants: Vec<GrantId>,
    /// The entry of the last revocation that ended all grants.
    revoked_at: Option<u64>,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub(in crate::governance) kind: AuthorizationKind,
    pub(in crate::governance) parent: Option<GrantId>,
    pub(in crate::governance) terms: GrantTerms,
    pub(in crate::governance) granted_seq: u64,
    pub(in crate::governance) granted_at: Timestamp,
    pub(in crate::governance) revoked: Option<Revoked>,
}

/// When and by what a grant was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// The revoking proposal.
    pub by: ProposalId,
    /// The entry that records it.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
}

/// Whether a grant holds at some instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantStatus {
    /// It was ended by a decision.
    Revoked,
    /// Its time is over.
    Expired,
    /// Its time is yet to come.
    NotYetValid,
    /// A grant that it was passed on from does not hold.
    ParentNotLive,
    /// Its subject is frozen.
    Frozen,
    /// It holds.
    Live,
}

impl GrantStatus {
    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::ParentNotLive => "parent-not-live",
            Self::Frozen => "frozen",
            Self::Live => "live",
        }
    }
}

impl Grant {
    /// What is allowed.
    #[must_use]
    pub const fn kind(&self) -> AuthorizationKind {
        self.kind
    }

    /// The grant that a part of is passed on, for a delegation.
    #[must_use]
    pub const fn parent(&self) -> Option<GrantId> {
        self.parent
    }

    /// To whom, within which limits.
    #[must_use]
    pub const fn terms(&self) -> &GrantTerms {
        &self.terms
    }

    /// The entry that gave it.
    #[must_use]
    pub const fn granted_seq(&self) -> u64 {
        self.granted_seq
    }

    /// When it was given.
    #[must_use]
    pub const fn granted_at(&self) -> Timestamp {
        self.granted_at
    }

    /// When and by what it was revoked, if it was.
    #[must_use]
    pub const fn revoked(&self) -> Option<&Revoked> {
        self.revoked.as_ref()
    }

    /// Whether it would hold at `at` if it depended on nothing else. All periods include their
    /// start and exclude their end.
    fn own_status(&self, at: Timestamp) -> GrantStatus {
        if self.revoked.is_some() {
            GrantStatus::Revoked
        } else if self.terms.expires_at.is_some_and(|end| at >= end) {
            GrantStatus::Expired
        } else if self.terms.not_before.is_some_and(|start| at < start) {
            GrantStatus::NotYetValid
        } else {
            GrantStatus::Live
        }
    }
}

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOutcome {
    /// Why the subject may, or may not.
    pub reason: CheckReason,
    /// The grants that allow it, or those that come closest, in the order in which they were
    /// given.
    pub grants: Vec<GrantId>,
    /// The limits that the caller takes on, the strictest of each name.
    pub obligations: BTreeMap<String, u64>,
}

impl CheckOutcome {
    /// Whether the subject may act.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self.reason, CheckReason::Granted)
    }
}

/// The answer to a check, borrowed from the state.
#[derive(Debug, Clone, Copy)]
pub struct Judged<'a> {
    reason: CheckReason,
    authorizations: &'a Authorizations,
    /// All grants of the subject; none where it is frozen.
    grants: &'a [GrantId],
    context: &'a CheckContext,
    at: Timestamp,
}

impl<'a> Judged<'a> {
    /// Why the subject may, or may not.
    #[must_use]
    pub const fn reason(&self) -> CheckReason {
        self.reason
    }

    /// Whether the subject may act.
    #[must_use]
    pub const fn is_allowed(&self) -> bool {
        matches!(self.reason, CheckReason::Granted)
    }

    /// The grants that allow it, or those that come closest, in the order in which they were given.
    pub fn grants(self) -> impl Iterator<Item = (GrantId, &'a Grant)> {
        let found = self.grants.iter();
        let found = found.filter_map(move |id| Some((*id, self.authorizations.get(*id)?)));
        found.filter(move |(_, grant)| {
            let Self {
                context,
                at,
                reason,
                ..
            } = self;
            self.authorizations.reason(grant, context, at) == reason
        })
    }

    /// The limits that the caller takes on, those of the grants that allow it and of all that these
    /// were passed on from. Of each name the strictest holds.
    pub fn obligations(self) -> impl Iterator<Item = (&'a ScopeKey, u64)> {
        let allowing = self.is_allowed().then(|| self.grants());
        allowing.into_iter().flatten().flat_map(move |(id, _)| {
            let lineage = self.authorizations.lineage(id);
            lineage.flat_map(|(_, grant)| grant.terms.scope.obligations())
        })
    }
}

/// Why a check allows or denies. From the most distant denial to the permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckReason {
    /// No grant of this subject and kind was ever given.
    NoGrant,
    /// Every grant was revoked.
    Revoked,
    /// A grant's time is over.
    Expired,
    /// A grant's time is yet to come.
    NotYetValid,
    /// A grant that this one was passed on from does not hold.
    ParentNotLive,
    /// A grant is live, but the context is outside its scope.
    OutOfScope,
    /// A live grant covers the context.
    Granted,
    /// The subject is frozen, whatever grants it has.
    Frozen,
}

impl CheckReason {
    /// The stable string.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoGrant => "no-grant",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::ParentNotLive => "parent-not-live",
            Self::OutOfScope => "out-of-scope",
            Self::Granted => "granted",
            Self::Frozen => "frozen",
        }
    }
}

impl Authorizations {
    /// The most grants of one kind that one subject may have at once, so that a revocation of all of
    /// them always fits in one line.
    pub const MAX_GRANTS: usize = 1_000;

    /// A grant by its id.
    #[must_use]
    pub fn get(&self, grant: GrantId) -> Option<&Grant> {
        self.grants.get(&grant)
    }

    /// All grants in the order in which they were given.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (GrantId, &Grant)> {
        self.grants.iter().map(|(id, grant)| (*id, grant))
    }

    /// The grants of one subject and kind, in the order in which they were given.
    pub fn of<'a>(
        &'a self,
        kind: AuthorizationKind,
        subject: &Subject,
    ) -> impl Iterator<Item = (GrantId, &'a Grant)> + use<'a> {
        self.record(kind, subject)
            .into_iter()
            .flat_map(|record| &record.grants)
            .filter_map(|id| Some((*id, self.grants.get(id)?)))
    }

    fn record(&self, kind: AuthorizationKind, subject: &Subject) -> Option<&SubjectRecord> {
        self.by_subject.get(&kind)?.get(subject)
    }

    fn record_mut(&mut self, kind: AuthorizationKind, subject: &Subject) -> &mut SubjectRecord {
        let of_kind = self.by_subject.entry(kind).or_default();
        of_kind.entry(subject.clone()).or_default()
    }

    /// The freezes, past and present.
    #[must_use]
    pub const fn freezes(&self) -> &Freezes {
        &self.freezes
    }

    /// A grant, then the one that it was passed on from, and so on up to the root.
    pub fn lineage(&self, grant: GrantId) -> impl Iterator<Item = (GrantId, &Grant)> {
        std::iter::successors(Some(grant), |id| self.get(*id)?.parent)
            .filter_map(|id| Some((id, self.get(id)?)))
    }

    /// Whether a grant holds at `at`: neither it nor any that it was passed on from is revoked,
    /// over, yet to come or frozen.
    #[must_use]
    pub fn status(&self, id: GrantId, at: Timestamp) -> Option<GrantStatus> {
        self.get(id).map(|grant| self.status_of(grant, at))
    }

    fn status_of(&self, grant: &Grant, at: Timestamp) -> GrantStatus {
        let own = grant.own_status(at);
        if own != GrantStatus::Live {
            return own;
        }
        if self.freezes.is_frozen(&grant.terms.subject, at) {
            return GrantStatus::Frozen;
        }
        let ancestors_hold = self.ancestors(grant).all(|ancestor| {
            let frozen = self.freezes.is_frozen(&ancestor.terms.subject, at);
            ancestor.own_status(at) == GrantStatus::Live && !frozen
        });
        if ancestors_hold {
            GrantStatus::Live
        } else {
            GrantStatus::ParentNotLive
        }
    }

    /// The grants that `grant` was passed on from, up to the root.
    fn ancestors(&self, grant: &Grant) -> impl Iterator<Item = &Grant> {
        let parent = grant.parent.into_iter();
        parent.flat_map(|id| self.lineage(id).map(|(_, grant)| grant))
    }

    /// Whether `subject` may act in `context` at `at`, with the reason.
    ///
    /// The context is the caller's claim: nothing here can check it.
    #[must_use]
    pub fn check(
        &self,
        kind: AuthorizationKind,
        subject: &Subject,
        context: &CheckContext,
        at: Timestamp,
    ) -> CheckOutcome {
        let judged = self.judge(kind, subject, context, at);
        let mut outcome = CheckOutcome {
            reason: judged.reason(),
            grants: Vec::new(),
            obligations: BTreeMap::new(),
        };
        for (id, _) in judged.grants() {
            outcome.grants.push(id);
            if judged.is_allowed() {
                self.add_obligations(id, &mut outcome.obligations);
            }
        }
        outcome
    }

    /// As [`check`](Self::check), for those who ask often: nothing is allocated.
    #[must_use]
    pub fn judge<'a>(
        &'a self,
        kind: AuthorizationKind,
        subject: &Subject,
        context: &'a CheckContext,
        at: Timestamp,
    ) -> Judged<'a> {
        let record = self.record(kind, subject);
        let grants = record.map_or(&[][..], |record| &record.grants);
        let mut judged = Judged {
            reason: CheckReason::Frozen,
            authorizations: self,
            grants: &[],
            context,
            at,
        };
        if !self.freezes.is_frozen(subject, at) {
            let found = grants.iter().filter_map(|id| self.get(*id));
            let reasons = found.map(|grant| self.reason(grant, context, at));
            judged.reason = reasons.max().unwrap_or(CheckReason::NoGrant);
            judged.grants = grants;
        }
        judged
    }

    /// The first grant under which `subject` may act in `context` at `at`.
    #[must_use]
    pub fn in_force(
        &self,
        kind: AuthorizationKind,
        subject: &Subject,
        context: &CheckContext,
        at: Timestamp,
    ) -> Option<GrantId> {
        self.of(kind, subject)
            .find(|(_, grant)| self.reason(grant, context, at) == CheckReason::Granted)
            .map(|(id, _)| id)
    }

    /// The grants of one subject and kind that are not revoked, in the order in which they were
    /// given. Those whose time is over or yet to come are among them.
    #[must_use]
    pub fn unrevoked(&self, kind: AuthorizationKind, subject: &Subject) -> Vec<GrantId> {
        self.of(kind, subject)
            .filter(|(_, grant)| grant.revoked.is_none())
            .map(|(id, _)| id)
            .collect()
    }

    /// Whether all grants of this subject and kind were revoked after entry `seq`.
    #[must_use]
    pub fn was_revoked_after(&self, seq: u64, kind: AuthorizationKind, subject: &Subject) -> bool {
        self.record(kind, subject)
            .and_then(|record| record.revoked_at)
            .is_some_and(|revoked_at| revoked_at > seq)
    }

    pub(in crate::governance) fn add(&mut self, id: GrantId, grant: Grant) {
        let record = self.record_mut(grant.kind, &grant.terms.subject);
        record.grants.push(id);
        self.grants.insert(id, grant);
    }

    pub(in crate::governance) fn revoke(&mut self, grant: GrantId, revoked: Revoked) {
        if let Some(grant) = self.grants.get_mut(&grant) {
            grant.revoked = Some(revoked);
        }
    }

    /// Notes that everything of this subject and kind ended at entry `seq`.
    pub(in crate::governance) fn note_revocation(
        &mut self,
        kind: AuthorizationKind,
        subject: &Subject,
        seq: u64,
    ) {
        self.record_mut(kind, subject).revoked_at = Some(seq);
    }

    pub(in crate::governance) fn revocations(
        &self,
    ) -> impl Iterator<Item = (AuthorizationKind, &Subject, u64)> {
        let records = self.by_subject.iter().flat_map(|(kind, of_kind)| {
            let of_kind = of_kind.iter();
            of_kind.map(|(subject, record)| (*kind, subject, record))
        });
        records.filter_map(|(kind, subject, record)| Some((kind, subject, record.revoked_at?)))
    }
}

impl Authorizations {
    fn reason(&self, grant: &Grant, context: &CheckContext, at: Timestamp) -> CheckReason {
        match self.status_of(grant, at) {
            GrantStatus::Revoked => CheckReason::Revoked,
            GrantStatus::Expired => CheckReason::Expired,
            GrantStatus::NotYetValid => CheckReason::NotYetValid,
            GrantStatus::ParentNotLive => CheckReason::ParentNotLive,
            GrantStatus::Frozen => CheckReason::Frozen,
            GrantStatus::Live if self.admits(grant, context) => CheckReason::Granted,
            GrantStatus::Live => CheckReason::OutOfScope,
        }
    }

    /// Whether the scope of the grant and of each that it was passed on from admits the context.
    fn admits(&self, grant: &Grant, context: &CheckContext) -> bool {
        let all_admit = || {
            self.ancestors(grant)
                .all(|it| it.terms.scope.admits(context))
        };
        grant.terms.scope.admits(context) && all_admit()
    }

    /// Adds the limits of a grant and of those that it was passed on from. The strictest limit of
    /// each name holds, so that a caller who keeps to it is covered by every grant that allows it.
    fn add_obligations(&self, grant: GrantId, obligations: &mut BTreeMap<String, u64>) {
        let limits = self
            .lineage(grant)
            .flat_map(|(_, grant)| grant.terms.scope.obligations());
        for (key, limit) in limits {
            let known = obligations.entry(key.as_str().to_owned()).or_insert(limit);
            *known = (*known).min(limit);
        }
    }
}
