//! Providers, or Receivers, that somebody should look at, each at most once in the list.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use api::ObjectKey;
use tokio::sync::Notify;

/// Filled by whoever hears of changes, emptied by whoever looks.
#[derive(Default)]
pub(crate) struct Suspects {
    objects: Mutex<BTreeSet<ObjectKey>>,
    bell: Notify,
}

impl Suspects {
    /// Adds some.
    pub(crate) fn add(&self, objects: impl IntoIterator<Item = ObjectKey>) {
        // Every change under this lock is complete at once.
        let mut known = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(objects);
        self.bell.notify_one();
    }

    /// Empties the list.
    pub(crate) fn take(&self) -> BTreeSet<ObjectKey> {
        std::mem::take(&mut *self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something was added since the last wait.
    pub(crate) async fn added(&self) {
        self.bell.notified().await;
    }
}
