//! The journal of accepted events.

use std::sync::Arc;

use api::to_wire_json;
use domain::{CleanEvent, EventKey, Position};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::store::{JournalEntry, NewEvent, RecentKey, StoreError};

use super::row;
use super::writer::Context;

pub(super) fn append(context: &mut Context<'_>, new: &NewEvent) -> Result<i64, StoreError> {
    let body =
        to_wire_json(new.event.event()).map_err(|error| StoreError::Failed(error.to_string()))?;
    let position = *context.last_position + 1;
    context
        .connection
        .prepare_cached(
            "INSERT INTO events (position, received_at, key, interval_start, body)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            position,
            row::time_number(new.received_at),
            new.key.0.as_slice(),
            row::time_number(new.interval_start),
            body,
        ))?;
    *context.last_position = position;
    context.delta.unplanned += 1;
    Ok(position)
}

/// The greatest position ever given; planned events may be pruned, so the cursor counts too.
pub(super) fn last_position(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row(
        "SELECT max(coalesce((SELECT max(position) FROM events), 0),
                    (SELECT value FROM meta WHERE key = 'planned_up_to'))",
        [],
        |row| row.get(0),
    )
}

pub(super) fn planned_up_to(connection: &Connection) -> Result<Position, StoreError> {
    Ok(row::position(planned_number(connection)?))
}

pub(super) fn planned_number(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE key = 'planned_up_to'")?
        .query_row([], |row| row.get(0))
}

pub(super) fn read_after(
    connection: &Connection,
    after: Position,
    limit: usize,
) -> Result<Vec<JournalEntry>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, received_at, body FROM events
         WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let entries = statement.query_map(
        (
            row::position_number(after),
            i64::try_from(limit).unwrap_or(i64::MAX),
        ),
        |found| {
            let body = found.get_ref(2)?.as_bytes().unwrap_or_default();
            Ok(JournalEntry {
                position: row::position(found.get(0)?),
                received_at: row::time(found.get(1)?),
                event: decode(body),
            })
        },
    )?;
    Ok(entries.collect::<rusqlite::Result<_>>()?)
}

/// A stored event; `None` if it cannot be read any more.
pub(super) fn decode(body: &[u8]) -> Option<Arc<CleanEvent>> {
    match api::event::decode(body) {
        Ok(event) => Some(Arc::new(CleanEvent::from_journal(event))),
        Err(error) => {
            tracing::error!(%error, "a stored event cannot be read");
            None
        }
    }
}

pub(super) fn recent_keys(
    connection: &Connection,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<RecentKey>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT received_at, key, interval_start FROM events ORDER BY position DESC LIMIT ?1",
    )?;
    let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let since = row::time_number(since);
    let mut keys = Vec::new();
    while let Some(found) = rows.next()? {
        if found.get::<_, i64>(0)? < since {
            break;
        }
        let key: Vec<u8> = found.get(1)?;
        // A key of another length is damaged; its event may then be taken once more.
        if let Ok(key) = <[u8; 32]>::try_from(key) {
            keys.push(RecentKey {
                key: EventKey(key),
                interval_start: row::time(found.get(2)?),
            });
        }
    }
    Ok(keys)
}
