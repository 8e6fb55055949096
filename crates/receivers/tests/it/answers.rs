//! What genuine and other calls lead to.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::ScriptedTransport;

use crate::support::{Outside, Setting, TOKEN, call, github, signature, spec};

const BODY: &str = r#"{"ref":"refs/heads/main"}"#;

fn one() -> Value {
    json!([{"kind": "GitRepository", "name": "app"}])
}

fn with_outside(spec: &Value, outside: Outside) -> Setting {
    let transport = ScriptedTransport::new(Arc::default(), Vec::new());
    Setting::with(spec, outside, Arc::new(transport))
}

#[tokio::test]
async fn nothing_is_read_or_asked_for_a_call_that_is_not_genuine() {
    let mut filtered = spec(&json!([{"kind": "GitRepository", "name": "*", "matchLabels": {}}]));
    filtered["resourceFilter"] = json!("true");
    let setting = Setting::new(&filtered);
    let wrong = signature("wrong", BODY);
    for headers in [
        vec![],
        vec![("x-hub-signature-256", wrong.as_str())],
        vec![("x-hub-signature-256", "sha256=00")],
        vec![("x-hub-signature-256", "md5=00")],
        vec![("x-hub-signature", "nonsense")],
    ] {
        assert_eq!(setting.call(call(&headers, BODY)).await, 400);
    }
    // A genuine body with a byte more.
    let mut changed = github("push", "1", BODY);
    changed.body = format!("{BODY} ").into();
    assert_eq!(setting.call(changed).await, 400);
    assert_eq!(setting.outside.reads.load(Ordering::Relaxed), 0);
    assert_eq!(setting.outside.requested(), Vec::<String>::new());
    assert_eq!(setting.call(github("push", "1", BODY)).await, 200);
    assert!(setting.outside.reads.load(Ordering::Relaxed) > 0);
}

