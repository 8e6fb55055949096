//! The controller with exactly the permissions that we ship.

use std::path::Path;

use serde_json::json;
use testkit::HttpSink;

use super::setting::{Setting, address, event, plane, provider_and_alert, wait_for_ready};
use super::webhooks::{PUSH, plane_with_repositories, receiver, repository, requested_at, token};
use crate::webhooks::{call, path_of, until};

/// The account and its roles out of `deploy/kustomize/base` for a namespace, with a prefix to all names,
/// so that several can be in one cluster.
fn account(plane: &testkit::ControlPlane, namespace: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().canonicalize().unwrap();
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kustomize/base");
    let base = base.canonicalize().unwrap();
    // kustomize wants relative paths.
    let up = "../".repeat(folder.components().count() - 1);
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": namespace,
        "namePrefix": format!("{namespace}-"),
        "resources": [format!("{up}{}", base.strip_prefix("/").unwrap().display())],
    });
    let file = folder.join("kustomization.yaml");
    std::fs::write(file, kustomization.to_string()).unwrap();
    let rendered = plane.stdout(&["kustomize", &folder.display().to_string()]);
    let wanted = [
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    ];
    let documents: Vec<&str> = rendered
        .split("\n---\n")
        .filter(|document| {
            let kind = document
                .lines()
                .find_map(|line| line.strip_prefix("kind: "));
            kind.is_some_and(|kind| wanted.contains(&kind))
        })
        .collect();
    assert_eq!(documents.len(), wanted.len(), "{rendered}");
    documents.join("\n---\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_with_the_role_that_we_ship_and_no_more() {
    let (Some(_), Some(plane)) = (plane(), plane_with_repositories()) else {
        return;
    };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    plane.apply(&account(plane, namespace.name()));
    namespace.apply(&address("x", &sink.url("/x")));
    namespace.apply(&provider_and_alert("x"));
    // Needs the labels of an object.
    namespace.apply(&repository("app"));
    namespace.apply(
        &json!({
            "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
            "kind": "Alert",
            "metadata": {"name": "labelled"},
            "spec": {
                "providerRef": {"name": "x"},
                "eventSources": [
                    {"kind": "GitRepository", "name": "*", "matchLabels": {"team": "shop"}}],
            },
        })
        .to_string(),
    );
    namespace.apply(&token("t0ken"));
    namespace.apply(&receiver("hook", &json!({})));
    let name = format!("{}-notification-controller", namespace.name());
    let kubeconfig = namespace.service_account(&name);
    let fanfare = Setting::new(namespace.name(), &kubeconfig).start_and_read();

    // Statuses are written.
    for (resource, object) in [("provider", "x"), ("alert", "x"), ("alert", "labelled")] {
        wait_for_ready(&namespace, resource, object, "True");
    }
    let message = wait_for_ready(&namespace, "receiver", "hook", "True");
    assert!(message.starts_with("Receiver initialized"), "{message}");

    // Events are delivered, by labels too.
    assert_eq!(fanfare.post(&event(namespace.name(), 1)).await, 202);
    sink.wait_for(1).await;
    let mut labelled = event(namespace.name(), 2);
    labelled["involvedObject"]["kind"] = json!("GitRepository");
    labelled["involvedObject"]["name"] = json!("app");
    labelled["involvedObject"]["apiVersion"] = json!("source.toolkit.fluxcd.io/v1");
    assert_eq!(fanfare.post(&labelled).await, 202);
    sink.wait_for(2).await;

    // Receivers ask, and their owners are told.
    let path = path_of(namespace.name(), "hook", "t0ken");
    assert_eq!(call(&fanfare, &path, "t0ken", "1", PUSH).await, 200);
    assert!(requested_at(&namespace, "app").is_some());
    until("there is an Event about the Receiver", async || {
        let events = namespace.stdout(&["get", "events", "--output=json"]);
        let events: serde_json::Value = serde_json::from_str(&events).unwrap();
        events["items"].as_array().unwrap().iter().any(|event| {
            event["involvedObject"]["name"] == "hook"
                && event["reason"] == "Succeeded"
                && event["message"] == "Reconciliation finished, next run in 10m0s"
        })
    })
    .await;

    // And it leads.
    let lease = "leader_election_master_status{name=\"notification-controller-leader-election\"} 1";
    until("it holds the lease", async || {
        fanfare.metrics().await.contains(lease)
    })
    .await;
    let log = fanfare.log();
    assert!(!log.contains("forbidden"), "{log}");
}
