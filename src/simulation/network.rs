//! How long messages take, and which of them are lost.
//!
//! Senders repeat what is lost until it arrives, with growing pauses: a message gets through as
//! soon as the network lets it. A copy may arrive twice, and later than what was sent after it.

use super::random::Random;
use super::scenario::{Latency, Network as Settings};

/// Where the order is made. A partition cuts nodes off from it and from everybody else.
pub(crate) const SEQUENCER: usize = usize::MAX;

/// The most attempts for one message; with the most loss that a scenario may ask for, the chance
/// that all of them fail is nil.
const MAX_ATTEMPTS: u32 = 400;

/// The network between the nodes and the sequencer.
pub(crate) struct Network {
    settings: Settings,
    /// From when and until when, in microseconds, and the places of the nodes that are cut off.
    partitions: Vec<(u64, u64, Vec<usize>)>,
    random: Random,
    /// What happened so far.
    pub(crate) traffic: Traffic,
}

/// Counts of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Messages that somebody sent.
    pub sent: u64,
    /// Attempts that chance let go astray.
    pub lost: u64,
    /// Attempts that a partition stopped.
    pub cut: u64,
    /// Messages that arrived twice.
    pub duplicated: u64,
}

impl Network {
    pub(crate) fn new(settings: &Settings, names: &[String], seed: u64) -> Self {
        let partitions = settings.partitions.iter().map(|partition| {
            let places = names.iter().enumerate();
            let isolated = places.filter(|(_, name)| partition.isolates.contains(name));
            (
                partition.from_seconds * 1_000_000,
                partition.until_seconds * 1_000_000,
                isolated.map(|(place, _)| place).collect(),
            )
        });
        Self {
            partitions: partitions.collect(),
            settings: settings.clone(),
            random: Random::new(seed, "network", 0),
            traffic: Traffic::default(),
        }
    }

    /// When the copies of a message arrive that is sent at `now`: one, or two.
    pub(crate) fn send(&mut self, now: u64, from: usize, to: usize) -> Vec<u64> {
        self.traffic.sent += 1;
        let mut at = now;
        let mut pause = self.settings.retransmit_ms * 1000;
        for _ in 0..MAX_ATTEMPTS {
            let cut = self.cut_until(at, from, to);
            let lost = self.random.percent(self.settings.loss_percent);
            match (cut, lost) {
                (None, false) => break,
                (Some(until), _) => {
                    self.traffic.cut += 1;
                    at = until.max(at + pause);
                }
                (None, true) => {
                    self.traffic.lost += 1;
                    at += pause;
                    pause = (pause * 2).min(60_000_000);
                }
            }
        }
        let mut arrivals = vec![at + self.latency()];
        if self.random.percent(self.settings.duplicate_percent) {
            self.traffic.duplicated += 1;
            arrivals.push(at + self.latency() + self.latency());
        }
        arrivals
    }

    /// Until when the two are cut off from each other, if they are.
    fn cut_until(&self, now: u64, from: usize, to: usize) -> Option<u64> {
        let cutting = self.partitions.iter().filter(|(start, end, isolated)| {
            (*start..*end).contains(&now) && isolated.contains(&from) != isolated.contains(&to)
        });
        cutting.map(|(_, end, _)| *end).max()
    }

    fn latency(&mut self) -> u64 {
        match self.settings.latency {
            Latency::Constant { ms } => ms * 1000,
            Latency::Uniform { min_ms, max_ms } => self
                .random
                .between(min_ms * 1000, max_ms.max(min_ms) * 1000),
            // Half of all messages take up to the typical time, and each doubling is half as
            // likely as the one before: many are quick, a few very slow.
            Latency::HeavyTail { typical_ms, max_ms } => {
                let mut most = typical_ms * 1000;
                while most < max_ms * 1000 && self.random.percent(50) {
                    most *= 2;
                }
                let most = most.min(max_ms * 1000);
                self.random.between(most / 2, most)
            }
        }
    }
}
