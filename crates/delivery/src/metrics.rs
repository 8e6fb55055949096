//! What can be counted about events and deliveries. Every label has a bounded set of values.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::ObjectKey;
use domain::delivery::{Delivery, Outcome};
use domain::plan::Plan;
use domain::ports::Clock;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::store::{Backlog, Settlement};

/// How many Providers get label values of their own; the rest share one.
const MOST_PROVIDERS: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    provider_namespace: String,
    provider_name: String,
    provider_type: String,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    provider_type: String,
    result: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabels {
    provider_namespace: String,
    provider_name: String,
}

/// The metrics of this crate; cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    events: Counter,
    dispositions: Family<ReasonLabels, Counter>,
    deliveries: Family<DeliveryLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    attempt_duration: Histogram,
    latency: Histogram,
    breaker_open: Family<ProviderLabels, Gauge>,
    unplanned: Gauge,
    live: Gauge,
    parked: Gauge,
    bytes: Gauge,
    oldest: Gauge<f64, AtomicU64>,
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// Providers that have label values of their own.
    providers: Mutex<HashSet<ObjectKey>>,
    /// When the planner and the worker were last seen alive, in Unix seconds.
    planner: AtomicI64,
    worker: AtomicI64,
}

impl Metrics {
    /// Registers all metrics under the prefix `fanfare_`.
    pub(crate) fn new(registry: &mut Registry, clock: Arc<dyn Clock>) -> Self {
        let buckets = [
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            60.0, 300.0, 3600.0,
        ];
        let now = clock.now().as_second();
        let metrics = Self {
            events: Counter::default(),
            dispositions: Family::default(),
            deliveries: Family::default(),
            attempts: Family::default(),
            attempt_duration: Histogram::new(buckets),
            latency: Histogram::new(buckets),
            breaker_open: Family::default(),
            unplanned: Gauge::default(),
            live: Gauge::default(),
            parked: Gauge::default(),
            bytes: Gauge::default(),
            oldest: Gauge::default(),
            shared: Arc::new(Shared {
                clock,
                providers: Mutex::default(),
                planner: AtomicI64::new(now),
                worker: AtomicI64::new(now),
            }),
        };
        metrics.register(registry.sub_registry_with_prefix("fanfare"));
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "events_planned",
            "Accepted events for which it was decided what becomes of them",
            self.events.clone(),
        );
        registry.register(
            "dispositions",
            "Alerts that got no delivery for an event, by reason",
            self.dispositions.clone(),
        );
        registry.register(
            "deliveries",
            "Settled deliveries, by Provider and outcome",
            self.deliveries.clone(),
        );
        registry.register(
            "attempts",
            "Attempts to deliver, by provider type and result",
            self.attempts.clone(),
        );
        registry.register(
            "attempt_duration_seconds",
            "Time of one attempt",
            self.attempt_duration.clone(),
        );
        registry.register(
            "delivery_latency_seconds",
            "Time from acceptance of an event to its delivery",
            self.latency.clone(),
        );
        registry.register(
            "destination_down",
            "1 while a Provider's destination is down and only probed",
            self.breaker_open.clone(),
        );
        registry.register(
            "journal_unplanned",
            "Accepted events not planned yet",
            self.unplanned.clone(),
        );
        registry.register(
            "queue_deliveries",
            "Deliveries waiting, parked ones included",
            self.live.clone(),
        );
        registry.register(
            "queue_parked",
            "Deliveries waiting for a change of configuration",
            self.parked.clone(),
        );
        registry.register(
            "store_bytes",
            "Bytes in use in the store",
            self.bytes.clone(),
        );
        registry.register(
            "queue_oldest_age_seconds",
            "Age of the oldest event or delivery that waits",
            self.oldest.clone(),
        );
    }

    /// Sets the gauges; called when metrics are read.
    pub(crate) fn backlog(&self, backlog: Backlog) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.unplanned.set(number(backlog.unplanned));
        self.live.set(number(backlog.live));
        self.parked.set(number(backlog.parked));
        self.bytes.set(number(backlog.bytes));
        let age = backlog.oldest.map_or(0.0, |oldest| {
            self.shared.clock.now().duration_since(oldest).as_secs_f64()
        });
        self.oldest.set(age.max(0.0));
    }

    pub(crate) fn planned(&self, plan: &Plan, _received_at: Timestamp) {
        self.events.inc();
        for (reason, count) in &plan.dispositions.counts {
            let labels = ReasonLabels {
                reason: reason.clone(),
            };
            self.dispositions.get_or_create(&labels).inc_by(*count);
        }
    }

    pub(crate) fn attempted(&self, delivery: &Delivery, outcome: &Outcome, took: Duration) {
        let result = match outcome {
            Outcome::Delivered(receipt) if receipt.unchanged => "unchanged",
            Outcome::Delivered(_) => "delivered",
            Outcome::Dropped(_) => "dropped",
            Outcome::Failed(failure) => failure.class.label(),
        };
        let labels = AttemptLabels {
            provider_type: delivery.content.kind.clone(),
            result: result.to_owned(),
        };
        self.attempts.get_or_create(&labels).inc();
        self.attempt_duration.observe(took.as_secs_f64());
    }

    pub(crate) fn settled(&self, delivery: &Delivery, settlement: &Settlement) {
        if settlement.state.is_live() {
            return;
        }
        let ProviderLabels {
            provider_namespace,
            provider_name,
        } = self.provider_labels(&delivery.provider);
        let labels = DeliveryLabels {
            provider_namespace,
            provider_name,
            provider_type: delivery.content.kind.clone(),
            outcome: settlement.state.label().to_owned(),
        };
        self.deliveries.get_or_create(&labels).inc();
        if settlement.state == domain::delivery::DeliveryState::Delivered {
            let latency = settlement.now.duration_since(delivery.accepted_at);
            self.latency.observe(latency.as_secs_f64().max(0.0));
        }
    }

    pub(crate) fn breaker(&self, provider: &ObjectKey, is_open: bool) {
        let labels = self.provider_labels(provider);
        if is_open {
            self.breaker_open.get_or_create(&labels).set(1);
        } else {
            self.breaker_open.remove(&labels);
        }
    }

    fn provider_labels(&self, provider: &ObjectKey) -> ProviderLabels {
        let mut known = self
            .shared
            .providers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !known.contains(provider) && known.len() >= MOST_PROVIDERS {
            return ProviderLabels {
                provider_namespace: "other".to_owned(),
                provider_name: "other".to_owned(),
            };
        }
        if !known.contains(provider) {
            known.insert(provider.clone());
        }
        ProviderLabels {
            provider_namespace: provider.namespace.clone(),
            provider_name: provider.name.clone(),
        }
    }

    pub(crate) fn planner_is_alive(&self) {
        let now = self.shared.clock.now().as_second();
        self.shared.planner.store(now, Ordering::Relaxed);
    }

    pub(crate) fn worker_is_alive(&self) {
        let now = self.shared.clock.now().as_second();
        self.shared.worker.store(now, Ordering::Relaxed);
    }

    /// For how long the slower of planner and worker gave no sign of life.
    pub(crate) fn stalled_for(&self) -> Duration {
        let planner = self.shared.planner.load(Ordering::Relaxed);
        let worker = self.shared.worker.load(Ordering::Relaxed);
        let now = self.shared.clock.now().as_second();
        Duration::from_secs(u64::try_from(now - planner.min(worker)).unwrap_or(0))
    }
}
