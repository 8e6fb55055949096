//! Providers that somebody should look at, each at most once in the list.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use api::ObjectKey;
use tokio::sync::Notify;

/// Filled by whoever hears of changes, emptied by whoever looks.
#[derive(Default)]
pub(crate) struct Suspects {
    providers: Mutex<BTreeSet<ObjectKey>>,
    bell: Notify,
}

impl Suspects {
    /// Adds Providers.
    pub(crate) fn add(&self, providers: impl IntoIterator<Item = ObjectKey>) {
        // Every change under this lock is complete at once.
        let mut known = self
            .providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.extend(providers);
        self.bell.notify_one();
    }

    /// Empties the list.
    pub(crate) fn take(&self) -> BTreeSet<ObjectKey> {
        std::mem::take(
            &mut *self
                .providers
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Waits until something was added since the last wait.
    pub(crate) async fn added(&self) {
        self.bell.notified().await;
    }
}
