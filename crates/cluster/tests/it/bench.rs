//! A cluster that is followed, and what came of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{ObjectKey, Problem, Provider};
use cluster::{
    Cluster, Companions, LookResult, LookedAt, Scope, Secrets, Settings, Timing, Update,
};
use domain::delivery::{Failure, FailureClass};
use domain::ports::{
    DeliveryTallies, KindDirectory, NoticeSink, ProviderCheck, SecretReader as _, Tally,
};
use domain::provider::{Capabilities, Progressing};
use domain::{Catalog, Family, ValidProvider};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use testkit::clock::MovableClock;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::fake_kube::FakeKube;

pub(crate) struct Bench {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) notices: Arc<dyn NoticeSink>,
    pub(crate) leader: watch::Sender<bool>,
    pub(crate) clock: Arc<MovableClock>,
    looks: Arc<Looks>,
    updates: Arc<Mutex<Vec<Vec<ObjectKey>>>>,
    served: Arc<Mutex<Vec<String>>>,
    /// How long it takes to put an update in force.
    applying: Arc<Mutex<Duration>>,
    task: JoinHandle<()>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bench {
    /// Follows all namespaces, as leader.
    pub(crate) fn start(kube: &FakeKube) -> Self {
        Self::start_with(kube, true)
    }

    /// The same, watching Secrets or not.
    pub(crate) fn start_with(kube: &FakeKube, watch_secrets: bool) -> Self {
        let client = kube.client();
        let cluster = Cluster::new(Settings {
            client,
            scope: Scope::All,
            kinds: Arc::new(Kinds),
            no_cross_namespace_references: false,
            watch_secrets,
            timing: Timing::default(),
        });
        let (leader, is_leader) = watch::channel(true);
        let clock = Arc::new(MovableClock::default());
        let catalog = Arc::new(Catalog::default());
        let updates: Arc<Mutex<Vec<_>>> = Arc::default();
        let (secrets, notices) = (cluster.secrets(), cluster.notices());
        let looks: Arc<Looks> = Arc::default();
        let companions = Companions {
            check: Arc::new(NeedsAddress(secrets.clone())),
            tallies: Arc::new(Nothing),
            clock: clock.clone(),
            is_leader,
            looks: looks.clone(),
        };
        let served: Arc<Mutex<Vec<_>>> = Arc::default();
        let (seen, swapped, noted) = (updates.clone(), catalog.clone(), served.clone());
        let applying: Arc<Mutex<Duration>> = Arc::default();
        let takes = applying.clone();
        let apply = move |update: Update| {
            let is_planned = update.catalog.is_some();
            if let Some(snapshot) = update.catalog {
                swapped.swap(snapshot);
            }
            let receivers = update.receivers.iter();
            noted
                .lock()
                .unwrap()
                .extend(receivers.map(|it| format!("{it:?}")));
            if is_planned || !update.changed.is_empty() {
                seen.lock().unwrap().push(update.changed);
            }
            let takes = *takes.lock().unwrap();
            if takes.is_zero() {
                futures::future::ready(()).boxed()
            } else {
                tokio::time::sleep(takes).boxed()
            }
        };
        let running = cluster.run(companions, futures::future::pending(), apply);
        Self {
            catalog,
            secrets,
            notices,
            leader,
            clock,
            looks,
            updates,
            served,
            applying,
            task: tokio::spawn(running),
        }
    }

    /// Time passes, and everything that should happen meanwhile does.
    pub(crate) async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        tokio::time::sleep(time).await;
    }

    /// From now on it takes so long to put an update in force.
    pub(crate) fn applying_takes(&self, time: Duration) {
        *self.applying.lock().unwrap() = time;
    }

    /// How often something was put in force.
    pub(crate) fn updates(&self) -> usize {
        self.updates.lock().unwrap().len()
    }

    /// The Providers that changed since the last call.
    pub(crate) fn changed(&self) -> Vec<String> {
        let mut updates = self.updates.lock().unwrap();
        let changed = updates.iter().flatten().map(ToString::to_string).collect();
        updates.clear();
        changed
    }

    /// What was said of Receivers since the last call, told once each.
    pub(crate) fn served(&self) -> Vec<String> {
        let mut served = std::mem::take(&mut *self.served.lock().unwrap());
        served.sort();
        served.dedup();
        served
    }

    /// Looks since the last call.
    pub(crate) fn looks(&self) -> Vec<String> {
        let mut looks = std::mem::take(&mut *self.looks.0.lock().unwrap());
        looks.sort();
        looks.dedup();
        looks
    }

    /// All usable Alerts.
    pub(crate) fn alerts(&self) -> Vec<String> {
        let snapshot = self.catalog.snapshot();
        let alerts = snapshot.alerts().iter();
        alerts.map(|alert| alert.key.to_string()).collect()
    }

    /// All usable Providers.
    pub(crate) fn providers(&self) -> Vec<String> {
        let snapshot = self.catalog.snapshot();
        let mut names: Vec<String> = snapshot
            .providers()
            .filter(|(_, entry)| entry.valid().is_some())
            .map(|(key, _)| key.to_string())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn provider(name: &str, secret: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "a", "generation": 1},
        "spec": {"type": "generic", "secretRef": {"name": secret}},
    })
}

