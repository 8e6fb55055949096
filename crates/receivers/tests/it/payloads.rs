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
