//! What `kubectl get` shows.

use e2e::repository;
use testkit::ControlPlane;

const GUIDE: &str = "
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Provider
metadata: {name: slack}
spec: {type: slack}
---
apiVersion: notification.toolkit.fluxcd.io/v1beta3
kind: Alert
metadata: {name: on-call-webapp}
spec:
  providerRef: {name: slack}
  eventSources: [{kind: Kustomization, name: '*'}]
";

const READY: &str = r#"{"status": {"observedGeneration": 1, "conditions": [{
    "type": "Ready", "status": "True", "reason": "Succeeded", "message": "Initialized",
    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}"#;

/// The words of a table's lines.
fn words(table: &str) -> Vec<Vec<&str>> {
    table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn alerts_show_that_they_are_ready_as_the_guide_says() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let namespace = plane.namespace();
    namespace.apply(GUIDE);
    namespace.stdout(&[
        "patch",
        "alert",
        "on-call-webapp",
        "--subresource=status",
        "--type=merge",
        "--patch",
        READY,
    ]);
    let table = namespace.stdout(&["get", "alerts"]);
    let lines = words(&table);
    assert_eq!(lines[0], ["NAME", "READY", "STATUS", "AGE"]);
    assert_eq!(lines[1][..3], ["on-call-webapp", "True", "Initialized"]);
    namespace.stdout(&[
        "wait",
        "alert/on-call-webapp",
        "--for=condition=ready",
        "--timeout=30s",
    ]);
    assert_eq!(
        namespace.object("alert", "on-call-webapp")["metadata"]["generation"],
        1
    );
}

#[test]
fn providers_show_type_and_last_delivery_on_demand() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let namespace = plane.namespace();
    namespace.apply(GUIDE);
    let delivered = r#"{"status": {"delivery": {"lastDeliveredAt": "2026-01-01T00:00:00Z", "pending": 3, "failed": 0,
        "lastFailedAt": "2026-01-01T00:00:00Z", "lastError": "the service is down", "pausedUntil": "2026-01-01T00:00:30Z"}}}"#;
    namespace.stdout(&[
        "patch",
        "provider",
        "slack",
        "--subresource=status",
        "--type=merge",
        "--patch",
        delivered,
    ]);
    let table = namespace.stdout(&["get", "providers"]);
    assert_eq!(words(&table)[0], ["NAME", "READY", "STATUS", "AGE"]);
    let table = namespace.stdout(&["get", "providers", "--output=wide"]);
    assert!(table.starts_with("NAME"), "{table}");
    assert!(
        words(&table)[0].ends_with(&["TYPE", "LAST", "DELIVERY"]),
        "{table}"
    );
    assert!(words(&table)[1].contains(&"slack"), "{table}");
    assert_eq!(
        namespace.object("provider", "slack")["status"]["delivery"]["pending"],
        3
    );
}

#[test]
fn the_categories_list_all_three_kinds() {
    let Some(plane) = ControlPlane::shared() else {
        return;
    };
    plane.apply_definitions(&repository::definitions());
    let namespace = plane.namespace();
    namespace.apply(GUIDE);
    for category in ["fluxcd", "fluxcd-notifications"] {
        let table = namespace.stdout(&["get", category]);
        assert!(
            table.contains("alert.notification.toolkit.fluxcd.io/on-call-webapp"),
            "{table}"
        );
        assert!(
            table.contains("provider.notification.toolkit.fluxcd.io/slack"),
            "{table}"
        );
    }
}
