//! Receivers in a table, and an outside that counts what it is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::{ObjectReference, Receiver, SecretData};
use bytes::Bytes;
use domain::ValidReceiver;
use domain::ports::{
    Clock, KeepError, KeptCalls, ObjectError, ReconcileRequest, ReconcileRequester, Resources,
};
use domain::receiver::ReceiverRules;
use domain::receiver::kept::{CONTENT_LIMIT, KeptCall, KeptCallId, NewKeptCall};
use futures::FutureExt;
use futures::future::BoxFuture;
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use receivers::{Algorithm, Call, Credentials, Hooks, HooksPorts, HooksSettings, Table};
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::{MovableClock, ScriptedTransport};

pub(crate) const TOKEN: &str = "t0ken";

/// The outside: objects, requests, kept calls.
#[derive(Default)]
pub(crate) struct Outside {
    pub(crate) reads: AtomicUsize,
    pub(crate) requests: Mutex<Vec<ReconcileRequest>>,
    pub(crate) is_away: AtomicBool,
    pub(crate) is_full: AtomicBool,
    pub(crate) keeps: AtomicUsize,
    pub(crate) kept: Mutex<BTreeMap<u64, (NewKeptCall, u32)>>,
    pub(crate) missing: Vec<String>,
    /// Objects whose request, or `the read of` which, panics so many times.
    pub(crate) panics: Mutex<BTreeMap<String, usize>>,
}

impl Outside {
    fn check(&self) -> Result<(), ObjectError> {
        if self.is_away.load(Ordering::Relaxed) {
            Err(ObjectError::Unavailable("connection refused".to_owned()))
        } else {
            Ok(())
        }
    }

    pub(crate) fn panic_for(&self, object: &str, times: usize) {
        self.panics.lock().unwrap().insert(object.to_owned(), times);
    }

    fn panic_if_due(&self, name: &str) {
        let mut panics = self.panics.lock().unwrap();
        let is_due = panics.get_mut(name).filter(|left| **left > 0);
        if let Some(left) = is_due {
            *left -= 1;
            drop(panics);
            panic!("{TOKEN}");
        }
    }

    pub(crate) fn requested(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|request| request.object.name.clone())
            .collect()
    }
}

impl Resources for Outside {
    fn get<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Result<Arc<Value>, ObjectError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.panic_if_due(&format!("the read of {}", object.name));
        let found = self.check().and_then(|()| {
            if self.missing.contains(&object.name) {
                return Err(ObjectError::NotFound);
            }
            Ok(Arc::new(json!({
                "apiVersion": object.api_version,
                "kind": object.kind,
                "metadata": {"name": object.name, "namespace": object.namespace},
            })))
        });
        async move { found }.boxed()
    }

    fn list<'a>(
        &'a self,
        like: &'a ObjectReference,
        _labels: &'a BTreeMap<String, String>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Value>>, ObjectError>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let found = self.check().map(|()| {
            (0..2000)
                .take(limit)
                .map(|number| {
                    Arc::new(json!({
                        "apiVersion": like.api_version,
                        "kind": like.kind,
                        "metadata": {"name": format!("o{number}"), "namespace": like.namespace},
                    }))
                })
                .collect()
        });
        async move { found }.boxed()
    }
}

impl ReconcileRequester for Outside {
    fn request<'a>(
        &'a self,
        request: &'a ReconcileRequest,
    ) -> BoxFuture<'a, Result<(), ObjectError>> {
        async move {
            // Long enough for others to come in between.
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.panic_if_due(&request.object.name);
            self.check()?;
            if self.missing.contains(&request.object.name) {
                return Err(ObjectError::NotFound);
            }
            self.requests.lock().unwrap().push(request.clone());
            Ok(())
        }
        .boxed()
    }
}

impl KeptCalls for Outside {
    fn keep(&self, call: NewKeptCall) -> BoxFuture<'_, Result<KeptCallId, KeepError>> {
        if self.is_full.load(Ordering::Relaxed) {
            return async { Err(KeepError::Full) }.boxed();
        }
        self.keeps.fetch_add(1, Ordering::Relaxed);
        assert!(
            call.content
                .as_ref()
                .is_none_or(|text| text.len() <= CONTENT_LIMIT)
        );
        let mut kept = self.kept.lock().unwrap();
        let id = kept.last_key_value().map_or(0, |(id, _)| *id) + 1;
        kept.insert(id, (call, 0));
        async move { Ok(KeptCallId(id)) }.boxed()
    }

    fn due_calls(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<KeptCall>, KeepError>> {
        let kept = self.kept.lock().unwrap();
        let due = kept
            .iter()
            .filter(|(_, (call, _))| call.due_at <= now)
            .take(limit)
            .map(|(id, (call, attempts))| KeptCall {
                id: KeptCallId(*id),
                receiver: call.receiver.clone(),
                receiver_uid: call.receiver_uid.clone(),
                content: call.content.clone(),
                accepted_at: call.accepted_at,
                attempts: *attempts,
            })
            .collect();
        async move { Ok(due) }.boxed()
    }

    fn postpone(&self, id: KeptCallId, until: Timestamp) -> BoxFuture<'_, Result<(), KeepError>> {
        if let Some((call, attempts)) = self.kept.lock().unwrap().get_mut(&id.0) {
            call.due_at = until;
            *attempts += 1;
        }
        async { Ok(()) }.boxed()
    }

    fn forget(&self, id: KeptCallId) -> BoxFuture<'_, Result<(), KeepError>> {
        self.kept.lock().unwrap().remove(&id.0);
        async { Ok(()) }.boxed()
    }
}

