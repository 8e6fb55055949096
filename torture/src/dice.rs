//! Seeded dice: the same seed, the same throws.

use std::ops::Range;
use std::time::Duration;

/// A generator of numbers that look random (`SplitMix64`, <https://prng.di.unimi.it/splitmix64.c>).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of a seed for one purpose, so that two purposes do not throw the same.
    pub(crate) fn of_purpose(seed: u64, purpose: &str) -> Self {
        let mixed = purpose
            .bytes()
            .fold(seed, |mixed, byte| Self(mixed ^ u64::from(byte)).number());
        Self(mixed)
    }

    /// The next number.
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `sides`; 0 if there are none.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.number().checked_rem(sides).unwrap_or(0)
    }

    /// A time in a range, to the millisecond; its start if the range is empty.
    pub(crate) fn between(&mut self, range: &Range<Duration>) -> Duration {
        let width = range.end.saturating_sub(range.start).as_millis();
        let width = u64::try_from(width).unwrap_or(u64::MAX);
        range.start + Duration::from_millis(self.below(width))
    }

    /// One of some; `None` if there are none.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(of.len() as u64)).ok()?;
        of.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same_and_purposes_differ() {
        let throws = |mut dice: Dice| [dice.number(), dice.number(), dice.number()];
        assert_eq!(throws(Dice::of(7)), throws(Dice::of(7)));
        assert_ne!(throws(Dice::of(7)), throws(Dice::of(8)));
        let (one, other) = (Dice::of_purpose(7, "kill"), Dice::of_purpose(7, "hang"));
        assert_ne!(throws(one), throws(other));
    }

    #[test]
    fn throws_stay_in_their_range() {
        let mut dice = Dice::of(1);
        let range = Duration::from_millis(5)..Duration::from_millis(8);
        for _ in 0..100 {
            assert!(range.contains(&dice.between(&range)));
            assert!(dice.below(3) < 3);
        }
        assert_eq!(dice.below(0), 0);
        assert_eq!(dice.pick::<u8>(&[]), None);
    }
}
