//! An API server in memory: lists, watches, gets and patches JSON objects, and fails on demand.
//!
//! What a real server decides (schemas, permissions, versions) is not its business.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use cluster::Client;
use futures::channel::mpsc;
use futures::stream::{self, BoxStream, StreamExt as _};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

type Body = StreamBody<BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// A handle on the server; clones share it.
#[derive(Clone, Default)]
pub(crate) struct FakeKube(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    version: u64,
    /// Collection, such as `/apis/…/providers` or `/api/v1/secrets`, to `namespace/name` to object.
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    /// When each collection changed last.
    changed: BTreeMap<String, u64>,
    watches: Vec<(String, mpsc::UnboundedSender<String>)>,
    requests: Vec<String>,
    bodies: Vec<(String, Value)>,
    faults: Vec<Fault>,
}

/// Requests that start like this are answered with that status, so many times.
struct Fault {
    method: &'static str,
    path: String,
    status: u16,
    times: u32,
}

pub(crate) const PROVIDERS: &str = "/apis/notification.toolkit.fluxcd.io/v1beta3/providers";
pub(crate) const ALERTS: &str = "/apis/notification.toolkit.fluxcd.io/v1beta3/alerts";
pub(crate) const RECEIVERS: &str = "/apis/notification.toolkit.fluxcd.io/v1/receivers";
pub(crate) const REPOSITORIES: &str = "/apis/source.toolkit.fluxcd.io/v1/gitrepositories";
pub(crate) const SECRETS: &str = "/api/v1/secrets";

/// Where the server says which kinds it has.
const SOURCE_KINDS: &str = "/apis/source.toolkit.fluxcd.io/v1";

fn source_kinds() -> Value {
    let resource = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get"]});
    json!({
        "kind": "APIResourceList",
        "groupVersion": "source.toolkit.fluxcd.io/v1",
        "resources": [
            resource("gitrepositories/status", "GitRepository", true),
            resource("gitrepositories", "GitRepository", true),
            resource("mirrors", "Mirror", false),
        ],
    })
}

/// What a watch says from a version that the server does not have any more.
pub(crate) const GONE: &str = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}}"#;