/// One Receiver `apps/hook` and all around it.
pub(crate) struct Setting {
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) outside: Arc<Outside>,
    pub(crate) clock: Arc<MovableClock>,
    pub(crate) digest: String,
    pub(crate) transport: Arc<ScriptedTransport>,
}

impl Setting {
    pub(crate) fn new(spec: &Value) -> Self {
        let transport = Arc::new(ScriptedTransport::new(Arc::default(), Vec::new()));
        Self::with(spec, Outside::default(), transport)
    }

    /// What issuers and Google were asked.
    pub(crate) fn requests_to_issuers(&self) -> usize {
        self.transport.sent().len()
    }

    pub(crate) fn with(spec: &Value, outside: Outside, transport: Arc<ScriptedTransport>) -> Self {
        let clock = Arc::new(MovableClock::default());
        let outside = Arc::new(outside);
        let table = Arc::new(Table::new(Duration::from_mins(10)));
        let object = json!({
            "metadata": {"name": "hook", "namespace": "apps", "uid": "u-1"}, "spec": spec});
        let receiver = Receiver::from_object(Arc::new(object));
        let checked = ValidReceiver::validate(&receiver, ReceiverRules::default());
        let valid = checked
            .validated
            .value
            .unwrap_or_else(|| panic!("{:?}", checked.fault));
        let secret: SecretData = [
            ("token", TOKEN),
            ("email", "robot@example.com"),
            ("audience", "https://hooks.example.com"),
        ]
        .into_iter()
        .collect();
        let credentials = if valid.secret.is_some() {
            Credentials::from_secret(&valid.key, Arc::new(secret)).unwrap()
        } else {
            Credentials::without_secret(&valid.key)
        };
        let path = credentials.digest().webhook_path();
        table.serve(Arc::new(valid), credentials, clock.now());
        let ports = HooksPorts {
            table,
            resources: outside.clone(),
            requester: outside.clone(),
            kept: outside.clone(),
            transport: transport.clone(),
            clock: clock.clone(),
        };
        let hooks = Hooks::new(ports, HooksSettings::default(), &mut Registry::default());
        Self {
            hooks: Arc::new(hooks),
            outside,
            clock,
            digest: path.trim_start_matches("/hook/").to_owned(),
            transport,
        }
    }

    /// Calls the webhook; the status as the port would answer it.
    pub(crate) async fn call(&self, call: Call) -> u16 {
        self.call_at(&self.digest, call).await.0
    }

    /// Calls any path; the status, and what was computed over the body.
    pub(crate) async fn call_at(&self, digest: &str, call: Call) -> (u16, Vec<(Algorithm, u64)>) {
        let found = self.hooks.find(digest);
        let mut screening = self.hooks.screen(found, &call.headers, &[7; 32]);
        for piece in call.body.chunks(1000) {
            screening.update(piece);
        }
        let work = screening.work();
        let answer = self.hooks.answer(screening, &call).await;
        (answer.status.as_u16(), work)
    }
}

/// A call with headers.
pub(crate) fn call(headers: &[(&str, &str)], body: &str) -> Call {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        })
        .collect();
    Call {
        headers,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

/// A signature by a library that is not the one in use.
pub(crate) fn signature(key: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// A call as GitHub makes it.
pub(crate) fn github(event: &str, delivery: &str, body: &str) -> Call {
    call(
        &[
            ("content-type", "application/json"),
            ("x-github-event", event),
            ("x-github-delivery", delivery),
            ("x-hub-signature-256", &signature(TOKEN, body)),
        ],
        body,
    )
}

/// `spec` of a Receiver for GitHub.
pub(crate) fn spec(resources: &Value) -> Value {
    json!({"type": "github", "secretRef": {"name": "s"}, "resources": resources})
}

/// `spec` of a Receiver of any type, with a filter.
pub(crate) fn spec_of(kind: &str) -> Value {
    let resources = json!([{"kind": "GitRepository", "name": "app"}]);
    if kind == domain::receiver::OIDC_TYPE {
        return json!({"type": kind, "resources": resources, "resourceFilter": "has(req.a)",
            "oidcProviders": [{"issuerURL": "https://issuer.example",
                "validations": [{"expression": "true", "message": "m"}]}]});
    }
    json!({"type": kind, "resources": resources, "secretRef": {"name": "s"},
           "resourceFilter": "has(req.a)"})
}
