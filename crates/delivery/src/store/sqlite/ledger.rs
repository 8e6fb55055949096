//! What the writer keeps in memory about the database: positions, counts, names, where live
//! deliveries are. Changes count when their transaction is committed.

use std::collections::{BTreeMap, HashMap, HashSet};

use api::ObjectKey;
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::leases::Leases;
use super::rows::{self, ORDINAL_BITS, PARKED};

/// Live deliveries are counted per block of 2^10 positions; finding the oldest one starts at the
/// first block that has any.
const BLOCK_BITS: u32 = ORDINAL_BITS + 10;

/// Numbers that are cheap to copy, and so to restore after a transaction that failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Position of the last event.
    pub(super) last: i64,
    /// Position up to which events are planned.
    pub(super) planned: i64,
    pub(super) unplanned: i64,
    pub(super) live: i64,
    pub(super) parked: i64,
    /// Rows in `memory`.
    pub(super) remembered: i64,
    /// Where the next look for something to prune begins.
    pub(super) prune_from: i64,
    /// How many transactions removed history.
    pub(super) prunings: u64,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    confirmed: Counts,
    names: HashMap<ObjectKey, i64>,
    blocks: BTreeMap<i64, i64>,
    /// Row and time of acceptance of the oldest live delivery.
    oldest: Option<(i64, i64)>,
    /// No live delivery has a smaller row: looking for the oldest one begins here, so that settled
    /// rows are passed over once and not after every transaction.
    oldest_from: i64,
    /// Position and time of arrival of the oldest unplanned event, as far as it was looked up.
    oldest_unplanned: Option<(i64, i64)>,
}

/// What the running transaction changes.
#[derive(Debug, Default)]
struct Change {
    tallies: HashMap<(i64, i64), i64>,
    uses: HashMap<i64, i64>,
    new_names: HashMap<ObjectKey, i64>,
    unused_names: HashSet<i64>,
    blocks: HashMap<i64, i64>,
    /// Leases that end with this transaction, however it ends.
    holds: Vec<i64>,
    /// Leases that end when this transaction is committed.
    released: Vec<i64>,
    /// The oldest row that became live, with its time of acceptance.
    oldest_entered: Option<(i64, i64)>,
    oldest_left: bool,
}

/// One transaction: the connection and the ledger as it will be.
pub(super) struct Books<'writer> {
    pub(super) connection: &'writer Connection,
    pub(super) leases: &'writer Leases,
    pub(super) counts: Counts,
    ledger: &'writer mut Ledger,
    change: Change,
}

