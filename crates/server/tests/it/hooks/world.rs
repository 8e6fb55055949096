//! A world of objects, and a webhook port that looks at it the way the Kubernetes mode does.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{ObjectKey, ObjectReference, Receiver, SecretData};
use domain::ValidReceiver;
use domain::ports::{
    Clock, KeepError, KeptCalls, ObjectError, ReconcileRequest, ReconcileRequester, Resources,
};
use domain::receiver::ReceiverRules;
use domain::receiver::kept::{KeptCall, KeptCallId, NewKeptCall};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use receivers::{Credentials, Hooks, HooksPorts, HooksSettings, Table};
use serde_json::{Value, json};
use server::{HookPort, Listener};
use testkit::MovableClock;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::tokens::{ISSUER, Keys};
use crate::support::read_answer;
use crate::wire::{decode_base64, request_bytes};

const OVERLAP: Duration = Duration::from_mins(10);

type Key = (String, String, String);

/// Objects by kind, namespace and name.
#[derive(Default)]
pub(crate) struct Objects(Mutex<BTreeMap<Key, Value>>);

/// The port and what is behind it.
pub(crate) struct World {
    objects: Arc<Objects>,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    keys: Arc<Keys>,
    clock: Arc<MovableClock>,
    table: Arc<Table>,
    tokens: Value,
    path: String,
    rules: ReceiverRules,
    /// Paths after the first readiness.
    pub(crate) first_paths: BTreeSet<String>,
}

impl World {
    pub(crate) async fn of(case: &Value) -> Self {
        let clock = Arc::new(MovableClock::default());
        let keys = Arc::new(Keys::load());
        let objects = Arc::new(Objects::default());
        let table = Arc::new(Table::new(OVERLAP));
        let mut registry = Registry::default();
        let ports = HooksPorts {
            table: table.clone(),
            resources: objects.clone(),
            requester: objects.clone(),
            kept: objects.clone(),
            transport: keys.clone(),
            clock: clock.clone(),
        };
        let hooks = Arc::new(Hooks::new(ports, HooksSettings::default(), &mut registry));
        let port = Arc::new(HookPort::new(hooks, [7; 32], &mut registry));
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_address().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(listener.serve(port, shutdown.clone(), Duration::from_secs(1)));
        let flags = case["flags"].as_array().cloned().unwrap_or_default();
        let mut world = Self {
            objects,
            address,
            shutdown,
            keys,
            clock,
            table,
            tokens: case["jwt"].clone(),
            path: case["webhookPath"].as_str().unwrap_or_default().to_owned(),
            rules: ReceiverRules {
                no_cross_namespace_references: flags.contains(&json!("--no-cross-namespace-refs")),
            },
            first_paths: BTreeSet::new(),
        };
        for object in case["objects"].as_array().unwrap() {
            world.objects.put(expand(object));
        }
        world.first_paths = world.look_at_receivers();
        for step in case["then"].as_array().into_iter().flatten() {
            world.objects.act(step);
        }
        world.look_at_receivers();
        world
    }

    /// What the Kubernetes mode does when anything changes. Answers all paths.
    fn look_at_receivers(&self) -> BTreeSet<String> {
        let now = self.clock.now();
        let receivers = self.objects.of_kind("Receiver");
        let mut paths = BTreeSet::new();
        let known: BTreeSet<ObjectKey> = receivers
            .iter()
            .map(|found| found.meta.key.clone())
            .collect();
        for gone in self.table.keys().iter().filter(|key| !known.contains(key)) {
            self.table.remove(gone);
        }
        for receiver in receivers {
            let key = receiver.meta.key.clone();
            let checked = ValidReceiver::validate(&receiver, self.rules);
            let Some(valid) = checked.validated.value else {
                self.table.hold(&key);
                continue;
            };
            let credentials = match &valid.secret {
                None => Some(Credentials::without_secret(&key)),
                Some(secret) => self
                    .objects
                    .secret(secret)
                    .and_then(|data| Credentials::from_secret(&key, Arc::new(data))),
            };
            match credentials {
                Some(credentials) => {
                    paths.insert(credentials.digest().webhook_path());
                    self.table.serve(Arc::new(valid), credentials, now);
                }
                None => self.table.lose_token(&key, now),
            }
        }
        paths
    }

