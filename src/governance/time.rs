//! Instants and durations. The core never asks a clock: time is an input.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _};
use serde::{Deserialize, Serialize};

/// A UTC instant with microseconds, written in exactly 27 bytes: `2026-05-04T09:30:00.000000Z`.
///
/// Range: years 1970 to 9999. No leap second and no other offset is accepted, so equal instants
/// have equal text and text order is time order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// Microseconds from 1970 to the last microsecond of the year 9999.
const MAX_MICROS: u64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The latest instant that can be written.
    pub const MAX: Self = Self(MAX_MICROS);

    /// An instant by its distance from 1970-01-01T00:00:00Z; `None` past the year 9999.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Option<Self> {
        if micros <= MAX_MICROS {
            Some(Self(micros))
        } else {
            None
        }
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The instant `duration` later, or the latest instant where that lies beyond it.
    #[must_use]
    pub const fn saturating_add(self, duration: Seconds) -> Self {
        let later = self.0.saturating_add(duration.0.saturating_mul(1_000_000));
        if later <= MAX_MICROS {
            Self(later)
        } else {
            Self::MAX
        }
    }

    /// Reads any RFC 3339 instant (other offsets, fewer fraction digits), for input by people.
    ///
    /// # Errors
    /// [`ParseTimestampError`] where the text is no RFC 3339 instant, names a leap second, lies
    /// outside the range, or has digits below the microsecond.
    pub fn parse_rfc3339(text: &str) -> Result<Self, ParseTimestampError> {
        let instant = DateTime::parse_from_rfc3339(text).map_err(|_| ParseTimestampError)?;
        if instant.nanosecond() >= 1_000_000_000 || instant.nanosecond() % 1_000 != 0 {
            return Err(ParseTimestampError);
        }
        u64::try_from(instant.timestamp_micros())
            .ok()
            .and_then(Self::from_micros)
            .ok_or(ParseTimestampError)
    }
}

/// The text is not an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a UTC instant such as 2026-05-04T09:30:00.000000Z")]
pub struct ParseTimestampError;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In range by construction; a value outside it would print as the epoch.
        let instant = i64::try_from(self.0)
            .ok()
            .and_then(DateTime::from_timestamp_micros)
            .unwrap_or_default();
        // Digit by digit, because this runs once for every line that is written.
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        for (end, value) in [
            (4, u64::try_from(instant.year()).unwrap_or_default()),
            (7, instant.month().into()),
            (10, instant.day().into()),
            (13, instant.hour().into()),
            (16, instant.minute().into()),
            (19, instant.second().into()),
            (26, self.0),
        ] {
            put_digits(&mut text[..end], value);
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// Writes a number at the end of zeros.
fn put_digits(text: &mut [u8], mut value: u64) {
    for digit in text.iter_mut().rev().take_while(|it| it.is_ascii_digit()) {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
        value /= 10;
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimestampError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_fixed(text.as_bytes()).ok_or(ParseTimestampError)
    }
}

/// Reads the 27-byte form digit by digit: this runs once for every line of a replay.
fn parse_fixed(text: &[u8]) -> Option<Timestamp> {
    let text: &[u8; 27] = text.try_into().ok()?;
    for (position, expected) in [
        (4, b'-'),
        (7, b'-'),
        (10, b'T'),
        (13, b':'),
        (16, b':'),
        (19, b'.'),
        (26, b'Z'),
    ] {
        if text[position] != expected {
            return None;
        }
    }
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(digits(&text[0..4])?).ok()?,
        digits(&text[5..7])?,
        digits(&text[8..10])?,
    )?;
    let instant = date.and_hms_micro_opt(
        digits(&text[11..13])?,
        digits(&text[14..16])?,
        digits(&text[17..19])?,
        digits(&text[20..26])?,
    )?;
    Timestamp::from_micros(u64::try_from(instant.and_utc().timestamp_micros()).ok()?)
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number: u32, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })
}

super::text::serde_as_text!(
    Timestamp,
    "a UTC instant such as 2026-05-04T09:30:00.000000Z"
);

/// A length of time in whole seconds, at most 2^53 − 1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Seconds(u64);

impl Seconds {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// Five minutes.
    pub const FIVE_MINUTES: Self = Self(300);

    /// One hour.
    pub const HOUR: Self = Self(3_600);

    /// One day of 24 hours.
    pub const DAY: Self = Self(86_400);

    /// `count` days of 24 hours.
    #[must_use]
    pub const fn days(count: u32) -> Self {
        Self(count as u64 * 86_400)
    }

    /// `count` seconds; `None` above 2^53 − 1.
    #[must_use]
    pub const fn new(count: u64) -> Option<Self> {
        if count <= super::MAX_INTEGER {
            Some(Self(count))
        } else {
            None
        }
    }

    /// The number of seconds.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Seconds {
    type Error = super::IntegerTooLarge;

    fn try_from(count: u64) -> Result<Self, Self::Error> {
        Self::new(count).ok_or(super::IntegerTooLarge)
    }
}

impl From<Seconds> for u64 {
    fn from(duration: Seconds) -> Self {
        duration.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_form_round_trips() {
        for text in [
            "1970-01-01T00:00:00.000000Z",
            "2024-02-29T23:59:59.999999Z",
            "2026-05-04T09:30:00.000001Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
    }

    #[test]
    fn anything_but_the_fixed_form_is_refused() {
        for text in [
            "",
            "1969-12-31T23:59:59.999999Z",
            "2023-02-29T00:00:00.000000Z",
            "2026-05-04T09:30:60.000000Z",
            "2026-05-04T24:00:00.000000Z",
            "2026-05-04T09:30:00.000000+00:00",
            "2026-05-04T09:30:00Z",
            "2026-05-04t09:30:00.000000z",
            "2026-05-04 09:30:00.000000Z",
            "+026-05-04T09:30:00.000000Z",
        ] {
            assert_eq!(
                text.parse::<Timestamp>(),
                Err(ParseTimestampError),
                "{text}"
            );
        }
    }

    #[test]
    fn people_may_write_other_offsets() {
        let parsed = Timestamp::parse_rfc3339("2026-05-04T11:30:00+02:00").unwrap();
        assert_eq!(parsed.to_string(), "2026-05-04T09:30:00.000000Z");
        assert!(Timestamp::parse_rfc3339("2016-12-31T23:59:60Z").is_err());
        assert!(Timestamp::parse_rfc3339("2026-05-04T09:30:00.0000001Z").is_err());
    }

    #[test]
    fn addition_stops_at_the_last_instant() {
        let start = Timestamp::from_micros(5).unwrap();
        assert_eq!(start.saturating_add(Seconds(1)).as_micros(), 1_000_005);
        assert_eq!(
            start.saturating_add(Seconds(super::super::MAX_INTEGER)),
            Timestamp::MAX
        );
    }

    #[test]
    fn instants_and_spans_say_what_they_are() {
        let text = "2024-02-29T23:59:59.999999Z";
        let instant: Timestamp = text.parse().unwrap();
        assert!(format!("{instant:?}").contains(text), "{instant:?}");
        assert_eq!(Seconds::days(2).get(), 172_800);
    }
}
