//! The API server is gone for a while.

use testkit::HttpSink;

use super::door::Door;
use super::setting::{Setting, address, event, plane, provider_and_alert, wait_for_ready};
use crate::support::{get, received};

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_go_on_without_the_api_server_and_everything_heals_when_it_is_back() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    namespace.apply(&address("x", &sink.url("/x")));
    namespace.apply(&provider_and_alert("x"));
    let folder = tempfile::tempdir().unwrap();
    let (door, kubeconfig) = Door::before(plane.kubeconfig(), &folder.path().join("kubeconfig"));
    let setting = Setting::new(namespace.name(), &kubeconfig);
    let fanfare = setting.start_and_read();
    wait_for_ready(&namespace, "alert", "x", "True");
    assert_eq!(fanfare.post(&event(namespace.name(), 0)).await, 202);
    sink.wait_for(1).await;

    door.shut();
    fanfare.wait_for_log("watching failed");
    for number in 1..50 {
        assert_eq!(fanfare.post(&event(namespace.name(), number)).await, 202);
    }
    sink.wait_for(50).await;
    // Changes that nobody hears of yet.
    namespace.apply(&address("x", &sink.url("/rotated")));
    namespace.apply(&provider_and_alert("new"));

    door.open();
    let message = wait_for_ready(&namespace, "provider", "new", "False");
    assert!(message.contains("does not exist"), "{message}");
    assert_eq!(fanfare.post(&event(namespace.name(), 50)).await, 202);
    let seen = sink.wait_for(51).await;
    assert_eq!(seen[50].target, "/rotated");
    let numbers: Vec<usize> = received(&sink)
        .into_iter()
        .map(|(_, number)| number)
        .collect();
    assert_eq!(numbers, (0..51).collect::<Vec<_>>(), "in order, each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_come_before_the_first_answer_of_the_api_server_wait_for_it() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    namespace.apply(&address("x", &sink.url("/x")));
    namespace.apply(&provider_and_alert("x"));
    let folder = tempfile::tempdir().unwrap();
    let (door, kubeconfig) = Door::before(plane.kubeconfig(), &folder.path().join("kubeconfig"));
    door.shut();
    let setting = Setting::new(namespace.name(), &kubeconfig);
    let fanfare = setting.start();
    for number in 0..10 {
        assert_eq!(fanfare.post(&event(namespace.name(), number)).await, 202);
    }
    // Events are taken, and people are told what is not known yet.
    let (status, body) = get(&fanfare.health, "/readyz").await;
    assert_eq!(status, 200);
    assert!(
        body.starts_with("ok\nReceivers have not been read"),
        "{body}"
    );
    // A crash meanwhile changes nothing.
    fanfare.kill();
    let fanfare = setting.start();
    fanfare.wait_for_log("watching failed");
    assert!(sink.requests().is_empty());
    assert!(!fanfare.log().contains("planned event"));
    door.open();
    sink.wait_for(10).await;
}
