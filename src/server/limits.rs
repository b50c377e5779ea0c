//! How much is taken at once, and from whom how often.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much a service takes at once.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections.
    pub connections: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of all bodies that are being received or wait to be written.
    pub pending_bytes: usize,
    /// Requests that wait to be written.
    pub queue: usize,
    /// Requests that read files or compute.
    pub readers: usize,
    /// Requests that replay the past.
    pub pasts: usize,
    /// Streams of live events.
    pub streams: usize,
    /// Requests a second of one client, on average; twice as many at once. None: as many as it likes.
    pub rate: Option<u32>,
    /// How long the head of a request, its body, and each step of an answer may take on the wire.
    pub patience: Duration,
}

impl Limits {
    /// The most predictions of one request.
    pub const BATCH: usize = 1_000;
    /// The most entries of one answer.
    pub const PAGE: usize = 1_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            body_bytes: 1 << 20,
            pending_bytes: 64 << 20,
            queue: 1_024,
            readers: 8,
            pasts: 2,
            streams: 256,
            rate: None,
            patience: Duration::from_secs(15),
        }
    }
}

/// How many clients are told from each other. Of more, those that have been silent longest start anew.
const MAX_CLIENTS: usize = 4_096;

/// A bucket of so many thousandths of a request for each client.
#[derive(Debug, Default)]
pub(super) struct Rates(Mutex<BTreeMap<String, (u64, Instant)>>);

impl Rates {
    /// Takes one request of `client`, of whom `rate` are taken a second; or says how long to wait.
    pub(super) fn take(&self, client: &str, rate: u32, now: Instant) -> Result<(), Duration> {
        // Nothing that can panic happens under this lock.
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = u64::from(rate) * 2 * REQUEST;
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(client) {
            forget_one(&mut buckets);
        }
        let (level, then) = buckets.entry(client.to_owned()).or_insert((full, now));
        let passed = now.saturating_duration_since(*then).as_millis();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        let refill = passed.saturating_mul(u64::from(rate));
        if refill > 0 {
            *level = level.saturating_add(refill).min(full);
            *then = now;
        }
        match level.checked_sub(REQUEST) {
            Some(rest) => {
                *level = rest;
                Ok(())
            }
            None => Err(Duration::from_secs(1)),
        }
    }
}

/// In thousandths, so that milliseconds times requests a second are what flows in.
const REQUEST: u64 = 1_000;

fn forget_one(buckets: &mut BTreeMap<String, (u64, Instant)>) {
    let oldest = buckets.iter().min_by_key(|(_, (_, then))| *then);
    if let Some(client) = oldest.map(|(client, _)| client.clone()) {
        buckets.remove(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_twice_its_rate_at_once_and_its_rate_from_then_on() {
        let rates = Rates::default();
        let start = Instant::now();
        let taken = |client, after| {
            let now = start + Duration::from_millis(after);
            (0..100)
                .filter(|_| rates.take(client, 10, now).is_ok())
                .count()
        };
        assert_eq!(taken("a", 0), 20);
        assert_eq!(taken("a", 0), 0);
        assert_eq!(taken("b", 0), 20, "others have their own");
        assert_eq!(taken("a", 500), 5);
        assert_eq!(taken("a", 60_000), 20);
        // Who asks all the time gets no less.
        let steady = (60_000..=61_000).filter(|after| taken("a", *after) > 0);
        assert_eq!(steady.count(), 10);
    }

    #[test]
    fn clients_are_remembered_up_to_a_number() {
        let rates = Rates::default();
        let start = Instant::now();
        for client in 0..2 * MAX_CLIENTS {
            let now = start + Duration::from_millis(client as u64);
            assert!(rates.take(&client.to_string(), 1, now).is_ok());
        }
        assert_eq!(rates.0.lock().unwrap().len(), MAX_CLIENTS);
    }
}
