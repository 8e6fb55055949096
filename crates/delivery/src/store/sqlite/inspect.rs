//! What people see and change: lists, counts, single events; replay and drop.

use api::ObjectKey;
use domain::Position;
use domain::delivery::{Content, DeliveryId, DeliveryState};
use domain::plan::Dispositions;
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::store::{DeliveryFilter, DeliveryView, EventView, LastAttempt, StoreError, SummaryRow};

use super::outbox::{self, Leases};
use super::writer::Context;
use super::{journal, names, row};

/// What is shown of a message.
const LONGEST_MESSAGE: usize = 200;

const COLUMNS: &str = "deliveries.id, state, provider.namespace, provider.name, alert.namespace,
  alert.name, accepted_at, due_at, attempts, last_at, last_class, last_status, last_detail,
  settled_at, content, body
  FROM deliveries
  JOIN names AS provider ON provider.id = deliveries.provider
  JOIN names AS alert ON alert.id = deliveries.alert
  LEFT JOIN events ON events.position = deliveries.id >> 16";

/// Conditions of a filter, and their values.
struct Condition {
    sql: String,
    values: Vec<Value>,
}

impl Condition {
    /// `None` if the filter names something that the store has never heard of.
    fn new(connection: &Connection, filter: &DeliveryFilter) -> rusqlite::Result<Option<Self>> {
        let mut condition = Self {
            sql: "1".to_owned(),
            values: Vec::new(),
        };
        let states = filter.states.iter().map(|state| row::state_number(*state));
        condition.one_of("state", states);
        condition.one_of(
            "deliveries.id",
            filter.ids.iter().map(|id| row::id_number(*id)),
        );
        for (column, key) in [("provider", &filter.provider), ("alert", &filter.alert)] {
            if let Some(key) = key {
                let Some(number) = names::find(connection, key)? else {
                    return Ok(None);
                };
                condition.one_of(&format!("deliveries.{column}"), [number].into_iter());
            }
        }
        Ok(Some(condition))
    }

    fn one_of(&mut self, column: &str, values: impl ExactSizeIterator<Item = i64>) {
        if values.len() > 0 {
            let marks = vec!["?"; values.len()].join(",");
            self.sql.push_str(&format!(" AND {column} IN ({marks})"));
            self.values.extend(values.map(Value::Integer));
        }
    }

    fn and(&mut self, sql: &str, value: i64) {
        self.sql.push_str(sql);
        self.values.push(Value::Integer(value));
    }
}

pub(super) fn list(
    connection: &Connection,
    filter: &DeliveryFilter,
    before: Option<DeliveryId>,
    limit: usize,
) -> Result<Vec<DeliveryView>, StoreError> {
    let Some(mut condition) = Condition::new(connection, filter)? else {
        return Ok(Vec::new());
    };
    if let Some(before) = before {
        condition.and(" AND deliveries.id < ?", row::id_number(before));
    }
    let sql = format!(
        "SELECT {COLUMNS} WHERE {} ORDER BY deliveries.id DESC LIMIT {limit}",
        condition.sql
    );
    let mut statement = connection.prepare(&sql)?;
    let views = statement.query_map(params_from_iter(condition.values), view)?;
    Ok(views.collect::<rusqlite::Result<_>>()?)
}

fn view(found: &Row<'_>) -> rusqlite::Result<DeliveryView> {
    let state = row::state(found.get(1)?);
    let content = found.get_ref(14)?.as_bytes().unwrap_or_default();
    let content: Content = serde_json::from_slice(content).unwrap_or_default();
    let event = found.get_ref(15)?.as_bytes().ok().and_then(journal::decode);
    let event = event.as_ref().map(|event| event.event());
    let object = event.map(|event| {
        let object = &event.involved_object;
        format!("{}/{}/{}", object.kind, object.namespace, object.name)
    });
    let message = event
        .and_then(|event| event.message.lines().next())
        .unwrap_or_default();
    Ok(DeliveryView {
        id: row::id(found.get(0)?).to_string(),
        state,
        provider: ObjectKey::new(found.get::<_, String>(2)?, found.get::<_, String>(3)?),
        kind: content.kind,
        alert: ObjectKey::new(found.get::<_, String>(4)?, found.get::<_, String>(5)?),
        object: object.unwrap_or_default(),
        severity: event
            .map(|event| event.severity.clone())
            .unwrap_or_default(),
        reason: event.map(|event| event.reason.clone()).unwrap_or_default(),
        message: message.chars().take(LONGEST_MESSAGE).collect(),
        accepted_at: row::time(found.get(6)?),
        due_at: state.is_live().then_some(row::time(found.get(7)?)),
        attempts: found.get(8)?,
        last: LastAttempt {
            at: found.get::<_, Option<i64>>(9)?.map(row::time),
            class: found.get::<_, Option<i64>>(10)?.and_then(row::class),
            status: found.get(11)?,
            detail: found.get(12)?,
        },
        settled_at: found.get::<_, Option<i64>>(13)?.map(row::time),
    })
}

