//! The embedded store: what every store must do, and what files add to that.

mod crash;
mod files;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use delivery::Store;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use domain::delivery::Position;
use tempfile::TempDir;

use crate::every_store::every_store;
use crate::setting::Place;

/// Name of the database in its directory.
const DATABASE: &str = "fanfare.db";

/// A directory that goes away with the test.
struct Directory(TempDir);

impl Directory {
    fn empty() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// What is in the files right now, with the store still open.
    fn copy(&self) -> Self {
        let copy = Self::empty();
        // Nothing is being written: all that was asked was answered.
        for file in [DATABASE, "fanfare.db-wal", "arrivals.log"] {
            std::fs::copy(self.path().join(file), copy.path().join(file)).unwrap();
        }
        copy
    }

    fn database(&self) -> PathBuf {
        self.path().join(DATABASE)
    }
}

fn settings(directory: &Path) -> StoreSettings {
    StoreSettings {
        directory: directory.to_owned(),
        queue_limit: QueueLimit::default(),
        lock_wait: Duration::from_secs(10),
    }
}

impl Place for Directory {
    fn open_with(&self, queue_limit: QueueLimit) -> Arc<dyn Store> {
        let settings = StoreSettings {
            queue_limit,
            ..settings(self.path())
        };
        open(settings).unwrap()
    }

    fn after_crash(&self) -> Box<dyn Place> {
        Box::new(self.copy())
    }

    fn spoil(&self, position: Position) {
        let connection = rusqlite::Connection::open(self.database()).unwrap();
        let spoiled = connection
            .execute(
                "UPDATE bodies SET body = X'00FF7B' WHERE position = ?1",
                [i64::try_from(position.0).unwrap()],
            )
            .unwrap();
        assert_eq!(spoiled, 1);
    }
}

every_store!(Directory::empty());
