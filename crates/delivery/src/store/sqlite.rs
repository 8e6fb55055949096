//! The embedded store: a file for what arrives, and SQLite with a write-ahead log; one thread that
//! takes arrivals, one that writes, two that read.
//!
//! What is answered is on the medium (`synchronous = FULL`), and commits are shared by all that wait.
//! One process uses a directory at a time, which makes it safe to keep leases and counts in memory.

mod arrivals;
mod change;
mod claims;
mod fault;
mod fresh;
mod inspect;
mod journal;
mod kept;
mod leases;
mod ledger;
mod lock;
mod memory;
mod outbox;
mod prune;
mod reader;
mod rows;
mod schema;
mod selection;
mod status;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::ObjectKey;
use domain::delivery::{DeliveryId, DeliveryState, Position};
use domain::ports::{KeepError, KeptCalls};
use domain::receiver::kept::{KeptCall, KeptCallId, NewKeptCall};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use self::arrivals::{Arrivals, Recovered};
use self::change::Change;
use self::fault::Fault;
use self::fresh::Fresh;
use self::leases::Leases;
use self::ledger::{Books, Ledger};
use self::reader::Reader;
use self::selection::Selection;
use self::status::Status;
use self::writer::{Message, Task, Writer};
use super::open::{OpenError, StoreSettings};
use super::{
    Backlog, Claimed, Claims, DeliveryFilter, DeliveryView, EventView, JournalEntry, NewEvent,
    OnAppended, PlannedEvent, RecentKey, Retention, Settlement, Store, StoreError, SummaryRow,
};

/// Operations that may wait for the writer. Beyond it callers wait.
const QUEUE: usize = 4096;

/// What an operation weighs that touches many rows.
const HEAVY: usize = 256;

/// The embedded store.
pub(super) struct SqliteStore {
    arrivals: Arrivals,
    writer: mpsc::Sender<Message>,
    /// For claims and the journal.
    quick: Reader,
    /// For people's questions.
    patient: Reader,
    leases: Leases,
    fresh: Fresh,
    status: Arc<Status>,
}

impl SqliteStore {
    /// Opens the store of a directory, or makes one. See [`open`](super::open::open).
    pub(super) fn open(settings: StoreSettings) -> Result<Self, OpenError> {
        let directory = settings.directory;
        lock::create_directory(&directory)?;
        let lock = lock::acquire(&directory, settings.lock_wait)?;
        let connection = schema::open(&directory)?;
        let path = directory.join(schema::FILE);
        let ledger = Ledger::load(&connection).map_err(|error| schema::broken(&path, &error))?;
        let leases = Leases::default();
        let recovered = Recovered::read(&directory, ledger.counts().last)?;
        let unfiled = recovered.unfiled();
        let status = Arc::new(Status::new(settings.queue_limit, unfiled.clone()));
        let quick = start_reader("store-read", &directory)?;
        let patient = start_reader("store-inspect", &directory)?;
        let (sender, messages) = mpsc::channel(QUEUE);
        let mut writer = Writer {
            connection,
            ledger,
            leases: leases.clone(),
            status: status.clone(),
            lock,
            unfiled,
            transactions: 0,
            unmeasured: 0,
            prunings: 0,
        };
        writer.publish();
        std::thread::Builder::new()
            .name("store-write".to_owned())
            .spawn(move || writer.run(messages))
            .map_err(|source| no_thread(path.clone(), source))?;
        let arrivals =
            Arrivals::start(recovered, sender.clone()).map_err(|source| no_thread(path, source))?;
        Ok(Self {
            arrivals,
            writer: sender,
            quick,
            patient,
            leases,
            fresh: Fresh::default(),
            status,
        })
    }

