//! Removes settled history, a bounded amount at a time, the oldest first.

use jiff::{SignedDuration, Timestamp};
use rusqlite::OptionalExtension;

use crate::store::{Retention, StoreError};

use super::writer::Context;
use super::{journal, outbox, row};

/// Events looked at per call.
const EVENTS: i64 = 500;

/// Pages given back to the file system per call.
const PAGES: i64 = 1000;

/// Names kept before unused ones are looked for.
const MOST_NAMES: i64 = 10_000;

pub(super) fn prune(
    context: &mut Context<'_>,
    retention: Retention,
    now: Timestamp,
) -> Result<bool, StoreError> {
    context.counters.measure(context.connection)?;
    let is_over = context.counters.backlog().bytes > retention.bytes;
    let age = SignedDuration::try_from(retention.age).unwrap_or(SignedDuration::MAX);
    let cutoff = now.checked_sub(age).map_or(i64::MIN, row::time_number);
    let planned = journal::planned_number(context.connection)?;
    let candidates: Vec<(i64, i64)> = context
        .connection
        .prepare_cached(
            "SELECT position, received_at FROM events
             WHERE position > ?1 AND position <= ?2 ORDER BY position LIMIT ?3",
        )?
        .query_map((*context.prune_cursor, planned, EVENTS), |found| {
            Ok((found.get(0)?, found.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut removed = 0;
    let mut has_reached_kept = candidates.len() < usize::try_from(EVENTS).unwrap_or(usize::MAX);
    for (position, received_at) in candidates {
        if received_at >= cutoff && !is_over {
            has_reached_kept = true;
            break;
        }
        *context.prune_cursor = position;
        removed += usize::from(remove(context, position)?);
    }
    if has_reached_kept {
        // The next round starts over, since what was live then may be settled now.
        *context.prune_cursor = 0;
        tidy(context)?;
    }
    // Its rows are the pages it gave back.
    let mut vacuum = context
        .connection
        .prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    let mut pages = vacuum.query([])?;
    while pages.next()?.is_some() {}
    Ok(!has_reached_kept || (is_over && removed > 0))
}

/// Removes an event and all that came of it, unless something of it is live.
fn remove(context: &mut Context<'_>, position: i64) -> Result<bool, StoreError> {
    let (first, last) = row::ids_of(position);
    let is_live = context
        .connection
        .prepare_cached(
            "SELECT 1 FROM deliveries WHERE id BETWEEN ?1 AND ?2 AND state < 2 LIMIT 1",
        )?
        .exists((first, last))?;
    if is_live {
        return Ok(false);
    }
    for (sql, from, to) in [
        (
            "DELETE FROM deliveries WHERE id BETWEEN ?1 AND ?2",
            first,
            last,
        ),
        (
            "DELETE FROM dispositions WHERE position BETWEEN ?1 AND ?2",
            position,
            position,
        ),
        (
            "DELETE FROM events WHERE position BETWEEN ?1 AND ?2",
            position,
            position,
        ),
    ] {
        context
            .connection
            .prepare_cached(sql)?
            .execute((from, to))?;
    }
    Ok(true)
}

/// What is done once per round.
fn tidy(context: &mut Context<'_>) -> Result<(), StoreError> {
    outbox::forget_facts(context.connection)?;
    let names: i64 = context
        .connection
        .query_row("SELECT count(*) FROM names", [], |found| found.get(0))?;
    if names > MOST_NAMES {
        context.connection.execute(
            "DELETE FROM names WHERE id NOT IN (SELECT provider FROM deliveries)
               AND id NOT IN (SELECT alert FROM deliveries)",
            [],
        )?;
        context.names.forget_all();
    }
    let planned = journal::planned_number(context.connection)?;
    let unplanned: Option<i64> = context
        .connection
        .prepare_cached(
            "SELECT received_at FROM events WHERE position > ?1 ORDER BY position LIMIT 1",
        )?
        .query_row([planned], |found| found.get(0))
        .optional()?;
    let live: Option<i64> = context
        .connection
        .prepare_cached(
            "SELECT accepted_at FROM deliveries WHERE id =
               (SELECT min(id) FROM deliveries INDEXED BY heads WHERE head = 1)",
        )?
        .query_row([], |found| found.get(0))
        .optional()?;
    let oldest = match (unplanned, live) {
        (Some(unplanned), Some(live)) => Some(unplanned.min(live)),
        (one, other) => one.or(other),
    };
    context.counters.set_oldest(oldest);
    Ok(())
}
