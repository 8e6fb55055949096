//! What the controller may and may not ask the API server.

use testkit::HttpSink;

use super::setting::{Setting, address, event, plane, provider_and_alert, wait_for_ready};
use crate::support::get;
use crate::webhooks::{call, path_of};

/// The role that Flux gives its controllers (`operations.md` section 6.4).
const FLUX: &str = r#"
- {apiGroups: [source.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [kustomize.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [helm.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [notification.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [image.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [source.extensions.fluxcd.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [""], resources: [namespaces, secrets, configmaps, serviceaccounts], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [events], verbs: [create, patch]}
- {apiGroups: [""], resources: [configmaps], verbs: [get, list, watch, create, update, patch, delete]}
- {apiGroups: [""], resources: [configmaps/status], verbs: [get, update, patch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, list, watch, create, update, patch, delete]}
- {apiGroups: [""], resources: [serviceaccounts/token], verbs: [create]}
- {nonResourceURLs: [/livez/ping], verbs: [head]}
"#;

/// Secrets by name only.
const NARROW: &str = r#"
- {apiGroups: [notification.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}
- {apiGroups: [""], resources: [secrets], verbs: [get]}
- {apiGroups: [""], resources: [events], verbs: [create, patch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, list, watch, create, update, patch, delete]}
"#;

/// Everything but Receivers.
const WITHOUT_RECEIVERS: &str = r#"
- {apiGroups: [notification.toolkit.fluxcd.io], resources: [alerts, alerts/status, providers, providers/status], verbs: ["*"]}
- {apiGroups: [""], resources: [secrets], verbs: [get, list, watch]}
- {apiGroups: [""], resources: [events], verbs: [create, patch]}
- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, list, watch, create, update, patch, delete]}
"#;

fn grant(namespace: &str, name: &str, rules: &str) -> String {
    let rules = rules.trim().replace('\n', "\n  ");
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: {namespace}-{name}}}
rules:
  {rules}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: {namespace}-{name}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {namespace}-{name}}}
subjects: [{{kind: ServiceAccount, name: {name}, namespace: {namespace}}}]
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_needed_than_flux_grants() {
    let Some(plane) = plane() else { return };
    works_with(plane, "flux", FLUX, false).await;
}

/// T47.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_need_not_be_listed_by_anybody() {
    let Some(plane) = plane() else { return };
    works_with(plane, "narrow", NARROW, true).await;
}

async fn works_with(
    plane: &testkit::ControlPlane,
    name: &str,
    rules: &str,
    is_refused_something: bool,
) {
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    plane.apply(&grant(namespace.name(), name, rules));
    namespace.apply(&address("x", &sink.url("/x")));
    namespace.apply(&provider_and_alert("x"));
    let kubeconfig = namespace.service_account(name);
    let fanfare = Setting::new(namespace.name(), &kubeconfig).start_and_read();
    assert_eq!(
        wait_for_ready(&namespace, "alert", "x", "True"),
        "Initialized"
    );
    assert_eq!(fanfare.post(&event(namespace.name(), 1)).await, 202);
    sink.wait_for(1).await;
    assert_eq!(
        fanfare.log().contains("is forbidden"),
        is_refused_something,
        "{}",
        fanfare.log()
    );
}

/// Whether a path belongs to somebody cannot be known, and a 404 would make senders give up; events are
/// another matter, so it is ready.
#[tokio::test(flavor = "multi_thread")]
async fn without_permission_to_read_receivers_events_go_on_and_everybody_is_told() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    plane.apply(&grant(namespace.name(), "deaf", WITHOUT_RECEIVERS));
    namespace.apply(&address("x", &sink.url("/x")));
    namespace.apply(&provider_and_alert("x"));
    let kubeconfig = namespace.service_account("deaf");
    let fanfare = Setting::new(namespace.name(), &kubeconfig).start_and_read();
    fanfare.wait_for_log("Receivers cannot be read");
    assert_eq!(fanfare.post(&event(namespace.name(), 1)).await, 202);
    sink.wait_for(1).await;
    let path = path_of(namespace.name(), "hook", "t0ken");
    assert_eq!(call(&fanfare, &path, "t0ken", "1", "{}").await, 503);
    let (status, body) = get(&fanfare.health, "/readyz").await;
    assert_eq!(status, 200);
    assert!(body.contains("Receivers have not been read"), "{body}");
    let metrics = fanfare.metrics().await;
    assert!(
        metrics.contains("\nfanfare_receivers_known 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nprocess_cpu_seconds_total "),
        "{metrics}"
    );
    assert_eq!(fanfare.log().matches("Receivers cannot be read").count(), 1);
}