pub(super) fn summary(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<SummaryRow>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT namespace, name, state, count FROM (
           SELECT provider, state, count(*) AS count FROM deliveries GROUP BY provider, state)
         JOIN names ON names.id = provider ORDER BY namespace, name, state LIMIT ?1",
    )?;
    let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |found| {
        let key = ObjectKey::new(found.get::<_, String>(0)?, found.get::<_, String>(1)?);
        Ok((key, row::state(found.get(2)?), row::count(found.get(3)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn event(
    connection: &Connection,
    position: Position,
) -> Result<Option<EventView>, StoreError> {
    let number = row::position_number(position);
    let found = connection
        .prepare("SELECT received_at, body FROM events WHERE position = ?1")?
        .query_row([number], |found| {
            let event = found.get_ref(1)?.as_bytes().ok().and_then(journal::decode);
            Ok((
                row::time(found.get(0)?),
                event.map(|event| event.event().clone()),
            ))
        })
        .optional()?;
    let Some((received_at, event)) = found else {
        return Ok(None);
    };
    let dispositions: Option<Vec<u8>> = connection
        .prepare("SELECT body FROM dispositions WHERE position = ?1")?
        .query_row([number], |found| found.get(0))
        .optional()?;
    let dispositions = dispositions
        .and_then(|body| serde_json::from_slice::<Dispositions>(&body).ok())
        .unwrap_or_default();
    let (first, last) = row::ids_of(number);
    let sql = format!(
        "SELECT {COLUMNS} WHERE deliveries.id BETWEEN ?1 AND ?2 ORDER BY deliveries.id LIMIT 10000"
    );
    let deliveries = connection
        .prepare(&sql)?
        .query_map((first, last), view)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(EventView {
        position: position.0,
        received_at,
        planned: number <= journal::planned_number(connection)?,
        event,
        dispositions,
        deliveries,
    }))
}

/// Numbers, lanes and states of what a filter selects.
fn select(
    connection: &Connection,
    condition: Condition,
    limit: usize,
) -> rusqlite::Result<Vec<(i64, i64, i64)>> {
    let sql = format!(
        "SELECT id, lane, state FROM deliveries WHERE {} ORDER BY id LIMIT {limit}",
        condition.sql
    );
    connection
        .prepare(&sql)?
        .query_map(params_from_iter(condition.values), |found| {
            Ok((found.get(0)?, found.get(1)?, found.get(2)?))
        })?
        .collect()
}

pub(super) fn replay(
    context: &mut Context<'_>,
    filter: &DeliveryFilter,
    limit: usize,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let Some(mut condition) = Condition::new(context.connection, filter)? else {
        return Ok(0);
    };
    condition.and(" AND state >= ?", 2);
    if filter.states.is_empty() && filter.ids.is_empty() {
        // Nobody wants everything that arrived to arrive again.
        condition.and(
            " AND state != ?",
            row::state_number(DeliveryState::Delivered),
        );
    }
    let selected = select(context.connection, condition, limit)?;
    // Behind everything that is there, before everything that is to come.
    let (_, sequence) = row::ids_of(*context.last_position);
    for (id, lane, state) in &selected {
        let is_head = !outbox::lane_is_live(context.connection, *lane)?;
        context
            .connection
            .prepare_cached(
                "UPDATE deliveries SET state = 0, head = ?2, sequence = ?3, due_at = ?4,
                   promised_at = ?4, attempts = 0, settled_at = NULL WHERE id = ?1",
            )?
            .execute((id, is_head, sequence, row::time_number(now)))?;
        outbox::count_transition(context, *state, DeliveryState::Pending);
    }
    Ok(u64::try_from(selected.len()).unwrap_or(u64::MAX))
}

pub(super) fn drop_deliveries(
    context: &mut Context<'_>,
    leases: &Leases,
    filter: &DeliveryFilter,
    limit: usize,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let Some(mut condition) = Condition::new(context.connection, filter)? else {
        return Ok(0);
    };
    condition.and(" AND state < ?", 2);
    let mut dropped = 0;
    for (id, lane, state) in select(context.connection, condition, limit)? {
        if leases.holds(id, now) {
            continue;
        }
        context
            .connection
            .prepare_cached(
                "UPDATE deliveries SET state = ?2, head = 0, settled_at = ?3,
                   last_detail = 'dropped by hand' WHERE id = ?1",
            )?
            .execute((
                id,
                row::state_number(DeliveryState::Dropped),
                row::time_number(now),
            ))?;
        outbox::count_transition(context, state, DeliveryState::Dropped);
        outbox::next_head(context, lane, now)?;
        dropped += 1;
    }
    Ok(dropped)
}
