//! How often one Receiver may be called: a bucket of tokens, so that bursts pass.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Calls that pass at once.
const BURST: f64 = 300.0;
/// Calls per second that pass in the long run.
const RATE: f64 = 50.0;

/// The bucket of one Receiver.
#[derive(Debug)]
pub(crate) struct Throttle(Mutex<(f64, Option<Timestamp>)>);

impl Default for Throttle {
    fn default() -> Self {
        Self(Mutex::new((BURST, None)))
    }
}

impl Throttle {
    /// Whether another call passes.
    pub(crate) fn admit(&self, now: Timestamp) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tokens, last) = &mut *bucket;
        let passed = last.map_or(0.0, |last| now.duration_since(last).as_secs_f64().max(0.0));
        *last = Some(now);
        *tokens = (*tokens + passed * RATE).min(BURST);
        if *tokens < 1.0 {
            return false;
        }
        *tokens -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::delivery::retry::later;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_a_steady_rate() {
        let throttle = Throttle::default();
        let start = Timestamp::constant(1_700_000_000, 0);
        let admitted = (0..1000).filter(|_| throttle.admit(start)).count();
        assert_eq!(admitted, 300);
        let soon = later(start, Duration::from_secs(1));
        let admitted = (0..1000).filter(|_| throttle.admit(soon)).count();
        assert_eq!(admitted, 50);
        // A clock that jumps back gives nothing and breaks nothing.
        assert!(!throttle.admit(start));
    }
}
