//! Looks at a part of the history from either end, never at more than a bounded number of entries.

use std::io;

use super::problem::Problem;
use crate::chain::line::Line;
use crate::governance::time::Timestamp;
use crate::ledger::Entries;

/// How many entries one request looks at.
pub(super) const LOOKED_AT: u64 = 20_000;

/// How many entries are read at a time, on the way back.
const CHUNK: u64 = 200;

/// Which entries there are to look at: the first and the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Span {
    pub(super) const fn is_empty(self) -> bool {
        self.first > self.last
    }

    /// As much of it as lies within times; the lines are in the order of time.
    pub(super) fn within(
        self,
        entries: &Entries,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> io::Result<Self> {
        let mut span = self;
        if let Some(until) = until {
            span.last = span.first_at(entries, until)?.saturating_sub(1);
        }
        if let Some(since) = since {
            span.first = span.first_at(entries, since)?;
        }
        Ok(span)
    }

    /// The first entry of that time or later; behind the last where there is none.
    fn first_at(self, entries: &Entries, time: Timestamp) -> io::Result<u64> {
        let (mut low, mut high) = (self.first, self.last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            let raw = entries.range(middle, middle)?.next().transpose()?;
            let line = raw.as_deref().map(Line::decode).transpose();
            let line = line.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if line.is_some_and(|line| line.timestamp < time) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }
}

/// A line, or why it can't be read.
pub(super) type Raw<'a> = Result<&'a [u8], io::Error>;

/// Looks at a span from its end on. `make` says what is kept of a line, `take` is given what is kept, the
/// newest first, and says whether to go on. Returns the oldest entry that was looked at.
pub(super) fn back<T>(
    entries: &Entries,
    span: Span,
    mut make: impl FnMut(u64, Raw<'_>) -> Result<Option<T>, Problem>,
    mut take: impl FnMut(T) -> bool,
) -> Result<u64, Problem> {
    let floor = span.first.max(span.last.saturating_sub(LOOKED_AT - 1));
    let mut behind = span.last + 1;
    while behind > floor {
        let from = floor.max(behind.saturating_sub(CHUNK));
        let mut kept = Vec::new();
        each(entries, from, behind - 1, |seq, raw| {
            if let Some(it) = make(seq, raw)? {
                kept.push((seq, it));
            }
            Ok(true)
        })?;
        for (seq, it) in kept.into_iter().rev() {
            if !take(it) {
                return Ok(seq);
            }
        }
        behind = from;
    }
    Ok(floor)
}

/// As [`back`], from the span's beginning on. Returns the newest entry that was looked at.
pub(super) fn on<T>(
    entries: &Entries,
    span: Span,
    mut make: impl FnMut(u64, Raw<'_>) -> Result<Option<T>, Problem>,
    mut take: impl FnMut(T) -> bool,
) -> Result<u64, Problem> {
    let last = span.last.min(span.first.saturating_add(LOOKED_AT - 1));
    let mut looked_at = last;
    each(entries, span.first, last, |seq, raw| {
        let goes_on = make(seq, raw)?.is_none_or(&mut take);
        if !goes_on {
            looked_at = seq;
        }
        Ok(goes_on)
    })?;
    Ok(looked_at)
}

/// Gives every line, and goes on behind one that can't be read.
fn each(
    entries: &Entries,
    mut from: u64,
    last: u64,
    mut line: impl FnMut(u64, Raw<'_>) -> Result<bool, Problem>,
) -> Result<(), Problem> {
    while from <= last {
        let lines = entries.range(from, last);
        let lines = lines.map_err(|error| Problem::internal("ledger.io", &error))?;
        for raw in lines {
            let is_whole = raw.is_ok();
            let goes_on = match raw {
                Ok(raw) => line(from, Ok(&raw))?,
                Err(error) => line(from, Err(error))?,
            };
            from += 1;
            if !goes_on {
                return Ok(());
            }
            if !is_whole {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A ledger of so many lines; only their numbers are right.
    fn ledger(lines: u64) -> (tempfile::TempDir, Entries) {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (1..=lines)
            .map(|seq| format!("{{\"v\":1,\"seq\":{seq},\"batch\":[1,1],\"timestamp\":0}}\n"))
            .collect();
        fs::create_dir(dir.path().join("ledger")).unwrap();
        let segment = dir.path().join("ledger/00000000000000000001.jsonl");
        fs::write(segment, text).unwrap();
        let entries = Entries::of_dir(dir.path());
        (dir, entries)
    }

    fn number(seq: u64, raw: Raw<'_>) -> Result<Option<u64>, Problem> {
        Ok(raw.is_ok().then_some(seq))
    }

    #[test]
    fn a_look_ends_after_so_many_entries_from_either_end() {
        let (_dir, entries) = ledger(25_000);
        let span = Span {
            first: 1,
            last: 25_000,
        };
        let mut found = Vec::new();
        let oldest = back(&entries, span, number, |seq| {
            found.push(seq);
            true
        });
        assert_eq!(oldest.unwrap(), 5_001);
        assert_eq!(found, (5_001..=25_000).rev().collect::<Vec<_>>());
        found.clear();
        let newest = on(&entries, span, number, |seq| {
            found.push(seq);
            true
        });
        assert_eq!(newest.unwrap(), 20_000);
        assert_eq!(found, (1..=20_000).collect::<Vec<_>>());
    }

    #[test]
    fn a_look_ends_where_enough_was_found() {
        let (_dir, entries) = ledger(1_000);
        for (first, last) in [(1, 1), (1, 199), (1, 200), (1, 201), (7, 1_000)] {
            let span = Span { first, last };
            let length = last - first + 1;
            for most in [1, 2, length, length + 1] {
                let mut count = 0;
                let mut enough = |_| {
                    count += 1;
                    count < most
                };
                let oldest = back(&entries, span, number, &mut enough).unwrap();
                assert_eq!(oldest, last + 1 - most.min(length), "{first} {last} {most}");
                count = 0;
                let mut enough = |_| {
                    count += 1;
                    count < most
                };
                let newest = on(&entries, span, number, &mut enough).unwrap();
                assert_eq!(
                    newest,
                    first - 1 + most.min(length),
                    "{first} {last} {most}"
                );
            }
        }
    }

    #[test]
    fn a_line_that_can_not_be_read_hides_no_other() {
        let (dir, entries) = ledger(1_000);
        let segment = dir.path().join("ledger/00000000000000000001.jsonl");
        let text = fs::read_to_string(&segment).unwrap();
        let text = text.replacen("\"seq\":700,", "\"seq\":x00,", 1);
        fs::write(&segment, text.replacen("\"seq\":5,", "\"seq\":\n,", 1)).unwrap();
        let make = |seq, raw: Raw<'_>| Ok(Some((seq, raw.is_ok())));
        let mut found = Vec::new();
        let span = Span {
            first: 1,
            last: 1_000,
        };
        let oldest = back(&entries, span, make, |it| {
            found.push(it);
            true
        });
        assert_eq!(oldest.unwrap(), 1);
        let numbers: Vec<u64> = found.iter().map(|(seq, _)| *seq).collect();
        assert_eq!(numbers, (1..=1_000).rev().collect::<Vec<_>>());
        let bad: Vec<u64> = (found.iter().filter(|it| !it.1)).map(|it| it.0).collect();
        assert_eq!(bad, [700, 5]);
    }
}
