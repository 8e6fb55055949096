//! Notices when this program did not run for a while, because the machine was busy or stood still.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often it looks at the clock.
const BEAT: Duration = Duration::from_millis(100);

/// A beat that comes this late was a stall.
const LATE: Duration = Duration::from_millis(500);

/// The sum of all stalls since the watch began.
pub(crate) struct Stalls(Arc<Mutex<Pulse>>);

struct Pulse {
    last: Instant,
    sum: Duration,
}

impl Pulse {
    /// The sum, with the stall that may be there since the last beat.
    fn total(&self, now: Instant) -> Duration {
        let late = now
            .saturating_duration_since(self.last)
            .saturating_sub(BEAT);
        self.sum + if late > LATE { late } else { Duration::ZERO }
    }
}

impl Stalls {
    /// Begins to watch; the watch ends with the value.
    pub(crate) fn watch() -> Self {
        let stalls = Self(Arc::new(Mutex::new(Pulse {
            last: Instant::now(),
            sum: Duration::ZERO,
        })));
        let weak = Arc::downgrade(&stalls.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(BEAT).await;
                let Some(pulse) = weak.upgrade() else {
                    return;
                };
                let mut pulse = lock(&pulse);
                let now = Instant::now();
                (pulse.sum, pulse.last) = (pulse.total(now), now);
            }
        });
        stalls
    }

    /// The sum. Whoever wakes up first after a stall knows of it, too.
    pub(crate) fn total(&self) -> Duration {
        lock(&self.0).total(Instant::now())
    }
}

fn lock(pulse: &Mutex<Pulse>) -> MutexGuard<'_, Pulse> {
    pulse.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_counts_before_and_after_the_beat_that_comes_late() {
        let begin = Instant::now();
        let mut pulse = Pulse {
            last: begin,
            sum: Duration::ZERO,
        };
        assert_eq!(
            pulse.total(begin + Duration::from_millis(590)),
            Duration::ZERO
        );
        let late = begin + Duration::from_secs(10);
        assert_eq!(pulse.total(late), Duration::from_millis(9_900));
        (pulse.sum, pulse.last) = (pulse.total(late), late);
        assert_eq!(pulse.total(late + BEAT), Duration::from_millis(9_900));
    }
}
