//! The account of a round: what was accepted, what arrived, what was settled otherwise, what is lost.
//!
//! Pure: it is told, and it counts. An accepted event is owed to every destination.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::stamp::Stamp;

/// How many examples are kept of what went wrong.
const EXAMPLES: usize = 5;

/// A request that reached a destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// Which destination.
    pub(crate) destination: usize,
    /// Which event.
    pub(crate) stamp: Stamp,
    /// Whether the destination answered that it has it. One that resets the connection has the event,
    /// too, but nobody can know.
    pub(crate) is_acknowledged: bool,
    /// When.
    pub(crate) at: Instant,
}

/// What the target says about an event that it does not owe any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    /// Which destination.
    pub(crate) destination: usize,
    /// Which event.
    pub(crate) stamp: Stamp,
    /// What became of it, in the target's words.
    pub(crate) disposition: String,
}

/// Counts over everything that is owed: accepted events times destinations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    /// Events that were accepted.
    pub(crate) accepted: u64,
    /// Notifications that are owed for them.
    pub(crate) owed: u64,
    /// Of these, delivered once.
    pub(crate) once: u64,
    /// Delivered more than once.
    pub(crate) repeated: u64,
    /// Not delivered, and settled so, by disposition.
    pub(crate) settled: BTreeMap<String, u64>,
    /// None of it.
    pub(crate) lost: u64,
    /// First arrivals that came after a younger event of the same lane.
    pub(crate) disordered: u64,
    /// Some of what was lost or came too late.
    pub(crate) examples: Vec<String>,
    /// Longest time from acceptance to the first arrival, per destination.
    #[serde(skip)]
    pub(crate) longest: BTreeMap<usize, Duration>,
}

impl Account {
    /// Adds the account of another round.
    pub(crate) fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        self.owed += other.owed;
        self.once += other.once;
        self.repeated += other.repeated;
        self.lost += other.lost;
        self.disordered += other.disordered;
        for (disposition, count) in &other.settled {
            *self.settled.entry(disposition.clone()).or_default() += count;
        }
        for (destination, longest) in &other.longest {
            let known = self.longest.entry(*destination).or_default();
            *known = (*known).max(*longest);
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples
            .extend(other.examples.iter().take(room).cloned());
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text());
        }
    }
}

