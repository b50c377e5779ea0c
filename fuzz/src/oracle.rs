//! Second opinions, from general libraries instead of the code under test.

use althing::governance::MAX_INTEGER;
use serde_json::Value;
use serde_json::value::RawValue;

/// Whether `text` is canonical JSON with integers only: parsed into a tree, looked through, and
/// written again by another canonicalizer.
pub fn is_canonical(text: &str) -> bool {
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return false;
    };
    is_allowed(&value, 32)
        && serde_json_canonicalizer::to_string(&value).is_ok_and(|written| written == text)
}

/// Whether `text` is canonical JSON but for its numbers, which are any that JSON knows.
pub fn is_canonical_but_for_numbers(text: &str) -> bool {
    let (zeroed, numbers) = zero_numbers(text);
    let is_number = |number: &String| serde_json::from_str::<&RawValue>(number).is_ok();
    is_canonical(&zeroed) && numbers.iter().all(is_number)
}

/// Nested no deeper than `levels`, integers within ±(2^53 − 1).
fn is_allowed(value: &Value, levels: usize) -> bool {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            magnitude.is_some_and(|magnitude| magnitude <= MAX_INTEGER)
        }
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_allowed(item, levels - 1)),
        Value::Object(members) => {
            levels > 0 && members.values().all(|item| is_allowed(item, levels - 1))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

/// The text with a zero for every run of number characters outside its strings, and the runs.
fn zero_numbers(text: &str) -> (String, Vec<String>) {
    let mut zeroed = String::new();
    let mut numbers: Vec<String> = Vec::new();
    let (mut in_string, mut escaped, mut in_number) = (false, false, false);
    for c in text.chars() {
        let continues = in_number && matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E');
        let starts = !in_string && !in_number && matches!(c, '0'..='9' | '-');
        in_number = continues || starts;
        if starts {
            zeroed.push('0');
            numbers.push(c.to_string());
        } else if let (true, Some(number)) = (continues, numbers.last_mut()) {
            number.push(c);
        } else {
            zeroed.push(c);
            in_string ^= c == '"' && !escaped;
            escaped = in_string && c == '\\' && !escaped;
        }
    }
    (zeroed, numbers)
}

/// Whether `text` is an instant of the years 1970 to 9999 as `2026-05-04T09:30:00.000000Z`.
pub fn is_timestamp(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    let fits = text.len() == pattern.len()
        && (text.bytes().zip(pattern.bytes())).all(|(found, wanted)| match wanted {
            b'd' => found.is_ascii_digit(),
            wanted => found == wanted,
        });
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap_or_default();
    fits && (1970..=9999).contains(&number(0, 4))
        && (1..=days(number(0, 4), number(5, 7))).contains(&number(8, 10))
        && number(11, 13) < 24
        && number(14, 16) < 60
        && number(17, 19) < 60
}

/// How many days a month has; none where there is no such month.
const fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    }
}

/// Whether `text` is a SHA-256 in lowercase hexadecimal.
pub fn is_hash(text: &str) -> bool {
    text.len() == 64
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
