//! How values look in rows: numbers for positions, times, states and classes.

use std::sync::Arc;

use domain::CleanEvent;
use domain::delivery::{DeliveryId, DeliveryState, FailureClass, Position};
use jiff::Timestamp;

/// Bits of a delivery's row id that hold the ordinal.
pub(super) const ORDINAL_BITS: u32 = 16;

const ORDINAL_MASK: i64 = (1 << ORDINAL_BITS) - 1;

/// The largest position that leaves room for ordinals.
const MAX_POSITION: i64 = i64::MAX >> ORDINAL_BITS;

pub(super) fn position_number(position: Position) -> i64 {
    i64::try_from(position.0).map_or(MAX_POSITION, |number| number.min(MAX_POSITION))
}

pub(super) fn position(number: i64) -> Position {
    Position(u64::try_from(number).unwrap_or_default())
}

/// First row id that a delivery of a position can have.
pub(super) fn first_row(position: i64) -> i64 {
    position.clamp(0, MAX_POSITION) << ORDINAL_BITS
}

/// Last row id that a delivery of a position can have.
pub(super) fn last_row(position: i64) -> i64 {
    first_row(position) | ORDINAL_MASK
}

pub(super) fn row_id(id: DeliveryId) -> i64 {
    first_row(position_number(id.position)) | (i64::from(id.ordinal) & ORDINAL_MASK)
}

pub(super) fn delivery_id(row: i64) -> DeliveryId {
    DeliveryId {
        position: position(row >> ORDINAL_BITS),
        ordinal: u32::try_from(row & ORDINAL_MASK).unwrap_or_default(),
    }
}

/// Numbers of 63-bit digests (lanes, supersede keys).
pub(super) fn digest_number(digest: u64) -> i64 {
    i64::try_from(digest).unwrap_or(i64::MAX)
}

pub(super) fn digest(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub(super) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

pub(super) const PENDING: i64 = 0;
pub(super) const PARKED: i64 = 1;
pub(super) const DELIVERED: i64 = 2;

pub(super) fn state_number(state: DeliveryState) -> i64 {
    match state {
        DeliveryState::Pending => PENDING,
        DeliveryState::Parked => PARKED,
        DeliveryState::Delivered => DELIVERED,
        DeliveryState::Failed => 3,
        DeliveryState::Expired => 4,
        DeliveryState::Superseded => 5,
        DeliveryState::Dropped => 6,
    }
}

pub(super) fn state(number: i64) -> DeliveryState {
    DeliveryState::ALL
        .into_iter()
        .find(|state| state_number(*state) == number)
        .unwrap_or(DeliveryState::Failed)
}

pub(super) fn is_live(state: i64) -> bool {
    state == PENDING || state == PARKED
}

const CLASSES: [FailureClass; 5] = [
    FailureClass::Unreachable,
    FailureClass::Throttled,
    FailureClass::ServerFault,
    FailureClass::Misconfigured,
    FailureClass::Rejected,
];

pub(super) fn class_number(class: FailureClass) -> i64 {
    match class {
        FailureClass::Unreachable => 0,
        FailureClass::Throttled => 1,
        FailureClass::ServerFault => 2,
        FailureClass::Misconfigured => 3,
        FailureClass::Rejected => 4,
    }
}

pub(super) fn class(number: i64) -> Option<FailureClass> {
    CLASSES
        .into_iter()
        .find(|class| class_number(*class) == number)
}

/// A stored event; `None` if it cannot be read.
pub(super) fn event(body: &[u8]) -> Option<Arc<CleanEvent>> {
    let event = api::event::decode(body).ok()?;
    // Every accepted event has a kind.
    (!event.involved_object.kind.is_empty()).then_some(())?;
    Some(Arc::new(CleanEvent::from_journal(event)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_class_survives_the_way_into_a_row_and_back() {
        for known in DeliveryState::ALL {
            assert_eq!(state(state_number(known)), known);
            assert_eq!(is_live(state_number(known)), known.is_live());
        }
        for known in CLASSES {
            assert_eq!(class(class_number(known)), Some(known));
        }
    }

    #[test]
    fn ids_and_times_survive_the_way_into_a_row_and_back() {
        let id = DeliveryId {
            position: Position(1 << 40),
            ordinal: 65_535,
        };
        assert_eq!(delivery_id(row_id(id)), id);
        for extreme in [Timestamp::MIN, Timestamp::UNIX_EPOCH] {
            assert_eq!(time(micros(extreme)), extreme);
        }
        assert!(time(micros(Timestamp::MAX)) <= Timestamp::MAX);
    }
}
