//! The outbox as the writer changes it: plans come in, claims are settled, heads are hastened.

use api::ObjectKey;
use domain::delivery::{Delivery, DeliveryId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::fault::Fault;
use super::ledger::Books;
use super::memory;
use super::rows::{self, PENDING};
use crate::store::{PlannedEvent, Settlement};

pub(super) fn commit(
    books: &mut Books<'_>,
    plans: &[PlannedEvent],
) -> Result<Vec<ObjectKey>, Fault> {
    let mut due = Vec::new();
    for plan in plans {
        let position = rows::position_number(plan.position);
        // Planned before a crash of the planner, or by a repeated call.
        if position <= books.counts.planned {
            continue;
        }
        check_order(books, position)?;
        for delivery in &plan.deliveries {
            if delivery.id.position != plan.position {
                return Err(Fault::Refused(format!(
                    "the plan of event {} holds the delivery {}",
                    plan.position.0, delivery.id
                )));
            }
            if insert(books, delivery)? && !due.contains(&delivery.provider) {
                due.push(delivery.provider.clone());
            }
        }
        if plan.dispositions != domain::plan::Dispositions::default() {
            books
                .connection
                .prepare_cached("INSERT INTO dispositions VALUES (?1, ?2)")?
                .execute(params![position, serde_json::to_vec(&plan.dispositions)?])?;
        }
        books.counts.planned = position;
        books.counts.unplanned -= 1;
    }
    Ok(due)
}

fn check_order(books: &Books<'_>, position: i64) -> Result<(), Fault> {
    if position == books.counts.planned + 1 && position <= books.counts.last {
        return Ok(());
    }
    let next: Option<i64> = books
        .connection
        .prepare_cached(
            "SELECT position FROM events WHERE position > ?1 ORDER BY position LIMIT 1",
        )?
        .query_row([books.counts.planned], |row| row.get(0))
        .optional()?;
    if next == Some(position) {
        return Ok(());
    }
    let planned = books.counts.planned;
    Err(Fault::Refused(match next {
        Some(next) => {
            format!("events are planned up to {planned}, the next one is {next}, not {position}")
        }
        None => format!("events are planned up to {planned}, there is no event {position}"),
    }))
}

/// Inserts a delivery; whether it is the head of its lane.
fn insert(books: &mut Books<'_>, delivery: &Delivery) -> Result<bool, Fault> {
    let provider = books.name(&delivery.provider)?;
    let alert = books.name(&delivery.alert)?;
    let row = rows::row_id(delivery.id);
    let lane = rows::digest_number(delivery.lane.0);
    let end = end_of_lane(books.connection, lane)?;
    let accepted_at = rows::micros(delivery.accepted_at);
    books
        .connection
        .prepare_cached(
            "INSERT INTO deliveries(id, lane, seq, provider, alert, state, head, replayed, \
             attempts, accepted_at, promised_at, due_at, supersede_key, last_detail) \
             VALUES (:id, :lane, :seq, :provider, :alert, 0, :head, 0, 0, :accepted, :accepted, :accepted, \
             :supersede, '')",
        )?
        .execute(named_params! {
            ":id": row,
            ":lane": lane,
            // Behind what was replayed into the lane.
            ":seq": row.max(end.next),
            ":provider": provider,
            ":alert": alert,
            ":head": !end.is_live,
            ":accepted": accepted_at,
            ":supersede": delivery.supersede_key.map(|key| rows::digest_number(key.0)),
        })?;
    books
        .connection
        .prepare_cached("INSERT INTO contents VALUES (?1, ?2)")?
        .execute(params![row, serde_json::to_vec(&delivery.content)?])?;
    books.uses(provider, alert, 1);
    books.enter(row, provider, PENDING, accepted_at);
    Ok(!end.is_live)
}

/// Where a lane ends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EndOfLane {
    /// First free sequence number.
    pub(super) next: i64,
    /// Whether the last delivery is live, which is so if any is.
    pub(super) is_live: bool,
}

pub(super) fn end_of_lane(connection: &Connection, lane: i64) -> Result<EndOfLane, Fault> {
    let end = connection
        .prepare_cached(
            "SELECT seq + 1, state < 2 FROM deliveries INDEXED BY lanes WHERE lane = ?1 \
             ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([lane], |row| {
            Ok(EndOfLane {
                next: row.get(0)?,
                is_live: row.get(1)?,
            })
        })
        .optional()?;
    Ok(end.unwrap_or_default())
}

/// The part of a row that changing its state needs.
pub(super) struct Standing {
    pub(super) lane: i64,
    pub(super) seq: i64,
    pub(super) provider: i64,
    pub(super) state: i64,
    pub(super) is_head: bool,
    pub(super) attempts: i64,
    pub(super) accepted_at: i64,
}

