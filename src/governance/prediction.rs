//! Predictions: what an authorized (or unauthorized) model was asked and answered, in digests.
//!
//! Specification, "Predictions".

use std::fmt;
use std::str::FromStr;

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::canonical::{self, Numbers};
use super::digest::Digest;
use super::id::{GrantId, ParseUuidError, Subject};
use super::label::Label;
use super::scope::CheckContext;
use super::text::{present, serde_as_text};

/// One prediction as its recorder reports it. The record's truth is the recorder's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prediction {
    /// The circumstances, for grants that are limited to some.
    #[serde(default, skip_serializing_if = "CheckContext::is_empty")]
    pub context: CheckContext,
    /// How long the model took, in milliseconds.
    #[serde(
        default,
        deserialize_with = "duration",
        skip_serializing_if = "Option::is_none"
    )]
    pub duration_ms: Option<u64>,
    /// SHA-256 of the input payload: of its bytes, or of its canonical JSON.
    pub input_digest: Digest,
    /// The model that predicted.
    pub model: Subject,
    /// Its version.
    pub model_version: Label,
    /// Figures about the output.
    pub output_summary: OutputSummary,
    /// The service or worker that reports.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub recorder: Option<Label>,
    /// The request that led to the prediction.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_id: Option<Label>,
    /// Who asked: a keyed hash, unless the recorder chose otherwise.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub user_id: Option<Label>,
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let milliseconds = u64::deserialize(deserializer)?;
    if milliseconds > super::MAX_INTEGER {
        return Err(de::Error::custom(super::IntegerTooLarge));
    }
    Ok(Some(milliseconds))
}

/// A flat map of names to numbers whose bytes are kept exactly as they came.
///
/// Names ascend in the order of RFC 8785. At most 256 of them, each a [`Label`].
#[derive(Debug, Clone, Default)]
pub struct OutputSummary(Vec<(Label, Box<RawValue>)>);

/// Why something is no output summary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SummaryError {
    /// A name that is given twice, or out of order where order is required.
    #[error("expected each name once, in ascending order: {0:?}")]
    Order(Label),
    /// A value that is not a number.
    #[error("expected a number of at most 64 bytes for {0:?}")]
    Number(Label),
    /// More than [`OutputSummary::MAX_FIGURES`] names.
    #[error("expected at most 256 figures")]
    TooMany,
}

impl OutputSummary {
    /// The most figures of one summary.
    pub const MAX_FIGURES: usize = 256;

    /// The longest number, in bytes.
    pub const MAX_NUMBER_BYTES: usize = 64;

    /// Takes figures in any order.
    ///
    /// # Errors
    /// [`SummaryError`] for a repeated name, a value that is no number, or too many figures.
    pub fn new(Figures(mut figures): Figures) -> Result<Self, SummaryError> {
        figures.sort_by(|(left, _), (right, _)| utf16_order(left, right));
        Self::from_ascending(figures)
    }

    fn from_ascending(figures: Vec<(Label, Box<RawValue>)>) -> Result<Self, SummaryError> {
        if figures.len() > Self::MAX_FIGURES {
            return Err(SummaryError::TooMany);
        }
        for pair in figures.windows(2) {
            if let [(previous, _), (next, _)] = pair
                && utf16_order(previous, next).is_ge()
            {
                return Err(SummaryError::Order(next.clone()));
            }
        }
        for (name, number) in &figures {
            let text = number.get();
            let numeric = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
            if !numeric
                || text.len() > Self::MAX_NUMBER_BYTES
                || canonical::check(text, Numbers::Any).is_err()
            {
                return Err(SummaryError::Number(name.clone()));
            }
        }
        Ok(Self(figures))
    }

    /// The figures in order: name and the number's text.
    pub fn figures(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, number)| (name.as_str(), number.get()))
    }
}

fn utf16_order(left: &Label, right: &Label) -> std::cmp::Ordering {
    let (left, right) = (left.as_str(), right.as_str());
    left.encode_utf16().cmp(right.encode_utf16())
}

/// Summaries are equal when their bytes are.
impl PartialEq for OutputSummary {
    fn eq(&self, other: &Self) -> bool {
        self.figures().eq(other.figures())
    }
}

impl Eq for OutputSummary {}

impl Serialize for OutputSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, number) in &self.0 {
            map.serialize_entry(name, number)?;
        }
        map.end()
    }
}

/// Figures in whatever order they came, none of them lost: a name that is given twice is here
/// twice.
#[derive(Debug, Clone, Default)]
pub struct Figures(pub Vec<(Label, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FiguresVisitor;

        impl<'de> Visitor<'de> for FiguresVisitor {
            type Value = Figures;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a flat map of names to numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Figures, A::Error> {
                let mut figures = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    figures.push(entry);
                    if figures.len() > OutputSummary::MAX_FIGURES {
                        return Err(de::Error::custom(SummaryError::TooMany));
                    }
                }
                Ok(Figures(figures))
            }
        }

        deserializer.deserialize_map(FiguresVisitor)
    }
}

impl<'de> Deserialize<'de> for OutputSummary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Figures(figures) = Figures::deserialize(deserializer)?;
        Self::from_ascending(figures).map_err(de::Error::custom)
    }
}

/// Whether a prediction was made under a grant in force, as the rules found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredictionVerdict {
    /// Under this grant.
    Granted(GrantId),
    /// Under none.
    Unauthorized,
}

impl fmt::Display for PredictionVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted(grant) => grant.fmt(f),
            Self::Unauthorized => f.write_str("unauthorized"),
        }
    }
}

impl FromStr for PredictionVerdict {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unauthorized" {
            return Ok(Self::Unauthorized);
        }
        text.parse().map(Self::Granted)
    }
}

serde_as_text!(PredictionVerdict, "the id of a grant, or \"unauthorized\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_keep_the_bytes_of_their_numbers() {
        let text = r#"{"mean_confidence":0.9300,"n":12345678901234567890,"z":-0.0}"#;
        let summary: OutputSummary = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&summary).unwrap(), text);
        for bad in [
            r#"{"b":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":"1"}"#,
            r#"{"a":null}"#,
            r#"{"a":[1]}"#,
            r#"{"a":{}}"#,
            r#"{"":1}"#,
            "[]",
        ] {
            assert!(serde_json::from_str::<OutputSummary>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn summaries_with_other_bytes_are_others() {
        let read = |text| serde_json::from_str::<OutputSummary>(text).unwrap();
        assert_eq!(read(r#"{"a":0.5}"#), read(r#"{"a":0.5}"#));
        for other in [r#"{"a":0.50}"#, r#"{"b":0.5}"#, "{}"] {
            assert_ne!(read(r#"{"a":0.5}"#), read(other), "{other}");
        }
        let summary = read(r#"{"a":0.5,"b":1}"#);
        let figures: Vec<_> = summary.figures().collect();
        assert_eq!(figures, [("a", "0.5"), ("b", "1")]);
    }

    #[test]
    fn a_duration_is_an_exact_integer() {
        for (text, allowed) in [
            ("0", true),
            ("9007199254740991", true),
            ("9007199254740992", false),
            ("9007199254740993", false),
        ] {
            let mut reader = serde_json::Deserializer::from_str(text);
            assert_eq!(duration(&mut reader).is_ok(), allowed, "{text}");
        }
    }
}
