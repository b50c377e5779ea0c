//! What opening a ledger finds: its segments and the state of the last one.

use std::io;
use std::path::{Path, PathBuf};

use super::diagnosis::{Diagnosis, Refusal, SegmentStart, diagnose_from};
use super::layout::Layout;
use super::lock::LockError;
use super::prefix::compare_in;
use super::storage::Storage;
use crate::chain::place::Prefix;

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
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("pid {pid}"))
}

impl OpenError {
    /// A stable identifier of the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "ledger.not-found",
            Self::NotInitialized { .. } => "ledger.not-initialized",
            Self::Exists { .. } => "ledger.exists",
            Self::InUse { .. } => "ledger.in-use",
            Self::Refused { refusal, .. } => refusal.code,
            Self::Io { .. } => "ledger.io",
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
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// All segments and the state of the last one, or of the first one that is damaged.
#[derive(Debug)]
pub(super) struct Examined {
    /// With the lengths of their complete batches.
    pub(super) segments: Vec<Segment>,
    pub(super) diagnosis: Diagnosis,
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
pub(super) fn examine<S: Storage>(
    storage: &S,
    layout: &Layout,
    checkpoint: Option<u64>,
    prefix: Option<&Prefix>,
) -> io::Result<Examined> {
    let prefix = match prefix {
        Some(known) if compare_in(storage, layout, known)?.is_none() => Some(*known),
        _ => None,
    };
    let numbers = layout.segments(storage)?;
    let mut start = SegmentStart::default();
    let mut examined = Examined {
        segments: Vec::with_capacity(numbers.len()),
        diagnosis: Diagnosis::Clean {
            tip: start.tip,
            bytes: 0,
        },
        prefix,
    };
    for (index, first_seq) in numbers.iter().copied().enumerate() {
        let path = layout.segment(first_seq);
        let is_last = index + 1 == numbers.len();
        let known_bytes = match prefix.map(|known| (known.place, known.tip)) {
            Some((place, _)) if first_seq < place.segment => {
                let bytes = storage.len(&path)?;
                start.offset += bytes;
                examined.segments.push(Segment { path, bytes });
                continue;
            }
            Some((place, tip)) if first_seq == place.segment => {
                start.tip = tip;
                place.end
            }
            _ => 0,
        };
        let diagnosis = if known_bytes > 0 || first_seq == start.tip.head.seq + 1 {
            let segment = &mut storage.open(&path)?;
            let found = diagnose_from(segment, &start, known_bytes, checkpoint)?;
            if is_last { found } else { sealed(found) }
        } else {
            Diagnosis::Refused(gap(first_seq, &start))
        };
        let bytes = match &diagnosis {
            Diagnosis::Clean { tip, bytes } => {
                start.tip = *tip;
                start.offset += bytes;
                *bytes
            }
            Diagnosis::Torn { keep_bytes, .. } => *keep_bytes,
            Diagnosis::Refused(_) => storage.len(&path)?,
        };
        examined.segments.push(Segment { path, bytes });
        // What comes behind damage is kept for those who look, but nothing hides the damage.
        if !matches!(examined.diagnosis, Diagnosis::Refused(_)) {
            examined.diagnosis = diagnosis;
        }
    }
    Ok(examined)
}

/// Only the last segment is ever written to, so no crash explains a torn end in another one.
fn sealed(diagnosis: Diagnosis) -> Diagnosis {
    match diagnosis {
        Diagnosis::Torn { tip, tail, .. } => Diagnosis::Refused(Refusal {
            code: "segment.incomplete",
            message: "a segment that others follow ends within a batch".to_owned(),
            ..Refusal::torn(&tip, &tail)
        }),
        other => other,
    }
}

fn gap(first_seq: u64, start: &SegmentStart) -> Refusal {
    let seq = start.tip.head.seq + 1;
    Refusal {
        code: "segment.gap",
        seq,
        offset: start.offset,
        message: format!("expected the segment that starts at line {seq}, found {first_seq}"),
    }
}
