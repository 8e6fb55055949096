//! Who holds which delivery. Leases live in memory: there is one process per store, and its end voids
//! them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared between the threads. Whoever hands out a claim holds the guard from before its look at the
/// database until the lease is noted, and the writer lets go only after its commit: so a claim never
/// acts on a state that a settlement has just replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Leases(Arc<Mutex<Held>>);

/// Row ids of deliveries with the time until which they are held. An entry whose time is over stays
/// until somebody settles, drops or claims the delivery anew.
#[derive(Debug, Default)]
pub(super) struct Held(HashMap<i64, i64>);

impl Leases {
    pub(super) fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Whether somebody holds it at a time.
    pub(super) fn is_held(&self, row: i64, now: i64) -> bool {
        self.0.get(&row).is_some_and(|until| *until > now)
    }

    /// Until when it is held, if it was handed out and not settled since; may be in the past.
    pub(super) fn until(&self, row: i64) -> Option<i64> {
        self.0.get(&row).copied()
    }

    pub(super) fn hold(&mut self, row: i64, until: i64) {
        self.0.insert(row, until);
    }

    pub(super) fn release(&mut self, row: i64) {
        self.0.remove(&row);
    }
}
