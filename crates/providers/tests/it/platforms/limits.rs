//! Size limits of platforms: just below, at and just above them, and far beyond.

use serde_json::{Value, json};
use testkit::fixture::Fixture;

use crate::every_kind::exchange;
use crate::fixtures;

/// Stands in every long text that was cut.
const MARKER: &str = "(cut)";

/// The last body that an event leads to, as JSON lines.
async fn body_of(kind: &str, change: impl Fn(&mut Value)) -> (Value, usize) {
    let fixture: Fixture = fixtures::of(kind)
        .into_iter()
        .find(|fixture| fixture.name == "rejected")
        .unwrap();
    let mut event = fixture.event.clone();
    change(&mut event);
    let (requests, _) = exchange(&fixture, &event, Vec::new()).await;
    let body = &requests.last().unwrap().body;
    let last = std::str::from_utf8(body).unwrap().lines().last().unwrap();
    (serde_json::from_str(last).unwrap(), body.len())
}

fn metadata(key: &str) -> String {
    format!("event.toolkit.fluxcd.io/{key}")
}

fn at<'a>(body: &'a Value, path: &str) -> &'a str {
    body.pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Sets a part of the event to texts around a limit and looks at what is sent.
async fn check(kind: &str, limit: usize, sent: &str, path: &str) {
    for character in ["x", "é", "\u{1F6A8}"] {
        for length in [limit - 1, limit, limit + 1, limit * 3] {
            let text = character.repeat(length);
            let (body, _) = body_of(kind, |event| match sent.strip_prefix("metadata ") {
                Some(key) => event["metadata"][metadata(key)] = json!(text),
                None => *event.pointer_mut(sent).unwrap() = json!(text),
            })
            .await;
            let found = at(&body, path);
            let count = found.chars().count();
            if length <= limit {
                assert!(found.ends_with(&text), "{kind} {path} {length}");
            } else {
                assert_eq!(count, limit, "{kind} {path} {length}");
                let is_marked = found.contains(MARKER) || found.ends_with('…');
                assert!(is_marked, "{kind} {path} {length}");
            }
        }
    }
}

#[tokio::test]
async fn texts_up_to_the_limit_are_whole_and_longer_ones_are_marked() {
    for (kind, limit, sent, path) in [
        ("opsgenie", 15_000, "/message", "/description"),
        ("datadog", 4_000, "/message", "/text"),
        ("sentry", 8_192, "/message", "/message"),
        (
            "alertmanager",
            1_024,
            "metadata cluster",
            "/0/labels/cluster",
        ),
    ] {
        check(kind, limit, sent, path).await;
    }
}

/// Sets the object's name so that a title has these lengths.
async fn check_title(kind: &str, limit: usize, path: &str) {
    let titled = |length: usize| {
        body_of(kind, move |event| {
            event["involvedObject"]["name"] = json!("é".repeat(length));
        })
    };
    let (body, _) = titled(1).await;
    let fixed = at(&body, path).chars().count() - 1;
    for length in [
        limit - fixed - 1,
        limit - fixed,
        limit - fixed + 1,
        limit * 2,
    ] {
        let (body, _) = titled(length).await;
        let title = at(&body, path);
        let count = title.chars().count();
        assert_eq!(count, limit.min(length + fixed), "{kind} {length}");
        assert_eq!(
            title.ends_with('…'),
            length + fixed > limit,
            "{kind} {length}"
        );
    }
}

#[tokio::test]
async fn titles_are_cut_to_their_limits() {
    for (kind, limit, path) in [
        ("opsgenie", 130, "/message"),
        ("pagerduty", 1_024, "/payload/summary"),
        ("datadog", 500, "/title"),
        ("sentry", 200, "/transaction"),
    ] {
        check_title(kind, limit, path).await;
    }
}

#[tokio::test]
async fn details_of_opsgenie_have_8000_characters_in_all() {
    let total = |body: &Value| -> usize {
        let details = body["details"].as_object().unwrap().iter();
        details
            .map(|(key, value)| key.chars().count() + value.as_str().unwrap().chars().count())
            .sum()
    };
    let (body, _) = body_of("opsgenie", |event| {
        event["metadata"][metadata("long")] = json!("");
    })
    .await;
    let fixed = total(&body);
    for length in [7_999, 8_000, 8_001, 30_000] {
        let text = "é".repeat(length - fixed);
        let (body, _) = body_of("opsgenie", |event| {
            event["metadata"][metadata("long")] = json!(text);
        })
        .await;
        assert!(total(&body) <= 8_000, "{length}");
        assert_eq!(body["details"]["severity"], "error");
        let is_whole = body["details"]["long"] == json!(text) && body["details"]["…"].is_null();
        assert_eq!(is_whole, length <= 8_000, "{length}");
    }
}

