//! The database file: its tables, the checks before it is touched, and how connections are set up.
//!
//! What is checked at every start is cheap, since starting must be quick whatever the file's size: the
//! header, the length, the root of every table. Files up to [`SMALL`] bytes are read as a whole.
//! Larger ones are not, not even after a crash: the write-ahead log carries check sums and a torn end
//! of it is discarded, so a crash does not damage pages. Damage by the medium in a large file shows
//! when a page is read; then that operation fails and names the damage.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::lock;
use crate::store::open::OpenError;

/// Name of the database in the data directory.
pub(super) const FILE: &str = "fanfare.db";

/// "Fanf": marks the file as ours.
const APPLICATION_ID: i64 = 0x4661_6e66;

/// The format this program writes.
const VERSION: i64 = 1;

/// Files up to this size are checked completely at start, which takes some tens of milliseconds.
const SMALL: u64 = 16 << 20;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long a connection waits for another one of this process.
const BUSY: Duration = Duration::from_secs(5);

/// Times are microseconds since 1970; `deliveries.id` is `position << 16 | ordinal`. Names are numbers
/// in rows and indexes; `uses` counts the deliveries that have one as Provider or as Alert.
/// What a delivery says is apart in `contents`, because rows of `deliveries` change several times, and the
/// fewer pages they fill, the fewer each commit writes.
/// `promised_at` is when the event was accepted or the delivery was last replayed: retries count from
/// there. `head = 1` marks the first live delivery of its lane, the only one that may be claimed.
/// `seq` orders a lane so that behind a live delivery there are only live ones: what is replayed goes to
/// the end, what is dropped by hand gets a number below zero. So whoever settles a head finds the next
/// one, and the end of the lane, without an index that settling would have to change.
const TABLES: &str = "
CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('planned', 0);
CREATE TABLE events(
    position INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    interval_start INTEGER NOT NULL,
    key BLOB NOT NULL);
