//! Stage 2: journal → plan → outbox, in order of arrival, one commit per batch.
//!
//! A crash before the commit repeats the plan; a crash after it repeats nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::alert::matching::Labels;
use domain::plan::{self, Plan, Rules, UNREADABLE};
use domain::ports::ObjectReader;
use domain::{Catalog, CatalogSnapshot, CleanEvent, Position};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::gate;
use crate::metrics::Metrics;
use crate::store::{JournalEntry, PlannedEvent, Store, StoreError};
use crate::tail::Tail;
use crate::worker::Command;

/// Events per commit: enough to share an fsync, few enough not to keep events waiting that arrive
/// meanwhile.
const BATCH: usize = 256;

/// Events planned between giving other tasks a turn.
const EVENTS_PER_TURN: usize = 16;

/// How long the bell may stay silent before the journal is looked at all the same.
const POLL: Duration = Duration::from_secs(1);

/// Commits are at least so far apart unless a batch is full: each costs a sync and some pages however
/// few events it is for, and nobody waits for it, since answers do not. An event after a pause is
/// planned at once.
const SPACING: Duration = Duration::from_millis(5);

/// How long a failed commit waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

pub(crate) struct Dispatcher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) configured: watch::Receiver<bool>,
    pub(crate) objects: Arc<dyn ObjectReader>,
    pub(crate) rules: Rules,
    pub(crate) tail: Arc<Tail>,
    pub(crate) bell: Arc<Notify>,
    pub(crate) worker: mpsc::Sender<Command>,
    pub(crate) metrics: Metrics,
    pub(crate) shutdown: CancellationToken,
}

impl Dispatcher {
    /// Plans until told to stop.
    pub(crate) async fn run(mut self) {
        let (metrics, shutdown) = (self.metrics.clone(), self.shutdown.clone());
        gate::configured(&mut self.configured, &shutdown, || {
            metrics.planner_is_alive();
        })
        .await;
        let Some(mut position) = self.first_position().await else {
            return;
        };
        let mut not_before = Instant::now();
        while !self.shutdown.is_cancelled() {
            self.wait_until(not_before).await;
            let entries = match self.next_batch(position).await {
                Ok(entries) => entries,
                Err(error) => {
                    tracing::error!(%error, "reading the journal failed");
                    self.pause(RETRY).await;
                    continue;
                }
            };
            let Some(last) = entries.last().map(|entry| entry.position) else {
                self.metrics.planner_is_alive();
                self.pause(POLL).await;
                continue;
            };
            let is_full = entries.len() >= BATCH;
            let plans = self.plan_batch(entries).await;
            let committing = Instant::now();
            if self.commit(plans).await {
                position = last;
                self.metrics.planner_is_alive();
                not_before = committing + if is_full { Duration::ZERO } else { SPACING };
            }
        }
    }

    async fn first_position(&self) -> Option<Position> {
        loop {
            match self.store.planned_up_to().await {
                Ok(position) => return Some(position),
                Err(StoreError::Closed) => return None,
                Err(error) => tracing::error!(%error, "reading the planned position failed"),
            }
            self.pause(RETRY).await;
            if self.shutdown.is_cancelled() {
                return None;
            }
        }
    }

    async fn next_batch(&self, after: Position) -> Result<Vec<JournalEntry>, StoreError> {
        let (entries, _) = self.tail.take(after, BATCH);
        if entries.is_empty() {
            return self.store.read_after(after, BATCH).await;
        }
        Ok(entries)
    }

    async fn plan_batch(&self, entries: Vec<JournalEntry>) -> Vec<PlannedEvent> {
        let snapshot = self.catalog.snapshot();
        let mut plans = Vec::with_capacity(entries.len());
        for (index, entry) in entries.into_iter().enumerate() {
            if index % EVENTS_PER_TURN == EVENTS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let plan = self.plan_one(&entry, &snapshot).await;
            self.metrics.planned(&plan, entry.received_at);
            plans.push(PlannedEvent {
                position: entry.position,
                event: entry.event,
                deliveries: plan.deliveries,
                dispositions: plan.dispositions,
            });
        }
        plans
    }

    async fn plan_one(&self, entry: &JournalEntry, snapshot: &CatalogSnapshot) -> Plan {
        let Some(event) = &entry.event else {
            return unreadable();
        };
        let labels = self.labels(event, snapshot).await;
        // No event may stop the ones behind it, whatever it does to the rules.
        let planned = catch_unwind(AssertUnwindSafe(|| {
            plan::plan(
                entry.position,
                event,
                entry.received_at,
                snapshot,
                &labels,
                self.rules,
            )
        }));
        let Ok(plan) = planned else {
            tracing::error!(
                position = entry.position.0,
                "planning an event panicked; it is set aside"
            );
            return unreadable();
        };
        report(event, &plan);
        plan
    }

    async fn labels(&self, event: &CleanEvent, snapshot: &CatalogSnapshot) -> Labels {
        if !plan::needs_labels(event, snapshot) {
            return Labels::NotAsked;
        }
        match self.objects.labels(&event.event().involved_object).await {
            Some(labels) => Labels::Known(labels),
            None => Labels::Unknown,
        }
    }

    async fn commit(&self, plans: Vec<PlannedEvent>) -> bool {
        loop {
            match self.store.commit(plans.clone()).await {
                Ok(providers) => {
                    self.wake(providers).await;
                    return true;
                }
                Err(StoreError::Closed) => return false,
                Err(error) => tracing::error!(%error, "storing plans failed; trying again"),
            }
            self.pause(RETRY).await;
            if self.shutdown.is_cancelled() {
                return false;
            }
        }
    }

    async fn wake(&self, providers: Vec<ObjectKey>) {
        if !providers.is_empty() {
            // The worker is gone only when all is being shut down; the store has the deliveries.
            let _ = self.worker.send(Command::Due(providers)).await;
        }
    }

    async fn wait_until(&self, moment: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(moment) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    async fn pause(&self, at_most: Duration) {
        tokio::select! {
            () = self.bell.notified() => {}
            () = tokio::time::sleep(at_most) => {}
            () = self.shutdown.cancelled() => {}
        }
    }
}

fn unreadable() -> Plan {
    let mut plan = Plan::default();
    plan.dispositions.count(UNREADABLE, 1);
    plan
}

fn report(event: &CleanEvent, plan: &Plan) {
    let object = &event.event().involved_object;
    for (alert, merged) in &plan.conflicts {
        let keys: Vec<&str> = merged.conflicts.keys().map(String::as_str).collect();
        tracing::info!(
            logger = "event-server",
            alert.name = alert.name,
            alert.namespace = alert.namespace,
            keys = keys.join(","),
            "metadata keys are set by several sources; the one of highest precedence wins"
        );
    }
    tracing::debug!(
        logger = "event-server",
        object.kind = object.kind,
        object.namespace = object.namespace,
        object.name = object.name,
        deliveries = plan.deliveries.len(),
        "planned event"
    );
}
