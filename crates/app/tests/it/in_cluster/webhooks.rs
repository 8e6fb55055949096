//! Webhooks of Receivers in a cluster.

use serde_json::{Value, json};
use testkit::ControlPlane;
use testkit::control_plane::Namespace;

use super::door::Door;
use super::setting::{Setting, plane, wait_for_ready};
use crate::support::Fanfare;
use crate::webhooks::{call, path_of, until};

pub(super) const PUSH: &str = r#"{"ref":"refs/heads/main"}"#;

const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

/// A kind of Flux, as far as a Receiver needs it.
const REPOSITORIES: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gitrepositories.source.toolkit.fluxcd.io}
spec:
  group: source.toolkit.fluxcd.io
  scope: Namespaced
  names: {kind: GitRepository, plural: gitrepositories, singular: gitrepository, listKind: GitRepositoryList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

pub(super) fn plane_with_repositories() -> Option<&'static ControlPlane> {
    static DEFINED: std::sync::Once = std::sync::Once::new();
    let plane = plane()?;
    DEFINED.call_once(|| plane.apply_definitions(REPOSITORIES));
    Some(plane)
}

pub(super) fn token(value: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook-token"},
        "stringData": {"token": value},
    })
    .to_string()
}

pub(super) fn receiver(name: &str, spec: &Value) -> String {
    let mut object = json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1",
        "kind": "Receiver",
        "metadata": {"name": name},
        "spec": {
            "type": "github",
            "events": ["push"],
            "secretRef": {"name": "hook-token"},
            "resources": [{"kind": "GitRepository", "name": "app"}],
        },
    });
    for (field, value) in spec.as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    object.to_string()
}

pub(super) fn repository(name: &str) -> String {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {"name": name, "labels": {"team": "shop"}},
        "spec": {"url": "https://git.example/app"},
    })
    .to_string()
}

pub(super) fn requested_at(namespace: &Namespace<'_>, name: &str) -> Option<String> {
    let object = namespace.object("gitrepository", name);
    let annotation = &object["metadata"]["annotations"][REQUESTED_AT];
    annotation.as_str().map(str::to_owned)
}

fn path(namespace: &Namespace<'_>, token: &str) -> String {
    path_of(namespace.name(), "hook", token)
}

/// A namespace with a Receiver that is ready.
fn prepare<'a>(plane: &'a ControlPlane, spec: &Value) -> Namespace<'a> {
    let namespace = plane.namespace();
    namespace.apply(&token("t0ken"));
    namespace.apply(&repository("app"));
    namespace.apply(&receiver("hook", spec));
    namespace
}

