//! Deliveries: stored with their plan, claimed head by head, settled exactly once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use api::ObjectKey;
use domain::CleanEvent;
use domain::delivery::{Content, Delivery, DeliveryId, DeliveryState, Lane, SupersedeKey};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::store::{Claimed, Claims, PlannedEvent, Settlement, StoreError};

use super::names;
use super::writer::Context;
use super::{journal, row};

/// Facts that are remembered at most; the ones used longest ago go.
const MOST_FACTS: i64 = 100_000;

/// Who has what, until when.
#[derive(Default)]
pub(super) struct Leases(Mutex<HashMap<i64, Timestamp>>);

impl Leases {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self, id: DeliveryId) {
        self.all().remove(&row::id_number(id));
    }

    pub(super) fn holds(&self, id: i64, now: Timestamp) -> bool {
        self.all().get(&id).is_some_and(|until| *until > now)
    }
}

pub(super) fn commit(
    context: &mut Context<'_>,
    plans: &[PlannedEvent],
) -> Result<Vec<ObjectKey>, StoreError> {
    let mut planned = journal::planned_number(context.connection)?;
    let mut due = BTreeSet::new();
    for plan in plans {
        let position = row::position_number(plan.position);
        // Stored by an earlier commit whose answer was lost.
        if position <= planned {
            continue;
        }
        planned = position;
        context.delta.unplanned -= 1;
        for delivery in &plan.deliveries {
            if insert(context, delivery)? && !due.contains(&delivery.provider) {
                due.insert(delivery.provider.clone());
            }
        }
        if !plan.dispositions.counts.is_empty() {
            let body = serde_json::to_vec(&plan.dispositions)
                .map_err(|error| StoreError::Failed(error.to_string()))?;
            context
                .connection
                .prepare_cached("INSERT OR REPLACE INTO dispositions VALUES (?1, ?2)")?
                .execute((position, body))?;
        }
    }
    context
        .connection
        .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'planned_up_to'")?
        .execute([planned])?;
    Ok(due.into_iter().collect())
}

/// Stores a delivery; answers whether it is its lane's head.
fn insert(context: &mut Context<'_>, delivery: &Delivery) -> Result<bool, StoreError> {
    let provider = context
        .names
        .number(context.connection, &delivery.provider)?;
    let alert = context.names.number(context.connection, &delivery.alert)?;
    let lane = row::hash_number(delivery.lane.0);
    let content = serde_json::to_vec(&delivery.content)
        .map_err(|error| StoreError::Failed(error.to_string()))?;
    let is_head = !lane_is_live(context.connection, lane)?;
    let accepted_at = row::time_number(delivery.accepted_at);
    context
        .connection
        .prepare_cached(
            "INSERT INTO deliveries (id, sequence, lane, provider, alert, state, head, due_at,
               attempts, accepted_at, promised_at, supersede_key, content)
             VALUES (?1, ?1, ?2, ?3, ?4, 0, ?5, ?6, 0, ?6, ?6, ?7, ?8)",
        )?
        .execute((
            row::id_number(delivery.id),
            lane,
            provider,
            alert,
            is_head,
            accepted_at,
            delivery.supersede_key.map(|key| row::hash_number(key.0)),
            content,
        ))?;
    context.delta.live += 1;
    Ok(is_head)
}

pub(super) fn lane_is_live(connection: &Connection, lane: i64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM deliveries WHERE lane = ?1 AND state < 2 LIMIT 1")?
        .exists([lane])
}

pub(super) fn due(
    connection: &Connection,
    leases: &Leases,
) -> Result<Vec<(ObjectKey, Timestamp)>, StoreError> {
    let mut statement = connection.prepare(
        "WITH RECURSIVE providers (id) AS (
           SELECT min(provider) FROM deliveries INDEXED BY heads WHERE head = 1
           UNION ALL
           SELECT (SELECT min(provider) FROM deliveries INDEXED BY heads
                   WHERE head = 1 AND provider > providers.id)
           FROM providers WHERE providers.id IS NOT NULL
         )
         SELECT providers.id, names.namespace, names.name
         FROM providers JOIN names ON names.id = providers.id",
    )?;
    let mut heads = connection.prepare(
        "SELECT id, due_at FROM deliveries INDEXED BY heads
         WHERE head = 1 AND provider = ?1 ORDER BY due_at, id",
    )?;
    let providers = statement
        .query_map([], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                ObjectKey::new(row.get::<_, String>(1)?, row.get::<_, String>(2)?),
            ))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let leased = leases.all().clone();
    let mut due = Vec::new();
    for (id, provider) in providers {
        let mut rows = heads.query([id])?;
        while let Some(head) = rows.next()? {
            if !leased.contains_key(&head.get::<_, i64>(0)?) {
                due.push((provider, row::time(head.get(1)?)));
                break;
            }
        }
    }
    Ok(due)
}

