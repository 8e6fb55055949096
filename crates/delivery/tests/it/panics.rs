//! Ports that panic, with a secret in what they say.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use api::{Alert, ObjectKey, ObjectReference};
use delivery::store::Retention;
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::{Engine, Limits, Ports, Settings, Store};
use domain::delivery::retry::Policy;
use domain::delivery::{Delivery, DeliveryState, FailureClass, Outcome, Position, Receipt};
use domain::plan::Rules;
use domain::ports::{Courier, Notice, NoticeSink, ObjectReader, Random};
use domain::{Catalog, CatalogSnapshot, CleanEvent, ValidAlert};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use serde_json::json;
use testkit::MovableClock;
use testkit::secrets::{leaks, marked};
use tokio::sync::watch;

use crate::setting::{accept, at, in_states, new_event, provider};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything around an engine, which panics whenever it is asked, but for attempts from the third on.
struct Panicking;

impl Courier for Panicking {
    fn deliver<'a>(
        &'a self,
        delivery: &'a Delivery,
        _: &'a CleanEvent,
        _: u32,
    ) -> BoxFuture<'a, Outcome> {
        match delivery.id.position.0 {
            1 => panic!("{}", marked("early")),
            2 => async { panic!("{}", marked("late")) }.boxed(),
            _ => async { Outcome::Delivered(Receipt::default()) }.boxed(),
        }
    }
}

impl ObjectReader for Panicking {
    fn labels<'a>(
        &'a self,
        _: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        panic!("{}", marked("labels"))
    }
}

impl NoticeSink for Panicking {
    fn settled(&self, notice: Notice<'_>) {
        panic!("{} {}", notice.detail, marked("notice"))
    }

    fn paused(&self, provider: &ObjectKey, _: Option<Timestamp>) {
        panic!("{provider} {}", marked("pause"))
    }
}

impl Random for Panicking {
    fn fraction(&self) -> f64 {
        0.0
    }
}

/// An engine whose ports panic, and its store.
async fn start(directory: &tempfile::TempDir, catalog: Catalog) -> (Engine, Arc<dyn Store>) {
    let store = open(StoreSettings {
        directory: directory.path().to_owned(),
        queue_limit: QueueLimit::default(),
        lock_wait: Duration::from_secs(5),
    })
    .unwrap();
    let ports = Ports {
        store: store.clone(),
        catalog: Arc::new(catalog),
        configured: watch::channel(true).1,
        courier: Arc::new(Panicking),
        objects: Arc::new(Panicking),
        clock: Arc::new(MovableClock::at(at(0))),
        random: Arc::new(Panicking),
        notices: Some(Arc::new(Panicking)),
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
    (engine, store)
}

async fn wait_until(mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, looking).await;
    assert!(waited.is_ok(), "it still waits");
}

#[tokio::test]
async fn attempts_and_notices_that_panic_hold_up_no_lane_and_tell_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (engine, store) = start(&directory, Catalog::default()).await;
    for _ in 0..4 {
        accept(&*store, &provider("chat"), 1).await;
    }
    engine.handle().due(vec![provider("chat")]).await;
    let settled = in_states(&[DeliveryState::Failed, DeliveryState::Delivered]);
    let ended = async || store.list(&settled, None, 10).await.unwrap();
    wait_until(async || ended().await.len() == 4).await;
    let mut views = ended().await;
    views.reverse();
    let states: Vec<DeliveryState> = views.iter().map(|view| view.state).collect();
    let (failed, delivered) = (DeliveryState::Failed, DeliveryState::Delivered);
    assert_eq!(states, [failed, failed, delivered, delivered]);
    for view in &views[..2] {
        assert_eq!(view.attempts, 1);
        assert_eq!(view.last.class, Some(FailureClass::Rejected));
        assert!(view.last.detail.contains("panicked"), "{view:?}");
    }
    assert_eq!(leaks(&format!("{views:?}")), Vec::<String>::new());
    engine.stop(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn labels_whose_look_up_panics_hold_up_no_event() {
    let directory = tempfile::tempdir().unwrap();
    let alert = json!({
        "kind": "Alert",
        "metadata": {"namespace": "team", "name": "labelled"},
        "spec": {
            "providerRef": {"name": "chat"},
            "eventSources": [{"kind": "Kustomization", "name": "*", "matchLabels": {"a": "b"}}],
        },
    });
    let alert = ValidAlert::validate(&Alert::from_object(Arc::new(alert)));
    let catalog = Catalog::default();
    let alerts = vec![Arc::new(alert.value.unwrap())];
    catalog.swap(CatalogSnapshot::new(alerts, HashMap::new()));
    let (engine, store) = start(&directory, catalog).await;
    for message in ["first", "second"] {
        let event = new_event(message, at(0));
        let event = CleanEvent::clone(&event.event);
        let key = new_event(message, at(0)).key;
        engine.intake().accept(event, key).await.unwrap();
    }
    wait_until(async || store.planned_up_to().await.unwrap() == Position(2)).await;
    engine.stop(Duration::from_secs(1)).await;
}
