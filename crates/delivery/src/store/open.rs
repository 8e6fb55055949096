//! From settings to a store; the only place that names a back end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::Store;
use super::sqlite::SqliteStore;

/// Where the store is and how much may wait in it.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The data directory; made if it is not there.
    pub directory: PathBuf,
    /// When new events are refused.
    pub queue_limit: QueueLimit,
    /// How long to wait for another process to let go of the directory.
    pub lock_wait: Duration,
}

/// When new events are refused, so that what waits stays bounded.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimit {
    /// Unplanned events and live deliveries together.
    pub deliveries: u64,
    /// Bytes in use in the store, history included.
    pub bytes: u64,
}

impl Default for QueueLimit {
    fn default() -> Self {
        Self {
            deliveries: 1_000_000,
            bytes: 4 << 30,
        }
    }
}

/// Why a store could not be opened. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be made or written.
    #[error("the data directory `{}` cannot be used: {source}", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process works in it.
    #[error("the data directory `{}` is in use{}", path.display(), process(*pid))]
    Locked {
        /// Which.
        path: PathBuf,
        /// The other process, if it said who it is.
        pid: Option<u32>,
    },
    /// The file is no store of ours.
    #[error("`{}` is a database of another program", path.display())]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// A newer version of this program wrote it.
    #[error("`{}` was written by a newer version (format {found}, this one knows {known})", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file cannot be read as what it should be.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl OpenError {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Directory { .. } => {
                "choose another one with --data-dir, or give this user write access"
            }
            Self::Locked { .. } => {
                "one process per data directory: stop the other one, or choose another directory with --data-dir"
            }
            Self::Foreign { .. } => "nothing was changed; choose another directory with --data-dir",
            Self::Newer { .. } => {
                "nothing was changed; use the newer version again, or an empty --data-dir"
            }
            Self::Damaged { .. } => {
                "nothing was changed; keep a copy of the directory, then try `sqlite3 fanfare.db .recover`, or start with an empty --data-dir"
            }
        }
    }
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" by process {pid}"))
        .unwrap_or_default()
}

/// Opens the store. Blocks for at most [`StoreSettings::lock_wait`] and the time the file takes.
pub fn open(settings: StoreSettings) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(SqliteStore::open(settings)?))
}
