//! Alerts in a real Alertmanager: fired, repeated, resolved, and with metadata nobody would write.

mod any_event;

use std::sync::Arc;

use domain::Outcome;
use serde_json::{Value, json};
use testkit::Alertmanager;

use crate::bench::{Bench, client, describe};

const FAILED: &str = "2024-03-05T08:00:00Z";
const REPEATED: &str = "2024-03-05T08:10:00Z";
const RECOVERED: &str = "2024-03-05T08:20:00Z";

/// A Provider for a server, with metadata that Alertmanager could not take as it is.
fn bench(server: &Alertmanager) -> Bench {
    let provider = json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": "Provider",
        "metadata": {"namespace": "apps", "name": "alertmanager", "uid": "0c9c2e41"},
        "spec": {"type": "alertmanager", "address": server.url("/api/v2/alerts")},
    });
    Bench::new(&[provider], client(), Arc::default())
}

fn event(severity: &str, reason: &str, time: &str, metadata: &Value) -> Value {
    json!({
        "involvedObject": {
            "kind": "Kustomization", "namespace": "apps", "name": "webapp",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "uid": "7d0cdc51",
        },
        "severity": severity,
        "timestamp": time,
        "message": format!("it is {reason} \u{1F6A8}"),
        "reason": reason,
        "metadata": metadata,
        "reportingController": "kustomize-controller",
    })
}

fn revision(revision: &str) -> Value {
    json!({
        "kustomize.toolkit.fluxcd.io/revision": revision,
        "event.toolkit.fluxcd.io/cluster": "prod-1",
        "event.toolkit.fluxcd.io/summary": "customers notice",
    })
}

async fn deliver(bench: &Bench, event: &Value) {
    let outcome = bench.settle(event).await;
    let said = describe(&outcome);
    assert!(matches!(outcome, Outcome::Delivered(_)), "{said}");
}

/// The alerts with this severity.
async fn firing(server: &Alertmanager, severity: &str) -> Vec<Value> {
    let alerts = server.alerts().await.into_iter();
    alerts
        .filter(|alert| alert["labels"]["severity"] == severity)
        .collect()
}

#[tokio::test]
async fn an_error_fires_an_alert_and_a_recovery_resolves_it() {
    let Some(server) = Alertmanager::start().await else {
        return;
    };
    let failing = bench(&server);
    let failed = event(
        "error",
        "HealthCheckFailed",
        FAILED,
        &revision("main@sha1:1"),
    );
    deliver(&failing, &failed).await;
    let alerts = firing(&server, "error").await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(
        alerts[0]["labels"],
        json!({
            "alertname": "FluxKustomizationHealthcheckfailed",
            "cluster": "prod-1",
            "kind": "Kustomization",
            "name": "webapp",
            "namespace": "apps",
            "reason": "HealthCheckFailed",
            "reportingcontroller": "kustomize-controller",
            "severity": "error",
        })
    );
    let annotations = &alerts[0]["annotations"];
    assert_eq!(annotations["revision"], "main@sha1:1");
    assert_eq!(annotations["summary"], "customers notice");
    assert_eq!(alerts[0]["startsAt"], "2024-03-05T08:00:00.000Z");
    assert_eq!(alerts[0]["status"]["state"], "active");

    // The next revision fails in the same way: the same alert, which began when it began.
    let repeated = event(
        "error",
        "HealthCheckFailed",
        REPEATED,
        &revision("main@sha1:2"),
    );
    deliver(&failing, &repeated).await;
    // And in another way: another alert.
    let other = event(
        "error",
        "ReconciliationFailed",
        REPEATED,
        &revision("main@sha1:2"),
    );
    deliver(&failing, &other).await;
    let alerts = firing(&server, "error").await;
    assert_eq!(alerts.len(), 2);
    let begins: Vec<&str> = alerts
        .iter()
        .filter_map(|alert| alert["startsAt"].as_str())
        .collect();
    assert!(begins.contains(&"2024-03-05T08:00:00.000Z"), "{begins:?}");

    // What is under way ends nothing.
    let waiting = event(
        "info",
        "DependencyNotReady",
        REPEATED,
        &revision("main@sha1:2"),
    );
    deliver(&failing, &waiting).await;
    assert_eq!(firing(&server, "error").await.len(), 2);

    // After a restart, with another revision and other metadata, the recovery ends both.
    let restarted = bench(&server);
    let facts = failing.facts.all().into_iter();
    restarted
        .facts
        .remember(facts.map(|(key, value)| domain::delivery::Remembered { key, value }));
    let recovered = event("info", "ReconciliationSucceeded", RECOVERED, &json!({}));
    deliver(&restarted, &recovered).await;
    assert_eq!(firing(&server, "error").await, Vec::<Value>::new());
    let informational = firing(&server, "info").await;
    let names: Vec<&Value> = informational
        .iter()
        .map(|alert| &alert["labels"]["alertname"])
        .collect();
    assert!(names.contains(&&json!("FluxKustomizationReconciliationsucceeded")));

    // It fails again: the alert is back, with a new beginning.
    let again = "2024-03-05T09:00:00Z";
    deliver(
        &restarted,
        &event("error", "HealthCheckFailed", again, &json!({})),
    )
    .await;
    let alerts = firing(&server, "error").await;
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["startsAt"], "2024-03-05T09:00:00.000Z");
}

#[tokio::test]
async fn metadata_that_nobody_would_write_is_accepted() {
    let Some(server) = Alertmanager::start().await else {
        return;
    };
    let bench = bench(&server);
    let keys = [
        "",
        "9lives",
        "a b",
        "a-b",
        "a.b",
        "a/b",
        "a_b",
        "__name__",
        "ключ",
        "\u{1F6A8}",
        "\n",
        "\"",
        "severity",
        "alertname",
        "summary",
        "message",
        "empty",
    ];
    let mut metadata = json!({});
    for key in keys {
        let value = match key {
            "empty" => String::new(),
            "a b" => "é".repeat(2_000),
            key => format!("value of {key} \u{0}\u{7f}\n\u{2028}"),
        };
        metadata[format!("event.toolkit.fluxcd.io/{key}")] = json!(value);
    }
    for (severity, reason, time) in [
        ("error", "", FAILED),
        ("error", "what : is ~ this", FAILED),
        ("trace", "ключ", REPEATED),
        ("", "R", RECOVERED),
    ] {
        deliver(&bench, &event(severity, reason, time, &metadata)).await;
    }
    let recovered = event("info", "ReconciliationSucceeded", RECOVERED, &json!({}));
    deliver(&bench, &recovered).await;
    assert_eq!(firing(&server, "error").await, Vec::<Value>::new());
}