/// T55.
#[tokio::test(start_paused = true)]
async fn a_burst_makes_few_requests_and_the_last_call_is_covered() {
    let setting = Setting::new(&spec(&one()));
    assert_eq!(setting.call(github("push", "first", BODY)).await, 200);
    assert_eq!(
        setting.outside.requested(),
        ["app"],
        "the first one at once"
    );
    for number in 0..49 {
        let delivery = number.to_string();
        assert_eq!(setting.call(github("push", &delivery, BODY)).await, 200);
    }
    setting.hooks.finish().await;
    assert_eq!(setting.outside.requested().len(), 2);
    // Long after the burst the next one goes out at once again.
    assert_eq!(setting.call(github("push", "later", BODY)).await, 200);
    assert_eq!(setting.outside.requested().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_burst_is_kept_when_it_cannot_be_requested() {
    let setting = Setting::new(&spec(&one()));
    assert_eq!(setting.call(github("push", "1", BODY)).await, 200);
    assert_eq!(setting.call(github("push", "2", BODY)).await, 200);
    setting.outside.is_away.store(true, Ordering::Relaxed);
    setting.hooks.finish().await;
    assert_eq!(setting.outside.kept.lock().unwrap().len(), 1);
    setting.outside.is_away.store(false, Ordering::Relaxed);
    setting.clock.advance(Duration::from_secs(10));
    setting.hooks.try_due_calls().await.unwrap();
    assert_eq!(setting.outside.requested(), ["app", "app"]);
    assert!(setting.outside.kept.lock().unwrap().is_empty());
}

/// A crash after the answer and before the end of the moment loses nothing.
#[tokio::test(start_paused = true)]
async fn what_a_burst_covers_is_kept_before_it_is_answered_and_once() {
    let setting = Setting::new(&spec(&one()));
    let outside = &setting.outside;
    assert_eq!(setting.call(github("push", "1", BODY)).await, 200);
    assert!(outside.kept.lock().unwrap().is_empty());
    for number in 2..50 {
        let delivery = number.to_string();
        assert_eq!(setting.call(github("push", &delivery, BODY)).await, 200);
        assert_eq!(outside.kept.lock().unwrap().len(), 1, "{number}");
    }
    assert_eq!(outside.requested(), ["app"], "the moment has not ended");
    // What is tried before it is due would be asked for twice.
    setting.hooks.try_due_calls().await.unwrap();
    assert_eq!(outside.requested(), ["app"]);
    setting.hooks.finish().await;
    assert_eq!(outside.requested(), ["app", "app"]);
    assert!(outside.kept.lock().unwrap().is_empty());
    assert_eq!(outside.keeps.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_kept_a_covered_call_waits_for_the_end_of_the_burst() {
    let setting = Setting::new(&spec(&one()));
    let outside = &setting.outside;
    outside.is_full.store(true, Ordering::Relaxed);
    assert_eq!(setting.call(github("push", "1", BODY)).await, 200);
    assert_eq!(setting.call(github("push", "2", BODY)).await, 200);
    assert_eq!(outside.requested(), ["app", "app"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(setting.call(github("push", "3", BODY)).await, 200);
    outside.is_away.store(true, Ordering::Relaxed);
    assert_eq!(setting.call(github("push", "4", BODY)).await, 503);
    setting.hooks.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_is_kept_while_the_api_is_away_and_tried_until_it_succeeds() {
    let mut filtered = spec(&one());
    filtered["resourceFilter"] = json!("req.ref == 'refs/heads/main'");
    let setting = Setting::new(&filtered);
    setting.outside.is_away.store(true, Ordering::Relaxed);
    assert_eq!(setting.call(github("push", "1", BODY)).await, 202);
    {
        let kept = setting.outside.kept.lock().unwrap();
        let (call, _) = &kept[&1];
        let content = call.content.as_deref().unwrap();
        assert!(content.contains("refs/heads/main"));
        assert!(!content.contains(TOKEN) && !content.contains(&setting.digest));
    }
    setting.hooks.try_due_calls().await.unwrap();
    setting.outside.is_away.store(false, Ordering::Relaxed);
    // It was put off.
    setting.hooks.try_due_calls().await.unwrap();
    assert_eq!(setting.outside.requested(), Vec::<String>::new());
    tokio::time::advance(Duration::from_secs(2)).await;
    setting.clock.advance(Duration::from_secs(5));
    setting.hooks.try_due_calls().await.unwrap();
    assert_eq!(setting.outside.requested(), ["app"]);
    assert!(setting.outside.kept.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_is_kept_and_its_object_can_be_asked_again() {
    let setting = Setting::new(&spec(&one()));
    let outside = &setting.outside;
    outside.panic_for("app", 2);
    assert_eq!(setting.call(github("push", "1", BODY)).await, 202);
    // Covered by the end of the moment, which panics as well.
    assert_eq!(setting.call(github("push", "2", BODY)).await, 200);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(setting.call(github("push", "3", BODY)).await, 200);
    assert_eq!(outside.requested(), ["app"]);
    setting.hooks.finish().await;
    {
        let kept = outside.kept.lock().unwrap();
        assert_eq!(kept.len(), 2);
        assert!(!format!("{kept:?}").contains(TOKEN), "{kept:?}");
    }
    setting.clock.advance(Duration::from_secs(10));
    setting.hooks.try_due_calls().await.unwrap();
    setting.hooks.finish().await;
    assert!(outside.kept.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kept_call_that_panics_does_not_stop_those_behind_it() {
    let mut filtered = spec(&json!([
        {"kind": "GitRepository", "name": "app"}, {"kind": "GitRepository", "name": "other"},
    ]));
    filtered["resourceFilter"] = json!("has(res.metadata)");
    let setting = Setting::new(&filtered);
    let outside = &setting.outside;
    outside.is_away.store(true, Ordering::Relaxed);
    for delivery in ["1", "2"] {
        assert_eq!(setting.call(github("push", delivery, BODY)).await, 202);
    }
    outside.is_away.store(false, Ordering::Relaxed);
    outside.panic_for("the read of app", 1);
    setting.clock.advance(Duration::from_secs(5));
    tokio::time::advance(Duration::from_secs(5)).await;
    setting.hooks.try_due_calls().await.unwrap();
    let attempts: Vec<u32> = {
        let kept = outside.kept.lock().unwrap();
        kept.values().map(|(_, attempts)| *attempts).collect()
    };
    assert_eq!(attempts, [1], "the first waits, the second is done");
    assert_eq!(outside.requested(), ["app", "other"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_too_large_to_be_kept_is_refused_for_now() {
    let mut filtered = spec(&one());
    filtered["resourceFilter"] = json!("true");
    let setting = Setting::new(&filtered);
    setting.outside.is_away.store(true, Ordering::Relaxed);
    let large = json!({"x": "y".repeat(300 << 10)}).to_string();
    assert_eq!(setting.call(github("push", "1", &large)).await, 503);
    assert!(setting.outside.kept.lock().unwrap().is_empty());
    // Its sender may repeat it: it is no replay.
    setting.outside.is_away.store(false, Ordering::Relaxed);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(setting.call(github("push", "1", &large)).await, 200);
    assert_eq!(setting.outside.requested(), ["app"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_is_dropped_with_its_receiver() {
    let setting = Setting::new(&spec(&one()));
    setting.outside.is_away.store(true, Ordering::Relaxed);
    assert_eq!(setting.call(github("push", "1", BODY)).await, 202);
    setting
        .outside
        .kept
        .lock()
        .unwrap()
        .get_mut(&1)
        .unwrap()
        .0
        .receiver_uid = "of another one".to_owned();
    setting.hooks.try_due_calls().await.unwrap();
    assert!(setting.outside.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_missing_object_does_not_spoil_the_others() {
    let outside = Outside {
        missing: vec!["gone".to_owned()],
        ..Outside::default()
    };
    let resources = json!([
        {"kind": "GitRepository", "name": "gone"}, {"kind": "GitRepository", "name": "app"}]);
    let setting = with_outside(&spec(&resources), outside);
    assert_eq!(setting.call(github("push", "1", BODY)).await, 200);
    assert_eq!(setting.outside.requested(), ["app"]);
}

#[tokio::test]
async fn a_delivery_that_comes_again_does_nothing() {
    let setting = Setting::new(&spec(&one()));
    assert_eq!(setting.call(github("push", "1", BODY)).await, 200);
    setting.clock.advance(Duration::from_mins(1));
    assert_eq!(setting.call(github("push", "1", BODY)).await, 200);
    setting.hooks.finish().await;
    assert_eq!(setting.outside.requested(), ["app"]);
}

#[tokio::test]
async fn one_receiver_cannot_be_called_without_end() {
    let mut quiet = spec(&json!([]));
    quiet["events"] = json!(["nothing"]);
    let setting = Setting::new(&quiet);
    let mut limited = 0;
    for number in 0..400 {
        let status = setting
            .call(github("push", &number.to_string(), BODY))
            .await;
        limited += usize::from(status == 429);
    }
    assert_eq!(limited, 100);
    setting.clock.advance(Duration::from_secs(1));
    assert_eq!(setting.call(github("push", "x", BODY)).await, 200);
}

#[tokio::test]
async fn expressions_over_many_objects_end_in_time() {
    let list: Vec<u32> = (0..200_000).collect();
    let body = json!({ "list": list }).to_string();
    let mut filtered = spec(&json!([{"kind": "GitRepository", "name": "*", "matchLabels": {}}]));
    filtered["resourceFilter"] = json!("req.list.all(i, req.list.exists(j, i == j))");
    let setting = Setting::new(&filtered);
    let started = std::time::Instant::now();
    assert_eq!(setting.call(github("push", "1", &body)).await, 500);
    let limit = if cfg!(debug_assertions) { 30 } else { 5 };
    assert!(
        started.elapsed() < Duration::from_secs(limit),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(setting.outside.requested(), Vec::<String>::new());
}

#[tokio::test]
async fn a_verified_ping_and_a_filtered_event_are_answered_200() {
    let mut listed = spec(&one());
    listed["events"] = json!(["push"]);
    let setting = Setting::new(&listed);
    assert_eq!(
        setting.call(github("ping", "1", "{\"zen\":\"x\"}")).await,
        200
    );
    assert_eq!(setting.call(github("issues", "2", BODY)).await, 200);
    assert_eq!(setting.outside.requested(), Vec::<String>::new());
}

#[tokio::test]
async fn large_bodies_are_read_a_few_at_a_time() {
    let mut filtered = spec(&one());
    filtered["resourceFilter"] = json!("has(req.x)");
    let setting = Setting::new(&filtered);
    let large = json!({"x": "y".repeat(3_000_000)}).to_string();
    let calls = (0..6).map(|number| setting.call(github("push", &number.to_string(), &large)));
    let statuses = futures::future::join_all(calls).await;
    // How many are served in time depends on the machine; whoever is not may call again.
    assert!(
        statuses.iter().all(|status| [200, 503].contains(status)),
        "{statuses:?}"
    );
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 2);
    // Nothing of it stays taken.
    assert_eq!(setting.call(github("push", "after", &large)).await, 200);
    assert_eq!(
        setting.call(github("push", "small", "{\"x\":1}")).await,
        200
    );
}
