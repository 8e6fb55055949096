//! A clock that is set back while deliveries wait for a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::ObjectReference;
use delivery::store::Retention;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::{Engine, Limits, Ports, Settings, Store};
use domain::delivery::retry::Policy;
use domain::delivery::{Delivery, DeliveryState, Failure, FailureClass, Outcome, Receipt};
use domain::plan::Rules;
use domain::ports::{Courier, ObjectReader, Random};
use domain::{Catalog, CleanEvent};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prometheus_client::registry::Registry;
use testkit::MovableClock;
use tokio::sync::watch;

use crate::setting::{accept, at, in_states, provider};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// A destination whose first answer is a failure.
struct SecondTimeLucky;

impl Courier for SecondTimeLucky {
    fn deliver<'a>(
        &'a self,
        _: &'a Delivery,
        _: &'a CleanEvent,
        attempt: u32,
    ) -> BoxFuture<'a, Outcome> {
        let outcome = if attempt == 1 {
            Outcome::Failed(Failure::new(FailureClass::ServerFault, "not now"))
        } else {
            Outcome::Delivered(Receipt::default())
        };
        async move { outcome }.boxed()
    }
}

impl ObjectReader for SecondTimeLucky {
    fn labels<'a>(
        &'a self,
        _: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        async { None }.boxed()
    }
}

impl Random for SecondTimeLucky {
    fn fraction(&self) -> f64 {
        0.0
    }
}

struct Running {
    engine: Engine,
    store: Arc<dyn Store>,
    clock: Arc<MovableClock>,
    directory: tempfile::TempDir,
}

/// An engine with one delivery whose first attempt has failed.
async fn after_a_failure() -> Running {
    let running = start(tempfile::tempdir().unwrap(), at(0)).await;
    accept(&*running.store, &provider("down"), 1).await;
    running.engine.handle().due(vec![provider("down")]).await;
    running.wait_for(|view| view.attempts == 1).await;
    running
}

/// An engine on a directory, and what time it is.
async fn start(directory: tempfile::TempDir, now: Timestamp) -> Running {
    let store = open(StoreSettings {
        directory: directory.path().to_owned(),
        queue_limit: QueueLimit::default(),
        lock_wait: Duration::from_secs(5),
    })
    .unwrap();
    let clock = Arc::new(MovableClock::at(now));
    let ports = Ports {
        store: store.clone(),
        catalog: Arc::new(Catalog::default()),
        configured: watch::channel(true).1,
        courier: Arc::new(SecondTimeLucky),
        objects: Arc::new(SecondTimeLucky),
        clock: clock.clone(),
        random: Arc::new(SecondTimeLucky),
        notices: None,
    };
    let settings = Settings {
        duplicate_interval: Duration::from_mins(5),
        policy: Policy::default(),
        retention: Retention {
            age: Duration::from_hours(168),
            bytes: 1 << 30,
        },
        limits: Limits::default(),
        rules: Rules::default(),
    };
    let mut registry = Registry::default();
    let engine = Engine::start(settings, ports, &mut registry).await.unwrap();
    Running {
        engine,
        store,
        clock,
        directory,
    }
}

impl Running {
    /// Waits until the delivery is as wanted; the worker looks at the clock whenever it is told
    /// something.
    async fn wait_for(&self, is_wanted: impl Fn(&delivery::store::DeliveryView) -> bool) {
        let looking = async {
            loop {
                let listed = self
                    .store
                    .list(&in_states(&DeliveryState::ALL), None, 10)
                    .await;
                if listed.unwrap().iter().any(&is_wanted) {
                    return;
                }
                self.engine.handle().due(Vec::new()).await;
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, looking).await;
        assert!(waited.is_ok(), "the delivery still waits");
    }
}

#[tokio::test]
async fn a_retry_does_not_wait_for_a_time_that_a_wrong_clock_computed() {
    let running = after_a_failure().await;
    running.clock.set(at(0) - SignedDuration::from_hours(2));
    running
        .wait_for(|view| view.state == DeliveryState::Delivered)
        .await;
    running.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_small_step_back_changes_nothing() {
    let running = after_a_failure().await;
    running.clock.set(at(-5));
    for _ in 0..100 {
        running.engine.handle().due(Vec::new()).await;
        tokio::task::yield_now().await;
    }
    running.wait_for(|view| view.attempts == 1).await;
    running.clock.set(at(3));
    running
        .wait_for(|view| view.state == DeliveryState::Delivered)
        .await;
    running.engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_while_nothing_ran_is_noticed_at_the_start() {
    for back in [SignedDuration::from_mins(30), SignedDuration::from_hours(5)] {
        let running = after_a_failure().await;
        running.engine.stop(Duration::from_secs(1)).await;
        drop(running.store);
        let running = start(running.directory, at(0) - back).await;
        running
            .wait_for(|view| view.state == DeliveryState::Delivered)
            .await;
        running.engine.stop(Duration::from_secs(1)).await;
    }
}
