//! Where two histories part. What that means for their states says
//! [`state_differences`](super::state_differences).
//!
//! Each line's hash covers the one before it, so two histories that have the same hash at an entry
//! are the same up to there, and once they part they never meet again. The comparison is one pass
//! over both: time linear in their bytes, memory for one line of each.

use std::collections::BTreeSet;
use std::io::Read;

use serde::Serialize;
use serde_json::Value;

use crate::chain::line::{Head, Line};
use crate::chain::lines::{Ending, LineReader};
use crate::chain::verify::ChainVerifier;
use crate::governance::digest::Digest;
use crate::governance::event::Event;
use crate::governance::id::LedgerId;
use crate::governance::time::Timestamp;

/// How two histories relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// They are the same.
    Equal,
    /// The first goes on where the second ends.
    AIsLonger,
    /// The second goes on where the first ends.
    BIsLonger,
    /// They have another entry in the same place.
    Diverged,
    /// They are of two ledgers: their founding statements differ.
    DifferentFounding,
    /// Damage keeps the rest from being compared.
    Damaged,
}

/// Two histories, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How they relate.
    pub relation: Relation,
    /// The last entry that both have.
    pub common: Head,
    /// The first.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// The first entry in which they differ, where both have one in its place.
    pub entry: Option<EntryDifference>,
}

/// One of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Side {
    /// The ledger; `None` where its first entry can't be read.
    pub ledger: Option<LedgerId>,
    /// The last entry of the last complete batch before any damage.
    pub head: Head,
    /// Why it was not read to its end.
    pub damage: Option<Damage>,
}

/// A line that does not continue a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// The code of the line or chain error.
    pub code: &'static str,
    /// The number that the line should have.
    pub seq: u64,
    /// Where it starts, from the first byte.
    pub offset: u64,
    /// What is wrong, for people.
    pub message: String,
}

/// Two entries of the same number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryDifference {
    /// Their number.
    pub seq: u64,
    /// The first history's.
    pub a: EntrySummary,
    /// The second history's.
    pub b: EntrySummary,
    /// Where they differ, in the order of the line; never empty.
    pub fields: Vec<FieldDifference>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntrySummary {
    /// What it records.
    pub operation: String,
    /// When.
    pub timestamp: Timestamp,
    /// Its hash.
    pub entry_hash: Digest,
}

/// A value in which two entries differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// A JSON Pointer (RFC 6901) from the line: `/timestamp`, `/data/statement/title`.
    pub path: String,
    /// The value in the first; `None` where it has none.
    pub a: Option<Value>,
    /// The value in the second; `None` where it has none.
    pub b: Option<Value>,
}

/// Compares two histories, each given by its bytes from the first line.
///
/// Neither is trusted: lines are checked as a chain, and what stands behind damage is not compared.
/// Whether the events are legal is not asked.
#[must_use]
pub fn compare(a: impl Read, b: impl Read) -> Comparison {
    let (mut a, mut b) = (Pursuit::new(a), Pursuit::new(b));
    let mut common = Head::GENESIS;
    let entry = loop {
        match (a.advance(), b.advance()) {
            (Some(one), Some(other)) if one.entry_hash == other.entry_hash => {
                common = Head {
                    seq: one.seq,
                    hash: one.entry_hash,
                };
            }
            (Some(one), Some(other)) => break Some(difference(&one, &other)),
            _ => break None,
        }
    };
    // An incomplete batch is damage; where one of them ends does not show before.
    let ended = [a.has_ended(), b.has_ended()];
    let (a, b) = (a.finish(), b.finish());
    let relation = match (&entry, ended) {
        (Some(_), _) if a.ledger != b.ledger => Relation::DifferentFounding,
        (Some(_), _) => Relation::Diverged,
        (None, _) if a.stopped_at(&common) || b.stopped_at(&common) => Relation::Damaged,
        (None, [false, _]) => Relation::AIsLonger,
        (None, [_, false]) => Relation::BIsLonger,
        (None, [true, true]) => Relation::Equal,
    };
    Comparison {
        relation,
        common,
        a,
        b,
        entry,
    }
}

impl Side {
    /// Whether damage stands where the shared entries end.
    fn stopped_at(&self, common: &Head) -> bool {
        (self.damage.as_ref()).is_some_and(|damage| damage.seq == common.seq + 1)
    }
}

