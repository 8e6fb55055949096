//! The three stages put together: starts them, feeds them changes, stops them in order.

use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::Catalog;
use domain::delivery::retry::{Policy, later};
use domain::plan::Rules;
use domain::ports::{Clock, Courier, DeliveryTallies, NoticeSink, ObjectReader, Random, Tally};
use futures::future::BoxFuture;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::contained::Contained;
use crate::dispatch::Dispatcher;
use crate::duplicates::{DEFAULT_MOST_KEYS, Duplicates};
use crate::intake::Intake;
use crate::janitor;
use crate::metrics::Metrics;
use crate::store::{Retention, Store, StoreError};
use crate::tail::Tail;
use crate::worker::{Command, Limits, Parts, Worker};

/// Without a sign of life for so long the process should be restarted.
const STALLED: Duration = Duration::from_mins(2);

/// Most counts that are handed out: seven states of every Provider that anybody has.
const MOST_TALLIES: usize = 50_000;

/// How the engine behaves.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a repeat of an event is a duplicate.
    pub duplicate_interval: Duration,
    /// How long promises are kept.
    pub policy: Policy,
    /// How much history is kept.
    pub retention: Retention,
    /// How much runs at once.
    pub limits: Limits,
    /// How events are planned.
    pub rules: Rules,
}

/// What the engine asks.
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The configuration.
    pub catalog: Arc<Catalog>,
    /// Whether the configuration was read at all. Until it is true events are accepted and stored,
    /// and nothing is planned or delivered: to an empty catalog every event looks unwanted.
    pub configured: watch::Receiver<bool>,
    /// Makes attempts.
    pub courier: Arc<dyn Courier>,
    /// Looks labels up.
    pub objects: Arc<dyn ObjectReader>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Spreads retries.
    pub random: Arc<dyn Random>,
    /// Hears what becomes of deliveries, if anybody wants to.
    pub notices: Option<Arc<dyn NoticeSink>>,
}

/// A running engine.
pub struct Engine {
    intake: Intake,
    store: Arc<dyn Store>,
    metrics: Metrics,
    worker: mpsc::Sender<Command>,
    stages: TaskTracker,
    attempts: TaskTracker,
    shutdown: CancellationToken,
    abandon: CancellationToken,
}

impl Engine {
    /// Restores what a restart must not forget and starts all stages.
    pub async fn start(
        settings: Settings,
        ports: Ports,
        registry: &mut Registry,
    ) -> Result<Self, StoreError> {
        let metrics = Metrics::new(registry, ports.clock.clone());
        let duplicates = restored_duplicates(settings, &ports).await?;
        let (tail, bell) = (Arc::new(Tail::default()), Arc::new(Notify::new()));
        let (worker, commands) = mpsc::channel(256);
        let (shutdown, abandon) = (CancellationToken::new(), CancellationToken::new());
        let (stages, attempts) = (TaskTracker::new(), TaskTracker::new());
        let intake = Intake::new(
            ports.store.clone(),
            ports.clock.clone(),
            duplicates,
            tail.clone(),
            bell.clone(),
        );
        let dispatcher = Dispatcher {
            store: ports.store.clone(),
            catalog: ports.catalog,
            configured: ports.configured.clone(),
            objects: Arc::new(Contained(ports.objects)),
            rules: settings.rules,
            tail,
            bell,
            worker: worker.clone(),
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
        };
        stages.spawn(dispatcher.run());
        let worker_parts = Parts {
            store: ports.store.clone(),
            courier: Arc::new(Contained(ports.courier)),
            clock: ports.clock.clone(),
            random: ports.random,
            policy: settings.policy,
            notices: ports
                .notices
                .map(|notices| Arc::new(Contained(notices)) as Arc<dyn NoticeSink>),
            configured: ports.configured,
            metrics: metrics.clone(),
            limits: settings.limits,
            commands,
            attempts: attempts.clone(),
            shutdown: shutdown.clone(),
            abandon: abandon.clone(),
        };
        stages.spawn(Worker::new(worker_parts).run());
        stages.spawn(janitor::run(
            ports.store.clone(),
            ports.clock,
            settings.retention,
            shutdown.clone(),
        ));
        Ok(Self {
            intake,
            store: ports.store,
            metrics,
            worker,
            stages,
            attempts,
            shutdown,
            abandon,
        })
    }

    /// Where events go in.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// A handle for those who change things while the engine runs.
    pub fn handle(&self) -> Handle {
        Handle {
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            worker: self.worker.clone(),
        }
    }

    /// Stops: no new attempts, running ones get `grace` to end, then the store is closed. Attempts
    /// that did not end are made again after the next start.
    pub async fn stop(self, grace: Duration) {
        self.shutdown.cancel();
        self.stages.close();
        self.attempts.close();
        if tokio::time::timeout(grace, self.attempts.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                attempts = self.attempts.len(),
                "attempts still run; they are made again after the next start"
            );
            self.abandon.cancel();
        }
        let closing = async {
            self.stages.wait().await;
            self.store.close().await;
        };
        if tokio::time::timeout(Duration::from_secs(1), closing)
            .await
            .is_err()
        {
            tracing::warn!("the store is slow to close; what it has written is safe");
        }
    }
}

/// What can be done to a running engine from outside.
#[derive(Clone)]
pub struct Handle {
    store: Arc<dyn Store>,
    metrics: Metrics,
    worker: mpsc::Sender<Command>,
}

impl Handle {
    /// The store, to look at it and to replay or drop deliveries.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Providers have something due that the worker does not know of, for example after a replay.
    pub async fn due(&self, providers: Vec<ObjectKey>) {
        // The worker is gone only when all is being shut down.
        let _ = self.worker.send(Command::Due(providers)).await;
    }

    /// Providers, or Secrets they use, changed: what waits for them is tried at once.
    pub async fn changed(&self, providers: Vec<ObjectKey>) {
        let _ = self.worker.send(Command::Changed(providers)).await;
    }

    /// Brings the gauges up to date; called when metrics are read.
    pub fn refresh_metrics(&self) {
        self.metrics.backlog(self.store.backlog());
    }

    /// Whether planner and worker give signs of life.
    pub fn is_alive(&self) -> bool {
        self.metrics.stalled_for() < STALLED
    }
}

impl DeliveryTallies for Handle {
    fn tallies(&self) -> BoxFuture<'_, Option<Vec<Tally>>> {
        Box::pin(async move {
            let read = self.store.summary(MOST_TALLIES).await;
            read.inspect_err(|error| tracing::warn!(%error, "counting deliveries failed"))
                .ok()
        })
    }
}

async fn restored_duplicates(settings: Settings, ports: &Ports) -> Result<Duplicates, StoreError> {
    let now = ports.clock.now();
    let mut duplicates = Duplicates::new(settings.duplicate_interval, DEFAULT_MOST_KEYS, now);
    let since = later(now, Duration::ZERO)
        .checked_sub(jiff::SignedDuration::try_from(duplicates.horizon()).unwrap_or_default())
        .unwrap_or(now);
    let recent = ports
        .store
        .recent_keys(since, DEFAULT_MOST_KEYS / 3)
        .await?;
    duplicates.restore(&recent);
    Ok(duplicates)
}