pub(super) fn claim(
    connection: &Connection,
    leases: &Leases,
    provider: &ObjectKey,
    now: Timestamp,
    limit: usize,
    lease_until: Timestamp,
) -> Result<Claims, StoreError> {
    let Some(number) = names::find(connection, provider)? else {
        return Ok(Claims::default());
    };
    // Taken before the read begins: a lease that is gone by then means that what it settled is seen.
    let leased = leases.all().clone();
    let mut statement = connection.prepare_cached(
        "SELECT id, due_at FROM deliveries INDEXED BY heads
         WHERE head = 1 AND provider = ?1 ORDER BY due_at, id",
    )?;
    let mut rows = statement.query([number])?;
    let (mut ids, mut next_due) = (Vec::new(), None);
    while let Some(head) = rows.next()? {
        let (id, due_at) = (head.get::<_, i64>(0)?, row::time(head.get(1)?));
        // Leases are judged by the wall clock, not by the probing time of a claim.
        if leased
            .get(&id)
            .is_some_and(|until| *until > now.min(lease_until))
        {
            continue;
        }
        if due_at > now || ids.len() >= limit {
            next_due = Some(due_at);
            break;
        }
        ids.push(id);
    }
    drop(rows);
    let mut events = HashMap::new();
    let mut claimed = Vec::with_capacity(ids.len());
    for id in &ids {
        claimed.extend(read_claimed(connection, *id, provider, &mut events)?);
    }
    leases
        .all()
        .extend(ids.into_iter().map(|id| (id, lease_until)));
    Ok(Claims { claimed, next_due })
}

fn read_claimed(
    connection: &Connection,
    id: i64,
    provider: &ObjectKey,
    events: &mut HashMap<i64, Option<Arc<CleanEvent>>>,
) -> Result<Option<Claimed>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT deliveries.id, lane, namespace, name, promised_at, supersede_key, content,
               attempts, sequence
             FROM deliveries JOIN names ON names.id = deliveries.alert WHERE deliveries.id = ?1",
        )?
        .query_row([id], |found| {
            Ok((
                delivery(found, provider)?,
                found.get::<_, u32>(7)?,
                found.get::<_, i64>(8)?,
            ))
        })
        .optional()?;
    let Some((delivery, attempts, sequence)) = found else {
        return Ok(None);
    };
    let position = row::position_number(delivery.id.position);
    let event = match events.get(&position) {
        Some(event) => event.clone(),
        None => {
            let event = read_event(connection, position)?;
            events.insert(position, event.clone());
            event
        }
    };
    let is_superseded = match delivery.supersede_key {
        None => false,
        Some(key) => is_superseded(connection, id, sequence, delivery.lane, key)?,
    };
    Ok(Some(Claimed {
        delivery,
        event,
        attempts,
        is_superseded,
    }))
}

fn delivery(found: &Row<'_>, provider: &ObjectKey) -> rusqlite::Result<Delivery> {
    let content = found.get_ref(6)?.as_bytes().unwrap_or_default();
    // Content that cannot be read is as good as none: the attempt finds out what it needs.
    let content: Content = serde_json::from_slice(content).unwrap_or_default();
    let number = |index| -> rusqlite::Result<u64> {
        Ok(u64::try_from(found.get::<_, i64>(index)?).unwrap_or(0))
    };
    let supersede_key = match found.get::<_, Option<i64>>(5)? {
        None => None,
        Some(_) => Some(SupersedeKey(number(5)?)),
    };
    Ok(Delivery {
        id: row::id(found.get(0)?),
        lane: Lane(number(1)?),
        provider: provider.clone(),
        alert: ObjectKey::new(found.get::<_, String>(2)?, found.get::<_, String>(3)?),
        accepted_at: row::time(found.get(4)?),
        supersede_key,
        content,
    })
}

fn read_event(connection: &Connection, position: i64) -> rusqlite::Result<Option<Arc<CleanEvent>>> {
    let event = connection
        .prepare_cached("SELECT body FROM events WHERE position = ?1")?
        .query_row([position], |found| {
            Ok(found.get_ref(0)?.as_bytes().ok().and_then(journal::decode))
        })
        .optional()?;
    Ok(event.flatten())
}

fn is_superseded(
    connection: &Connection,
    id: i64,
    sequence: i64,
    lane: Lane,
    key: SupersedeKey,
) -> rusqlite::Result<bool> {
    let (lane, key) = (row::hash_number(lane.0), row::hash_number(key.0));
    let waits = connection
        .prepare_cached(
            "SELECT 1 FROM deliveries INDEXED BY lanes
             WHERE lane = ?1 AND state < 2 AND supersede_key = ?2
               AND (sequence, id) > (?3, ?4) LIMIT 1",
        )?
        .exists((lane, key, sequence, id))?;
    if waits || sequence == id {
        return Ok(waits);
    }
    // A replayed one must not overwrite what was delivered since.
    connection
        .prepare_cached(
            "SELECT 1 FROM deliveries
             WHERE id > ?1 AND lane = ?2 AND supersede_key = ?3 AND state = 2 LIMIT 1",
        )?
        .exists((id, lane, key))
}

