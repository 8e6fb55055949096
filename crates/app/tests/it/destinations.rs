//! Destinations that misbehave in every way they do.

use std::net::TcpListener;
use std::time::Duration;

use jiff::Timestamp;
use testkit::{Answer, HttpSink};

use crate::support::{ALERT, Folder, event, first_arrivals, provider, received};

/// Posts one event, lets the destination answer so first and then well, and gives the requests.
async fn after(answers: Vec<Answer>) -> usize {
    let sink = HttpSink::start().await;
    sink.answer_next(answers);
    let folder = Folder::for_sink(&sink);
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    folder.wait_for_deliveries("delivered", 1);
    sink.requests().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_all_sorts_are_tried_again() {
    let date = (Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1))
        .strftime("%a, %d %b %Y %H:%M:%S GMT")
        .to_string();
    for (answers, requests) in [
        (vec![Answer::status(500)], 2),
        (vec![Answer::Close], 2),
        (vec![Answer::Reset], 2),
        // T21: both forms; a date that has passed means at once.
        (vec![Answer::status(429).header("retry-after", "1")], 2),
        (vec![Answer::status(503).header("retry-after", &date)], 2),
    ] {
        let shown = format!("{answers:?}");
        assert_eq!(after(answers).await, requests, "{shown}");
    }
}

/// T22, and refused messages stay visible and can be replayed.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_fails_at_once_and_can_be_replayed() {
    let sink = HttpSink::start().await;
    sink.answer(Answer::with_body(
        200,
        r#"{"ok":false,"error":"msg_too_long"}"#,
    ));
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    folder.write("provider.yaml", &provider("slack", &sink.url("/"), ""));
    let fanfare = folder.start(&[]);
    assert_eq!(fanfare.post(&event("a", 1)).await, 202);
    let failed = folder.wait_for_deliveries("failed", 1);
    let detail = failed[0]["last"]["detail"].as_str().unwrap();
    assert!(detail.contains("msg_too_long"), "{detail}");
    sink.answer(Answer::with_body(200, r#"{"ok":true}"#));
    assert_eq!(folder.queue(&["replay", "--all"])["replayed"], 1);
    folder.wait_for_deliveries("delivered", 1);
    // And from a stopped process' store just the same.
    fanfare.terminate();
    assert_eq!(
        folder.queue(&["replay", "--state", "delivered"])["replayed"],
        1
    );
    let _fanfare = folder.start(&[]);
    sink.wait_for(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_destination_is_given_up_after_its_timeout_and_does_not_hold_others_up() {
    let (hanging, healthy) = (HttpSink::start().await, HttpSink::start().await);
    hanging.answer(Answer::Hang);
    let folder = Folder::for_sink(&healthy);
    let slow = provider("generic", &hanging.url("/"), "  timeout: 300ms\n");
    folder.write(
        "slow.yaml",
        &slow.replace("name: destination", "name: slow"),
    );
    folder.write(
        "slow-alert.yaml",
        &ALERT
            .replace("destination", "slow")
            .replace("name: all", "name: slow"),
    );
    let fanfare = folder.start(&[]);
    for number in 0..20 {
        assert_eq!(
            fanfare
                .post(&event(&format!("object-{number}"), number))
                .await,
            202
        );
    }
    healthy.wait_for(20).await;
    hanging.answer(Answer::status(200));
    folder.wait_for_deliveries("delivered", 40);
}

/// T25: everything goes out in order when the destination comes back, and only a few at a time.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_wait_for_a_dead_destination_over_a_restart_and_go_out_in_order() {
    const OBJECTS: usize = 50;
    const EVENTS: usize = 10_000;
    // A port that nobody listens on until later.
    let reserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = reserved.local_addr().unwrap();
    let folder = Folder::new();
    folder.write("alert.yaml", ALERT);
    folder.write(
        "provider.yaml",
        &provider("generic", &format!("http://{address}/"), "  timeout: 5s\n"),
    );
    drop(reserved);
    let fanfare = folder.start(&[]);
    let mut posts = Vec::new();
    for object in 0..OBJECTS {
        let events = fanfare.events.clone();
        posts.push(tokio::spawn(async move {
            let mut client = crate::support::Client::connect(&events).await.unwrap();
            for number in (object..EVENTS).step_by(OBJECTS) {
                let event = event(&format!("object-{object}"), number);
                assert_eq!(client.post(&event).await, Some(202));
            }
        }));
    }
    for post in posts {
        post.await.unwrap();
    }
    fanfare.kill();

    let fanfare = folder.start(&[]);
    let sink = HttpSink::start().await;
    // The Provider moves to where the sink is; that is a change of configuration, so nothing waits
    // for a probe.
    folder.write("provider.yaml", &provider("generic", &sink.url("/"), ""));
    let deadline = std::time::Instant::now() + Duration::from_mins(2);
    while sink.requests().len() < EVENTS {
        assert!(
            std::time::Instant::now() < deadline,
            "{}",
            sink.requests().len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let arrivals = first_arrivals(&received(&sink));
    assert_eq!(arrivals.values().map(Vec::len).sum::<usize>(), EVENTS);
    for (object, numbers) in arrivals {
        assert!(numbers.is_sorted(), "{object}: {numbers:?}");
    }
    let connections = sink
        .requests()
        .iter()
        .map(|request| request.connection)
        .max();
    assert!(connections.unwrap() <= 64, "{connections:?} connections");
    drop(fanfare);
}
