//! `althing predict`: record what models predicted.

mod input;

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use self::input::{Chunk, Reader};
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::{bad, fields, plural};
use crate::governance::prediction::PredictionVerdict;
use crate::ledger::FileLedger;
use crate::node::reported::Intake;
use crate::node::{Node, NodeError, PreparedPrediction, Recording};

/// Record predictions.
#[derive(Debug, Subcommand)]
pub enum PredictCommand {
    /// Record one prediction, or many as JSON Lines.
    #[command(after_long_help = help!(
        "  echo '{\"model\": \"did:example:triage\", \"model_version\": \"1.2\",
         \"input\": {\"age\": 61}, \"output_summary\": {\"mean_confidence\": 0.93}}' \\
    | althing predict record
  althing predict record --file predictions.jsonl

Members of a prediction:
  model, model_version          required
  input_digest, or input        SHA-256 in hexadecimal; or any JSON, which is hashed and not kept
  output_summary                names and numbers
  request_id, duration_ms, recorder
  user_id                       kept as a keyed hash, unless --plain-user-id
  context                       names and texts, for grants that are limited to some"
    ))]
    Record(Record),
}

/// Arguments of `predict record`.
#[derive(Debug, Args)]
pub struct Record {
    /// Where to read from; standard input for '-'.
    #[arg(long, value_name = "FILE", default_value = "-")]
    file: PathBuf,
    /// Keep user ids as they are, instead of their keyed hash.
    #[arg(long)]
    plain_user_id: bool,
    /// Hash inputs under the secret of the key directory, so that nobody can guess them.
    #[arg(long)]
    keyed_input: bool,
}

/// What was recorded.
#[derive(Debug, Default, Serialize)]
struct PredictReport {
    recorded: u64,
    authorized: u64,
    unauthorized: u64,
    first_entry: Option<u64>,
    last_entry: Option<u64>,
}

impl Report for PredictReport {
    const SCHEMA: &'static str = "althing.predict/1";

    fn text(&self) -> String {
        let entries = match (self.first_entry, self.last_entry) {
            (Some(first), Some(last)) if first < last => format!("{first} to {last}"),
            (Some(only), _) => only.to_string(),
            _ => "none".to_owned(),
        };
        let unauthorized = self.unauthorized.to_string();
        fields(&[
            (
                "recorded",
                plural(
                    usize::try_from(self.recorded).unwrap_or(usize::MAX),
                    "prediction",
                ),
            ),
            ("under a grant", self.authorized.to_string()),
            (
                "unauthorized",
                if self.unauthorized > 0 {
                    bad(&unauthorized)
                } else {
                    unauthorized
                },
            ),
            ("entries", entries),
        ])
    }
}

impl PredictReport {
    fn count(&mut self, recorded: &[(u64, PredictionVerdict)]) {
        for (seq, verdict) in recorded {
            self.recorded += 1;
            match verdict {
                PredictionVerdict::Granted(_) => self.authorized += 1,
                PredictionVerdict::Unauthorized => self.unauthorized += 1,
            }
            self.first_entry.get_or_insert(*seq);
            self.last_entry = Some(*seq);
        }
    }
}

/// How many chunks of the input share one durable write at most.
const CHUNKS: usize = 16;

/// How many writes follow each other, each decided while the last is written, before others get a turn.
const WRITES: usize = 16;

/// How long these wait for more of the input.
const PATIENCE: Duration = Duration::from_millis(10);

/// How many bytes of the input are read at once.
const BUFFER_BYTES: usize = 1 << 18;

/// Runs `althing predict`.
pub fn run(command: &PredictCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let PredictCommand::Record(record) = command;
    let mut recorder = Recorder {
        session,
        node: session.open_node()?,
        report: PredictReport::default(),
        progress: progress(output),
    };
    recorder.node.release();
    let reader = Reader {
        intake: Intake::new(session.keys().dir())
            .with_plain_user_ids(record.plain_user_id)
            .with_keyed_inputs(record.keyed_input),
    };
    let chunks = if record.file == Path::new("-") {
        reader.start(BufReader::with_capacity(BUFFER_BYTES, io::stdin()))
    } else {
        let file = File::open(&record.file).map_err(|error| Failure::file(&record.file, &error))?;
        reader.start(BufReader::with_capacity(BUFFER_BYTES, file))
    };
    let result = recorder.record_all(&chunks);
    recorder.progress.finish_and_clear();
    let report = recorder.report;
    result.map_err(|failure| stopped(failure, &report))?;
    output.report(&report)?;
    session.close(&recorder.node);
    Ok(Exit::Ok)
}

