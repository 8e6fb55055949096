//! The guide that everybody starts from, as its readers type it.

use std::fs;
use std::path::Path;

use serde_json::json;
use testkit::HttpSink;

use crate::support::{Folder, run, stdout};

fn guide(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../standalone/tests/data/guide");
    fs::read_to_string(path.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn its_manifests_work_as_they_stand() {
    let sink = HttpSink::start().await;
    let folder = Folder::new();
    folder.write("1-slack.yaml", &guide("1-slack.yaml"));
    folder.write("2-github.yaml", &guide("2-github.yaml"));
    let address = sink.url("/services/YOUR/SLACK/WEBHOOK");
    let secret = guide("slack-secret.yaml");
    folder.write(
        "slack-secret.yaml",
        &secret.replace(
            "https://hooks.slack.com/services/YOUR/SLACK/WEBHOOK",
            &address,
        ),
    );
    let config = folder.config().display().to_string();
    assert!(stdout(&["check", &config]).contains("no problems"));

    let fanfare = folder.start(&[]);
    let event = json!({
        "involvedObject": {"kind": "GitRepository", "namespace": "flux-system", "name": "webapp"},
        "severity": "info",
        "message": "stored artifact",
        "reason": "NewArtifact",
        "reportingController": "source-controller",
    });
    assert_eq!(fanfare.post(&event).await, 202);
    let seen = sink.wait_for(1).await;
    assert_eq!(seen[0].target, "/services/YOUR/SLACK/WEBHOOK");
    assert_eq!(seen[0].json()["channel"], "general");
    assert_eq!(seen[0].json()["attachments"][0]["text"], "stored artifact");
}

#[test]
fn its_manifests_can_be_rendered_without_sending() {
    let folder = Folder::new();
    for name in ["1-slack.yaml", "2-github.yaml", "slack-secret.yaml"] {
        folder.write(name, &guide(name));
    }
    let event = json!({
        "involvedObject": {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
            "kind": "Kustomization", "namespace": "flux-system", "name": "podinfo",
        },
        "severity": "error",
        "message": "build failed",
        "reason": "BuildFailed",
        "metadata": {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:731f7eaddfb6af01cb2173e18f0f75b0ba780ef1"},
    });
    let event = folder.file("event.json", &event.to_string());
    let config = folder.config().display().to_string();
    let output = run(&["render", "--config", &config, "--event", &event]);
    let text = crate::support::text(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("POST https://api.github.com/repos/octo/fleet-infra/statuses/731f7eaddfb6af01cb2173e18f0f75b0ba780ef1"),
        "{text}"
    );
    assert!(text.contains("\"state\": \"failure\""), "{text}");
    assert!(
        text.contains("POST https://hooks.slack.com/*****"),
        "{text}"
    );
    for secret in ["YOUR/SLACK/WEBHOOK", "ghp_0123456789"] {
        assert!(!text.contains(secret), "{text}");
    }
}
