//! What waits, counted in memory as transactions commit.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use rusqlite::Connection;

use crate::store::Backlog;

use super::row;

/// Counts as of the last commit.
#[derive(Default)]
pub(super) struct Counters {
    unplanned: AtomicU64,
    live: AtomicU64,
    parked: AtomicU64,
    bytes: AtomicU64,
    /// Microseconds; `i64::MAX` for none. Refreshed by pruning.
    oldest: AtomicI64,
}

/// Changes of one transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delta {
    pub(super) unplanned: i64,
    pub(super) live: i64,
    pub(super) parked: i64,
}

impl Counters {
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let count = |sql: &str| connection.query_row(sql, [], |row| Ok(row::count(row.get(0)?)));
        let counters = Self::default();
        let unplanned = count(
            "SELECT count(*) FROM events
             WHERE position > (SELECT value FROM meta WHERE key = 'planned_up_to')",
        )?;
        counters.unplanned.store(unplanned, Ordering::Relaxed);
        // Both are answered from the small index of live deliveries.
        let live = count("SELECT count(*) FROM deliveries INDEXED BY lanes WHERE state < 2")?;
        counters.live.store(live, Ordering::Relaxed);
        let parked =
            count("SELECT count(*) FROM deliveries INDEXED BY heads WHERE head = 1 AND state = 1")?;
        counters.parked.store(parked, Ordering::Relaxed);
        counters.oldest.store(i64::MAX, Ordering::Relaxed);
        counters.measure(connection)?;
        Ok(counters)
    }

    /// Measures the bytes in use.
    pub(super) fn measure(&self, connection: &Connection) -> rusqlite::Result<()> {
        let number =
            |pragma| connection.pragma_query_value(None, pragma, |row| Ok(row::count(row.get(0)?)));
        let used = number("page_count")?.saturating_sub(number("freelist_count")?);
        self.bytes
            .store(used * number("page_size")?, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn apply(&self, delta: Delta) {
        for (counter, change) in [
            (&self.unplanned, delta.unplanned),
            (&self.live, delta.live),
            (&self.parked, delta.parked),
        ] {
            if change != 0 {
                // The writer is the only one to change them.
                let value = counter
                    .load(Ordering::Relaxed)
                    .saturating_add_signed(change);
                counter.store(value, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn set_oldest(&self, micros: Option<i64>) {
        self.oldest
            .store(micros.unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(super) fn backlog(&self) -> Backlog {
        let (unplanned, live) = (
            self.unplanned.load(Ordering::Relaxed),
            self.live.load(Ordering::Relaxed),
        );
        let oldest = self.oldest.load(Ordering::Relaxed);
        Backlog {
            unplanned,
            live,
            parked: self.parked.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            oldest: (oldest != i64::MAX && unplanned + live > 0)
                .then(|| Timestamp::from_microsecond(oldest).ok())
                .flatten(),
        }
    }
}
