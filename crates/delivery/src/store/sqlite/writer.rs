//! The one thread that writes: takes what waits, runs it in one transaction, answers after the fsync.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use domain::Position;
use futures::future::BoxFuture;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use crate::store::{NewEvent, OnAppended, StoreError};

use super::counters::{Counters, Delta};
use super::journal;
use super::names::Names;

/// Operations that may wait for the disk.
const WAITING: usize = 16_384;

/// Operations per transaction: enough to make an fsync cheap, few enough to keep answers quick.
const BATCH: usize = 256;

/// Pause while there is no room.
const PAUSE: Duration = Duration::from_millis(1);

/// Transactions between two measurements of the bytes in use.
const MEASURE_EVERY: u32 = 64;

/// What operations may use.
pub(super) struct Context<'a> {
    pub(super) connection: &'a Connection,
    pub(super) names: &'a mut Names,
    pub(super) delta: &'a mut Delta,
    /// Position of the newest event.
    pub(super) last_position: &'a mut i64,
    /// Where pruning goes on.
    pub(super) prune_cursor: &'a mut i64,
    pub(super) counters: &'a Counters,
}

/// Something to write. It may run again, after a transaction that failed because of another one.
trait Operation: Send {
    fn run(&mut self, context: &mut Context<'_>) -> Result<(), StoreError>;
    /// Called once, when the commit is on disk or has failed.
    fn finish(self: Box<Self>, result: Result<(), StoreError>);
}

/// What the writer knows between transactions.
pub(super) struct State {
    names: Names,
    counters: Arc<Counters>,
    last_position: i64,
    prune_cursor: i64,
    transactions: u32,
}

impl State {
    pub(super) fn load(connection: &Connection, counters: Arc<Counters>) -> rusqlite::Result<Self> {
        Ok(Self {
            names: Names::default(),
            counters,
            last_position: journal::last_position(connection)?,
            prune_cursor: 0,
            transactions: 0,
        })
    }
}

pub(super) struct Writer {
    operations: Mutex<Option<SyncSender<Box<dyn Operation>>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, state: State) -> Self {
        let (operations, waiting) = sync_channel(WAITING);
        let thread = thread::spawn(move || write(connection, state, &waiting));
        Self {
            operations: Mutex::new(Some(operations)),
            thread: Mutex::new(Some(thread)),
        }
    }

