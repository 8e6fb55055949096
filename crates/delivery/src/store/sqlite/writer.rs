//! The one thread that writes: takes what waits, puts it into one transaction, commits it to the
//! medium, and only then answers.
//!
//! When an operation or the commit fails, everything is rolled back and each operation gets a
//! transaction of its own, so that a bad one harms only itself. A medium that failed is tried again
//! by the next operation.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::arrivals::Unfiled;
use super::fault::Fault;
use super::journal;
use super::leases::Leases;
use super::ledger::{Books, Ledger};
use super::lock::DirectoryLock;
use super::status::Status;
use crate::store::StoreError;

/// Rows that one transaction may touch before it is committed, so that nobody waits long.
const LARGEST_BATCH: usize = 512;

/// Transactions between two measurements of the bytes in use, unless history is removed.
const MEASURE_EVERY: u32 = 32;

/// Bytes of events between two measurements.
const MEASURE_BYTES: usize = 256 << 10;

/// How many single operations may fail because of the medium before the rest of their batch gets the
/// same answer untried: each try may take as long as a broken disk likes.
const PATIENCE: usize = 3;

/// Something to do in a transaction.
pub(super) trait Operation: Send {
    /// About how many rows it touches.
    fn weight(&self) -> usize;
    /// Does it; again, if the first transaction was rolled back.
    fn apply(&mut self, books: &mut Books<'_>) -> Result<(), Fault>;
    /// Tells whoever asked. Called once, after the commit or the failure.
    fn answer(self: Box<Self>, result: Result<(), StoreError>);
}

/// What is sent to the writer.
pub(super) enum Message {
    Operate(Box<dyn Operation>),
    Close(oneshot::Sender<()>),
}

/// An operation that is a function, answered through a channel.
pub(super) struct Task<F, T> {
    weight: usize,
    work: F,
    outcome: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Task<F, T>
where
    F: FnMut(&mut Books<'_>) -> Result<T, Fault> + Send,
    T: Send,
{
    pub(super) fn new(weight: usize, work: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        let task = Self {
            weight,
            work,
            outcome: None,
            reply,
        };
        (task, answer)
    }
}

impl<F, T> Operation for Task<F, T>
where
    F: FnMut(&mut Books<'_>) -> Result<T, Fault> + Send,
    T: Send,
{
    fn weight(&self) -> usize {
        self.weight
    }

    fn apply(&mut self, books: &mut Books<'_>) -> Result<(), Fault> {
        self.outcome = Some((self.work)(books)?);
        Ok(())
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { outcome, reply, .. } = *self;
        // Whoever asked may be gone; what was done stays done.
        let _ = reply.send(result.and_then(|()| outcome.ok_or(StoreError::Closed)));
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) ledger: Ledger,
    pub(super) leases: Leases,
    pub(super) status: Arc<Status>,
    pub(super) lock: DirectoryLock,
    /// What is accepted and not in the database yet.
    pub(super) unfiled: Arc<Unfiled>,
    /// How many there were since the start.
    pub(super) transactions: u32,
    /// Bytes of events that were stored since bytes were measured.
    pub(super) unmeasured: usize,
    /// Prunings when bytes were measured last.
    pub(super) prunings: u64,
}

impl Writer {
    /// Works until the store is closed or dropped; then lets the directory go.
    pub(super) fn run(mut self, mut messages: mpsc::Receiver<Message>) {
        let mut closers = Vec::new();
        while let Some(first) = messages.blocking_recv() {
            let (mut batch, mut weight) = (Vec::new(), 0);
            let mut next = Some(first);
            while let Some(message) = next {
                match message {
                    Message::Operate(operation) => {
                        weight += operation.weight();
                        batch.push(operation);
                    }
                    Message::Close(reply) => {
                        // What was sent before is still received.
                        messages.close();
                        closers.push(reply);
                    }
                }
                next = if weight < LARGEST_BATCH {
                    messages.try_recv().ok()
                } else {
                    None
                };
            }
            self.run_batch(batch);
        }
        self.finish();
        for reply in closers {
            let _ = reply.send(());
        }
    }

    fn run_batch(&mut self, mut batch: Vec<Box<dyn Operation>>) {
        let Err(fault) = self.transact(&mut batch) else {
            for operation in batch {
                answer(operation, Ok(()));
            }
            return;
        };
        if batch.len() <= 1 {
            for operation in batch {
                answer(operation, Err(StoreError::from(&fault)));
            }
            return;
        }
        let mut failures = 0;
        let mut last = StoreError::from(&fault);
        for mut operation in batch {
            if failures >= PATIENCE {
                answer(operation, Err(last.clone()));
                continue;
            }
            match self.transact(std::slice::from_mut(&mut operation)) {
                Ok(()) => {
                    failures = 0;
                    answer(operation, Ok(()));
                }
                Err(fault) => {
                    let error = StoreError::from(&fault);
                    if fault.blames_medium() {
                        failures += 1;
                        last = error.clone();
                    }
                    answer(operation, Err(error));
                }
            }
        }
    }

    fn transact(&mut self, batch: &mut [Box<dyn Operation>]) -> Result<(), Fault> {
        if batch.is_empty() {
            return Ok(());
        }
        self.connection
            .prepare_cached("BEGIN IMMEDIATE")?
            .execute([])?;
        let mut books = Books::open(&self.connection, &self.leases, &mut self.ledger);
        // First, because an operation may be about an event that was just accepted.
        let applied = journal::file(&mut books, &self.unfiled).and_then(|filed| {
            batch
                .iter_mut()
                .try_for_each(|operation| operation.apply(&mut books))?;
            books.flush()?;
            self.connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(filed)
        });
        match applied {
            Ok(filed) => {
                books.confirm();
                self.unmeasured += filed.map_or(0, |filed| filed.bytes);
                self.publish();
                if let Some(filed) = filed {
                    self.unfiled.filed(filed.last);
                }
                Ok(())
            }
            Err(fault) => {
                books.revert();
                // Some errors roll back by themselves.
                if !self.connection.is_autocommit() {
                    self.connection.execute_batch("ROLLBACK")?;
                }
                Err(fault)
            }
        }
    }

    /// Makes the state as of the last commit known.
    pub(super) fn publish(&mut self) {
        let prunings = self.ledger.counts().prunings;
        let is_due = self.transactions.is_multiple_of(MEASURE_EVERY)
            || prunings != self.prunings
            || self.unmeasured >= MEASURE_BYTES;
        self.prunings = prunings;
        self.transactions = self.transactions.wrapping_add(1);
        let bytes = if is_due {
            self.unmeasured = 0;
            used_bytes(&self.connection).ok()
        } else {
            None
        };
        self.status.publish(&self.ledger, bytes);
    }

    fn finish(self) {
        // Readers are gone, or will be soon; the log can also be read at the next start.
        let _ = self.connection.busy_timeout(Duration::from_millis(100));
        let emptied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = emptied {
            tracing::debug!(%error, "the write-ahead log stays until the next start");
        }
        drop(self.connection);
        drop(self.lock);
    }
}

/// Bytes of the database without free pages.
pub(super) fn used_bytes(connection: &Connection) -> Result<i64, rusqlite::Error> {
    let pages = |sql| {
        connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))
    };
    let (all, free): (i64, i64) = (pages("PRAGMA page_count")?, pages("PRAGMA freelist_count")?);
    let page_size: i64 = pages("PRAGMA page_size")?;
    Ok((all - free) * page_size)
}

/// Answers are code of others; what goes wrong there must not end the writer.
fn answer(operation: Box<dyn Operation>, result: Result<(), StoreError>) {
    if catch_unwind(AssertUnwindSafe(|| operation.answer(result))).is_err() {
        tracing::error!("a receiver of an answer of the store panicked");
    }
}
