//! Lines by their numbers, read from the segments without reading all of them.
//!
//! A segment's name is the number of its first line, and every line starts with its own number: so a line
//! is found by halving. Nothing is checked but that: whoever reads here was told by a replay how far the
//! ledger goes, and reads no further. What stands behind that may be half written.

use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::layout::Layout;
use super::seals::Seals;
use super::storage::{Disk, Storage, StorageFile as _};
use crate::chain::line::{MAX_LINE_BYTES, Position};
use crate::governance::digest::Digest;

/// The lines of a ledger.
#[derive(Debug, Clone)]
pub struct Entries<S: Storage = Disk> {
    storage: S,
    layout: Layout,
}

/// A file of a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The number of its first line.
    pub first_seq: u64,
    /// Its name.
    pub name: String,
    /// Its SHA-256, once nothing is written to it any more.
    pub sha256: Option<Digest>,
}

impl Entries {
    /// The lines of the ledger in `dir`.
    #[must_use]
    pub fn of_dir(dir: &Path) -> Self {
        Self::of_dir_on(Disk, dir)
    }
}

impl<S: Storage> Entries<S> {
    /// As [`of_dir`](Entries::of_dir), of a given storage.
    pub(crate) fn of_dir_on(storage: S, dir: &Path) -> Self {
        Self {
            storage,
            layout: Layout::new(dir),
        }
    }

    /// The segments, in order.
    ///
    /// # Errors
    /// Where they can't be listed.
    pub fn segments(&self) -> io::Result<Vec<SegmentInfo>> {
        let seals = Seals::read(&self.storage, &self.layout)?.unwrap_or_default();
        let numbers = self.layout.segments(&self.storage)?.into_iter();
        Ok(numbers
            .map(|first_seq| SegmentInfo {
                first_seq,
                name: Layout::segment_name(first_seq),
                sha256: seals.of(first_seq).copied(),
            })
            .collect())
    }

    /// How many bytes of a segment hold lines up to number `last`.
    ///
    /// # Errors
    /// Where it can't be read, or does not hold what its name says.
    pub fn bytes_of(&self, segment: &SegmentInfo, last: u64) -> io::Result<u64> {
        let mut file = self.storage.open(&self.layout.segment(segment.first_seq))?;
        place_of::<S>(&mut file, last.saturating_add(1))
    }

    /// At most `most` bytes of a segment, from `offset` on.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn read_segment(
        &self,
        segment: &SegmentInfo,
        offset: u64,
        most: u64,
    ) -> io::Result<Vec<u8>> {
        let mut file = self.storage.open(&self.layout.segment(segment.first_seq))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// How many bytes the last segment has, and which it is: what changes when anything is appended.
    ///
    /// # Errors
    /// Where that can't be examined.
    pub fn extent(&self) -> io::Result<(u64, u64)> {
        let last = self.layout.segments(&self.storage)?.pop().unwrap_or(0);
        Ok((last, self.storage.len(&self.layout.segment(last))?))
    }

    /// The lines with the numbers `first` to `last`, which the ledger must have.
    ///
    /// # Errors
    /// Where the segments can't be listed.
    pub fn range(&self, first: u64, last: u64) -> io::Result<Lines<'_, S>> {
        let mut numbers = self.layout.segments(&self.storage)?;
        let from = numbers.iter().rposition(|number| *number <= first);
        Ok(Lines {
            entries: self,
            segments: numbers.split_off(from.unwrap_or(0)).into_iter(),
            current: None,
            next: first,
            last,
        })
    }
}

/// Lines in order, each without its line feed.
#[derive(Debug)]
pub struct Lines<'a, S: Storage> {
    entries: &'a Entries<S>,
    segments: std::vec::IntoIter<u64>,
    current: Option<BufReader<S::File>>,
    next: u64,
    last: u64,
}

impl<S: Storage> Lines<'_, S> {
    /// The next line.
    fn advance(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if self.current.is_none() {
                let segment = self.segments.next().ok_or_else(|| not_there(self.next))?;
                let layout = &self.entries.layout;
                let mut file = self.entries.storage.open(&layout.segment(segment))?;
                let place = place_of::<S>(&mut file, self.next)?;
                file.seek(SeekFrom::Start(place))?;
                self.current = Some(BufReader::new(file));
            }
            let Some(file) = &mut self.current else {
                continue;
            };
            let mut line = Vec::new();
            file.take(LONGEST).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                self.current = None;
                continue;
            }
            let is_whole = line.pop() == Some(b'\n');
            let position = Position::parse(&line).ok().filter(|_| is_whole);
            if position.is_none_or(|found| found.seq != self.next) {
                return Err(not_there(self.next));
            }
            return Ok(line);
        }
    }
}

impl<S: Storage> Iterator for Lines<'_, S> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next > self.last {
            return None;
        }
        let line = self.advance();
        match &line {
            Ok(_) => self.next += 1,
            Err(_) => self.next = u64::MAX,
        }
        Some(line)
    }
}

/// A line with its line feed.
const LONGEST: u64 = MAX_LINE_BYTES as u64 + 1;

/// How many bytes are looked through from one end: lines are mostly far shorter.
const NEAR: u64 = 64 << 10;

