//! How values look in the file.

use domain::delivery::{DeliveryId, DeliveryState, FailureClass, Position};
use jiff::Timestamp;

use crate::store::StoreError;

/// Bits of a delivery's number that are its ordinal.
pub(super) const ORDINAL_BITS: u32 = 16;

const CLASSES: [FailureClass; 5] = [
    FailureClass::Unreachable,
    FailureClass::Throttled,
    FailureClass::ServerFault,
    FailureClass::Misconfigured,
    FailureClass::Rejected,
];

pub(super) fn position_number(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

pub(super) fn position(number: i64) -> Position {
    Position(u64::try_from(number).unwrap_or(0))
}

pub(super) fn id_number(id: DeliveryId) -> i64 {
    (position_number(id.position) << ORDINAL_BITS) | i64::from(id.ordinal)
}

pub(super) fn id(number: i64) -> DeliveryId {
    DeliveryId {
        position: position(number >> ORDINAL_BITS),
        ordinal: u32::try_from(number & ((1 << ORDINAL_BITS) - 1)).unwrap_or(0),
    }
}

/// First and last number that deliveries of an event can have.
pub(super) fn ids_of(position: i64) -> (i64, i64) {
    let first = position << ORDINAL_BITS;
    (first, first | ((1 << ORDINAL_BITS) - 1))
}

pub(super) fn time_number(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A time that cannot be read is the epoch: better shown wrong than not at all.
pub(super) fn time(number: i64) -> Timestamp {
    Timestamp::from_microsecond(number).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Live states are 0 and 1; indexes rely on it.
pub(super) fn state_number(state: DeliveryState) -> i64 {
    let index = DeliveryState::ALL.iter().position(|known| *known == state);
    index
        .and_then(|index| i64::try_from(index).ok())
        .unwrap_or(0)
}

pub(super) fn state(number: i64) -> DeliveryState {
    usize::try_from(number)
        .ok()
        .and_then(|index| DeliveryState::ALL.get(index))
        .copied()
        .unwrap_or(DeliveryState::Failed)
}

pub(super) fn class_number(class: FailureClass) -> i64 {
    let index = CLASSES.iter().position(|known| *known == class);
    index
        .and_then(|index| i64::try_from(index).ok())
        .unwrap_or(0)
}

pub(super) fn class(number: i64) -> Option<FailureClass> {
    CLASSES.get(usize::try_from(number).ok()?).copied()
}

/// Counts are never negative.
pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn hash_number(hash: u64) -> i64 {
    i64::try_from(hash).unwrap_or(i64::MAX)
}

/// What an error of the library means.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(error.to_string()),
        _ => StoreError::Failed(error.to_string()),
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        store_error(&error)
    }
}
