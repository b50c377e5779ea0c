//! The input of `predict record`: read, parsed and written out on a thread of its own.

#![allow(
    clippy::disallowed_methods,
    reason = "what comes in is parsed beside what is written"
)]

use std::io::{BufRead, Read as _};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cli::distinct::Distinct;
use crate::cli::error::Failure;
use crate::cli::exit::Exit;
use crate::governance::digest::Digest;
use crate::governance::id::Subject;
use crate::governance::label::Label;
use crate::governance::prediction::{Figures, OutputSummary, Prediction};
use crate::governance::scope::CheckContext;
use crate::identity::Pseudonymizer;
use crate::node::PreparedPrediction;

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

/// How many predictions are handed over together.
const CHUNK: usize = 1024;

/// How many of these may wait for the writer: the input is read ahead while a write is synced.
const CHUNKS_AHEAD: usize = 32;

/// The longest line that is read, in bytes.
const MAX_LINE_BYTES: u64 = 16 << 20;

/// Predictions in the order of the input, with the numbers of their lines.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) predictions: Vec<(u64, PreparedPrediction)>,
    /// What came behind them: the end of the input, or a line that can't be taken; `None` where more
    /// may follow.
    pub(super) end: Option<Result<(), Failure>>,
}

/// How predictions are made of lines.
pub(super) struct Reader {
    pub(super) plain_user_id: bool,
    pub(super) keyed_input: bool,
    /// Where the secret lies.
    pub(super) keys: PathBuf,
    pub(super) pseudonyms: Option<Pseudonymizer>,
}

impl Reader {
    /// Starts reading. The thread ends with the input, with the first line that can't be taken, or
    /// when nobody wants more of it.
    pub(super) fn start(mut self, mut source: impl BufRead + Send + 'static) -> Receiver<Chunk> {
        let (sender, chunks) = sync_channel(CHUNKS_AHEAD);
        // Nobody waits for this thread: it may wait for an input that never ends.
        thread::spawn(move || self.read(&mut source, &sender));
        chunks
    }

    fn read(&mut self, source: &mut impl BufRead, chunks: &SyncSender<Chunk>) {
        let mut chunk = Chunk::default();
        let mut number = 0;
        let mut line = String::new();
        loop {
            line.clear();
            number += 1;
            match self.next(source, &mut line, number) {
                Ok(Some(prediction)) => chunk.predictions.push((number, prediction)),
                Ok(None) if line.is_empty() => chunk.end = Some(Ok(())),
                // A blank line.
                Ok(None) => {}
                Err(failure) => chunk.end = Some(Err(failure)),
            }
            let is_last = chunk.end.is_some();
            if is_last || chunk.predictions.len() == CHUNK {
                let next = Chunk {
                    predictions: Vec::with_capacity(CHUNK),
                    end: None,
                };
                let is_wanted = chunks.send(std::mem::replace(&mut chunk, next)).is_ok();
                if is_last || !is_wanted {
                    return;
                }
            }
        }
    }

    /// Reads a line into `line`; leaves it empty at the end of the input.
    fn next(
        &mut self,
        source: &mut impl BufRead,
        line: &mut String,
        number: u64,
    ) -> Result<Option<PreparedPrediction>, Failure> {
        let read = source.take(MAX_LINE_BYTES).read_line(line);
        read.map_err(|error| malformed(number, &error.to_string()))?;
        if line.trim().is_empty() {
            return Ok(None);
        }
        if number == 1 && is_cut_short(line) {
            // One object over several lines.
            let rest = source.take(MAX_LINE_BYTES).read_to_string(line);
            rest.map_err(|error| malformed(number, &error.to_string()))?;
        }
        let incoming: Incoming<'_> =
            serde_json::from_str(line).map_err(|error| malformed(number, &error.to_string()))?;
        let prediction = self.prediction(incoming, number)?;
        let prepared = PreparedPrediction::new(prediction);
        Ok(Some(
            prepared.map_err(|error| malformed(number, &error.to_string()))?,
        ))
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
            Some(user) if !self.plain_user_id => Some(self.pseudonym(&user, number)?),
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
        if self.keyed_input {
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
            let opened = Pseudonymizer::open(&self.keys);
            self.pseudonyms =
                Some(opened.map_err(|error| {
                    Failure::new(Exit::Failure, error.code(), error.to_string())
                })?);
        }
        self.pseudonyms
            .as_ref()
            .ok_or_else(|| Failure::new(Exit::Failure, "secret.io", "the secret was not opened"))
    }
}

/// Whether a line is the beginning of a prediction that goes on behind it.
fn is_cut_short(line: &str) -> bool {
    serde_json::from_str::<Incoming<'_>>(line).is_err_and(|error| error.is_eof())
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