/// A failure says exactly up to where everything was recorded.
fn stopped(mut failure: Failure, report: &PredictReport) -> Failure {
    failure.causes.push(match report.recorded {
        0 => "nothing of the input was recorded".to_owned(),
        1 => "the prediction before it was recorded, and nothing else".to_owned(),
        before => format!("the {before} predictions before it were recorded, and nothing else"),
    });
    failure
        .detail("recorded", report.recorded)
        .detail("last_entry", report.last_entry)
}

/// A spinner with a count, for input that takes a while.
fn progress(output: &Output) -> ProgressBar {
    if !output.shows_progress() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    let template = "{spinner} {human_pos} predictions recorded, {per_sec}";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar
}

struct Recorder<'a> {
    session: &'a Session,
    node: Node<FileLedger>,
    report: PredictReport,
    progress: ProgressBar,
}

impl Recorder<'_> {
    /// Records what comes, as much at once as is there.
    fn record_all(&mut self, chunks: &Receiver<Chunk>) -> Result<(), Failure> {
        loop {
            let first = chunks.recv().map_err(|_| reader_is_gone())?;
            if let Some(end) = self.take_turn(first, chunks)? {
                return end;
            }
            // The input may take its time; others write meanwhile.
            self.node.release();
        }
    }

    /// Records while there is something, write after write; `Some` where that was the last.
    fn take_turn(
        &mut self,
        first: Chunk,
        chunks: &Receiver<Chunk>,
    ) -> Result<Option<Result<(), Failure>>, Failure> {
        if !first.lines.is_empty() {
            self.node.resume(self.session.wait())?;
        }
        let mut turn = Turn {
            session: self.session,
            recording: self.node.record_in_turn(self.session.wait()),
            report: &mut self.report,
            progress: &self.progress,
        };
        let taken = turn.take(first, chunks);
        // What was written is durable, whatever came behind it.
        let Turn {
            recording, report, ..
        } = turn;
        let rest = recording.finish();
        report.count(rest.as_deref().unwrap_or_default());
        self.progress.set_position(report.recorded);
        let end = taken?;
        rest?;
        Ok(end)
    }
}

/// One process writes for so long.
struct Turn<'a> {
    session: &'a Session,
    recording: Recording<'a, FileLedger>,
    report: &'a mut PredictReport,
    progress: &'a ProgressBar,
}

impl Turn<'_> {
    /// `Some` at the end of the input.
    fn take(
        &mut self,
        first: Chunk,
        chunks: &Receiver<Chunk>,
    ) -> Result<Option<Result<(), Failure>>, Failure> {
        let mut next = first;
        for _ in 0..WRITES {
            let mut ready = vec![next];
            ready.extend(chunks.try_iter().take(CHUNKS - 1));
            let end = ready.last_mut().and_then(|chunk| chunk.end.take());
            self.record(ready.into_iter().flat_map(Chunk::into_numbered))?;
            if end.is_some() {
                return Ok(end);
            }
            next = match chunks.recv_timeout(PATIENCE) {
                Ok(chunk) => chunk,
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(reader_is_gone()),
            };
        }
        let end = next.end.take();
        self.record(next.into_numbered())?;
        Ok(end)
    }

    /// Records predictions, all of them in one durable write unless they are very many.
    fn record(
        &mut self,
        predictions: impl Iterator<Item = (u64, PreparedPrediction)>,
    ) -> Result<(), Failure> {
        let mut lines = 0;
        let mut predictions = predictions.peekable();
        while predictions.peek().is_some() {
            let mut looked_at = (predictions.by_ref()).map(|(line, prediction)| {
                lines = line;
                prediction
            });
            let done = self
                .recording
                .record(&mut looked_at, self.session.write_when())?;
            self.report.count(&done.recorded);
            self.progress.set_position(self.report.recorded);
            if let Some(error) = done.refused {
                return Err(refused(lines, error));
            }
        }
        Ok(())
    }
}

/// The reader always says how the input ended, unless it panicked.
fn reader_is_gone() -> Failure {
    let message = "the thread that was reading the input ended in a panic";
    Failure::new(Exit::Failure, "prediction.unread", message)
}

/// What the rules refuse is named by its line, as what can't be read is.
fn refused(line: u64, error: NodeError) -> Failure {
    let mut failure = Failure::from(error);
    failure.message = format!("line {line}: {}", failure.message);
    failure.detail("line", line)
}