pub(crate) fn alert(name: &str, provider: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "a", "generation": 1},
        "spec": {
            "providerRef": {"name": provider},
            "eventSources": [{"kind": "Kustomization", "name": "*"}],
        },
    })
}

pub(crate) fn secret(name: &str, address: &str) -> Value {
    use base64::Engine as _;
    let address = base64::engine::general_purpose::STANDARD.encode(address);
    json!({"metadata": {"name": name, "namespace": "a"}, "data": {"address": address}})
}

struct Kinds;

impl KindDirectory for Kinds {
    fn names(&self) -> Vec<&'static str> {
        vec!["generic"]
    }

    fn capabilities(&self, kind: &str) -> Option<Capabilities> {
        (kind == "generic").then_some(Capabilities {
            family: Family::Forward,
            commit_status_updates: false,
            commit_status: false,
            change_request: false,
            progressing: Progressing::Sent,
            expires: false,
            skipped_kinds: &[],
        })
    }

    fn check(&self, _: &Provider) -> Vec<Problem> {
        Vec::new()
    }
}

/// Finds fault with Providers whose Secret has no address.
struct NeedsAddress(Arc<Secrets>);

impl ProviderCheck for NeedsAddress {
    fn check<'a>(&'a self, provider: &'a Arc<ValidProvider>) -> BoxFuture<'a, Result<(), Failure>> {
        async move {
            let name = provider.spec.secret.clone().unwrap_or_default();
            let key = ObjectKey::new(&provider.key.namespace, name);
            let secret = self.0.read(&key).await.ok().flatten();
            let has_address = secret.is_some_and(|secret| {
                let address = secret.data.get("address");
                address.is_some_and(|address| !address.expose().is_empty())
            });
            if has_address {
                Ok(())
            } else {
                Err(Failure::new(FailureClass::Misconfigured, "no address"))
            }
        }
        .boxed()
    }
}

struct Nothing;

impl DeliveryTallies for Nothing {
    fn tallies(&self) -> BoxFuture<'_, Option<Vec<Tally>>> {
        futures::future::ready(Some(Vec::new())).boxed()
    }
}

/// Writes down how looks went.
#[derive(Default)]
struct Looks(Mutex<Vec<String>>);

impl cluster::LookObserver for Looks {
    fn looked(&self, kind: LookedAt, object: &ObjectKey, _: Duration, result: LookResult) {
        let line = format!("{kind:?} {object} {result:?}");
        self.0.lock().unwrap().push(line);
    }

    fn gone(&self, kind: LookedAt, object: &ObjectKey) {
        self.0
            .lock()
            .unwrap()
            .push(format!("{kind:?} {object} gone"));
    }
}
