//! Numbers for the names of Providers and Alerts.

use std::collections::HashMap;

use api::ObjectKey;
use rusqlite::{Connection, OptionalExtension};

/// How many names are kept in memory.
const MOST_CACHED: usize = 50_000;

/// Names the writer has met.
#[derive(Default)]
pub(super) struct Names {
    known: HashMap<ObjectKey, i64>,
    /// Made in the running transaction; forgotten if it is rolled back.
    fresh: Vec<ObjectKey>,
}

impl Names {
    /// The number of a name, made if it has none.
    pub(super) fn number(
        &mut self,
        connection: &Connection,
        key: &ObjectKey,
    ) -> rusqlite::Result<i64> {
        if let Some(id) = self.known.get(key) {
            return Ok(*id);
        }
        if self.known.len() >= MOST_CACHED {
            self.known.clear();
        }
        let id = match find(connection, key)? {
            Some(id) => id,
            None => {
                connection
                    .prepare_cached("INSERT INTO names (namespace, name) VALUES (?1, ?2)")?
                    .execute((&key.namespace, &key.name))?;
                self.fresh.push(key.clone());
                connection.last_insert_rowid()
            }
        };
        self.known.insert(key.clone(), id);
        Ok(id)
    }

    pub(super) fn committed(&mut self) {
        self.fresh.clear();
    }

    pub(super) fn rolled_back(&mut self) {
        for key in self.fresh.drain(..) {
            self.known.remove(&key);
        }
    }

    pub(super) fn forget_all(&mut self) {
        self.known.clear();
    }
}

/// The number of a name, if it has one.
pub(super) fn find(connection: &Connection, key: &ObjectKey) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM names WHERE namespace = ?1 AND name = ?2")?
        .query_row((&key.namespace, &key.name), |row| row.get(0))
        .optional()
}
