//! `althing predict`: record what models predicted.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cli::distinct::Distinct;
use crate::cli::error::Failure;
use crate::cli::exit::{Exit, help};
use crate::cli::output::{Output, Report};
use crate::cli::session::Session;
use crate::cli::style::{bad, fields, plural};
use crate::governance::command::Command;
use crate::governance::digest::Digest;
use crate::governance::event::{Event, Recorded};
use crate::governance::id::Subject;
use crate::governance::label::Label;
use crate::governance::prediction::{Figures, OutputSummary, Prediction, PredictionVerdict};
use crate::governance::scope::CheckContext;
use crate::identity::Pseudonymizer;
use crate::ledger::FileLedger;
use crate::node::{Node, NodeError, Request, When};

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

/// One prediction as it comes in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incoming<'a> {
    model: Subject,
    model_version: Label,
    #[serde(default)]
    input_digest: Option<Digest>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
    #[serde(default)]
    output_summary: Figures,
    #[serde(default)]
    context: CheckContext,
    #[serde(default)]
    duration_ms: Option<u64>,
    #[serde(default)]
    recorder: Option<Label>,
    #[serde(default)]
    request_id: Option<Label>,
    #[serde(default)]
    user_id: Option<Label>,
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
    fn count(&mut self, recorded: &[Recorded]) {
        for entry in recorded {
            let Event::PredictionRecorded(prediction) = &entry.event else {
                continue;
            };
            self.recorded += 1;
            match prediction.verdict {
                PredictionVerdict::Granted(_) => self.authorized += 1,
                PredictionVerdict::Unauthorized => self.unauthorized += 1,
            }
            self.first_entry.get_or_insert(entry.seq);
            self.last_entry = Some(entry.seq);
        }
    }
}

/// How many predictions share one durable write.
const GROUP: usize = 1024;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Runs `althing predict`.
pub fn run(command: &PredictCommand, session: &Session, output: &Output) -> Result<Exit, Failure> {
    let PredictCommand::Record(record) = command;
    let mut recorder = Recorder {
        record,
        session,
        pseudonyms: None,
        node: session.open_node()?,
        group: Vec::with_capacity(GROUP),
        report: PredictReport::default(),
        progress: progress(output),
    };
    recorder.node.release();
    let result = if record.file == Path::new("-") {
        recorder.read(io::stdin().lock())
    } else {
        let file = File::open(&record.file).map_err(|error| Failure::file(&record.file, &error))?;
        recorder.read(BufReader::new(file))
    };
    recorder.progress.finish_and_clear();
    let report = recorder.report;
    result.map_err(|failure| stopped(failure, &report))?;
    output.report(&report)?;
    session.close(&recorder.node);
    Ok(Exit::Ok)
}

/// A failure says exactly up to where everything was recorded.
fn stopped(mut failure: Failure, report: &PredictReport) -> Failure {
    let before = usize::try_from(report.recorded).unwrap_or(usize::MAX);
    failure.causes.push(format!(
        "{} before it recorded, nothing after it",
        plural(before, "prediction")
    ));
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
    record: &'a Record,
    session: &'a Session,
    pseudonyms: Option<Pseudonymizer>,
    node: Node<FileLedger>,
    /// What is to be written together, with the numbers of its lines.
    group: Vec<(u64, Command)>,
    report: PredictReport,
    progress: ProgressBar,
}

