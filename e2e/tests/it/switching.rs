//! From the reference's definitions to ours and back: every object stays, with its finalizers.

use e2e::reference::reference_definitions;
use e2e::repository;
use serde_json::{Value, json};
use testkit::ControlPlane;
use testkit::control_plane::{Assets, Namespace, feed};

const OBJECTS: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {name: slack, finalizers: [finalizers.fluxcd.io]}
spec: {type: slack, address: 'https://x', timeout: 20s, proxySecretRef: {name: p}}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: all, finalizers: [finalizers.fluxcd.io]}
spec:
  providerRef: {name: slack}
  eventSources: [{kind: Kustomization, name: '*'}]
  eventMetadata: {cluster: prod}
---
apiVersion: notification.toolkit.fluxcd.io/v1
kind: Receiver
metadata: {name: hook, finalizers: [finalizers.fluxcd.io]}
spec:
  type: generic
  secretRef: {name: t}
  resources: [{kind: GitRepository, name: x, filter: 'true'}]
  resourceFilter: 'true'
";

/// Taken by our definitions only.
const OURS: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1beta1
kind: Alert
metadata: {name: old}
spec:
  providerRef: {name: slack}
  eventSources: [{kind: Kustomization, name: '*'}]
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: foreign}
spec:
  providerRef: {name: slack}
  eventSources: [{kind: Deployment, name: '*'}]
";

const STATUS: &str = r#"{"status": {"observedGeneration": 1, "conditions": [{
    "type": "Ready", "status": "True", "reason": "Succeeded", "message": "Initialized",
    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}"#;

/// What makes an object the same one.
fn essence(namespace: &Namespace<'_>, resource: &str, name: &str) -> Value {
    let object = namespace.object(resource, name);
    let metadata = &object["metadata"];
    json!([
        metadata["uid"],
        metadata["finalizers"],
        metadata["generation"],
        object["spec"]
    ])
}

fn essences(namespace: &Namespace<'_>) -> [Value; 3] {
    [
        ("provider", "slack"),
        ("alert", "all"),
        ("receiver", "hook"),
    ]
    .map(|(resource, name)| essence(namespace, resource, name))
}

fn stored_versions(plane: &ControlPlane, plural: &str) -> String {
    plane.stdout(&[
        "get",
        "customresourcedefinition",
        &format!("{plural}.{}", api::GROUP),
        "--output=jsonpath={.status.storedVersions}",
    ])
}

#[test]
fn no_object_is_lost_on_the_way_to_our_definitions_and_back() {
    // One of its own: definitions belong to the whole API server.
    let Some(_) = ControlPlane::shared() else {
        return;
    };
    let plane = ControlPlane::start(Assets::find().unwrap());
    plane.apply_definitions(&reference_definitions());
    let namespace = plane.namespace();
    namespace.apply(OBJECTS);
    let before = essences(&namespace);

    plane.apply_definitions(&repository::definitions());
    assert_eq!(essences(&namespace), before);
    namespace.apply(OURS);
    for (resource, name) in [
        ("alert", "all"),
        ("alert", "foreign"),
        ("provider", "slack"),
    ] {
        namespace.stdout(&[
            "patch",
            resource,
            name,
            "--subresource=status",
            "--type=merge",
            "--patch",
            STATUS,
        ]);
    }
    assert_eq!(
        essences(&namespace),
        before,
        "a status is no change of an object"
    );
    let ours = ["old", "foreign"].map(|name| essence(&namespace, "alert", name));

    plane.apply_definitions(&reference_definitions());
    assert_eq!(essences(&namespace), before);
    assert_eq!(
        ours,
        ["old", "foreign"].map(|name| essence(&namespace, "alert", name))
    );
    assert_eq!(namespace.object("alert", "all").get("status"), None);
    for (plural, version) in [
        ("alerts", "v1beta3"),
        ("providers", "v1beta3"),
        ("receivers", "v1"),
    ] {
        assert_eq!(stored_versions(&plane, plural), format!("[\"{version}\"]"));
    }
    // The reference's controller can go on: it changes metadata, also of objects that it would refuse.
    for name in ["all", "old", "foreign"] {
        let patch = r#"{"metadata": {"finalizers": null, "annotations": {"a": "b"}}}"#;
        namespace.stdout(&["patch", "alert", name, "--type=merge", "--patch", patch]);
    }
}

/// Why the guide says to run `flux migrate` before switching back.
#[test]
fn after_switching_back_server_side_apply_needs_objects_without_traces_of_old_versions() {
    let Some(_) = ControlPlane::shared() else {
        return;
    };
    let plane = ControlPlane::start(Assets::find().unwrap());
    plane.apply_definitions(&repository::definitions());
    let namespace = plane.namespace();
    let alert = OURS.split("---").next().unwrap();
    let apply = |manifest: &str| {
        feed(
            &mut namespace.kubectl(&["apply", "--server-side", "--filename=-"]),
            manifest,
        )
    };
    assert!(apply(alert).status.success());

    plane.apply_definitions(&reference_definitions());
    let current = alert.replace("v1beta1", "v1beta3");
    let refused = apply(&current);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{message}");
    // What `flux migrate` does to such an object.
    namespace.stdout(&[
        "patch",
        "alert",
        "old",
        "--type=json",
        "--patch",
        r#"[{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]"#,
    ]);
    let taken = apply(&current);
    assert!(
        taken.status.success(),
        "{}",
        String::from_utf8_lossy(&taken.stderr)
    );
}
