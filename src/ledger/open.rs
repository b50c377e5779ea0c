//! What opening a ledger finds: its segments and the state of the last one.

use std::io;
use std::path::{Path, PathBuf};

use super::diagnosis::{Diagnosis, Known, Refusal, SegmentStart, Tail, diagnose_behind};
use super::io_code;
use super::layout::Layout;
use super::lock::LockError;
use super::prefix::compare_in;
use super::seals::{SealError, Seals, digest, hash_of};
use super::storage::Storage;
use super::upstream::UpstreamError;
use crate::chain::place::Prefix;
use crate::governance::digest::Digest;

/// Why a ledger can't be opened or made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none.
    #[error("no ledger at {}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is one without a single complete batch: making it was interrupted.
    #[error("the ledger at {} was never initialized", path.display())]
    NotInitialized {
        /// Where it is.
        path: PathBuf,
    },
    /// There is one already.
    #[error("there is a ledger at {} already", path.display())]
    Exists {
        /// Where it is.
        path: PathBuf,
    },
    /// Another process writes to it.
    #[error("the ledger at {} is in use by {}", path.display(), holder(*pid))]
    InUse {
        /// Where it is.
        path: PathBuf,
        /// The process, where it could be told.
        pid: Option<u32>,
    },
    /// It is damaged.
    #[error("the ledger at {} is {refusal}", path.display())]
    Refused {
        /// Where it is.
        path: PathBuf,
        /// What is damaged.
        refusal: Refusal,
    },
    /// The disk failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which ledger.
        path: PathBuf,
        /// How.
        source: io::Error,
    },
    /// What it is a copy of can't be followed.
    #[error(transparent)]
    Upstream(Box<UpstreamError>),
}

impl From<UpstreamError> for OpenError {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(Box::new(error))
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"))
}

impl OpenError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "ledger.not-found",
            Self::NotInitialized { .. } => "ledger.not-initialized",
            Self::Exists { .. } => "ledger.exists",
            Self::InUse { .. } => "ledger.in-use",
            Self::Refused { refusal, .. } => refusal.code,
            Self::Io { source, .. } => io_code(source),
            Self::Upstream(error) => error.code(),
        }
    }

    /// Makes an I/O error of the ledger at `path` into one that says so.
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn lock(path: &Path, error: LockError) -> Self {
        let path = path.to_owned();
        match error {
            LockError::InUse { pid } => Self::InUse { path, pid },
            LockError::Io(source) => Self::Io { path, source },
        }
    }
}

/// A segment and how much of it counts.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) first_seq: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// How far a ledger has been read: up to the end of a batch.
#[derive(Debug, Clone)]
pub(super) struct Position {
    /// The segment in which reading goes on, by its first line.
    pub(super) first_seq: u64,
    /// What is known of that segment.
    pub(super) known: Known,
    /// The last line read, and the length of all segments before that one.
    pub(super) start: SegmentStart,
}

impl Position {
    /// Nothing is read yet.
    pub(super) fn beginning() -> Self {
        Self {
            first_seq: 1,
            known: Known::nothing(),
            start: SegmentStart::default(),
        }
    }

    /// A prefix that the ledger holds is taken for good.
    const fn behind(prefix: &Prefix) -> Self {
        Self {
            first_seq: prefix.place.segment,
            known: Known {
                bytes: prefix.place.end,
                hash: None,
            },
            start: SegmentStart {
                tip: prefix.tip,
                offset: prefix.place.before,
            },
        }
    }
}

/// The last lines of which somebody knows that they were acknowledged.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Covered {
    /// By a checkpoint: a ledger that ends before it was cut.
    pub(super) checkpoint: Option<u64>,
    /// By this user's memory, which only tells damage from a torn tail: whoever cut or swapped the
    /// ledger on purpose is asked about it by name elsewhere.
    pub(super) seen: Option<u64>,
}

impl Covered {
    /// The last line that no torn tail can hold.
    fn acknowledged(self) -> Option<u64> {
        self.checkpoint.max(self.seen)
    }
}

/// Segments and the state of the last one, or of the first one that is damaged.
#[derive(Debug)]
pub(super) struct Examined {
    /// With the lengths of their complete batches.
    pub(super) segments: Vec<Segment>,
    pub(super) diagnosis: Diagnosis,
    /// The end of the last complete batch; worth nothing where the diagnosis is a refusal.
    pub(super) end: Position,
    /// The seals as they stand in their file.
    pub(super) seals: Seals,
    /// The hashes of the segments that others follow, as far as they were read from their beginning.
    pub(super) hashes: Vec<(u64, Digest)>,
    /// What was taken for good without being read.
    pub(super) prefix: Option<Prefix>,
}

