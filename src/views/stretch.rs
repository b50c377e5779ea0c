//! A part of a history, as a page shows it: the newest first.

use super::audit::{AuditView, Names};
use super::filter::Filter;
use super::history::{Damaged, Entry, Row, Run};
use crate::chain::line::Line;
use crate::governance::event::Event;
use crate::governance::id::Subject;
use crate::governance::prediction::PredictionVerdict;
use crate::governance::time::Timestamp;

/// A line as it is shown, before neighbouring predictions are put together.
#[derive(Debug, Clone)]
pub enum Piece {
    /// An entry that is no prediction.
    Entry(Box<Entry>),
    /// A prediction.
    Prediction {
        /// Its entry.
        seq: u64,
        /// When it was recorded.
        at: Timestamp,
        /// The model.
        model: Subject,
        /// What the rules found.
        verdict: PredictionVerdict,
    },
    /// A line that does not hold.
    Damaged(Damaged),
}

/// The longest line that stands in a page.
const MAX_SHOWN_BYTES: usize = 64 << 10;

impl Piece {
    /// The piece of line number `seq`, where the filter wants it. A line that does not hold is always
    /// wanted.
    #[must_use]
    pub fn of(seq: u64, raw: &[u8], filter: &Filter, names: &Names) -> Option<Self> {
        let damaged = |problem: String, hashes| {
            Some(Self::Damaged(Damaged {
                seq,
                problem,
                hashes,
            }))
        };
        let line = match Line::decode(raw) {
            Ok(line) => line,
            Err(error) => return damaged(error.to_string(), None),
        };
        if !line.hash_matches() {
            let hashes = (line.entry_hash, line.computed_hash());
            return damaged(
                "The line is not what was recorded.".to_owned(),
                Some(hashes),
            );
        }
        let event = Event::decode(line.operation, line.data).ok();
        let view = match &event {
            Some(event) => AuditView::of(event, names),
            None => AuditView::default(),
        };
        if !filter.wants(&line, &view, names) {
            return None;
        }
        if let Some(Event::PredictionRecorded(recorded)) = event {
            return Some(Self::Prediction {
                seq,
                at: line.timestamp,
                model: recorded.prediction.model,
                verdict: recorded.verdict,
            });
        }
        let text = std::str::from_utf8(raw).ok();
        let kept = text.filter(|text| text.len() <= MAX_SHOWN_BYTES);
        Some(Self::Entry(Box::new(Entry::of(&line, view, kept))))
    }
}

/// Rows, put together from one end.
#[derive(Debug, Default)]
pub struct Stretch {
    rows: Vec<Row>,
}

impl Stretch {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Takes the next piece, older or newer than all before.
    pub fn push(&mut self, piece: Piece) {
        let (seq, at, model, verdict) = match piece {
            Piece::Entry(entry) => return self.rows.push(Row::Entry(entry)),
            Piece::Damaged(damaged) => return self.rows.push(Row::Damaged(damaged)),
            Piece::Prediction {
                seq,
                at,
                model,
                verdict,
            } => (seq, at, model, verdict),
        };
        if let Some(Row::Predictions(run)) = self.rows.last_mut()
            && run.has_room()
        {
            if seq + 1 == run.first {
                (run.first, run.from) = (seq, at);
                return run.count(&model, &verdict);
            }
            if run.last + 1 == seq {
                (run.last, run.until) = (seq, at);
                return run.count(&model, &verdict);
            }
        }
        let mut run = Run::at(seq, at);
        run.count(&model, &verdict);
        self.rows.push(Row::Predictions(run));
    }

    /// The rows in the order in which they came.
    #[must_use]
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Assembly, actions};

    /// Which entries each row stands for.
    fn places(rows: &[Row]) -> Vec<(u64, u64)> {
        let place = |row: &Row| match row {
            Row::Entry(entry) => (entry.seq, entry.seq),
            Row::Predictions(run) => (run.first, run.last),
            Row::Damaged(damaged) => (damaged.seq, damaged.seq),
        };
        rows.iter().map(place).collect()
    }

    #[test]
    fn neighbouring_predictions_are_one_row_from_either_end() {
        let mut assembly = Assembly::of(&[1]);
        assembly.predict("one");
        assembly.predict("two");
        assembly.propose(0, actions::authorize_model("one"));
        assembly.predict("one");
        let names = Names::of_state(assembly.state());
        let lines: Vec<&[u8]> = assembly.bytes().split(|byte| *byte == b'\n').collect();
        let pieces = || {
            let lines = (1..).zip(&lines).take(lines.len() - 1);
            lines.filter_map(|(seq, raw)| Piece::of(seq, raw, &Filter::default(), &names))
        };
        let mut rows = [Stretch::default(), Stretch::default()];
        pieces().for_each(|piece| rows[0].push(piece));
        let back: Vec<Piece> = pieces().collect();
        back.into_iter().rev().for_each(|piece| rows[1].push(piece));
        let [on, back] = rows.map(|stretch| places(&stretch.into_rows()));
        assert!(on.contains(&(3, 4)), "{on:?}");
        assert_eq!(on, back.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_changed_line_is_shown_whatever_is_wanted() {
        let assembly = Assembly::of(&[1]);
        let mut line = assembly
            .bytes()
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap()
            .to_vec();
        let stated = Line::decode(&line).unwrap().entry_hash;
        let wanted = Filter {
            operations: vec!["vote_cast".to_owned()],
            ..Filter::default()
        };
        let names = Names::default();
        assert!(Piece::of(1, &line, &wanted, &names).is_none());
        let timestamp = b"\"timestamp\":\"2";
        let place = line.windows(timestamp.len()).position(|it| it == timestamp);
        line[place.unwrap() + timestamp.len()] = b'1';
        let Some(Piece::Damaged(damaged)) = Piece::of(1, &line, &wanted, &names) else {
            panic!("a changed line");
        };
        let (expected, found) = damaged.hashes.unwrap();
        assert_eq!((damaged.seq, expected), (1, stated));
        assert_ne!(found, stated);
        let Some(Piece::Damaged(damaged)) = Piece::of(7, b"{}", &wanted, &names) else {
            panic!("no line");
        };
        assert_eq!((damaged.seq, damaged.hashes), (7, None));
    }
}