fn start(setting: &Setting) -> Fanfare {
    let fanfare = setting.start();
    fanfare.wait_for_log("receivers in force");
    fanfare
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_call_annotates_the_object_and_another_one_does_not() {
    let Some(plane) = plane_with_repositories() else {
        return;
    };
    let namespace = prepare(plane, &json!({}));
    namespace.apply(&receiver("poisoned", &json!({"interval": "9999999999m"})));
    let fanfare = start(&Setting::new(namespace.name(), plane.kubeconfig()));
    let path = path(&namespace, "t0ken");
    assert_eq!(
        wait_for_ready(&namespace, "receiver", "hook", "True"),
        format!("Receiver initialized for path: {path}")
    );
    let status = namespace.object("receiver", "hook")["status"].clone();
    assert_eq!(status["webhookPath"], path.as_str());
    assert_eq!(status["observedGeneration"], 1);
    let message = wait_for_ready(&namespace, "receiver", "poisoned", "False");
    assert!(message.contains("spec.interval"), "{message}");

    assert_eq!(call(&fanfare, &path, "wrong", "1", PUSH).await, 400);
    assert_eq!(requested_at(&namespace, "app"), None);
    assert_eq!(call(&fanfare, &path, "t0ken", "2", PUSH).await, 200);
    let at = requested_at(&namespace, "app").unwrap();
    at.parse::<jiff::Timestamp>().unwrap();
    let unknown = path_of(namespace.name(), "nobody", "t0ken");
    assert_eq!(call(&fanfare, &unknown, "t0ken", "3", PUSH).await, 404);

    let annotation = format!("{REQUESTED_AT}=now");
    namespace.stdout(&["annotate", "receiver", "hook", &annotation]);
    until("the request is handled", async || {
        namespace.object("receiver", "hook")["status"]["lastHandledReconcileAt"] == "now"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_filters_choose_objects() {
    let Some(plane) = plane_with_repositories() else {
        return;
    };
    let spec = json!({
        "resources": [{"kind": "GitRepository", "name": "*", "matchLabels": {"team": "shop"}}],
        "resourceFilter": "res.kind == 'GitRepository' && res.metadata.name == 'app'",
    });
    let namespace = prepare(plane, &spec);
    namespace.apply(&repository("other"));
    let fanfare = start(&Setting::new(namespace.name(), plane.kubeconfig()));
    let path = path(&namespace, "t0ken");
    assert_eq!(call(&fanfare, &path, "t0ken", "1", PUSH).await, 200);
    assert!(requested_at(&namespace, "app").is_some());
    assert_eq!(requested_at(&namespace, "other"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_takes_effect_and_the_former_path_works_on() {
    let Some(plane) = plane_with_repositories() else {
        return;
    };
    let namespace = prepare(plane, &json!({}));
    let fanfare = start(&Setting::new(namespace.name(), plane.kubeconfig()));
    let (old, new) = (path(&namespace, "t0ken"), path(&namespace, "fresh"));
    wait_for_ready(&namespace, "receiver", "hook", "True");
    namespace.apply(&token("fresh"));
    until("the new path is in the status", async || {
        namespace.object("receiver", "hook")["status"]["webhookPath"] == new.as_str()
    })
    .await;
    assert_eq!(call(&fanfare, &new, "fresh", "1", PUSH).await, 200);
    assert_eq!(call(&fanfare, &old, "t0ken", "2", PUSH).await, 200);
    namespace.stdout(&["delete", "secret", "hook-token"]);
    let message = wait_for_ready(&namespace, "receiver", "hook", "False");
    assert!(
        message.contains("unable to read token from secret"),
        "{message}"
    );
    assert_eq!(call(&fanfare, &new, "fresh", "3", PUSH).await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_api_server_is_away_calls_are_kept_and_answered_for_later() {
    let Some(plane) = plane_with_repositories() else {
        return;
    };
    let namespace = prepare(plane, &json!({}));
    let folder = tempfile::tempdir().unwrap();
    let (door, kubeconfig) = Door::before(plane.kubeconfig(), &folder.path().join("kubeconfig"));
    let setting = Setting::new(namespace.name(), &kubeconfig);
    let fanfare = start(&setting);
    let path = path(&namespace, "t0ken");
    door.shut();
    assert_eq!(call(&fanfare, &path, "t0ken", "1", PUSH).await, 202);
    // Nor does a crash lose it; a process that knows no Receiver yet does not say that there is none.
    fanfare.kill();
    let fanfare = setting.start();
    assert_eq!(call(&fanfare, &path, "t0ken", "2", PUSH).await, 503);
    assert_eq!(requested_at(&namespace, "app"), None);
    door.open();
    until("it is asked for", async || {
        requested_at(&namespace, "app").is_some()
    })
    .await;
}

/// A Receiver of one tenant does not touch the objects of another where the operator says so.
#[tokio::test(flavor = "multi_thread")]
async fn other_namespaces_are_touched_unless_the_operator_forbids_it() {
    let Some(plane) = plane_with_repositories() else {
        return;
    };
    let other = plane.namespace();
    other.apply(&repository("theirs"));
    let spec = json!({"resources": [
        {"kind": "GitRepository", "name": "theirs", "namespace": other.name()},
        {"kind": "GitRepository", "name": "app"},
    ]});
    let namespace = prepare(plane, &spec);
    let path = path(&namespace, "t0ken");
    let setting = Setting::new(namespace.name(), plane.kubeconfig());
    let fanfare = setting.start_with(&["--no-cross-namespace-refs"]);
    fanfare.wait_for_log("receivers in force");
    // The sender is told, and what is permitted is done.
    assert_eq!(call(&fanfare, &path, "t0ken", "1", PUSH).await, 500);
    assert!(requested_at(&namespace, "app").is_some());
    assert_eq!(requested_at(&other, "theirs"), None);
    fanfare.wait_for_log("cross-namespace references are not allowed");
    // With a star as well.
    let star = json!({"resources": [{
        "kind": "GitRepository", "name": "*", "namespace": other.name(), "matchLabels": {"team": "shop"},
    }]});
    namespace.apply(&receiver("star", &star));
    let starred = path_of(namespace.name(), "star", "t0ken");
    until("the other Receiver is known", async || {
        call(&fanfare, &starred, "t0ken", "2", PUSH).await == 500
    })
    .await;
    assert_eq!(requested_at(&other, "theirs"), None);
    fanfare.kill();

    let fanfare = start(&setting);
    assert_eq!(call(&fanfare, &path, "t0ken", "3", PUSH).await, 200);
    assert!(requested_at(&other, "theirs").is_some());
}
