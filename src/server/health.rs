//! Whether the writer can take up the ledger.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::problem::Problem;
use crate::ledger::{OpenError, Wait};
use crate::node::NodeError;

/// The shortest and the longest pause between two attempts to take up a ledger that failed.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(3);

/// What keeps the writer from its ledger, as everyone is told.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Option<(&'static str, String)>>);

impl Health {
    /// # Errors
    /// A [`Problem`] while the ledger can't be taken up.
    pub(super) fn check(&self) -> Result<(), Problem> {
        let said = self.lock();
        said.as_ref().map_or(Ok(()), |(code, message)| {
            Err(Problem::busy(code, message.clone())
                .hint("what is shown is the ledger as it was; nothing can be written"))
        })
    }

    fn say(&self, trouble: Option<(&'static str, String)>) {
        *self.lock() = trouble;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(&'static str, String)>> {
        // Nothing that can panic happens under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the writer remembers of its failures.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// Since when somebody else has been writing.
    busy_since: Option<Instant>,
    /// When to try again, and how long to wait after that.
    next: Option<(Instant, Duration)>,
}

impl Failures {
    /// Whether the ledger failed, and it is time to try again.
    pub(super) fn is_due(&self, now: Instant) -> Option<bool> {
        self.next.map(|(next, _)| now >= next)
    }

    /// The ledger was taken up.
    pub(super) fn end(&mut self, health: &Health) {
        if self.next.take().is_some() {
            tracing::info!("the ledger can be written to again");
            health.say(None);
        }
        self.busy_since = None;
    }

    /// Something failed. Others may write for as long as writes are patient with them.
    pub(super) fn add(&mut self, error: &NodeError, wait: Wait, health: &Health, now: Instant) {
        if is_busy(error) {
            let since = *self.busy_since.get_or_insert(now);
            let patience = match wait {
                Wait::No => Duration::ZERO,
                Wait::For(patience) => patience,
            };
            if self.next.is_none() && now.saturating_duration_since(since) < patience {
                return;
            }
        } else if !is_of_the_ledger(error) {
            return;
        }
        let code = error.code();
        if self.next.is_none() {
            tracing::error!(code, %error, "the ledger can't be written to");
        }
        let pause = self.next.map_or(SHORTEST, |(_, pause)| pause);
        self.next = Some((now + pause, (pause * 2).min(LONGEST)));
        health.say(Some((code, error.to_string())));
    }
}

const fn is_busy(error: &NodeError) -> bool {
    matches!(error, NodeError::Open(OpenError::InUse { .. }))
}

/// Whether it is the ledger that fails, and not what was to be written.
const fn is_of_the_ledger(error: &NodeError) -> bool {
    matches!(
        error,
        NodeError::Open(_)
            | NodeError::Replay(_)
            | NodeError::Append(_)
            | NodeError::Io(_)
            | NodeError::OutOfStep
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::governance::rejection::Rejection;

    #[test]
    fn others_may_write_for_a_while_and_failures_are_tried_ever_more_seldom() {
        let (mut failures, health) = (Failures::default(), Health::default());
        let busy = NodeError::Open(OpenError::InUse {
            path: PathBuf::new(),
            pid: None,
        });
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let wait = Wait::For(Duration::from_secs(2));
        failures.add(&busy, wait, &health, start);
        failures.add(&busy, wait, &health, after(1_999));
        assert!(health.check().is_ok());
        assert_eq!(failures.is_due(after(1_999)), None);
        failures.end(&health);
        failures.add(&busy, wait, &health, after(2_500));
        assert!(health.check().is_ok(), "it was free in between");
        failures.add(&busy, wait, &health, after(4_500));
        assert!(health.check().is_err());
        let mut last = 4_500;
        for pause in [200, 400, 800, 1_600, 3_000, 3_000] {
            assert_eq!(failures.is_due(after(last + pause - 1)), Some(false));
            last += pause;
            assert_eq!(failures.is_due(after(last)), Some(true));
            failures.add(&NodeError::OutOfStep, wait, &health, after(last));
        }
        failures.end(&health);
        assert!(health.check().is_ok());
        assert_eq!(failures.is_due(after(last)), None);
        let refused = NodeError::Refused(Rejection::NoFounders);
        failures.add(&refused, wait, &health, after(last));
        assert!(health.check().is_ok());
    }
}
