//! Messages one below, at and one above each service's limit, measured as the service measures.

use outbound::HttpRequest;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::every_kind::exchange;
use crate::fixtures;

/// Stands in every text that was cut.
const MARKER: &str = "(cut)";

/// How a service measures a request.
type Measure = fn(&HttpRequest) -> usize;

/// Type, limit, measure.
const LIMITS: [(&str, usize, Measure); 8] = [
    ("googlechat", 32_000, |request| request.body.len()),
    ("lark", 20_000, |request| request.body.len()),
    ("mattermost", 16_383, |request| {
        let attachment = &json_of(request)["attachments"][0];
        let fields = attachment["fields"].as_array().unwrap().iter();
        let fields: usize = fields
            .map(|field| characters(&field["title"]) + characters(&field["value"]))
            .sum();
        let texts = ["text", "author_name", "fallback"].map(|name| characters(&attachment[name]));
        fields + texts.iter().sum::<usize>()
    }),
    ("ntfy", 4_096, |request| {
        json_of(request)["message"].as_str().unwrap().len()
    }),
    ("ntfy", 8_192, |request| request.body.len()),
    // Escapes do not count, and nothing else in the fixture's texts has a backslash.
    ("telegram", 4_096, |request| {
        let text = json_of(request)["text"].as_str().unwrap().to_owned();
        text.replace(['\\', '*'], "").encode_utf16().count()
    }),
    ("webex", 7_439, |request| {
        json_of(request)["markdown"].as_str().unwrap().len()
    }),
    ("zulip", 10_000, |request| {
        field(request, "content").chars().count()
    }),
];

fn json_of(request: &HttpRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn characters(value: &Value) -> usize {
    value.as_str().unwrap().chars().count()
}

fn field(request: &HttpRequest, name: &str) -> String {
    let mut fields = form_urlencoded::parse(&request.body);
    fields
        .find(|(known, _)| known == name)
        .unwrap()
        .1
        .into_owned()
}

/// Everything that people see of a request, as one text.
fn shown(kind: &str, request: &HttpRequest) -> String {
    match kind {
        "zulip" => field(request, "content"),
        "telegram" => json_of(request)["text"].as_str().unwrap().replace('\\', ""),
        _ => texts_in(&json_of(request)),
    }
}

fn texts_in(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone() + "\u{0}",
        Value::Array(items) => items.iter().map(texts_in).collect(),
        Value::Object(members) => members.values().map(texts_in).collect(),
        _ => String::new(),
    }
}

async fn request_of(kind: &str, message: &str, metadata: &[(String, String)]) -> HttpRequest {
    let fixture = fixtures::delivered(kind);
    let mut event = fixture.event.clone();
    event["message"] = json!(message);
    for (key, value) in metadata {
        event["metadata"][format!("event.toolkit.fluxcd.io/{key}")] = json!(value);
    }
    let (requests, _) = exchange(&fixture, &event, fixture.responses.clone()).await;
    requests.into_iter().next().unwrap()
}

/// A message that makes the request as long as wanted; its first line, which may be shown twice, is
/// one letter.
async fn message_of(kind: &str, measure: Measure, filler: &str, wanted: usize) -> String {
    let start = "y\n".to_owned();
    let empty = measure(&request_of(kind, &start, &[]).await);
    let width = measure(&request_of(kind, &(start.clone() + filler), &[]).await) - empty;
    let missing = wanted - empty;
    start + &"x".repeat(missing % width) + &filler.repeat(missing / width)
}

#[tokio::test]
async fn messages_up_to_the_limit_are_whole_and_longer_ones_are_cut_and_marked() {
    for (kind, limit, measure) in LIMITS {
        // What JSON escapes reaches the second limit of ntfy before the first.
        let filler = if limit == 8_192 { "\u{1}" } else { "é" };
        for (wanted, is_whole) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
            let message = message_of(kind, measure, filler, wanted).await;
            let request = request_of(kind, &message, &[]).await;
            let measured = measure(&request);
            if is_whole {
                assert_eq!(measured, wanted, "{kind}");
            }
            // Cuts are between characters, so a little room can be left.
            assert!(
                (limit - 8..=limit).contains(&measured),
                "{kind} {wanted}: {measured}"
            );
            let text = shown(kind, &request);
            assert_eq!(text.contains(&message), is_whole, "{kind} {wanted}");
            assert_eq!(text.contains(MARKER), !is_whole, "{kind} {wanted}");
        }
    }
}

#[tokio::test]
async fn limits_hold_whatever_is_in_a_message_and_its_metadata() {
    let many: Vec<_> = (0..101)
        .map(|number| (format!("key-{number:03}"), "值\"".repeat(1_050)))
        .collect();
    for (kind, limit, measure) in LIMITS {
        for text in ["é", "\n", "\"", "\u{1}", "🚨", "@**all** "] {
            for metadata in [&[][..], &many[..]] {
                let message = text.repeat(40_000 / text.chars().count());
                let request = request_of(kind, &message, metadata).await;
                let measured = measure(&request);
                assert!(measured <= limit, "{kind} {text:?}: {measured}");
                assert!(shown(kind, &request).contains(MARKER), "{kind} {text:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_topic_of_zulip_is_cut_to_sixty_characters() {
    let mut fixture = fixtures::delivered("zulip");
    for length in [59, 60, 61] {
        fixture.objects[0]["spec"]["channel"] = json!(format!("ops/{}", "é".repeat(length)));
        let (requests, _) = exchange(&fixture, &fixture.event, fixture.responses.clone()).await;
        let topic = field(&requests[0], "topic");
        assert_eq!(topic, "é".repeat(length.min(60)));
    }
}
