//! What is wrong at a place of a ledger, as every report says it.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::style::escaped;

/// Something that is wrong, or worth knowing.
#[derive(Serialize)]
pub struct Problem {
    /// The stable code.
    pub code: Cow<'static, str>,
    /// The entry's number.
    pub seq: u64,
    /// Where it starts, from the ledger's first byte.
    pub offset: u64,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem about which there is nothing to advise.
    pub fn new(code: impl Into<Cow<'static, str>>, seq: u64, offset: u64, message: String) -> Self {
        Self {
            code: code.into(),
            seq,
            offset,
            message,
            hint: None,
        }
    }
}

/// The place, the message and the code; not the hint.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code, seq, offset, ..
        } = self;
        let message = escaped(&self.message);
        write!(f, "entry {seq}, byte {offset}: {message} [{code}]")
    }
}
