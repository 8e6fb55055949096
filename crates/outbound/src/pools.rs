//! The connection pools, one per TLS and proxy setting; bounded, the least recently used go first.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What tells one pool from another: digests of the TLS material and of the proxy in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    pub(crate) tls: Option<[u8; 32]>,
    pub(crate) proxy: Option<[u8; 32]>,
}

/// Pools by key. `P` is cheap to clone.
pub(crate) struct Pools<P> {
    most: usize,
    unused_after: Duration,
    entries: Mutex<HashMap<PoolKey, Entry<P>>>,
}

struct Entry<P> {
    pool: P,
    used: Instant,
}

impl<P: Clone> Pools<P> {
    /// Keeps at most `most` pools, and none that was not asked for during `unused_after`.
    pub(crate) fn new(most: usize, unused_after: Duration) -> Self {
        Self {
            most: most.max(1),
            unused_after,
            entries: Mutex::new(HashMap::new()),
        }
    }

    /// The pool for a key, made if need be. Forgetting a pool closes its idle connections; requests
    /// that use it go on.
    pub(crate) fn get(&self, key: PoolKey, now: Instant, make: impl FnOnce() -> P) -> P {
        // A panic elsewhere cannot leave the map half changed.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get_mut(&key) {
            entry.used = now;
            return entry.pool.clone();
        }
        entries.retain(|_, entry| now.saturating_duration_since(entry.used) < self.unused_after);
        while entries.len() >= self.most {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            entries.remove(&oldest);
        }
        let pool = make();
        let entry = Entry {
            pool: pool.clone(),
            used: now,
        };
        entries.insert(key, entry);
        pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn key(number: u8) -> PoolKey {
        PoolKey {
            tls: Some([number; 32]),
            proxy: None,
        }
    }

    #[test]
    fn the_least_recently_used_pool_makes_room() {
        let pools = Pools::new(2, Duration::from_mins(1));
        let made = Cell::new(0);
        let start = Instant::now();
        let get = |number: u8, second: u64| {
            pools.get(key(number), start + Duration::from_secs(second), || {
                made.set(made.get() + 1);
                made.get()
            })
        };
        assert_eq!((get(1, 0), get(2, 1), get(1, 2)), (1, 2, 1));
        assert_eq!(get(3, 3), 3);
        assert_eq!(get(1, 4), 1, "used more recently than 2");
        assert_eq!(get(2, 5), 4, "made room for 3");
    }

    #[test]
    fn unused_pools_are_forgotten() {
        let pools = Pools::new(10, Duration::from_mins(1));
        let start = Instant::now();
        pools.get(key(1), start, || 1);
        pools.get(key(2), start + Duration::from_secs(59), || 2);
        pools.get(key(3), start + Duration::from_secs(61), || 3);
        let entries = pools.entries.lock().unwrap();
        assert_eq!(entries.len(), 2);
        assert!(!entries.contains_key(&key(1)));
    }
}
