//! From seeds to inputs: bytes change, words of the notation come and go, seeds are spliced.

/// The longest input.
const LONGEST: usize = 64 * 1024;

/// A small, fast generator; a seed gives the same numbers everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Xorshift with a multiplier.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % end.max(1)
    }
}

/// Makes inputs.
pub(crate) struct Mutator {
    random: Random,
    seeds: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Mutator {
    pub(crate) fn new(random: Random, seeds: Vec<Vec<u8>>, words: &'static [&'static str]) -> Self {
        Self {
            random,
            seeds,
            words,
        }
    }

    /// One more seed, because it showed something new.
    pub(crate) fn learn(&mut self, seed: Vec<u8>) {
        self.seeds.push(seed);
    }

    /// The next input.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        for _ in 0..=self.random.below(8) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        input
    }

    fn seed(&mut self) -> Vec<u8> {
        let index = self.random.below(self.seeds.len());
        self.seeds.get(index).cloned().unwrap_or_default()
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.below(input.len() + 1);
        let span = self.random.below(16);
        let end = (at + span).min(input.len());
        match self.random.below(10) {
            0 => {
                let byte = self.random.next().to_le_bytes()[0];
                input.insert(at, byte);
            }
            1 => drop(input.drain(at..end)),
            2 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << (span % 8);
                }
            }
            3 => {
                let piece = input[at..end].to_vec();
                let to = self.random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            4 => {
                let piece = input[at..end].to_vec();
                let times = 1 << self.random.below(9);
                input.splice(at..at, piece.repeat(times));
            }
            5 => {
                let other = self.seed();
                let from = self.random.below(other.len() + 1);
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            6 => {
                let text = ["é", "\u{202e}", "\u{1f600}", "\0", "\u{feff}", "ſ", "K"];
                let index = self.random.below(text.len());
                input.splice(at..at, text[index].bytes());
            }
            7 => {
                let numbers = [
                    "-1",
                    "0",
                    "9223372036854775808",
                    "1e999",
                    "0x1F",
                    "NaN",
                    "1.5",
                ];
                let index = self.random.below(numbers.len());
                input.splice(at..end, numbers[index].bytes());
            }
            _ => {
                let index = self.random.below(self.words.len());
                let word = self.words.get(index).copied().unwrap_or_default();
                let times = if self.random.below(20) == 0 { 500 } else { 1 };
                input.splice(at..end, word.repeat(times).into_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_number_gives_the_same_inputs() {
        let inputs = |seed| {
            let seeds = vec![b"hello world".to_vec()];
            let mut mutator = Mutator::new(Random::new(seed), seeds, &["word"]);
            (0..100).map(|_| mutator.next()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(9));
        assert!(inputs(7).iter().all(|input| input.len() <= LONGEST));
    }
}
