//! Reading a prediction's line without building the prediction.
//!
//! A ledger holds far more predictions than anything else, and the state keeps nothing of one but a
//! count. So replay looks only for what the rules ask: the model, the context and the verdict. The
//! sketch steps over the bytes in the one order in which canonical JSON has them, borrows what it
//! needs and writes nothing. It takes less than [`Event::decode`](super::event::Event::decode) does
//! (no escapes, ASCII only), and never more: what it leaves is read in full.

use super::MAX_INTEGER;
use super::canonical::is_number;
use super::digest::Digest;
use super::id::Subject;
use super::label::Label;
use super::prediction::OutputSummary;
#[cfg(doc)]
use super::prediction::PredictionVerdict;
use super::scope::{Scope, ScopeKey};

/// What the rules ask of a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PredictionSketch<'a> {
    /// The model, not yet known to be a [`Subject`].
    pub(crate) model: &'a str,
    /// The context as a JSON object that `CheckContext` takes; empty where there is none.
    pub(crate) context: &'a str,
    /// What the line says of the grant, not yet known to be a [`PredictionVerdict`].
    pub(crate) verdict: &'a str,
}

impl<'a> PredictionSketch<'a> {
    /// Reads the content of a `prediction_recorded`; `None` where only a full reading can tell.
    pub(crate) fn read(data: &'a str) -> Option<Self> {
        let mut bytes = Steps { text: data, at: 0 };
        bytes.literal(b"{\"prediction\":{")?;
        let context = bytes.context()?;
        if bytes.literal(b"\"duration_ms\":").is_some() {
            bytes.integer()?;
            bytes.literal(b",")?;
        }
        bytes.literal(b"\"input_digest\":\"")?;
        bytes.digest()?;
        bytes.literal(b"\",\"model\":\"")?;
        let model = bytes.text(Subject::MAX_BYTES)?;
        bytes.literal(b",\"model_version\":\"")?;
        bytes.label()?;
        bytes.literal(b",\"output_summary\":{")?;
        bytes.figures()?;
        if bytes.literal(b",\"recorder\":\"").is_some() {
            bytes.label()?;
        }
        if bytes.literal(b",\"request_id\":\"").is_some() {
            bytes.label()?;
        }
        if bytes.literal(b",\"user_id\":\"").is_some() {
            bytes.label()?;
        }
        bytes.literal(b"},\"verdict\":\"")?;
        let verdict = bytes.text(Label::MAX_BYTES)?;
        bytes.literal(b"}")?;
        bytes.rest().is_empty().then_some(Self {
            model,
            context,
            verdict,
        })
    }
}

/// What a byte may be part of; see [`class`].
const IN_TEXT: u8 = 1;
const IN_KEY: u8 = 2;
const IN_NUMBER: u8 = 4;

/// Text is printable ASCII that stands for itself between quotes.
const fn class(byte: u8) -> u8 {
    let mut class = 0;
    if matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\') {
        class |= IN_TEXT;
    }
    if matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-') {
        class |= IN_KEY;
    }
    if matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
        class |= IN_NUMBER;
    }
    class
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = class(byte as u8);
        byte += 1;
    }
    classes
};

/// Names are short and differ early: a loop in line takes less time than a call.
fn ascends(previous: &str, name: &str) -> bool {
    previous.bytes().lt(name.bytes())
}

struct Steps<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Steps<'a> {
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Always in line, so that each literal is compared at its own length.
    #[inline(always)]
    fn literal(&mut self, literal: &[u8]) -> Option<()> {
        self.rest().starts_with(literal).then(|| {
            self.at += literal.len();
        })
    }

    /// Steps over the bytes of a class, and returns them.
    #[inline]
    fn run(&mut self, class: u8) -> &'a str {
        let start = self.at;
        let length = (self.rest().iter())
            .take_while(|byte| CLASSES[usize::from(**byte)] & class != 0)
            .count();
        self.at += length;
        // The bytes of a class are ASCII, and what stands before them was stepped over as ASCII.
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// A string behind its opening quote, which the closing one ends.
    fn text(&mut self, longest: usize) -> Option<&'a str> {
        let text = self.run(IN_TEXT);
        self.literal(b"\"")?;
        (1..=longest).contains(&text.len()).then_some(text)
    }

    /// As a [`Label`]: no space at either end.
    fn label(&mut self) -> Option<&'a str> {
        let text = self.text(Label::MAX_BYTES)?;
        (!text.starts_with(' ') && !text.ends_with(' ')).then_some(text)
    }

    fn digest(&mut self) -> Option<()> {
        let digits = self.rest().first_chunk()?;
        Digest::is_hex(digits).then(|| {
            self.at += digits.len();
        })
    }

    fn integer(&mut self) -> Option<()> {
        let number = self.run(IN_NUMBER).as_bytes();
        let is_plain = match number {
            [b'0'] => true,
            // Sixteen digits hold 2^53 - 1 and can't overflow.
            [b'1'..=b'9', ..] => number.len() <= 16 && number.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        let digits = number.iter().map(|digit| u64::from(digit & 0xf));
        (is_plain && digits.fold(0, |sum, digit| sum * 10 + digit) <= MAX_INTEGER).then_some(())
    }

    /// The figures behind the opening brace: labels that ascend, each with a number.
    fn figures(&mut self) -> Option<()> {
        if self.literal(b"}").is_some() {
            return Some(());
        }
        let mut previous = "";
        for _ in 0..OutputSummary::MAX_FIGURES {
            self.literal(b"\"")?;
            let name = self.label()?;
            self.literal(b":")?;
            let number = self.run(IN_NUMBER);
            if !ascends(previous, name)
                || number.len() > OutputSummary::MAX_NUMBER_BYTES
                || !is_number(number.as_bytes())
            {
                return None;
            }
            previous = name;
            if self.literal(b"}").is_some() {
                return Some(());
            }
            self.literal(b",")?;
        }
        None
    }

    /// The context with the comma behind it, where there is one: keys that ascend, each with a text.
    fn context(&mut self) -> Option<&'a str> {
        if self.literal(b"\"context\":{\"").is_none() {
            return Some("");
        }
        let start = self.at - 2;
        let mut previous = "";
        for _ in 0..Scope::MAX_KEYS {
            let key = self.run(IN_KEY);
            self.literal(b"\":\"")?;
            self.text(Scope::MAX_VALUE_BYTES)?;
            if !ascends(previous, key) || key.len() > ScopeKey::MAX_BYTES {
                return None;
            }
            previous = key;
            if self.literal(b"},").is_some() {
                return self.text.get(start..self.at - 1);
            }
            self.literal(b",\"")?;
        }
        None
    }
}

#[cfg(test)]
#[path = "prediction_sketch_tests.rs"]
mod tests;
