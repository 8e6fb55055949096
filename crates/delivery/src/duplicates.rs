//! Which events were accepted lately, so that a repeat within the interval is recognised.
//!
//! The rules are the reference's (`event-server.md` section 4.2): the clock of a key starts with its
//! first event and is cut into ticks of one interval; one event per key passes in a tick. Unlike the
//! reference, an event counts only once it is durably accepted, and the memory survives a restart.

use std::collections::HashMap;
use std::time::Duration;

use domain::EventKey;
use domain::delivery::retry::later;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use crate::store::RecentKey;

/// Half of a SHA-256 is plenty to tell keys apart and halves the memory.
type ShortKey = [u8; 16];

/// How many keys are kept by default; about 50 MB when full.
pub(crate) const DEFAULT_MOST_KEYS: usize = 1_000_000;

/// What is known about an event that just arrived.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Not seen in this tick. It is reserved now: the outcome of storing it must be reported.
    New {
        /// Start of the tick it belongs to.
        interval_start: Timestamp,
    },
    /// Accepted earlier in this tick.
    Duplicate {
        /// When the tick ends.
        until: Timestamp,
    },
    /// The same event is being stored right now; the outcome tells what this one is.
    InFlight(oneshot::Receiver<bool>),
}

/// The memory.
///
/// Keys are in three generations that rotate once per interval, so forgetting costs nothing per
/// key. When there are too many, the oldest generation goes early: a repeat may then pass, which is
/// the harmless direction.
pub(crate) struct Duplicates {
    interval: Duration,
    most_per_generation: usize,
    generations: [HashMap<ShortKey, Timestamp>; 3],
    rotated_at: Timestamp,
    in_flight: HashMap<ShortKey, Vec<oneshot::Sender<bool>>>,
}

impl Duplicates {
    /// An empty memory. An interval of zero counts as one second, as in the reference.
    pub(crate) fn new(interval: Duration, most_keys: usize, now: Timestamp) -> Self {
        Self {
            interval: if interval.is_zero() {
                Duration::from_secs(1)
            } else {
                interval
            },
            most_per_generation: (most_keys / 3).max(1),
            generations: Default::default(),
            rotated_at: now,
            in_flight: HashMap::new(),
        }
    }

    /// How far back accepted events matter after a restart.
    pub(crate) fn horizon(&self) -> Duration {
        self.interval.saturating_mul(3)
    }

    /// Takes over what was accepted before a restart, newest first.
    pub(crate) fn restore(&mut self, recent: &[RecentKey]) {
        for RecentKey {
            key,
            interval_start,
        } in recent
        {
            let [current, ..] = &mut self.generations;
            current.entry(short(key)).or_insert(*interval_start);
        }
    }

    /// The interval.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// Judges an event and reserves its key if it is new.
    pub(crate) fn check(&mut self, key: &EventKey, now: Timestamp) -> Verdict {
        let key = short(key);
        if let Some(waiting) = self.in_flight.get_mut(&key) {
            let (sender, receiver) = oneshot::channel();
            waiting.push(sender);
            return Verdict::InFlight(receiver);
        }
        let interval_start = match self.known(&key) {
            None => now,
            Some(start) => match tick_start(start, self.interval, now) {
                Some(next) => next,
                None => {
                    return Verdict::Duplicate {
                        until: later(start, self.interval),
                    };
                }
            },
        };
        self.in_flight.insert(key, Vec::new());
        Verdict::New { interval_start }
    }

    /// Reports what became of a reserved key, and tells those who wait for it.
    pub(crate) fn settle(
        &mut self,
        key: &EventKey,
        interval_start: Timestamp,
        stored: bool,
        now: Timestamp,
    ) {
        let key = short(key);
        if stored {
            self.rotate(now);
            let [current, ..] = &mut self.generations;
            current.insert(key, interval_start);
        }
        for waiting in self.in_flight.remove(&key).into_iter().flatten() {
            // Whoever waited may be gone.
            let _ = waiting.send(stored);
        }
    }

    fn known(&self, key: &ShortKey) -> Option<Timestamp> {
        self.generations
            .iter()
            .find_map(|keys| keys.get(key))
            .copied()
    }