    fn sender(&self) -> Option<SyncSender<Box<dyn Operation>>> {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Appends an event; never waits.
    pub(super) fn append(&self, event: NewEvent, on_appended: OnAppended) {
        let Some(operations) = self.sender() else {
            on_appended(Err(StoreError::Closed));
            return;
        };
        let append: Box<dyn Operation> = Box::new(Append {
            event,
            on_appended,
            position: None,
        });
        match operations.try_send(append) {
            Ok(()) => {}
            Err(TrySendError::Full(refused)) => {
                let text = format!("{WAITING} writes wait for the disk");
                refused.finish(Err(StoreError::Full(text)));
            }
            Err(TrySendError::Disconnected(refused)) => refused.finish(Err(StoreError::Closed)),
        }
    }

    /// Runs an operation and waits until it is on disk.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Context<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        let operations = self.sender();
        Box::pin(async move {
            let operations = operations.ok_or(StoreError::Closed)?;
            let (answer, answered) = oneshot::channel();
            let mut boxed: Box<dyn Operation> = Box::new(Call {
                work,
                answer,
                value: None,
            });
            loop {
                match operations.try_send(boxed) {
                    Ok(()) => break,
                    Err(TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
                    Err(TrySendError::Full(back)) => boxed = back,
                }
                tokio::time::sleep(PAUSE).await;
            }
            drop(operations);
            answered.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    /// Takes nothing more, finishes what waits, closes the file.
    pub(super) async fn close(&self) {
        self.operations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // A writer that panicked has nothing left to finish.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

struct Append {
    event: NewEvent,
    on_appended: OnAppended,
    position: Option<i64>,
}

impl Operation for Append {
    fn run(&mut self, context: &mut Context<'_>) -> Result<(), StoreError> {
        self.position = Some(journal::append(context, &self.event)?);
        Ok(())
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        let position = result.and_then(|()| {
            let position = self.position.map(super::row::position);
            position.ok_or_else(|| StoreError::Failed("the append did not run".to_owned()))
        });
        (self.on_appended)(position as Result<Position, StoreError>);
    }
}

struct Call<T, F> {
    work: F,
    answer: oneshot::Sender<Result<T, StoreError>>,
    value: Option<T>,
}

impl<T: Send, F> Operation for Call<T, F>
where
    F: FnMut(&mut Context<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, context: &mut Context<'_>) -> Result<(), StoreError> {
        self.value = Some((self.work)(context)?);
        Ok(())
    }

    fn finish(self: Box<Self>, result: Result<(), StoreError>) {
        let Self { answer, value, .. } = *self;
        let value = result.and_then(|()| {
            value.ok_or_else(|| StoreError::Failed("the operation did not run".to_owned()))
        });
        // Whoever asked may be gone; what was written stays.
        let _ = answer.send(value);
    }
}

fn write(mut connection: Connection, mut state: State, waiting: &Receiver<Box<dyn Operation>>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = waiting.recv() {
        batch.push(first);
        while batch.len() < BATCH {
            let Ok(next) = waiting.try_recv() else {
                break;
            };
            batch.push(next);
        }
        if transact(&mut connection, &mut state, &mut batch).is_ok() {
            for operation in batch.drain(..) {
                finish(operation, Ok(()));
            }
            continue;
        }
        // One of them, or the disk. Alone, each shows whether it was the one.
        for operation in batch.drain(..) {
            let mut alone = vec![operation];
            let result = transact(&mut connection, &mut state, &mut alone);
            for operation in alone {
                finish(operation, result.clone());
            }
        }
    }
    // Leaves no log behind, which tells the next start that all was well.
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "closing the store failed; what was written is safe");
    }
}

/// A callback that panics must not take the writer with it.
fn finish(operation: Box<dyn Operation>, result: Result<(), StoreError>) {
    if catch_unwind(AssertUnwindSafe(|| operation.finish(result))).is_err() {
        tracing::error!("answering a write panicked");
    }
}

fn transact(
    connection: &mut Connection,
    state: &mut State,
    batch: &mut [Box<dyn Operation>],
) -> Result<(), StoreError> {
    let mut delta = Delta::default();
    let (last_position, prune_cursor) = (state.last_position, state.prune_cursor);
    let result = run_all(connection, state, batch, &mut delta);
    if result.is_ok() {
        state.names.committed();
        state.counters.apply(delta);
        state.transactions = state.transactions.wrapping_add(1);
        if state.transactions.is_multiple_of(MEASURE_EVERY) {
            // A measurement that fails is taken again later.
            let _ = state.counters.measure(connection);
        }
    } else {
        state.names.rolled_back();
        state.last_position = last_position;
        state.prune_cursor = prune_cursor;
    }
    result
}

fn run_all(
    connection: &mut Connection,
    state: &mut State,
    batch: &mut [Box<dyn Operation>],
    delta: &mut Delta,
) -> Result<(), StoreError> {
    // Dropped without commit it rolls back.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for operation in batch {
        let mut context = Context {
            connection: &transaction,
            names: &mut state.names,
            delta,
            last_position: &mut state.last_position,
            prune_cursor: &mut state.prune_cursor,
            counters: &state.counters,
        };
        catch_unwind(AssertUnwindSafe(|| operation.run(&mut context)))
            .unwrap_or_else(|_| Err(StoreError::Failed("writing panicked".to_owned())))?;
    }
    transaction.commit()?;
    Ok(())
}
