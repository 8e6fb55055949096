//! Settings → a store; the only place that names a back end.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::Store;
use super::sqlite::SqliteStore;

/// How much may wait. Beyond it [`Store::append`] answers that the store is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimit {
    /// Unplanned events and live deliveries together.
    pub deliveries: u64,
    /// Bytes for what waits. Settled history has its own bound, so the store as a whole may take this
    /// and the retention's bytes.
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

/// What is needed to open a store.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The data directory. It is made if it is missing, for this user only.
    pub directory: PathBuf,
    /// How much may wait.
    pub queue_limit: QueueLimit,
    /// How long to wait for another process to let go of the directory.
    pub lock_wait: Duration,
}

/// Why a store was not opened. Nothing was changed.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory cannot be made.
    #[error("making the data directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file in the directory cannot be made, read or written.
    #[error("using `{}`", path.display())]
    Inaccessible {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process uses the directory.
    #[error("the data directory `{}` is in use by {}", path.display(), holder(*pid))]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who, if that is known.
        pid: Option<u32>,
    },
    /// The file is broken.
    #[error("the store `{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A later version of the program wrote the file.
    #[error("the store `{}` has format {found}, this program knows formats up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest that can be read.
        known: i64,
    },
    /// The file belongs to another program.
    #[error("`{}` is a database of another program", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// The database could not be set up, for example because the disk is full.
    #[error("opening the store `{}`: {detail}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the database says.
        detail: String,
    },
}

impl OpenError {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Directory { .. } => "name a directory that this user may create with --data-dir",
            Self::Inaccessible { .. } => {
                "the data directory and its files must be readable and writable for this user; \
                 check their owner, or name another directory with --data-dir"
            }
            Self::Locked { .. } => {
                "one process per data directory: stop the other one, or name another directory \
                 with --data-dir"
            }
            Self::Damaged { .. } => {
                "restore the data directory from a backup, or move the store's files away to start \
                 with an empty one; `sqlite3 FILE .recover` reads what is left"
            }
            Self::Newer { .. } => {
                "run the version that wrote it, or a later one, or name another directory with \
                 --data-dir"
            }
            Self::NotOurs { .. } => "name another directory with --data-dir",
            Self::Unusable { .. } => "check that the disk has room and works",
        })
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("the process {pid}"),
    )
}

/// Opens the store of a directory, or makes one. Waits at most [`StoreSettings::lock_wait`], blocking
/// the thread.
pub fn open(settings: StoreSettings) -> Result<Arc<dyn Store>, OpenError> {
    Ok(Arc::new(SqliteStore::open(settings)?))
}
