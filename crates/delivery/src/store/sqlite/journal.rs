//! The journal: events in order of arrival.

use domain::EventKey;
use domain::delivery::Position;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::fault::Fault;
use super::ledger::Books;
use super::rows;
use super::writer::Operation;
use crate::store::{JournalEntry, NewEvent, OnAppended, RecentKey, StoreError};

/// The clock may step back, so keys are not strictly in order of time: the search ends after so many
/// that are too old.
const OLD_KEYS: usize = 1024;

/// An event on its way into the journal.
pub(super) struct Append {
    received_at: i64,
    interval_start: i64,
    key: [u8; 32],
    body: Vec<u8>,
    position: Position,
    on_appended: Option<OnAppended>,
}

impl Append {
    /// Encodes an event, on the thread of the caller. If that is impossible it is answered at once.
    pub(super) fn new(event: &NewEvent, on_appended: OnAppended) -> Option<Self> {
        let body = match serde_json::to_vec(event.event.event()) {
            Ok(body) => body,
            Err(error) => {
                on_appended(Err(StoreError::from(&Fault::Encoding(error))));
                return None;
            }
        };
        Some(Self {
            received_at: rows::micros(event.received_at),
            interval_start: rows::micros(event.interval_start),
            key: event.key.0,
            body,
            position: Position::default(),
            on_appended: Some(on_appended),
        })
    }
}

impl Operation for Append {
    fn weight(&self) -> usize {
        1
    }

    fn apply(&mut self, books: &mut Books<'_>) -> Result<(), Fault> {
        let position = books.counts.last + 1;
        books
            .connection
            .prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                position,
                self.received_at,
                self.interval_start,
                self.key
            ])?;
        books
            .connection
            .prepare_cached("INSERT INTO bodies VALUES (?1, ?2)")?
            .execute(params![position, self.body])?;
        books.counts.last = position;
        books.counts.unplanned += 1;
        self.position = rows::position(position);
        Ok(())
    }

    fn answer(mut self: Box<Self>, result: Result<(), StoreError>) {
        if let Some(on_appended) = self.on_appended.take() {
            on_appended(result.map(|()| self.position));
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        // Nobody is left without an answer, not even when the writer is gone.
        if let Some(on_appended) = self.on_appended.take() {
            on_appended(Err(StoreError::Closed));
        }
    }
}

pub(super) fn recent_keys(
    connection: &Connection,
    since: Timestamp,
    limit: usize,
) -> Result<Vec<RecentKey>, Fault> {
    let since = rows::micros(since);
    let mut statement = connection.prepare_cached(
        "SELECT received_at, interval_start, key FROM events ORDER BY position DESC",
    )?;
    let mut found = statement.query([])?;
    let (mut keys, mut old) = (Vec::new(), 0);
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

pub(super) fn read_after(
    connection: &Connection,
    after: Position,
    limit: usize,
) -> Result<Vec<JournalEntry>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT e.position, e.received_at, b.body FROM events e \
         LEFT JOIN bodies b ON b.position = e.position \
         WHERE e.position > ?1 ORDER BY e.position LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let entries = statement.query_map([rows::position_number(after), limit], |row| {
        Ok(JournalEntry {
            position: rows::position(row.get(0)?),
            received_at: rows::time(row.get(1)?),
            // Whatever is stored there: what is no event must not stop the others.
            event: row.get_ref(2)?.as_bytes().ok().and_then(rows::event),
        })
    })?;
    Ok(entries.collect::<Result<_, _>>()?)
}