impl Standing {
    pub(super) fn read(connection: &Connection, row: i64) -> Result<Option<Self>, Fault> {
        let standing = connection
            .prepare_cached(
                "SELECT lane, provider, state, head, attempts, accepted_at, seq FROM deliveries \
                 WHERE id = ?1",
            )?
            .query_row([row], |row| {
                Ok(Self {
                    lane: row.get(0)?,
                    provider: row.get(1)?,
                    state: row.get(2)?,
                    is_head: row.get(3)?,
                    attempts: row.get(4)?,
                    accepted_at: row.get(5)?,
                    seq: row.get(6)?,
                })
            })
            .optional()?;
        Ok(standing)
    }
}

pub(super) fn settle(
    books: &mut Books<'_>,
    id: DeliveryId,
    lane: i64,
    attempts_when_claimed: u32,
    settlement: &Settlement,
) -> Result<Option<Timestamp>, Fault> {
    let row = rows::row_id(id);
    let is_out = books.leases.lock().until(row).is_some();
    let Some(standing) = Standing::read(books.connection, row)? else {
        return head_due(books.connection, lane);
    };
    // Another claim of it was settled meanwhile, or it was dropped.
    if !is_out
        || !standing.is_head
        || !rows::is_live(standing.state)
        || standing.attempts != i64::from(attempts_when_claimed)
    {
        return head_due(books.connection, lane);
    }
    let state = rows::state_number(settlement.state);
    let is_live = rows::is_live(state);
    let now = rows::micros(settlement.now);
    let due_at = is_live.then(|| settlement.due_at.map_or(now, rows::micros));
    let last = &settlement.last;
    books
        .connection
        .prepare_cached(
            "UPDATE deliveries SET state = :state, head = :head, attempts = :attempts, \
             due_at = :due, settled_at = :settled, last_at = :at, last_class = :class, \
             last_status = :status, last_detail = :detail WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": row,
            ":state": state,
            ":head": is_live,
            ":attempts": standing.attempts + i64::from(settlement.attempted),
            ":due": due_at,
            ":settled": (!is_live).then_some(now),
            ":at": last.at.map(rows::micros),
            ":class": last.class.map(rows::class_number),
            ":status": last.status,
            ":detail": last.detail,
        })?;
    books.leave(row, standing.provider, standing.state);
    books.enter(row, standing.provider, state, standing.accepted_at);
    books.release(row);
    for fact in &settlement.remember {
        memory::remember(books, fact, now)?;
    }
    if is_live {
        return Ok(due_at.map(rows::time));
    }
    let is_any = promote(books.connection, standing.lane, standing.seq, now)?;
    Ok(is_any.then(|| rows::time(now)))
}

/// Makes the live delivery behind a former head the head of its lane, due at once; whether there is
/// one.
pub(super) fn promote(
    connection: &Connection,
    lane: i64,
    former: i64,
    now: i64,
) -> Result<bool, Fault> {
    let next: Option<i64> = connection
        .prepare_cached(
            "SELECT id FROM deliveries INDEXED BY lanes \
             WHERE lane = ?1 AND seq > ?2 AND state < 2 ORDER BY seq LIMIT 1",
        )?
        .query_row([lane, former], |row| row.get(0))
        .optional()?;
    let Some(next) = next else {
        return Ok(false);
    };
    connection
        .prepare_cached("UPDATE deliveries SET head = 1, due_at = ?2 WHERE id = ?1")?
        .execute([next, now])?;
    Ok(true)
}

/// When the head of a lane is due that may be anywhere in it; this looks at all that is kept of the
/// lane, which is why settling a head does without.
fn head_due(connection: &Connection, lane: i64) -> Result<Option<Timestamp>, Fault> {
    let due: Option<i64> = connection
        .prepare_cached(
            "SELECT due_at FROM deliveries INDEXED BY lanes WHERE lane = ?1 AND state < 2 \
             ORDER BY seq LIMIT 1",
        )?
        .query_row([lane], |row| row.get(0))
        .optional()?;
    Ok(due.map(rows::time))
}

/// Heads that one transaction hastens at most.
pub(super) const HASTEN: usize = 1000;

/// Makes some heads of a Provider due: how many, and whether there is any head.
pub(super) fn hasten(
    books: &mut Books<'_>,
    provider: &ObjectKey,
    parked_only: bool,
    now: i64,
) -> Result<(usize, bool), Fault> {
    let state = if parked_only { "AND state = 1" } else { "" };
    let id = "(SELECT id FROM names WHERE namespace = ?1 AND name = ?2)";
    let heads =
        format!("FROM deliveries INDEXED BY heads WHERE head = 1 AND provider = {id} {state}");
    let changed = books
        .connection
        .prepare_cached(&format!(
            "UPDATE deliveries SET due_at = ?3 WHERE id IN \
             (SELECT id {heads} AND due_at > ?3 LIMIT ?4)"
        ))?
        .execute(params![
            provider.namespace,
            provider.name,
            now,
            i64::try_from(HASTEN).unwrap_or(i64::MAX)
        ])?;
    let is_any = books
        .connection
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 {heads})"))?
        .query_row(params![provider.namespace, provider.name], |row| row.get(0))?;
    Ok((changed, is_any))
}
