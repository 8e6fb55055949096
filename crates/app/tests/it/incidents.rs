//! An incident that opens in one process and is resolved by the next.

use serde_json::json;
use testkit::secrets::{leaks, marked};
use testkit::{Answer, HttpSink};

use crate::support::{ALERT, Folder, all_bytes, event, provider, text};

/// T14.
#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_after_a_crash_resolves_what_opened_before_it_and_only_once() {
    let sink = HttpSink::start().await;
    sink.answer(Answer::with_body(202, r#"{"status": "success"}"#));
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    let key = format!("  channel: {}\n", marked("routingkey"));
    folder.write(
        "provider.yaml",
        &provider("pagerduty", &sink.url("/"), &key),
    );
    let told = |number: usize, severity: &str| {
        let mut event = event("webapp", number);
        event["severity"] = json!(severity);
        event["involvedObject"]["uid"] = json!("7d0cdc51");
        event
    };

    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&told(1, "error")).await, 202);
    folder.wait_for_deliveries("delivered", 1);
    fanfare.kill();

    let fanfare = folder.start(&["--log-level=debug"]);
    assert_eq!(fanfare.post(&told(2, "info")).await, 202);
    folder.wait_for_deliveries("delivered", 2);
    assert_eq!(fanfare.post(&told(3, "info")).await, 202);
    folder.wait_for_deliveries("delivered", 3);
    let log = fanfare.log();
    fanfare.terminate();

    let requests = sink.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| {
            let body = request.json();
            let action = body["event_action"].as_str().unwrap_or_default();
            format!("{} {action}", request.target)
        })
        .collect();
    assert_eq!(
        seen,
        [
            "/v2/enqueue trigger",
            "/v2/enqueue resolve",
            "/v2/change/enqueue ",
            "/v2/change/enqueue ",
        ]
    );
    let keys: Vec<_> = requests[..2]
        .iter()
        .map(|request| request.json()["dedup_key"].clone())
        .collect();
    assert_eq!(keys, ["7d0cdc51", "7d0cdc51"]);
    let store = text(&all_bytes(&folder.data()));
    for (place, content) in [("log", log), ("store", store)] {
        assert_eq!(leaks(&content), Vec::<String>::new(), "{place}");
    }
}
