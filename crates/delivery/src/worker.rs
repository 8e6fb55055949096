//! Stage 3: claim → courier → settle, lane by lane, fair between namespaces.
//!
//! One task decides who is next; each attempt is a task of its own. Providers take turns by
//! namespace, each with a bounded number of attempts, and none while its breaker says so.

mod attempt;
mod queues;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use domain::DeliveryId;
use domain::delivery::Failure;
use domain::delivery::retry::{LONGEST_RETRY_AFTER, Policy, later};
use domain::ports::{Clock, Courier, NoticeSink, Random};
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::breaker::Permit;
use crate::gate;
use crate::metrics::Metrics;
use crate::store::{Claimed, DeliveryFilter, Store, StoreError};

use attempt::attempt;
use queues::Queues;

/// How long a claim holds; longer than any attempt.
const LEASE: Duration = Duration::from_mins(15);

/// How often the worker looks around although nothing happened.
const POLL: Duration = Duration::from_secs(5);

/// How long a failed settlement waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// A clock that shows this much less than it did was set back; less is not worth the bother.
const SET_BACK: Duration = Duration::from_secs(10);

/// No failure makes a delivery wait longer than this; a time further off was computed by a clock that
/// was wrong.
const LONGEST_WAIT: Duration = LONGEST_RETRY_AFTER.saturating_add(Duration::from_mins(15));

/// How many deliveries one claim takes, so that a busy Provider does not keep others waiting.
const CLAIM: usize = 32;

/// How many outcomes may wait to be stored, per attempt that may run.
const UNSETTLED: usize = 4;

/// Bounds of concurrent work.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attempts at once, in all.
    pub attempts: usize,
    /// Attempts at once per Provider.
    pub attempts_per_provider: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 256,
            attempts_per_provider: 32,
        }
    }
}

/// What others tell the worker.
pub(crate) enum Command {
    /// These Providers have something due.
    Due(Vec<ObjectKey>),
    /// These Providers changed: what is parked is tried at once, and past failures are forgotten.
    Changed(Vec<ObjectKey>),
}

/// What an attempt reports.
enum Report {
    /// The destination answered, or did not: the slot is free for another attempt while the outcome
    /// is being stored.
    Answered {
        provider: ObjectKey,
        verdict: BreakerVerdict,
    },
    /// The outcome is stored.
    Settled {
        attempt: AttemptKey,
        provider: ObjectKey,
        /// When the lane's next delivery is due.
        next_due: Option<Timestamp>,
    },
}

/// Tells attempts apart: a delivery that was settled for later may be claimed again before the worker
/// hears of the end of its first attempt, and then counts one attempt more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct AttemptKey {
    id: DeliveryId,
    attempts: u32,
}

impl AttemptKey {
    fn of(claimed: &Claimed) -> Self {
        Self {
            id: claimed.delivery.id,
            attempts: claimed.attempts,
        }
    }
}

/// What an attempt says about its destination.
enum BreakerVerdict {
    Nothing,
    Alive,
    Failed(Failure),
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    limits: Limits,
    commands: mpsc::Receiver<Command>,
    reports: mpsc::Receiver<Report>,
    queues: Queues,
    /// Attempts whose outcome is not stored yet.
    in_flight: HashSet<AttemptKey>,
    /// Those of them that wait for their destination.
    running: usize,
    attempts: TaskTracker,
    configured: watch::Receiver<bool>,
    /// What the clock showed at the last look.
    seen: Timestamp,
    shutdown: CancellationToken,
}

/// What every attempt needs.
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) courier: Arc<dyn Courier>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) policy: Policy,
    pub(crate) metrics: Metrics,
    pub(crate) notices: Option<Arc<dyn NoticeSink>>,
    /// Cancelled when attempts have had their time to finish.
    pub(crate) abandon: CancellationToken,
    report: mpsc::Sender<Report>,
}

/// What a worker is made from.
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) courier: Arc<dyn Courier>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) policy: Policy,
    pub(crate) notices: Option<Arc<dyn NoticeSink>>,
    pub(crate) configured: watch::Receiver<bool>,
    pub(crate) metrics: Metrics,
    pub(crate) limits: Limits,
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) attempts: TaskTracker,
    pub(crate) shutdown: CancellationToken,
    pub(crate) abandon: CancellationToken,
}

