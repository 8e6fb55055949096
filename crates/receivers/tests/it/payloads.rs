//! Real payloads of GitHub, as the recordings hold them, in both of its content types.

use serde_json::{Value, json};

use crate::support::{Setting, TOKEN, call, github, signature, spec};

/// Recorded cases whose payloads are GitHub's own.
fn real() -> Vec<(String, String, String)> {
    let path = testkit::corpus::path("incoming/receivers/github.json");
    let recording: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = recording["cases"].as_array().unwrap().iter();
    cases
        .filter(|case| case["name"].as_str().unwrap().starts_with("real-"))
        .map(|case| {
            let request = &case["requests"][0];
            let headers = request["headers"].as_array().unwrap();
            let event = headers
                .iter()
                .find(|pair| pair[0] == "X-GitHub-Event")
                .map(|pair| pair[1].as_str().unwrap().to_owned());
            let body = request["body"].as_str().unwrap().to_owned();
            (
                case["name"].as_str().unwrap().to_owned(),
                event.unwrap(),
                body,
            )
        })
        .collect()
}

#[tokio::test]
async fn real_payloads_are_seen_by_filters_in_both_content_types() {
    let payloads = real();
    assert!(payloads.len() >= 5);
    for (name, event, body) in payloads {
        let repository: Value = serde_json::from_str(&body).unwrap();
        let full_name = repository["repository"]["full_name"].as_str().unwrap();
        let mut spec = spec(&json!([{"kind": "GitRepository", "name": "app"}]));
        spec["events"] = json!([event]);
        spec["resourceFilter"] = json!(format!("req.repository.full_name == '{full_name}'"));
        let setting = Setting::new(&spec);
        assert_eq!(
            setting.call(github(&event, "1", &body)).await,
            200,
            "{name}"
        );
        assert_eq!(setting.outside.requested(), ["app"], "{name}");

        let setting = Setting::new(&spec);
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &body)
            .finish();
        let encoded = call(
            &[
                ("content-type", "application/x-www-form-urlencoded"),
                ("x-github-event", &event),
                ("x-hub-signature-256", &signature(TOKEN, &form)),
            ],
            &form,
        );
        assert_eq!(setting.call(encoded).await, 200, "{name}");
        assert_eq!(setting.outside.requested(), ["app"], "{name}");
    }
}

/// Examples that people sent to the octokit project, at least one for every event of GitHub; each the
/// name of the event and the body.
fn examples() -> Vec<(String, Value, String)> {
    let path = testkit::corpus::path("incoming/github-payloads/payloads.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let mut example: Value = serde_json::from_str(line).unwrap();
            let event = example["event"].as_str().unwrap().to_owned();
            let payload = example["payload"].take();
            let body = payload.to_string();
            (event, payload, body)
        })
        .collect()
}

/// An expression that holds for this payload: what it says of its action, its repository, and how
/// many members it has.
fn description(payload: &Value) -> String {
    let quoted = |value: &Value| value.as_str().map(|text| Value::from(text).to_string());
    let optional = |path: &str, value: Option<String>| match value {
        Some(text) => format!("req.{path} == {text}"),
        None => format!("!req.?{}.hasValue()", path.replace('.', ".?")),
    };
    [
        optional("action", quoted(&payload["action"])),
        optional(
            "repository.full_name",
            quoted(&payload["repository"]["full_name"]),
        ),
        format!("req.size() == {}", payload.as_object().unwrap().len()),
        "res.metadata.name == 'app'".to_owned(),
    ]
    .join(" && ")
}

#[tokio::test]
async fn every_event_of_github_is_verified_and_read_and_filtered() {
    let examples = examples();
    let events: std::collections::BTreeSet<&str> = examples
        .iter()
        .map(|(event, _, _)| event.as_str())
        .collect();
    assert!(examples.len() >= 150 && events.len() >= 55);
    for (number, (event, payload, body)) in examples.iter().enumerate() {
        let words = format!("{number}: {event} {}", payload["action"]);
        let mut spec = spec(&json!([{"kind": "GitRepository", "name": "app"}]));
        spec["events"] = json!([event]);
        spec["resourceFilter"] = json!(description(payload));
        let setting = Setting::new(&spec);
        let mut forged = github(event, "0", body);
        forged.body = format!("{body} ").into();
        assert_eq!(setting.call(forged).await, 400, "{words}");
        assert_eq!(setting.call(github(event, "1", body)).await, 200, "{words}");
        assert_eq!(setting.outside.requested(), ["app"], "{words}");

        // The filter says no.
        spec["resourceFilter"] = json!(format!("!({})", description(payload)));
        let setting = Setting::new(&spec);
        assert_eq!(setting.call(github(event, "1", body)).await, 200, "{words}");
        assert!(setting.outside.requested().is_empty(), "{words}");

        // Another event is wanted.
        spec["events"] = json!(["nothing", format!("{event}s")]);
        let setting = Setting::new(&spec);
        assert_eq!(setting.call(github(event, "1", body)).await, 200, "{words}");
        assert!(setting.outside.requested().is_empty(), "{words}");
    }
}
