//! Arrivals that are on the medium and not in the database yet.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::frame::Arrival;

/// Shared by the thread that takes arrivals, the writer that files them, and readers.
#[derive(Debug, Default)]
pub(in crate::store::sqlite) struct Unfiled {
    state: Mutex<State>,
    progress: Condvar,
}

#[derive(Debug, Default)]
struct State {
    arrivals: VecDeque<Arc<Arrival>>,
    bytes: usize,
    /// The last position that is in the database.
    filed: i64,
}

impl Unfiled {
    /// Nothing waits; what has a position up to this one is in the database.
    pub(super) fn new(filed: i64) -> Self {
        Self {
            state: Mutex::new(State {
                filed,
                ..State::default()
            }),
            progress: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was synced, in order of position; how many wait now.
    pub(super) fn push(&self, arrivals: impl IntoIterator<Item = Arrival>) -> usize {
        let mut state = self.lock();
        for arrival in arrivals {
            state.bytes += arrival.encoded_len();
            state.arrivals.push_back(Arc::new(arrival));
        }
        state.arrivals.len()
    }

    /// The first ones, at most `limit`. They stay until [`Self::filed`] says that they are safe.
    pub(in crate::store::sqlite) fn first(&self, limit: usize) -> Vec<Arc<Arrival>> {
        self.lock().arrivals.iter().take(limit).cloned().collect()
    }

    /// Those behind a position, at most `limit`, in order.
    pub(in crate::store::sqlite) fn behind(
        &self,
        position: i64,
        limit: usize,
    ) -> Vec<Arc<Arrival>> {
        let state = self.lock();
        let start = state
            .arrivals
            .partition_point(|arrival| arrival.position <= position);
        state
            .arrivals
            .iter()
            .skip(start)
            .take(limit)
            .cloned()
            .collect()
    }

    /// The database has everything up to this position now.
    pub(in crate::store::sqlite) fn filed(&self, position: i64) {
        let mut state = self.lock();
        while let Some(first) = state.arrivals.front()
            && first.position <= position
        {
            state.bytes -= first.encoded_len();
            state.arrivals.pop_front();
        }
        state.filed = state.filed.max(position);
        self.progress.notify_all();
    }

    /// How many there are, how many bytes they take, and when the first one arrived.
    pub(in crate::store::sqlite) fn backlog(&self) -> (usize, usize, Option<i64>) {
        let state = self.lock();
        let oldest = state.arrivals.front().map(|arrival| arrival.received_at);
        (state.arrivals.len(), state.bytes, oldest)
    }

    /// The last position that is in the database.
    pub(super) fn filed_up_to(&self) -> i64 {
        self.lock().filed
    }

    /// Waits until more than this is in the database, or for so long; what is then.
    pub(super) fn wait_for_more(&self, than: i64, at_most: Duration) -> i64 {
        let state = self.lock();
        let (state, _) = self
            .progress
            .wait_timeout_while(state, at_most, |state| state.filed <= than)
            .unwrap_or_else(PoisonError::into_inner);
        state.filed
    }
}