impl FakeKube {
    /// A client of it. Needs a runtime.
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "flux-system")
    }

    /// Creates or replaces an object, and tells watches.
    pub(crate) fn apply(&self, collection: &str, mut object: Value) {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let name = name_of(&object);
        let stored = state.objects.entry(collection.to_owned()).or_default();
        let before = stored.get(&name).cloned();
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = version.to_string().into();
        if let Some(before) = &before {
            metadata["uid"] = before["metadata"]["uid"].clone();
        } else {
            metadata["uid"] = format!("uid-{version}").into();
        }
        stored.insert(name, object.clone());
        let kind = if before.is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        state.tell(collection, &change(kind, &object));
    }

    /// Deletes an object, and tells watches.
    pub(crate) fn delete(&self, collection: &str, name: &str) {
        let mut state = self.lock();
        state.version += 1;
        let version = state.version;
        let stored = state.objects.entry(collection.to_owned()).or_default();
        let mut object = stored.remove(name).unwrap();
        object["metadata"]["resourceVersion"] = version.to_string().into();
        state.tell(collection, &change("DELETED", &object));
    }

    /// An object as it is.
    pub(crate) fn object(&self, collection: &str, name: &str) -> Value {
        self.lock().objects[collection][name].clone()
    }

    /// Sends a line, whatever it is, to everybody who watches a collection.
    pub(crate) fn say(&self, collection: &str, line: &str) {
        self.lock().tell(collection, line);
    }

    /// Ends all watches.
    pub(crate) fn hang_up(&self) {
        self.lock().watches.clear();
    }

    /// Lets requests fail.
    pub(crate) fn fail(&self, method: &'static str, path: &str, status: u16, times: u32) {
        self.lock().faults.push(Fault {
            method,
            path: path.to_owned(),
            status,
            times,
        });
    }

    /// Ends all failing.
    pub(crate) fn recover(&self) {
        self.lock().faults.clear();
    }

    /// Everything that was asked: method, path and query.
    pub(crate) fn requests(&self, containing: &str) -> Vec<String> {
        let state = self.lock();
        let requests = state.requests.iter();
        requests
            .filter(|line| line.contains(containing))
            .cloned()
            .collect()
    }

    /// Bodies that were sent to paths which contain this.
    pub(crate) fn bodies(&self, containing: &str) -> Vec<Value> {
        let state = self.lock();
        let bodies = state.bodies.iter();
        bodies
            .filter(|(path, _)| path.contains(containing))
            .map(|(_, body)| body.clone())
            .collect()
    }

    async fn answer(&self, request: Request<kube::client::Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let method = parts.method.as_str().to_owned();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let mut state = self.lock();
        state.requests.push(format!("{method} {path}?{query}"));
        if !body.is_null() {
            state.bodies.push((path.clone(), body.clone()));
        }
        if let Some(status) = state.fault(&method, &path) {
            return failure(status);
        }
        let is_watch = query.contains("watch=true");
        match method.as_str() {
            "GET" if is_watch => state.watch(&path, &query),
            "GET" if State::collection(&path).is_some() => state.list(&path),
            "GET" if path == SOURCE_KINDS => text(StatusCode::OK, source_kinds().to_string()),
            "GET" => state.get(&path),
            "PATCH" => {
                drop(state);
                self.patch(&path, &body)
            }
            "POST" => {
                let collection = State::collection(&path).map(|(collection, _)| collection);
                drop(state);
                if let Some(collection) = collection {
                    self.apply(&collection, body.clone());
                }
                text(StatusCode::CREATED, body.to_string())
            }
            _ => failure(405),
        }
    }

    fn patch(&self, path: &str, patch: &Value) -> Response<Body> {
        let path = path.trim_end_matches("/status");
        let Some((collection, name)) = split(path) else {
            return failure(404);
        };
        let Some(mut object) = self
            .lock()
            .objects
            .get(&collection)
            .and_then(|objects| objects.get(&name).cloned())
        else {
            return failure(404);
        };
        let version = &patch["metadata"]["resourceVersion"];
        if !version.is_null() && *version != object["metadata"]["resourceVersion"] {
            return failure(409);
        }
        merge(&mut object, patch);
        self.apply(&collection, object);
        text(StatusCode::OK, self.object(&collection, &name).to_string())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn tell(&mut self, collection: &str, line: &str) {
        self.changed.insert(collection.to_owned(), self.version);
        let line = format!("{line}\n");
        self.watches.retain(|(watched, sender)| {
            watched != collection || sender.unbounded_send(line.clone()).is_ok()
        });
    }

    fn fault(&mut self, method: &str, path: &str) -> Option<u16> {
        let fault = self.faults.iter_mut().find(|fault| {
            fault.method == method && path.starts_with(&fault.path) && fault.times > 0
        })?;
        fault.times -= 1;
        Some(fault.status)
    }

    /// The collection that a path lists, and the namespace it is narrowed to.
    fn collection(path: &str) -> Option<(String, Option<String>)> {
        if let Some((base, rest)) = path.split_once("/namespaces/") {
            let (namespace, plural) = rest.split_once('/')?;
            let is_list = !plural.contains('/');
            return is_list.then(|| (format!("{base}/{plural}"), Some(namespace.to_owned())));
        }
        let known = [PROVIDERS, ALERTS, RECEIVERS, SECRETS];
        known.contains(&path).then(|| (path.to_owned(), None))
    }

    fn list(&self, path: &str) -> Response<Body> {
        let (collection, namespace) = Self::collection(path).unwrap();
        let items: Vec<&Value> = self
            .objects
            .get(&collection)
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|object| {
                let found = object["metadata"]["namespace"].as_str();
                namespace.is_none() || found == namespace.as_deref()
            })
            .collect();
        let list = json!({
            "apiVersion": "v1", "kind": "List",
            "metadata": {"resourceVersion": self.version.to_string()},
            "items": items,
        });
        text(StatusCode::OK, list.to_string())
    }

    fn watch(&mut self, path: &str, query: &str) -> Response<Body> {
        let (collection, _) = Self::collection(path).unwrap();
        let from = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("resourceVersion="))
            .and_then(|version| version.parse().ok())
            .unwrap_or(0);
        if self
            .changed
            .get(&collection)
            .is_some_and(|last| *last > from)
        {
            // It keeps no history.
            return text(StatusCode::OK, format!("{GONE}\n"));
        }
        let (sender, lines) = mpsc::unbounded();
        self.watches.push((collection, sender));
        let frames = lines.map(|line| Ok(Frame::data(Bytes::from(line))));
        Response::new(StreamBody::new(frames.boxed()))
    }

    fn get(&self, path: &str) -> Response<Body> {
        let found = split(path).and_then(|(collection, name)| {
            let objects = self.objects.get(&collection)?;
            objects.get(&name)
        });
        match found {
            Some(object) => text(StatusCode::OK, object.to_string()),
            None => failure(404),
        }
    }
}

/// `…/namespaces/NS/PLURAL/NAME` as collection and `NS/NAME`.
fn split(path: &str) -> Option<(String, String)> {
    let (base, rest) = path.split_once("/namespaces/")?;
    let mut parts = rest.split('/');
    let (namespace, plural, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some((format!("{base}/{plural}"), format!("{namespace}/{name}")))
}

/// A line of a watch; servers put the type first.
fn change(kind: &str, object: &Value) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#)
}

fn name_of(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!(
        "{}/{}",
        metadata["namespace"].as_str().unwrap(),
        metadata["name"].as_str().unwrap()
    )
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn failure(status: u16) -> Response<Body> {
    let status_object = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "message": format!("scripted {status}"), "reason": "Scripted", "code": status,
    });
    text(
        StatusCode::from_u16(status).unwrap(),
        status_object.to_string(),
    )
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    let frame = stream::once(async move { Ok(Frame::data(Bytes::from(body))) });
    let mut response = Response::new(StreamBody::new(frame.boxed()));
    *response.status_mut() = status;
    response
}
