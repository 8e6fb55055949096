//! Removes settled history beyond what is to be kept.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::Clock;
use tokio_util::sync::CancellationToken;

use crate::store::{Retention, Store, StoreError};

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(30);

/// Pause between two bounded removals, so that accepting events is not held up.
const BREATHER: Duration = Duration::from_millis(20);

/// Prunes until told to stop.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    shutdown: CancellationToken,
) {
    loop {
        let pause = match store.prune(retention, clock.now()).await {
            Ok(true) => BREATHER,
            Ok(false) => PERIOD,
            Err(StoreError::Closed) => return,
            Err(error) => {
                tracing::error!(%error, "removing old history failed");
                PERIOD
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
