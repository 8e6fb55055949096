//! Whatever an event holds, what is sent has the form and the size that its service takes.

use proptest::prelude::*;
use serde_json::Value;

use crate::any_event::event;
use crate::every_kind::exchange;
use crate::fixtures;

/// The bodies that an event leads to.
fn bodies(kind: &str, event: &Value) -> Vec<Vec<u8>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    let fixture = fixtures::delivered(kind);
    let (requests, _) = runtime.block_on(exchange(&fixture, event, Vec::new()));
    let bodies = requests.into_iter().map(|request| request.body.to_vec());
    bodies.collect()
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

fn length(value: &Value) -> usize {
    value.as_str().map_or(0, |text| text.chars().count())
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let items = value.as_array().into_iter().flatten();
    items.map(|item| item.as_str().expect("a text"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn grafana_takes_any_event(event in event()) {
        for body in bodies("grafana", &event) {
            let body = json(&body);
            let tags = texts(&body["tags"]).map(|tag| tag.len() + 3).sum::<usize>() + 1;
            prop_assert!(tags <= 500, "{}", body);
            for tag in texts(&body["tags"]) {
                let (key, value) = tag.split_once(": ").unwrap_or((tag, ""));
                prop_assert!(key.chars().count() <= 100 && value.chars().count() <= 100);
            }
            prop_assert!(body["text"].as_str().unwrap().len() <= 65_535);
        }
    }

    #[test]
    fn opsgenie_takes_any_event(event in event()) {
        for body in bodies("opsgenie", &event) {
            let body = json(&body);
            prop_assert!(length(&body["message"]) <= 130);
            prop_assert!(length(&body["description"]) <= 15_000);
            let details = body["details"].as_object().unwrap().iter();
            let details = details.map(|(key, value)| key.chars().count() + length(value));
            prop_assert!(details.sum::<usize>() <= 8_000);
        }
    }

    #[test]
    fn pagerduty_takes_any_event(event in event()) {
        for body in bodies("pagerduty", &event) {
            prop_assert!(body.len() <= 512_000);
            let body = json(&body);
            prop_assert!(length(&body["payload"]["summary"]) <= 1_024);
            prop_assert!(length(&body["dedup_key"]) <= 255);
            if body["event_action"] == "resolve" {
                prop_assert!(body["dedup_key"].is_string());
            }
        }
    }

    #[test]
    fn datadog_takes_any_event(event in event()) {
        for body in bodies("datadog", &event) {
            let body = json(&body);
            prop_assert!(length(&body["text"]) <= 4_000);
            prop_assert!(length(&body["title"]) <= 500);
            prop_assert!(texts(&body["tags"]).all(|tag| tag.chars().count() <= 200));
        }
    }

    #[test]
    fn sentry_takes_any_event(event in event()) {
        for body in bodies("sentry", &event) {
            prop_assert!(body.len() < 1 << 20);
            let text = String::from_utf8(body).unwrap();
            // Exactly three lines: whatever is in texts is escaped.
            let lines: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
            prop_assert_eq!(lines.len(), 3);
            let lengths = json(lines[1].as_bytes())["length"].as_u64().unwrap();
            prop_assert_eq!(lengths, lines[2].len() as u64);
            let item = json(lines[2].as_bytes());
            prop_assert!(length(&item["message"]) <= 8_192);
            prop_assert!(length(&item["transaction"]) <= 200);
            for value in item["tags"].as_object().into_iter().flatten() {
                prop_assert!(length(value.1) <= 200);
            }
        }
    }
}