fn not_there(seq: u64) -> io::Error {
    let message = format!("the ledger does not hold line {seq} where it should");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// Where the first line starts whose number is `seq` or more; the end of the file where there is none.
fn place_of<S: Storage>(file: &mut S::File, seq: u64) -> io::Result<u64> {
    let mut low = 0;
    let mut high = file.file_len()?;
    // Every line that starts before `low` is an earlier one; `high` is the start of a later one, or the
    // end.
    while high - low > NEAR {
        let middle = low + (high - low) / 2;
        match line_behind::<S>(file, middle, high)? {
            Some((start, number)) if number < seq => low = start + 1,
            Some((start, _)) => high = start.min(high),
            // One long line reaches from the middle to the end.
            None => high = middle,
        }
    }
    scan::<S>(file, low, seq)
}

/// The first line that starts behind `offset` and before `end`, and its number.
fn line_behind<S: Storage>(
    file: &mut S::File,
    offset: u64,
    end: u64,
) -> io::Result<Option<(u64, u64)>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut reader = BufReader::new(&mut *file).take(LONGEST);
    let skipped = reader.skip_until(b'\n')? as u64;
    let start = offset + skipped;
    if start >= end {
        return Ok(None);
    }
    let mut head = Vec::new();
    reader.set_limit(HEAD);
    reader.read_to_end(&mut head)?;
    // What is not a line's beginning yet stands behind all lines.
    let number = Position::parse(&head).map_or(u64::MAX, |found| found.seq);
    Ok(Some((start, number)))
}

/// No line's number and place in its batch are longer.
const HEAD: u64 = 128;

/// Looks line by line, from the first that starts at or behind `low`. What is no line between lines is
/// passed over, so that one that was changed does not hide others; behind the last line it does not count.
fn scan<S: Storage>(file: &mut S::File, low: u64, seq: u64) -> io::Result<u64> {
    let mut at = low;
    // `low` is a line's start, or the byte behind one.
    let from = low.saturating_sub(1);
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::new(file);
    if low > 0 {
        at = from + reader.skip_until(b'\n')? as u64;
    }
    let mut line = Vec::new();
    let mut end = at;
    loop {
        line.clear();
        let read = (&mut reader).take(LONGEST).read_until(b'\n', &mut line)?;
        let is_whole = line.last() == Some(&b'\n');
        if !is_whole {
            // The end, or what a writer is just putting down.
            return Ok(end);
        }
        let position = Position::parse(&line).ok();
        if position.is_some_and(|found| found.seq >= seq) {
            return Ok(at);
        }
        at += read as u64;
        if position.is_some() {
            end = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::chain::line::{Head, Line, NewEntry, encode_batch};
    use crate::ledger::{FileLedger, Ledger as _, OpenOptions, Wait};

    /// A ledger of `count` lines over several segments, every seventh line a long one.
    fn ledger(dir: &Path, count: u64) -> Entries {
        let mut head = Head::GENESIS;
        let options = OpenOptions {
            wait: Wait::No,
            segment_bytes: 300_000,
            ..OpenOptions::default()
        };
        let mut ledger = FileLedger::create_on(Disk, dir, options).unwrap();
        for number in 1..=count {
            let long = if number % 7 == 0 { 100_000 } else { 10 };
            let content = "x".repeat(long);
            let entry = NewEntry {
                timestamp: "2026-05-04T09:30:00.000000Z".parse().unwrap(),
                operation: "vote_cast".into(),
                data: RawValue::from_string(format!("{{\"content\":\"{content}\"}}")).unwrap(),
            };
            let batch = encode_batch(&head, &[entry]).unwrap();
            ledger.append(&{ head }, &batch).unwrap();
            head = *batch.head();
        }
        Entries::of_dir(dir)
    }

    fn numbers(entries: &Entries, first: u64, last: u64) -> Vec<u64> {
        let lines = entries.range(first, last).unwrap();
        lines
            .map(|line| Line::decode(&line.unwrap()).unwrap().seq)
            .collect()
    }

    #[test]
    fn every_range_gives_its_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let entries = ledger(&path, 40);
        assert!(entries.segments().unwrap().len() > 1);
        for first in 1..=40 {
            for last in [first - 1, first, first + 3, 40] {
                let last = last.min(40);
                let expected: Vec<u64> = (first..=last).collect();
                assert_eq!(numbers(&entries, first, last), expected, "{first} {last}");
            }
        }
        let mut beyond = entries.range(40, 41).unwrap();
        assert!(beyond.next().unwrap().is_ok());
        assert!(beyond.next().unwrap().is_err());
        assert!(beyond.next().is_none());
    }

    #[test]
    fn a_segment_is_given_up_to_a_line_and_nothing_behind_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger");
        let entries = ledger(&path, 40);
        for segment in entries.segments().unwrap() {
            for last in segment.first_seq..=40 {
                let bytes = entries.bytes_of(&segment, last).unwrap();
                let text = entries.read_segment(&segment, 0, bytes).unwrap();
                let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
                let end = lines.last().unwrap();
                assert!(end.ends_with(b"\n"), "{last}");
                let found = Line::decode(&end[..end.len() - 1]).unwrap().seq;
                let is_last = found == segment.first_seq + lines.len() as u64 - 1;
                assert!(is_last && found <= last, "{found} {last}");
                // Nothing is missing, either: the next line is beyond, or of the next segment.
                let whole = entries.bytes_of(&segment, 40).unwrap();
                assert!(found == last || bytes == whole, "{found} {last}");
            }
        }
    }
}