/// Refuses a directory that holds no ledger.
///
/// # Errors
/// [`OpenError::NotFound`], and where the directory can't be examined.
pub fn check_exists(dir: &Path) -> Result<(), OpenError> {
    check_found(&super::storage::Disk, &Layout::new(dir))
}

/// Refuses a directory that holds no ledger, before anything is touched.
pub(super) fn check_found<S: Storage>(storage: &S, layout: &Layout) -> Result<(), OpenError> {
    let path = layout.dir.clone();
    match storage.exists(&layout.ledger) {
        Ok(true) => Ok(()),
        Ok(false) => Err(OpenError::NotFound { path }),
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

/// Reads all segments in order without writing anything.
///
/// Where the ledger holds `prefix`, the lines up to its last one are taken for good and not read:
/// damage there is for a verification to find. Where it does not, everything is read.
pub(super) fn examine_behind<S: Storage>(
    storage: &S,
    layout: &Layout,
    covered: Covered,
    prefix: Option<&Prefix>,
) -> io::Result<Examined> {
    let held = match prefix {
        Some(known) if compare_in(storage, layout, known)?.is_none() => known,
        _ => return examine(storage, layout, covered, Position::beginning()),
    };
    let mut examined = examine(storage, layout, covered, Position::behind(held))?;
    let mut segments = Vec::new();
    for first_seq in layout.segments(storage)? {
        if first_seq >= held.place.segment {
            break;
        }
        let path = layout.segment(first_seq);
        let bytes = storage.len(&path)?;
        segments.push(Segment {
            first_seq,
            path,
            bytes,
        });
    }
    segments.append(&mut examined.segments);
    examined.segments = segments;
    examined.prefix = Some(*held);
    Ok(examined)
}

/// Reads all segments from `from` on, in order, without writing anything.
pub(super) fn examine<S: Storage>(
    storage: &S,
    layout: &Layout,
    covered: Covered,
    from: Position,
) -> io::Result<Examined> {
    // The seals come first: a writer may be sealing, and never takes back a seal.
    let seals = Seals::read(storage, layout)?;
    let none = Seals::EMPTY;
    let mut numbers = layout.segments(storage)?;
    numbers.retain(|first_seq| *first_seq >= from.first_seq);
    let mut walk = Walk {
        storage,
        layout,
        covered,
        seals: seals.as_ref().unwrap_or(&none),
        from: from.first_seq,
        position: from,
        hashes: Vec::new(),
    };
    let mut segments = Vec::with_capacity(numbers.len());
    let mut diagnosis = walk.nothing_yet();
    for (index, first_seq) in numbers.iter().copied().enumerate() {
        let found = walk.segment(first_seq, index == 0, index + 1 == numbers.len())?;
        let path = layout.segment(first_seq);
        let bytes = match &found {
            Diagnosis::Clean { bytes, .. } => *bytes,
            Diagnosis::Torn { keep_bytes, .. } => *keep_bytes,
            Diagnosis::Refused(_) => storage.len(&path)?,
        };
        segments.push(Segment {
            first_seq,
            path,
            bytes,
        });
        // What comes behind damage is kept for those who look, but nothing hides the damage.
        if !matches!(diagnosis, Diagnosis::Refused(_)) {
            diagnosis = found;
        }
    }
    let diagnosis = walk.as_a_whole(diagnosis, &numbers, seals.as_ref().err());
    Ok(Examined {
        segments,
        diagnosis,
        end: walk.position,
        hashes: walk.hashes,
        seals: seals.unwrap_or(Seals::EMPTY),
        prefix: None,
    })
}

/// The way from segment to segment.
struct Walk<'a, S> {
    storage: &'a S,
    layout: &'a Layout,
    covered: Covered,
    seals: &'a Seals,
    /// The first segment that is read.
    from: u64,
    position: Position,
    hashes: Vec<(u64, Digest)>,
}

impl<S: Storage> Walk<'_, S> {
    const fn nothing_yet(&self) -> Diagnosis {
        Diagnosis::Clean {
            tip: self.position.start.tip,
            bytes: self.position.known.bytes,
        }
    }

    fn segment(&mut self, first_seq: u64, is_first: bool, is_last: bool) -> io::Result<Diagnosis> {
        let expected = if is_first {
            self.position.first_seq
        } else {
            self.position.start.tip.head.seq.saturating_add(1)
        };
        if first_seq != expected {
            return Ok(Diagnosis::Refused(self.gap(Some(first_seq), expected)));
        }
        if !is_first {
            self.position.start.offset += self.position.known.bytes;
            self.position.known = Known::nothing();
            self.position.first_seq = first_seq;
        }
        let path = self.layout.segment(first_seq);
        let mut file = self.storage.open(&path)?;
        let Position { known, start, .. } = &mut self.position;
        let mut diagnosis = diagnose_behind(&mut file, known, start, self.covered.acknowledged())?;
        let seal = self.seals.of(first_seq);
        if seal.is_some() || !is_last {
            diagnosis = sealed(diagnosis);
        }
        let Diagnosis::Clean { tip, .. } = &diagnosis else {
            if let Diagnosis::Torn { tip, .. } = &diagnosis {
                self.position.start.tip = *tip;
            }
            return Ok(diagnosis);
        };
        self.position.start.tip = *tip;
        if is_last && seal.is_none() {
            return Ok(diagnosis);
        }
        let hash = match &self.position.known.hash {
            Some(hash) => digest(hash),
            // A seal says nothing of what was read that the chain does not say, and what was taken
            // for good is not read for its sake. That no batch is missing shows in the next segment.
            None if !is_last => return Ok(diagnosis),
            None => digest(&hash_of(self.storage, &path, self.position.known.bytes)?),
        };
        if !is_last {
            self.hashes.push((first_seq, hash));
        }
        if seal.is_some_and(|seal| *seal != hash || self.position.known.bytes == 0) {
            let message = format!(
                "the segment hashes to {hash}, {} states {}",
                Seals::NAME,
                seal.map(ToString::to_string).unwrap_or_default()
            );
            return Ok(Diagnosis::Refused(seal_refusal(
                first_seq,
                self.position.start.offset,
                message,
            )));
        }
        Ok(diagnosis)
    }

    /// What only the whole shows: seals that can't be read or that have no segment, lines that are
    /// not there.
    fn as_a_whole(
        &self,
        diagnosis: Diagnosis,
        numbers: &[u64],
        unreadable: Option<&SealError>,
    ) -> Diagnosis {
        if matches!(diagnosis, Diagnosis::Refused(_)) {
            return diagnosis;
        }
        let end = self.position.start.offset + self.position.known.bytes;
        if let Some(error) = unreadable {
            return Diagnosis::Refused(seal_refusal(1, 0, error.to_string()));
        }
        if numbers.is_empty() && self.position.start.tip.head.seq > 0 {
            return Diagnosis::Refused(self.gap(None, self.from));
        }
        let missing = (self.seals.first_seqs())
            .find(|first_seq| *first_seq >= self.from && numbers.binary_search(first_seq).is_err());
        if let Some(missing) = missing {
            let message = format!(
                "{} names the segment {missing}, which is not there",
                Seals::NAME
            );
            return Diagnosis::Refused(seal_refusal(missing, end, message));
        }
        match &diagnosis {
            Diagnosis::Clean { tip, .. }
                if (self.covered.checkpoint)
                    .is_some_and(|checkpoint| tip.head.seq < checkpoint) =>
            {
                let tail = Tail {
                    offset: end,
                    bytes: 0,
                };
                Diagnosis::Refused(Refusal::below(self.covered.checkpoint, tip, &tail))
            }
            _ => diagnosis,
        }
    }

    fn gap(&self, found: Option<u64>, expected: u64) -> Refusal {
        let found = found.map_or_else(|| "none".to_owned(), |first_seq| first_seq.to_string());
        Refusal {
            code: "segment.gap",
            seq: expected,
            offset: self.position.start.offset + self.position.known.bytes,
            message: format!("expected the segment that starts at line {expected}, found {found}"),
        }
    }
}

/// Only the last segment is ever written to, so no crash explains a torn end in another one.
fn sealed(diagnosis: Diagnosis) -> Diagnosis {
    match diagnosis {
        Diagnosis::Torn { tip, tail, .. } => Diagnosis::Refused(Refusal {
            code: "segment.incomplete",
            message: "a segment that is sealed or that others follow ends within a batch"
                .to_owned(),
            ..Refusal::torn(&tip, &tail)
        }),
        other => other,
    }
}

const fn seal_refusal(seq: u64, offset: u64, message: String) -> Refusal {
    Refusal {
        code: "segment.seal",
        seq,
        offset,
        message,
    }
}
