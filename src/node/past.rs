//! The ledger as of a point in its history.

use std::str::FromStr;

use super::snapshots::{Found, Ignored, Snapshots};
use crate::chain::line::{Head, Line};
use crate::governance::digest::Digest;
use crate::governance::key::SignatureVerifier;
use crate::governance::state::State;
use crate::governance::time::Timestamp;
use crate::ledger::storage::Storage;
use crate::replay::snapshot::Header;
use crate::replay::{Replay, ReplayError, Snapshot};

/// A point in a ledger's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum At {
    /// As of this entry, at its time.
    Seq(u64),
    /// As of the last entry at or before this time, at this time.
    Time(Timestamp),
}

impl FromStr for At {
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

impl At {
    /// Whether an entry of this number and time lies behind this point.
    #[must_use]
    pub fn is_before(self, seq: u64, timestamp: Timestamp) -> bool {
        match self {
            Self::Seq(last) => seq > last,
            Self::Time(last) => timestamp > last,
        }
    }
}

/// What is to be known, and when it is to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// Up to where the history counts; all of it unless given.
    pub known: Option<At>,
    /// The time to judge at; that of what is known unless given.
    pub judged: Option<Timestamp>,
}

/// Two entries are named where one says what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was known at one entry can't be judged at another: name a time")]
pub struct TwoEntries;

impl TwoEntries {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        "history.two-entries"
    }
}

impl Asked {
    /// What was known at entry `as_known_at`, of what held at `at`.
    ///
    /// # Errors
    /// [`TwoEntries`] where both name an entry.
    pub const fn new(as_known_at: Option<u64>, at: Option<At>) -> Result<Self, TwoEntries> {
        let known = match (as_known_at, at) {
            (Some(_), Some(At::Seq(_))) => return Err(TwoEntries),
            (Some(seq), _) => Some(At::Seq(seq)),
            (None, at) => at,
        };
        let judged = match at {
            Some(At::Time(time)) => Some(time),
            _ => None,
        };
        Ok(Self { known, judged })
    }
}

/// The ledger has no state at a point: it is before the founding or behind the last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger has no state at that point: it is before the founding or after the last entry")]
pub struct NoSuchPoint;

impl NoSuchPoint {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        "history.no-such-point"
    }
}

/// A replay that stops at a point. Whoever has the lines hands them in, and can stop at any of them.
pub struct PastReplay<'v> {
    replay: Replay<'v>,
    head: Head,
    at: At,
}

impl<'v> PastReplay<'v> {
    /// A replay from the first line, or from the one behind a snapshot that lies
    /// [before](Snapshots::find_before) `at`.
    #[must_use]
    pub fn new(verifier: &'v dyn SignatureVerifier, snapshot: Option<Snapshot>, at: At) -> Self {
        match snapshot {
            None => Self {
                replay: Replay::new(verifier),
                head: Head::GENESIS,
                at,
            },
            Some(snapshot) => Self {
                head: snapshot.header().prefix().tip.head,
                replay: Replay::resume(verifier, snapshot),
                at,
            },
        }
    }

    /// Takes the next line, given without its line feed; false where it lies behind the point.
    ///
    /// # Errors
    /// As [`Replay::line`].
    pub fn line(&mut self, raw: &[u8]) -> Result<bool, ReplayError> {
        // A line that can't be read is the replay's to refuse.
        let line = Line::decode(raw).ok();
        if (line.as_ref()).is_some_and(|line| self.at.is_before(line.seq, line.timestamp)) {
            return Ok(false);
        }
        self.replay.line(raw)?;
        if let Some(line) = line {
            self.head = Head {
                seq: line.seq,
                hash: line.entry_hash,
            };
        }
        Ok(true)
    }

    /// The state at the point, and the hash of the last entry that counts.
    ///
    /// # Errors
    /// [`NoSuchPoint`] where the lines did not lead there.
    pub fn end(self) -> Result<(State, Digest), NoSuchPoint> {
        let is_reached = match self.at {
            At::Seq(seq) => self.head.seq == seq,
            At::Time(_) => true,
        };
        let state = self.replay.state().filter(|_| is_reached);
        let state = state.ok_or(NoSuchPoint)?.clone();
        Ok((state, self.head.hash))
    }
}

impl<S: Storage + Clone> Snapshots<S> {
    /// The newest snapshot that can be used and does not lie behind `at`.
    pub fn find_before(&self, at: At) -> Found {
        let is_behind = |header: &Header| at.is_before(header.seq, header.timestamp);
        let mut found = Found::default();
        // A directory that can't be listed is one without snapshots.
        for seq in self.list().unwrap_or_default() {
            // Only to leave out what is not wanted: what is used is read and proven.
            if self.header(seq).is_some_and(|header| is_behind(&header)) {
                continue;
            }
            match self.read(seq) {
                Ok(snapshot) if is_behind(snapshot.header()) => {}
                Ok(snapshot) => {
                    found.snapshot = Some(snapshot);
                    break;
                }
                Err(reason) => found.ignored.push(Ignored {
                    seq,
                    path: self.path(seq),
                    reason,
                }),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_what_is_known_and_when_it_is_judged() {
        let time: Timestamp = "2026-05-04T09:30:00.000000Z".parse().unwrap();
        for (as_known_at, at, expected) in [
            (None, None, Ok((None, None))),
            (None, Some(At::Seq(7)), Ok((Some(At::Seq(7)), None))),
            (
                None,
                Some(At::Time(time)),
                Ok((Some(At::Time(time)), Some(time))),
            ),
            (Some(3), None, Ok((Some(At::Seq(3)), None))),
            (
                Some(3),
                Some(At::Time(time)),
                Ok((Some(At::Seq(3)), Some(time))),
            ),
            (Some(3), Some(At::Seq(7)), Err(TwoEntries)),
        ] {
            let asked = Asked::new(as_known_at, at).map(|asked| (asked.known, asked.judged));
            assert_eq!(asked, expected);
        }
    }
}
