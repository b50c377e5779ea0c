//! An end to appends that get no answer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use postgres::CancelToken;
use rustls::ClientConfig;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How often is looked, at least.
const INTERVAL: Duration = Duration::from_secs(1);

/// Asks a server to give up what it has not done in time. A commit that waits for a standby stays where it
/// is then, and the server warns of that.
pub(super) struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    watched: Mutex<Watched>,
    ended: Condvar,
}

#[derive(Default)]
struct Watched {
    since: Option<Instant>,
    is_over: bool,
}

impl Watch {
    /// Watches a connection on a thread of its own. `tls` as for the connection.
    pub(super) fn start(
        token: CancelToken,
        tls: Option<ClientConfig>,
        limit: Duration,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = Arc::clone(&shared);
            let watch = move || shared.watch(&token, tls.as_ref(), limit);
            thread::Builder::new()
                .name("althing-watch".into())
                .spawn(watch)?
        };
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Watches what `act` does.
    pub(super) fn over<T>(&self, act: impl FnOnce() -> T) -> T {
        self.shared.lock().since = Some(Instant::now());
        let done = act();
        // Behind a request to give up that is under way: it must not hit what comes next.
        self.shared.lock().since = None;
        done
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.ended.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        // Nothing that can panic happens under this lock.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, token: &CancelToken, tls: Option<&ClientConfig>, limit: Duration) {
        let interval = INTERVAL.min(limit);
        let mut watched = self.lock();
        while !watched.is_over {
            if watched.since.is_some_and(|since| since.elapsed() > limit) {
                // Where the server can't be reached, the connection ends by itself.
                let _ = match tls {
                    None => token.cancel_query(postgres::NoTls),
                    Some(tls) => token.cancel_query(MakeRustlsConnect::new(tls.clone())),
                };
            }
            let waited = self.ended.wait_timeout(watched, interval);
            watched = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
