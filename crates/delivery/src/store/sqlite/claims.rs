//! Handing out deliveries: reads only, since leases live in memory.

use std::sync::Arc;

use api::ObjectKey;
use domain::CleanEvent;
use domain::delivery::{Content, Delivery, Lane, SupersedeKey};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::fault::Fault;
use super::fresh::{Fresh, Planned};
use super::leases::{Held, Leases};
use super::rows::{self, ORDINAL_BITS};
use crate::store::{Claimed, Claims};

/// Providers that [`due`] reports at most; more have to wait for the first ones.
const MOST_PROVIDERS: usize = 100_000;

pub(super) fn claim(
    connection: &Connection,
    leases: &Leases,
    fresh: &Fresh,
    provider: &ObjectKey,
    now: Timestamp,
    limit: usize,
    lease_until: Timestamp,
) -> Result<Claims, Fault> {
    // Before the first look at the database, see `Leases`.
    let mut held = leases.lock();
    let Some(provider_number) = number_of(connection, provider)? else {
        return Ok(Claims::default());
    };
    let (taken, next_due) = take(
        connection,
        &mut held,
        provider_number,
        rows::micros(now),
        limit,
        rows::micros(lease_until),
    )?;
    drop(held);
    let mut loaded = Vec::with_capacity(taken.len());
    let mut loader = Loader::new(connection, fresh, provider);
    for row in &taken {
        match loader.load(*row) {
            Ok(claimed) => loaded.extend(claimed),
            Err(fault) => {
                give_back(leases, taken);
                return Err(fault);
            }
        }
    }
    Ok(Claims {
        claimed: loaded,
        next_due: next_due.map(rows::time),
    })
}

/// Ends leases that nobody took.
pub(super) fn give_back(leases: &Leases, taken: impl IntoIterator<Item = i64>) {
    let mut held = leases.lock();
    for row in taken {
        held.release(row);
    }
}

fn number_of(connection: &Connection, name: &ObjectKey) -> Result<Option<i64>, Fault> {
    let number = connection
        .prepare_cached("SELECT id FROM names WHERE namespace = ?1 AND name = ?2")?
        .query_row([&name.namespace, &name.name], |row| row.get(0))
        .optional()?;
    Ok(number)
}

/// Leases due heads; their rows, and when the next head is due.
fn take(
    connection: &Connection,
    held: &mut Held,
    provider: i64,
    now: i64,
    limit: usize,
    lease_until: i64,
) -> Result<(Vec<i64>, Option<i64>), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, due_at FROM deliveries INDEXED BY heads WHERE head = 1 AND provider = ?1 \
         ORDER BY due_at",
    )?;
    let mut heads = statement.query([provider])?;
    let mut taken = Vec::new();
    let mut next_due = None;
    while let Some(head) = heads.next()? {
        let (row, due_at): (i64, i64) = (head.get(0)?, head.get(1)?);
        if held.is_held(row, now) {
            continue;
        }
        if due_at > now || taken.len() >= limit {
            next_due = Some(due_at);
            break;
        }
        taken.push(row);
    }
    for row in &taken {
        held.hold(*row, lease_until);
    }
    Ok((taken, next_due))
}

/// Loads claims; deliveries of the same event share it.
struct Loader<'reader> {
    connection: &'reader Connection,
    fresh: &'reader Fresh,
    provider: &'reader ObjectKey,
    event: Option<(i64, Option<Arc<CleanEvent>>)>,
}

/// A row as it is stored.
struct Stored {
    lane: i64,
    attempts: i64,
    promised_at: i64,
    supersede_key: Option<i64>,
    replayed: bool,
    alert: ObjectKey,
    content: Option<Content>,
}

impl<'reader> Loader<'reader> {
    fn new(
        connection: &'reader Connection,
        fresh: &'reader Fresh,
        provider: &'reader ObjectKey,
    ) -> Self {
        Self {
            connection,
            fresh,
            provider,
            event: None,
        }
    }

    fn load(&mut self, row: i64) -> Result<Option<Claimed>, Fault> {
        if let Some(Planned { delivery, event }) = self.fresh.take(row) {
            let key = delivery.supersede_key.map(|key| key.0);
            return Ok(Some(Claimed {
                is_superseded: self.is_superseded(row, key, delivery.lane.0, false)?,
                delivery,
                event: Some(event),
                attempts: 0,
            }));
        }
        let Some(stored) = self.read(row)? else {
            return Ok(None);
        };
        let supersede_key = stored.supersede_key.map(rows::digest);
        let lane = rows::digest(stored.lane);
        let is_superseded = self.is_superseded(row, supersede_key, lane, stored.replayed)?;
        // Without its content a delivery is as unreadable as without its event.
        let (content, event) = match stored.content {
            Some(content) => (content, self.event(row >> ORDINAL_BITS)?),
            None => (Content::default(), None),
        };
        Ok(Some(Claimed {
            delivery: Delivery {
                id: rows::delivery_id(row),
                lane: Lane(lane),
                provider: self.provider.clone(),
                alert: stored.alert,
                accepted_at: rows::time(stored.promised_at),
                supersede_key: supersede_key.map(SupersedeKey),
                content,
            },
            event,
            attempts: u32::try_from(stored.attempts).unwrap_or(u32::MAX),
            is_superseded,
        }))
    }

