//! A state with its place in a history, from which a replay can go on.
//!
//! ```text
//! {"snapshot":1,"ledger":…,"seq":…,"head":…,…,"state_hash":…}    the header
//! {"state":{…}}                                                   the state's records
//! {"node":{…}}
//! …
//! ```
//!
//! Whether the bytes deserve belief is for whoever keeps them; see [`crate::governance::state`] for
//! what reading requires on its own. Specification, "Snapshots".

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::Replayed;
use crate::chain::line::Head;
use crate::chain::lines::{Ending, LineReader, ReadLineError};
use crate::chain::merkle::MerkleAccumulator;
use crate::chain::place::{Place, Prefix};
use crate::chain::verify::Tip;
use crate::governance::MAX_INTEGER;
use crate::governance::digest::Digest;
use crate::governance::id::LedgerId;
use crate::governance::state::{BadRecord, PROJECTION_VERSION, State, StateHash, StateReader};
use crate::governance::time::Timestamp;

/// The version of the form that snapshots are written in. Those of another version are not read:
/// a snapshot can always be made again.
pub const SNAPSHOT_FORMAT: u64 = 1;

/// The first line of a snapshot: of which history it is, and how far it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`SNAPSHOT_FORMAT`].
    snapshot: u64,
    /// The version of the projection under the state hash.
    pub projection: u64,
    /// The ledger.
    pub ledger: LedgerId,
    /// The number of the last entry.
    pub seq: u64,
    /// Its hash.
    pub head: Digest,
    /// Its time.
    pub timestamp: Timestamp,
    /// Where its line stands.
    pub place: Place,
    /// The Merkle tree over all entry hashes: the roots of its perfect subtrees, the largest first.
    pub peaks: Vec<Digest>,
    /// The state hash.
    pub state_hash: StateHash,
}

/// A state as of an entry that ends a batch, with what a replay needs to go on behind it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    header: Header,
    state: State,
    merkle: MerkleAccumulator,
}

/// Why bytes are no snapshot, or none that this version can use.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// They can't be read.
    #[error("the snapshot can't be read: {0}")]
    Read(#[from] ReadLineError),
    /// The form, or the projection under the state hash, is of another version.
    #[error("the snapshot is of format {format}, projection {projection}")]
    Version {
        /// The version of its form.
        format: u64,
        /// The version of the projection; 0 where the form is unknown.
        projection: u64,
    },
    /// The first line is no header.
    #[error("the snapshot has no sound header: {0}")]
    Header(String),
    /// A record is none, or can't stand where it does.
    #[error("line {line} of the snapshot: {problem}")]
    Record {
        /// The number of the line.
        line: u64,
        /// What is wrong with it.
        problem: BadRecord,
    },
    /// The last line is cut short.
    #[error("the snapshot is cut short")]
    CutShort,
    /// The records make another state than the header names.
    #[error("the snapshot's records make another state than its header names")]
    StateHash,
}

impl SnapshotError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "snapshot.io",
            Self::Version { .. } => "snapshot.version",
            Self::Header(_) => "snapshot.header",
            Self::Record { .. } => "snapshot.record",
            Self::CutShort => "snapshot.cut-short",
            Self::StateHash => "snapshot.state-hash",
        }
    }
}

impl Header {
    /// The header of a snapshot of `state` as of the line at `place`.
    #[must_use]
    pub fn of(state: &State, head: &Head, merkle: &MerkleAccumulator, place: Place) -> Self {
        Self {
            snapshot: SNAPSHOT_FORMAT,
            projection: PROJECTION_VERSION,
            ledger: state.ledger(),
            seq: head.seq,
            head: head.hash,
            timestamp: state.clock(),
            place,
            peaks: merkle.peaks().to_vec(),
            state_hash: state.hash(),
        }
    }

    /// The version of the form.
    #[must_use]
    pub const fn format(&self) -> u64 {
        self.snapshot
    }

    /// The lines that the snapshot stands for.
    #[must_use]
    pub const fn prefix(&self) -> Prefix {
        Prefix {
            tip: Tip {
                head: Head {
                    seq: self.seq,
                    hash: self.head,
                },
                timestamp: Some(self.timestamp),
            },
            place: self.place,
        }
    }

