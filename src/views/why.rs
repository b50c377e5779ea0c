//! Why a subject may act, or may not: grant, decision, ballots and keys.

use std::collections::BTreeMap;

use serde::Serialize;

use super::View;
use crate::governance::id::Subject;
use crate::governance::kind::AuthorizationKind;
use crate::governance::provenance::{FreezeOrigin, GrantOrigin};
use crate::governance::scope::CheckContext;
use crate::governance::state::State;
use crate::governance::state::authorization::CheckReason;
use crate::governance::time::Timestamp;

/// The answer, and everything that it comes from.
#[derive(Debug, Clone, Serialize)]
pub struct WhyView {
    /// Whether the subject may act.
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
    /// The freezes that are on and cover the subject.
    pub freezes: Vec<FreezeOrigin>,
    /// All grants of the subject and kind, in the order in which they were given.
    pub grants: Vec<GrantOrigin>,
}

impl WhyView {
    /// The answer as of `at`, from all that `state` knows.
    #[must_use]
    pub fn of(
        kind: AuthorizationKind,
        subject: &Subject,
        context: &CheckContext,
        state: &State,
        at: Timestamp,
    ) -> Self {
        let why = state.why(kind, subject, context, at);
        Self {
            allowed: why.outcome.is_allowed(),
            reason: why.outcome.reason,
            subject: subject.clone(),
            kind,
            at,
            as_of_seq: state.entries(),
            obligations: why.outcome.obligations,
            freezes: why.freezes,
            grants: why.grants,
        }
    }
}

impl View for WhyView {
    const SCHEMA: &'static str = "althing.authorization-why/1";
}