impl Ledger {
    /// Reads what must be known from the database.
    pub(super) fn load(connection: &Connection) -> Result<Self, rusqlite::Error> {
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let planned = number("SELECT value FROM meta WHERE name = 'planned'")?;
        let last = number("SELECT ifnull(max(position), 0) FROM events")?;
        let unplanned = connection.query_row(
            "SELECT count(*) FROM events WHERE position > ?1",
            [planned],
            |row| row.get(0),
        )?;
        let tally = |state: &str| {
            number(&format!(
                "SELECT ifnull(sum(deliveries), 0) FROM tallies WHERE state {state}"
            ))
        };
        let mut ledger = Self {
            confirmed: Counts {
                // All events may be pruned, and positions are never given twice.
                last: last.max(planned),
                planned,
                unplanned,
                live: tally("< 2")?,
                parked: tally("= 1")?,
                remembered: number("SELECT count(*) FROM memory")?,
                ..Counts::default()
            },
            ..Self::default()
        };
        let mut names = connection.prepare("SELECT namespace, name, id FROM names")?;
        let mut found = names.query([])?;
        while let Some(row) = found.next()? {
            let key = ObjectKey::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?);
            ledger.names.insert(key, row.get(2)?);
        }
        let mut live =
            connection.prepare("SELECT id FROM deliveries INDEXED BY live WHERE state < 2")?;
        let mut found = live.query([])?;
        while let Some(row) = found.next()? {
            let id: i64 = row.get(0)?;
            *ledger.blocks.entry(id >> BLOCK_BITS).or_default() += 1;
        }
        ledger.find_oldest(connection)?;
        Ok(ledger)
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.confirmed
    }

    /// When the oldest thing that waits was accepted.
    pub(super) fn oldest(&self) -> Option<i64> {
        let live = self.oldest.map(|(_, at)| at);
        let unplanned = self.oldest_unplanned.map(|(_, at)| at);
        live.into_iter().chain(unplanned).min()
    }

    /// Looks the oldest live delivery and unplanned event up, where they are not known.
    fn find_oldest(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        if self.oldest.is_none()
            && let Some(block) = self.blocks.first_key_value().map(|(block, _)| *block)
        {
            self.oldest = connection
                .prepare_cached(
                    "SELECT id, accepted_at FROM deliveries NOT INDEXED \
                     WHERE id >= ?1 AND id < ?2 AND state < 2 ORDER BY id LIMIT 1",
                )?
                .query_row(
                    [
                        self.oldest_from.max(block << BLOCK_BITS),
                        (block + 1) << BLOCK_BITS,
                    ],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            if let Some((row, _)) = self.oldest {
                self.oldest_from = row;
            }
        }
        let planned = self.confirmed.planned;
        if self.confirmed.unplanned == 0 {
            self.oldest_unplanned = None;
        } else if self
            .oldest_unplanned
            .is_none_or(|(position, _)| position <= planned)
        {
            self.oldest_unplanned = connection
                .prepare_cached(
                    "SELECT position, received_at FROM events WHERE position > ?1 \
                     ORDER BY position LIMIT 1",
                )?
                .query_row([planned], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
        }
        Ok(())
    }
}

impl<'writer> Books<'writer> {
    pub(super) fn open(
        connection: &'writer Connection,
        leases: &'writer Leases,
        ledger: &'writer mut Ledger,
    ) -> Self {
        Self {
            connection,
            leases,
            counts: ledger.confirmed,
            ledger,
            change: Change::default(),
        }
    }

    /// The number of a name; gives it one if it has none.
    pub(super) fn name(&mut self, key: &ObjectKey) -> Result<i64, Fault> {
        if let Some(id) = self.ledger.names.get(key) {
            return Ok(*id);
        }
        if let Some(id) = self.change.new_names.get(key) {
            return Ok(*id);
        }
        self.connection
            .prepare_cached("INSERT INTO names(namespace, name, uses) VALUES (?1, ?2, 0)")?
            .execute(params![key.namespace, key.name])?;
        let id = self.connection.last_insert_rowid();
        self.change.new_names.insert(key.clone(), id);
        Ok(id)
    }

    /// Counts a delivery that came to be or went, as a use of its names.
    pub(super) fn uses(&mut self, provider: i64, alert: i64, by: i64) {
        *self.change.uses.entry(provider).or_default() += by;
        *self.change.uses.entry(alert).or_default() += by;
    }

    /// Counts a delivery into a state.
    pub(super) fn enter(&mut self, row: i64, provider: i64, state: i64, accepted_at: i64) {
        self.count(row, provider, state, 1);
        if rows::is_live(state) {
            let entered = (row, accepted_at);
            let oldest = self.change.oldest_entered.get_or_insert(entered);
            *oldest = entered.min(*oldest);
        }
    }

    /// Counts a delivery out of a state.
    pub(super) fn leave(&mut self, row: i64, provider: i64, state: i64) {
        self.count(row, provider, state, -1);
        if rows::is_live(state) {
            let is = |oldest: Option<(i64, i64)>| oldest.is_some_and(|(oldest, _)| oldest == row);
            if is(self.ledger.oldest) || is(self.change.oldest_entered) {
                self.change.oldest_left = true;
            }
        }
    }

    fn count(&mut self, row: i64, provider: i64, state: i64, by: i64) {
        *self.change.tallies.entry((provider, state)).or_default() += by;
        if rows::is_live(state) {
            self.counts.live += by;
            *self.change.blocks.entry(row >> BLOCK_BITS).or_default() += by;
        }
        if state == PARKED {
            self.counts.parked += by;
        }
    }

    /// Ends a lease when this transaction is committed.
    pub(super) fn release(&mut self, row: i64) {
        self.change.released.push(row);
    }

    /// Keeps a delivery from being claimed while this transaction runs; `false` if it is held.
    pub(super) fn hold(&mut self, row: i64, now: i64) -> bool {
        let mut held = self.leases.lock();
        if held.is_held(row, now) {
            return false;
        }
        held.hold(row, i64::MAX);
        self.change.holds.push(row);
        true
    }

    /// Writes what was only counted; the last step before the commit.
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        if self.counts.planned != self.ledger.confirmed.planned {
            self.connection
                .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'planned'")?
                .execute([self.counts.planned])?;
        }
        let mut tally = self.connection.prepare_cached(
            "INSERT INTO tallies VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET deliveries = deliveries + excluded.deliveries",
        )?;
        for ((provider, state), by) in self.change.tallies.iter().filter(|(_, by)| **by != 0) {
            tally.execute([*provider, *state, *by])?;
        }
        let mut uses = self
            .connection
            .prepare_cached("UPDATE names SET uses = uses + ?2 WHERE id = ?1 RETURNING uses")?;
        for (name, by) in self.change.uses.iter().filter(|(_, by)| **by != 0) {
            let left = uses
                .query_row([*name, *by], |row| row.get::<_, i64>(0))
                .optional()?;
            if left.is_some_and(|left| left <= 0) {
                self.change.unused_names.insert(*name);
            }
        }
        for name in &self.change.unused_names {
            self.connection
                .prepare_cached("DELETE FROM names WHERE id = ?1")?
                .execute([*name])?;
            self.connection
                .prepare_cached("DELETE FROM tallies WHERE provider = ?1")?
                .execute([*name])?;
        }
        Ok(())
    }

    /// The transaction was committed: all of it counts.
    pub(super) fn confirm(self) {
        let Self {
            connection,
            leases,
            counts,
            ledger,
            change,
        } = self;
        ledger.confirmed = counts;
        ledger.names.extend(change.new_names);
        if !change.unused_names.is_empty() {
            let gone = &change.unused_names;
            ledger.names.retain(|_, id| !gone.contains(id));
        }
        for (block, by) in change.blocks {
            let live = ledger.blocks.entry(block).or_default();
            *live += by;
            if *live <= 0 {
                ledger.blocks.remove(&block);
            }
        }
        if let Some((row, _)) = change.oldest_entered {
            ledger.oldest_from = ledger.oldest_from.min(row);
        }
        ledger.oldest = match (ledger.oldest, change.oldest_entered) {
            _ if change.oldest_left || ledger.blocks.is_empty() => None,
            (Some(known), Some(entered)) => Some(known.min(entered)),
            (known, entered) => known.or(entered),
        };
        // A failure here spoils a figure, not the transaction; the next one tries again.
        if let Err(error) = ledger.find_oldest(connection) {
            tracing::debug!(%error, "looking for the oldest delivery failed");
        }
        let mut held = leases.lock();
        for row in change.released.iter().chain(&change.holds) {
            held.release(*row);
        }
    }

    /// The transaction was rolled back: nothing of it counts.
    pub(super) fn revert(self) {
        let mut held = self.leases.lock();
        for row in &self.change.holds {
            held.release(*row);
        }
    }
}
