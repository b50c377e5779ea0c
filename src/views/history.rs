//! A history as it is read from beginning to end: entries, and neighbouring predictions together.
//!
//! Predictions come by the million and say little one by one. Neighbouring ones make a [`Run`]; what
//! they were made under is counted for each model.

use std::collections::BTreeMap;

use super::audit::{AuditView, Names};
use super::evidence::Statements;
use crate::chain::line::{BatchPosition, Line};
use crate::governance::digest::Digest;
use crate::governance::event::Event;
use crate::governance::id::{ProposalId, Subject};
use crate::governance::prediction::PredictionVerdict;
use crate::governance::time::Timestamp;

/// How many predictions a run has at most.
pub const MAX_RUN: u64 = 500;

/// How many models are told apart. Anybody who records predictions can make up names of models.
pub const MAX_MODELS: usize = 500;

/// How many predictions outside a grant are named for each model.
pub const MAX_NAMED: usize = 50;

/// One entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// Its place in its batch.
    pub batch: BatchPosition,
    /// What happened.
    pub operation: String,
    /// Its hash.
    pub hash: Digest,
    /// The hash of the entry before.
    pub prev_hash: Digest,
    /// What it is about.
    pub view: AuditView,
    /// The line itself, where lines are kept.
    pub line: Option<String>,
}

/// Neighbouring predictions.
#[derive(Debug, Clone)]
pub struct Run {
    /// The first entry's number.
    pub first: u64,
    /// The last entry's number.
    pub last: u64,
    /// When the first was recorded.
    pub from: Timestamp,
    /// When the last was recorded.
    pub until: Timestamp,
    /// How many were made under a grant.
    pub authorized: u64,
    /// How many were made outside any grant.
    pub unauthorized: u64,
    /// The models, each once, the first few of them.
    pub models: Vec<Subject>,
    /// The lines themselves, each with its line feed, where lines are kept.
    pub lines: Option<String>,
}

/// A line that is not what was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The number of the entry that belongs there.
    pub seq: u64,
    /// What is wrong with it.
    pub problem: String,
    /// The hash that the line states, and the one that its bytes have; none where it states none.
    pub hashes: Option<(Digest, Digest)>,
}

/// A row of a timeline.
#[derive(Debug, Clone)]
pub enum Row {
    /// An entry that is no prediction.
    Entry(Box<Entry>),
    /// Predictions.
    Predictions(Run),
    /// A line that does not hold. A history that was verified has none.
    Damaged(Damaged),
}

impl Entry {
    /// The entry of a line with its view; `raw` is the line's text, where it is kept.
    #[must_use]
    pub fn of(line: &Line<'_>, view: AuditView, raw: Option<&str>) -> Self {
        Self {
            seq: line.seq,
            at: line.timestamp,
            batch: line.batch,
            operation: line.operation.to_owned(),
            hash: line.entry_hash,
            prev_hash: line.prev_hash,
            view,
            line: raw.map(str::to_owned),
        }
    }
}

impl Run {
    /// A run of no prediction yet, at the place of a line.
    #[must_use]
    pub fn at(seq: u64, time: Timestamp) -> Self {
        Self {
            first: seq,
            last: seq,
            from: time,
            until: time,
            authorized: 0,
            unauthorized: 0,
            models: Vec::new(),
            lines: None,
        }
    }

    /// Whether one more goes into it.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.last - self.first + 1 < MAX_RUN
    }

    /// Counts a prediction.
    pub fn count(&mut self, model: &Subject, verdict: &PredictionVerdict) {
        match verdict {
            PredictionVerdict::Granted(_) => self.authorized += 1,
            PredictionVerdict::Unauthorized => self.unauthorized += 1,
        }
        if self.models.len() < 4 && !self.models.contains(model) {
            self.models.push(model.clone());
        }
    }
}

/// What was recorded of one model.
#[derive(Debug, Clone, Default)]
pub struct ModelPredictions {
    /// How many predictions were made under a grant in force.
    pub authorized: u64,
    /// How many were made without one.
    pub unauthorized: u64,
    /// The first of those without one.
    pub outside: Vec<Outside>,
}

/// A prediction outside any grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Its entry.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The model's version.
    pub model_version: String,
    /// The first entry of the run that it stands in.
    pub run: u64,
}

