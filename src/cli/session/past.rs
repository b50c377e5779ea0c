//! The ledger as of a point in its history.

use super::{Session, intact};
use crate::chain::line::{Head, Line};
use crate::chain::lines::{Ending, LineReader};
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::governance::digest::Digest;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::identity::MlDsaVerifier;
use crate::ledger::LedgerReader;
use crate::replay::{Replay, Snapshot};

/// A point in a ledger's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// As of this entry, at its time.
    Seq(u64),
    /// As of the last entry at or before this time, at this time.
    Time(Timestamp),
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

impl std::str::FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(seq) = text.parse() {
            return Ok(Self::Seq(seq));
        }
        Timestamp::parse_rfc3339(text).map(Self::Time).map_err(|_| {
            "expected an entry number such as 12, or a time such as 2026-05-04T09:30:00Z".to_owned()
        })
    }
}

impl Session {
    /// Replays the ledger as it was known at an entry, with the time to judge at: what was known
    /// then of what held at another time.
    pub fn read_as_known(&self, known_at: Option<u64>, at: Option<At>) -> Result<Moment, Failure> {
        let Some(seq) = known_at else {
            return self.read_at(at);
        };
        let known = self.read_at(Some(At::Seq(seq)))?;
        match at {
            None => Ok(known),
            Some(At::Time(at)) => Ok(Moment { at, ..known }),
            Some(At::Seq(_)) => Err(Failure::usage(
                "history.two-entries",
                "--as-known-at names an entry already: give --at a time",
            )),
        }
    }

    /// Replays the ledger up to a point.
    pub fn read_at(&self, at: Option<At>) -> Result<Moment, Failure> {
        let Some(at) = at else {
            let (state, head) = self.read_state()?;
            let at = self.now().max(state.clock());
            let head = head.hash;
            return Ok(Moment { state, head, at });
        };
        let (state, head) = self.read_up_to(at)?;
        let at = match at {
            At::Seq(_) => state.clock(),
            At::Time(time) => time,
        };
        Ok(Moment { state, head, at })
    }

    /// The newest usable snapshot, unless it lies behind `at`.
    fn snapshot_before(&self, at: At) -> Option<Snapshot> {
        let found = self.snapshots()?.find();
        self.warn_of(&found.ignored);
        let snapshot = found.snapshot?;
        let is_before = match at {
            At::Seq(seq) => snapshot.header().seq <= seq,
            At::Time(time) => snapshot.header().timestamp <= time,
        };
        is_before.then_some(snapshot)
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
        let mut head = prefix
            .filter(|_| snapshot.is_some())
            .map_or(Head::GENESIS, |it| it.tip.head);
        let mut replay = match snapshot {
            Some(snapshot) => Replay::resume(&verifier, snapshot),
            None => Replay::new(&verifier),
        };
        let from = place.unwrap_or(0);
        let rest = reader.reader_behind(from);
        let mut lines = LineReader::new(rest).starting_at(from);
        loop {
            let line = lines.next_line().map_err(|error| {
                Failure::new(Exit::ChainBroken, error.code(), error.to_string())
            })?;
            let Some(line) = line.filter(|line| line.ending == Ending::LineFeed) else {
                break;
            };
            // A line that can't be read is the replay's to refuse.
            let decoded = Line::decode(line.bytes).ok();
            let is_beyond = decoded.as_ref().is_some_and(|line| match at {
                At::Seq(seq) => line.seq > seq,
                At::Time(time) => line.timestamp > time,
            });
            if is_beyond {
                break;
            }
            replay.line(line.bytes)?;
            if let Some(line) = decoded {
                head = Head {
                    seq: line.seq,
                    hash: line.entry_hash,
                };
            }
        }
        let is_reached = match at {
            At::Seq(seq) => head.seq == seq,
            At::Time(_) => true,
        };
        let state = replay.state().filter(|_| is_reached).cloned();
        state.map(|state| (state, head.hash)).ok_or_else(|| {
            Failure::new(
                Exit::Refused,
                "history.no-such-point",
                "the ledger has no state at that point: it is before the founding or after the \
                 last entry",
            )
        })
    }
}
