//! Voting weights and exact fractions of them. Never a float, never a division.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{IntegerTooLarge, MAX_INTEGER};

/// The voting weight of one node: 1 to 2^53 − 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Weight(u64);

impl Weight {
    /// The smallest weight.
    pub const ONE: Self = Self(1);

    /// A weight; `None` for zero and above 2^53 − 1.
    #[must_use]
    pub const fn new(weight: u64) -> Option<Self> {
        if weight >= 1 && weight <= MAX_INTEGER {
            Some(Self(weight))
        } else {
            None
        }
    }

    /// The weight as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// The number is no weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a weight from 1 to 9007199254740991")]
pub struct ParseWeightError;

impl TryFrom<u64> for Weight {
    type Error = ParseWeightError;

    fn try_from(weight: u64) -> Result<Self, Self::Error> {
        Self::new(weight).ok_or(ParseWeightError)
    }
}

impl FromStr for Weight {
    type Err = ParseWeightError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let weight: u64 = text.parse().map_err(|_| ParseWeightError)?;
        Self::try_from(weight)
    }
}

impl From<Weight> for u64 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A sum of weights, 0 to 2^53 − 1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct TotalWeight(u64);

impl TotalWeight {
    /// No weight.
    pub const ZERO: Self = Self(0);

    /// A sum; `None` above 2^53 − 1.
    #[must_use]
    pub const fn new(total: u64) -> Option<Self> {
        if total <= MAX_INTEGER {
            Some(Self(total))
        } else {
            None
        }
    }

    /// The sum as a number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The sum with `weight` added; `None` above 2^53 − 1.
    #[must_use]
    pub const fn plus(self, weight: Weight) -> Option<Self> {
        Self::new(self.0 + weight.0)
    }

    /// The sum with `weight` taken away; `None` below zero.
    #[must_use]
    pub const fn minus(self, weight: Weight) -> Option<Self> {
        match self.0.checked_sub(weight.0) {
            Some(rest) => Some(Self(rest)),
            None => None,
        }
    }

    /// The sum of `weights`; `None` above 2^53 − 1.
    pub fn sum(weights: impl IntoIterator<Item = Weight>) -> Option<Self> {
        weights.into_iter().try_fold(Self::ZERO, Self::plus)
    }
}

impl TryFrom<u64> for TotalWeight {
    type Error = IntegerTooLarge;

    fn try_from(total: u64) -> Result<Self, Self::Error> {
        Self::new(total).ok_or(IntegerTooLarge)
    }
}

impl From<TotalWeight> for u64 {
    fn from(total: TotalWeight) -> Self {
        total.0
    }
}

impl fmt::Display for TotalWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A threshold: a fraction from 0 to 1, written `2/3`.
///
/// It is only ever compared, by cross-multiplication in 128 bits, which is exact for every pair of
/// 53-bit factors. Two fractions are equal when their texts are: `4/6` asks for as much as `2/3`,
/// but an event that says one is not an event that says the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    numerator: u64,
    denominator: u64,
}

impl Fraction {
    /// `numerator/denominator`; `None` where the denominator is zero, the fraction exceeds one, or
    /// a part exceeds 2^53 − 1.
    #[must_use]
    pub const fn new(numerator: u64, denominator: u64) -> Option<Self> {
        if denominator >= 1 && denominator <= MAX_INTEGER && numerator <= denominator {
            Some(Self {
                numerator,
                denominator,
            })
        } else {
            None
        }
    }

    /// The part above the line.
    #[must_use]
    pub const fn numerator(self) -> u64 {
        self.numerator
    }

    /// The part below the line, at least 1.
    #[must_use]
    pub const fn denominator(self) -> u64 {
        self.denominator
    }

    /// Whether this fraction asks for less than `other`.
    #[must_use]
    pub const fn is_below(self, other: Self) -> bool {
        !other.reached_by(self.numerator, self.denominator)
    }

    /// Whether `part` is at least this fraction of `whole`.
    #[must_use]
    pub const fn reached_by(self, part: u64, whole: u64) -> bool {
        part as u128 * self.denominator as u128 >= self.numerator as u128 * whole as u128
    }

    /// Whether `part` is more than this fraction of `whole`.
    #[must_use]
    pub const fn exceeded_by(self, part: u64, whole: u64) -> bool {
        part as u128 * self.denominator as u128 > self.numerator as u128 * whole as u128
    }
}

/// The text is no fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a fraction from 0 to 1 such as 2/3, in digits without leading zeros")]
pub struct ParseFractionError;

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl fmt::Debug for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fraction {
    type Err = ParseFractionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (numerator, denominator) = text.split_once('/').ok_or(ParseFractionError)?;
        Self::new(natural(numerator)?, natural(denominator)?).ok_or(ParseFractionError)
    }
}

/// Digits only (`u64::from_str` would take a plus sign), and one text for one number.
fn natural(text: &str) -> Result<u64, ParseFractionError> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if leading_zero || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseFractionError);
    }
    text.parse().map_err(|_| ParseFractionError)
}

super::text::serde_as_text!(Fraction, "a fraction from 0 to 1 such as \"2/3\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_exact_at_their_edge() {
        let two_thirds = Fraction::new(2, 3).unwrap();
        let largest = MAX_INTEGER;
        // (part, whole, reached, exceeded)
        for (part, whole, reached, exceeded) in [
            (4, 6, true, false),
            (3, 6, false, false),
            (5, 6, true, true),
            (0, 0, true, false),
            (largest / 3 * 2, largest / 3 * 3, true, false),
            (largest / 3 * 2 - 1, largest / 3 * 3, false, false),
            (largest / 3 * 2 + 1, largest / 3 * 3, true, true),
        ] {
            assert_eq!(
                two_thirds.reached_by(part, whole),
                reached,
                "{part}/{whole}"
            );
            assert_eq!(
                two_thirds.exceeded_by(part, whole),
                exceeded,
                "{part}/{whole}"
            );
        }
    }

    #[test]
    fn fractions_have_strict_text() {
        let fraction = |text: &str| text.parse::<Fraction>().unwrap();
        assert_eq!(fraction("2/3"), Fraction::new(2, 3).unwrap());
        assert_ne!(fraction("2/3"), fraction("4/6"));
        assert!(!fraction("2/3").is_below(fraction("4/6")));
        assert!(fraction("3/5").is_below(fraction("2/3")));
        for text in [
            "", "2", "2/0", "3/2", "-1/2", "+1/2", "02/3", "2/ 3", "2/3/4", "0.5",
        ] {
            assert_eq!(text.parse::<Fraction>(), Err(ParseFractionError), "{text}");
        }
    }

    #[test]
    fn weights_never_wrap() {
        assert_eq!(Weight::new(0), None);
        assert_eq!(Weight::new(MAX_INTEGER + 1), None);
        let full = TotalWeight::new(MAX_INTEGER).unwrap();
        assert_eq!(full.plus(Weight::ONE), None);
        assert_eq!(TotalWeight::ZERO.minus(Weight::ONE), None);
        assert_eq!(
            TotalWeight::sum([Weight::ONE, Weight::new(2).unwrap()]),
            TotalWeight::new(3)
        );
    }

    #[test]
    fn weights_and_fractions_are_written_as_they_are_read() {
        assert_eq!(Weight::new(12).unwrap().to_string(), "12");
        assert_eq!(TotalWeight::new(12).unwrap().to_string(), "12");
        assert_eq!(format!("{:?}", Fraction::new(2, 3).unwrap()), "2/3");
    }
}
