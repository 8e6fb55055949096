//! Definitions that let everything through and have no status: nothing works less for it.

use serde_json::{Value, json};
use testkit::control_plane::Assets;
use testkit::{ControlPlane, HttpSink};

use super::setting::{Setting, address, event, provider_and_alert};

fn lax(group: &str, version: &str, kind: &str) -> Value {
    let plural = format!("{}s", kind.to_lowercase());
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase(), "listKind": format!("{kind}List")},
            "versions": [{
                "name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

fn object(kind: &str, name: &str, spec: impl Into<Value>) -> Value {
    json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec.into(),
    })
}

/// Everything that a schema would have kept out.
fn garbage() -> Vec<Value> {
    let mut deep = json!("bottom");
    for _ in 0..400 {
        deep = json!({"a": deep});
    }
    vec![
        object("Provider", "deep", deep.clone()),
        object(
            "Provider",
            "huge",
            json!({"type": "generic", "channel": "x".repeat(1 << 20)}),
        ),
        object(
            "Provider",
            "types",
            json!({"type": ["slack"], "address": {"a": 1}, "secretRef": "x", "suspend": "yes"}),
        ),
        object("Provider", "list", json!([1, 2, 3])),
        object("Provider", "text", json!("hello")),
        object(
            "Provider",
            "long",
            json!({"type": "generic", "timeout": "9999999999m", "interval": "99999999999999999999h"}),
        ),
        object(
            "Provider",
            "elsewhere",
            json!({"type": "generic", "secretRef": {"name": "../configmaps/x"}}),
        ),
        object("Alert", "deep", deep),
        object(
            "Alert",
            "types",
            json!({"providerRef": 7, "eventSources": {"kind": "x"}, "inclusionList": "("}),
        ),
        object(
            "Alert",
            "number",
            json!({"providerRef": {"name": "fine"}, "eventSources": 1e308}),
        ),
        object(
            "Alert",
            "wide",
            json!({
                "providerRef": {"name": "fine"},
                "eventSources": [{"kind": "Kustomization", "name": "*"}],
                "inclusionList": ["(((((a{1000}){1000}){1000}))))", "(a{1000}){1000}"],
            }),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_without_end_disables_only_itself_and_missing_status_is_said_once() {
    // Definitions belong to all tests of a server, so this one has its own.
    if ControlPlane::shared().is_none() {
        return;
    }
    let plane = ControlPlane::start(Assets::find().unwrap());
    let group = "notification.toolkit.fluxcd.io";
    let definitions = [
        lax(group, "v1beta3", "Provider"),
        lax(group, "v1beta3", "Alert"),
        lax("kustomize.toolkit.fluxcd.io", "v1", "Kustomization"),
    ];
    plane.apply_definitions(&definitions.map(|it| it.to_string()).join("\n---\n"));
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    namespace.apply(&address("fine", &sink.url("/fine")));
    namespace.apply(&provider_and_alert("fine"));
    let mut finalized = object("Provider", "finalized", json!({"type": "generic"}));
    finalized["metadata"]["finalizers"] = json!(["finalizers.fluxcd.io"]);
    namespace.apply(&finalized.to_string());
    // Its annotation of what was applied last would be too long.
    for object in garbage() {
        let arguments = ["create", "--filename=-"];
        let output =
            testkit::control_plane::feed(&mut namespace.kubectl(&arguments), &object.to_string());
        assert!(output.status.success(), "{output:?}");
    }
    let mut labelled = object(
        "Alert",
        "labelled",
        json!({
            "providerRef": {"name": "fine"},
            "eventSources": [{"kind": "Kustomization", "name": "*", "matchLabels": {"team": "a"}}],
        }),
    );
    labelled["metadata"]["namespace"] = namespace.name().into();
    namespace.apply(&labelled.to_string());
    let kustomization = json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "podinfo", "labels": {"team": "a"}},
    });
    namespace.apply(&kustomization.to_string());

    let setting = Setting::new(namespace.name(), plane.kubeconfig());
    let fanfare = setting.start_and_read();
    assert_eq!(fanfare.post(&event(namespace.name(), 1)).await, 202);
    // One by the plain Alert, one by the one that looks at labels.
    sink.wait_for(2).await;
    fanfare.wait_for_log("the installed definitions have no status");
    fanfare.wait_for_log("removed the finalizer of Flux's notification-controller");
    namespace.stdout(&["delete", "provider", "finalized", "--timeout=60s"]);

    // Changes of garbage, and garbage that goes, are no trouble either.
    namespace.stdout(&["label", "provider", "deep", "list", "types", "a=b"]);
    namespace.stdout(&["delete", "alert", "deep", "types", "number"]);
    assert_eq!(fanfare.post(&event(namespace.name(), 2)).await, 202);
    sink.wait_for(4).await;
    let log = fanfare.log();
    let said = log
        .matches("the installed definitions have no status")
        .count();
    assert_eq!(said, 1, "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
