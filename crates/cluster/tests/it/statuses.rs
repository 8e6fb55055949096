//! What is written, by whom, and how often.

use std::time::Duration;

use api::ObjectKey;
use domain::delivery::{Content, DeliveryState, FailureClass, Lane, Position};
use domain::ports::Notice;
use domain::{Delivery, DeliveryId};
use jiff::Timestamp;
use serde_json::json;

use crate::bench::{Bench, alert, provider, secret};
use crate::fake_kube::{ALERTS, FakeKube, PROVIDERS, SECRETS};

const SOON: Duration = Duration::from_secs(2);

fn small() -> FakeKube {
    let kube = FakeKube::default();
    kube.apply(PROVIDERS, provider("slack", "slack-url"));
    kube.apply(ALERTS, alert("on-call", "slack"));
    kube.apply(SECRETS, secret("slack-url", "http://one/"));
    kube
}

/// Tells of one settlement; `class` is `None` for a success.
fn settle(bench: &Bench, at: i64, class: Option<FailureClass>) {
    let delivery = Delivery {
        id: DeliveryId {
            position: Position(1),
            ordinal: 0,
        },
        lane: Lane(1),
        provider: ObjectKey::new("a", "slack"),
        alert: ObjectKey::new("a", "on-call"),
        accepted_at: Timestamp::UNIX_EPOCH,
        supersede_key: None,
        content: Content::default(),
    };
    bench.notices.settled(Notice {
        delivery: &delivery,
        event: None,
        state: match class {
            Some(_) => DeliveryState::Failed,
            None => DeliveryState::Delivered,
        },
        attempts: 1,
        class,
        status: None,
        detail: "connection refused",
        at: Timestamp::from_second(1_790_000_000 + at).unwrap(),
    });
}

#[tokio::test(start_paused = true)]
async fn only_the_leader_writes_and_a_new_one_writes_what_is_missing() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.leader.send_replace(false);
    bench.pass(SOON).await;
    assert!(kube.requests("PATCH").is_empty());
    bench.leader.send_replace(true);
    bench.pass(SOON).await;
    assert_eq!(kube.requests("PATCH").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_deliveries_are_a_write_a_minute() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    let before = kube.requests("PATCH").len();
    for second in 0..300 {
        for _ in 0..4 {
            settle(&bench, second, None);
        }
        bench.pass(Duration::from_secs(1)).await;
    }
    bench.pass(Duration::from_secs(61)).await;
    let writes = kube.requests("PATCH").len() - before;
    assert!((3..=8).contains(&writes), "{writes} writes in six minutes");
    let status = kube.object(PROVIDERS, "a/slack")["status"].clone();
    assert_eq!(
        status["delivery"]["lastDeliveredAt"],
        "2026-09-21T14:18:19Z"
    );
}

#[tokio::test(start_paused = true)]
async fn repeated_failure_shows_at_once_and_its_end_too() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    for second in 0..3 {
        settle(&bench, second, Some(FailureClass::Unreachable));
    }
    bench.pass(SOON).await;
    let delivering = || {
        let status = kube.object(PROVIDERS, "a/slack")["status"].clone();
        let conditions = status["conditions"].as_array().unwrap().clone();
        let found = conditions.into_iter();
        found
            .filter(|condition| condition["type"] == "Delivering")
            .map(|condition| condition["status"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(delivering(), ["False"]);
    settle(&bench, 60, None);
    bench.pass(SOON).await;
    assert_eq!(delivering(), ["True"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_something_else_than_we_wrote_is_not_written_to_in_a_loop() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    for _ in 0..60 {
        let mut object = kube.object(PROVIDERS, "a/slack");
        object["status"] = json!({"observedGeneration": 1});
        kube.apply(PROVIDERS, object);
        bench.pass(Duration::from_secs(1)).await;
    }
    let writes =
        kube.requests("PATCH /apis/notification.toolkit.fluxcd.io/v1beta3/namespaces/a/providers");
    assert!(writes.len() <= 4, "{writes:?}");
}

#[tokio::test(start_paused = true)]
async fn definitions_without_status_are_left_alone_and_everything_else_works() {
    let kube = small();
    kube.fail("PATCH", "/apis", 404, u32::MAX);
    kube.apply(
        "/apis/notification.toolkit.fluxcd.io/v1beta3",
        json!({"metadata": {"name": "none", "namespace": "none"}}),
    );
    let bench = Bench::start(&kube);
    bench.pass(Duration::from_mins(2)).await;
    assert_eq!(bench.alerts(), ["a/on-call"]);
    let writes = kube.requests("PATCH");
    assert!(writes.len() <= 24, "{}", writes.len());
}

#[tokio::test(start_paused = true)]
async fn failures_become_one_counted_event_on_the_alert() {
    let kube = small();
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    for second in 0..90 {
        settle(&bench, second, Some(FailureClass::Rejected));
        bench.pass(Duration::from_secs(1)).await;
    }
    let events = kube.bodies("/api/v1/namespaces/a/events");
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["reason"], "NotificationDispatchFailed");
    assert_eq!(events[0]["type"], "Warning");
    assert_eq!(events[0]["involvedObject"]["name"], "on-call");
    assert_ne!(events[0]["involvedObject"]["uid"], "");
    assert!(
        events[0]["message"]
            .as_str()
            .unwrap()
            .starts_with("failed to send notification for ")
    );
    assert!(events[1]["count"].as_u64().unwrap() > 50);
}

#[tokio::test(start_paused = true)]
async fn the_finalizer_of_the_reference_goes_and_others_stay() {
    let kube = small();
    let mut object = provider("old", "slack-url");
    object["metadata"]["finalizers"] = json!(["finalizers.fluxcd.io", "foo.bar/x"]);
    kube.apply(PROVIDERS, object);
    let mut suspended = alert("suspended", "old");
    suspended["metadata"]["finalizers"] = json!(["finalizers.fluxcd.io"]);
    suspended["spec"]["suspend"] = json!(true);
    kube.apply(ALERTS, suspended);
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    let finalizers =
        |collection, name| kube.object(collection, name)["metadata"]["finalizers"].clone();
    assert_eq!(finalizers(PROVIDERS, "a/old"), json!(["foo.bar/x"]));
    assert_eq!(
        finalizers(ALERTS, "a/suspended"),
        json!(["finalizers.fluxcd.io"])
    );
}

/// Two controllers do not write in turns without end; what is deleted must not hang.
#[tokio::test(start_paused = true)]
async fn a_finalizer_that_comes_back_is_removed_now_and_then_and_at_once_from_what_is_deleted() {
    let kube = FakeKube::default();
    let put_back = |deleted: bool| {
        let mut object = provider("old", "slack-url");
        object["metadata"]["finalizers"] = json!(["finalizers.fluxcd.io"]);
        if deleted {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        kube.apply(PROVIDERS, object);
    };
    let removals = || {
        let bodies = kube.bodies("/namespaces/a/providers/old");
        let lists = bodies
            .iter()
            .filter(|body| !body["metadata"]["finalizers"].is_null());
        lists.count()
    };
    put_back(false);
    let bench = Bench::start(&kube);
    bench.pass(SOON).await;
    assert_eq!(removals(), 1);
    for _ in 0..60 {
        put_back(false);
        bench.pass(SOON).await;
    }
    assert_eq!(removals(), 1);
    bench.pass(Duration::from_mins(9)).await;
    assert_eq!(removals(), 2);
    put_back(false);
    bench.pass(SOON).await;
    assert_eq!(removals(), 2);
    put_back(true);
    bench.pass(SOON).await;
    assert_eq!(removals(), 3);
}
