//! Size limits of services: at the limit, around it, and far beyond it.

use serde_json::{Value, json};

use super::{exchange, http_kinds};
use crate::fixtures;

/// Stands in every text that was cut.
const MARKER: &str = "(cut)";

fn event_with(kind: &str, message: &str, metadata: &[(String, String)]) -> Value {
    let mut event = fixtures::delivered(kind).event;
    event["message"] = json!(message);
    for (key, value) in metadata {
        event["metadata"][format!("event.toolkit.fluxcd.io/{key}")] = json!(value);
    }
    event
}

async fn body_of(kind: &str, message: &str, metadata: &[(String, String)]) -> (Value, usize) {
    let fixture = fixtures::delivered(kind);
    let event = event_with(kind, message, metadata);
    let (requests, _) = exchange(&fixture, &event, fixture.responses.clone()).await;
    let body = &requests.last().unwrap().body;
    (serde_json::from_slice(body).unwrap(), body.len())
}

fn many_long_values() -> Vec<(String, String)> {
    (0..150)
        .map(|number| (format!("key-{number:03}"), "值".repeat(1200)))
        .collect()
}

fn length(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}

/// Messages of these lengths around a limit, in two-byte characters.
fn around(limit: usize) -> [(usize, String); 3] {
    [limit - 1, limit, limit + 1].map(|length| (length, "é".repeat(length)))
}

fn slack_total(attachment: &Value) -> usize {
    let fields = attachment["fields"].as_array().unwrap().iter();
    let fields: usize = fields
        .map(|field| length(&field["title"]) + length(&field["value"]))
        .sum();
    fields
        + length(&attachment["text"])
        + length(&attachment["author_name"])
        + length(&attachment["fallback"])
}

#[tokio::test]
async fn messages_up_to_the_limit_are_whole_and_longer_ones_are_marked() {
    for (kind, limit) in [("discord", 4096), ("rocket", 5000)] {
        for (length_sent, message) in around(limit) {
            let (body, _) = body_of(kind, &message, &[]).await;
            let text = &body["attachments"][0]["text"];
            if length_sent <= limit {
                assert_eq!(text, &message, "{kind} {length_sent}");
            } else {
                assert_eq!(length(text), limit, "{kind}");
                assert!(text.as_str().unwrap().contains(MARKER), "{kind}");
            }
        }
    }
}

#[tokio::test]
async fn slack_and_discord_stay_within_their_totals() {
    // Fields so long that the total is reached before the limit of the text itself.
    let fields: Vec<_> = (0..3)
        .map(|number| (format!("long-{number}"), "é".repeat(1_000)))
        .collect();
    for (kind, total) in [("slack", 40_000), ("discord", 6_000)] {
        let (body, _) = body_of(kind, "x", &fields).await;
        let rest = slack_total(&body["attachments"][0]) - 1;
        for (length_sent, _) in around(total - rest) {
            // The first line is short, since it may stand in the fallback too.
            let message = format!("x\n{}", "é".repeat(length_sent - 2));
            let (body, _) = body_of(kind, &message, &fields).await;
            let attachment = &body["attachments"][0];
            let is_whole = slack_total(attachment) == rest + length_sent
                && !attachment.to_string().contains("left out");
            assert_eq!(
                is_whole,
                length_sent <= total - rest,
                "{kind} {length_sent}"
            );
            assert!(slack_total(attachment) <= total, "{kind} {length_sent}");
        }
        let (body, _) = body_of(kind, &"é\n".repeat(40_000), &many_long_values()).await;
        let attachment = &body["attachments"][0];
        assert!(slack_total(attachment) <= total, "{kind}");
        assert!(length(&attachment["text"]) > 1_000, "{kind}");
    }
}

#[tokio::test]
async fn values_up_to_the_limit_are_whole() {
    for (kind, limit) in [("discord", 1_024), ("rocket", 5_000), ("slack", 8_000)] {
        for (length_sent, value) in around(limit) {
            let metadata = [("key".to_owned(), value.clone())];
            let (body, _) = body_of(kind, "x", &metadata).await;
            let fields = body["attachments"][0]["fields"].as_array().unwrap();
            let field = fields.iter().find(|field| field["title"] == "key").unwrap();
            if length_sent <= limit {
                assert_eq!(field["value"], json!(value), "{kind}");
            } else {
                assert_eq!(length(&field["value"]), limit, "{kind}");
                assert!(field["value"].as_str().unwrap().contains(MARKER), "{kind}");
            }
        }
    }
}

