//! Stores in directories of their own, without a runtime.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use delivery::store::NewEvent;
use delivery::store::open::{self, OpenError, QueueLimit, StoreSettings};
use delivery::{Store, StoreError};
use domain::Position;
use tempfile::TempDir;

/// A directory that goes when it is dropped.
pub(super) fn directory() -> TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

pub(super) fn open(directory: &Path) -> Result<Arc<dyn Store>, OpenError> {
    open::open(StoreSettings {
        directory: directory.to_owned(),
        queue_limit: QueueLimit::default(),
        lock_wait: Duration::from_secs(5),
    })
}

/// Waits until an event is on the medium, or was refused.
pub(super) fn append(store: &dyn Store, event: NewEvent) -> Result<Position, StoreError> {
    let (answer, outcome) = channel();
    let on_appended = Box::new(move |result| {
        // Whoever waits does so until there is an answer.
        let _ = answer.send(result);
    });
    store.append(event, on_appended);
    outcome.recv().unwrap_or(Err(StoreError::Closed))
}
