//! Connections that wait for the next message, so that a burst takes few handshakes.
//!
//! Bounded in number and in time; those that wait too long are closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// More deliveries to one Provider are rarely under way together.
const MOST_IDLE: usize = 4;

/// Well below the two minutes after which a server asks whether we are still there.
const LONGEST_IDLE: Duration = Duration::from_secs(20);

/// The connections of one notifier.
pub(super) struct Pool<S> {
    idle: Arc<Mutex<Idle<S>>>,
}

struct Idle<S> {
    sessions: Vec<(S, Instant)>,
    is_watched: bool,
}

impl<S: Send + 'static> Pool<S> {
    pub(super) fn new() -> Self {
        let idle = Idle {
            sessions: Vec::new(),
            is_watched: false,
        };
        Self {
            idle: Arc::new(Mutex::new(idle)),
        }
    }

    /// The connection that was used last.
    pub(super) fn take(&self) -> Option<S> {
        let mut idle = lock(&self.idle);
        idle.sessions
            .retain(|(_, since)| since.elapsed() < LONGEST_IDLE);
        idle.sessions.pop().map(|(session, _)| session)
    }

    /// Keeps a connection, if there is room.
    pub(super) fn put(&self, session: S) {
        let mut idle = lock(&self.idle);
        if idle.sessions.len() >= MOST_IDLE {
            return;
        }
        idle.sessions.push((session, Instant::now()));
        if !idle.is_watched {
            idle.is_watched = true;
            tokio::spawn(close_idle(Arc::downgrade(&self.idle)));
        }
    }
}

/// Closes connections that wait too long, until none waits or the pool is gone.
async fn close_idle<S>(idle: Weak<Mutex<Idle<S>>>) {
    loop {
        sleep(LONGEST_IDLE).await;
        let Some(idle) = idle.upgrade() else { return };
        let mut idle = lock(&idle);
        idle.sessions
            .retain(|(_, since)| since.elapsed() < LONGEST_IDLE);
        if idle.sessions.is_empty() {
            idle.is_watched = false;
            return;
        }
    }
}

fn lock<S>(idle: &Mutex<Idle<S>>) -> MutexGuard<'_, Idle<S>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn connections_are_kept_up_to_a_number_and_a_time() {
        let pool = Pool::new();
        let witness = Arc::new(());
        for _ in 0..10 {
            pool.put(Arc::clone(&witness));
        }
        assert_eq!(Arc::strong_count(&witness), 1 + MOST_IDLE);
        assert!(pool.take().is_some());
        tokio::task::yield_now().await;
        tokio::time::advance(LONGEST_IDLE / 2).await;
        pool.put(Arc::clone(&witness));
        sleep(LONGEST_IDLE / 2 + Duration::from_millis(1)).await;
        assert_eq!(Arc::strong_count(&witness), 2, "the younger one");
        sleep(LONGEST_IDLE * 2).await;
        assert_eq!(
            Arc::strong_count(&witness),
            1,
            "closed without being asked for"
        );
        pool.put(Arc::clone(&witness));
        sleep(LONGEST_IDLE * 2).await;
        assert_eq!(Arc::strong_count(&witness), 1, "watched again");
    }
}
