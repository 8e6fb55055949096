//! Notices when this program did not run for a while, because the machine was busy or stood still.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often it looks at the clock.
const BEAT: Duration = Duration::from_millis(100);

/// A beat that comes this late was a stall.
const LATE: Duration = Duration::from_millis(500);

/// The sum of all stalls since the watch began.
pub(crate) struct Stalls(Arc<AtomicU64>);

impl Stalls {
    /// Begins to watch; the watch ends with the value.
    pub(crate) fn watch() -> Self {
        let sum = Arc::new(AtomicU64::new(0));
        let weak = Arc::downgrade(&sum);
        tokio::spawn(async move {
            loop {
                let before = Instant::now();
                tokio::time::sleep(BEAT).await;
                let late = before.elapsed().saturating_sub(BEAT);
                let Some(sum) = weak.upgrade() else {
                    return;
                };
                if late > LATE {
                    let millis = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
                    sum.fetch_add(millis, Ordering::Relaxed);
                }
            }
        });
        Self(sum)
    }

    /// The sum.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}