impl Recorder<'_> {
    fn read(&mut self, mut source: impl BufRead) -> Result<(), Failure> {
        let mut number = 0;
        let mut line = String::new();
        loop {
            line.clear();
            number += 1;
            let outcome = self.next(&mut source, &mut line, number);
            match outcome {
                Ok(Some(prediction)) => {
                    let command = Command::RecordPrediction(prediction);
                    self.group.push((number, command));
                }
                Ok(None) if line.is_empty() => return self.flush(),
                // A blank line.
                Ok(None) => {}
                Err(failure) => {
                    self.flush()?;
                    return Err(failure);
                }
            }
            if self.group.len() == GROUP {
                self.flush()?;
                // The input may take its time; others write meanwhile.
                self.node.release();
            }
        }
    }

    /// Reads a line into `line`; leaves it empty at the end of the input.
    fn next(
        &mut self,
        source: &mut impl BufRead,
        line: &mut String,
        number: u64,
    ) -> Result<Option<Prediction>, Failure> {
        let read = source.take(MAX_LINE_BYTES).read_line(line);
        read.map_err(|error| malformed(number, &error.to_string()))?;
        if line.trim().is_empty() {
            return Ok(None);
        }
        let first = serde_json::from_str::<Incoming<'_>>(line);
        if number == 1 && first.is_err_and(|error| error.is_eof()) {
            // One object over several lines.
            let rest = source.take(MAX_LINE_BYTES).read_to_string(line);
            rest.map_err(|error| malformed(number, &error.to_string()))?;
        }
        let incoming: Incoming<'_> =
            serde_json::from_str(line).map_err(|error| malformed(number, &error.to_string()))?;
        self.prediction(incoming, number).map(Some)
    }

    fn prediction(&mut self, incoming: Incoming<'_>, number: u64) -> Result<Prediction, Failure> {
        let input_digest = match (incoming.input_digest, incoming.input) {
            (Some(digest), None) => digest,
            (None, Some(input)) => self.digest(input, number)?,
            _ => {
                return Err(malformed(number, "expected either input_digest or input"));
            }
        };
        let user_id = match incoming.user_id {
            Some(user) if !self.record.plain_user_id => Some(self.pseudonym(&user, number)?),
            user => user,
        };
        let output_summary = OutputSummary::new(incoming.output_summary)
            .map_err(|error| malformed(number, &error.to_string()))?;
        if incoming
            .duration_ms
            .is_some_and(|duration| duration > crate::governance::MAX_INTEGER)
        {
            return Err(malformed(
                number,
                "duration_ms: expected at most 9007199254740991",
            ));
        }
        Ok(Prediction {
            context: incoming.context,
            duration_ms: incoming.duration_ms,
            input_digest,
            model: incoming.model,
            model_version: incoming.model_version,
            output_summary,
            recorder: incoming.recorder,
            request_id: incoming.request_id,
            user_id,
        })
    }

    /// The digest of a text's bytes, or of any other JSON in canonical form.
    fn digest(&mut self, input: &RawValue, number: u64) -> Result<Digest, Failure> {
        let bytes = input_bytes(input.get()).map_err(|error| malformed(number, &error))?;
        if self.record.keyed_input {
            return Ok(self.pseudonymizer()?.pseudonym("input", &bytes));
        }
        Ok(Digest::of(&bytes))
    }

    fn pseudonym(&mut self, user: &Label, number: u64) -> Result<Label, Failure> {
        let pseudonym = self
            .pseudonymizer()?
            .pseudonym("user-id", user.as_str().as_bytes());
        format!("hmac-sha256:{pseudonym}").parse().map_err(
            |error: crate::governance::label::ParseTextError| malformed(number, &error.to_string()),
        )
    }

    fn pseudonymizer(&mut self) -> Result<&Pseudonymizer, Failure> {
        if self.pseudonyms.is_none() {
            let opened = Pseudonymizer::open(self.session.keys().dir());
            self.pseudonyms =
                Some(opened.map_err(|error| {
                    Failure::new(Exit::Failure, error.code(), error.to_string())
                })?);
        }
        self.pseudonyms
            .as_ref()
            .ok_or_else(|| Failure::new(Exit::Failure, "secret.io", "the secret was not opened"))
    }

    /// Records the group, all of it in one durable write unless it is very large.
    fn flush(&mut self) -> Result<(), Failure> {
        while !self.group.is_empty() {
            self.node.resume(self.session.wait())?;
            let at = When::At(self.session.write_time(&self.node)?);
            let requests: Vec<Request> = (self.group.iter())
                .map(|(_, command)| Request {
                    command: command.clone(),
                    at,
                })
                .collect();
            let answers = self.node.submit_until_refused(&requests)?;
            for ((line, _), answer) in self.group.drain(..answers.len()).zip(answers) {
                self.report
                    .count(&answer.map_err(|error| refused(line, error))?);
            }
            self.progress.set_position(self.report.recorded);
        }
        Ok(())
    }
}

/// What the rules refuse is named by its line, as what can't be read is.
fn refused(line: u64, error: NodeError) -> Failure {
    let mut failure = Failure::from(error);
    failure.message = format!("line {line}: {}", failure.message);
    failure.detail("line", line)
}

/// What is hashed of an input: a text's own bytes, or the canonical JSON (RFC 8785) of anything
/// else.
fn input_bytes(json: &str) -> Result<Vec<u8>, String> {
    let value: Distinct = serde_json::from_str(json).map_err(|error| format!("input: {error}"))?;
    match value.0 {
        serde_json::Value::String(text) => Ok(text.into_bytes()),
        other => serde_json_canonicalizer::to_vec(&other).map_err(|error| error.to_string()),
    }
}

fn malformed(line: u64, problem: &str) -> Failure {
    // The parser sees one line at a time and would call each of them the first.
    let problem = problem.replace(" at line 1 column ", " at column ");
    Failure::usage("prediction.malformed", format!("line {line}: {problem}"))
        .hint("`althing predict record --help` lists the members of a prediction")
        .detail("line", line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_hashed_by_their_meaning() {
        for (json, bytes) in [
            (r#""text""#, "text"),
            (
                r#"{"b": 1.0, "a": [true, null]}"#,
                r#"{"a":[true,null],"b":1}"#,
            ),
            ("[1, 2]", "[1,2]"),
            ("1e3", "1000"),
        ] {
            assert_eq!(input_bytes(json).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn an_input_that_names_a_member_twice_has_no_meaning() {
        for json in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":2,"a":3}}]"#] {
            assert!(input_bytes(json).is_err(), "{json}");
        }
    }
}
