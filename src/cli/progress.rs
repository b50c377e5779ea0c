//! How far a long replay has come.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::parallel::{Reached, Watcher};

/// A bar on standard error with the rate and the remaining time. It shows only on a terminal, and
/// only once a replay has taken a second.
pub struct ReplayBar {
    bar: ProgressBar,
    started: Instant,
}

impl ReplayBar {
    const PATIENCE: Duration = Duration::from_secs(1);

    /// A bar for a ledger of so many bytes; one that never shows for `None`.
    pub fn new(bytes: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::hidden());
        let template = "{bar:30} {percent} % of {total_bytes}, {bytes_per_sec}, {eta} left {msg}";
        let style = ProgressStyle::with_template(template);
        Self {
            bar: match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            },
            started: Instant::now(),
        }
    }
}

impl Watcher for ReplayBar {
    fn reached(&self, reached: Reached) {
        if self.bar.is_hidden()
            && self.bar.length().is_some()
            && self.started.elapsed() > Self::PATIENCE
        {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(reached.bytes);
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("(entry {})", reached.entries));
        }
    }
}

impl Drop for ReplayBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