    /// Reads the first line of a snapshot.
    ///
    /// # Errors
    /// [`SnapshotError::Version`] and [`SnapshotError::Header`].
    pub fn parse(line: &[u8]) -> Result<Self, SnapshotError> {
        #[derive(Deserialize)]
        struct Version {
            snapshot: u64,
        }

        let form = |error: serde_json::Error| SnapshotError::Header(error.to_string());
        let Version { snapshot: format } = serde_json::from_slice(line).map_err(form)?;
        if format != SNAPSHOT_FORMAT {
            let projection = 0;
            return Err(SnapshotError::Version { format, projection });
        }
        let header: Self = serde_json::from_slice(line).map_err(form)?;
        header.check()?;
        Ok(header)
    }

    fn check(&self) -> Result<(), SnapshotError> {
        if self.projection != PROJECTION_VERSION {
            return Err(SnapshotError::Version {
                format: self.snapshot,
                projection: self.projection,
            });
        }
        let Place {
            segment,
            before,
            end,
            line,
        } = self.place;
        let numbers = [self.seq, segment, before, end, line];
        let in_range = numbers.iter().all(|number| *number <= MAX_INTEGER);
        let in_place = (1..=self.seq).contains(&segment) && (1..=end).contains(&line);
        if in_range && in_place {
            return Ok(());
        }
        let message = "the last entry stands nowhere".to_owned();
        Err(SnapshotError::Header(message))
    }

    fn merkle(&self) -> Result<MerkleAccumulator, SnapshotError> {
        MerkleAccumulator::from_peaks(self.seq, self.peaks.clone())
            .ok_or_else(|| SnapshotError::Header("no Merkle tree of this size".to_owned()))
    }
}

/// Writes a snapshot of `state`. The same state at the same place always gives the same bytes.
///
/// # Errors
/// Where `out` fails.
pub fn write<W: Write>(header: &Header, state: &State, mut out: W) -> io::Result<()> {
    serde_json::to_writer(&mut out, header)?;
    out.write_all(b"\n")?;
    state.write_records(out)
}

impl Snapshot {
    /// Reads a snapshot, strictly. Memory use is that of the state and of one line.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn read<R: Read>(source: R) -> Result<Self, SnapshotError> {
        let mut lines = LineReader::new(source);
        let first = lines.next_line()?.ok_or(SnapshotError::CutShort)?;
        if first.ending != Ending::LineFeed {
            return Err(SnapshotError::CutShort);
        }
        let header = Header::parse(first.bytes)?;
        let merkle = header.merkle()?;
        let state = read_state(&mut lines)?;
        let fits = state.ledger() == header.ledger
            && state.entries() == header.seq
            && state.clock() == header.timestamp
            && state.hash() == header.state_hash;
        if !fits {
            return Err(SnapshotError::StateHash);
        }
        Ok(Self {
            header,
            state,
            merkle,
        })
    }

    /// Of which history it is, and how far it goes.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// The Merkle tree over all entry hashes.
    #[must_use]
    pub const fn merkle(&self) -> &MerkleAccumulator {
        &self.merkle
    }

    /// What a replay of the history up to here would have given.
    #[must_use]
    pub fn into_replayed(self) -> Replayed {
        Replayed {
            head: self.header.prefix().tip.head,
            state: self.state,
            merkle: self.merkle,
        }
    }
}

fn read_state<R: Read>(lines: &mut LineReader<R>) -> Result<State, SnapshotError> {
    let mut reader = StateReader::new();
    let mut number = 1;
    loop {
        number += 1;
        let at_line = |problem| SnapshotError::Record {
            line: number,
            problem,
        };
        match lines.next_line()? {
            None => return reader.finish().map_err(at_line),
            Some(line) if line.ending == Ending::LineFeed => {
                reader.record(line.bytes).map_err(at_line)?;
            }
            Some(_) => return Err(SnapshotError::CutShort),
        }
    }
}
