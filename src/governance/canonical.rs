//! Canonical JSON (RFC 8785), checked in one pass over the bytes.
//!
//! Whatever is signed or hashed must *already be* canonical: checking never parses into a tree and
//! never writes anything out again. A canonical text has exactly one form for each value, so two
//! implementations can't read the same bytes differently (no duplicate keys, no number that one of
//! them rounds).

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::MAX_INTEGER;

/// How deeply arrays and objects may nest.
pub const MAX_DEPTH: usize = 32;

/// Which numbers a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// Integers from −(2^53 − 1) to 2^53 − 1, no exponent, no fraction, no −0. All signed bytes.
    Integers,
    /// Besides these, any JSON number as it stands: the figures of a prediction's output summary.
    Any,
}

/// Why a text is not canonical, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not canonical JSON (RFC 8785) at byte {offset}: {problem}")]
pub struct NotCanonical {
    /// What is wrong there.
    pub problem: Problem,
    /// Byte offset from the start of the text.
    pub offset: usize,
}

/// The ways in which a text fails to be canonical JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text ends in the middle of a value.
    #[error("the text ends too early")]
    Truncated,
    /// A byte that can't stand here, white space included.
    #[error("unexpected byte")]
    UnexpectedByte,
    /// More bytes after the value.
    #[error("more bytes follow the value")]
    Trailing,
    /// Object keys that repeat or do not ascend by UTF-16 code units.
    #[error("object keys must ascend and must not repeat")]
    KeyOrder,
    /// A string written otherwise than RFC 8785 writes it.
    #[error("a character is escaped otherwise than RFC 8785 prescribes")]
    Escape,
    /// A number that is no integer, has a leading zero, is −0, or exceeds 2^53 − 1.
    #[error("numbers must be integers within ±(2^53 - 1), and -0 is none")]
    Number,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than 32 levels")]
    Depth,
}

/// Checks that `text` is one canonical JSON value and nothing else.
///
/// Time linear in the text, no allocation but for object keys beyond ASCII.
///
/// # Errors
/// [`NotCanonical`] with the first problem and its place.
pub fn check(text: &str, numbers: Numbers) -> Result<(), NotCanonical> {
    let mut scanner = Scanner {
        text: text.as_bytes(),
        at: 0,
        numbers,
    };
    scanner.value(0)?;
    if scanner.at < scanner.text.len() {
        return scanner.fail(Problem::Trailing);
    }
    Ok(())
}

/// Brings a value from outside into canonical form: keys sorted, integers only.
///
/// The value must not hold a [`RawValue`], whose bytes the canonicalizer can't see.
///
/// # Errors
/// A message where the value has keys that are no strings, or a number that is not allowed.
pub fn canonicalize<T: Serialize>(value: &T) -> Result<Box<RawValue>, String> {
    let text = serde_json_canonicalizer::to_string(value).map_err(|error| error.to_string())?;
    check(&text, Numbers::Integers).map_err(|error| error.to_string())?;
    RawValue::from_string(text).map_err(|error| error.to_string())
}

/// Writes one of our own types, whose members already stand in order, raw bytes as they are.
///
/// # Errors
/// A message where what was written is not canonical.
pub fn write<T: Serialize>(value: &T, numbers: Numbers) -> Result<Box<RawValue>, String> {
    let raw = to_raw_value(value).map_err(|error| error.to_string())?;
    check(raw.get(), numbers).map_err(|error| error.to_string())?;
    Ok(raw)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    numbers: Numbers,
}

impl<'a> Scanner<'a> {
    fn fail<T>(&self, problem: Problem) -> Result<T, NotCanonical> {
        Err(NotCanonical {
            problem,
            offset: self.at,
        })
    }

    fn peek(&self) -> Result<u8, NotCanonical> {
        match self.text.get(self.at) {
            Some(byte) => Ok(*byte),
            None => self.fail(Problem::Truncated),
        }
    }

