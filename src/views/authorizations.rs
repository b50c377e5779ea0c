//! Grants, and the answer to "may this subject act?".

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::Serialize;

use super::View;
use crate::governance::id::{GrantId, Subject};
use crate::governance::kind::AuthorizationKind;
use crate::governance::scope::{CheckContext, Scope};
use crate::governance::state::State;
use crate::governance::state::authorization::{CheckOutcome, CheckReason, GrantStatus};
use crate::governance::time::Timestamp;

/// One grant.
#[derive(Debug, Clone, Serialize)]
pub struct GrantView {
    /// The grant, by the proposal that gave it.
    pub id: GrantId,
    /// The model or agent.
    pub subject: Subject,
    /// What it may act as.
    pub kind: AuthorizationKind,
    /// Whether it holds.
    pub status: GrantStatus,
    /// The grant that it passes on a part of.
    pub parent: Option<GrantId>,
    /// Within which limits.
    pub scope: Scope,
    /// From when.
    pub not_before: Option<Timestamp>,
    /// Until when, exclusively.
    pub expires_at: Option<Timestamp>,
    /// The entry that gave it.
    pub granted_seq: u64,
    /// When it was given.
    pub granted_at: Timestamp,
}

impl GrantView {
    /// The grant as of `at`; `None` where there is none with this id.
    #[must_use]
    pub fn of(id: GrantId, state: &State, at: Timestamp) -> Option<Self> {
        let grant = state.authorizations().get(id)?;
        let terms = grant.terms();
        Some(Self {
            id,
            subject: terms.subject.clone(),
            kind: grant.kind(),
            status: state.authorizations().status(id, at)?,
            parent: grant.parent(),
            scope: terms.scope.clone(),
            not_before: terms.not_before,
            expires_at: terms.expires_at,
            granted_seq: grant.granted_seq(),
            granted_at: grant.granted_at(),
        })
    }

    /// All grants as of `at`, in the order in which they were given.
    #[must_use]
    pub fn all(state: &State, at: Timestamp) -> Vec<Self> {
        state
            .authorizations()
            .iter()
            .filter_map(|(id, _)| Self::of(id, state, at))
            .collect()
    }
}

/// All grants.
#[derive(Debug, Clone, Serialize)]
pub struct AuthorizationList {
    /// When each status holds.
    pub at: Timestamp,
    /// The grants, in the order in which they were given.
    pub authorizations: Vec<GrantView>,
}

impl AuthorizationList {
    /// All grants as of `at`.
    #[must_use]
    pub fn of(state: &State, at: Timestamp) -> Self {
        Self {
            at,
            authorizations: GrantView::all(state, at),
        }
    }
}

impl View for AuthorizationList {
    const SCHEMA: &'static str = "althing.authorizations/1";
}

/// Whether a subject may act.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// Whether it may.
    pub allowed: bool,
    /// Why, or why not.
    pub reason: CheckReason,
    /// Who wants to act.
    pub subject: Subject,
    /// As what.
    pub kind: AuthorizationKind,
    /// When.
    pub at: Timestamp,
    /// The last entry that the answer knows of.
    pub as_of_seq: u64,
    /// Limits that whoever asks has to keep.
    pub obligations: BTreeMap<String, u64>,
}

impl Answer {
    /// The answer that `outcome` is, as of `at`, from all that `state` knows.
    pub(super) fn of(
        kind: AuthorizationKind,
        subject: &Subject,
        outcome: CheckOutcome,
        state: &State,
        at: Timestamp,
    ) -> Self {
        Self {
            allowed: outcome.is_allowed(),
            reason: outcome.reason,
            subject: subject.clone(),
            kind,
            at,
            as_of_seq: state.entries(),
            obligations: outcome.obligations,
        }
    }
}

/// The answer to a check. What it shares with [`WhyView`](super::why::WhyView) is read as its own.
#[derive(Debug, Clone, Serialize)]
pub struct CheckView {
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// The grants that the answer rests on.
    pub grants: Vec<GrantView>,
}

impl Deref for CheckView {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl CheckView {
    /// The answer as of `at`, from all that `state` knows.
    #[must_use]
    pub fn of(
        kind: AuthorizationKind,
        subject: &Subject,
        context: &CheckContext,
        state: &State,
        at: Timestamp,
    ) -> Self {
        let outcome = state.authorizations().check(kind, subject, context, at);
        let grants = outcome.grants.iter();
        Self {
            grants: grants
                .filter_map(|id| GrantView::of(*id, state, at))
                .collect(),
            answer: Answer::of(kind, subject, outcome, state, at),
        }
    }
}

impl View for CheckView {
    const SCHEMA: &'static str = "althing.authorization-check/1";
}
