//! The guide that everybody starts from, typed into a cluster.

use std::fs;
use std::path::Path;

use serde_json::json;
use testkit::HttpSink;

use super::setting::{Setting, plane};

fn guide(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../standalone/tests/data/guide");
    fs::read_to_string(path.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_manifests_work_as_they_stand_and_alerts_are_initialized() {
    let Some(plane) = plane() else { return };
    let sink = HttpSink::start().await;
    plane.stdout(&["create", "namespace", "flux-system"]);
    let address = format!("--from-literal=address={}", sink.url("/services/hook"));
    plane.stdout(&[
        "--namespace=flux-system",
        "create",
        "secret",
        "generic",
        "slack-url",
        &address,
    ]);
    plane.apply(&guide("1-slack.yaml"));
    plane.apply(&guide("2-github.yaml"));
    let fanfare = Setting::new("flux-system", plane.kubeconfig()).start_and_read();
    plane.stdout(&[
        "--namespace=flux-system",
        "wait",
        "--for=condition=ready",
        "--timeout=60s",
        "providers,alerts",
        "--all",
    ]);
    let listed = plane.stdout(&["--namespace=flux-system", "get", "alerts"]);
    let mut lines = listed.lines().map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[..3].join(" ")
    });
    assert_eq!(lines.next().unwrap(), "NAME READY STATUS");
    assert_eq!(lines.next().unwrap(), "on-call-webapp True Initialized");
    let event = json!({
        "involvedObject": {"kind": "GitRepository", "namespace": "flux-system", "name": "webapp"},
        "severity": "info",
        "message": "stored artifact",
        "reason": "NewArtifact",
        "reportingController": "source-controller",
    });
    assert_eq!(fanfare.post(&event).await, 202);
    let seen = sink.wait_for(1).await;
    assert_eq!(seen[0].target, "/services/hook");
    assert_eq!(seen[0].json()["channel"], "general");
    let (code, took) = fanfare.terminate();
    assert_eq!(code, Some(0));
    assert!(took.as_secs() < 8, "{took:?}");
}