impl Worker {
    pub(crate) fn new(parts: Parts) -> Self {
        let (report, reports) = mpsc::channel(parts.limits.attempts.max(1) * 2);
        let seen = parts.clock.now();
        Self {
            seen,
            shared: Arc::new(Shared {
                store: parts.store,
                courier: parts.courier,
                clock: parts.clock,
                random: parts.random,
                policy: parts.policy,
                metrics: parts.metrics,
                notices: parts.notices,
                abandon: parts.abandon,
                report,
            }),
            limits: parts.limits,
            commands: parts.commands,
            reports,
            queues: Queues::default(),
            in_flight: HashSet::new(),
            running: 0,
            attempts: parts.attempts,
            configured: parts.configured,
            shutdown: parts.shutdown,
        }
    }

    /// Works until told to stop; attempts that run then are left to their tracker.
    pub(crate) async fn run(mut self) {
        let (shared, shutdown) = (self.shared.clone(), self.shutdown.clone());
        gate::configured(&mut self.configured, &shutdown, || {
            shared.metrics.worker_is_alive();
        })
        .await;
        self.take_stock().await;
        while !self.shutdown.is_cancelled() {
            let now = self.shared.clock.now();
            if later(now, SET_BACK) < self.seen {
                tracing::warn!(
                    "the clock was set back; whatever waits for a time is tried at once, since that \
                     time was computed before"
                );
                self.forget_times(now).await;
            }
            self.seen = now;
            self.queues.ring(now);
            self.start_attempts(now).await;
            self.shared.metrics.worker_is_alive();
            self.wait().await;
        }
    }

    /// Learns from the store what is due; after a restart that is all there is to know.
    async fn take_stock(&mut self) {
        self.seen = self.seen.max(self.newest().await);
        let latest = later(self.shared.clock.now(), LONGEST_WAIT);
        for (provider, at) in self.read_due().await {
            if at > latest {
                self.hasten(&provider, self.shared.clock.now()).await;
            } else {
                self.queues.due(&provider, at);
            }
        }
    }

    /// What the clock showed when the newest delivery was accepted or attempted; the clock may have been
    /// set back while this process did not run.
    async fn newest(&self) -> Timestamp {
        let everything = DeliveryFilter::default();
        let newest = self.shared.store.list(&everything, None, 1).await;
        let newest = newest.unwrap_or_else(|error| {
            tracing::warn!(%error, "reading the newest delivery failed");
            Vec::new()
        });
        newest.first().map_or(Timestamp::MIN, |newest| {
            newest
                .last
                .at
                .max(Some(newest.accepted_at))
                .unwrap_or(newest.accepted_at)
        })
    }

    /// Makes everything due, and lets every destination be tried.
    async fn forget_times(&mut self, now: Timestamp) {
        for (provider, _) in self.read_due().await {
            self.queues.forget_failures(&provider);
            self.hasten(&provider, now).await;
        }
    }

    /// Providers with live deliveries, and when their first is due; nothing only when all is being shut
    /// down.
    async fn read_due(&self) -> Vec<(ObjectKey, Timestamp)> {
        loop {
            match self.shared.store.due().await {
                Ok(due) => return due,
                Err(StoreError::Closed) => return Vec::new(),
                Err(error) => tracing::error!(%error, "reading the outbox failed; trying again"),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = self.shutdown.cancelled() => return Vec::new(),
            }
        }
    }

    async fn start_attempts(&mut self, now: Timestamp) {
        // Each Provider gets at most one claim per round, so that none starves.
        for _ in 0..self.queues.ready_len() {
            let room = self.room();
            if room == 0 {
                return;
            }
            let Some(provider) = self.queues.next_ready() else {
                return;
            };
            self.claim_for(provider, room.min(CLAIM), now).await;
        }
    }

    /// How many attempts may be started. Outcomes that wait for the disk are bounded as well.
    fn room(&self) -> usize {
        let slots = self.limits.attempts.saturating_sub(self.running);
        let outcomes = (self.limits.attempts * UNSETTLED).saturating_sub(self.in_flight.len());
        slots.min(outcomes)
    }

    async fn claim_for(&mut self, provider: ObjectKey, room: usize, now: Timestamp) {
        let queue = self.queues.get(&provider);
        let (room, due_by) = match queue.breaker.permit(self.limits.attempts_per_provider, now) {
            Permit::Attempts(most) => (room.min(most.saturating_sub(queue.running)), now),
            // Whatever is first will do as a probe, due or not. At that time every lease has run out,
            // so an answer that is on its way to the disk would be claimed, and sent, once more.
            Permit::Probe if queue.unsettled == 0 => (1, Timestamp::MAX),
            Permit::Probe => (0, now),
            Permit::Wait(until) => {
                self.queues.wait_until(&provider, until);
                return;
            }
        };
        if room == 0 {
            // An attempt of this Provider runs; its end makes it ready again.
            self.queues.wait_for_attempt(&provider);
            return;
        }
        let lease_until = later(now, LEASE);
        let claims = match self
            .shared
            .store
            .claim(&provider, due_by, room, lease_until)
            .await
        {
            Ok(claims) => claims,
            Err(error) => {
                if !matches!(error, StoreError::Closed) {
                    tracing::error!(%error, "claiming deliveries failed; trying again");
                }
                self.queues.wait_until(&provider, later(now, RETRY));
                return;
            }
        };
        for claimed in claims.claimed {
            self.start(claimed);
        }
        match claims.next_due {
            Some(at) => self.queues.due(&provider, at),
            None => self.queues.drained(&provider),
        }
    }

