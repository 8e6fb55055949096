//! The journal: events in order of arrival.

use std::sync::Arc;

use domain::EventKey;
use domain::delivery::Position;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::arrivals::{Arrival, Unfiled};
use super::fault::Fault;
use super::ledger::Books;
use super::rows;
use crate::store::{JournalEntry, RecentKey};

/// The clock may step back, so keys are not strictly in order of time: the search ends after so many
/// that are too old.
const OLD_KEYS: usize = 1024;

/// Arrivals that one transaction files at most.
const FILED_AT_ONCE: usize = 2048;

/// What a transaction filed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filed {
    /// Up to this position.
    pub(super) last: i64,
    /// Bytes of bodies.
    pub(super) bytes: usize,
}

/// Files arrivals: they are in the database with whatever else the transaction does.
pub(super) fn file(books: &mut Books<'_>, unfiled: &Unfiled) -> Result<Option<Filed>, Fault> {
    let arrivals = unfiled.first(FILED_AT_ONCE);
    let Some(last) = arrivals.last().map(|arrival| arrival.position) else {
        return Ok(None);
    };
    // One that is there already was filed before a crash.
    let mut event = books
        .connection
        .prepare_cached("INSERT OR IGNORE INTO events VALUES (?1, ?2, ?3, ?4)")?;
    let mut body = books
        .connection
        .prepare_cached("INSERT OR IGNORE INTO bodies VALUES (?1, ?2)")?;
    for arrival in &arrivals {
        let added = event.execute(params![
            arrival.position,
            arrival.received_at,
            arrival.interval_start,
            arrival.key
        ])?;
        body.execute(params![arrival.position, arrival.body])?;
        books.counts.unplanned += i64::try_from(added).unwrap_or_default();
    }
    books.counts.last = books.counts.last.max(last);
    let bytes = arrivals.iter().map(|arrival| arrival.body.len()).sum();
    Ok(Some(Filed { last, bytes }))
}

/// `unfiled` was looked at before the database was, in order of position.
pub(super) fn recent_keys(
    connection: &Connection,
    unfiled: &[Arc<Arrival>],
    since: Timestamp,
    limit: usize,
) -> Result<Vec<RecentKey>, Fault> {
    let since = rows::micros(since);
    let (mut keys, mut old) = (Vec::new(), 0);
    for arrival in unfiled.iter().rev().take(limit) {
        if arrival.received_at >= since {
            keys.push(RecentKey {
                key: EventKey(arrival.key),
                interval_start: rows::time(arrival.interval_start),
            });
        }
    }
    let mut statement = connection.prepare_cached(
        "SELECT received_at, interval_start, key FROM events WHERE position < ?1 \
         ORDER BY position DESC",
    )?;
    let first = unfiled.first().map_or(i64::MAX, |first| first.position);
    let mut found = statement.query([first])?;
    while keys.len() < limit && old < OLD_KEYS {
        let Some(row) = found.next()? else { break };
        if row.get::<_, i64>(0)? < since {
            old += 1;
            continue;
        }
        keys.push(RecentKey {
            key: EventKey(row.get(2)?),
            interval_start: rows::time(row.get(1)?),
        });
    }
    Ok(keys)
}

/// `unfiled` was looked at before the database was, in order of position.
pub(super) fn read_after(
    connection: &Connection,
    unfiled: &[Arc<Arrival>],
    after: Position,
    limit: usize,
) -> Result<Vec<JournalEntry>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT e.position, e.received_at, b.body FROM events e \
         LEFT JOIN bodies b ON b.position = e.position \
         WHERE e.position > ?1 ORDER BY e.position LIMIT ?2",
    )?;
    let after = rows::position_number(after);
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map([after, most], |row| {
        Ok(JournalEntry {
            position: rows::position(row.get(0)?),
            received_at: rows::time(row.get(1)?),
            // Whatever is stored there: what is no event must not stop the others.
            event: row.get_ref(2)?.as_bytes().ok().and_then(rows::event),
        })
    })?;
    let mut entries = found.collect::<Result<Vec<JournalEntry>, _>>()?;
    // What was filed between the two looks is in both.
    let last = entries
        .last()
        .map_or(after, |last| rows::position_number(last.position));
    let behind = unfiled.iter().filter(|arrival| arrival.position > last);
    for arrival in behind.take(limit - entries.len()) {
        entries.push(JournalEntry {
            position: rows::position(arrival.position),
            received_at: rows::time(arrival.received_at),
            event: rows::event(&arrival.body),
        });
    }
    Ok(entries)
}