/// One history in the course of being read.
struct Pursuit<R> {
    lines: LineReader<R>,
    chain: ChainVerifier,
    offset: u64,
    ended: bool,
    side: Side,
}

impl<R: Read> Pursuit<R> {
    fn new(source: R) -> Self {
        Self {
            lines: LineReader::new(source),
            chain: ChainVerifier::new(),
            offset: 0,
            ended: false,
            side: Side::default(),
        }
    }

    const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The next line; `None` at the end and at damage.
    fn advance(&mut self) -> Option<Line<'_>> {
        if self.ended || self.side.damage.is_some() {
            return None;
        }
        let seq = self.chain.head().seq + 1;
        let offset = self.offset;
        let damage = |code, message: String| Damage {
            code,
            seq,
            offset,
            message,
        };
        let raw = match self.lines.next_line() {
            Ok(Some(raw)) if raw.ending == Ending::LineFeed => raw,
            Ok(Some(_)) => {
                let message = "the last line is cut short".to_owned();
                self.side.damage = Some(damage("replay.incomplete-batch", message));
                return None;
            }
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(error) => {
                self.side.damage = Some(damage(error.code(), error.to_string()));
                return None;
            }
        };
        self.offset = raw.end();
        match self.chain.read(raw.bytes) {
            Ok(line) => {
                if line.seq == 1 {
                    self.side.ledger = ledger_of(&line);
                }
                Some(line)
            }
            Err(error) => {
                self.side.damage = Some(damage(error.code(), error.to_string()));
                None
            }
        }
    }

    /// Reads the rest.
    fn finish(mut self) -> Side {
        while self.advance().is_some() {}
        self.side.head = self.chain.committed().head;
        if self.ended && !self.chain.batch_complete() {
            self.side.damage = Some(Damage {
                code: "replay.incomplete-batch",
                seq: self.chain.head().seq + 1,
                offset: self.offset,
                message: "the last batch is incomplete".to_owned(),
            });
        }
        self.side
    }
}

/// The id of the ledger that a line founds.
fn ledger_of(line: &Line<'_>) -> Option<LedgerId> {
    match Event::decode(line.operation, line.data) {
        Ok(Event::LedgerCreated(created)) => {
            Some(LedgerId::of_founding(created.statement.as_str()))
        }
        _ => None,
    }
}

/// How two entries with another hash differ. They continue the same entry.
fn difference(a: &Line<'_>, b: &Line<'_>) -> EntryDifference {
    let mut fields = Vec::new();
    let mut envelope = |path: &str, a: Value, b: Value| {
        if a != b {
            fields.push(FieldDifference {
                path: path.to_owned(),
                a: Some(a),
                b: Some(b),
            });
        }
    };
    let batch = |line: &Line<'_>| Value::from(vec![line.batch.index, line.batch.count]);
    envelope("/batch", batch(a), batch(b));
    let time = |line: &Line<'_>| Value::from(line.timestamp.to_string());
    envelope("/timestamp", time(a), time(b));
    envelope("/operation", a.operation.into(), b.operation.into());
    // A decoded line's data is JSON.
    let data = |line: &Line<'_>| serde_json::from_str(line.data).unwrap_or_default();
    compare_values("/data", Some(&data(a)), Some(&data(b)), &mut fields);
    if fields.is_empty() {
        // The figures of a prediction keep their bytes, which one value can have several of.
        fields.push(FieldDifference {
            path: "/data".to_owned(),
            a: Some(a.data.into()),
            b: Some(b.data.into()),
        });
    }
    EntryDifference {
        seq: a.seq,
        a: summary(a),
        b: summary(b),
        fields,
    }
}

fn summary(line: &Line<'_>) -> EntrySummary {
    EntrySummary {
        operation: line.operation.to_owned(),
        timestamp: line.timestamp,
        entry_hash: line.entry_hash,
    }
}

/// Goes down into objects and arrays as far as both have them. Data nests 32 levels at most.
fn compare_values(
    path: &str,
    a: Option<&Value>,
    b: Option<&Value>,
    found: &mut Vec<FieldDifference>,
) {
    match (a, b) {
        _ if a == b => {}
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                let path = format!("{path}/{escaped}");
                compare_values(&path, one.get(name), other.get(name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                let path = format!("{path}/{index}");
                compare_values(&path, one.get(index), other.get(index), found);
            }
        }
        _ => found.push(FieldDifference {
            path: path.to_owned(),
            a: a.cloned(),
            b: b.cloned(),
        }),
    }
}