/// A history, as far as it was read.
#[derive(Debug, Default)]
pub struct History {
    /// Its rows, the oldest first.
    pub rows: Vec<Row>,
    /// The predictions of each model.
    pub models: BTreeMap<Subject, ModelPredictions>,
    /// How many predictions are of models that are not told apart any more.
    pub other_predictions: u64,
    /// The evidence, by its entry.
    pub evidence: BTreeMap<u64, Statements>,
    /// The entries that concern each proposal, ballots excepted, by their place in `rows`.
    pub lives: BTreeMap<ProposalId, Vec<usize>>,
    /// Whether the lines are kept.
    keeps_lines: bool,
    names: Names,
}

impl History {
    /// An empty history. With `keeps_lines` it keeps every line as it is read.
    #[must_use]
    pub fn new(keeps_lines: bool) -> Self {
        Self {
            keeps_lines,
            ..Self::default()
        }
    }

    /// Whether the lines are kept.
    #[must_use]
    pub const fn keeps_lines(&self) -> bool {
        self.keeps_lines
    }

    /// Reads the next line, which has been verified; `raw` is its text without the line feed.
    pub fn read(&mut self, line: &Line<'_>, raw: &str) {
        let event = Event::decode(line.operation, line.data).ok();
        if let Some(Event::PredictionRecorded(recorded)) = &event {
            let model = &recorded.prediction.model;
            let run = self.run_of(line);
            self.count(line, model, &recorded.verdict, run, || {
                recorded.prediction.model_version.to_string()
            });
            self.extend_run(line, model, &recorded.verdict, raw);
            return;
        }
        let view = AuditView::of_line(line, &mut self.names);
        if let Some(proposal) = view.proposal
            && line.operation != "vote_cast"
        {
            self.lives
                .entry(proposal)
                .or_default()
                .push(self.rows.len());
        }
        if let Some(statements) = event.and_then(Statements::of) {
            self.evidence.insert(line.seq, statements);
        }
        let kept = self.keeps_lines.then_some(raw);
        self.rows
            .push(Row::Entry(Box::new(Entry::of(line, view, kept))));
    }

    /// The entries that concern a proposal, ballots excepted.
    pub fn life(&self, proposal: ProposalId) -> impl Iterator<Item = &Entry> {
        let places = self.lives.get(&proposal).into_iter().flatten();
        places.filter_map(|place| match self.rows.get(*place) {
            Some(Row::Entry(entry)) => Some(entry.as_ref()),
            _ => None,
        })
    }

    /// The first entry of the run that a prediction goes into.
    fn run_of(&self, line: &Line<'_>) -> u64 {
        match self.rows.last() {
            Some(Row::Predictions(run)) if run.has_room() => run.first,
            _ => line.seq,
        }
    }

    fn count(
        &mut self,
        line: &Line<'_>,
        model: &Subject,
        verdict: &PredictionVerdict,
        run: u64,
        version: impl FnOnce() -> String,
    ) {
        if !self.models.contains_key(model) && self.models.len() >= MAX_MODELS {
            self.other_predictions += 1;
            return;
        }
        let count = self.models.entry(model.clone()).or_default();
        match verdict {
            PredictionVerdict::Granted(_) => count.authorized += 1,
            PredictionVerdict::Unauthorized => {
                count.unauthorized += 1;
                if count.outside.len() < MAX_NAMED {
                    count.outside.push(Outside {
                        seq: line.seq,
                        at: line.timestamp,
                        model_version: version(),
                        run,
                    });
                }
            }
        }
    }

    fn extend_run(
        &mut self,
        line: &Line<'_>,
        model: &Subject,
        verdict: &PredictionVerdict,
        raw: &str,
    ) {
        if self.run_of(line) == line.seq {
            self.rows.push(Row::Predictions(Run {
                lines: self.keeps_lines.then(String::new),
                ..Run::at(line.seq, line.timestamp)
            }));
        }
        let Some(Row::Predictions(run)) = self.rows.last_mut() else {
            return;
        };
        run.last = line.seq;
        run.until = line.timestamp;
        run.count(model, verdict);
        if let Some(lines) = &mut run.lines {
            lines.push_str(raw);
            lines.push('\n');
        }
    }
}