    /// Sends a request on a new connection; the statuses of its answers.
    pub(crate) async fn send(&self, request: &Value) -> Vec<u16> {
        let mut text = request.to_string().replace("{{webhookPath}}", &self.path);
        for (name, token) in self.tokens.as_object().into_iter().flatten() {
            let minted = self.keys.mint(token, self.clock.now());
            text = text.replace(&format!("{{{{jwt:{name}}}}}"), &minted);
        }
        let request: Value = serde_json::from_str(&text).unwrap();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let _ = stream.write_all(&request_bytes(&request)).await;
        if request["half_close"] == true {
            let _ = stream.shutdown().await;
        }
        let (mut statuses, mut buffer) = (Vec::new(), Vec::new());
        for _ in 0..request["responses"].as_u64().unwrap_or(1) {
            if let Some(answer) = read_answer(&mut stream, &mut buffer).await {
                statuses.push(answer.status);
                assert!(
                    answer.status == 404 || answer.body.is_empty(),
                    "bodies are empty: {answer:?}"
                );
            }
        }
        statuses
    }

    /// The path of the only Receiver.
    pub(crate) fn path(&self) -> &str {
        self.first_paths.first().unwrap()
    }

    /// The annotations that ask for reconciliation, by object.
    pub(crate) fn annotated(&self) -> BTreeMap<String, String> {
        let objects = self.objects.0.lock().unwrap();
        let requested = objects
            .iter()
            .filter_map(|((kind, namespace, name), object)| {
                let annotations = &object["metadata"]["annotations"];
                let at = annotations[api::receiver::REQUESTED_AT].as_str()?;
                Some((format!("{kind}/{namespace}/{name}"), at.to_owned()))
            });
        requested.collect()
    }

    pub(crate) fn touched_since(&self, before: &BTreeMap<String, String>) -> BTreeSet<String> {
        let now = self.annotated();
        now.into_iter()
            .filter(|(object, at)| before.get(object) != Some(at))
            .map(|(object, _)| object)
            .collect()
    }

    pub(crate) fn stop(self) {
        self.shutdown.cancel();
    }
}

impl Objects {
    fn put(&self, object: Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let key = (
            text(&object["kind"]),
            text(&metadata["namespace"]),
            text(&metadata["name"]),
        );
        self.0.lock().unwrap().insert(key, object);
    }

    fn act(&self, step: &Value) {
        if step["op"] == "apply" {
            return self.put(expand(&step["object"]));
        }
        let text = |field: &str| step[field].as_str().unwrap().to_owned();
        let key = (text("kind"), text("namespace"), text("name"));
        let mut objects = self.0.lock().unwrap();
        if step["op"] == "delete" {
            // Finalizers keep an object.
            if objects[&key]["metadata"]["finalizers"].is_null() {
                objects.remove(&key);
            }
        } else {
            merge(objects.get_mut(&key).unwrap(), &step["patch"]);
        }
    }

    fn of_kind(&self, kind: &str) -> Vec<Receiver> {
        let objects = self.0.lock().unwrap();
        let found = objects.iter().filter(|((of, _, _), _)| of == kind);
        found
            .map(|(_, object)| Receiver::from_object(Arc::new(object.clone())))
            .collect()
    }

    fn secret(&self, key: &ObjectKey) -> Option<SecretData> {
        let objects = self.0.lock().unwrap();
        let key = ("Secret".to_owned(), key.namespace.clone(), key.name.clone());
        let secret = objects.get(&key)?;
        let entries = |field: &str| secret[field].as_object().cloned().unwrap_or_default();
        let data = entries("data")
            .into_iter()
            .map(|(key, value)| (key, decode_base64(value.as_str().unwrap())));
        // What a patch of `data` says is newer than what the Secret was made from.
        let plain = entries("stringData")
            .into_iter()
            .map(|(key, value)| (key, value.as_str().unwrap().as_bytes().to_vec()));
        let removed = entries("removed");
        Some(
            plain
                .chain(data)
                .filter(|(key, _)| !removed.contains_key(key))
                .collect(),
        )
    }
}

