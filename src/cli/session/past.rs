//! The ledger as of a point in its history.

use clap::Args;

use super::{Session, intact};
use crate::chain::lines::{Ending, LineReader};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::governance::digest::Digest;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::identity::MlDsaVerifier;
use crate::ledger::LedgerReader;
use crate::node::past::{Asked, At, NoSuchPoint, PastReplay};
use crate::replay::Snapshot;

/// Which past is asked for: arguments of every command that shows what holds.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Past {
    /// As of an entry number or a time, instead of now.
    #[arg(long, value_name = "SEQ|TIME")]
    pub at: Option<At>,
    /// Only from what the first SEQ entries say, whatever came later.
    #[arg(long, value_name = "SEQ")]
    pub as_known_at: Option<u64>,
}

/// A ledger as of a point in its history.
pub struct Moment {
    /// What held.
    pub state: State,
    /// The hash of the last entry that counts.
    pub head: Digest,
    /// The time to judge at.
    pub at: Timestamp,
}

impl From<NoSuchPoint> for Failure {
    fn from(error: NoSuchPoint) -> Self {
        Self::new(Exit::Refused, error.code(), error.to_string())
    }
}

impl Session {
    /// Replays the ledger to the past that the user asks for, or to its end.
    pub fn read_past(&self, past: Past) -> Result<Moment, Failure> {
        let asked = Asked::new(past.as_known_at, past.at).map_err(|error| {
            Failure::usage(
                error.code(),
                "--as-known-at names an entry already: give --at a time",
            )
        })?;
        let Some(known) = asked.known else {
            let (state, head) = self.read_state()?;
            let at = self.now().max(state.clock());
            let head = head.hash;
            return Ok(Moment { state, head, at });
        };
        let (state, head) = self.read_up_to(known)?;
        let at = asked.judged.unwrap_or_else(|| state.clock());
        Ok(Moment { state, head, at })
    }

    /// As [`read_past`](Self::read_past), as of an entry.
    pub fn read_at(&self, seq: u64) -> Result<Moment, Failure> {
        let at = Some(At::Seq(seq));
        self.read_past(Past {
            at,
            ..Past::default()
        })
    }

    /// The newest usable snapshot that does not lie behind `at`.
    fn snapshot_before(&self, at: At) -> Option<Snapshot> {
        let found = self.snapshots()?.find_before(at);
        self.warn_of(&found.ignored);
        found.snapshot
    }

    fn read_up_to(&self, at: At) -> Result<(State, Digest), Failure> {
        self.catch_up()?;
        let snapshot = self.snapshot_before(at);
        let prefix = snapshot.as_ref().map(|it| it.header().prefix());
        let reader = LedgerReader::open_behind(self.ledger_dir(), prefix.as_ref())?;
        let reader = intact(reader)?;
        let snapshot = snapshot.filter(|_| reader.prefix() == prefix.as_ref());
        let place = snapshot.as_ref().map(|it| it.header().place.offset());
        let verifier = MlDsaVerifier;
        let mut replay = PastReplay::new(&verifier, snapshot, at);
        let from = place.unwrap_or(0);
        let mut lines = LineReader::new(reader.reader_behind(from)).starting_at(from);
        loop {
            let line = lines.next_line().map_err(|error| {
                Failure::new(Exit::ChainBroken, error.code(), error.to_string())
            })?;
            let line = line.filter(|line| line.ending == Ending::LineFeed);
            match line {
                Some(line) if replay.line(line.bytes)? => {}
                _ => return Ok(replay.end()?),
            }
        }
    }
}
