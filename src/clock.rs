//! The machine's clock.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the one place that asks the machine what time it is"
)]

use std::time::{SystemTime, UNIX_EPOCH};

use crate::governance::time::Timestamp;

/// The machine's time. A clock before 1970 or after 9999 reads as that bound.
#[must_use]
pub fn system_time() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_micros())
        .ok()
        .and_then(Timestamp::from_micros)
        .unwrap_or(Timestamp::MAX)
}