pub(super) fn settle(
    context: &mut Context<'_>,
    id: DeliveryId,
    settlement: &Settlement,
) -> Result<Option<Timestamp>, StoreError> {
    let number = row::id_number(id);
    let found = context
        .connection
        .prepare_cached("SELECT state, lane, head FROM deliveries WHERE id = ?1")?
        .query_row([number], |found| {
            Ok((
                found.get::<_, i64>(0)?,
                found.get::<_, i64>(1)?,
                found.get::<_, bool>(2)?,
            ))
        })
        .optional()?;
    let Some((state, lane, is_head)) = found.filter(|(state, ..)| row::state(*state).is_live())
    else {
        return Ok(None);
    };
    for fact in &settlement.remember {
        context
            .connection
            .prepare_cached("INSERT OR REPLACE INTO memory VALUES (?1, ?2, ?3)")?
            .execute((&fact.key, &fact.value, row::time_number(settlement.now)))?;
    }
    let is_live = settlement.state.is_live();
    let due_at = settlement.due_at.unwrap_or(settlement.now);
    let last = &settlement.last;
    context
        .connection
        .prepare_cached(
            "UPDATE deliveries SET state = ?2, head = ?3, due_at = ?4, attempts = attempts + ?5,
               settled_at = ?6, last_at = ?7, last_class = ?8, last_status = ?9, last_detail = ?10
             WHERE id = ?1",
        )?
        .execute((
            number,
            row::state_number(settlement.state),
            is_live && is_head,
            row::time_number(due_at),
            settlement.attempted,
            (!is_live).then(|| row::time_number(settlement.now)),
            last.at.map(row::time_number),
            last.class.map(row::class_number),
            last.status,
            &last.detail,
        ))?;
    count_transition(context, state, settlement.state);
    if is_live {
        return Ok(is_head.then_some(due_at));
    }
    next_head(context, lane, settlement.now)
}

pub(super) fn count_transition(context: &mut Context<'_>, from: i64, to: DeliveryState) {
    let from = row::state(from);
    let parked = |state| i64::from(state == DeliveryState::Parked);
    context.delta.parked += parked(to) - parked(from);
    context.delta.live += i64::from(to.is_live()) - i64::from(from.is_live());
}

/// Marks the first live delivery of a lane as its head, due now.
pub(super) fn next_head(
    context: &mut Context<'_>,
    lane: i64,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let next = context
        .connection
        .prepare_cached(
            "SELECT id, head, due_at FROM deliveries INDEXED BY lanes
             WHERE lane = ?1 AND state < 2 ORDER BY sequence, id LIMIT 1",
        )?
        .query_row([lane], |found| {
            Ok((
                found.get::<_, i64>(0)?,
                found.get::<_, bool>(1)?,
                found.get::<_, i64>(2)?,
            ))
        })
        .optional()?;
    match next {
        None => Ok(None),
        Some((_, true, due_at)) => Ok(Some(row::time(due_at))),
        Some((id, false, _)) => {
            context
                .connection
                .prepare_cached("UPDATE deliveries SET head = 1, due_at = ?2 WHERE id = ?1")?
                .execute((id, row::time_number(now)))?;
            Ok(Some(now))
        }
    }
}

pub(super) fn hasten(
    context: &mut Context<'_>,
    provider: &ObjectKey,
    parked_only: bool,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let Some(provider) = names::find(context.connection, provider)? else {
        return Ok(0);
    };
    let hastened = context
        .connection
        .prepare_cached(
            "UPDATE deliveries SET due_at = ?2 WHERE id IN (
               SELECT id FROM deliveries INDEXED BY heads
               WHERE head = 1 AND provider = ?1 AND due_at > ?2 AND (state = 1 OR NOT ?3)
               ORDER BY due_at DESC LIMIT ?4)",
        )?
        .execute((
            provider,
            row::time_number(now),
            parked_only,
            i64::try_from(limit).unwrap_or(i64::MAX),
        ))?;
    Ok(hastened)
}

pub(super) fn recall(connection: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT value FROM memory WHERE key = ?1")?
        .query_row([key], |found| found.get(0))
        .optional()?)
}

/// Forgets the facts used longest ago, beyond what is kept.
pub(super) fn forget_facts(connection: &Connection) -> rusqlite::Result<()> {
    let facts: i64 = connection.query_row("SELECT count(*) FROM memory", [], |row| row.get(0))?;
    if facts > MOST_FACTS {
        connection.execute(
            "DELETE FROM memory WHERE key IN (SELECT key FROM memory ORDER BY used_at LIMIT ?1)",
            [facts - MOST_FACTS + MOST_FACTS / 10],
        )?;
    }
    Ok(())
}