CREATE TABLE bodies(position INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE dispositions(position INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE names(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uses INTEGER NOT NULL,
    UNIQUE (namespace, name));
CREATE TABLE deliveries(
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    provider INTEGER NOT NULL,
    alert INTEGER NOT NULL,
    state INTEGER NOT NULL,
    head INTEGER NOT NULL,
    replayed INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    promised_at INTEGER NOT NULL,
    due_at INTEGER,
    settled_at INTEGER,
    supersede_key INTEGER,
    last_at INTEGER,
    last_class INTEGER,
    last_status INTEGER,
    last_detail TEXT NOT NULL);
CREATE TABLE contents(id INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE INDEX heads ON deliveries(provider, due_at, state) WHERE head = 1;
CREATE INDEX lanes ON deliveries(lane, seq);
CREATE INDEX live ON deliveries(id, state) WHERE state < 2;
CREATE INDEX undelivered ON deliveries(id, state) WHERE state > 2;
CREATE INDEX superseding ON deliveries(supersede_key, id) WHERE supersede_key IS NOT NULL;
CREATE TABLE tallies(
    provider INTEGER NOT NULL,
    state INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    PRIMARY KEY (provider, state)) WITHOUT ROWID;
CREATE TABLE memory(
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    used_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX memory_age ON memory(used_at);
";

/// Opens the database of a directory for writing; makes it if there is none.
pub(super) fn open(directory: &Path) -> Result<Connection, OpenError> {
    let path = directory.join(FILE);
    let is_new = check_header(&path)?;
    if is_new {
        create(directory, &path)?;
    }
    // A process that was killed may have left what it had written and not synced. It is read, so it
    // counts, and what counts must survive a power cut. Pages of the database whose sync failed are
    // in the log still, from which they will be written again.
    lock::sync_file(&path)
        .and_then(|()| lock::rewrite_file(&with_suffix(&path, "-wal")))
        .map_err(|source| OpenError::Inaccessible {
            path: path.clone(),
            source,
        })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(|e| broken(&path, &e))?;
    prepare(&connection, is_new, &path)?;
    Ok(connection)
}

/// Makes a database under another name and gives it its own when it is complete: whenever the process
/// or the power fails, there is a whole one or none.
fn create(directory: &Path, path: &Path) -> Result<(), OpenError> {
    let inaccessible = |source| OpenError::Inaccessible {
        path: path.to_owned(),
        source,
    };
    let unfinished = with_suffix(path, ".new");
    for left_over in [unfinished.clone(), with_suffix(&unfinished, "-journal")] {
        match std::fs::remove_file(&left_over) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(inaccessible(error)),
            _ => {}
        }
    }
    // Made here for the sake of its permissions.
    drop(lock::open_file(&unfinished)?);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // auto_vacuum counts only before the first table.
    let sql = format!(
        "PRAGMA auto_vacuum = INCREMENTAL; BEGIN IMMEDIATE; \
         PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; \
         {TABLES} {} COMMIT;",
        super::kept::TABLE
    );
    let made = Connection::open_with_flags(&unfinished, flags).and_then(|connection| {
        connection.execute_batch(&sql)?;
        connection.close().map_err(|(_, error)| error)
    });
    made.map_err(|error| broken(path, &error))?;
    std::fs::rename(&unfinished, path)
        .and_then(|()| lock::sync_directory(directory))
        .map_err(inaccessible)
}

/// Opens a connection that can only read.
pub(super) fn open_reader(directory: &Path) -> Result<Connection, OpenError> {
    let path = directory.join(FILE);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let set_up = || {
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(BUSY)?;
        keep_plans(&connection)?;
        connection.set_prepared_statement_cache_capacity(32);
        connection.execute_batch("PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;")?;
        Ok(connection)
    };
    set_up().map_err(|error| broken(&path, &error))
}

/// Whether the file is new. Looks at it without the database engine, which might change it.
fn check_header(path: &Path) -> Result<bool, OpenError> {
    let mut file = lock::open_file(path)?;
    let damaged = |detail: &str| OpenError::Damaged {
        path: path.to_owned(),
        detail: detail.to_owned(),
    };
    let inaccessible = |source| OpenError::Inaccessible {
        path: path.to_owned(),
        source,
    };
    let length = file.metadata().map_err(inaccessible)?.len();
    let log = length_of(&with_suffix(path, "-wal")).map_err(inaccessible)?;
    if length == 0 {
        return if log > 0 {
            Err(damaged(
                "it is empty, but there is a write-ahead log for it",
            ))
        } else {
            Ok(true)
        };
    }
    let Some(header) = Header::read(&mut file).map_err(inaccessible)? else {
        return Err(damaged("it does not begin like a database"));
    };
    if header.application_id != APPLICATION_ID {
        return Err(OpenError::NotOurs {
            path: path.to_owned(),
        });
    }
    check_version(path, header.version)?;
    // With a log the missing pages may be in there.
    if log == 0 && header.length.is_some_and(|expected| expected > length) {
        return Err(damaged("its end is missing"));
    }
    Ok(false)
}

fn check_version(path: &Path, found: i64) -> Result<(), OpenError> {
    if found > VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    if found < VERSION {
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            detail: format!("it claims to have format {found}, which never existed"),
        });
    }
    Ok(())
}

/// What the first 100 bytes of a database say (<https://www.sqlite.org/fileformat2.html#the_database_header>).
struct Header {
    application_id: i64,
    version: i64,
    /// Length of the file, if the header is sure of it.
    length: Option<u64>,
}

impl Header {
    /// `None` if it is no header; a file that is too short for one is none.
    fn read(file: &mut File) -> std::io::Result<Option<Self>> {
        let mut bytes = [0_u8; 100];
        match file.read_exact(&mut bytes) {
            Ok(()) => Ok(Self::parse(&bytes)),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(bytes: &[u8; 100]) -> Option<Self> {
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let number = |at: usize| -> Option<u32> {
            let four: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
            Some(u32::from_be_bytes(four))
        };
        let page_size = match number(16)? >> 16 {
            1 => 65_536,
            size => u64::from(size),
        };
        let is_sure = number(24)? == number(92)?;
        Some(Self {
            application_id: i64::from(number(68)?),
            version: i64::from(number(60)?),
            length: is_sure.then_some(page_size * u64::from(number(28)?)),
        })
    }
}

/// Plans do not depend on what is bound to a statement. Without this, statements that use a partial
/// index are parsed and planned anew each time they run, which takes longer than running them.
fn keep_plans(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn prepare(connection: &Connection, is_new: bool, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| broken(path, &error);
    connection.busy_timeout(BUSY).map_err(failed)?;
    keep_plans(connection).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    if !is_new {
        // The log may be newer than the header of the file.
        let version = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        check_version(path, version)?;
    }
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::Unusable {
            path: path.to_owned(),
            detail: format!("the file system takes no write-ahead log (journal mode `{mode}`)"),
        });
    }
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192; \
             PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608;",
        )
        .map_err(failed)?;
    connection
        .execute_batch(super::kept::TABLE)
        .map_err(failed)?;
    if !is_new {
        check_content(connection, path)?;
    }
    Ok(())
}

fn check_content(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let failed = |error: rusqlite::Error| broken(path, &error);
    for table in [
        "meta",
        "events",
        "bodies",
        "dispositions",
        "names",
        "deliveries",
        "contents",
        "tallies",
        "memory",
        "kept_calls",
    ] {
        connection
            .query_row(
                &format!("SELECT EXISTS (SELECT * FROM {table})"),
                [],
                |_| Ok(()),
            )
            .map_err(failed)?;
    }
    if length_of(path).unwrap_or(u64::MAX) <= SMALL {
        let answer: String = connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(failed)?;
        if answer != "ok" {
            return Err(OpenError::Damaged {
                path: path.to_owned(),
                detail: answer,
            });
        }
    }
    Ok(())
}

/// An error of the engine while opening, as one for people.
pub(super) fn broken(path: &Path, error: &rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    let detail = error.to_string();
    match error {
        rusqlite::Error::SqliteFailure(failure, _)
            if matches!(
                failure.code,
                rusqlite::ErrorCode::SystemIoFailure
                    | rusqlite::ErrorCode::DiskFull
                    | rusqlite::ErrorCode::CannotOpen
                    | rusqlite::ErrorCode::ReadOnly
                    | rusqlite::ErrorCode::PermissionDenied
                    | rusqlite::ErrorCode::DatabaseBusy
                    | rusqlite::ErrorCode::DatabaseLocked
                    | rusqlite::ErrorCode::OutOfMemory
            ) =>
        {
            OpenError::Unusable { path, detail }
        }
        _ => OpenError::Damaged { path, detail },
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn length_of(path: &Path) -> std::io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