    /// Has the writer do something and waits until it is on the medium.
    async fn write<T, F>(&self, weight: usize, work: F) -> Result<T, StoreError>
    where
        F: FnMut(&mut Books<'_>) -> Result<T, Fault> + Send + 'static,
        T: Send + 'static,
    {
        let (task, answer) = Task::new(weight, work);
        self.writer
            .send(Message::Operate(Box::new(task)))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn change(
        &self,
        change: Change,
        filter: &DeliveryFilter,
        limit: usize,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let asked = filter.clone();
        let candidates = self
            .patient
            .read(move |connection| change.candidates(connection, &asked, limit))
            .await?;
        if candidates.is_empty() {
            return Ok(0);
        }
        let asked = filter.clone();
        let fresh = self.fresh.clone();
        self.write(candidates.len().max(HEAVY), move |books| {
            fresh.forget(candidates.iter().copied());
            change.apply(books, &candidates, &asked, now)
        })
        .await
    }
}

fn start_reader(name: &str, directory: &Path) -> Result<Reader, OpenError> {
    let connection = schema::open_reader(directory)?;
    Reader::start(name, connection)
        .map_err(|source| no_thread(directory.join(schema::FILE), source))
}

fn no_thread(path: PathBuf, source: io::Error) -> OpenError {
    OpenError::Inaccessible { path, source }
}

impl Store for SqliteStore {
    fn append(&self, event: NewEvent, on_appended: OnAppended) {
        if let Err(full) = self.status.check_room() {
            return on_appended(Err(full));
        }
        self.arrivals.append(&event, on_appended);
    }

    fn recent_keys(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<RecentKey>, StoreError>> {
        let unfiled = self.arrivals.unfiled().clone();
        self.quick
            .read(move |connection| {
                let unfiled = unfiled.first(usize::MAX);
                journal::recent_keys(connection, &unfiled, since, limit)
            })
            .boxed()
    }

    fn planned_up_to(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        let planned = if self.writer.is_closed() {
            Err(StoreError::Closed)
        } else {
            Ok(self.status.planned())
        };
        std::future::ready(planned).boxed()
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>> {
        let unfiled = self.arrivals.unfiled().clone();
        self.quick
            .read(move |connection| {
                let unfiled = unfiled.behind(rows::position_number(after), limit);
                journal::read_after(connection, &unfiled, after, limit)
            })
            .boxed()
    }

    fn commit(
        &self,
        plans: Vec<PlannedEvent>,
    ) -> BoxFuture<'_, Result<Vec<ObjectKey>, StoreError>> {
        let weight = plans.iter().map(|plan| 1 + plan.deliveries.len()).sum();
        let fresh = self.fresh.clone();
        self.write(weight, move |books| {
            let due = outbox::commit(books, &plans)?;
            fresh.add(&plans);
            Ok(due)
        })
        .boxed()
    }

    fn due(&self) -> BoxFuture<'_, Result<Vec<(ObjectKey, Timestamp)>, StoreError>> {
        let leases = self.leases.clone();
        self.quick
            .read(move |connection| claims::due(connection, &leases))
            .boxed()
    }

    fn claim<'a>(
        &'a self,
        provider: &'a ObjectKey,
        now: Timestamp,
        limit: usize,
        lease_until: Timestamp,
    ) -> BoxFuture<'a, Result<Claims, StoreError>> {
        let (leases, provider) = (self.leases.clone(), provider.clone());
        let fresh = self.fresh.clone();
        let unclaimed = self.leases.clone();
        self.quick
            .read_or(
                move |connection| {
                    claims::claim(
                        connection,
                        &leases,
                        &fresh,
                        &provider,
                        now,
                        limit,
                        lease_until,
                    )
                },
                move |lost: Claims| {
                    let rows = lost.claimed.iter().map(|claim| claim.delivery.id);
                    claims::give_back(&unclaimed, rows.map(rows::row_id));
                },
            )
            .boxed()
    }

    fn settle(
        &self,
        claimed: &Claimed,
        settlement: Settlement,
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let (id, attempts) = (claimed.delivery.id, claimed.attempts);
        let lane = rows::digest_number(claimed.delivery.lane.0);
        self.write(1, move |books| {
            outbox::settle(books, id, lane, attempts, &settlement)
        })
        .boxed()
    }