#[tokio::test]
async fn a_pagerduty_event_has_512_kilobytes_whatever_is_in_it() {
    const LIMIT: usize = 512_000;
    for text in ["x", "é", "\n", "\u{1}", "\u{1F6A8}"] {
        let (_, fixed) = body_of("pagerduty", |event| event["message"] = json!("")).await;
        let each = serde_json::to_string(text).unwrap().len() - 2;
        for length in [LIMIT - each, LIMIT, LIMIT + each, LIMIT * 2] {
            let message = text.repeat((length - fixed) / each);
            let (body, bytes) =
                body_of("pagerduty", |event| event["message"] = json!(message)).await;
            assert!(bytes <= LIMIT, "{text:?} {length}: {bytes}");
            let is_whole = at(&body, "/payload/custom_details/message") == message;
            assert_eq!(is_whole, length <= LIMIT, "{text:?} {length}");
            assert!(
                is_whole || bytes > LIMIT - 100,
                "{text:?}: room is wasted: {bytes}"
            );
        }
    }
    let (body, bytes) = body_of("pagerduty", |event| {
        event["message"] = json!("m".repeat(600_000));
        for number in 0..300 {
            event["metadata"][metadata(&format!("k{number}"))] = json!("値".repeat(2_000));
        }
    })
    .await;
    assert!(bytes <= LIMIT, "{bytes}");
    let left_out = at(&body, "/payload/custom_details/metadata/…");
    assert!(left_out.contains("left out"), "{left_out}");
}

fn tags(body: &Value) -> Vec<String> {
    let tags = body["tags"].as_array().unwrap().iter();
    tags.map(|tag| tag.as_str().unwrap().to_owned()).collect()
}

/// What Grafana measures.
fn grafana_length(body: &Value) -> usize {
    tags(body).iter().map(|tag| tag.len() + 3).sum::<usize>() + 1
}

#[tokio::test]
async fn tags_of_grafana_have_500_bytes_in_all_and_parts_of_100_characters() {
    for length in [99, 100, 101] {
        let (body, _) = body_of("grafana", |event| {
            event["metadata"] = json!({metadata("k"): "é".repeat(length)});
        })
        .await;
        let tag = tags(&body)
            .into_iter()
            .find(|tag| tag.starts_with("k: "))
            .unwrap();
        let value = tag.strip_prefix("k: ").unwrap();
        assert_eq!(value.chars().count(), length.min(100));
        assert_eq!(value.ends_with('…'), length > 100);
    }
    // Values that fill the list up to a byte below its limit, to it, and over it.
    let of = |length: usize| {
        body_of("grafana", move |event| {
            event["metadata"] = json!({
                metadata("a"): "x".repeat(98),
                metadata("b"): "x".repeat(98),
                metadata("c"): "x".repeat(98),
                metadata("d"): "x".repeat(length),
            });
        })
    };
    let (body, _) = of(1).await;
    let fixed = grafana_length(&body) - 1;
    for length in [499, 500, 501] {
        let (body, _) = of(length - fixed).await;
        assert!(grafana_length(&body) <= 500, "{length}");
        let is_whole = !tags(&body).iter().any(|tag| tag.contains("left out"));
        assert_eq!(is_whole, length <= 500, "{length}");
    }
    let (body, _) = body_of("grafana", |event| {
        for number in 0..50 {
            event["metadata"][metadata(&format!("k{number}"))] = json!("value");
        }
    })
    .await;
    assert!(grafana_length(&body) <= 500);
    assert!(tags(&body).iter().any(|tag| tag.contains("left out")));
    assert!(tags(&body).contains(&"kind: Kustomization".to_owned()));
}

#[tokio::test]
async fn tags_of_datadog_have_200_characters() {
    for length in [199, 200, 201, 5_000] {
        let text = "é".repeat(length - "cluster:".len());
        let (body, _) = body_of("datadog", |event| {
            event["metadata"][metadata("cluster")] = json!(text);
        })
        .await;
        let tags = tags(&body);
        let tag = tags.iter().find(|tag| tag.starts_with("cluster:")).unwrap();
        assert_eq!(tag.chars().count(), length.min(200));
        assert_eq!(tag.ends_with('…'), length > 200);
    }
}

#[tokio::test]
async fn an_item_of_sentry_stays_below_a_mebibyte() {
    for severity in ["error", "info"] {
        let (body, bytes) = body_of("sentry", |event| {
            event["severity"] = json!(severity);
            event["message"] = json!("\u{1}".repeat(500_000));
            for number in 0..5_000 {
                event["metadata"][metadata(&format!("k{number}"))] = json!("\u{1}".repeat(1_000));
            }
        })
        .await;
        assert!(bytes < 1 << 20, "{severity}: {bytes}");
        let metadata = if severity == "error" {
            &body["contexts"]["metadata"]
        } else {
            &body["tags"]
        };
        assert!(metadata["…"].as_str().unwrap().contains("left out"));
    }
    for length in [199, 200, 201] {
        let (body, _) = body_of("sentry", |event| {
            event["severity"] = json!("info");
            event["metadata"][metadata("cluster")] = json!("é".repeat(length));
        })
        .await;
        let value = body["tags"]["cluster"].as_str().unwrap();
        assert_eq!(value.chars().count(), length.min(200));
        assert_eq!(body["spans"][0]["tags"], body["tags"]);
    }
}
