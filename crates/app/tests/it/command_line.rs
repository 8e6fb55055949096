//! Commands that do one thing: what they print, how they exit.

use serde_json::{Value, json};
use testkit::HttpSink;

use crate::support::{ALERT, Folder, event, provider, run, stdout, text};

fn arguments(folder: &Folder, event: &Value) -> (String, String) {
    (
        folder.config().display().to_string(),
        folder.file("event.json", &event.to_string()),
    )
}

#[test]
fn version_names_what_it_replaces() {
    assert_eq!(
        stdout(&["version"]),
        "fanfare 0.1.0 (drop-in for Flux notification-controller v1.9.3)\n"
    );
    let version: Value = serde_json::from_str(&stdout(&["version", "--output", "json"])).unwrap();
    assert_eq!(version["version"], "0.1.0");
}

#[test]
fn wrong_usage_exits_with_2_and_help_with_0() {
    assert_eq!(run(&["run", "--nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert!(stdout(&["queue", "replay", "--help"]).contains("--provider"));
}

#[test]
fn check_names_every_problem_with_its_place_and_exits_with_1() {
    let folder = Folder::new();
    folder.write(
        "alert.yaml",
        "apiVersion: notification.toolkit.fluxcd.io/v1beta3\nkind: Alert\n\
         metadata: {name: a, namespace: apps}\nspec:\n  eventSeverity: warning\n",
    );
    folder.write(
        "provider.yaml",
        &provider("nonsense", "http://example.com/", ""),
    );
    let config = folder.config().display().to_string();
    let output = run(&["check", &config]);
    assert_eq!(output.status.code(), Some(1));
    let shown = text(&output.stdout);
    for expected in [
        "alert.yaml:5:3: Alert apps/a: spec.eventSeverity: expected one of info, error, got `warning`",
        "spec.providerRef: is required",
        "spec.eventSources: is required",
        "provider type `nonsense` is not supported",
        "hint: supported types: alertmanager, azuredevops",
    ] {
        assert!(shown.contains(expected), "no `{expected}` in\n{shown}");
    }
    let json: Value =
        serde_json::from_slice(&run(&["check", &config, "--output", "json"]).stdout).unwrap();
    let first = &json[0];
    assert!(
        first["line"].is_u64() && first["field"].is_string(),
        "{first}"
    );
}

#[test]
fn explain_gives_the_first_rule_that_said_no() {
    let folder = Folder::new();
    folder.write(
        "provider.yaml",
        &provider("slack", "https://hooks.slack.com/services/x", ""),
    );
    folder.write("all.yaml", ALERT);
    folder.write(
        "errors.yaml",
        &ALERT
            .replace("name: all", "name: errors")
            .replace("spec:", "spec:\n  eventSeverity: error"),
    );
    let (config, event) = arguments(&folder, &event("webapp", 1));
    let shown = stdout(&["explain", "--config", &config, "--event", &event]);
    let line = |alert: &str| {
        shown
            .lines()
            .find(|line| line.starts_with(alert))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(line("apps/all").contains("sent"), "{shown}");
    assert!(
        line("apps/errors").contains("only events of severity error"),
        "{shown}"
    );
    let json = stdout(&[
        "explain", "--config", &config, "--event", &event, "--output", "json",
    ]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["verdict"], "delivers");
    assert_eq!(json[1]["reason"], "severity");
}

#[tokio::test(flavor = "multi_thread")]
async fn send_says_what_the_answer_means() {
    let sink = HttpSink::start().await;
    let folder = Folder::for_sink(&sink);
    let fanfare = folder.start(&[]);
    let (_, file) = arguments(&folder, &event("webapp", 1));
    let url = format!("http://{}/", fanfare.events);
    let send = |file: &str| run(&["send", "--event", file, "--url", &url]);
    let first = send(&file);
    assert_eq!(text(&first.stdout), "202: accepted, it is on disk\n");
    assert_eq!(first.status.code(), Some(0));
    let second = send(&file);
    assert!(
        text(&second.stdout).starts_with("429: duplicate"),
        "{}",
        text(&second.stdout)
    );
    assert_eq!(second.status.code(), Some(1));
    let stray = folder.file("stray.json", &json!({"ref": "refs/heads/main"}).to_string());
    let refused = send(&stray);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("involvedObject.kind is missing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_shows_what_became_of_an_event_while_it_runs() {
    let sink = HttpSink::start().await;
    let folder = Folder::for_sink(&sink);
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("webapp", 1)).await, 202);
    folder.wait_for_deliveries("delivered", 1);
    let data = folder.data().display().to_string();
    let shown = stdout(&["queue", "show", "1.0", "--data-dir", &data]);
    for expected in [
        "Kustomization/apps/webapp",
        "delivery 1.0: delivered",
        "apps/destination",
    ] {
        assert!(shown.contains(expected), "{shown}");
    }
    let listed = stdout(&["queue", "list", "--state", "delivered", "--data-dir", &data]);
    assert!(listed.starts_with("ID "), "{listed}");
    assert!(listed.contains("1.0   delivered"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_deliveries_can_be_dropped() {
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    let fanfare = folder.start(&[]);
    for number in 0..3 {
        assert_eq!(fanfare.post(&event("webapp", number)).await, 202);
    }
    // The Provider is missing, so the first is parked and the others wait behind it.
    folder.wait_for_deliveries("parked", 1);
    assert_eq!(
        folder.queue(&["drop", "--provider", "apps/destination"])["dropped"],
        3
    );
    folder.wait_for_deliveries("dropped", 3);
}