    fn hasten<'a>(
        &'a self,
        provider: &'a ObjectKey,
        parked_only: bool,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move {
            let now = rows::micros(now);
            loop {
                let provider = provider.clone();
                let (changed, is_any) = self
                    .write(HEAVY, move |books| {
                        outbox::hasten(books, &provider, parked_only, now)
                    })
                    .await?;
                if changed < outbox::HASTEN {
                    return Ok(is_any);
                }
            }
        }
        .boxed()
    }

    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let key = key.to_owned();
        self.quick
            .read(move |connection| memory::recall(connection, &key))
            .boxed()
    }

    fn backlog(&self) -> Backlog {
        self.status.backlog()
    }

    fn list<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeliveryView>, StoreError>> {
        async move {
            let mut before = before.map_or(i64::MAX, rows::row_id);
            let mut views = Vec::new();
            loop {
                let (filter, left) = (filter.clone(), limit - views.len());
                let (found, next) = self
                    .patient
                    .read(move |connection| list_some(connection, &filter, before, left))
                    .await?;
                views.extend(found);
                match next {
                    Some(next) if views.len() < limit => before = next,
                    _ => return Ok(views),
                }
            }
        }
        .boxed()
    }

    fn summary(&self, limit: usize) -> BoxFuture<'_, Result<Vec<SummaryRow>, StoreError>> {
        self.patient
            .read(move |connection| inspect::summary(connection, limit))
            .boxed()
    }

    fn event(&self, position: Position) -> BoxFuture<'_, Result<Option<EventView>, StoreError>> {
        async move {
            let unfiled = self.arrivals.unfiled();
            if !unfiled
                .behind(rows::position_number(position) - 1, 1)
                .is_empty()
            {
                // Every transaction files what there is.
                self.write(1, |_| Ok(())).await?;
            }
            self.patient
                .read(move |connection| inspect::event(connection, position))
                .await
        }
        .boxed()
    }

    fn replay<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.change(Change::Replay, filter, limit, now).boxed()
    }

    fn drop_deliveries<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.change(Change::Drop, filter, limit, now).boxed()
    }

    fn prune(
        &self,
        retention: Retention,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.status.expect_history(retention.bytes);
        self.write(HEAVY, move |books| prune::prune(books, retention, now))
            .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async move {
            self.arrivals.close().await;
            self.quick.close().await;
            self.patient.close().await;
            let (reply, done) = oneshot::channel();
            if self.writer.send(Message::Close(reply)).await.is_ok() {
                let _ = done.await;
            }
        }
        .boxed()
    }
}

impl KeptCalls for SqliteStore {
    fn keep(&self, call: NewKeptCall) -> BoxFuture<'_, Result<KeptCallId, KeepError>> {
        self.write(1, move |books| kept::keep(books, &call))
            .map(|stored| stored.map_err(|error| not_kept(&error))?)
            .boxed()
    }

    fn due_calls(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KeptCall>, KeepError>> {
        self.patient
            .read(move |connection| kept::due(connection, now, limit))
            .map(|found| found.map_err(|error| not_kept(&error)))
            .boxed()
    }

    fn postpone(&self, id: KeptCallId, until: Timestamp) -> BoxFuture<'_, Result<(), KeepError>> {
        self.write(1, move |books| kept::postpone(books, id, until))
            .map(|done| done.map_err(|error| not_kept(&error)))
            .boxed()
    }

    fn forget(&self, id: KeptCallId) -> BoxFuture<'_, Result<(), KeepError>> {
        self.write(1, move |books| kept::forget(books, id))
            .map(|done| done.map_err(|error| not_kept(&error)))
            .boxed()
    }
}

fn not_kept(error: &StoreError) -> KeepError {
    match error {
        StoreError::Full(_) => KeepError::Full,
        StoreError::Failed(_) | StoreError::Closed => KeepError::Failed(error.to_string()),
    }
}

/// One read transaction's worth of a list, and where to go on.
fn list_some(
    connection: &rusqlite::Connection,
    filter: &DeliveryFilter,
    before: i64,
    limit: usize,
) -> Result<(Vec<DeliveryView>, Option<i64>), Fault> {
    let states = if filter.states.is_empty() {
        &DeliveryState::ALL
    } else {
        &*filter.states
    };
    let Some(selection) = Selection::of(connection, filter, states)? else {
        return Ok((Vec::new(), None));
    };
    let (rows, next) = if selection.needs_walk() {
        selection.piece(connection, before, limit)?
    } else {
        (selection.newest(connection, before, limit)?, None)
    };
    Ok((inspect::views(connection, &rows)?, next))
}
