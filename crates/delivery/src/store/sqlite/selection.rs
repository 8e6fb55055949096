//! Finding the deliveries that a filter is about.
//!
//! Live ones and those that did not arrive have indexes of their own, since they are few and asked for
//! most. All others are found by walking the table in pieces, each in a read transaction of its own,
//! so that a long search does not keep the write-ahead log from being reset.

use api::ObjectKey;
use domain::delivery::DeliveryState;
use rusqlite::{Connection, OptionalExtension};

use super::change;
use super::fault::Fault;
use super::rows::{self, DELIVERED, ORDINAL_BITS};
use crate::store::DeliveryFilter;

/// Positions per piece.
const PIECE: i64 = 20_000;

/// A filter in terms of rows.
#[derive(Debug)]
pub(super) struct Selection {
    states: Vec<i64>,
    provider: Option<i64>,
    alert: Option<i64>,
    rows: Vec<i64>,
    has_ids: bool,
}

impl Selection {
    /// `None` if nothing can fit: an unknown name, or no state.
    pub(super) fn of(
        connection: &Connection,
        filter: &DeliveryFilter,
        states: &[DeliveryState],
    ) -> Result<Option<Self>, Fault> {
        let number = |name: &Option<ObjectKey>| -> Result<Option<Option<i64>>, Fault> {
            let Some(name) = name else {
                return Ok(Some(None));
            };
            let found = connection
                .prepare_cached("SELECT id FROM names WHERE namespace = ?1 AND name = ?2")?
                .query_row([&name.namespace, &name.name], |row| row.get(0))
                .optional()?;
            Ok(found.map(Some))
        };
        let (Some(provider), Some(alert)) = (number(&filter.provider)?, number(&filter.alert)?)
        else {
            return Ok(None);
        };
        Ok((!states.is_empty()).then(|| Self {
            states: states
                .iter()
                .map(|state| rows::state_number(*state))
                .collect(),
            provider,
            alert,
            rows: change::rows_of(&filter.ids),
            has_ids: !filter.ids.is_empty(),
        }))
    }

    /// Rows in rising order, in one read transaction.
    pub(super) fn oldest(&self, connection: &Connection, limit: usize) -> Result<Vec<i64>, Fault> {
        if self.has_ids {
            let mut found = self.among_ids(connection)?;
            found.truncate(limit);
            return Ok(found);
        }
        self.query(connection, (0, i64::MAX), "ASC", limit)
    }

    /// Rows before one in falling order, in one read transaction.
    pub(super) fn newest(
        &self,
        connection: &Connection,
        before: i64,
        limit: usize,
    ) -> Result<Vec<i64>, Fault> {
        if self.has_ids {
            let mut found = self.among_ids(connection)?;
            found.retain(|row| *row < before);
            found.reverse();
            found.truncate(limit);
            return Ok(found);
        }
        self.query(connection, (0, before), "DESC", limit)
    }

    /// Whether the table has to be walked; then [`Self::piece`] is the better way.
    pub(super) fn needs_walk(&self) -> bool {
        !self.has_ids && self.index() == Index::None
    }

    /// Rows of one piece before a row, in falling order, and where the next piece begins, if there is
    /// one.
    pub(super) fn piece(
        &self,
        connection: &Connection,
        before: i64,
        limit: usize,
    ) -> Result<(Vec<i64>, Option<i64>), Fault> {
        let edge = |sql| -> Result<Option<i64>, Fault> {
            Ok(connection
                .prepare_cached(sql)?
                .query_row([before], |row| row.get(0))
                .optional()?
                .flatten())
        };
        let Some(last) = edge("SELECT max(id) FROM deliveries WHERE id < ?1")? else {
            return Ok((Vec::new(), None));
        };
        let from = rows::first_row((last >> ORDINAL_BITS) - PIECE);
        let found = self.query(connection, (from, before), "DESC", limit)?;
        Ok((found, (from > 0).then_some(from)))
    }

    fn among_ids(&self, connection: &Connection) -> Result<Vec<i64>, Fault> {
        let mut statement = connection
            .prepare_cached("SELECT state, provider, alert FROM deliveries WHERE id = ?1")?;
        let mut found = Vec::new();
        for row in &self.rows {
            let facts: Option<(i64, i64, i64)> = statement
                .query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            if let Some((state, provider, alert)) = facts
                && self.states.contains(&state)
                && self.provider.is_none_or(|wanted| wanted == provider)
                && self.alert.is_none_or(|wanted| wanted == alert)
            {
                found.push(*row);
            }
        }
        Ok(found)
    }

    fn index(&self) -> Index {
        if self.states.iter().all(|state| rows::is_live(*state)) {
            Index::Live
        } else if self.states.iter().all(|state| *state > DELIVERED) {
            Index::Undelivered
        } else {
            Index::None
        }
    }

    fn query(
        &self,
        connection: &Connection,
        (from, before): (i64, i64),
        order: &str,
        limit: usize,
    ) -> Result<Vec<i64>, Fault> {
        // A partial index is only used when its condition stands in the query.
        let index = match self.index() {
            Index::Live => "INDEXED BY live WHERE state < 2 AND",
            Index::Undelivered => "INDEXED BY undelivered WHERE state > 2 AND",
            Index::None => "NOT INDEXED WHERE",
        };
        let states = self
            .states
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let sql = format!(
            "SELECT id FROM deliveries {index} id >= ?1 AND id < ?2 AND state IN ({states}) \
             AND (?3 IS NULL OR provider = ?3) AND (?4 IS NULL OR alert = ?4) \
             ORDER BY id {order} LIMIT ?5"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = statement
            .query_map((from, before, self.provider, self.alert, limit), |row| {
                row.get(0)
            })?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    Live,
    Undelivered,
    None,
}
