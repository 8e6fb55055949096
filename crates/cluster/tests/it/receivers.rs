//! Receivers: who can be called, and what their status says.

use std::time::Duration;

use serde_json::{Value, json};

use crate::bench::{Bench, alert};
use crate::fake_kube::{ALERTS, FakeKube, PROVIDERS, RECEIVERS, SECRETS};

const SOON: Duration = Duration::from_secs(2);

fn receiver(name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "metadata": {"name": name, "namespace": "a", "generation": 1},
        "spec": {
            "type": "github",
            "secretRef": {"name": "hook-token"},
            "resources": [{"kind": "GitRepository", "name": "app"}],
        },
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object
}

/// `token` in base64.
fn token(value: &str) -> Value {
    json!({"metadata": {"name": "hook-token", "namespace": "a"}, "data": {"token": value}})
}

fn small() -> FakeKube {
    let kube = FakeKube::default();
    kube.apply(RECEIVERS, receiver("hook", &json!({})));
    kube.apply(SECRETS, token("b2xk"));
    kube
}

fn status(kube: &FakeKube, name: &str) -> Value {
    kube.object(RECEIVERS, &format!("a/{name}"))["status"].clone()
}

/// `Ready` is the last condition.
fn ready(kube: &FakeKube, name: &str) -> Value {
    let conditions = status(kube, name)["conditions"].clone();
    conditions.as_array().unwrap().last().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn a_bad_receiver_disables_only_itself() {
    let kube = small();
    kube.apply(
        RECEIVERS,
        receiver("poisoned", &json!({"interval": "9999999999m"})),
    );
    let odd = json!({"metadata": {"name": "odd", "namespace": "a"}, "spec": [1, 2]});
    kube.apply(RECEIVERS, odd);
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(
        bench.served(),
        [
            "AllKnown",
            "Hold(a/odd)",
            "Hold(a/poisoned)",
            "Serve(a/hook)"
        ]
    );
    let path = status(&kube, "hook")["webhookPath"].clone();
    assert_eq!(
        ready(&kube, "hook")["message"],
        format!("Receiver initialized for path: {}", path.as_str().unwrap())
    );
    let message = ready(&kube, "poisoned")["message"].clone();
    assert!(
        message.as_str().unwrap().contains("spec.interval"),
        "{message}"
    );
    assert_eq!(
        status(&kube, "poisoned")["conditions"][0]["type"],
        "Stalled"
    );
    assert_eq!(ready(&kube, "odd")["reason"], "ValidationFailed");
    let writes = kube.requests("PATCH").len();
    bench.pass(Duration::from_mins(10)).await;
    assert_eq!(
        kube.requests("PATCH").len(),
        writes,
        "what is true is left alone"
    );
}

#[tokio::test(start_paused = true)]
async fn webhooks_need_neither_alerts_nor_providers() {
    let kube = small();
    kube.apply(ALERTS, alert("on-call", "slack"));
    kube.fail("GET", PROVIDERS, 500, u32::MAX);
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(bench.served(), ["AllKnown", "Serve(a/hook)"]);
    assert_eq!(bench.updates(), 0, "no events are planned yet");
}

#[tokio::test(start_paused = true)]
async fn alerts_do_not_need_receivers() {
    let kube = small();
    kube.apply(ALERTS, alert("on-call", "slack"));
    kube.fail("GET", RECEIVERS, 500, u32::MAX);
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(bench.alerts(), ["a/on-call"]);
    assert!(bench.served().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_path_is_told_only_when_it_is_answered() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    let path = status(&kube, "hook")["webhookPath"].clone();
    bench.applying_takes(Duration::from_mins(1));
    kube.apply(SECRETS, token("bmV3"));
    bench.pass(SOON).await;
    assert_eq!(status(&kube, "hook")["webhookPath"], path);
    bench.pass(Duration::from_mins(1)).await;
    assert_ne!(status(&kube, "hook")["webhookPath"], path);
}

#[tokio::test(start_paused = true)]
async fn a_rotated_a_missing_and_a_returning_secret_are_noticed() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    bench.served();
    let path = status(&kube, "hook")["webhookPath"].clone();
    kube.apply(SECRETS, token("bmV3"));
    bench.pass(SOON).await;
    assert_eq!(bench.served(), ["Serve(a/hook)"]);
    assert_ne!(status(&kube, "hook")["webhookPath"], path);
    kube.delete(SECRETS, "a/hook-token");
    bench.pass(SOON).await;
    assert_eq!(bench.served(), ["LoseToken(a/hook)"]);
    assert_eq!(ready(&kube, "hook")["reason"], "TokenNotFound");
    assert_eq!(status(&kube, "hook")["webhookPath"], Value::Null);
    kube.apply(SECRETS, token("b2xk"));
    bench.pass(SOON).await;
    assert_eq!(status(&kube, "hook")["webhookPath"], path);
    kube.delete(RECEIVERS, "a/hook");
    bench.pass(SOON).await;
    assert!(bench.served().contains(&"Remove(a/hook)".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_said_to_have_no_token_while_the_server_is_down() {
    let kube = small();
    kube.fail("GET", "/api/v1/namespaces/a/secrets/", 503, 3);
    let bench = Bench::start(&kube);
    bench.pass(Duration::from_secs(1)).await;
    assert!(bench.served().is_empty());
    assert!(kube.requests("PATCH").is_empty());
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!(bench.served(), ["AllKnown", "Serve(a/hook)"]);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_handled_even_while_suspended_and_only_by_the_leader() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.leader.send_replace(false);
    bench.pass(SOON).await;
    assert!(kube.requests("PATCH").is_empty());
    assert_eq!(bench.served(), ["AllKnown", "Serve(a/hook)"]);
    bench.leader.send_replace(true);
    bench.pass(SOON).await;
    let before = status(&kube, "hook");
    let mut object = kube.object(RECEIVERS, "a/hook");
    object["spec"]["suspend"] = true.into();
    object["metadata"]["generation"] = 2.into();
    object["metadata"]["annotations"] = json!({"reconcile.fluxcd.io/requestedAt": "now"});
    object["metadata"]["finalizers"] = json!(["finalizers.fluxcd.io", "foo.bar/x"]);
    kube.apply(RECEIVERS, object);
    bench.pass(SOON).await;
    let after = status(&kube, "hook");
    assert_eq!(after["lastHandledReconcileAt"], "now");
    assert_eq!(after["conditions"], before["conditions"]);
    let finalizers = kube.object(RECEIVERS, "a/hook")["metadata"]["finalizers"].clone();
    assert_eq!(finalizers, json!(["foo.bar/x"]));
}

/// Of a kind that does not exist there are no objects, so a path that is unknown belongs to none; what
/// we may not see is another matter.
#[tokio::test(start_paused = true)]
async fn without_the_definition_no_receivers_are_known_and_without_permission_it_is_open() {
    let kube = FakeKube::default();
    kube.fail("GET", RECEIVERS, 403, u32::MAX);
    let bench = Bench::start(&kube);
    bench.pass(Duration::from_mins(5)).await;
    assert!(bench.served().is_empty(), "who knows");
    kube.recover();
    bench.pass(Duration::from_mins(1)).await;
    assert_eq!(bench.served(), ["AllKnown"]);

    let kube = FakeKube::default();
    kube.fail("GET", RECEIVERS, 404, u32::MAX);
    let bench = Bench::start(&kube);
    bench.pass(Duration::from_millis(100)).await;
    assert!(bench.served().is_empty(), "one answer is not enough");
    bench.pass(Duration::from_secs(10)).await;
    assert_eq!(bench.served(), ["AllKnown"]);
    // Somebody installs it.
    kube.apply(RECEIVERS, receiver("hook", &json!({})));
    kube.apply(SECRETS, token("b2xk"));
    kube.recover();
    bench.pass(Duration::from_secs(20)).await;
    assert_eq!(bench.served(), ["Serve(a/hook)"]);
}

/// The reasons and words of the reference; the path is in none of them.
#[tokio::test(start_paused = true)]
async fn owners_are_told_by_events_what_became_of_their_receivers() {
    let kube = small();
    kube.apply(
        RECEIVERS,
        receiver("poisoned", &json!({"interval": "9999999999m"})),
    );
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    kube.delete(SECRETS, "a/hook-token");
    bench.pass(SOON).await;
    bench.pass(Duration::from_mins(1)).await;
    let events = kube.bodies("/api/v1/namespaces/a/events");
    let shown: Vec<String> = events
        .iter()
        .map(|event| {
            assert_eq!(event["involvedObject"]["kind"], "Receiver");
            assert_eq!(
                event["involvedObject"]["apiVersion"],
                "notification.toolkit.fluxcd.io/v1"
            );
            assert_ne!(event["involvedObject"]["uid"], "");
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            format!(
                "{} {} {}: {}",
                text(&event["involvedObject"]["name"]),
                text(&event["type"]),
                text(&event["reason"]),
                text(&event["message"])
            )
        })
        .collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    let has = |words: &str| assert!(shown.iter().any(|it| it.starts_with(words)), "{shown:?}");
    has("hook Normal Succeeded: Reconciliation finished, next run in 10m0s");
    has("poisoned Warning ValidationFailed: Reconciliation failed terminally");
    has("hook Warning Failed: unable to read token from secret 'a/hook-token'");
    assert!(!shown.iter().any(|it| it.contains("/hook/")), "{shown:?}");
}

#[tokio::test(start_paused = true)]
async fn looks_are_told_with_their_result() {
    let kube = small();
    kube.apply(PROVIDERS, crate::bench::provider("slack", "nowhere"));
    kube.apply(ALERTS, alert("on-call", "slack"));
    let odd = json!({"metadata": {"name": "odd", "namespace": "a"}, "spec": [1, 2]});
    kube.apply(RECEIVERS, odd);
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(
        bench.looks(),
        [
            "Provider a/slack Troubled",
            "Receiver a/hook Well",
            "Receiver a/odd Broken"
        ]
    );
    kube.delete(RECEIVERS, "a/odd");
    kube.delete(SECRETS, "a/hook-token");
    bench.pass(SOON).await;
    assert_eq!(
        bench.looks(),
        ["Receiver a/hook Troubled", "Receiver a/odd gone"]
    );
}

/// `DisableConfigWatchers`.
#[tokio::test(start_paused = true)]
async fn without_a_watch_on_secrets_they_are_read_now_and_then() {
    let kube = small();
    let bench = Bench::start_with(&kube, false);
    bench.pass(SOON).await;
    let before = status(&kube, "hook")["webhookPath"].clone();
    assert!(before.is_string());
    kube.apply(SECRETS, token("bmV3"));
    bench.pass(SOON).await;
    assert_eq!(status(&kube, "hook")["webhookPath"], before);
    bench.pass(Duration::from_secs(65)).await;
    assert_ne!(status(&kube, "hook")["webhookPath"], before);
    let requests = kube.requests("/secrets");
    assert!(
        requests
            .iter()
            .all(|line| line.contains("/namespaces/a/secrets/hook-token")),
        "{requests:?}"
    );
}
