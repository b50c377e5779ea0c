//! Predictions as their recorders report them, and what of it goes into a ledger.
//!
//! Inputs never do, only their digests; user ids go in as keyed hashes, unless told otherwise.
//! Specification, "Predictions".

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::distinct::Distinct;
use crate::governance::MAX_INTEGER;
use crate::governance::digest::Digest;
use crate::governance::id::Subject;
use crate::governance::label::{Label, ParseTextError};
use crate::governance::prediction::{Figures, OutputSummary, Prediction};
use crate::governance::scope::CheckContext;
use crate::identity::Pseudonymizer;
use crate::identity::secret::SecretError;

/// A prediction as JSON that comes in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedPrediction<'a> {
    /// The model that predicted.
    pub model: Subject,
    /// Its version.
    pub model_version: Label,
    /// SHA-256 of the input; either this or `input` is given.
    #[serde(default)]
    pub input_digest: Option<Digest>,
    /// The input, which is hashed and not kept.
    #[serde(borrow, default)]
    pub input: Option<&'a RawValue>,
    /// Figures about the output.
    #[serde(default)]
    pub output_summary: Figures,
    /// The circumstances, for grants that are limited to some.
    #[serde(default)]
    pub context: CheckContext,
    /// How long the model took, in milliseconds.
    #[serde(default)]
    pub duration_ms: Option<u64>,
    /// The service or worker that reports.
    #[serde(default)]
    pub recorder: Option<Label>,
    /// The request that led to the prediction.
    #[serde(default)]
    pub request_id: Option<Label>,
    /// Who asked.
    #[serde(default)]
    pub user_id: Option<Label>,
}

/// Why a reported prediction can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// It is not what a prediction is.
    #[error("{0}")]
    Malformed(String),
    /// The secret of the keyed hashes can't be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl ReportError {
    fn malformed(error: impl ToString) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// How reported predictions are taken.
pub struct Intake {
    plain_user_ids: bool,
    keyed_inputs: bool,
    /// Where the secret lies.
    keys: PathBuf,
    pseudonyms: OnceLock<Pseudonymizer>,
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").finish_non_exhaustive()
    }
}

impl Intake {
    /// Takes predictions with the secret of a key directory, which is made where there is none and one
    /// is needed.
    #[must_use]
    pub fn new(keys: &Path) -> Self {
        Self {
            plain_user_ids: false,
            keyed_inputs: false,
            keys: keys.to_owned(),
            pseudonyms: OnceLock::new(),
        }
    }

    /// Keeps user ids as they are, if told so, instead of their keyed hash.
    #[must_use]
    pub fn with_plain_user_ids(mut self, plain: bool) -> Self {
        self.plain_user_ids = plain;
        self
    }

    /// Hashes inputs under the secret, if told so, so that nobody can guess them.
    #[must_use]
    pub fn with_keyed_inputs(mut self, keyed: bool) -> Self {
        self.keyed_inputs = keyed;
        self
    }

    /// What goes into the ledger.
    ///
    /// # Errors
    /// [`ReportError::Malformed`] where the parts do not make a prediction, [`ReportError::Secret`] where
    /// the secret is needed and can't be had.
    pub fn take(&self, reported: ReportedPrediction<'_>) -> Result<Prediction, ReportError> {
        let input_digest = match (reported.input_digest, reported.input) {
            (Some(digest), None) => digest,
            (None, Some(input)) => self.digest(input)?,
            _ => {
                let expected = "expected either input_digest or input";
                return Err(ReportError::malformed(expected));
            }
        };
        let user_id = match reported.user_id {
            Some(user) if !self.plain_user_ids => Some(self.pseudonym(&user)?),
            user => user,
        };
        let output_summary =
            OutputSummary::new(reported.output_summary).map_err(ReportError::malformed)?;
        if (reported.duration_ms).is_some_and(|duration| duration > MAX_INTEGER) {
            let expected = format!("duration_ms: expected at most {MAX_INTEGER}");
            return Err(ReportError::Malformed(expected));
        }
        Ok(Prediction {
            context: reported.context,
            duration_ms: reported.duration_ms,
            input_digest,
            model: reported.model,
            model_version: reported.model_version,
            output_summary,
            recorder: reported.recorder,
            request_id: reported.request_id,
            user_id,
        })
    }

    /// The digest of a text's bytes, or of any other JSON in canonical form.
    fn digest(&self, input: &RawValue) -> Result<Digest, ReportError> {
        let bytes = input_bytes(input.get()).map_err(ReportError::Malformed)?;
        if self.keyed_inputs {
            return Ok(self.pseudonymizer()?.pseudonym("input", &bytes));
        }
        Ok(Digest::of(&bytes))
    }

    fn pseudonym(&self, user: &Label) -> Result<Label, ReportError> {
        let user = user.as_str().as_bytes();
        let pseudonym = self.pseudonymizer()?.pseudonym("user-id", user);
        format!("hmac-sha256:{pseudonym}")
            .parse()
            .map_err(|error: ParseTextError| ReportError::malformed(error))
    }

    fn pseudonymizer(&self) -> Result<&Pseudonymizer, SecretError> {
        if let Some(opened) = self.pseudonyms.get() {
            return Ok(opened);
        }
        let opened = Pseudonymizer::open(&self.keys)?;
        Ok(self.pseudonyms.get_or_init(|| opened))
    }
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
