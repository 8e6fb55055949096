//! Which events of which object were seen, and in what order.

use std::sync::{Mutex, PoisonError};

use crate::bitmap::Bitmap;
use crate::event::{OBJECTS, Stamp};

/// One page per object.
#[derive(Debug)]
pub(crate) struct Ledger {
    pages: Vec<Mutex<Page>>,
}

#[derive(Debug, Default)]
struct Page {
    seen: Bitmap,
    count: u64,
    highest: Option<u64>,
    repeated: u64,
    disordered: u64,
}

/// Sums over all objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Different events.
    pub(crate) different: u64,
    /// Events that had been seen before.
    pub(crate) repeated: u64,
    /// Events first seen after a younger one of the same object.
    pub(crate) disordered: u64,
}

impl Ledger {
    /// An empty ledger.
    pub(crate) fn new() -> Self {
        Self {
            pages: (0..OBJECTS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Enters one event.
    pub(crate) fn enter(&self, stamp: Stamp) {
        let index = usize::try_from(stamp.object).unwrap_or(usize::MAX);
        let Some(page) = self.pages.get(index) else {
            return;
        };
        let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
        if !page.seen.insert(stamp.number) {
            page.repeated += 1;
            return;
        }
        page.count += 1;
        if page.highest.is_some_and(|highest| stamp.number < highest) {
            page.disordered += 1;
        }
        page.highest = page.highest.max(Some(stamp.number));
    }

    /// Sums over all objects.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for page in &self.pages {
            let page = page.lock().unwrap_or_else(PoisonError::into_inner);
            totals.different += page.count;
            totals.repeated += page.repeated;
            totals.disordered += page.disordered;
        }
        totals
    }

    /// How many events are here that `other` has not seen.
    pub(crate) fn missing_from(&self, other: &Self) -> u64 {
        self.pages
            .iter()
            .zip(&other.pages)
            .map(|(mine, theirs)| {
                let mine = mine.lock().unwrap_or_else(PoisonError::into_inner);
                let theirs = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                mine.seen.missing_from(&theirs.seen)
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stamp(object: u32, number: u64) -> Stamp {
        Stamp {
            object,
            number,
            sent: Duration::ZERO,
        }
    }

    #[test]
    fn repeats_disorder_and_loss_are_told_apart() {
        let accepted = Ledger::new();
        let delivered = Ledger::new();
        for number in 0..4 {
            accepted.enter(stamp(3, number));
        }
        for number in [0, 2, 1, 2] {
            delivered.enter(stamp(3, number));
        }
        delivered.enter(stamp(4, 0));
        let totals = Totals {
            different: 4,
            repeated: 1,
            disordered: 1,
        };
        assert_eq!(delivered.totals(), totals);
        assert_eq!(accepted.missing_from(&delivered), 1);
    }
}
