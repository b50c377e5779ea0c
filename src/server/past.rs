//! What held at a point of the history: replayed when it is asked for, a few at a time, and the last ones
//! remembered.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use tokio::sync::{Semaphore, watch};

use super::problem::Problem;
use super::published::Published;
use super::service::Service;
use crate::clock::system_time;
use crate::governance::digest::Digest;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::identity::MlDsaVerifier;
use crate::node::past::{Asked, At, NoSuchPoint, PastReplay, TwoEntries};
use crate::node::snapshots::Snapshots;

/// How many pasts are remembered. A past never changes: nothing is ever recorded before the last entry.
const REMEMBERED: usize = 8;

/// A ledger as of a point in its history, or as it is now.
pub(super) struct Moment {
    source: Source,
    /// The time to judge at.
    pub(super) at: Timestamp,
}

enum Source {
    Now(Arc<Published>),
    Then(Arc<Then>),
}

/// What was replayed.
struct Then {
    state: State,
    head: Digest,
}

impl Moment {
    /// What held.
    pub(super) fn state(&self) -> &State {
        match &self.source {
            Source::Now(now) => &now.state,
            Source::Then(then) => &then.state,
        }
    }

    /// The hash of the last entry that counts.
    pub(super) fn head(&self) -> Digest {
        match &self.source {
            Source::Now(now) => now.head.hash,
            Source::Then(then) => then.head,
        }
    }
}

impl From<NoSuchPoint> for Problem {
    fn from(error: NoSuchPoint) -> Self {
        Self::not_found(error.code(), error.to_string())
            .hint("GET /v1/ledger says how many entries there are")
    }
}

impl From<TwoEntries> for Problem {
    fn from(error: TwoEntries) -> Self {
        Self::bad_request(error.code(), error.to_string())
            .hint("as_known_at names an entry already: give at a time")
    }
}

/// Where pasts come from.
pub(super) struct Pasts {
    snapshots: Option<Snapshots>,
    /// Who may replay.
    places: Arc<Semaphore>,
    /// The last ones, the newest at the end.
    known: Mutex<VecDeque<(At, Arc<Then>)>>,
}

impl Pasts {
    pub(super) fn new(snapshots: Option<Snapshots>, at_once: usize) -> Self {
        Self {
            snapshots,
            places: Arc::new(Semaphore::new(at_once)),
            known: Mutex::default(),
        }
    }

    fn recall(&self, at: At) -> Option<Arc<Then>> {
        // Nothing that can panic happens under this lock.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = known.iter().position(|(known, _)| *known == at)?;
        let found = known.remove(place)?;
        let then = Arc::clone(&found.1);
        known.push_back(found);
        Some(then)
    }

    fn remember(&self, at: At, then: &Arc<Then>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.pop_front();
        }
        known.push_back((at, Arc::clone(then)));
    }
}

/// Whether anybody still waits for an answer.
struct Waiting {
    has_gone: Arc<AtomicBool>,
    ending: watch::Receiver<bool>,
}

impl Waiting {
    fn check(&self) -> Result<(), Problem> {
        if *self.ending.borrow() {
            return Err(super::service::ending());
        }
        if self.has_gone.load(Ordering::Relaxed) {
            return Err(Problem::busy("request.gone", "the client has gone"));
        }
        Ok(())
    }
}

