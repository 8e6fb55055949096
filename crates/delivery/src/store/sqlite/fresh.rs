//! Deliveries that were just planned, in memory, so that their first claim need not read them back.
//!
//! It is only a shortcut: what does not fit is left out, and claims read it from the database.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::CleanEvent;
use domain::delivery::Delivery;

use super::rows;
use crate::store::PlannedEvent;

/// How many deliveries are kept.
const MOST: usize = 2048;

/// How many bytes of messages are kept, counting an event for each of its deliveries.
const MOST_BYTES: usize = 4 << 20;

/// A delivery that nobody has claimed yet, and its event.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) delivery: Delivery,
    pub(super) event: Arc<CleanEvent>,
}

/// Shared between the writer and the reader of claims. Filled before the deliveries are committed, so
/// that nobody can claim, and change, what is still to be put in.
#[derive(Clone, Debug, Default)]
pub(super) struct Fresh(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    planned: HashMap<i64, Planned>,
    /// Oldest first; rows that were taken meanwhile among them.
    order: VecDeque<i64>,
    bytes: usize,
}

impl Fresh {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what was planned; the oldest make room.
    pub(super) fn add(&self, plans: &[PlannedEvent]) {
        let mut inner = self.lock();
        for plan in plans {
            let Some(event) = &plan.event else { continue };
            for delivery in &plan.deliveries {
                let row = rows::row_id(delivery.id);
                let planned = Planned {
                    delivery: delivery.clone(),
                    event: event.clone(),
                };
                inner.forget(row);
                inner.bytes += size(&planned);
                inner.planned.insert(row, planned);
                inner.order.push_back(row);
            }
        }
        while inner.order.len() > MOST || inner.bytes > MOST_BYTES {
            let Some(oldest) = inner.order.pop_front() else {
                break;
            };
            inner.forget(oldest);
        }
    }

    /// Takes a delivery for its first claim.
    pub(super) fn take(&self, row: i64) -> Option<Planned> {
        self.lock().forget(row)
    }

    /// Forgets deliveries that are changed otherwise than by a claim.
    pub(super) fn forget(&self, rows: impl IntoIterator<Item = i64>) {
        let mut inner = self.lock();
        for row in rows {
            inner.forget(row);
        }
    }
}

impl Inner {
    fn forget(&mut self, row: i64) -> Option<Planned> {
        let planned = self.planned.remove(&row)?;
        self.bytes -= size(&planned);
        Some(planned)
    }
}

fn size(planned: &Planned) -> usize {
    planned.event.event().message.len() + 1024
}
