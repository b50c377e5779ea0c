//! Whether a ledger still holds what somebody knows of it, told from one line.

use std::fmt;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use memchr::memrchr;

use super::layout::Layout;
use super::open::Segment;
use super::storage::Storage;
use crate::chain::line::{Head, Line, MAX_LINE_BYTES};
use crate::chain::place::{Place, Prefix};

/// How a ledger differs from a prefix that it should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// It ends before the prefix does.
    Shorter,
    /// Where the last line of the prefix should stand, something else stands.
    Other,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shorter => "the ledger ends before it",
            Self::Other => "the ledger has something else in that place",
        })
    }
}

/// Whether the ledger in `dir` holds `prefix`: its last line stands where it should, and its hash,
/// which stands for all lines before it, is the one that is known. None of those is read.
///
/// # Errors
/// Where the ledger can't be read.
pub fn compare<S: Storage>(
    storage: &S,
    dir: &Path,
    prefix: &Prefix,
) -> io::Result<Option<Mismatch>> {
    compare_in(storage, &Layout::new(dir), prefix)
}

pub(super) fn compare_in<S: Storage>(
    storage: &S,
    layout: &Layout,
    prefix: &Prefix,
) -> io::Result<Option<Mismatch>> {
    let Place {
        segment,
        before,
        end,
        line,
    } = prefix.place;
    let numbers = layout.segments(storage)?;
    if !numbers.contains(&segment) {
        return Ok(Some(Mismatch::Shorter));
    }
    let mut found_before: u64 = 0;
    for number in numbers.into_iter().filter(|number| *number < segment) {
        found_before = found_before.saturating_add(storage.len(&layout.segment(number))?);
    }
    let path = layout.segment(segment);
    if storage.len(&path)? < end {
        return Ok(Some(Mismatch::Shorter));
    }
    let longest = MAX_LINE_BYTES as u64 + 1;
    let start = end.checked_sub(line).filter(|_| line <= longest);
    let Some(start) = start.filter(|_| found_before == before) else {
        return Ok(Some(Mismatch::Other));
    };
    let mut file = storage.open(&path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(line).read_to_end(&mut bytes)?;
    Ok((!is_last_line(&bytes, prefix)).then_some(Mismatch::Other))
}

/// Whether `bytes` are the last line of `prefix` with its line feed.
fn is_last_line(bytes: &[u8], prefix: &Prefix) -> bool {
    let line = bytes.strip_suffix(b"\n").map(Line::decode);
    let Some(Ok(line)) = line else {
        return false;
    };
    line.hash_matches()
        && line.seq == prefix.tip.head.seq
        && line.entry_hash == prefix.tip.head.hash
        && Some(line.timestamp) == prefix.tip.timestamp
        && line.batch.is_last()
}

/// Whether a segment of at least `bytes` states another hash there than that of `head`, which was its last line.
/// A segment that is missing or shorter is for others to find.
pub(super) fn is_another<S: Storage>(
    storage: &S,
    path: &Path,
    bytes: u64,
    head: &Head,
) -> io::Result<bool> {
    let expected = format!("{}\"}}\n", head.hash);
    let start = bytes.checked_sub(expected.len() as u64);
    let is_there = storage.len(path).is_ok_and(|found| found >= bytes);
    let Some(start) = start.filter(|_| is_there) else {
        return Ok(false);
    };
    let mut file = storage.open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut found = Vec::new();
    file.take(expected.len() as u64).read_to_end(&mut found)?;
    Ok(found != expected.as_bytes())
}

/// Where the last line of these segments stands; `None` where there is no line.
pub(super) fn place_of_last_line<'a, S: Storage>(
    storage: &S,
    segments: impl IntoIterator<Item = &'a Segment>,
) -> io::Result<Option<Place>> {
    let mut before = 0;
    let mut found = None;
    // The last segment may have been started without having a line yet.
    for segment in segments.into_iter().filter(|segment| segment.bytes > 0) {
        before += found
            .replace(segment)
            .map_or(0, |last: &Segment| last.bytes);
    }
    let Some(last) = found else {
        return Ok(None);
    };
    let read = last.bytes.min(MAX_LINE_BYTES as u64 + 2);
    let mut file = storage.open(&last.path)?;
    file.seek(SeekFrom::Start(last.bytes - read))?;
    let mut bytes = Vec::new();
    file.take(read).read_to_end(&mut bytes)?;
    let line = bytes
        .strip_suffix(b"\n")
        .ok_or(io::ErrorKind::InvalidData)?;
    let start = memrchr(b'\n', line).map_or(0, |at| at + 1);
    Ok(Some(Place {
        segment: last.first_seq,
        before,
        end: last.bytes,
        line: (bytes.len() - start) as u64,
    }))
}
