//! Webhook calls that were kept for later, as the store gives them back: the first line says whether
//! their Receiver filters, the rest is what was kept.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use api::{ObjectKey, ObjectReference, Receiver, SecretData};
use domain::ValidReceiver;
use domain::ports::{
    Clock as _, KeepError, KeptCalls, ObjectError, ReconcileRequest, ReconcileRequester, Resources,
};
use domain::receiver::ReceiverRules;
use domain::receiver::kept::{KeptCall, KeptCallId, NewKeptCall};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use receivers::{Credentials, Hooks, HooksPorts, HooksSettings, Table};
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedTransport};
use tokio::runtime::Runtime;

use super::{Target, first_line};
use crate::features::feature;

pub(super) const TARGET: Target = Target {
    name: "kept",
    seeds: || {
        [
            "filter\n{\"call\":{\"payload\":{\"a\":1},\"claims\":null}}",
            "filter\n{\"call\":{\"payload\":{},\"claims\":{\"sub\":\"x\"}}}",
            "filter\n{\"object\":[\"source.toolkit.fluxcd.io/v1\",\"GitRepository\",\"apps\",\"app\"]}",
            "none\n",
        ]
        .map(|seed| seed.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "filter\n",
        "none\n",
        "{\"call\":{",
        "\"payload\":",
        "\"claims\":",
        "{\"object\":[",
        "\"GitRepository\",",
        "\"apps\",",
        "\"a\":",
        "null",
        "1e308",
        "\"\"",
        "{",
        "}",
        "[",
        "]",
        ",",
        "\\u0000",
    ],
    run,
};

/// The outside, which has every object and keeps one call.
#[derive(Default)]
struct Outside {
    kept: Mutex<Option<KeptCall>>,
    asked: Mutex<Vec<ObjectReference>>,
}

impl Resources for Outside {
    fn get<'a>(
        &'a self,
        object: &'a ObjectReference,
    ) -> BoxFuture<'a, Result<Arc<Value>, ObjectError>> {
        let found = json!({"metadata": {"namespace": object.namespace, "name": object.name}});
        async { Ok(Arc::new(found)) }.boxed()
    }

    fn list<'a>(
        &'a self,
        _: &'a ObjectReference,
        _: &'a BTreeMap<String, String>,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<Arc<Value>>, ObjectError>> {
        async { Ok(Vec::new()) }.boxed()
    }
}

impl ReconcileRequester for Outside {
    fn request<'a>(
        &'a self,
        request: &'a ReconcileRequest,
    ) -> BoxFuture<'a, Result<(), ObjectError>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(request.object.clone());
        async { Ok(()) }.boxed()
    }
}

impl KeptCalls for Outside {
    fn keep(&self, _: NewKeptCall) -> BoxFuture<'_, Result<KeptCallId, KeepError>> {
        async { Err(KeepError::Full) }.boxed()
    }

    fn due_calls(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<Vec<KeptCall>, KeepError>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let due = kept.iter().cloned().collect();
        async { Ok(due) }.boxed()
    }

    fn postpone(&self, _: KeptCallId, _: Timestamp) -> BoxFuture<'_, Result<(), KeepError>> {
        async { Ok(()) }.boxed()
    }

    fn forget(&self, _: KeptCallId) -> BoxFuture<'_, Result<(), KeepError>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = None;
        async { Ok(()) }.boxed()
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // Moments of bursts pass at once.
    let builder = builder.enable_time().start_paused(true);
    builder.build().expect("a runtime")
});

/// Everything around a Receiver that calls for one object, with or without a filter.
fn hooks(outside: &Arc<Outside>, clock: &Arc<MovableClock>, has_filter: bool) -> Hooks {
    let mut spec = json!({
        "type": "generic",
        "secretRef": {"name": "s"},
        "resources": [{"kind": "GitRepository", "name": "app"}],
    });
    if has_filter {
        spec["resourceFilter"] = json!("has(req.a)");
    }
    let object = json!({
        "metadata": {"name": "hook", "namespace": "apps", "uid": "u-1"}, "spec": spec});
    let receiver = Receiver::from_object(Arc::new(object));
    let checked = ValidReceiver::validate(&receiver, ReceiverRules::default());
    let valid = checked.validated.value.expect("a valid Receiver");
    let secret: SecretData = [("token", "t0ken")].into_iter().collect();
    let credentials = Credentials::from_secret(&valid.key, Arc::new(secret)).expect("a token");
    let table = Arc::new(Table::new(Duration::from_mins(10)));
    table.serve(Arc::new(valid), credentials, clock.now());
    let ports = HooksPorts {
        table,
        resources: outside.clone(),
        requester: outside.clone(),
        kept: outside.clone(),
        transport: Arc::new(ScriptedTransport::new(clock.clone(), Vec::new())),
        clock: clock.clone(),
    };
    Hooks::new(ports, HooksSettings::default(), &mut Registry::default())
}

/// A kept call ends with at most one request, and where all that can be known is the call, for what
/// its Receiver names.
fn run(input: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(input);
    let (filter, content) = first_line(&text);
    let has_filter = filter == "filter";
    let outside = Arc::new(Outside::default());
    let clock = Arc::new(MovableClock::default());
    let hooks = hooks(&outside, &clock, has_filter);
    let is_object = content.starts_with("{\"object\"");
    *outside.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(KeptCall {
        id: KeptCallId(1),
        receiver: ObjectKey::new("apps", "hook"),
        receiver_uid: "u-1".to_owned(),
        content: (!content.is_empty()).then(|| content.to_owned()),
        accepted_at: clock.now(),
        attempts: 0,
    });
    RUNTIME.block_on(async {
        let tried = hooks.try_due_calls().await;
        hooks.finish().await;
        tried.map_err(|error| error.to_string())
    })?;
    if outside
        .kept
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .is_some()
    {
        return Err("a call is still kept although everything can be asked".to_owned());
    }
    let asked = outside.asked.lock().unwrap_or_else(PoisonError::into_inner);
    feature(&format!("{has_filter} {is_object} {}", asked.len()));
    match asked.as_slice() {
        [] => Ok(()),
        [object] if is_object || (&*object.namespace, &*object.name) == ("apps", "app") => Ok(()),
        other => Err(format!("asked for {other:?}")),
    }
}
