//! Clocks of nodes, which are fast, slow, or wrong by a constant.

use crate::governance::time::Timestamp;

/// The first instant of every simulation: 2026-01-01T00:00:00Z.
const START: u64 = 1_767_225_600_000_000;

/// The instant `micros` after the beginning of a simulation, by a clock that is right.
pub(crate) fn instant(micros: u64) -> Timestamp {
    Timestamp::from_micros(START.saturating_add(micros)).unwrap_or(Timestamp::MAX)
}

/// How long after the beginning of a simulation `instant` is, in microseconds.
pub(crate) const fn micros(instant: Timestamp) -> u64 {
    instant.as_micros().saturating_sub(START)
}

/// One node's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    /// By how much the clock is ahead at the beginning, in microseconds.
    pub(crate) offset: i64,
    /// By how much it gains, in microseconds a second.
    pub(crate) drift_ppm: i64,
}

impl Clock {
    /// What the clock shows `now` microseconds after the beginning.
    pub(crate) fn reads(self, now: u64) -> Timestamp {
        let seconds = i64::try_from(now / 1_000_000).unwrap_or(i64::MAX);
        let ahead = self
            .offset
            .saturating_add(seconds.saturating_mul(self.drift_ppm));
        let shown = START.saturating_add(now).saturating_add_signed(ahead);
        Timestamp::from_micros(shown).unwrap_or(Timestamp::MAX)
    }

    /// In how many microseconds from `now` the clock will show `instant`, about.
    pub(crate) fn until(self, now: u64, instant: Timestamp) -> u64 {
        instant
            .as_micros()
            .saturating_sub(self.reads(now).as_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_by_its_offset_and_its_drift() {
        let clock = Clock {
            offset: -2_000_000,
            drift_ppm: 100,
        };
        let day = 86_400_000_000;
        assert_eq!(clock.reads(0).as_micros(), START - 2_000_000);
        assert_eq!(
            clock.reads(day).as_micros(),
            START + day - 2_000_000 + 8_640_000
        );
        assert_eq!(clock.until(0, instant(5_000_000)), 7_000_000);
        assert_eq!(clock.until(day, instant(5)), 0);
        assert_eq!(micros(instant(77)), 77);
    }
}
