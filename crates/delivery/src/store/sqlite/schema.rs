//! The file: pragmas, tables, format version.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::open::OpenError;

/// Name of the file in the data directory.
pub(super) const FILE: &str = "fanfare.db";

/// `Fanf`: marks the file as ours.
const APPLICATION_ID: i64 = 0x4661_6e66;

/// Format of the file. A newer one is never touched.
const FORMAT: i64 = 1;

/// After an unclean end, files up to this size are checked as a whole when opened; larger ones would
/// take longer than a start may, and damage in them shows when the page is read.
const CHECKED_BYTES: u64 = 16 << 20;

const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('planned_up_to', 0);

-- The journal, in order of arrival.
CREATE TABLE events (
  position INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,
  key BLOB NOT NULL,
  interval_start INTEGER NOT NULL,
  body BLOB NOT NULL
);

-- Providers and Alerts, so that a delivery need not repeat their names.
CREATE TABLE names (
  id INTEGER PRIMARY KEY,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  UNIQUE (namespace, name)
);

-- The outbox. id = position << 16 | ordinal; sequence is the place in the lane.
CREATE TABLE deliveries (
  id INTEGER PRIMARY KEY,
  sequence INTEGER NOT NULL,
  lane INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  alert INTEGER NOT NULL,
  state INTEGER NOT NULL,
  head INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,
  promised_at INTEGER NOT NULL,
  settled_at INTEGER,
  supersede_key INTEGER,
  last_at INTEGER,
  last_class INTEGER,
  last_status INTEGER,
  last_detail TEXT NOT NULL DEFAULT '',
  content BLOB NOT NULL
);
CREATE INDEX heads ON deliveries (provider, due_at, id) WHERE head = 1;
CREATE INDEX lanes ON deliveries (lane, sequence, id) WHERE state < 2;

-- What became of an event for Alerts that got no delivery.
CREATE TABLE dispositions (position INTEGER PRIMARY KEY, body BLOB NOT NULL);

-- Facts remembered between deliveries.
CREATE TABLE memory (key TEXT PRIMARY KEY, value TEXT NOT NULL, used_at INTEGER NOT NULL)
  WITHOUT ROWID;
";

/// Opens or makes the file.
pub(super) fn open_for_writing(path: &Path) -> Result<Connection, OpenError> {
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    let damaged = |error: rusqlite::Error| match &error {
        rusqlite::Error::SqliteFailure(failure, _)
            if matches!(
                failure.code,
                ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly
            ) =>
        {
            OpenError::Directory {
                path: path.to_owned(),
                source: std::io::Error::other(error.to_string()),
            }
        }
        _ => OpenError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    };
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(damaged)?;
    if is_new {
        // Must come before the first table; pages of removed history can be given back later.
        connection
            .pragma_update(None, "auto_vacuum", "INCREMENTAL")
            .map_err(damaged)?;
    } else {
        check(&connection, path)?;
    }
    prepare(&connection).map_err(damaged)?;
    if is_new {
        let script = format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; \
             PRAGMA user_version = {FORMAT}; COMMIT;"
        );
        connection.execute_batch(&script).map_err(damaged)?;
    }
    restrict(path);
    Ok(connection)
}

/// Only the user who runs the process may read what was accepted.
fn restrict(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        // The directory is closed to others already; this is the second lock.
        let _ = std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600));
    }
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let damaged = |reason: String| OpenError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let number = |pragma: &str| {
        connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(|error| damaged(error.to_string()))
    };
    if number("application_id")? != APPLICATION_ID {
        return Err(OpenError::Foreign {
            path: path.to_owned(),
        });
    }
    let found = number("user_version")?;
    if found != FORMAT {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: FORMAT,
        });
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    // SQLite removes the log when the last connection closes; one that is there was left behind.
    let was_unclean = std::fs::metadata(log).is_ok_and(|file| file.len() > 0);
    let is_small = std::fs::metadata(path).is_ok_and(|file| file.len() <= CHECKED_BYTES);
    if was_unclean && is_small {
        let verdict: String = connection
            .pragma_query_value(None, "quick_check", |row| row.get(0))
            .map_err(|error| damaged(error.to_string()))?;
        if verdict != "ok" {
            return Err(damaged(
                verdict.lines().next().unwrap_or_default().to_owned(),
            ));
        }
    }
    Ok(())
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Negative: KiB.
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20)?;
    connection.pragma_update(None, "wal_autocheckpoint", 1000)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Opens the file for a reader with a page cache of that size.
pub(super) fn open_for_reading(path: &Path, cache_kib: i64) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.pragma_update(None, "cache_size", -cache_kib)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}
