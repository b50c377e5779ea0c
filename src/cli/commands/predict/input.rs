//! The input of `predict record`: read, parsed and written out on a thread of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "what comes in is parsed beside what is written"
)]

use std::io::{BufRead, Read as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::node::reported::{Intake, ReportError, ReportedPrediction};
use crate::node::{PreparedPrediction, PreparedPredictions};

/// How many predictions are handed over together.
const CHUNK: usize = 1024;

/// How many of these may wait for the writer: the input is read ahead while a write is synced.
const CHUNKS_AHEAD: usize = 32;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Predictions in the order of the input.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) predictions: PreparedPredictions,
    /// The numbers of their lines.
    pub(super) lines: Vec<u64>,
    /// What came behind them: the end of the input, or a line that can't be taken; `None` where more
    /// may follow.
    pub(super) end: Option<Result<(), Failure>>,
}

impl Chunk {
    fn with_capacity(count: usize) -> Self {
        Self {
            predictions: PreparedPredictions::with_capacity(count),
            lines: Vec::with_capacity(count),
            end: None,
        }
    }

    /// The predictions, each with the number of its line.
    pub(super) fn into_numbered(self) -> impl Iterator<Item = (u64, PreparedPrediction)> {
        self.lines.into_iter().zip(self.predictions)
    }
}

/// How predictions are made of lines.
pub(super) struct Reader {
    pub(super) intake: Intake,
}

impl Reader {
    /// Starts reading. The thread ends with the input, with the first line that can't be taken, or
    /// when nobody wants more of it.
    pub(super) fn start(self, mut source: impl BufRead + Send + 'static) -> Receiver<Chunk> {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        // Nobody waits for this thread: it may wait for an input that never ends.
        thread::spawn(move || self.read(&mut source, &sender));
        chunks
    }

    fn read(&self, source: &mut impl BufRead, chunks: &SyncSender<Chunk>) {
        let mut chunk = Chunk::default();
        let mut number = 0;
        let mut line = String::new();
        loop {
            line.clear();
            number += 1;
            match self.next(source, &mut line, number, &mut chunk) {
                Ok(()) if line.is_empty() => chunk.end = Some(Ok(())),
                Ok(()) => {}
                Err(failure) => chunk.end = Some(Err(failure)),
            }
            let is_last = chunk.end.is_some();
            if is_last || chunk.lines.len() == CHUNK {
                let next = Chunk::with_capacity(CHUNK);
                let is_wanted = chunks.send(std::mem::replace(&mut chunk, next)).is_ok();
                if is_last || !is_wanted {
                    return;
                }
            }
        }
    }

    /// Reads a line into `line`, and puts its prediction into `chunk`, if it is not blank. At the end of
    /// the input the line is left empty.
    fn next(
        &self,
        source: &mut impl BufRead,
        line: &mut String,
        number: u64,
        chunk: &mut Chunk,
    ) -> Result<(), Failure> {
        let read = source.take(MAX_LINE_BYTES).read_line(line);
        read.map_err(|error| malformed(number, &error.to_string()))?;
        if line.trim().is_empty() {
            return Ok(());
        }
        if number == 1 && is_cut_short(line) {
            // One object over several lines.
            let rest = source.take(MAX_LINE_BYTES).read_to_string(line);
            rest.map_err(|error| malformed(number, &error.to_string()))?;
        }
        let reported: ReportedPrediction<'_> =
            serde_json::from_str(line).map_err(|error| malformed(number, &error.to_string()))?;
        let prediction = self
            .intake
            .take(reported)
            .map_err(|error| not_taken(number, &error))?;
        let pushed = chunk.predictions.push(prediction);
        pushed.map_err(|error| malformed(number, &error.to_string()))?;
        chunk.lines.push(number);
        Ok(())
    }
}

fn not_taken(line: u64, error: &ReportError) -> Failure {
    match error {
        ReportError::Malformed(problem) => malformed(line, problem),
        ReportError::Secret(error) => Failure::new(Exit::Failure, error.code(), error.to_string()),
    }
}

/// Whether a line is the beginning of a prediction that goes on behind it.
fn is_cut_short(line: &str) -> bool {
    serde_json::from_str::<ReportedPrediction<'_>>(line).is_err_and(|error| error.is_eof())
}

fn malformed(line: u64, problem: &str) -> Failure {
    // The parser sees one line at a time and would call each of them the first.
    let problem = problem.replace(" at line 1 column ", " at column ");
    Failure::usage("prediction.malformed", format!("line {line}: {problem}"))
        .hint("`althing predict record --help` lists the members of a prediction")
        .detail("line", line)
}
