//! The end of the journal in memory, so that planning need not read back what was just written.
//!
//! It is only a shortcut: what does not fit is left out, and the dispatcher reads it from the store.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use domain::Position;

use crate::store::JournalEntry;

/// How many entries are kept.
const MOST_ENTRIES: usize = 4096;

/// How many bytes of messages are kept.
const MOST_BYTES: usize = 8 << 20;

/// The entries behind the dispatcher's position, as far as they fit.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    entries: VecDeque<JournalEntry>,
    bytes: usize,
}

impl Tail {
    /// Adds the newest entry, if there is room. Entries come in order of position.
    pub(crate) fn push(&self, entry: JournalEntry) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let size = size(&entry);
        if inner.entries.len() < MOST_ENTRIES && inner.bytes + size <= MOST_BYTES {
            inner.bytes += size;
            inner.entries.push_back(entry);
        }
    }

    /// Takes entries that follow `after` without a gap, at most `limit`; older ones are dropped.
    ///
    /// If the entry behind `after` is not here, the answer is empty and the second value says up to
    /// where the store must be read, if that is known.
    pub(crate) fn take(
        &self,
        after: Position,
        limit: usize,
    ) -> (Vec<JournalEntry>, Option<Position>) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        let mut expected = after.0 + 1;
        while taken.len() < limit {
            let Some(front) = inner.entries.front() else {
                break;
            };
            if front.position.0 > expected {
                let gap = taken.is_empty().then_some(front.position);
                return (taken, gap);
            }
            let Some(entry) = inner.entries.pop_front() else {
                break;
            };
            inner.bytes = inner.bytes.saturating_sub(size(&entry));
            if entry.position.0 == expected {
                expected += 1;
                taken.push(entry);
            }
        }
        (taken, None)
    }
}

fn size(entry: &JournalEntry) -> usize {
    entry
        .event
        .as_ref()
        .map_or(0, |event| event.event().message.len() + 1024)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn entry(position: u64) -> JournalEntry {
        JournalEntry {
            position: Position(position),
            received_at: Timestamp::UNIX_EPOCH,
            event: None,
        }
    }

    fn take(tail: &Tail, after: u64) -> (Vec<u64>, Option<u64>) {
        let (entries, gap) = tail.take(Position(after), 10);
        let positions = entries.iter().map(|entry| entry.position.0).collect();
        (positions, gap.map(|position| position.0))
    }

    #[test]
    fn what_follows_without_a_gap_is_taken() {
        let tail = Tail::default();
        for position in [1, 2, 3, 5] {
            tail.push(entry(position));
        }
        assert_eq!(take(&tail, 1), (vec![2, 3], None));
        assert_eq!(take(&tail, 3), (vec![], Some(5)));
        assert_eq!(take(&tail, 4), (vec![5], None));
        assert_eq!(take(&tail, 5), (vec![], None));
    }

    #[test]
    fn it_keeps_a_bounded_number_of_entries() {
        let tail = Tail::default();
        for position in 1..=5000 {
            tail.push(entry(position));
        }
        let (entries, _) = tail.take(Position(0), 10_000);
        assert_eq!(entries.len(), MOST_ENTRIES);
    }
}
