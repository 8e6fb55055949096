//! What events cost the API server.

use testkit::HttpSink;

use super::setting::{Setting, address, event, plane, provider_and_alert, wait_for_ready};
use crate::support::Fanfare;

/// Events of one batch.
const EVENTS: usize = 1000;

/// Requests to the API server so far, by method.
async fn requests(fanfare: &Fanfare, method: &str) -> u64 {
    let metrics = fanfare.metrics().await;
    let label = format!("method=\"{method}\"");
    metrics
        .lines()
        .filter(|line| line.starts_with("rest_client_requests_total{") && line.contains(&label))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// Alerts without labels are matched, and Secrets read, from memory: what remains is the lease, the
/// roll call of replicas and a status now and then, which time asks for and events do not.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_events_cost_the_api_server_next_to_nothing() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    namespace.apply(&address("x", &sink.url("/x")));
    namespace.apply(&provider_and_alert("x"));
    let fanfare = Setting::new(namespace.name(), plane.kubeconfig()).start_and_read();
    wait_for_ready(&namespace, "provider", "x", "True");
    wait_for_ready(&namespace, "alert", "x", "True");
    // The first delivery may have something to read.
    assert_eq!(fanfare.post(&event(namespace.name(), 0)).await, 202);
    sink.wait_for(1).await;

    let started = std::time::Instant::now();
    let before = (
        requests(&fanfare, "GET").await,
        requests(&fanfare, "PATCH").await,
    );
    assert!(before.0 > 0 && before.1 > 0, "they are counted: {before:?}");
    for number in 1..=EVENTS {
        assert_eq!(fanfare.post(&event(namespace.name(), number)).await, 202);
    }
    sink.wait_for(1 + EVENTS).await;
    let reads = requests(&fanfare, "GET").await - before.0;
    let writes = requests(&fanfare, "PATCH").await - before.1;
    let seconds = started.elapsed().as_secs();
    // The lease is looked at every few seconds; a watch begins anew every few minutes.
    assert!(reads <= 10 + seconds, "{reads} reads in {seconds} s");
    assert!(writes <= 10 + seconds / 2, "{writes} writes in {seconds} s");
}