    fn expect(&mut self, expected: &[u8]) -> Result<(), NotCanonical> {
        for byte in expected {
            if self.peek()? != *byte {
                return self.fail(Problem::UnexpectedByte);
            }
            self.at += 1;
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<(), NotCanonical> {
        match self.peek()? {
            b'{' if depth < MAX_DEPTH => self.object(depth),
            b'[' if depth < MAX_DEPTH => self.array(depth),
            b'{' | b'[' => self.fail(Problem::Depth),
            b'"' => self.string().map(drop),
            b't' => self.expect(b"true"),
            b'f' => self.expect(b"false"),
            b'n' => self.expect(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.fail(Problem::UnexpectedByte),
        }
    }

    fn object(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        let mut previous: Option<&'a [u8]> = None;
        loop {
            let start = self.at;
            let key = self.string()?;
            if previous.is_some_and(|previous| !ascends(previous, key)) {
                self.at = start;
                return self.fail(Problem::KeyOrder);
            }
            previous = Some(key);
            self.expect(b":")?;
            self.value(depth + 1)?;
            if self.closes(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.closes(b']')? {
                return Ok(());
            }
        }
    }

    /// Steps over a comma (false) or the closing byte (true).
    fn closes(&mut self, closing: u8) -> Result<bool, NotCanonical> {
        let byte = self.peek()?;
        if byte != closing && byte != b',' {
            return self.fail(Problem::UnexpectedByte);
        }
        self.at += 1;
        Ok(byte == closing)
    }

    /// Steps over a string and returns what stands between its quotes.
    fn string(&mut self) -> Result<&'a [u8], NotCanonical> {
        self.expect(b"\"")?;
        let start = self.at;
        loop {
            self.at += plain_run(&self.text[self.at..]);
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at - 1]);
                }
                b'\\' => self.escape()?,
                _ => return self.fail(Problem::Escape),
            }
        }
    }

    /// RFC 8785, section 3.2.2.2: two-character escapes where they exist, `\u00xx` in lowercase
    /// for the other control characters, nothing else.
    fn escape(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.text[self.at..];
        let length = match rest.get(1) {
            Some(b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r') => 2,
            Some(b'u') => match rest.get(2..6) {
                Some([b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f']) => 6,
                Some([b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f']) => 6,
                _ => return self.fail(Problem::Escape),
            },
            _ => return self.fail(Problem::Escape),
        };
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let start = self.at;
        let end = self.text[start..]
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .map_or(self.text.len(), |length| start + length);
        let number = &self.text[start..end];
        let allowed = match self.numbers {
            Numbers::Integers => is_safe_integer(number),
            Numbers::Any => is_number(number),
        };
        if !allowed {
            return self.fail(Problem::Number);
        }
        self.at = end;
        Ok(())
    }
}

/// How many bytes stand for themselves, up to a quote, a backslash or a control character.
///
/// A signature is thousands of bytes between two quotes: those are looked for many bytes at a time.
fn plain_run(text: &[u8]) -> usize {
    let run = memchr::memchr2(b'"', b'\\', text).unwrap_or(text.len());
    let is_plain = |byte: &u8| *byte >= b' ';
    // Without a way out early, the compiler compares many bytes at a time.
    if text[..run]
        .iter()
        .fold(true, |plain, byte| plain & is_plain(byte))
    {
        run
    } else {
        text[..run].iter().take_while(|byte| is_plain(byte)).count()
    }
}

fn is_safe_integer(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let negative = digits.len() < number.len();
    let well_formed = match digits {
        [b'0'] => !negative,
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    // Sixteen digits hold 2^53 - 1 and can't overflow.
    well_formed
        && digits.len() <= 16
        && digits
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
            <= MAX_INTEGER
}

/// The number grammar of RFC 8259, section 6.
pub(super) fn is_number(number: &[u8]) -> bool {
    let unsigned = number.strip_prefix(b"-").unwrap_or(number);
    let (whole, rest) = split_digits(unsigned);
    if whole.is_empty() || (whole.len() > 1 && whole[0] == b'0') {
        return false;
    }
    let rest = match rest.strip_prefix(b".") {
        Some(fraction) => match split_digits(fraction) {
            ([], _) => return false,
            (_, rest) => rest,
        },
        None => rest,
    };
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && exponent.iter().all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(length)
}

/// Whether `key` follows `previous` in the order of RFC 8785: by UTF-16 code units of the strings
/// themselves, not of their escaped text.
fn ascends(previous: &[u8], key: &[u8]) -> bool {
    let plain = |key: &[u8]| key.is_ascii() && !key.contains(&b'\\');
    if plain(previous) && plain(key) {
        previous < key
    } else {
        utf16_of_escaped(previous) < utf16_of_escaped(key)
    }
}

/// The code units of a string whose escapes have been checked.
fn utf16_of_escaped(escaped: &[u8]) -> Vec<u16> {
    let mut quoted = Vec::with_capacity(escaped.len() + 2);
    quoted.push(b'"');
    quoted.extend_from_slice(escaped);
    quoted.push(b'"');
    // Checked text always reads back; an empty string could only make two keys compare unequal.
    let text: String = serde_json::from_slice(&quoted).unwrap_or_default();
    text.encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canonical_texts_pass() {
        for text in [
            "{}",
            "[]",
            "0",
            "-1",
            "9007199254740991",
            "\"\"",
            "null",
            r#"{"a":1,"b":[true,false,null],"c":{"d":"\u0001\b\t\n\f\r\"\\"}}"#,
            "{\"\\n\":1,\"1\":2,\"\u{80}\":3,\"ö\":4,\"€\":5,\"\u{1f600}\":6,\"\u{fb33}\":7}",
            "\"\u{7f}/\"",
        ] {
            assert_eq!(check(text, Numbers::Integers), Ok(()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_its_place() {
        for (text, problem, offset) in [
            ("", Problem::Truncated, 0),
            ("{", Problem::Truncated, 1),
            (" {}", Problem::UnexpectedByte, 0),
            ("{} ", Problem::Trailing, 2),
            (r#"{"a": 1}"#, Problem::UnexpectedByte, 5),
            (r#"{"a":1,"a":2}"#, Problem::KeyOrder, 7),
            (r#"{"b":1,"a":2}"#, Problem::KeyOrder, 7),
            (r#"{"x":{"a":1,"\u0061":2}}"#, Problem::Escape, 13),
            ("{\"\u{fb33}\":1,\"\u{1f600}\":2}", Problem::KeyOrder, 9),
            (r#""\/""#, Problem::Escape, 1),
            (r#""\u000A""#, Problem::Escape, 1),
            (r#""\u000a""#, Problem::Escape, 1),
            (r#""\u001F""#, Problem::Escape, 1),
            ("\"\n\"", Problem::Escape, 1),
            ("-0", Problem::Number, 0),
            ("01", Problem::Number, 0),
            ("1.0", Problem::Number, 0),
            ("1e2", Problem::Number, 0),
            ("9007199254740992", Problem::Number, 0),
            ("-9007199254740992", Problem::Number, 0),
            ("99999999999999999999", Problem::Number, 0),
            ("[1,]", Problem::UnexpectedByte, 3),
            ("nul", Problem::Truncated, 3),
            ("tRue", Problem::UnexpectedByte, 1),
        ] {
            let expected = NotCanonical { problem, offset };
            assert_eq!(check(text, Numbers::Integers), Err(expected), "{text}");
        }
    }

    #[test]
    fn nesting_is_capped() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(&nested(MAX_DEPTH), Numbers::Integers), Ok(()));
        assert_eq!(
            check(&nested(MAX_DEPTH + 1), Numbers::Integers).map_err(|error| error.problem),
            Err(Problem::Depth)
        );
        assert!(check(&nested(1_000_000), Numbers::Integers).is_err());
    }

    #[test]
    fn summaries_may_hold_any_number() {
        for (number, allowed) in [
            ("0.5", true),
            ("-0", true),
            ("-0.0", true),
            ("1E+10", true),
            ("1e-7", true),
            ("12345678901234567890", true),
            ("1.", false),
            (".5", false),
            ("01.5", false),
            ("1e", false),
            ("1e+", false),
            ("--1", false),
            ("+1", false),
        ] {
            assert_eq!(check(number, Numbers::Any).is_ok(), allowed, "{number}");
        }
    }

    /// Any JSON value with integers only.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..8)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #![proptest_config(crate::test_support::config(256))]

        /// The independent canonicalizer's output passes, and a text passes only if it is that.
        #[test]
        fn agrees_with_an_independent_canonicalizer(value in any_json()) {
            let canonical = serde_json_canonicalizer::to_string(&value).unwrap();
            prop_assert_eq!(check(&canonical, Numbers::Integers), Ok(()));
            let plain = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(check(&plain, Numbers::Integers).is_ok(), plain == canonical);
        }

        #[test]
        fn arbitrary_text_is_accepted_only_in_its_canonical_form(
            text in r#"[\[\]{}:,"\\u0-9a-f.eE+ -]{0,24}"#,
        ) {
            if check(&text, Numbers::Integers).is_ok() {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(serde_json_canonicalizer::to_string(&value).unwrap(), text);
            }
        }
    }

    #[test]
    fn every_control_character_has_one_escape() {
        for code in 0_u32..0x20 {
            let character = char::from_u32(code).unwrap().to_string();
            let text = serde_json_canonicalizer::to_string(&character).unwrap();
            assert_eq!(check(&text, Numbers::Integers), Ok(()), "{text}");
        }
    }

    #[test]
    fn objects_count_towards_the_depth_as_arrays_do() {
        let nested = |depth: usize| format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert_eq!(check(&nested(MAX_DEPTH), Numbers::Integers), Ok(()));
        let problem = |text: &str| check(text, Numbers::Integers).map_err(|error| error.problem);
        assert_eq!(problem(&nested(MAX_DEPTH + 1)), Err(Problem::Depth));
        // Deep in the second member as in the first.
        let within = format!("{{\"a\":0,\"b\":{}}}", nested(MAX_DEPTH));
        assert_eq!(problem(&within), Err(Problem::Depth));
    }

    #[test]
    fn keys_with_escapes_are_ordered_by_what_they_mean() {
        for (text, canonical) in [
            (r#"{"\n":1,"a":2}"#, true),
            (r#"{"a":1,"\n":2}"#, false),
            (r##"{"\"":1,"#":2}"##, true),
            (r##"{"#":1,"\"":2}"##, false),
            (r#"{"\n":1,"\n":2}"#, false),
            (r##"{"\n":1,"\"":2}"##, true),
            (r##"{"\"":1,"\n":2}"##, false),
            ("{\"ö\":1,\"ö\":2}", false),
        ] {
            assert_eq!(check(text, Numbers::Integers).is_ok(), canonical, "{text}");
        }
    }
}
