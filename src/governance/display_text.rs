//! Which text is safe to show to people on one line: names and titles.
//!
//! Control characters move cursors and end lines; format characters are invisible or turn the
//! direction of writing, so that two different names look alike. Neither has a place in a name.
//! The table is our own, so that every build of every node accepts the same names.

/// The longest name, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// Unicode 16.0, general category Cf (170 characters), as inclusive ranges in ascending order.
const FORMAT_CHARACTERS: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
];

/// Whether `text` is free of control and format characters (Unicode 16.0 categories Cc and Cf).
#[must_use]
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| is_control(c) || is_format(c))
}

/// Whether `text` may name a node or a key: [plain](is_plain), 1 to [`MAX_NAME_CHARS`] characters,
/// no white space at either end.
#[must_use]
pub fn is_name(text: &str) -> bool {
    // Counting stops early, so that a long text costs no more than a name.
    let chars = text.chars().take(MAX_NAME_CHARS + 1).count();
    (1..=MAX_NAME_CHARS).contains(&chars) && text.trim() == text && is_plain(text)
}

/// General category Cc, which the Unicode stability policy has closed.
const fn is_control(c: char) -> bool {
    matches!(c, '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}')
}

fn is_format(c: char) -> bool {
    let mut ranges = FORMAT_CHARACTERS.iter();
    !c.is_ascii() && ranges.any(|(first, last)| (*first..=*last).contains(&c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    #[test]
    fn the_table_is_complete() {
        let all = || (0..=u32::from(char::MAX)).filter_map(char::from_u32);
        assert_eq!(all().filter(|c| is_format(*c)).count(), 170);
        assert_eq!(all().filter(|c| is_control(*c)).count(), 65);
        assert!(FORMAT_CHARACTERS.is_sorted());
    }

    #[test]
    fn names() {
        let longest = "é".repeat(MAX_NAME_CHARS);
        let too_long = format!("{longest}é");
        for (text, plain, name) in [
            ("Alice", true, true),
            ("Ærlig Þing — 東京 🗳", true, true),
            (longest.as_str(), true, true),
            (too_long.as_str(), true, false),
            ("", true, false),
            (" ", true, false),
            (" Alice", true, false),
            ("Alice\u{a0}", true, false),
            ("Al\nice", false, false),
            ("Al\u{1b}[2Jice", false, false),
            ("Al\u{85}ice", false, false),
            ("Al\u{200b}ice", false, false),
            ("Al\u{202e}ice", false, false),
            ("Al\u{feff}ice", false, false),
            ("Al\u{e0041}ice", false, false),
        ] {
            assert_eq!((is_plain(text), is_name(text)), (plain, name), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(crate::test_support::config(2_000))]

        /// The regular expression engine brings a table of its own.
        #[test]
        fn agrees_with_an_independent_table(
            refused in string_regex(r"[\p{Cc}\p{Cf}]").unwrap(),
            plain in string_regex(r"[^\p{Cc}\p{Cf}]{0,8}").unwrap(),
        ) {
            prop_assert!(!is_plain(&refused), "{refused:?}");
            prop_assert!(is_plain(&plain), "{plain:?}");
        }
    }
}
