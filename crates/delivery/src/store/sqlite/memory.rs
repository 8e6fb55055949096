//! Facts remembered between deliveries. Bounded: the ones remembered longest ago go first.

use domain::delivery::Remembered;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::ledger::Books;

/// How many facts are kept.
const MOST: i64 = 100_000;

/// How many go at once when there are too many.
const SURPLUS: i64 = 1000;

pub(super) fn remember(books: &mut Books<'_>, fact: &Remembered, now: i64) -> Result<(), Fault> {
    let is_known: bool = books
        .connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM memory WHERE key = ?1)")?
        .query_row([&fact.key], |row| row.get(0))?;
    books
        .connection
        .prepare_cached(
            "INSERT INTO memory VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET value = excluded.value, used_at = excluded.used_at",
        )?
        .execute(params![fact.key, fact.value, now])?;
    if !is_known {
        books.counts.remembered += 1;
    }
    if books.counts.remembered > MOST {
        let gone = books
            .connection
            .prepare_cached(
                "DELETE FROM memory WHERE key IN \
                 (SELECT key FROM memory ORDER BY used_at LIMIT ?1)",
            )?
            .execute([SURPLUS])?;
        books.counts.remembered -= i64::try_from(gone).unwrap_or_default();
    }
    Ok(())
}

pub(super) fn recall(connection: &Connection, key: &str) -> Result<Option<String>, Fault> {
    let value = connection
        .prepare_cached("SELECT value FROM memory WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(value)
}
