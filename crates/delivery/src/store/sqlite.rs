//! The embedded store: one SQLite file, one thread that writes, two that read.
//!
//! Writes are grouped: the writer takes what waits, runs it in one transaction, and answers when the
//! commit is on disk (WAL, `synchronous=FULL`). Claims are leases in memory, since one process owns
//! the directory and a restart voids them all.
//!
//! In each lane the first live delivery is marked as its head; only heads can be claimed, so a claim
//! is one look-up in an index by Provider and due time.

mod counters;
mod inspect;
mod journal;
mod lock;
mod names;
mod outbox;
mod prune;
mod reader;
mod row;
mod schema;
mod writer;

use std::sync::Arc;

use api::ObjectKey;
use domain::Position;
use domain::delivery::DeliveryId;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::open::{OpenError, QueueLimit, StoreSettings};
use super::{
    Backlog, Claimed, Claims, DeliveryFilter, DeliveryView, EventView, JournalEntry, NewEvent,
    OnAppended, PlannedEvent, RecentKey, Retention, Settlement, Store, StoreError, SummaryRow,
};

use counters::Counters;
use lock::DirectoryLock;
use outbox::Leases;
use reader::Reader;
use writer::Writer;

/// Heads made due per transaction, so that a long queue does not hold appends up.
const HASTEN_BATCH: usize = 2000;

/// The embedded store.
pub(super) struct SqliteStore {
    writer: Writer,
    /// Serves dispatcher and worker.
    claims: Reader,
    /// Serves people, whose questions may take long.
    views: Reader,
    leases: Arc<Leases>,
    counters: Arc<Counters>,
    limit: QueueLimit,
    /// Held until the store is dropped.
    _lock: DirectoryLock,
}

impl SqliteStore {
    /// Opens or makes the store in a directory.
    pub(super) fn open(settings: StoreSettings) -> Result<Self, OpenError> {
        let lock = DirectoryLock::take(&settings.directory, settings.lock_wait)?;
        let path = settings.directory.join(schema::FILE);
        let connection = schema::open_for_writing(&path)?;
        let damaged = |error: rusqlite::Error| OpenError::Damaged {
            path: path.clone(),
            reason: error.to_string(),
        };
        let counters = Arc::new(Counters::load(&connection).map_err(damaged)?);
        let state = writer::State::load(&connection, counters.clone()).map_err(damaged)?;
        let reader = |cache_kib| {
            let connection = schema::open_for_reading(&path, cache_kib)?;
            Ok(Reader::start(connection))
        };
        Ok(Self {
            claims: reader(4096).map_err(damaged)?,
            views: reader(2048).map_err(damaged)?,
            writer: Writer::start(connection, state),
            leases: Arc::default(),
            counters,
            limit: settings.queue_limit,
            _lock: lock,
        })
    }

    fn refusal(&self) -> Option<StoreError> {
        let backlog = self.counters.backlog();
        if backlog.live + backlog.unplanned >= self.limit.deliveries {
            return Some(StoreError::Full(format!(
                "{} events and deliveries wait, which is the limit",
                backlog.live + backlog.unplanned
            )));
        }
        if backlog.bytes >= self.limit.bytes {
            return Some(StoreError::Full(format!(
                "{} bytes are in use, the limit is {}",
                backlog.bytes, self.limit.bytes
            )));
        }
        None
    }
}

impl Store for SqliteStore {
    fn append(&self, event: NewEvent, on_appended: OnAppended) {
        match self.refusal() {
            Some(refusal) => on_appended(Err(refusal)),
            None => self.writer.append(event, on_appended),
        }
    }

    fn recent_keys(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<RecentKey>, StoreError>> {
        self.claims
            .ask(move |connection| journal::recent_keys(connection, since, limit))
    }

    fn planned_up_to(&self) -> BoxFuture<'_, Result<Position, StoreError>> {
        self.claims.ask(journal::planned_up_to)
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<JournalEntry>, StoreError>> {
        self.claims
            .ask(move |connection| journal::read_after(connection, after, limit))
    }

    fn commit(
        &self,
        plans: Vec<PlannedEvent>,
    ) -> BoxFuture<'_, Result<Vec<ObjectKey>, StoreError>> {
        self.writer
            .run(move |context| outbox::commit(context, &plans))
    }

    fn due(&self) -> BoxFuture<'_, Result<Vec<(ObjectKey, Timestamp)>, StoreError>> {
        let leases = self.leases.clone();
        self.claims
            .ask(move |connection| outbox::due(connection, &leases))
    }

    fn claim<'a>(
        &'a self,
        provider: &'a ObjectKey,
        now: Timestamp,
        limit: usize,
        lease_until: Timestamp,
    ) -> BoxFuture<'a, Result<Claims, StoreError>> {
        let leases = self.leases.clone();
        let provider = provider.clone();
        self.claims.ask(move |connection| {
            outbox::claim(connection, &leases, &provider, now, limit, lease_until)
        })
    }

    fn settle(
        &self,
        claimed: &Claimed,
        settlement: Settlement,
    ) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let id = claimed.delivery.id;
        let settled = self
            .writer
            .run(move |context| outbox::settle(context, id, &settlement));
        Box::pin(async move {
            let next_due = settled.await?;
            // Only now: a claim that sees the lease gone also sees the commit.
            self.leases.end(id);
            Ok(next_due)
        })
    }

    fn hasten<'a>(
        &'a self,
        provider: &'a ObjectKey,
        parked_only: bool,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut total = 0;
            loop {
                let provider = provider.clone();
                let hastened = self
                    .writer
                    .run(move |context| {
                        outbox::hasten(context, &provider, parked_only, now, HASTEN_BATCH)
                    })
                    .await?;
                total += hastened;
                if hastened < HASTEN_BATCH {
                    return Ok(total > 0);
                }
            }
        })
    }

    fn recall<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<String>, StoreError>> {
        let key = key.to_owned();
        self.claims
            .ask(move |connection| outbox::recall(connection, &key))
    }

    fn backlog(&self) -> Backlog {
        self.counters.backlog()
    }

    fn list<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        before: Option<DeliveryId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<DeliveryView>, StoreError>> {
        let filter = filter.clone();
        self.views
            .ask(move |connection| inspect::list(connection, &filter, before, limit))
    }

    fn summary(&self, limit: usize) -> BoxFuture<'_, Result<Vec<SummaryRow>, StoreError>> {
        self.views
            .ask(move |connection| inspect::summary(connection, limit))
    }

    fn event(&self, position: Position) -> BoxFuture<'_, Result<Option<EventView>, StoreError>> {
        self.views
            .ask(move |connection| inspect::event(connection, position))
    }

    fn replay<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let filter = filter.clone();
        self.writer
            .run(move |context| inspect::replay(context, &filter, limit, now))
    }

    fn drop_deliveries<'a>(
        &'a self,
        filter: &'a DeliveryFilter,
        limit: usize,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        let filter = filter.clone();
        let leases = self.leases.clone();
        self.writer
            .run(move |context| inspect::drop_deliveries(context, &leases, &filter, limit, now))
    }

    fn prune(
        &self,
        retention: Retention,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        self.writer
            .run(move |context| prune::prune(context, retention, now))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.writer.close().await;
            self.claims.close();
            self.views.close();
        })
    }
}
