//! For tests: an API server that knows Leases only, refuses stale writes, and fails when told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::client::Body;
use serde_json::json;

/// How it answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Mood {
    /// As a server does.
    #[default]
    Well,
    /// With status 500.
    Broken,
    /// Never.
    Silent,
}

#[derive(Default)]
struct State {
    leases: BTreeMap<String, Lease>,
    version: u64,
    mood: Mood,
    requests: usize,
}

/// A handle on the server; clones are the same server.
#[derive(Clone, Default)]
pub(crate) struct LeaseServer(Arc<Mutex<State>>);

impl LeaseServer {
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
        });
        Client::new(service, "flux-system")
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    pub(crate) fn requests(&self) -> usize {
        self.lock().requests
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().leases.keys().cloned().collect()
    }

    pub(crate) fn holder(&self, name: &str) -> String {
        let state = self.lock();
        let spec = state.leases.get(name).and_then(|lease| lease.spec.as_ref());
        spec.and_then(|spec| spec.holder_identity.clone())
            .unwrap_or_default()
    }

    /// Changes a lease as another client would.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Lease)) {
        let mut state = self.lock();
        let mut lease = state.leases.get(name).cloned().unwrap_or_default();
        lease.metadata.name = Some(name.to_owned());
        change(&mut lease);
        state.store(lease);
    }

    pub(crate) fn delete(&self, name: &str) {
        self.lock().leases.remove(name);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let mood = {
            let mut state = self.lock();
            state.requests += 1;
            state.mood
        };
        match mood {
            Mood::Well => {}
            Mood::Broken => return failure(StatusCode::INTERNAL_SERVER_ERROR),
            Mood::Silent => std::future::pending().await,
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let mut state = self.lock();
        let (_, name) = parts.uri.path().split_once("/leases").unwrap();
        let name = name.trim_start_matches('/');
        match parts.method {
            Method::GET if name.is_empty() => success(&json!({
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "LeaseList",
                "metadata": {"resourceVersion": state.version.to_string()},
                "items": state.leases.values().collect::<Vec<_>>(),
            })),
            Method::GET => match state.leases.get(name) {
                Some(lease) => success(lease),
                None => failure(StatusCode::NOT_FOUND),
            },
            Method::DELETE => match state.leases.remove(name) {
                Some(lease) => success(&lease),
                None => failure(StatusCode::NOT_FOUND),
            },
            Method::POST | Method::PUT => {
                let lease: Lease = serde_json::from_slice(&body).unwrap();
                let name = lease.metadata.name.clone().unwrap();
                let is_current = match state.leases.get(&name) {
                    Some(known) => {
                        known.metadata.resource_version == lease.metadata.resource_version
                    }
                    None => parts.method == Method::POST,
                };
                if is_current {
                    success(&state.store(lease))
                } else {
                    failure(StatusCode::CONFLICT)
                }
            }
            _ => failure(StatusCode::METHOD_NOT_ALLOWED),
        }
    }
}

impl State {
    fn store(&mut self, mut lease: Lease) -> Lease {
        self.version += 1;
        lease.metadata.resource_version = Some(self.version.to_string());
        let name = lease.metadata.name.clone().unwrap_or_default();
        self.leases.insert(name, lease.clone());
        lease
    }
}

fn success(value: &impl serde::Serialize) -> Response<Body> {
    Response::new(Body::from(serde_json::to_vec(value).unwrap()))
}

fn failure(status: StatusCode) -> Response<Body> {
    let body = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure",
        "reason": status.canonical_reason().unwrap_or_default().replace(' ', ""), "message": "as told", "code": status.as_u16(),
    });
    let mut response = success(&body);
    *response.status_mut() = status;
    response
}
