//! What Prometheus is told.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// What a request was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    /// The pattern, never the path: clients make up paths.
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Code {
    code: String,
}

/// The counts of one service.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    seconds: Family<Route, Histogram>,
    problems: Family<Code, Counter>,
    connections: Gauge,
    streams: Gauge,
    entries: Gauge<u64, AtomicU64>,
    writes: Histogram,
    commands: Histogram,
}

fn seconds() -> Histogram {
    // 250 µs to 8 s.
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("althing"),
            requests: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            problems: Family::default(),
            connections: Gauge::default(),
            streams: Gauge::default(),
            entries: Gauge::default(),
            writes: seconds(),
            commands: Histogram::new(exponential_buckets(1.0, 2.0, 13)),
        };
        let Self {
            registry,
            requests,
            seconds,
            problems,
            connections,
            streams,
            entries,
            writes,
            commands,
        } = &mut metrics;
        registry.register(
            "http_requests",
            "Requests that were answered",
            requests.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "How long they took",
            Unit::Seconds,
            seconds.clone(),
        );
        registry.register("problems", "Problem documents, by code", problems.clone());
        registry.register("connections", "Open connections", connections.clone());
        registry.register("streams", "Open streams of events", streams.clone());
        registry.register("entries", "Entries of the ledger", entries.clone());
        registry.register_with_unit(
            "write",
            "Groups, from first look to answers",
            Unit::Seconds,
            writes.clone(),
        );
        registry.register("write_commands", "Commands of a group", commands.clone());
        metrics
    }
}

impl Metrics {
    pub(super) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        self.requests
            .get_or_create(&Request {
                method: method.to_owned(),
                route: route.to_owned(),
                status,
            })
            .inc();
        let route = route.to_owned();
        self.seconds
            .get_or_create(&Route { route })
            .observe(took.as_secs_f64());
    }

    pub(super) fn problem(&self, code: &str) {
        let code = code.to_owned();
        self.problems.get_or_create(&Code { code }).inc();
    }

    pub(super) fn entries(&self, last: u64) {
        self.entries.set(last);
    }

    pub(super) fn written(&self, commands: usize, took: Duration) {
        self.writes.observe(took.as_secs_f64());
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        self.commands.observe(f64::from(commands));
    }

    /// Counts a connection until it is dropped.
    pub(super) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// Counts a stream until it is dropped.
    pub(super) fn stream(&self) -> Counted {
        Counted::new(&self.streams)
    }

    /// All of it in the form of OpenMetrics.
    pub(super) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Something that there is.
pub(super) struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
