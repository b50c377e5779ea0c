//! Chance from a seed, the same on every machine.
//!
//! ChaCha with eight rounds, whose output is fixed by its definition. Numbers in a range are drawn
//! here and not by a library, because libraries change how they draw between versions. Every user
//! has a stream of its own, derived from the seed by name: an adversary more does not change the
//! delays of the network.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use uuid::Uuid;

use crate::governance::digest::Digest;

/// One stream of chance.
#[derive(Debug, Clone)]
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// The stream of a name and a number under a seed.
    pub(crate) fn new(seed: u64, name: &str, number: u64) -> Self {
        let text = format!("althing simulation\n{seed}\n{name}\n{number}\n");
        Self(ChaCha8Rng::from_seed(
            *Digest::of(text.as_bytes()).as_bytes(),
        ))
    }

    /// Any 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 to `limit` − 1; 0 where `limit` is 0.
    ///
    /// The upper half of a product, which favours some numbers by at most 1 in 2^64 / `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from `first` to `last`; `first` where the range is empty.
    pub(crate) fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first).saturating_add(1))
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`; `None` where there are none.
    pub(crate) fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(choices.len()).unwrap_or(0));
        choices.get(usize::try_from(index).unwrap_or(0))
    }

    /// An identifier.
    pub(crate) fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.bits(), self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_the_same_for_ever() {
        let mut random = Random::new(1, "network", 0);
        let drawn: Vec<u64> = (0..4).map(|_| random.below(1_000_000)).collect();
        // Written down once: another library or version must draw the same.
        assert_eq!(drawn, [67_464, 576_513, 308_625, 345_639]);
        let mut other = Random::new(1, "network", 1);
        assert_ne!(other.bits(), Random::new(1, "network", 0).bits());
    }

    #[test]
    fn ranges_are_kept_and_reached() {
        let mut random = Random::new(7, "ranges", 0);
        let drawn: Vec<u64> = (0..1000).map(|_| random.between(3, 5)).collect();
        for number in 3..=5 {
            assert!(drawn.contains(&number), "{number}");
        }
        assert!(drawn.iter().all(|number| (3..=5).contains(number)));
        assert_eq!(random.below(0), 0);
        assert_eq!(random.between(9, 2), 9);
        assert!(!random.percent(0) && random.percent(100));
        assert_eq!(random.choose::<u8>(&[]), None);
    }
}
