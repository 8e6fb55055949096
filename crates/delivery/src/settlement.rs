//! From what came of an attempt to what the store keeps: pure.

use domain::delivery::retry::{self, FailReason, NextStep, Policy};
use domain::delivery::{DeliveryState, Failure, Outcome, Receipt};
use jiff::Timestamp;

use crate::store::{Claimed, LastAttempt, Settlement};

/// What is kept of a failure's text.
const LONGEST_DETAIL: usize = 1024;

/// Settles a claim without an attempt, if none is due any more.
pub(crate) fn before_attempt(
    claimed: &Claimed,
    policy: Policy,
    now: Timestamp,
) -> Option<Settlement> {
    let delivery = &claimed.delivery;
    if claimed.event.is_none() {
        return Some(without_attempt(
            DeliveryState::Failed,
            "the stored event cannot be read",
            now,
        ));
    }
    if claimed.is_superseded {
        return Some(without_attempt(
            DeliveryState::Superseded,
            "a newer status for the same commit and id is waiting or was delivered",
            now,
        ));
    }
    if retry::is_stale(policy, delivery.content.expires, delivery.accepted_at, now) {
        return Some(without_attempt(
            DeliveryState::Expired,
            "it is information that nobody wants this late",
            now,
        ));
    }
    // A claim that was never tried gets its one attempt, however old it is.
    if claimed.attempts > 0 && now >= retry::later(delivery.accepted_at, policy.max_age) {
        return Some(without_attempt(
            DeliveryState::Failed,
            "it was tried for as long as was promised",
            now,
        ));
    }
    None
}

/// Settles a claim after an attempt; `jitter` is in `0.0..1.0`.
pub(crate) fn after_attempt(
    claimed: &Claimed,
    outcome: Outcome,
    policy: Policy,
    now: Timestamp,
    jitter: f64,
) -> Settlement {
    let attempts = claimed.attempts.saturating_add(1);
    match outcome {
        Outcome::Delivered(receipt) => delivered(receipt, now),
        Outcome::Dropped(reason) => without_attempt(DeliveryState::Dropped, reason.describe(), now),
        Outcome::Failed(failure) => {
            let accepted_at = claimed.delivery.accepted_at;
            let step = retry::next(policy, &failure, attempts, accepted_at, now, jitter);
            failed(failure, step, now)
        }
    }
}

fn delivered(receipt: Receipt, now: Timestamp) -> Settlement {
    Settlement {
        state: DeliveryState::Delivered,
        due_at: None,
        attempted: true,
        last: LastAttempt {
            at: Some(now),
            class: None,
            status: receipt.status,
            detail: if receipt.unchanged {
                "unchanged, nothing was sent".to_owned()
            } else {
                String::new()
            },
        },
        remember: receipt.remember,
        now,
    }
}

fn failed(failure: Failure, step: NextStep, now: Timestamp) -> Settlement {
    let (state, due_at) = match step {
        NextStep::Again(at) => (DeliveryState::Pending, Some(at)),
        NextStep::Park(at) => (DeliveryState::Parked, Some(at)),
        NextStep::Fail(FailReason::Rejected | FailReason::TooOld) => (DeliveryState::Failed, None),
    };
    Settlement {
        state,
        due_at,
        attempted: true,
        last: LastAttempt {
            at: Some(now),
            class: Some(failure.class),
            status: failure.status,
            detail: cut(failure.detail),
        },
        remember: Vec::new(),
        now,
    }
}

fn without_attempt(state: DeliveryState, detail: &str, now: Timestamp) -> Settlement {
    Settlement {
        state,
        due_at: None,
        attempted: false,
        last: LastAttempt {
            at: None,
            class: None,
            status: None,
            detail: detail.to_owned(),
        },
        remember: Vec::new(),
        now,
    }
}

fn cut(mut text: String) -> String {
    if text.len() > LONGEST_DETAIL {
        let end = text.floor_char_boundary(LONGEST_DETAIL);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