#[tokio::test]
async fn discord_gets_at_most_25_fields() {
    for count in [24, 25, 26] {
        // One entry is in the fixture's own event for each of these.
        let own = fixtures::delivered("discord").event["metadata"]
            .as_object()
            .unwrap()
            .len();
        let metadata: Vec<_> = (own..count)
            .map(|number| (format!("key-{number:03}"), "v".to_owned()))
            .collect();
        let (body, _) = body_of("discord", "x", &metadata).await;
        let fields = body["attachments"][0]["fields"].as_array().unwrap();
        assert_eq!(fields.len(), count.min(25));
        let last = fields.last().unwrap()["value"].as_str().unwrap();
        assert_eq!(last.contains("left out"), count > 25, "{count}: {last}");
    }
}

#[tokio::test]
async fn teams_messages_stay_within_28_kilobytes_whatever_is_in_them() {
    const LIMIT: usize = 28_000;
    let texts = ["x", "é", "\n", "\"", "\u{1}", "漢", "🚨"];
    for text in texts {
        for repeats in [100, 27_000, 28_000, 60_000] {
            let message = text.repeat(repeats);
            for metadata in [Vec::new(), many_long_values()] {
                let (body, bytes) = body_of("msteams", &message, &metadata).await;
                assert!(bytes <= LIMIT, "{text:?} x {repeats}: {bytes}");
                let items = &body["attachments"][0]["content"]["body"][0]["items"];
                let shown = items[1]["text"].as_str().unwrap();
                let is_whole = shown == message;
                assert!(is_whole || shown.contains(MARKER));
                // What is well below the limit must not be cut, and room must not be wasted.
                assert!(is_whole || repeats > 100 || !metadata.is_empty());
                assert!(
                    is_whole || !metadata.is_empty() || bytes > LIMIT - 500,
                    "{bytes}"
                );
            }
        }
    }
}

#[tokio::test]
async fn connector_cards_stay_within_28_kilobytes_too() {
    let fixture = fixtures::of("msteams")
        .into_iter()
        .find(|fixture| fixture.name == "connector-delivered")
        .unwrap();
    let event = event_with("msteams", &"漢\"".repeat(30_000), &many_long_values());
    let (requests, _) = exchange(&fixture, &event, fixture.responses.clone()).await;
    assert!(requests[0].body.len() <= 28_000);
}

#[tokio::test]
async fn an_oversized_event_never_breaks_rendering() {
    for kind in http_kinds() {
        let fixture = fixtures::delivered(kind.name);
        let event = event_with(kind.name, &"🚨é\n".repeat(30_000), &many_long_values());
        let (requests, _) = exchange(&fixture, &event, fixture.responses.clone()).await;
        assert!(!requests.is_empty(), "{}", kind.name);
        for request in requests {
            let is_whole = match request.headers.get("content-type") {
                Some(binary) if binary == "application/x-protobuf" => {
                    testkit::otlp::traces_as_json(&request.body).is_some()
                }
                _ => std::str::from_utf8(&request.body).is_ok(),
            };
            assert!(is_whole, "{}", kind.name);
        }
    }
}

#[tokio::test]
async fn github_dispatches_stay_below_64_kilobytes_whatever_is_in_them() {
    const LIMIT: usize = 65_535;
    for text in ["x", "é", "\n", "\"", "\u{1}", "<", "🚨"] {
        for repeats in [100, 64_000, 70_000] {
            let message = text.repeat(repeats);
            for metadata in [Vec::new(), many_long_values()] {
                let (body, bytes) = body_of("githubdispatch", &message, &metadata).await;
                assert!(bytes <= LIMIT, "{text:?} x {repeats}: {bytes}");
                let payload = &body["client_payload"];
                let shown = payload["message"].as_str().unwrap();
                let is_whole = shown == message;
                assert!(is_whole || shown.contains(MARKER));
                assert!(is_whole || repeats > 100 || !metadata.is_empty());
                assert!(
                    is_whole || !metadata.is_empty() || bytes > LIMIT - 100,
                    "{text:?} x {repeats}: {bytes}"
                );
                assert!(payload.as_object().unwrap().len() <= 10);
            }
        }
    }
}

#[tokio::test]
async fn github_dispatch_types_have_at_most_100_characters() {
    for (length, shown) in [(80, 99), (81, 100), (82, 100), (253, 100)] {
        let fixture = fixtures::delivered("githubdispatch");
        let mut event = fixture.event.clone();
        event["involvedObject"]["name"] = json!("n".repeat(length));
        let (requests, _) = exchange(&fixture, &event, fixture.responses.clone()).await;
        let body: Value = serde_json::from_slice(&requests[0].body).unwrap();
        let kind = body["event_type"].as_str().unwrap();
        assert!(kind.starts_with("Kustomization/nnn"), "{kind}");
        assert_eq!(kind.len(), shown, "{length}");
    }
}
