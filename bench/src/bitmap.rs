//! A set of small numbers, one bit each.

/// Largest number that is kept, so that a broken peer cannot make it grow without end.
const LARGEST: u64 = 50_000_000;

/// A set of numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// Adds a number; answers whether it was new.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if number > LARGEST {
            return false;
        }
        let index = usize::try_from(number / 64).unwrap_or(usize::MAX);
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        let bit = 1 << (number % 64);
        self.words.get_mut(index).is_some_and(|word| {
            let is_new = *word & bit == 0;
            *word |= bit;
            is_new
        })
    }

    /// How many numbers of this set the other one lacks.
    pub(crate) fn missing_from(&self, other: &Self) -> u64 {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        self.words
            .iter()
            .zip(theirs)
            .map(|(mine, theirs)| u64::from((mine & !theirs).count_ones()))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_new_once_and_missing_ones_are_counted() {
        let mut one = Bitmap::default();
        let mut other = Bitmap::default();
        for number in 0..200 {
            assert!(one.insert(number));
            assert!(!one.insert(number));
        }
        for number in 0..100 {
            other.insert(number);
        }
        assert_eq!(one.missing_from(&other), 100);
        assert_eq!(other.missing_from(&one), 0);
        assert!(!other.insert(u64::MAX));
    }
}
