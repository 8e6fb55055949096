//! Deliveries that came before: the vendor's number and the same bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::delivery::retry::later;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// Deliveries of one Receiver that are remembered.
const MOST: usize = 256;
/// How long.
const MEMORY: Duration = Duration::from_mins(10);

type Fingerprint = [u8; 32];

/// The recent deliveries of one Receiver.
#[derive(Debug, Default)]
pub(crate) struct Replays(Mutex<VecDeque<(Fingerprint, Timestamp)>>);

impl Replays {
    /// Notes a delivery; answers its fingerprint, or `None` if it came before. The number is no part
    /// of what vendors sign, so the bytes count, too.
    pub(crate) fn note(&self, number: &str, body: &[u8], now: Timestamp) -> Option<Fingerprint> {
        let fingerprint: Fingerprint = Sha256::new()
            .chain_update((number.len() as u64).to_le_bytes())
            .chain_update(number)
            .chain_update(body)
            .finalize()
            .into();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while seen
            .front()
            .is_some_and(|(_, at)| later(*at, MEMORY) <= now || seen.len() > MOST)
        {
            seen.pop_front();
        }
        if seen.iter().any(|(known, _)| *known == fingerprint) {
            return None;
        }
        if seen.len() >= MOST {
            seen.pop_front();
        }
        seen.push_back((fingerprint, now));
        Some(fingerprint)
    }

    /// Forgets a delivery that failed: its sender will repeat it.
    pub(crate) fn forget(&self, fingerprint: &Fingerprint) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|(known, _)| known != fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_with_the_same_bytes_is_a_replay_for_a_while() {
        let replays = Replays::default();
        let now = Timestamp::constant(1_700_000_000, 0);
        let first = replays.note("1", b"a", now);
        assert!(first.is_some());
        assert!(replays.note("1", b"a", now).is_none());
        assert!(replays.note("1", b"b", now).is_some());
        assert!(replays.note("2", b"a", now).is_some());
        assert!(replays.note("1", b"a", later(now, MEMORY)).is_some());
    }

    #[test]
    fn a_failed_delivery_can_come_again() {
        let replays = Replays::default();
        let now = Timestamp::constant(1_700_000_000, 0);
        let fingerprint = replays.note("1", b"a", now).unwrap();
        replays.forget(&fingerprint);
        assert!(replays.note("1", b"a", now).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let replays = Replays::default();
        let now = Timestamp::constant(1_700_000_000, 0);
        for number in 0..2000 {
            replays.note(&number.to_string(), b"", now);
        }
        assert_eq!(replays.0.lock().unwrap().len(), MOST);
    }
}
