//! When a failed delivery is tried again: the only such rule in the program.
//!
//! Waits are 2, 4 and 8 s with at most half a second of jitter, as the reference's first ones, then
//! 16, 30, 60, 120, 300 and from there on 600 s with a tenth of jitter. Configuration failures wait
//! 30, 60, 120, 300 and then 600 s, and end early when the configuration changes.

use std::time::Duration;

use jiff::Timestamp;

use super::{Failure, FailureClass};

/// How long promises are kept.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// From acceptance to giving up.
    pub max_age: Duration,
    /// From acceptance to `expired`, for information that nobody wants late.
    pub stale_after: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(24),
            stale_after: Duration::from_hours(4),
        }
    }
}

/// The longest wait a service may impose on us with `Retry-After`.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

const WAITS: [u64; 8] = [2, 4, 8, 16, 30, 60, 120, 300];
const PARKED_WAITS: [u64; 4] = [30, 60, 120, 300];
const LONGEST_WAIT: u64 = 600;

/// What to do with a failed delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Try again at that time.
    Again(Timestamp),
    /// Wait for a change of configuration, but not longer than that.
    Park(Timestamp),
    /// Give up.
    Fail(FailReason),
}

/// Why a delivery was given up. The labels are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailReason {
    /// The service refused this very message; sending it again would not help.
    Rejected,
    /// It was tried for as long as was promised.
    TooOld,
}

impl FailReason {
    /// The stable label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::TooOld => "too_old",
        }
    }
}

/// Decides what follows on a failed attempt.
///
/// `attempts` counts this one, `jitter` is a random number in `0.0..1.0`.
pub fn next(
    policy: Policy,
    failure: &Failure,
    attempts: u32,
    accepted_at: Timestamp,
    now: Timestamp,
    jitter: f64,
) -> NextStep {
    if failure.class == FailureClass::Rejected {
        return NextStep::Fail(FailReason::Rejected);
    }
    let deadline = later(accepted_at, policy.max_age);
    if now >= deadline {
        return NextStep::Fail(FailReason::TooOld);
    }
    let is_parked = failure.class == FailureClass::Misconfigured;
    let waits: &[u64] = if is_parked { &PARKED_WAITS } else { &WAITS };
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let seconds = waits.get(index).copied().unwrap_or(LONGEST_WAIT);
    let spread = if seconds <= 8 {
        0.5
    } else {
        Duration::from_secs(seconds).as_secs_f64() / 10.0
    };
    let wait = match failure.retry_after {
        // The service knows best, also when it asks for less.
        Some(asked) => asked.min(LONGEST_RETRY_AFTER),
        None => Duration::from_secs(seconds),
    };
    let jitter = Duration::from_secs_f64(jitter.clamp(0.0, 1.0) * spread);
    // The last attempt is at the deadline, not after it.
    let at = later(now, wait.saturating_add(jitter)).min(deadline);
    if is_parked {
        NextStep::Park(at)
    } else {
        NextStep::Again(at)
    }
}

/// Whether a delivery that waits for its turn should not be sent any more.
pub fn is_stale(policy: Policy, expires: bool, accepted_at: Timestamp, now: Timestamp) -> bool {
    expires && now >= later(accepted_at, policy.stale_after)
}

/// A time a while later; the greatest one if there is none.
pub fn later(time: Timestamp, by: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(by)
        .ok()
        .and_then(|by| time.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
