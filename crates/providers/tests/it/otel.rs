//! Spans, as a collector that reads the official definitions sees them.

use std::sync::Arc;

use domain::Outcome;
use domain::delivery::FailureClass;
use domain::notification::DropReason;
use serde_json::{Value, json};
use testkit::{Answer, HttpSink, MovableClock, ScriptedResponse, ScriptedTransport, otlp};

use crate::bench::{Bench, clean, describe};
use crate::every_kind::exchange;
use crate::fixtures;

/// The one span that an event leads to, with this Provider and these answers.
async fn span_of(event: &Value) -> Value {
    let fixture = fixtures::delivered("otel");
    let (requests, outcome) = exchange(&fixture, event, Vec::new()).await;
    assert!(matches!(outcome, Outcome::Delivered(_)), "{outcome:?}");
    let traces = otlp::traces_as_json(&requests[0].body).unwrap();
    traces["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone()
}

async fn answered(response: ScriptedResponse) -> Outcome {
    let fixture = fixtures::delivered("otel");
    exchange(&fixture, &fixture.event, vec![response]).await.1
}

fn protobuf(status: u16, body: &str) -> ScriptedResponse {
    let header = (
        "content-type".to_owned(),
        "application/x-protobuf".to_owned(),
    );
    ScriptedResponse {
        status: Some(status),
        headers: [header].into(),
        body: Some(json!(body)),
        ..ScriptedResponse::default()
    }
}

#[tokio::test]
async fn events_of_one_revision_share_a_trace_and_have_no_parents() {
    let mut event = fixtures::delivered("otel").event;
    let first = span_of(&event).await;
    assert_eq!(first["traceId"], "0e34e43f6f6b8a0c625a9cb5c0011d19");
    event["involvedObject"]["kind"] = json!("GitRepository");
    let second = span_of(&event).await;
    assert_eq!(second["traceId"], first["traceId"]);
    assert_eq!(second["parentSpanId"], Value::Null);

    event["metadata"] = json!({});
    let without = span_of(&event).await;
    assert_eq!(without["traceId"], "641a2bc96c35a83b954ca737e1df599f");
    event["metadata"] = json!({
        "event.toolkit.fluxcd.io/app-version": "6.5.4",
        "event.toolkit.fluxcd.io/oci-digest": "sha256:abc",
        "event.toolkit.fluxcd.io/revision": "ignored",
    });
    // The first half of sha256("<alert uid>:6.5.4@sha256:abc").
    let chart = span_of(&event).await;
    assert_eq!(chart["traceId"], "6da07442d5539190a7e3e0683ab429fc");
}

#[tokio::test]
async fn a_repeated_delivery_is_the_same_span_and_another_delivery_is_another() {
    let fixture = fixtures::delivered("otel");
    let clock = Arc::new(MovableClock::default());
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
    let bench = Bench::new(
        &fixture.objects,
        Arc::clone(&transport) as _,
        Arc::clone(&clock),
    );
    let event = clean(&fixture.event);
    let delivery = bench.try_plan(&event).unwrap();
    clock.advance(std::time::Duration::from_mins(7));
    let mut other = delivery.clone();
    other.id.ordinal += 1;
    for (delivery, attempt) in [(&delivery, 1), (&delivery, 2), (&other, 1)] {
        domain::ports::Courier::deliver(&bench.courier, delivery, &event, attempt).await;
    }
    let bodies: Vec<_> = transport
        .sent()
        .into_iter()
        .map(|sent| sent.request.body)
        .collect();
    assert_eq!(bodies[0], bodies[1]);
    assert_ne!(bodies[0], bodies[2]);
}

#[tokio::test]
async fn a_span_never_ends_before_it_starts() {
    let mut event = fixtures::delivered("otel").event;
    event["timestamp"] = json!("2024-03-05T10:00:00Z");
    let ahead = span_of(&event).await;
    assert_eq!(ahead["startTimeUnixNano"], "1709632800000000000");
    assert_eq!(ahead["endTimeUnixNano"], ahead["startTimeUnixNano"]);
    // Without a time of its own it starts when it was accepted.
    event["timestamp"] = Value::Null;
    let untimed = span_of(&event).await;
    assert_eq!(untimed["startTimeUnixNano"], "1709629811000000000");
}

#[tokio::test]
async fn metadata_named_like_an_object_attribute_replaces_it() {
    let mut event = fixtures::delivered("otel").event;
    event["metadata"] = json!({
        "event.toolkit.fluxcd.io/object.name": "renamed",
        "event.toolkit.fluxcd.io/": "nameless",
        "event.toolkit.fluxcd.io/empty": "",
    });
    let span = span_of(&event).await;
    let attributes: Vec<(&str, &str)> = span["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| {
            (
                attribute["key"].as_str().unwrap(),
                attribute["value"]["stringValue"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        attributes,
        [
            ("object.uid", "7d0cdc51-ddcf-4743-b223-83ca5c699632"),
            ("object.kind", "Kustomization"),
            ("object.name", "renamed"),
            ("object.namespace", "apps"),
            ("empty", ""),
        ]
    );
}

#[tokio::test]
async fn rejected_spans_fail_the_delivery_with_the_reason_and_warnings_do_not() {
    // Field 1 { 1: 1, 2: "too old" }.
    let rejected = answered(protobuf(200, "\n\u{b}\u{8}\u{1}\u{12}\u{7}too old")).await;
    let said = describe(&rejected);
    assert_eq!(said, "rejected: the collector rejected the span: too old");
    let silent = describe(&answered(protobuf(200, "\n\u{2}\u{8}\u{1}")).await);
    assert_eq!(
        silent,
        "rejected: the collector rejected the span: no reason given"
    );
    for harmless in [
        "",
        "\n\u{9}\u{12}\u{7}warning",
        "\n\u{0}",
        "no protobuf at all",
    ] {
        let outcome = answered(protobuf(200, harmless)).await;
        assert!(matches!(outcome, Outcome::Delivered(_)), "{harmless:?}");
    }
}

#[tokio::test]
async fn a_status_message_is_the_reason_of_a_failure() {
    // google.rpc.Status { code: 3, message: "bad span" }.
    let outcome = answered(protobuf(400, "\u{8}\u{3}\u{12}\u{8}bad span")).await;
    assert_eq!(
        describe(&outcome),
        "rejected: the service answered 400 Bad Request: bad span"
    );
    let outcome = answered(protobuf(503, "\u{8}\u{e}\u{12}\u{4}busy")).await;
    assert_eq!(
        describe(&outcome),
        "server_fault: the service answered 503 Service Unavailable: busy"
    );
}

#[tokio::test]
async fn events_of_helm_repositories_are_left_out_with_a_reason() {
    let fixture = fixtures::delivered("otel");
    let mut event = fixture.event.clone();
    event["involvedObject"]["kind"] = json!("HelmRepository");
    let clock = Arc::new(MovableClock::default());
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
    let bench = Bench::new(&fixture.objects, transport, clock);
    assert!(bench.try_plan(&clean(&event)).is_none());
    let snapshot = bench.catalog.snapshot();
    let provider = snapshot
        .provider(&api::ObjectKey::new("apps", "otel"))
        .and_then(|entry| entry.valid())
        .unwrap();
    let gate = domain::notification::gate(&clean(&event), provider);
    assert_eq!(gate, Err(DropReason::ObjectKind));
}

#[tokio::test]
async fn credentials_follow_the_headers_the_user_name_and_the_token() {
    let cases = [
        (json!({"token": "t0ken"}), Some("Bearer t0ken")),
        (json!({"password": "w0rd"}), Some("Bearer w0rd")),
        (
            json!({"username": "u", "password": "w0rd"}),
            Some("Basic dTp3MHJk"),
        ),
        (
            json!({"token": "t0ken", "headers": "authorization: Mine abc"}),
            Some("Mine abc"),
        ),
        (json!({"headers": "x-scope: a"}), None),
    ];
    for (secret, expected) in cases {
        let mut fixture = fixtures::delivered("otel");
        fixture.objects[1]["stringData"] = secret.clone();
        let (requests, _) = exchange(&fixture, &fixture.event, Vec::new()).await;
        let sent = requests[0].headers.get("authorization");
        let sent = sent.map(|value| value.to_str().unwrap());
        assert_eq!(sent, expected, "{secret}");
    }
}

#[tokio::test]
async fn tls_material_and_a_plain_address_are_refused_in_the_same_words_everywhere() {
    let mut fixture = fixtures::delivered("otel");
    fixture.objects[0]["spec"]["address"] = json!("http://collector.example.com:4318");
    fixture.objects[0]["spec"]["certSecretRef"] = json!({"name": "otel"});
    let provider = api::Provider::from_object(Arc::new(fixture.objects[0].clone()));
    let problems = (providers::kinds::find("otel").unwrap().check)(&provider);
    let words = "insecure HTTP endpoint cannot use TLS client configuration";
    assert_eq!(problems[0].message, words);

    // The address may be in the Secret, where validation does not look.
    let authority = testkit::Authority::new();
    fixture.objects[0]["spec"]
        .as_object_mut()
        .unwrap()
        .remove("address");
    fixture.objects[1]["stringData"] =
        json!({"address": "http://collector.example.com:4318", "ca.crt": authority.pem});
    let (requests, outcome) = exchange(&fixture, &fixture.event, Vec::new()).await;
    assert!(requests.is_empty());
    let said = describe(&outcome);
    assert!(
        said.starts_with("misconfigured: ") && said.contains(words),
        "{said}"
    );
}

#[tokio::test]
async fn a_collector_that_does_not_answer_is_given_up_at_the_deadline() {
    let sink = HttpSink::start().await;
    sink.answer(Answer::Hang);
    let mut fixture = fixtures::delivered("otel");
    fixture.objects[0]["spec"]["address"] = json!(sink.url("/v1/traces"));
    fixture.objects[0]["spec"]["timeout"] = json!("200ms");
    let bench = Bench::new(&fixture.objects, crate::bench::client(), Arc::default());
    let outcome = bench.send(&fixture.event).await;
    let Outcome::Failed(failure) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(failure.class, FailureClass::Unreachable);
}
