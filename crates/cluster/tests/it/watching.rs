//! What becomes of the catalog, whatever the API server does.

use std::time::Duration;

use serde_json::json;

use crate::bench::{Bench, alert, provider, secret};
use crate::fake_kube::{ALERTS, FakeKube, GONE, PROVIDERS, SECRETS};

const SOON: Duration = Duration::from_secs(2);
const LATER: Duration = Duration::from_secs(20);

fn small() -> FakeKube {
    let kube = FakeKube::default();
    kube.apply(PROVIDERS, provider("slack", "slack-url"));
    kube.apply(ALERTS, alert("on-call", "slack"));
    kube.apply(SECRETS, secret("slack-url", "http://sink/"));
    kube
}

#[tokio::test(start_paused = true)]
async fn one_malformed_object_disables_only_itself() {
    let kube = small();
    let namespace = |name: &str| json!({"name": name, "namespace": "a"});
    kube.apply(
        PROVIDERS,
        json!({"metadata": namespace("poisoned"), "spec": {"type": "generic", "timeout": "9999999999m"}}),
    );
    kube.apply(
        PROVIDERS,
        json!({"metadata": namespace("odd"), "spec": [1, 2]}),
    );
    kube.apply(PROVIDERS, json!({"metadata": namespace("bare")}));
    kube.apply(
        PROVIDERS,
        json!({"metadata": namespace("huge"), "spec": {"type": "generic", "channel": "x".repeat(1 << 20)}}),
    );
    kube.apply(
        ALERTS,
        json!({"metadata": namespace("odd"), "spec": {"eventSources": "all"}}),
    );
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(bench.providers(), ["a/slack"]);
    assert_eq!(bench.alerts(), ["a/on-call"]);
    let ready = |collection, name: &str| {
        let object = kube.object(collection, &format!("a/{name}"));
        object["status"]["conditions"][0].clone()
    };
    assert_eq!(
        ready(PROVIDERS, "poisoned")["message"],
        "spec.timeout: the duration `9999999999m` is too long"
    );
    for name in ["poisoned", "odd", "bare", "huge"] {
        assert_eq!(ready(PROVIDERS, name)["status"], "False", "{name}");
    }
    assert_eq!(ready(PROVIDERS, "slack")["message"], "Initialized");
    assert_eq!(ready(ALERTS, "odd")["reason"], "ValidationFailed");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_in_force_before_everything_was_listed_once() {
    let kube = small();
    kube.fail("GET", ALERTS, 500, 3);
    let bench = Bench::start(&kube);
    bench.pass(Duration::from_secs(1)).await;
    assert_eq!(bench.updates(), 0);
    bench.pass(LATER).await;
    assert_eq!(bench.alerts(), ["a/on-call"]);
    assert!(kube.requests(ALERTS)[0].contains("limit=100"), "in pages");
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_changes_becomes_few_snapshots() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    let before = bench.updates();
    for number in 0..500 {
        kube.apply(ALERTS, alert(&format!("alert-{number:03}"), "slack"));
        tokio::task::yield_now().await;
    }
    bench.pass(SOON).await;
    assert_eq!(bench.alerts().len(), 501);
    let updates = bench.updates() - before;
    assert!(updates <= 4, "{updates} updates");
}

#[tokio::test(start_paused = true)]
async fn every_way_of_failing_heals_by_itself_and_keeps_what_was_known() {
    for status in [410, 429, 500, 503] {
        let kube = small();
        let bench = Bench::start(&kube);
        bench.pass(SOON).await;
        // Both the watch and the list that may follow it fail for a while.
        kube.fail("GET", ALERTS, status, 5);
        kube.hang_up();
        bench.pass(SOON).await;
        assert_eq!(bench.alerts(), ["a/on-call"], "{status}");
        kube.apply(ALERTS, alert("missed", "slack"));
        bench.pass(Duration::from_mins(1)).await;
        assert_eq!(bench.alerts(), ["a/missed", "a/on-call"], "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nonsense_is_begun_anew() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    for line in [
        "}{",
        "[]",
        "{\"type\":\"SURPRISE\",\"object\":{}}",
        "\u{0}",
        GONE,
    ] {
        kube.say(ALERTS, line);
        bench.pass(LATER).await;
        kube.apply(ALERTS, alert("next", "slack"));
        bench.pass(LATER).await;
        assert_eq!(bench.alerts(), ["a/next", "a/on-call"], "{line}");
        kube.delete(ALERTS, "a/next");
        bench.pass(LATER).await;
        assert_eq!(bench.alerts(), ["a/on-call"], "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_writes_are_no_change_of_configuration() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(LATER).await;
    assert_eq!(
        kube.object(PROVIDERS, "a/slack")["status"]["observedGeneration"],
        1
    );
    assert_eq!(bench.changed(), ["a/slack"], "new, and only once");
    kube.apply(PROVIDERS, provider("slack", "other"));
    bench.pass(SOON).await;
    assert_eq!(bench.changed(), ["a/slack"]);
}
