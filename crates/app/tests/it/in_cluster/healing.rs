//! What is wrong is said, and what is put right heals without a touch.

use testkit::{Answer, HttpSink};

use super::setting::{Setting, address, event, plane, provider_and_alert, wait_for_ready};

/// T44.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_comes_later_heals_everything_and_rotation_is_picked_up() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    let setting = Setting::new(namespace.name(), plane.kubeconfig());
    let fanfare = setting.start_and_read();
    namespace.apply(&provider_and_alert("late"));
    let message = wait_for_ready(&namespace, "provider", "late", "False");
    assert!(
        message.contains(&format!(
            "secret `{}/late` does not exist",
            namespace.name()
        )),
        "{message}"
    );
    wait_for_ready(&namespace, "alert", "late", "False");
    assert_eq!(fanfare.post(&event(namespace.name(), 1)).await, 202);
    fanfare.wait_for_log("parked");

    namespace.apply(&address("late", &sink.url("/first")));
    let seen = sink.wait_for(1).await;
    assert_eq!(seen[0].target, "/first");
    assert_eq!(
        wait_for_ready(&namespace, "alert", "late", "True"),
        "Initialized"
    );

    namespace.apply(&address("late", &sink.url("/second")));
    let mut number = 2;
    loop {
        assert_eq!(fanfare.post(&event(namespace.name(), number)).await, 202);
        let seen = sink.wait_for(number).await;
        if seen[number - 1].target == "/second" {
            break;
        }
        number += 1;
        assert!(number < 100, "the rotated Secret was never used");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_becomes_an_event_on_the_alert_without_secrets() {
    let Some(plane) = plane() else { return };
    let namespace = plane.namespace();
    let sink = HttpSink::start().await;
    sink.answer_next([Answer::status(400)]);
    namespace.apply(&address("refused", &sink.url("/hook?key=hunter2hunter2")));
    namespace.apply(&provider_and_alert("refused"));
    let fanfare = Setting::new(namespace.name(), plane.kubeconfig()).start_and_read();
    assert_eq!(fanfare.post(&event(namespace.name(), 1)).await, 202);
    namespace.stdout(&[
        "wait",
        "--for=jsonpath={.reason}=NotificationDispatchFailed",
        "--timeout=60s",
        "events",
        "--all",
    ]);
    let events = namespace.stdout(&["get", "events", "--output=json"]);
    assert!(events.contains("failed to send notification for Kustomization/"));
    assert!(!events.contains("hunter2"), "{events}");
    let events: serde_json::Value = serde_json::from_str(&events).unwrap();
    assert_eq!(events["items"][0]["involvedObject"]["kind"], "Alert");
    assert_eq!(events["items"][0]["involvedObject"]["name"], "refused");
}
