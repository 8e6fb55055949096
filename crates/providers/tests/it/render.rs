//! What `fanfare render` shows.

use std::sync::Arc;

use providers::kinds;
use providers::render::render;
use testkit::secrets::leaks;
use testkit::{MovableClock, ScriptedTransport};

use crate::bench::{Bench, clean};
use crate::every_kind::marked_objects;
use crate::fixtures;

/// The text for a type's `delivered` event, from these objects.
async fn text_of(kind: &str, objects: &[serde_json::Value]) -> String {
    let clock = Arc::new(MovableClock::default());
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
    let bench = Bench::new(objects, Arc::clone(&transport) as _, Arc::clone(&clock));
    let event = clean(&fixtures::delivered(kind).event);
    let delivery = bench.try_plan(&event).unwrap();
    let snapshot = bench.catalog.snapshot();
    let provider = snapshot
        .provider(&delivery.provider)
        .unwrap()
        .valid()
        .unwrap();
    let rendered = render(provider, &*bench.secrets, &delivery, &event, &*clock).await;
    let rendered = rendered.unwrap();
    assert!(!rendered.is_empty());
    assert!(transport.sent().is_empty(), "{kind} really sent something");
    rendered.to_text()
}

#[tokio::test]
async fn every_type_renders_without_sending_and_without_secrets() {
    for kind in kinds::ALL {
        let objects = marked_objects(kind.name);
        let text = text_of(kind.name, &objects).await;
        assert_eq!(leaks(&text), Vec::<String>::new(), "{}", kind.name);
        assert_eq!(text, text_of(kind.name, &objects).await, "{}", kind.name);
    }
}

#[tokio::test]
async fn a_rendering_reads_like_a_request() {
    let objects = fixtures::delivered("generic").objects;
    let text = text_of("generic", &objects).await;
    let (head, body) = text.split_once("\n\n").unwrap();
    assert_eq!(
        head,
        "POST https://hooks.example.com/*****\n\
         content-type: application/json\n\
         gotk-component: kustomize-controller\n\
         authorization: *****\n\
         x-enabled: *****\n\
         x-retries: *****"
    );
    assert!(body.starts_with("{\n  \"involvedObject\": {\n"), "{body}");
}

#[tokio::test]
async fn a_span_is_shown_with_its_texts() {
    let text = text_of("otel", &fixtures::delivered("otel").objects).await;
    assert!(
        text.starts_with("POST https://collector.example.com:4318/*****\n"),
        "{text}"
    );
    for line in [
        "1: \"service.instance.id\"",
        "5: \"Kustomization: apps/webapp\"",
        "1: \"Webapp impacted\"",
        "16: 769",
    ] {
        assert!(
            text.lines().any(|shown| shown.trim() == line),
            "{line}: {text}"
        );
    }
}
