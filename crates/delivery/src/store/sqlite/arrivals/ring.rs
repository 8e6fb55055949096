//! Where the next frame goes: space whose arrivals are in the database is used again.
//!
//! Writing where something was written before is what makes syncing cheap: the file system has nothing
//! to note but the data. So the file is kept short, and grows only when the database falls behind.

use std::collections::VecDeque;

/// A frame that is still needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    offset: u64,
    last: i64,
}

/// The space of a file.
#[derive(Debug)]
pub(super) struct Ring {
    /// Where to go back to the beginning, if that is free.
    soft: u64,
    /// Where the file ends at the latest.
    hard: u64,
    next: u64,
    held: VecDeque<Held>,
}

impl Ring {
    pub(super) fn new(soft: u64, hard: u64) -> Self {
        Self {
            soft,
            hard,
            next: 0,
            held: VecDeque::new(),
        }
    }

    /// Where a frame of that length may be written; `None` if it must wait for [`Self::release`].
    pub(super) fn place(&self, length: u64) -> Option<u64> {
        let Some(oldest) = self.held.front().map(|held| held.offset) else {
            return Some(if self.next + length > self.soft {
                0
            } else {
                self.next
            });
        };
        if self.next <= oldest {
            // Second lap: up to the oldest frame that is needed.
            return (self.next + length <= oldest).then_some(self.next);
        }
        if self.next + length <= self.soft {
            Some(self.next)
        } else if length <= oldest {
            Some(0)
        } else {
            (self.next + length <= self.hard).then_some(self.next)
        }
    }

    /// Notes that a frame is in its place and needed up to its last position.
    pub(super) fn hold(&mut self, offset: u64, length: u64, last: i64) {
        self.held.push_back(Held { offset, last });
        self.next = offset + length;
    }

    /// Gives the space of frames back that hold nothing behind a position.
    pub(super) fn release(&mut self, filed: i64) {
        while self.held.front().is_some_and(|held| held.last <= filed) {
            self.held.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes frames of 10 while there is room; where they went.
    fn write(ring: &mut Ring, positions: std::ops::RangeInclusive<i64>) -> Vec<Option<u64>> {
        positions
            .map(|position| {
                let offset = ring.place(10);
                if let Some(offset) = offset {
                    ring.hold(offset, 10, position);
                }
                offset
            })
            .collect()
    }

    #[test]
    fn a_file_whose_arrivals_are_filed_in_time_stays_short() {
        let mut ring = Ring::new(30, 100);
        for position in 1..100 {
            let offset = ring.place(10).unwrap();
            assert!(offset <= 20, "{offset}");
            ring.hold(offset, 10, position);
            ring.release(position - 1);
        }
    }

    #[test]
    fn what_is_needed_is_never_overwritten() {
        let mut ring = Ring::new(30, 50);
        assert_eq!(
            write(&mut ring, 1..=6),
            [Some(0), Some(10), Some(20), Some(30), Some(40), None]
        );
        ring.release(2);
        assert_eq!(write(&mut ring, 6..=8), [Some(0), Some(10), None]);
        ring.release(5);
        assert_eq!(write(&mut ring, 8..=10), [Some(20), Some(30), Some(40)]);
        assert_eq!(ring.place(10), None);
    }

    #[test]
    fn a_frame_longer_than_the_usual_file_goes_to_its_beginning_when_all_is_filed() {
        let mut ring = Ring::new(30, 50);
        assert_eq!(write(&mut ring, 1..=1), [Some(0)]);
        assert_eq!(ring.place(45), None);
        ring.release(1);
        assert_eq!(ring.place(45), Some(0));
        assert!(ring.is_empty());
    }
}
