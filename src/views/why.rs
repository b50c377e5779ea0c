//! Why a subject may act, or may not: grant, decision, ballots and keys.

use std::ops::Deref;

use serde::Serialize;

use super::View;
use super::authorizations::Answer;
use crate::governance::id::Subject;
use crate::governance::kind::AuthorizationKind;
use crate::governance::provenance::{FreezeOrigin, GrantOrigin};
use crate::governance::scope::CheckContext;
use crate::governance::state::State;
use crate::governance::time::Timestamp;

/// The answer, and everything that it comes from. What it shares with
/// [`CheckView`](super::authorizations::CheckView) is read as its own.
#[derive(Debug, Clone, Serialize)]
pub struct WhyView {
    /// The answer.
    #[serde(flatten)]
    pub answer: Answer,
    /// The freezes that are on and cover the subject.
    pub freezes: Vec<FreezeOrigin>,
    /// All grants of the subject and kind, in the order in which they were given.
    pub grants: Vec<GrantOrigin>,
}

impl Deref for WhyView {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
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
            answer: Answer::of(kind, subject, why.outcome, state, at),
            freezes: why.freezes,
            grants: why.grants,
        }
    }
}

impl View for WhyView {
    const SCHEMA: &'static str = "althing.authorization-why/1";
}
