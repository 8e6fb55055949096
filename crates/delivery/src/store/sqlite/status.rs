//! What can be known about the store without reading its medium, as of the last commit.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::delivery::Position;

use super::arrivals::Unfiled;
use super::ledger::Ledger;
use super::rows;
use crate::store::open::QueueLimit;
use crate::store::{Backlog, StoreError};

/// Bytes of settled history that are expected until the first [`prune`](crate::Store::prune) tells.
const EXPECTED_HISTORY: u64 = 1 << 30;

/// Written by the writer, read by everybody.
#[derive(Debug)]
pub(super) struct Status {
    now: Mutex<(Backlog, Position)>,
    limit: QueueLimit,
    history: AtomicU64,
    unfiled: Arc<Unfiled>,
}

impl Status {
    pub(super) fn new(limit: QueueLimit, unfiled: Arc<Unfiled>) -> Self {
        Self {
            now: Mutex::default(),
            limit,
            history: AtomicU64::new(EXPECTED_HISTORY),
            unfiled,
        }
    }

    pub(super) fn publish(&self, ledger: &Ledger, bytes: Option<i64>) {
        let counts = ledger.counts();
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (backlog, planned) = &mut *now;
        *backlog = Backlog {
            unplanned: unsigned(counts.unplanned),
            live: unsigned(counts.live),
            parked: unsigned(counts.parked),
            bytes: bytes.map_or(backlog.bytes, unsigned),
            oldest: ledger.oldest().map(rows::time),
        };
        *planned = rows::position(counts.planned);
    }

    pub(super) fn backlog(&self) -> Backlog {
        let (unfiled, bytes, first) = self.unfiled.backlog();
        let mut backlog = self.now.lock().unwrap_or_else(PoisonError::into_inner).0;
        backlog.unplanned += u64::try_from(unfiled).unwrap_or(u64::MAX);
        backlog.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        backlog.oldest = backlog
            .oldest
            .into_iter()
            .chain(first.map(rows::time))
            .min();
        backlog
    }

    pub(super) fn planned(&self) -> Position {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Learns how many bytes of history are kept: those do not count against the queue.
    pub(super) fn expect_history(&self, bytes: u64) {
        self.history.store(bytes, Ordering::Relaxed);
    }

    /// Whether there is room for another event.
    pub(super) fn check_room(&self) -> Result<(), StoreError> {
        let backlog = self.backlog();
        let waiting = backlog.live.saturating_add(backlog.unplanned);
        if waiting >= self.limit.deliveries {
            let most = self.limit.deliveries;
            return Err(StoreError::Full(format!(
                "{waiting} deliveries and events wait, the limit is {most}"
            )));
        }
        let history = self.history.load(Ordering::Relaxed);
        let most = self.limit.bytes.saturating_add(history);
        if backlog.bytes >= most {
            let bytes = backlog.bytes;
            return Err(StoreError::Full(format!(
                "it takes {bytes} bytes, the limit for what waits and for history is {most}"
            )));
        }
        Ok(())
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
