//! Attempts that panic with a canary in what they say: the store, the metrics and what people are shown
//! know nothing of it, and the deliveries behind go out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::{Alert, ObjectKey, ObjectReference, Provider};
use delivery::store::open::{QueueLimit, StoreSettings, open};
use delivery::store::{DeliveryFilter, DeliveryView, Retention};
use delivery::{Engine, Limits, Ports, Settings, Store};
use domain::catalog::ProviderEntry;
use domain::delivery::retry::Policy;
use domain::delivery::{DeliveryState, FailureClass};
use domain::plan::Rules;
use domain::ports::{ObjectReader, Random, SecretError, SecretReader, VersionedSecret};
use domain::{Catalog, CatalogSnapshot, CleanEvent, ValidAlert, ValidProvider};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use outbound::{Client, ClientSettings};
use outbound::{HttpError, HttpRequest, HttpResponse, HttpTransport, Route, SendOptions};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use providers::{Courier, CourierSettings, Directory, Identities};
use serde_json::json;
use testkit::secrets::marked;
use testkit::{Facts, HttpSink, MovableClock, ScriptedStreams, Secrets};

use super::places::Search;
use crate::support::{PATIENCE, all_bytes, event, text};

/// Providers by what panics for them.
const SENDING: &str = "sending";
const READING: &str = "reading";
const NOTHING: &str = "nothing";

/// The way out, and Secrets, until they are mended.
struct Panicking {
    client: Arc<Client>,
    secrets: Secrets,
    is_mended: AtomicBool,
}

impl Panicking {
    fn is_mended(&self) -> bool {
        self.is_mended.load(Ordering::Relaxed)
    }
}

impl HttpTransport for Panicking {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let is_well = self.is_mended() || !request.url.path().ends_with(SENDING);
        assert!(is_well, "{:?}, {}", request.headers, marked("cut"));
        self.client.send(request, route, options)
    }
}

impl SecretReader for Panicking {
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<VersionedSecret>, SecretError>> {
        async move {
            if key.name == READING && !self.is_mended() {
                std::panic::panic_any(marked("data"));
            }
            self.secrets.read(key).await
        }
        .boxed()
    }
}

struct Nobody;

impl ObjectReader for Nobody {
    fn labels<'a>(
        &'a self,
        _: &'a ObjectReference,
    ) -> BoxFuture<'a, Option<BTreeMap<String, String>>> {
        async { None }.boxed()
    }
}

impl Random for Nobody {
    fn fraction(&self) -> f64 {
        0.0
    }
}

/// A Provider of each name with an Alert on everything, and the Secret of each.
fn configure(sink: &HttpSink, secrets: &Secrets) -> CatalogSnapshot {
    let mut providers = HashMap::new();
    let mut alerts = Vec::new();
    for name in [SENDING, READING, NOTHING] {
        let object = json!({
            "kind": "Provider",
            "metadata": {"namespace": "apps", "name": name},
            "spec": {
                "type": "generic",
                "address": sink.url(&format!("/{name}")),
                "secretRef": {"name": name},
            },
        });
        let valid = ValidProvider::validate(&Provider::from_object(Arc::new(object)), &Directory);
        let valid = valid.value.unwrap();
        secrets.apply(&json!({
            "metadata": {"namespace": "apps", "name": name},
            "stringData": {"token": marked(name)},
        }));
        let alert = json!({
            "kind": "Alert",
            "metadata": {"namespace": "apps", "name": name},
            "spec": {
                "providerRef": {"name": name},
                "eventSources": [{"kind": "Kustomization", "name": "*"}],
            },
        });
        let alert = ValidAlert::validate(&Alert::from_object(Arc::new(alert)));
        alerts.push(Arc::new(alert.value.unwrap()));
        providers.insert(valid.key.clone(), ProviderEntry::Valid(Arc::new(valid)));
    }
    CatalogSnapshot::new(alerts, providers)
}

async fn wait_for_end(store: &dyn Store, count: usize) -> Vec<DeliveryView> {
    let ended = DeliveryFilter {
        states: vec![DeliveryState::Delivered, DeliveryState::Failed],
        ..DeliveryFilter::default()
    };
    let looking = async {
        loop {
            let views = store.list(&ended, None, 100).await.unwrap();
            if views.len() >= count {
                return views;
            }
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, looking).await;
    waited.expect("every delivery ends")
}

async fn send(engine: &Engine, number: usize) {
    // All about one object: one lane for each Provider.
    let event = event("shop", number).to_string();
    let event = api::event::decode(event.as_bytes()).unwrap();
    let (event, key) = CleanEvent::from_wire(event).unwrap();
    engine.intake().accept(event, key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_panic_end_with_a_reason_and_tell_no_secret() {
    let sink = HttpSink::start().await;
    let directory = tempfile::tempdir().unwrap();
    let mut registry = Registry::default();
    let outside = Arc::new(Panicking {
        client: Arc::new(Client::new(
            ClientSettings::new("fanfare/test".parse().unwrap()),
            &mut registry,
        )),
        secrets: Secrets::new(),
        is_mended: AtomicBool::new(false),
    });
    let catalog = Arc::new(Catalog::default());
    catalog.swap(configure(&sink, &outside.secrets));
    let clock = Arc::new(MovableClock::default());
    let store = open(StoreSettings {
        directory: directory.path().to_owned(),
        queue_limit: QueueLimit::default(),
        lock_wait: Duration::from_secs(5),
    })
    .unwrap();
    let courier = Courier::new(CourierSettings {
        catalog: catalog.clone(),
        secrets: outside.clone(),
        transport: outside.clone(),
        streams: Arc::<ScriptedStreams>::default(),
        memory: Arc::<Facts>::default(),
        clock: clock.clone(),
        max_tokens: 10,
        longest_token_life: Duration::from_hours(1),
        identities: Identities::default(),
        max_notifiers: 10,
    });
    let ports = Ports {
        store: store.clone(),
        catalog,
        configured: tokio::sync::watch::channel(true).1,
        courier: Arc::new(courier),
        objects: Arc::new(Nobody),
        clock,
        random: Arc::new(Nobody),
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
    let engine = Engine::start(settings, ports, &mut registry).await.unwrap();

    for number in 1..=2 {
        send(&engine, number).await;
    }
    let views = wait_for_end(&*store, 6).await;
    for view in &views {
        let last = &view.last;
        if view.provider.name == NOTHING {
            assert_eq!(view.state, DeliveryState::Delivered, "{view:?}");
        } else {
            assert_eq!(view.state, DeliveryState::Failed, "{view:?}");
            assert_eq!(last.class, Some(FailureClass::Rejected));
            assert!(last.detail.contains("panicked, which is a bug"), "{view:?}");
        }
    }
    outside.is_mended.store(true, Ordering::Relaxed);
    send(&engine, 3).await;
    let after = wait_for_end(&*store, 9).await;
    let newest: Vec<DeliveryState> = after.iter().take(3).map(|view| view.state).collect();
    assert_eq!(newest, [DeliveryState::Delivered; 3], "lanes go on");
    assert_eq!(sink.requests().len(), 5);

    let mut search = Search::default();
    search.look("what is listed", &format!("{views:?}{after:?}"));
    let mut metrics = String::new();
    encode(&mut metrics, &registry).unwrap();
    search.look("metrics", &metrics);
    engine.stop(Duration::from_secs(5)).await;
    search.look("store", &text(&all_bytes(directory.path())));
    search.end();
}
