//! What a power cut does to that which was not synced: decided by a seed, the same for the same seed.

use crate::dice::Dice;

/// Chances of one power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    seed: u64,
    /// What becomes of file contents.
    pub(crate) contents: Survival,
    /// What becomes of names: files made, renamed, removed.
    pub(crate) names: Survival,
    /// Bytes that are written as a whole or not at all.
    pub(crate) sector: u64,
}

/// Which of the changes since the last sync survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Survival {
    None,
    All,
    /// Those before a moment, as on a disk that keeps the order.
    Ordered,
    /// Each piece on its own, with so many chances in a hundred.
    Scattered(u64),
}

impl Fate {
    /// The fate that a seed stands for.
    pub(crate) fn of_seed(seed: u64) -> Self {
        let roll = |what| mix(&[seed, what]);
        Self {
            seed,
            contents: Survival::of_number(roll(1)),
            names: Survival::of_number(roll(2)),
            sector: if roll(3).is_multiple_of(3) { 4096 } else { 512 },
        }
    }

    /// A fate in which everything survives, or nothing that was not synced.
    #[cfg(test)]
    pub(crate) fn of_all(survival: Survival) -> Self {
        Self {
            seed: 0,
            contents: survival,
            names: survival,
            sector: 512,
        }
    }

    /// A number that depends on the seed and on what it is for, and on nothing else.
    pub(crate) fn roll(&self, what: &[u64]) -> u64 {
        mix(&[self.seed, mix(what)])
    }

    /// Whether a chance of so many in a hundred comes true.
    pub(crate) fn chance(&self, percent: u64, what: &[u64]) -> bool {
        self.roll(what) % 100 < percent
    }
}

impl Survival {
    fn of_number(number: u64) -> Self {
        match number % 8 {
            0 => Self::None,
            1 => Self::All,
            2 | 3 => Self::Ordered,
            4 => Self::Scattered(10),
            5 => Self::Scattered(90),
            _ => Self::Scattered(50),
        }
    }
}

/// Stirs numbers into one.
fn mix(numbers: &[u64]) -> u64 {
    numbers
        .iter()
        .fold(0, |mixed, number| Dice::of(mixed ^ number).number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_fate_comes_up_and_comes_up_again_for_its_seed() {
        let fates: Vec<Fate> = (0..200).map(Fate::of_seed).collect();
        for survival in [
            Survival::None,
            Survival::All,
            Survival::Ordered,
            Survival::Scattered(10),
            Survival::Scattered(50),
            Survival::Scattered(90),
        ] {
            assert!(fates.iter().any(|fate| fate.contents == survival));
            assert!(fates.iter().any(|fate| fate.names == survival));
        }
        assert_eq!(fates[7], Fate::of_seed(7));
        assert_ne!(fates[7].roll(&[1]), fates[8].roll(&[1]));
        assert_eq!(fates[7].roll(&[1]), Fate::of_seed(7).roll(&[1]));
    }
}
