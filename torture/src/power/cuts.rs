//! At which moments of a record the power is cut.

use super::fate::Fate;
use super::record::{Change, Recorded};

/// Chooses so many cuts: how many changes come before each, in rising order, with a seed for what
/// happens to the rest. A third of them is at the start, where files are made; a third around ends of
/// syncs, where promises begin; the rest anywhere.
pub(crate) fn choose(recorded: &[Recorded], count: usize, seed: u64) -> Vec<(usize, u64)> {
    let dice = Fate::of_seed(seed);
    let all = recorded.len() as u64;
    let syncs: Vec<usize> = recorded
        .iter()
        .enumerate()
        .filter(|(_, recorded)| matches!(recorded.change, Change::SyncEnds { .. }))
        .map(|(index, _)| index)
        .collect();
    let mut cuts: Vec<(usize, u64)> = (0..count as u64)
        .map(|number| {
            let roll = |what: u64, sides: u64| dice.roll(&[number, what]) % sides.max(1);
            let anywhere = roll(1, all + 1);
            let changes = match number % 3 {
                0 => roll(1, (all + 1).min(EARLY)),
                1 => usize::try_from(roll(1, syncs.len() as u64))
                    .ok()
                    .and_then(|index| syncs.get(index))
                    .map_or(anywhere, |index| *index as u64 + roll(2, 2)),
                _ => anywhere,
            };
            let changes = usize::try_from(changes).unwrap_or(usize::MAX);
            (changes.min(recorded.len()), dice.roll(&[number, 6]))
        })
        .collect();
    cuts.sort_unstable();
    cuts
}

/// Changes that count as the start.
const EARLY: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_rise_stay_inside_and_fall_around_syncs() {
        let change = |index: u64| {
            if index % 10 == 9 {
                Change::SyncEnds {
                    inode: 1,
                    ticket: index,
                    has_failed: false,
                }
            } else {
                Change::Process
            }
        };
        let recorded: Vec<Recorded> = (0..5000)
            .map(|index| Recorded {
                end: index,
                change: change(index),
            })
            .collect();
        let cuts = choose(&recorded, 300, 1);
        assert_eq!(cuts.len(), 300);
        assert!(cuts.is_sorted() && cuts.iter().all(|(changes, _)| *changes <= 5000));
        assert!(cuts.iter().filter(|(changes, _)| *changes < 300).count() >= 100);
        let at_syncs = cuts
            .iter()
            .filter(|(changes, _)| matches!(changes % 10, 0 | 9));
        assert!(at_syncs.count() >= 100);
        assert_eq!(choose(&recorded, 300, 1), cuts);
        assert_ne!(choose(&recorded, 300, 2), cuts);
        assert_eq!(choose(&[], 3, 1).len(), 3);
    }
}
