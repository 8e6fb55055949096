//! Kept calls of Receivers: a small table, bounded in rows and bytes, in all and for each Receiver.

use domain::ports::KeepError;
use domain::receiver::kept::{
    KeptCall, KeptCallId, MOST_BYTES, MOST_CALLS, MOST_CALLS_OF_ONE, NewKeptCall,
};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::fault::Fault;
use super::ledger::Books;
use super::rows;

/// Made where it is missing: files of versions that kept no calls are files of the same format.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS kept_calls(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    accepted_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    content TEXT);
CREATE INDEX IF NOT EXISTS kept_calls_due ON kept_calls(due_at);
CREATE INDEX IF NOT EXISTS kept_calls_of ON kept_calls(namespace, name);
";

/// Stores a call, if there is room.
pub(super) fn keep(
    books: &Books<'_>,
    call: &NewKeptCall,
) -> Result<Result<KeptCallId, KeepError>, Fault> {
    let (namespace, name) = (&call.receiver.namespace, &call.receiver.name);
    if call.content.is_none() {
        let known: Option<i64> = books
            .connection
            .prepare_cached(
                "SELECT max(id) FROM kept_calls \
                 WHERE namespace = ?1 AND name = ?2 AND uid = ?3 AND content IS NULL",
            )?
            .query_row([namespace, name, &call.receiver_uid], |row| row.get(0))?;
        if let Some(known) = known {
            return Ok(Ok(id(known)));
        }
    }
    let count = |sql: &str, of: &[&String]| -> Result<(i64, i64), Fault> {
        let mut statement = books.connection.prepare_cached(sql)?;
        let parameters = rusqlite::params_from_iter(of);
        Ok(statement.query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?)))?)
    };
    let (rows, bytes) = count(
        "SELECT count(*), ifnull(sum(length(content)), 0) FROM kept_calls",
        &[],
    )?;
    let (of_one, _) = count(
        "SELECT count(*), 0 FROM kept_calls WHERE namespace = ?1 AND name = ?2",
        &[namespace, name],
    )?;
    let length = call.content.as_ref().map_or(0, String::len);
    let is_above =
        |number: i64, limit: usize| usize::try_from(number).unwrap_or(usize::MAX) > limit;
    let bytes = bytes.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
    if is_above(rows + 1, MOST_CALLS)
        || is_above(of_one + 1, MOST_CALLS_OF_ONE)
        || is_above(bytes, MOST_BYTES)
    {
        return Ok(Err(KeepError::Full));
    }
    books
        .connection
        .prepare_cached(
            "INSERT INTO kept_calls(namespace, name, uid, accepted_at, due_at, attempts, content) \
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6)",
        )?
        .execute(params![
            namespace,
            name,
            call.receiver_uid,
            rows::micros(call.accepted_at),
            rows::micros(call.due_at),
            call.content,
        ])?;
    Ok(Ok(id(books.connection.last_insert_rowid())))
}

pub(super) fn due(
    connection: &Connection,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<KeptCall>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, namespace, name, uid, content, accepted_at, attempts FROM kept_calls \
         WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map(params![rows::micros(now), limit], |row| {
        Ok(KeptCall {
            id: id(row.get(0)?),
            receiver: api::ObjectKey::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?),
            receiver_uid: row.get(3)?,
            content: row.get(4)?,
            accepted_at: rows::time(row.get(5)?),
            attempts: row.get(6)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn postpone(books: &Books<'_>, id: KeptCallId, until: Timestamp) -> Result<(), Fault> {
    books
        .connection
        .prepare_cached("UPDATE kept_calls SET due_at = ?2, attempts = attempts + 1 WHERE id = ?1")?
        .execute([row(id), rows::micros(until)])?;
    Ok(())
}

pub(super) fn forget(books: &Books<'_>, id: KeptCallId) -> Result<(), Fault> {
    books
        .connection
        .prepare_cached("DELETE FROM kept_calls WHERE id = ?1")?
        .execute([row(id)])?;
    Ok(())
}

fn id(row: i64) -> KeptCallId {
    KeptCallId(u64::try_from(row).unwrap_or_default())
}

fn row(id: KeptCallId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}