    fn rotate(&mut self, now: Timestamp) {
        let [current, previous, oldest] = &mut self.generations;
        let is_due = now >= later(self.rotated_at, self.interval);
        if is_due || current.len() >= self.most_per_generation {
            *oldest = std::mem::replace(previous, std::mem::take(current));
            self.rotated_at = now;
        }
    }
}

/// Start of the tick that `now` is in, if that is a later one than the tick that began at `start`.
fn tick_start(start: Timestamp, interval: Duration, now: Timestamp) -> Option<Timestamp> {
    let elapsed = now.duration_since(start);
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::MAX);
    if elapsed < -interval {
        // The clock was set back by more than a tick: what we remember is from the future.
        return Some(now);
    }
    if elapsed < interval {
        return None;
    }
    let into_tick = elapsed.as_nanos() % interval.as_nanos().max(1);
    let into_tick = SignedDuration::from_nanos(i64::try_from(into_tick).unwrap_or(0));
    now.checked_sub(into_tick).ok()
}

fn short(key: &EventKey) -> ShortKey {
    let mut short = ShortKey::default();
    for (to, from) in short.iter_mut().zip(key.0) {
        *to = from;
    }
    short
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Duration = Duration::from_mins(5);

    fn at(minutes: i64, seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + minutes * 60 + seconds).unwrap()
    }

    fn passes(memory: &mut Duplicates, key: u8, now: Timestamp) -> bool {
        let key = EventKey([key; 32]);
        match memory.check(&key, now) {
            Verdict::New { interval_start } => {
                memory.settle(&key, interval_start, true, now);
                true
            }
            Verdict::Duplicate { .. } => false,
            Verdict::InFlight(_) => panic!("nothing is in flight"),
        }
    }

    #[test]
    fn one_event_passes_in_each_tick_of_its_key() {
        let mut memory = Duplicates::new(MINUTES, 100, at(0, 0));
        for (minutes, seconds, expected) in [
            (0, 0, true),
            (4, 59, false),
            (5, 0, true),
            (9, 59, false),
            (19, 59, true),
            (20, 0, true),
            (24, 59, false),
        ] {
            let now = at(minutes, seconds);
            assert_eq!(passes(&mut memory, 1, now), expected, "{minutes}:{seconds}");
        }
    }

    #[test]
    fn an_event_that_was_not_stored_does_not_count() {
        let mut memory = Duplicates::new(MINUTES, 100, at(0, 0));
        let key = EventKey([1; 32]);
        let Verdict::New { interval_start } = memory.check(&key, at(0, 0)) else {
            panic!("expected a new event");
        };
        let Verdict::InFlight(mut outcome) = memory.check(&key, at(0, 1)) else {
            panic!("expected it to be in flight");
        };
        memory.settle(&key, interval_start, false, at(0, 1));
        assert_eq!(outcome.try_recv(), Ok(false));
        assert!(passes(&mut memory, 1, at(0, 2)));
    }

    #[test]
    fn the_memory_survives_a_restart_with_its_ticks() {
        let mut memory = Duplicates::new(MINUTES, 100, at(16, 0));
        memory.restore(&[RecentKey {
            key: EventKey([1; 32]),
            interval_start: at(15, 0),
        }]);
        assert!(!passes(&mut memory, 1, at(19, 59)));
        assert!(passes(&mut memory, 1, at(20, 0)));
    }

    #[test]
    fn the_number_of_keys_is_bounded() {
        let mut memory = Duplicates::new(MINUTES, 30, at(0, 0));
        for key in 0..=255 {
            assert!(passes(&mut memory, key, at(0, 1)));
        }
        let kept: usize = memory.generations.iter().map(HashMap::len).sum();
        assert!(kept <= 30, "{kept}");
        assert!(!passes(&mut memory, 255, at(0, 2)));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_refuse_events_for_long() {
        let mut memory = Duplicates::new(MINUTES, 30, at(60, 0));
        assert!(passes(&mut memory, 1, at(60, 0)));
        assert!(passes(&mut memory, 1, at(0, 0)));
    }
}
