//! SHA-256 digests and their one textual form.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

/// A SHA-256 digest, written as 64 lowercase hexadecimal digits.
///
/// Used for entry hashes, ledger ids, state hashes, input and artifact digests. Upper-case digits
/// are refused so that equal digests have equal text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Thirty-two zero bytes: the `prev_hash` of a ledger's first line.
    pub const ZERO: Self = Self([0; 32]);

    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Wraps thirty-two bytes that are already a digest.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 lowercase hexadecimal digits.
    ///
    /// # Errors
    /// [`ParseDigestError`] for any other length, and for any other byte, upper-case digits
    /// included.
    pub fn from_hex(text: &[u8]) -> Result<Self, ParseDigestError> {
        let text: &[u8; 64] = text.try_into().map_err(|_| ParseDigestError)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0]).0 << 4 | nibble(pair[1]).0;
        }
        (Self::is_hex(text))
            .then_some(Self(bytes))
            .ok_or(ParseDigestError)
    }

    /// Whether these are lowercase hexadecimal digits.
    ///
    /// Asked three times for every line of a replay. Without a way out early, the compiler looks at
    /// many digits at a time.
    pub(crate) fn is_hex(text: &[u8; 64]) -> bool {
        (text.iter()).fold(true, |is_hex, digit| is_hex & nibble(*digit).1)
    }

    /// The 64 lowercase hexadecimal digits, without an allocation.
    #[must_use]
    pub fn hex(&self) -> [u8; 64] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 0xf)];
        }
        text
    }

    /// The first eight digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

/// The value of a digit, and whether it is one.
const fn nibble(digit: u8) -> (u8, bool) {
    let (decimal, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
    let value = if decimal < 10 {
        decimal
    } else {
        letter.wrapping_add(10) & 0xf
    };
    (value, (decimal < 10) | (letter < 6))
}

/// The text is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 lowercase hexadecimal digits")]
pub struct ParseDigestError;

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // In one piece: a digest is written several times for every line.
        f.write_str(std::str::from_utf8(&self.hex()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_hex(text.as_bytes())
    }
}

super::text::serde_as_text!(Digest, "64 lowercase hexadecimal digits");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_exact_in_both_directions() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), abc);
        assert_eq!(abc.parse(), Ok(Digest::of(b"abc")));
        assert_eq!(Digest::ZERO.to_string(), "0".repeat(64));
        for bad in [&abc[1..], &abc.to_uppercase(), &abc.replace('b', "g"), ""] {
            assert_eq!(bad.parse::<Digest>(), Err(ParseDigestError), "{bad}");
        }
        // What stands beside the digits and the letters is neither.
        for beside in ["/", ":", "@", "A", "F", "G", "`", "g", "\u{0}", "\u{7f}"] {
            for at in [0, 31, 63] {
                let bad = [&abc[..at], beside, &abc[at + 1..]].concat();
                assert_eq!(bad.parse::<Digest>(), Err(ParseDigestError), "{bad}");
            }
        }
    }

    #[test]
    fn people_see_digits() {
        let abc = Digest::of(b"abc");
        assert_eq!(abc.short(), "ba7816bf");
        assert!(format!("{abc:?}").contains("ba7816bf"), "{abc:?}");
    }
}
