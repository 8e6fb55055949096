//! Who was promised what at which moment of a recorded run, and what of it a power cut leaves owed.
//!
//! A moment is a length of the record. A promise that was read from the wire when the record had some
//! length holds for every cut at that length or later, since the syncs that it rests on were recorded
//! before; the same goes for what arrived at a destination.

use std::collections::{BTreeMap, BTreeSet};

use crate::stamp::Stamp;

/// An event for a destination, which has a number.
pub(crate) type Notification = (usize, Stamp);

/// The history of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises {
    promised: BTreeMap<Stamp, u64>,
    settled: BTreeMap<Notification, u64>,
}

impl Promises {
    /// The event was accepted, or called a duplicate of one that was.
    pub(crate) fn promise(&mut self, event: Stamp, moment: u64) {
        let first = self.promised.entry(event).or_insert(moment);
        *first = moment.min(*first);
    }

    /// The destination took it, or refused it for good.
    pub(crate) fn settle(&mut self, notification: Notification, moment: u64) {
        let first = self.settled.entry(notification).or_insert(moment);
        *first = moment.min(*first);
    }

    /// What must still arrive at one of so many destinations after a cut.
    pub(crate) fn owed(&self, cut: u64, destinations: usize) -> BTreeSet<Notification> {
        let is_settled = |notification: &Notification| {
            let settled = self.settled.get(notification);
            settled.is_some_and(|moment| *moment <= cut)
        };
        self.promised
            .iter()
            .filter(|(_, moment)| **moment <= cut)
            .flat_map(|(event, _)| (0..destinations).map(|destination| (destination, *event)))
            .filter(|notification| !is_settled(notification))
            .collect()
    }

    /// How many events were promised.
    pub(crate) fn len(&self) -> usize {
        self.promised.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owed_is_what_was_promised_and_not_yet_settled() {
        let event = |number| Stamp { lane: 0, number };
        let mut promises = Promises::default();
        promises.promise(event(1), 100);
        promises.promise(event(1), 500);
        promises.promise(event(2), 200);
        promises.settle((0, event(1)), 300);
        promises.settle((0, event(1)), 250);
        // It can arrive before the sender hears that it was accepted.
        promises.settle((0, event(3)), 50);
        promises.promise(event(3), 60);
        let owed = |cut, destinations| -> Vec<(usize, u64)> {
            let owed = promises.owed(cut, destinations).into_iter();
            owed.map(|(destination, event)| (destination, event.number))
                .collect()
        };
        assert_eq!(owed(49, 1), []);
        assert_eq!(owed(60, 1), []);
        assert_eq!(owed(60, 2), [(1, 3)]);
        assert_eq!(owed(100, 1), [(0, 1)]);
        assert_eq!(owed(249, 1), [(0, 1), (0, 2)]);
        assert_eq!(owed(250, 1), [(0, 2)]);
        assert_eq!(promises.len(), 3);
    }
}
