//! Text from outside that people will read: short labels and longer prose, both capped.

use std::fmt;
use std::str::FromStr;

use super::display_text;
use super::text::serde_as_text;

/// The text can't stand where it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseTextError {
    /// Nothing, or nothing but spaces.
    #[error("expected some text, found none")]
    Empty,
    /// Longer than allowed.
    #[error("expected at most {max} bytes, found {found}")]
    TooLong {
        /// The cap, in bytes.
        max: usize,
        /// The length found, in bytes.
        found: usize,
    },
    /// A control or format character (Unicode Cc, Cf), which could disguise the rest.
    #[error(
        "expected text without control or format characters and without space at either end (a \
         name: at most 64 characters)"
    )]
    NotPlain,
}

/// Defines a text type with a cap and a check.
macro_rules! capped_text {
    ($(#[$doc:meta])* $name:ident, $max:expr, $check:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The longest text, in bytes of UTF-8.
            pub const MAX_BYTES: usize = $max;

            /// The text itself. It comes from outside: escape it before printing.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseTextError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.len() > Self::MAX_BYTES {
                    return Err(ParseTextError::TooLong {
                        max: Self::MAX_BYTES,
                        found: text.len(),
                    });
                }
                let check: fn(&str) -> Result<(), ParseTextError> = $check;
                check(text)?;
                Ok(Self(text.into()))
            }
        }

        serde_as_text!($name, $expected);
    };
}

capped_text! {
    /// A title: at most 256 bytes on one line, without control or format characters.
    Title, 256, plain, "a title of 1 to 256 bytes"
}

capped_text! {
    /// The name of a ledger or a node: at most 64 characters on one line, without control or format
    /// characters.
    Name, 256, name, "a name of 1 to 64 characters"
}

capped_text! {
    /// A version, request id or other label given by a program: at most 256 bytes, not empty,
    /// without control or format characters.
    Label, 256, plain, "a label of 1 to 256 bytes"
}

capped_text! {
    /// A description or rationale: at most 16 KiB, any characters, may be empty.
    Prose, 16 * 1024, |_| Ok(()), "text of at most 16384 bytes"
}

impl Default for Prose {
    fn default() -> Self {
        Self("".into())
    }
}

fn plain(text: &str) -> Result<(), ParseTextError> {
    if text.trim().is_empty() {
        return Err(ParseTextError::Empty);
    }
    if text.trim().len() != text.len() || !display_text::is_plain(text) {
        return Err(ParseTextError::NotPlain);
    }
    Ok(())
}

fn name(text: &str) -> Result<(), ParseTextError> {
    plain(text)?;
    if display_text::is_name(text) {
        Ok(())
    } else {
        Err(ParseTextError::NotPlain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_can_not_disguise_what_they_say() {
        for (text, expected) in [
            ("Authorize triage 1.2", Ok(())),
            ("Ärztekammer 東京", Ok(())),
            ("", Err(ParseTextError::Empty)),
            (" \t", Err(ParseTextError::Empty)),
            (" x", Err(ParseTextError::NotPlain)),
            ("a\nb", Err(ParseTextError::NotPlain)),
            ("a\u{202e}b", Err(ParseTextError::NotPlain)),
            ("a\u{200b}b", Err(ParseTextError::NotPlain)),
            ("a\u{1b}[31m", Err(ParseTextError::NotPlain)),
        ] {
            assert_eq!(text.parse::<Title>().map(drop), expected, "{text:?}");
        }
        let found = 257;
        assert_eq!(
            "x".repeat(found).parse::<Title>(),
            Err(ParseTextError::TooLong { max: 256, found })
        );
        assert!("é".repeat(128).parse::<Title>().is_ok());
    }
}
