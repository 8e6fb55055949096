//! Objects in deprecated versions: taken with a warning, and nothing gets lost through them.

use e2e::{ApiClient, repository};
use serde_json::{Value, json};
use testkit::ControlPlane;

fn full(kind: &str) -> Value {
    match kind {
        "Alert" => json!({
            "providerRef": {"name": "p"}, "eventSeverity": "error",
            "eventSources": [{"kind": "Kustomization", "name": "*", "namespace": "x", "matchLabels": {"a": "b"}}],
            "inclusionList": ["a"], "exclusionList": ["b"], "eventMetadata": {"k": "v"}, "summary": "s",
        }),
        "Provider" => json!({
            "type": "github", "address": "https://x", "timeout": "10s", "commitStatusExpr": "'a'",
            "proxySecretRef": {"name": "a"}, "secretRef": {"name": "b"}, "certSecretRef": {"name": "c"},
            "serviceAccountName": "d", "channel": "e", "username": "f",
        }),
        _ => json!({
            "type": "generic", "interval": "5m", "secretRef": {"name": "t"}, "events": ["push"],
            "resources": [{"kind": "GitRepository", "name": "x", "filter": "true"}], "resourceFilter": "true",
        }),
    }
}

const KINDS: [(&str, &str, &str); 3] = [
    ("Alert", "alerts", "v1beta3"),
    ("Provider", "providers", "v1beta3"),
    ("Receiver", "receivers", "v1"),
];

fn collection(version: &str, namespace: &str, plural: &str) -> String {
    format!(
        "/apis/{}/{version}/namespaces/{namespace}/{plural}",
        api::GROUP
    )
}

fn object(kind: &str, version: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": format!("{}/{version}", api::GROUP),
        "kind": kind,
        "metadata": {"name": "full"},
        "spec": spec,
    })
}

#[test]
fn writing_through_an_old_version_loses_no_field() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let namespace = plane.namespace();
    let client = ApiClient::new(plane);
    for (kind, plural, current) in KINDS {
        let spec = full(kind);
        let new = collection(current, namespace.name(), plural);
        let created = client.send(
            "POST",
            &new,
            "application/json",
            &object(kind, current, &spec),
        );
        assert_eq!(created.code, 201, "{}", created.body);
        for old in ["v1beta2", "v1beta1"] {
            let old = format!("{}/full", collection(old, namespace.name(), plural));
            let read = client.send("GET", &old, "application/json", &Value::Null);
            let written = client.send("PUT", &old, "application/json", &read.body);
            assert_eq!(written.code, 200, "{}", written.body);
        }
        let read = client.send(
            "GET",
            &format!("{new}/full"),
            "application/json",
            &Value::Null,
        );
        assert_eq!(read.body["spec"], spec);
    }
}

#[test]
fn every_old_version_warns_with_the_words_of_the_old_definitions() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let client = ApiClient::new(plane);
    for (kind, plural, current) in KINDS {
        for version in ["v1beta1", "v1beta2", current] {
            let target = collection(version, "default", plural);
            let answer = client.try_create(&target, &object(kind, version, &full(kind)), true);
            assert_eq!(answer.code, 201, "{}", answer.body);
            let expected =
                format!("299 - \"{version} {kind} is deprecated, upgrade to {current}\"");
            let expected = Vec::from_iter((version != current).then_some(expected));
            assert_eq!(answer.warnings, expected);
        }
    }
}

#[test]
fn what_only_the_first_version_took_is_stored_and_can_have_a_status() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let namespace = plane.namespace();
    let client = ApiClient::new(plane);
    let mut spec = full("Alert");
    spec["summary"] = json!("x".repeat(300));
    let target = collection("v1beta3", namespace.name(), "alerts");
    let refused = client.send(
        "POST",
        &target,
        "application/json",
        &object("Alert", "v1beta3", &spec),
    );
    assert_eq!(refused.code, 422, "{}", refused.body);
    let old = collection("v1beta1", namespace.name(), "alerts");
    let taken = client.send(
        "POST",
        &old,
        "application/json",
        &object("Alert", "v1beta1", &spec),
    );
    assert_eq!(taken.code, 201, "{}", taken.body);
    let status = json!({"status": {"observedGeneration": 1}});
    let target = format!("{target}/full/status");
    let patched = client.send("PATCH", &target, "application/merge-patch+json", &status);
    assert_eq!(patched.code, 200, "{}", patched.body);
    assert_eq!(patched.body["spec"]["summary"], spec["summary"]);
}

/// The objects of Flux's guide "Setup Notifications", as its readers type them.
#[test]
fn the_guide_everybody_starts_from_works_as_it_stands() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let namespace = plane.namespace();
    let manifests = "
apiVersion: notification.toolkit.fluxcd.io/v1beta1
kind: Provider
metadata: {name: slack}
spec: {type: slack, channel: general, secretRef: {name: slack-url}}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta1
kind: Alert
metadata: {name: on-call-webapp}
spec:
  providerRef: {name: slack}
  eventSeverity: info
  eventSources:
    - {kind: GitRepository, name: '*'}
    - {kind: Kustomization, name: '*'}
";
    namespace.apply(manifests);
    let alert = namespace.object("alert", "on-call-webapp");
    assert_eq!(
        alert["apiVersion"],
        "notification.toolkit.fluxcd.io/v1beta3"
    );
    assert_eq!(alert["spec"]["eventSources"].as_array().unwrap().len(), 2);
}
