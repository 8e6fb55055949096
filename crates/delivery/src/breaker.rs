//! Stops hammering a destination that is down, and lets it come back gently.
//!
//! Pure: outcomes and times go in, how many attempts may start comes out. One per Provider.

use std::time::Duration;

use domain::delivery::retry::later;
use domain::delivery::{Failure, FailureClass};
use jiff::Timestamp;

/// Failures in a row that open the breaker.
const FAILURES_TO_OPEN: u32 = 5;

/// Waits between probes of a destination that is down; the last one repeats.
const PROBE_WAITS: [u64; 4] = [10, 20, 40, 60];

/// State of one destination.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    /// Since when it is open, how often it was probed, when the next probe is due.
    open: Option<Open>,
    /// The service asked us to wait.
    paused_until: Option<Timestamp>,
    /// While it recovers: how many attempts may run at once; doubles with each success.
    window: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    probes: u32,
    next_probe: Timestamp,
}

/// What may be started now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permit {
    /// So many attempts at once, counting those that run.
    Attempts(usize),
    /// One attempt, of whichever delivery is first, due or not.
    Probe,
    /// None until then.
    Wait(Timestamp),
}

impl Breaker {
    /// What may be started.
    pub(crate) fn permit(&self, limit: usize, now: Timestamp) -> Permit {
        if let Some(until) = self.paused_until.filter(|until| now < *until) {
            return Permit::Wait(until);
        }
        match self.open {
            Some(open) if now < open.next_probe => Permit::Wait(open.next_probe),
            Some(_) => Permit::Probe,
            None => Permit::Attempts(self.window.map_or(limit, |window| window.min(limit))),
        }
    }

    /// Until when nothing is started but a probe, if so.
    pub(crate) fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        match self.permit(1, now) {
            Permit::Wait(until) => Some(until),
            Permit::Probe | Permit::Attempts(_) => None,
        }
    }

    /// Whether the destination counts as down.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes note of a success, or of a failure that is not the destination's fault. Answers whether
    /// the destination just came back, so that everything waiting for it can be hastened.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.paused_until = None;
        if self.open.take().is_some() {
            self.window = Some(2);
            return true;
        }
        // Beyond this the window no longer limits anything.
        self.window = self
            .window
            .map(|window| window * 2)
            .filter(|window| *window < 1024);
        false
    }

    /// Takes note of a failed attempt; `jitter` is in `0.0..1.0`.
    pub(crate) fn failed(&mut self, failure: &Failure, now: Timestamp, jitter: f64) -> bool {
        if !failure.class.blames_destination() {
            return self.succeeded();
        }
        if failure.class == FailureClass::Throttled {
            // It is alive and says when to come back; without a word the retry schedule is enough.
            if let Some(wait) = failure.retry_after {
                let until = later(now, wait.min(domain::delivery::retry::LONGEST_RETRY_AFTER));
                self.paused_until = self.paused_until.max(Some(until));
            }
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.window = None;
        let probes = match self.open {
            // Attempts that were under way when it opened say nothing new.
            Some(open) if now < open.next_probe => return false,
            Some(open) => open.probes.saturating_add(1),
            None if self.failures >= FAILURES_TO_OPEN => 0,
            None => return false,
        };
        let index = usize::try_from(probes).unwrap_or(usize::MAX);
        let last = PROBE_WAITS.last().copied().unwrap_or(60);
        let wait = PROBE_WAITS.get(index).copied().unwrap_or(last);
        let jitter = jitter.clamp(0.0, 1.0) * 0.1 * Duration::from_secs(wait).as_secs_f64();
        let wait = Duration::from_secs(wait) + Duration::from_secs_f64(jitter);
        self.open = Some(Open {
            probes,
            next_probe: later(now, wait),
        });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn down() -> Failure {
        Failure::new(FailureClass::Unreachable, "refused")
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_probe_closes_it() {
        let mut breaker = Breaker::default();
        for second in 0..4 {
            breaker.failed(&down(), at(second), 0.0);
            assert_eq!(breaker.permit(32, at(second)), Permit::Attempts(32));
        }
        breaker.failed(&down(), at(4), 0.0);
        assert_eq!(breaker.permit(32, at(5)), Permit::Wait(at(14)));
        // Stragglers do not push the probe back.
        breaker.failed(&down(), at(6), 0.0);
        assert_eq!(breaker.permit(32, at(14)), Permit::Probe);
        breaker.failed(&down(), at(14), 0.0);
        assert_eq!(breaker.permit(32, at(15)), Permit::Wait(at(34)));
        assert!(breaker.succeeded());
        assert_eq!(breaker.permit(32, at(35)), Permit::Attempts(2));
        assert!(!breaker.succeeded());
        assert_eq!(breaker.permit(32, at(35)), Permit::Attempts(4));
    }

    #[test]
    fn a_throttled_destination_is_left_alone_for_as_long_as_it_asks() {
        let mut breaker = Breaker::default();
        let throttled = Failure {
            retry_after: Some(Duration::from_secs(30)),
            ..Failure::new(FailureClass::Throttled, "slow down")
        };
        breaker.failed(&throttled, at(0), 0.0);
        assert_eq!(breaker.permit(32, at(1)), Permit::Wait(at(30)));
        assert_eq!(breaker.permit(32, at(30)), Permit::Attempts(32));
    }

    #[test]
    fn refused_messages_and_wrong_credentials_prove_that_it_is_alive() {
        let mut breaker = Breaker::default();
        for second in 0..20 {
            breaker.failed(&down(), at(second), 0.0);
            breaker.failed(
                &Failure::new(FailureClass::Misconfigured, "401"),
                at(second),
                0.0,
            );
        }
        assert!(!breaker.is_open());
    }
}
