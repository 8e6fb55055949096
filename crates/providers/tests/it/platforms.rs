//! What the types for platforms refuse, hide and cut.

mod limits;
mod refusals;

use std::sync::Arc;

use domain::Outcome;
use domain::delivery::FailureClass;
use serde_json::{Value, json};
use testkit::secrets::{leaks, marked};
use testkit::{MovableClock, ScriptedResponse, ScriptedTransport};

use crate::bench::{Bench, clean, describe};
use crate::every_kind::exchange;
use crate::fixtures;

#[tokio::test]
async fn a_web_page_is_no_success() {
    for kind in ["alertmanager", "datadog", "pagerduty", "sentry"] {
        let fixture = fixtures::delivered(kind);
        let page = ScriptedResponse {
            body: Some(json!("<!doctype html><title>Log in</title>")),
            ..ScriptedResponse::default()
        };
        let (_, outcome) = exchange(&fixture, &fixture.event, vec![page]).await;
        let Outcome::Failed(failure) = outcome else {
            panic!("{kind}: a web page passed");
        };
        assert_eq!(failure.class, FailureClass::Misconfigured, "{kind}");
        assert_eq!(failure.status, Some(200), "{kind}");
        assert!(
            failure.detail.contains("does the address lead to its API?"),
            "{kind}: {}",
            failure.detail
        );
    }
}

/// A service that sends back all it got.
fn echo(text: &str, status: u16) -> Vec<ScriptedResponse> {
    vec![ScriptedResponse {
        status: Some(status),
        body: Some(json!(text)),
        ..ScriptedResponse::default()
    }]
}

#[tokio::test]
async fn keys_in_channels_and_addresses_are_never_printed() {
    let key = marked("key");
    let dsn = |secret: &str| format!("https://{key}{secret}@sentry.example.com/1");
    for spec in [
        json!({"type": "pagerduty", "address": "https://events.example.com", "channel": key}),
        json!({"type": "sentry", "address": dsn("")}),
        json!({"type": "sentry", "address": dsn(&format!(":{}", marked("secret")))}),
    ] {
        let kind = spec["type"].as_str().unwrap().to_owned();
        let provider = json!({
            "kind": "Provider",
            "metadata": {"namespace": "apps", "name": "target", "uid": "0c9c2e41"},
            "spec": spec,
        });
        for status in [202, 400, 403, 429, 500] {
            let clock = Arc::new(MovableClock::default());
            let text = format!("no such key: {key} {}", marked("secret"));
            let text = if kind == "pagerduty" {
                format!("no such key: {key}")
            } else {
                text
            };
            let text = if spec["address"].to_string().contains("secret") {
                text
            } else {
                format!("no such key: {key}")
            };
            let answers = echo(&json!({"status": text, "detail": text}).to_string(), status);
            let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), answers));
            let bench = Bench::new(std::slice::from_ref(&provider), transport, clock);
            let event = fixtures::delivered(&kind).event;
            let outcome = bench.send(&event).await;
            let shown = format!("{} {outcome:?}", describe(&outcome));
            assert!(shown.contains("no such key"), "{kind} {status}: {shown}");
            assert_eq!(leaks(&shown), Vec::<String>::new(), "{kind} {status}");
            for (key, value) in bench.facts.all() {
                assert_eq!(leaks(&format!("{key} {value}")), Vec::<String>::new());
            }
        }
        let clock = Arc::new(MovableClock::default());
        let transport = ScriptedTransport::new(Arc::clone(&clock), Vec::new());
        let bench = Bench::new(&[provider], Arc::new(transport), Arc::clone(&clock));
        let event = clean(&fixtures::delivered(&kind).event);
        let delivery = bench.try_plan(&event).unwrap();
        let snapshot = bench.catalog.snapshot();
        let provider = snapshot.provider(&delivery.provider).unwrap();
        let provider = provider.valid().unwrap();
        let rendered =
            providers::render::render(provider, &*bench.secrets, &delivery, &event, &*clock);
        let text = rendered.await.unwrap().to_text();
        assert_eq!(leaks(&text), Vec::<String>::new(), "{kind}");
    }
}

/// The lines of an envelope.
fn envelope(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn a_repetition_has_the_same_id_in_sentry_and_another_event_another() {
    let clock = Arc::new(MovableClock::default());
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
    let objects = fixtures::delivered("sentry").objects;
    let bench = Bench::new(&objects, Arc::clone(&transport) as _, Arc::clone(&clock));
    let event = clean(&fixtures::delivered("sentry").event);
    let first = bench.try_plan(&event).unwrap();
    let mut second = first.clone();
    second.id.ordinal += 1;
    for (delivery, attempt) in [(&first, 1), (&first, 2), (&second, 1)] {
        // Time passes between attempts.
        clock.set(domain::ports::Clock::now(&*clock) + jiff::SignedDuration::from_secs(5));
        domain::ports::Courier::deliver(&bench.courier, delivery, &event, attempt).await;
    }
    let sent = transport.sent();
    let envelopes: Vec<_> = sent
        .iter()
        .map(|sent| envelope(&sent.request.body))
        .collect();
    let ids: Vec<_> = envelopes
        .iter()
        .map(|lines| &lines[0]["event_id"])
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
    for lines in &envelopes {
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["event_id"], lines[2]["event_id"]);
        let id = lines[0]["event_id"].as_str().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    // When it was sent is what corrects clocks.
    assert_ne!(envelopes[0][0]["sent_at"], envelopes[1][0]["sent_at"]);
    assert_eq!(envelopes[0][2], envelopes[1][2]);
    let length = |index: usize| {
        let text = std::str::from_utf8(&sent[index].request.body).unwrap();
        text.lines().last().unwrap().len()
    };
    assert_eq!(envelopes[0][1]["length"], length(0));
}