/// Makes the account; `arrivals` are in the order in which they came.
pub(crate) fn account(
    accepted: &BTreeMap<Stamp, Instant>,
    destinations: &[String],
    arrivals: &[Arrival],
    settled: &[Settled],
) -> Account {
    let mut account = Account {
        accepted: accepted.len() as u64,
        ..Account::default()
    };
    for (index, name) in destinations.iter().enumerate() {
        let mut acknowledged: BTreeSet<Stamp> = BTreeSet::new();
        let mut times: BTreeMap<Stamp, u32> = BTreeMap::new();
        let mut highest: BTreeMap<u32, u64> = BTreeMap::new();
        for arrival in arrivals
            .iter()
            .filter(|arrival| arrival.destination == index)
        {
            let stamp = arrival.stamp;
            *times.entry(stamp).or_default() += 1;
            if !arrival.is_acknowledged || !acknowledged.insert(stamp) {
                continue;
            }
            let highest = highest.entry(stamp.lane).or_insert(stamp.number);
            if stamp.number < *highest {
                account.disordered += 1;
                account.example(|| format!("{stamp} came to {name} after event {highest}"));
            }
            *highest = (*highest).max(stamp.number);
            if let Some(since) = accepted.get(&stamp) {
                let longest = account.longest.entry(index).or_default();
                *longest = (*longest).max(arrival.at.saturating_duration_since(*since));
            }
        }
        let otherwise: BTreeMap<Stamp, &str> = settled
            .iter()
            .filter(|settled| settled.destination == index)
            .map(|settled| (settled.stamp, settled.disposition.as_str()))
            .collect();
        for stamp in accepted.keys() {
            account.owed += 1;
            if acknowledged.contains(stamp) {
                if times.get(stamp).is_some_and(|times| *times > 1) {
                    account.repeated += 1;
                } else {
                    account.once += 1;
                }
            } else if let Some(disposition) = otherwise.get(stamp) {
                *account
                    .settled
                    .entry((*disposition).to_owned())
                    .or_default() += 1;
            } else {
                account.lost += 1;
                account.example(|| format!("{stamp} never came to {name}"));
            }
        }
    }
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u64) -> Stamp {
        Stamp { lane: 3, number }
    }

    fn arrival(number: u64, is_acknowledged: bool) -> Arrival {
        Arrival {
            destination: 0,
            stamp: stamp(number),
            is_acknowledged,
            at: Instant::now(),
        }
    }

    fn accepted(count: u64) -> BTreeMap<Stamp, Instant> {
        (0..count)
            .map(|number| (stamp(number), Instant::now()))
            .collect()
    }

    fn of(count: u64, arrivals: &[Arrival], settled: &[Settled]) -> Account {
        account(&accepted(count), &["steady".to_owned()], arrivals, settled)
    }

    fn in_order(numbers: &[u64]) -> Vec<Arrival> {
        numbers
            .iter()
            .map(|number| arrival(*number, true))
            .collect()
    }

    #[test]
    fn a_planted_loss_is_found_and_named() {
        let account = of(4, &in_order(&[0, 1, 3]), &[]);
        assert_eq!((account.once, account.lost, account.disordered), (3, 1, 0));
        assert_eq!(
            account.examples,
            [format!("{} never came to steady", stamp(2))]
        );
    }

    #[test]
    fn a_planted_repeat_is_counted_and_is_no_disorder() {
        let account = of(3, &in_order(&[0, 1, 2, 1]), &[]);
        assert_eq!((account.once, account.repeated), (2, 1));
        assert_eq!((account.lost, account.disordered), (0, 0));
    }

    #[test]
    fn a_planted_disorder_is_found_and_named() {
        let account = of(3, &in_order(&[0, 2, 1]), &[]);
        assert_eq!((account.once, account.disordered, account.lost), (3, 1, 0));
        assert!(account.examples[0].contains("after event 2"));
    }

    #[test]
    fn what_a_destination_never_confirmed_is_not_delivered_but_makes_a_repeat() {
        let account_of = |acknowledged: &[bool]| {
            let arrivals: Vec<_> = acknowledged.iter().map(|is| arrival(0, *is)).collect();
            of(1, &arrivals, &[])
        };
        assert_eq!(account_of(&[false]).lost, 1);
        assert_eq!(account_of(&[false, true]).repeated, 1);
        assert_eq!(account_of(&[true]).once, 1);
    }

    #[test]
    fn a_disposition_settles_what_did_not_arrive_and_nothing_else() {
        let settled = [1, 2].map(|number| Settled {
            destination: 0,
            stamp: stamp(number),
            disposition: "failed: rejected".to_owned(),
        });
        let account = of(4, &in_order(&[0, 2]), &settled);
        assert_eq!(
            account.settled,
            BTreeMap::from([("failed: rejected".to_owned(), 1)])
        );
        assert_eq!((account.once, account.lost), (2, 1));
    }

    #[test]
    fn every_destination_is_owed_every_event() {
        let names = ["steady".to_owned(), "victim".to_owned()];
        let account = account(&accepted(2), &names, &in_order(&[0, 1]), &[]);
        assert_eq!((account.accepted, account.owed), (2, 4));
        assert_eq!((account.once, account.lost), (2, 2));
    }

    #[test]
    fn accounts_of_rounds_add_up() {
        let mut sum = of(4, &in_order(&[0, 1, 3]), &[]);
        sum.add(&of(3, &in_order(&[0, 2, 1]), &[]));
        assert_eq!(
            (sum.accepted, sum.once, sum.lost, sum.disordered),
            (7, 6, 1, 1)
        );
        assert_eq!(sum.examples.len(), 2);
    }
}
