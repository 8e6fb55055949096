//! Removes settled history, oldest first, a bounded amount per call.

use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use super::fault::Fault;
use super::ledger::Books;
use super::rows;
use super::writer::used_bytes;
use crate::store::Retention;

/// Events looked at per call.
const EVENTS: i64 = 500;

/// Deliveries removed per call; an event may have many.
const DELIVERIES: usize = 4000;

/// Free pages given back to the file system per call (1 MiB).
const PAGES: i64 = 256;

/// Free pages that stay for reuse, so that the file does not shrink and grow all the time.
const SPARE_PAGES: i64 = 256;

/// Removes some; whether there is more to do.
pub(super) fn prune(
    books: &mut Books<'_>,
    retention: Retention,
    now: Timestamp,
) -> Result<bool, Fault> {
    let age = SignedDuration::try_from(retention.age).unwrap_or(SignedDuration::MAX);
    let too_old = now.checked_sub(age).map_or(i64::MIN, rows::micros);
    let most = i64::try_from(retention.bytes).unwrap_or(i64::MAX);
    let is_over = used_bytes(books.connection)? > most;
    let entries = next_entries(books)?;
    let is_last_piece = i64::try_from(entries.len()).unwrap_or(i64::MAX) < EVENTS;
    let (mut removed, mut is_done) = (0, is_last_piece);
    for (position, received_at) in entries {
        if received_at >= too_old && !is_over {
            is_done = true;
            break;
        }
        if removed >= DELIVERIES {
            is_done = false;
            break;
        }
        // Live ones are passed over; the next round comes by again.
        books.counts.prune_from = position;
        if !has_live(books.connection, position)? {
            removed += remove(books, position)?;
        }
    }
    if is_done {
        books.counts.prune_from = 0;
    }
    books.counts.prunings += 1;
    let may_shrink = give_back(books.connection)?;
    Ok(!is_done || may_shrink)
}

fn next_entries(books: &Books<'_>) -> Result<Vec<(i64, i64)>, Fault> {
    let mut statement = books.connection.prepare_cached(
        "SELECT position, received_at FROM events WHERE position > ?1 AND position <= ?2 \
         ORDER BY position LIMIT ?3",
    )?;
    let found = statement.query_map(
        [books.counts.prune_from, books.counts.planned, EVENTS],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(found.collect::<Result<_, _>>()?)
}

fn has_live(connection: &Connection, position: i64) -> Result<bool, Fault> {
    let has_live = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM deliveries NOT INDEXED \
             WHERE id BETWEEN ?1 AND ?2 AND state < 2)",
        )?
        .query_row(
            [rows::first_row(position), rows::last_row(position)],
            |row| row.get(0),
        )?;
    Ok(has_live)
}

/// Removes an event and all that became of it; how many deliveries that were.
fn remove(books: &mut Books<'_>, position: i64) -> Result<usize, Fault> {
    let removed = books
        .connection
        .prepare_cached(
            "DELETE FROM deliveries WHERE id BETWEEN ?1 AND ?2 \
             RETURNING id, provider, alert, state",
        )?
        .query_map(
            [rows::first_row(position), rows::last_row(position)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)),
        )?
        .collect::<Result<Vec<(i64, i64, i64, i64)>, _>>()?;
    for (row, provider, alert, state) in &removed {
        books.leave(*row, *provider, *state);
        books.uses(*provider, *alert, -1);
    }
    books
        .connection
        .prepare_cached("DELETE FROM contents WHERE id BETWEEN ?1 AND ?2")?
        .execute([rows::first_row(position), rows::last_row(position)])?;
    for sql in [
        "DELETE FROM dispositions WHERE position = ?1",
        "DELETE FROM bodies WHERE position = ?1",
        "DELETE FROM events WHERE position = ?1",
    ] {
        books.connection.prepare_cached(sql)?.execute([position])?;
    }
    Ok(removed.len())
}

/// Gives free pages back to the file system; whether many are left.
fn give_back(connection: &Connection) -> Result<bool, Fault> {
    let free: i64 = connection
        .prepare_cached("PRAGMA freelist_count")?
        .query_row([], |row| row.get(0))?;
    let surplus = free - SPARE_PAGES;
    if surplus <= 0 {
        return Ok(false);
    }
    let pages = surplus.min(PAGES);
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut steps = vacuum.query([])?;
    while steps.next()?.is_some() {}
    Ok(surplus > PAGES)
}