impl Resources for Objects {
    fn get<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Result<Arc<Value>, ObjectError>> {
        let objects = self.0.lock().unwrap();
        let key = (
            object.kind.clone(),
            object.namespace.clone(),
            object.name.clone(),
        );
        let found = objects
            .get(&key)
            .filter(|found| found["apiVersion"] == object.api_version.as_str())
            .map(|found| Arc::new(seen(found)))
            .ok_or(ObjectError::NotFound);
        async move { found }.boxed()
    }

    fn list<'a>(
        &'a self,
        like: &'a ObjectReference,
        labels: &'a BTreeMap<String, String>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Value>>, ObjectError>> {
        let objects = self.0.lock().unwrap();
        let found = objects
            .iter()
            .filter(|((kind, namespace, _), object)| {
                *kind == like.kind
                    && *namespace == like.namespace
                    && object["apiVersion"] == like.api_version.as_str()
                    && labels
                        .iter()
                        .all(|(key, value)| object["metadata"]["labels"][key] == value.as_str())
            })
            .take(limit)
            .map(|(_, object)| Arc::new(seen(object)))
            .collect();
        async move { Ok(found) }.boxed()
    }
}

impl ReconcileRequester for Objects {
    fn request<'a>(
        &'a self,
        request: &'a ReconcileRequest,
    ) -> BoxFuture<'a, Result<(), ObjectError>> {
        // As an API server: the write is of its own, and needs the object.
        static WRITES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let object = &request.object;
        let mut objects = self.0.lock().unwrap();
        let key = (
            object.kind.clone(),
            object.namespace.clone(),
            object.name.clone(),
        );
        let result = match objects.get_mut(&key) {
            Some(found) if found["apiVersion"] == object.api_version.as_str() => {
                let write = WRITES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let value = format!("{} {write}", request.at);
                merge(
                    found,
                    &json!({"metadata": {"annotations": {api::receiver::REQUESTED_AT: value}}}),
                );
                Ok(())
            }
            _ => Err(ObjectError::NotFound),
        };
        async move { result }.boxed()
    }
}

/// Nothing is ever unavailable here.
impl KeptCalls for Objects {
    fn keep(&self, _: NewKeptCall) -> BoxFuture<'_, Result<KeptCallId, KeepError>> {
        async { Err(KeepError::Full) }.boxed()
    }

    fn due_calls(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<Vec<KeptCall>, KeepError>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn postpone(&self, _: KeptCallId, _: Timestamp) -> BoxFuture<'_, Result<(), KeepError>> {
        async { Ok(()) }.boxed()
    }

    fn forget(&self, _: KeptCallId) -> BoxFuture<'_, Result<(), KeepError>> {
        async { Ok(()) }.boxed()
    }
}

/// What an API server gives of an object when it is asked for its metadata.
fn seen(object: &Value) -> Value {
    let mut metadata = object["metadata"].clone();
    merge(
        &mut metadata,
        &json!({
            "uid": "6d1ffb2c-96a1-4b4c-8d19-4a5e1d0c7f00",
            "generation": 1,
            "resourceVersion": "1234",
            "creationTimestamp": "2026-11-23T09:07:19Z",
            "managedFields": [{"manager": "test", "operation": "Update"}],
        }),
    );
    json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": metadata})
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if key == "data"
            && let Some(gone) = value.as_object()
        {
            // `stringData` is kept beside `data`, so that removals must be noted.
            for (name, _) in gone.iter().filter(|(_, value)| value.is_null()) {
                map.entry("removed").or_insert_with(|| json!({}))[name] = json!(true);
            }
        }
        if value.is_null() {
            map.remove(key);
        } else {
            merge(map.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

fn expand(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            if let (Some(fill), Some(count)) = (map.get("fill"), map.get("count")) {
                let count = usize::try_from(count.as_u64().unwrap()).unwrap();
                return fill.as_str().unwrap().repeat(count).into();
            }
            map.iter()
                .map(|(key, value)| (key.clone(), expand(value)))
                .collect()
        }
        Value::Array(list) => list.iter().map(expand).collect(),
        Value::String(text) => text.replace("{{issuer}}", ISSUER).into(),
        other => other.clone(),
    }
}
