//! Words that every way of showing a view has in common, and escapes for text from outside.

use crate::governance::display_text;
use crate::governance::event::Conditions;
use crate::governance::scope::{Dimension, Scope};
use crate::governance::tally::Standing;

/// Text from outside with every control and format character escaped: it can't move a cursor, end a
/// line or turn the direction of writing. Markup is none of its business.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let plain = display_text::is_plain(c.encode_utf8(&mut [0; 4]));
            let escape = (!plain).then(|| c.escape_unicode());
            escape.into_iter().flatten().chain(plain.then_some(c))
        })
        .collect()
}

/// Longer text from outside: its lines stay lines, everything else is escaped.
#[must_use]
pub fn escaped_lines(text: &str) -> Vec<String> {
    text.lines().map(escaped).collect()
}

/// `count` and `noun`, in the plural where it is called for.
#[must_use]
pub fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

/// A rule in words.
#[must_use]
pub fn rule(rule: &Conditions) -> String {
    let mut parts = Vec::new();
    if let Some(quorum) = rule.quorum {
        parts.push(format!("at least {quorum} taking part"));
    }
    if let Some(approval) = rule.approval {
        parts.push(format!("at least {approval} of the deciding weight"));
    }
    if let Some(absolute) = rule.absolute {
        parts.push(format!("more than {absolute} of all weight"));
    }
    parts.join(", ")
}

/// A scope in words: `environment=prod|staging max_rate_qps=5`.
#[must_use]
pub fn scope(scope: &Scope) -> String {
    if scope.is_unrestricted() {
        return "unrestricted".to_owned();
    }
    let parts: Vec<String> = scope
        .dimensions()
        .map(|(key, dimension)| match dimension {
            Dimension::Limit(limit) => format!("{key}={limit}"),
            Dimension::Values(values) => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                format!("{key}={}", values.join("|"))
            }
        })
        .collect();
    parts.join(" ")
}

/// How a member of an electorate counts, in words.
#[must_use]
pub const fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Uncast => "not voted",
        Standing::Approve => "approve",
        Standing::Reject => "reject",
        Standing::Abstain => "abstain",
        Standing::Byzantine => "Byzantine",
        Standing::Barred => "no longer votes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_can_not_move_the_cursor() {
        for (text, expected) in [
            ("plain ä 東", "plain ä 東"),
            ("a\nb", "a\\u{a}b"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(escaped(text), expected);
        }
    }
}