    fn start(&mut self, claimed: Claimed) {
        // After a jump of the clock a lease may seem to have run out; the attempt that runs settles.
        if !self.in_flight.insert(AttemptKey::of(&claimed)) {
            return;
        }
        self.queues.started(&claimed.delivery.provider);
        self.running += 1;
        let shared = self.shared.clone();
        self.attempts.spawn(async move {
            let abandon = shared.abandon.clone();
            tokio::select! {
                () = attempt(&shared, claimed) => {}
                () = abandon.cancelled() => {}
            }
        });
    }

    async fn wait(&mut self) {
        let now = self.shared.clock.now();
        let pause = match self.queues.next_timer() {
            // Something is ready already, unless all slots are taken.
            _ if self.queues.ready_len() > 0 && self.room() > 0 => Duration::ZERO,
            Some(at) => Duration::try_from(at.duration_since(now))
                .unwrap_or_default()
                .min(POLL),
            None => POLL,
        };
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => {}
            Some(report) = self.reports.recv() => self.note(report).await,
            Some(command) = self.commands.recv() => self.obey(command).await,
            () = tokio::time::sleep(pause) => {}
        }
        // Take what else is there, so that one claim serves many ends.
        while let Ok(report) = self.reports.try_recv() {
            self.note(report).await;
        }
        while let Ok(command) = self.commands.try_recv() {
            self.obey(command).await;
        }
    }

    async fn obey(&mut self, command: Command) {
        let now = self.shared.clock.now();
        match command {
            Command::Due(providers) => {
                for provider in providers {
                    self.queues.due(&provider, now);
                }
            }
            Command::Changed(providers) => {
                for provider in providers {
                    self.queues.forget_failures(&provider);
                    self.hasten(&provider, now).await;
                }
            }
        }
    }

    async fn hasten(&mut self, provider: &ObjectKey, now: Timestamp) {
        match self.shared.store.hasten(provider, false, now).await {
            Ok(true) => self.queues.due(provider, now),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, %provider, "hastening deliveries failed; they keep their schedule");
            }
        }
    }

    async fn note(&mut self, report: Report) {
        match report {
            Report::Answered { provider, verdict } => self.note_answer(&provider, &verdict).await,
            Report::Settled {
                attempt,
                provider,
                next_due,
            } => {
                self.in_flight.remove(&attempt);
                self.queues.settled(&provider);
                match next_due {
                    Some(at) => self.queues.due(&provider, at),
                    None => self.queues.drained(&provider),
                }
            }
        }
    }

    async fn note_answer(&mut self, provider: &ObjectKey, verdict: &BreakerVerdict) {
        self.running = self.running.saturating_sub(1);
        let now = self.shared.clock.now();
        let jitter = self.shared.random.fraction();
        let queue = self.queues.finished(provider);
        let was_open = queue.breaker.is_open();
        let came_back = match verdict {
            BreakerVerdict::Nothing => false,
            BreakerVerdict::Alive => queue.breaker.succeeded(),
            BreakerVerdict::Failed(failure) => queue.breaker.failed(failure, now, jitter),
        };
        let is_open = queue.breaker.is_open();
        let paused = queue.breaker.paused_until(now);
        if let Some(notices) = self
            .shared
            .notices
            .as_ref()
            .filter(|_| was_open || paused.is_some())
        {
            notices.paused(provider, paused);
        }
        if was_open != is_open {
            self.shared.metrics.breaker(provider, is_open);
            if is_open {
                tracing::warn!(
                    controllerKind = "Provider",
                    name = provider.name,
                    namespace = provider.namespace,
                    "the destination is down; deliveries wait and it is probed"
                );
            } else {
                tracing::info!(
                    controllerKind = "Provider",
                    name = provider.name,
                    namespace = provider.namespace,
                    "the destination is back; waiting deliveries go out"
                );
            }
        }
        if came_back {
            self.hasten(provider, now).await;
        }
    }
}
