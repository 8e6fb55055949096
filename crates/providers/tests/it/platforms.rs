//! What the types for platforms refuse, hide and cut.

mod any_event;
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

/// A Provider of this specification behind a service that answers alike.
fn bench(spec: &Value, status: u16, said: &Value) -> Bench {
    let provider = json!({
        "kind": "Provider",
        "metadata": {"namespace": "apps", "name": "target", "uid": "0c9c2e41"},
        "spec": spec,
    });
    let answer = ScriptedResponse {
        status: Some(status),
        body: Some(said.clone()),
        ..ScriptedResponse::default()
    };
    let clock = Arc::new(MovableClock::default());
    let transport = ScriptedTransport::new(Arc::clone(&clock), vec![answer]);
    Bench::new(&[provider], Arc::new(transport), clock)
}

/// What `fanfare render` shows of an event.
async fn rendering(bench: &Bench, event: &Value) -> String {
    let event = clean(event);
    let delivery = bench.try_plan(&event).unwrap();
    let snapshot = bench.catalog.snapshot();
    let provider = snapshot.provider(&delivery.provider).unwrap();
    let provider = provider.valid().unwrap();
    let clock = &*bench.clock;
    let rendered = providers::render::render(provider, &*bench.secrets, &delivery, &event, clock);
    rendered.await.unwrap().to_text()
}

#[tokio::test]
async fn keys_in_channels_and_addresses_are_never_printed() {
    let (key, secret) = (marked("key"), marked("secret"));
    for (kind, spec, said) in [
        (
            "pagerduty",
            json!({"type": "pagerduty", "address": "https://events.example.com", "channel": key}),
            format!("no such key: {key}"),
        ),
        (
            "sentry",
            json!({"type": "sentry", "address": format!("https://{key}@sentry.example.com/1")}),
            format!("no such key: {key}"),
        ),
        (
            "sentry",
            json!({
                "type": "sentry",
                "address": format!("https://{key}:{secret}@sentry.example.com/1"),
            }),
            format!("no such key: {key} {secret}"),
        ),
    ] {
        let event = fixtures::delivered(kind).event;
        for status in [202, 400, 403, 429, 500] {
            let bench = bench(&spec, status, &json!({"status": said, "detail": said}));
            let outcome = bench.send(&event).await;
            let shown = format!("{} {outcome:?}", describe(&outcome));
            assert!(shown.contains("no such key"), "{kind} {status}: {shown}");
            assert_eq!(leaks(&shown), Vec::<String>::new(), "{kind} {status}");
        }
        let bench = bench(&spec, 202, &json!({}));
        let outcome = bench.settle(&event).await;
        assert!(matches!(outcome, Outcome::Delivered(_)), "{kind}");
        let facts = format!("{:?}", bench.facts.all());
        assert_eq!(leaks(&facts), Vec::<String>::new(), "{kind}");
        let text = rendering(&bench, &event).await;
        assert!(text.starts_with("POST https://"), "{kind}: {text}");
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

#[tokio::test]
async fn a_tag_of_sentry_keeps_its_value_when_it_has_several_lines() {
    let fixture = fixtures::delivered("sentry");
    let mut event = fixture.event.clone();
    event["metadata"]["event.toolkit.fluxcd.io/summary"] = json!("one\ntwo");
    let (requests, _) = exchange(&fixture, &event, Vec::new()).await;
    let item = &envelope(&requests[0].body)[2];
    assert_eq!(item["tags"]["summary"], "one two");
    assert_eq!(item["spans"][0]["tags"]["summary"], "one two");
}
