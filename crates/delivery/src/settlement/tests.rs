//! What becomes of claims.

use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::delivery::{Content, Delivery, DeliveryId, FailureClass, Lane, Position};
use domain::{CleanEvent, notification::DropReason};

use super::*;

fn claimed(attempts: u32) -> Claimed {
    Claimed {
        delivery: Delivery {
            id: DeliveryId {
                position: Position(1),
                ordinal: 0,
            },
            lane: Lane(1),
            provider: ObjectKey::new("apps", "slack"),
            alert: ObjectKey::new("apps", "all"),
            accepted_at: Timestamp::UNIX_EPOCH,
            supersede_key: None,
            content: Content {
                expires: true,
                ..Content::default()
            },
        },
        event: Some(Arc::new(CleanEvent::from_journal(api::Event::default()))),
        attempts,
        is_superseded: false,
    }
}

fn hours(hours: u64) -> Timestamp {
    retry::later(Timestamp::UNIX_EPOCH, Duration::from_hours(hours))
}

fn state_before(claimed: &Claimed, now: Timestamp) -> Option<DeliveryState> {
    before_attempt(claimed, Policy::default(), now).map(|settlement| settlement.state)
}

#[test]
fn old_information_expires_and_old_errors_are_still_sent() {
    assert_eq!(state_before(&claimed(0), hours(3)), None);
    assert_eq!(
        state_before(&claimed(0), hours(4)),
        Some(DeliveryState::Expired)
    );
    let mut error = claimed(0);
    error.delivery.content.expires = false;
    assert_eq!(state_before(&error, hours(30)), None);
    error.attempts = 1;
    assert_eq!(state_before(&error, hours(30)), Some(DeliveryState::Failed));
}

#[test]
fn an_overtaken_status_is_superseded_and_an_unreadable_event_fails() {
    let mut overtaken = claimed(0);
    overtaken.is_superseded = true;
    assert_eq!(
        state_before(&overtaken, hours(0)),
        Some(DeliveryState::Superseded)
    );
    let mut unreadable = claimed(0);
    unreadable.event = None;
    assert_eq!(
        state_before(&unreadable, hours(0)),
        Some(DeliveryState::Failed)
    );
}

#[test]
fn outcomes_become_states() {
    let settle = |outcome| {
        let settlement = after_attempt(&claimed(0), outcome, Policy::default(), hours(0), 0.0);
        (settlement.state, settlement.due_at)
    };
    let failure = |class| Outcome::Failed(Failure::new(class, "x".repeat(5000)));
    let second = |seconds| Some(Timestamp::from_second(seconds).unwrap());
    assert_eq!(
        settle(Outcome::Delivered(Receipt::default())),
        (DeliveryState::Delivered, None)
    );
    assert_eq!(
        settle(Outcome::Dropped(DropReason::NoCommit)),
        (DeliveryState::Dropped, None)
    );
    assert_eq!(
        settle(failure(FailureClass::Unreachable)),
        (DeliveryState::Pending, second(2))
    );
    assert_eq!(
        settle(failure(FailureClass::Misconfigured)),
        (DeliveryState::Parked, second(30))
    );
    assert_eq!(
        settle(failure(FailureClass::Rejected)),
        (DeliveryState::Failed, None)
    );
}

#[test]
fn long_details_are_cut_at_a_character() {
    let failure = Failure::new(FailureClass::Rejected, "é".repeat(2000));
    let settlement = after_attempt(
        &claimed(0),
        Outcome::Failed(failure),
        Policy::default(),
        hours(0),
        0.0,
    );
    assert!(settlement.last.detail.len() <= LONGEST_DETAIL + '…'.len_utf8());
}
