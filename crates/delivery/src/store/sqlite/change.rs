//! What people do to deliveries: replay and drop. Candidates are found by a reader, bit by bit, so
//! that a long search holds nobody up; the writer checks each one again before it changes it.

use domain::delivery::{DeliveryId, DeliveryState};
use jiff::Timestamp;
use rusqlite::{Connection, named_params, params};

use super::fault::Fault;
use super::ledger::Books;
use super::outbox::{self, Standing};
use super::rows::{self, DELIVERED, PENDING};
use super::selection::Selection;
use crate::store::DeliveryFilter;

/// Said of deliveries that were dropped by hand.
const DROPPED: &str = "dropped on request";

/// The place in its lane of what was dropped: behind a live delivery there are only live ones.
const OUT_OF_LINE: i64 = -1;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Replay,
    Drop,
}

impl Change {
    /// Whether a delivery in that state can be changed so.
    fn takes(self, state: i64, filter: &DeliveryFilter) -> bool {
        match self {
            Self::Drop => rows::is_live(state),
            Self::Replay if state == DELIVERED => {
                !filter.ids.is_empty() || filter.states.contains(&DeliveryState::Delivered)
            }
            Self::Replay => !rows::is_live(state),
        }
    }

    /// Rows that this change and the filter are about, oldest first.
    pub(super) fn candidates(
        self,
        connection: &Connection,
        filter: &DeliveryFilter,
        limit: usize,
    ) -> Result<Vec<i64>, Fault> {
        let states = DeliveryState::ALL
            .into_iter()
            .filter(|state| {
                (filter.states.is_empty() || filter.states.contains(state))
                    && self.takes(rows::state_number(*state), filter)
            })
            .collect::<Vec<_>>();
        let Some(selection) = Selection::of(connection, filter, &states)? else {
            return Ok(Vec::new());
        };
        selection.oldest(connection, limit)
    }

    pub(super) fn apply(
        self,
        books: &mut Books<'_>,
        candidates: &[i64],
        filter: &DeliveryFilter,
        now: Timestamp,
    ) -> Result<u64, Fault> {
        let now = rows::micros(now);
        let mut changed = 0;
        for row in candidates {
            let Some(standing) = Standing::read(books.connection, *row)? else {
                continue;
            };
            let is_asked =
                filter.states.is_empty() || filter.states.contains(&rows::state(standing.state));
            if !is_asked || !self.takes(standing.state, filter) {
                continue;
            }
            let is_done = match self {
                Self::Replay => {
                    replay(books, *row, &standing, now)?;
                    true
                }
                Self::Drop => drop_one(books, *row, &standing, now)?,
            };
            changed += u64::from(is_done);
        }
        Ok(changed)
    }
}

fn replay(books: &mut Books<'_>, row: i64, standing: &Standing, now: i64) -> Result<(), Fault> {
    let end = outbox::end_of_lane(books.connection, standing.lane)?;
    // Behind everything that was ever planned into the lane; see also `outbox::insert`.
    let planned = rows::last_row(books.counts.planned);
    books
        .connection
        .prepare_cached(
            "UPDATE deliveries SET state = 0, head = :head, seq = :seq, replayed = 1, \
             attempts = 0, promised_at = :now, due_at = :now, settled_at = NULL WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": row,
            ":head": !end.is_live,
            ":seq": planned.max(end.next),
            ":now": now,
        })?;
    books.leave(row, standing.provider, standing.state);
    books.enter(row, standing.provider, PENDING, standing.accepted_at);
    Ok(())
}

/// Whether it was dropped: not if somebody holds it.
fn drop_one(books: &mut Books<'_>, row: i64, standing: &Standing, now: i64) -> Result<bool, Fault> {
    if !books.hold(row, now) {
        return Ok(false);
    }
    let state = rows::state_number(DeliveryState::Dropped);
    books
        .connection
        .prepare_cached(
            "UPDATE deliveries SET state = ?2, head = 0, seq = ?3, due_at = NULL, settled_at = ?4, \
             last_detail = ?5 WHERE id = ?1",
        )?
        .execute(params![row, state, OUT_OF_LINE, now, DROPPED])?;
    books.leave(row, standing.provider, standing.state);
    books.enter(row, standing.provider, state, standing.accepted_at);
    if standing.is_head {
        outbox::promote(books.connection, standing.lane, standing.seq, now)?;
    }
    Ok(true)
}

/// Rows of ids, for filters that name them.
pub(super) fn rows_of(ids: &[DeliveryId]) -> Vec<i64> {
    let mut rows: Vec<i64> = ids.iter().map(|id| rows::row_id(*id)).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}