/// Says that the client has gone, when the request is dropped.
struct Gone(Arc<AtomicBool>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Service {
    /// The ledger as of what is asked for.
    pub(super) async fn moment(self: &Arc<Self>, asked: Asked) -> Result<Moment, Problem> {
        let now = self.now()?;
        let clock = now.state.clock();
        let present = system_time().max(clock);
        if let Some(at) = asked.judged.filter(|at| *at > present) {
            return Err(after_now(at, present));
        }
        let Some(known) = asked.known else {
            let source = Source::Now(now);
            return Ok(Moment {
                source,
                at: present,
            });
        };
        let last = now.head.seq;
        let is_all = match known {
            At::Seq(seq) if seq > last => return Err(NoSuchPoint.into()),
            At::Seq(seq) => seq == last,
            At::Time(time) => time >= clock,
        };
        let source = if is_all {
            Source::Now(now)
        } else {
            Source::Then(self.then(known, last).await?)
        };
        let mut moment = Moment { source, at: clock };
        moment.at = (asked.judged).unwrap_or_else(|| moment.state().clock());
        Ok(moment)
    }

    /// What held at a point before entry `last`.
    async fn then(self: &Arc<Self>, at: At, last: u64) -> Result<Arc<Then>, Problem> {
        if let Some(then) = self.pasts().recall(at) {
            return Ok(then);
        }
        let place = Arc::clone(&self.pasts().places).try_acquire_owned();
        let place = place.map_err(|_| {
            Problem::busy("limit.pasts", "too many requests replay the past just now")
        })?;
        let has_gone = Arc::new(AtomicBool::new(false));
        let _gone = Gone(Arc::clone(&has_gone));
        let waiting = Waiting {
            has_gone,
            ending: self.ending(),
        };
        let service = Arc::clone(self);
        let replayed = self.read(move || {
            let _place = place;
            service.replay(at, last, &waiting)
        });
        let then = Arc::new(replayed.await?);
        self.pasts().remember(at, &then);
        Ok(then)
    }

    fn replay(&self, at: At, last: u64, waiting: &Waiting) -> Result<Then, Problem> {
        let found = (self.pasts().snapshots.as_ref()).map(|snapshots| snapshots.find_before(at));
        let found = found.unwrap_or_default();
        for ignored in &found.ignored {
            let code = ignored.reason.code();
            tracing::warn!(seq = ignored.seq, code, "a snapshot is ignored");
        }
        let from = (found.snapshot.as_ref()).map_or(0, |snapshot| snapshot.header().seq);
        let mut replay = PastReplay::new(&MlDsaVerifier, found.snapshot, at);
        let unreadable = |error| Problem::internal("ledger.io", &error);
        for line in (self.entries().range(from + 1, last)).map_err(unreadable)? {
            waiting.check()?;
            let taken = replay.line(&line.map_err(unreadable)?);
            if !taken.map_err(|error| Problem::internal(error.code(), &error))? {
                break;
            }
        }
        let (state, head) = replay.end()?;
        Ok(Then { state, head })
    }
}

fn after_now(at: Timestamp, now: Timestamp) -> Problem {
    let message = format!("expected a time that has come, at most {now}, found {at}");
    Problem::new(StatusCode::BAD_REQUEST, "history.after-now", message)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::governance::command::Command;
    use crate::governance::key::Algorithm;
    use crate::governance::policy::Policy;
    use crate::ledger::{FileLedger, Wait};
    use crate::node::Node;
    use crate::node::reported::Intake;
    use crate::server::{Access, Config, Limits};
    use crate::testing::{Signatures, founding, genesis, prediction};

    /// A service on a ledger of three entries and 30 predictions.
    fn service(dir: &Path, pasts: usize) -> Arc<Service> {
        let signatures = Signatures::MlDsa(Algorithm::MlDsa44);
        let founding = founding(&[1], Policy::default(), signatures);
        let at = founding.created_at;
        let genesis = genesis(founding, signatures);
        let mut node = Node::found(FileLedger::create(dir).unwrap(), &genesis, at).unwrap();
        for _ in 0..30 {
            let command = Command::RecordPrediction(prediction("did:example:triage"));
            node.submit(&command, at).unwrap();
        }
        let service = Service::new(Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            insecure: false,
            access: Access::Open,
            signer: None,
            ledger: dir.to_owned(),
            snapshots: None,
            intake: Intake::new(dir),
            wait: Wait::No,
            limits: Limits {
                pasts,
                ..Limits::default()
            },
            grace: std::time::Duration::ZERO,
        });
        let published = Published::of(&node);
        service.shown().send_replace(Some(Arc::new(published)));
        Arc::new(service)
    }

    fn asked(seq: u64) -> Asked {
        Asked::new(None, Some(At::Seq(seq))).unwrap()
    }

    fn code(outcome: Result<Moment, Problem>) -> String {
        let problem = serde_json::to_value(outcome.err()).unwrap();
        problem["code"].as_str().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn the_last_pasts_are_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let service = service(&dir.path().join("ledger"), 1);
        let last = service.now().unwrap().head.seq;
        for seq in 3..last {
            let moment = service.moment(asked(seq)).await.unwrap();
            assert_eq!(moment.state().entries(), seq);
        }
        let count = || service.pasts().known.lock().unwrap().len();
        assert_eq!(count(), REMEMBERED);
        // What is remembered needs nobody who replays, nor the files.
        let _place = Arc::clone(&service.pasts().places).try_acquire_owned();
        std::fs::remove_dir_all(dir.path()).unwrap();
        let oldest = last - REMEMBERED as u64;
        let moment = service.moment(asked(oldest)).await.unwrap();
        assert_eq!(moment.state().entries(), oldest);
        assert_eq!(code(service.moment(asked(oldest - 1)).await), "limit.pasts");
        assert_eq!(count(), REMEMBERED);
    }

    #[tokio::test]
    async fn a_replay_ends_with_whoever_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let service = service(&dir.path().join("ledger"), 1);
        let mut waiting = Waiting {
            has_gone: Arc::default(),
            ending: service.ending(),
        };
        assert!(service.replay(At::Seq(9), 9, &waiting).is_ok());
        drop(Gone(Arc::clone(&waiting.has_gone)));
        assert!(service.replay(At::Seq(9), 9, &waiting).is_err());
        waiting.has_gone = Arc::default();
        service.end();
        assert!(service.replay(At::Seq(9), 9, &waiting).is_err());
        assert_eq!(code(service.moment(asked(9)).await), "server.ending");
        // The place is free again.
        assert_eq!(service.pasts().places.available_permits(), 1);
    }
}
