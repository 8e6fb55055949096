//! What people see: deliveries, events, counts.

use std::sync::Arc;

use api::ObjectKey;
use domain::CleanEvent;
use domain::delivery::{Content, Position};
use domain::plan::Dispositions;
use rusqlite::{Connection, OptionalExtension, Row};

use super::fault::Fault;
use super::rows::{self, ORDINAL_BITS};
use crate::store::{DeliveryView, EventView, LastAttempt, SummaryRow};

/// Characters of a message that a view shows.
const MESSAGE: usize = 200;

/// Views of deliveries, in the order of the rows; those that are gone meanwhile are left out.
pub(super) fn views(connection: &Connection, rows: &[i64]) -> Result<Vec<DeliveryView>, Fault> {
    let mut event: Option<(i64, Option<Arc<CleanEvent>>)> = None;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let position = row >> ORDINAL_BITS;
        let current = match &event {
            Some((known, current)) if *known == position => current.clone(),
            _ => body(connection, position)?,
        };
        views.extend(view(connection, *row, current.as_deref())?);
        event = Some((position, current));
    }
    Ok(views)
}

fn body(connection: &Connection, position: i64) -> Result<Option<Arc<CleanEvent>>, Fault> {
    let event = connection
        .prepare_cached("SELECT body FROM bodies WHERE position = ?1")?
        .query_row([position], |row| {
            Ok(row.get_ref(0)?.as_bytes().ok().and_then(rows::event))
        })
        .optional()?
        .flatten();
    Ok(event)
}

fn view(
    connection: &Connection,
    row: i64,
    event: Option<&CleanEvent>,
) -> Result<Option<DeliveryView>, Fault> {
    let view = connection
        .prepare_cached(
            "SELECT d.state, p.namespace, p.name, a.namespace, a.name, c.content, d.accepted_at, \
             d.due_at, d.attempts, d.last_at, d.last_class, d.last_status, d.last_detail, \
             d.settled_at FROM deliveries d JOIN names p ON p.id = d.provider \
             JOIN names a ON a.id = d.alert LEFT JOIN contents c ON c.id = d.id \
             WHERE d.id = ?1",
        )?
        .query_row([row], |found| read_view(row, found, event))
        .optional()?;
    Ok(view)
}

fn read_view(
    row: i64,
    found: &Row<'_>,
    event: Option<&CleanEvent>,
) -> Result<DeliveryView, rusqlite::Error> {
    let content: Content = found
        .get_ref(5)?
        .as_bytes()
        .ok()
        .and_then(|content| serde_json::from_slice(content).ok())
        .unwrap_or_default();
    let time = |index: usize| -> Result<_, rusqlite::Error> {
        Ok(found.get::<_, Option<i64>>(index)?.map(rows::time))
    };
    let event = event.map(CleanEvent::event);
    let text = |part: fn(&api::Event) -> String| event.map(part).unwrap_or_default();
    let state: i64 = found.get(0)?;
    Ok(DeliveryView {
        id: rows::delivery_id(row).to_string(),
        state: rows::state(state),
        provider: ObjectKey::new(found.get::<_, String>(1)?, found.get::<_, String>(2)?),
        kind: content.kind,
        alert: ObjectKey::new(found.get::<_, String>(3)?, found.get::<_, String>(4)?),
        object: text(|event| {
            let object = &event.involved_object;
            format!("{}/{}/{}", object.kind, object.namespace, object.name)
        }),
        severity: text(|event| event.severity.clone()),
        reason: text(|event| event.reason.clone()),
        message: text(|event| first_line(&event.message)),
        accepted_at: rows::time(found.get(6)?),
        due_at: if rows::is_live(state) { time(7)? } else { None },
        attempts: u32::try_from(found.get::<_, i64>(8)?).unwrap_or(u32::MAX),
        last: LastAttempt {
            at: time(9)?,
            class: found.get::<_, Option<i64>>(10)?.and_then(rows::class),
            status: found
                .get::<_, Option<i64>>(11)?
                .and_then(|status| u16::try_from(status).ok()),
            detail: found.get(12)?,
        },
        settled_at: time(13)?,
    })
}

fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.chars().take(MESSAGE).collect()
}

pub(super) fn summary(connection: &Connection, limit: usize) -> Result<Vec<SummaryRow>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT n.namespace, n.name, t.state, t.deliveries FROM tallies t \
         JOIN names n ON n.id = t.provider WHERE t.deliveries > 0 \
         ORDER BY n.namespace, n.name, t.state LIMIT ?1",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map([limit], |row| {
        Ok((
            ObjectKey::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?),
            rows::state(row.get(2)?),
            u64::try_from(row.get::<_, i64>(3)?).unwrap_or_default(),
        ))
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn event(
    connection: &Connection,
    position: Position,
) -> Result<Option<EventView>, Fault> {
    let number = rows::position_number(position);
    let received_at = connection
        .prepare_cached("SELECT received_at FROM events WHERE position = ?1")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    let Some(received_at) = received_at else {
        return Ok(None);
    };
    let planned: i64 = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'planned'")?
        .query_row([], |row| row.get(0))?;
    let dispositions: Option<Dispositions> = connection
        .prepare_cached("SELECT body FROM dispositions WHERE position = ?1")?
        .query_row([number], |row| {
            let body = row.get_ref(0)?.as_bytes().ok();
            Ok(body.and_then(|body| serde_json::from_slice(body).ok()))
        })
        .optional()?
        .flatten();
    let rows = connection
        .prepare_cached("SELECT id FROM deliveries WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?
        .query_map([rows::first_row(number), rows::last_row(number)], |row| {
            row.get(0)
        })?
        .collect::<Result<Vec<i64>, _>>()?;
    Ok(Some(EventView {
        position: position.0,
        received_at: rows::time(received_at),
        planned: number <= planned,
        event: body(connection, number)?.map(|event| event.event().clone()),
        dispositions: dispositions.unwrap_or_default(),
        deliveries: views(connection, &rows)?,
    }))
}
