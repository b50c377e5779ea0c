//! What every request is answered from.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Config;
use super::access::Access;
use super::health::Health;
use super::limits::{Limits, Rates};
use super::metrics::Metrics;
use super::past::Pasts;
use super::problem::Problem;
use super::published::Published;
use super::session::Sessions;
use super::tokens::{TokenFile, Tokens};
use super::writer::{Answer, NotTaken, Queue, Shown, Wanted};
use crate::ledger::Entries;
use crate::node::reported::Intake;
use crate::node::signing::Signer;

/// A service: read access to the ledger, and the way to its writer.
///
/// For other fronts on the same ledger: [`now`](Self::now) is the state, [`entries`](Self::entries) the
/// lines.
pub struct Service {
    shown: Arc<Shown>,
    entries: Entries,
    intake: Intake,
    access: Access,
    limits: Limits,
    tokens: Tokens,
    rates: Rates,
    logins: Rates,
    sessions: Sessions,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    signer: Option<Mutex<Signer>>,
    queue: Mutex<Option<Queue>>,
    /// Room for bodies, in kibibytes.
    room: Arc<Semaphore>,
    readers: Arc<Semaphore>,
    pasts: Pasts,
    streams: Arc<Semaphore>,
    /// Who reads for streams, in turn.
    feeds: Arc<Semaphore>,
    ending: watch::Sender<bool>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Service {
    pub(super) fn new(config: Config) -> Self {
        let Config {
            access,
            ledger,
            intake,
            limits,
            tls,
            snapshots,
            signer,
            ..
        } = config;
        Self {
            shown: Arc::new(watch::Sender::new(None)),
            entries: Entries::of_dir(&ledger),
            intake,
            access,
            tokens: Tokens::new(TokenFile::of_ledger(&ledger)),
            rates: Rates::default(),
            logins: Rates::default(),
            sessions: Sessions::new(tls.is_some()),
            metrics: Arc::default(),
            health: Arc::default(),
            signer: signer.map(Mutex::new),
            queue: Mutex::default(),
            room: Arc::new(Semaphore::new(limits.pending_bytes / KIBIBYTE)),
            readers: Arc::new(Semaphore::new(limits.readers)),
            pasts: Pasts::new(snapshots, limits.pasts),
            streams: Arc::new(Semaphore::new(limits.streams)),
            feeds: Arc::new(Semaphore::new(FEEDS)),
            ending: watch::Sender::new(false),
            limits,
        }
    }

    /// The ledger as of its last durable write.
    ///
    /// # Errors
    /// A [`Problem`] while it is still replayed.
    pub fn now(&self) -> Result<Arc<Published>, Problem> {
        self.shown
            .borrow()
            .clone()
            .ok_or_else(|| Problem::busy("server.starting", "the ledger is still being replayed"))
    }

    /// The ledger's lines. No more of them count than [`now`](Self::now) says.
    #[must_use]
    pub const fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Runs something that reads files or computes for long, on a thread of its own. No more run at a time
    /// than the limits say.
    ///
    /// # Errors
    /// What `work` fails with, or a [`Problem`] where too many are at it.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = Arc::clone(&self.readers).try_acquire_owned();
        let permit = permit.map_err(|_| {
            Problem::busy(
                "limit.readers",
                "too many requests read the ledger just now",
            )
        })?;
        holding(permit, work).await
    }

    /// As [`read`](Self::read), for streams: they wake up together, and each waits for its turn.
    ///
    /// # Errors
    /// What `work` fails with.
    pub(super) async fn feed<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let permit = Arc::clone(&self.feeds).acquire_owned().await;
        let permit = permit.map_err(|error| Problem::internal("server.panic", &error))?;
        holding(permit, work).await
    }

    /// Waits until commands are durably recorded or refused; one answer for each.
    ///
    /// # Errors
    /// A [`Problem`] where nothing was taken, or the writer ended in a panic.
    pub(super) async fn write(
        &self,
        wanted: Vec<Wanted>,
        room: OwnedSemaphorePermit,
    ) -> Result<Vec<Answer>, Problem> {
        self.now()?;
        let queue = self.queue().clone();
        let pushed = queue.ok_or_else(ending)?.push(wanted, room);
        let answered = pushed.map_err(|not_taken| match not_taken {
            NotTaken::Full => Problem::busy("limit.queue", "too many requests wait to be written"),
            NotTaken::Closed => Problem::busy("server.no-writer", "the ledger can't be written to"),
        })?;
        answered
            .await
            .map_err(|error| Problem::internal("server.panic", &error))
    }

    /// Room for a body of so many bytes, as long as it is received and waits.
    pub(super) fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let kibibytes = u32::try_from(bytes.div_ceil(KIBIBYTE).max(1)).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.room).try_acquire_many_owned(kibibytes);
        permit.map_err(|_| Problem::busy("limit.bodies", "too much is being received just now"))
    }

    /// A place for a stream of events.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.streams).try_acquire_owned();
        permit.map_err(|_| {
            Problem::busy("limit.streams", "too many streams are open").retry_after(10)
        })
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Option<Queue>> {
        // Nothing that can panic happens under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open_queue(&self, queue: Queue) {
        *self.queue() = Some(queue);
    }

    /// Takes nothing more to be written. The writer ends when it has answered what it has.
    pub(super) fn close_queue(&self) {
        self.queue().take();
    }

    /// Tells streams that they end.
    pub(super) fn end(&self) {
        self.ending.send_replace(true);
    }

    pub(super) fn ending(&self) -> watch::Receiver<bool> {
        self.ending.subscribe()
    }

    pub(super) const fn shown(&self) -> &Arc<Shown> {
        &self.shown
    }

    pub(super) const fn intake(&self) -> &Intake {
        &self.intake
    }

    pub(super) const fn access(&self) -> Access {
        self.access
    }

    /// Whether there is a key to sign with.
    pub(super) const fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// Lends out the key, to one at a time.
    pub(super) fn signing<T>(&self, sign: impl FnOnce(&mut Signer) -> T) -> Result<T, Problem> {
        let signer = (self.signer.as_ref()).ok_or_else(super::access::signs_for_nobody)?;
        // What the journal does under this lock it reads back from its file.
        let mut signer = signer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(sign(&mut signer))
    }

    pub(super) const fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub(super) const fn pasts(&self) -> &Pasts {
        &self.pasts
    }

    pub(super) const fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(super) const fn rates(&self) -> &Rates {
        &self.rates
    }

    /// How often whom has tried to log in.
    pub(super) const fn logins(&self) -> &Rates {
        &self.logins
    }

    pub(super) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    pub(super) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
}

/// The service takes nothing more.
pub(super) fn ending() -> Problem {
    Problem::busy("server.ending", "the service is just ending").retry_after(5)
}

/// Runs `work` on a thread of its own, and gives the permit back behind it.
async fn holding<T: Send + 'static>(
    permit: OwnedSemaphorePermit,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        work()
    });
    let done = done.await;
    done.unwrap_or_else(|error| Err(Problem::internal("server.panic", &error)))
}

const KIBIBYTE: usize = 1 << 10;

/// How many streams are read for at a time.
const FEEDS: usize = 2;