    fn read(&self, row: i64) -> Result<Option<Stored>, Fault> {
        let stored = self
            .connection
            .prepare_cached(
                "SELECT d.lane, d.attempts, d.promised_at, d.supersede_key, d.replayed, \
                 a.namespace, a.name, c.content FROM deliveries d \
                 JOIN names a ON a.id = d.alert LEFT JOIN contents c ON c.id = d.id \
                 WHERE d.id = ?1",
            )?
            .query_row([row], |row| {
                Ok(Stored {
                    lane: row.get(0)?,
                    attempts: row.get(1)?,
                    promised_at: row.get(2)?,
                    supersede_key: row.get(3)?,
                    replayed: row.get(4)?,
                    alert: ObjectKey::new(row.get::<_, String>(5)?, row.get::<_, String>(6)?),
                    content: row
                        .get_ref(7)?
                        .as_bytes()
                        .ok()
                        .and_then(|content| serde_json::from_slice(content).ok()),
                })
            })
            .optional()?;
        Ok(stored)
    }

    /// Newer means accepted later: a replayed delivery waits behind newer ones of its lane, and does
    /// not replace them.
    fn is_superseded(
        &self,
        row: i64,
        supersede_key: Option<u64>,
        lane: u64,
        replayed: bool,
    ) -> Result<bool, Fault> {
        let Some(key) = supersede_key else {
            return Ok(false);
        };
        let is_superseded = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM deliveries INDEXED BY superseding \
                 WHERE supersede_key = ?1 AND id > ?2 AND lane = ?3 \
                 AND (state < 2 OR (state = 2 AND ?4)))",
            )?
            .query_row(
                (
                    rows::digest_number(key),
                    row,
                    rows::digest_number(lane),
                    replayed,
                ),
                |row| row.get(0),
            )?;
        Ok(is_superseded)
    }

    fn event(&mut self, position: i64) -> Result<Option<Arc<CleanEvent>>, Fault> {
        if let Some((known, event)) = &self.event
            && *known == position
        {
            return Ok(event.clone());
        }
        let event = self
            .connection
            .prepare_cached("SELECT body FROM bodies WHERE position = ?1")?
            .query_row([position], |row| {
                Ok(row.get_ref(0)?.as_bytes().ok().and_then(rows::event))
            })
            .optional()?
            .flatten();
        self.event = Some((position, event.clone()));
        Ok(event)
    }
}

/// All Providers with live deliveries. One whose heads are all claimed is due when the first of those
/// leases runs out.
pub(super) fn due(
    connection: &Connection,
    leases: &Leases,
) -> Result<Vec<(ObjectKey, Timestamp)>, Fault> {
    let held = leases.lock();
    let mut providers = connection.prepare_cached(
        "SELECT provider FROM deliveries INDEXED BY heads WHERE head = 1 AND provider > ?1 \
         ORDER BY provider LIMIT 1",
    )?;
    let mut due = Vec::new();
    let mut after = i64::MIN;
    while due.len() < MOST_PROVIDERS {
        let next = providers
            .query_row([after], |row| row.get::<_, i64>(0))
            .optional()?;
        let Some(provider) = next else { break };
        due.extend(first_due(connection, &held, provider)?);
        after = provider;
    }
    Ok(due)
}

fn first_due(
    connection: &Connection,
    held: &Held,
    provider: i64,
) -> Result<Option<(ObjectKey, Timestamp)>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, due_at FROM deliveries INDEXED BY heads WHERE head = 1 AND provider = ?1 \
         ORDER BY due_at",
    )?;
    let mut heads = statement.query([provider])?;
    let mut first: Option<i64> = None;
    while let Some(head) = heads.next()? {
        let (row, due_at): (i64, i64) = (head.get(0)?, head.get(1)?);
        let lease = held.until(row);
        let at = lease.map_or(due_at, |until| until.max(due_at));
        first = Some(first.map_or(at, |first| first.min(at)));
        if lease.is_none() {
            break;
        }
    }
    let Some(first) = first else { return Ok(None) };
    let name = connection
        .prepare_cached("SELECT namespace, name FROM names WHERE id = ?1")?
        .query_row([provider], |row| {
            Ok(ObjectKey::new(
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
            ))
        })
        .optional()?;
    Ok(name.map(|name| (name, rows::time(first))))
}
