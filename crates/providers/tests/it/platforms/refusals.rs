//! A Provider that cannot work says so before anything is sent, and a failed delivery says the same.

use std::sync::Arc;

use api::Provider;
use domain::Outcome;
use domain::ValidProvider;
use domain::delivery::FailureClass;
use providers::Directory;
use serde_json::{Value, json};
use testkit::{MovableClock, ScriptedTransport};

use crate::bench::Bench;
use crate::fixtures;

fn provider(spec: &Value) -> Value {
    json!({
        "kind": "Provider",
        "metadata": {"namespace": "apps", "name": "target", "uid": "0c9c2e41"},
        "spec": spec,
    })
}

/// The first problem of a Provider, as `fanfare check` finds it: field and message.
fn problem_of(spec: &Value) -> (String, String) {
    let provider = Provider::from_object(Arc::new(provider(spec)));
    let validated = ValidProvider::validate(&provider, &Directory);
    assert!(validated.value.is_none(), "{spec} passed");
    let problem = &validated.problems[0];
    (problem.path.clone(), problem.message.clone())
}

/// What a delivery fails with when everything stands in the Secret.
async fn failure_of(spec: &Value, secret: &Value) -> String {
    let mut spec = spec.clone();
    spec["secretRef"] = json!({"name": "credentials"});
    let secret = json!({
        "kind": "Secret",
        "metadata": {"namespace": "apps", "name": "credentials"},
        "stringData": secret,
    });
    let clock = Arc::new(MovableClock::default());
    let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
    let objects = [provider(&spec), secret];
    let bench = Bench::new(&objects, Arc::clone(&transport) as _, clock);
    let kind = spec["type"].as_str().unwrap();
    let Outcome::Failed(failure) = bench.send(&fixtures::delivered(kind).event).await else {
        panic!("{spec} was sent");
    };
    assert_eq!(failure.class, FailureClass::Misconfigured, "{spec}");
    assert!(transport.sent().is_empty(), "{spec}");
    failure.detail
}

#[tokio::test]
async fn a_check_and_a_failed_delivery_say_the_same_about_addresses() {
    const SECRET: &str = "MARKEDSECRET";
    for kind in [
        "alertmanager",
        "grafana",
        "opsgenie",
        "pagerduty",
        "datadog",
        "sentry",
    ] {
        let mut wrong = vec![
            format!("{SECRET}.example.com"),
            format!("ftp://{SECRET}.example.com"),
            format!("https://{SECRET}:port/"),
        ];
        if kind != "datadog" {
            wrong.push(String::new());
        }
        if kind == "sentry" {
            wrong.push(format!("https://{SECRET}.example.com/1"));
            wrong.push(format!("https://{SECRET}@example.com/"));
        }
        for address in wrong {
            // The key is there in both cases, so that the address is what is wrong.
            let spec = json!({"type": kind, "address": address, "channel": "key"});
            let with_secret = json!({"type": kind, "address": address, "channel": "key",
                "secretRef": {"name": "credentials"}});
            let checked = if address.is_empty() {
                &spec
            } else {
                &with_secret
            };
            let (path, message) = problem_of(checked);
            assert_eq!(path, "spec.address", "{kind} {address}");
            assert!(!message.contains(SECRET), "{kind}: {message}");
            let secret = json!({"address": address, "token": "key"});
            let detail = failure_of(&json!({"type": kind, "channel": "key"}), &secret).await;
            let expected = format!("provider `apps/target`: {message}");
            assert_eq!(detail, expected, "{kind} {address}");
        }
    }
}

#[tokio::test]
async fn a_check_and_a_failed_delivery_say_the_same_about_missing_keys() {
    for (kind, path) in [
        ("opsgenie", "spec.secretRef"),
        ("datadog", "spec.secretRef"),
        ("pagerduty", "spec.channel"),
    ] {
        let spec = json!({"type": kind, "address": "https://x.example.com/v2/alerts"});
        let (found, message) = problem_of(&spec);
        assert_eq!(found, path, "{kind}");
        assert!(message.contains("key `token` of the Secret"), "{message}");
        for secret in [json!({}), json!({"token": " \n"})] {
            let detail = failure_of(&spec, &secret).await;
            let expected = format!("provider `apps/target`: {message}");
            assert_eq!(detail, expected, "{kind}");
        }
    }
}

#[test]
fn what_is_probably_wrong_is_a_warning() {
    let warning_of = |spec: &Value| {
        let provider = Provider::from_object(Arc::new(provider(spec)));
        let validated = ValidProvider::validate(&provider, &Directory);
        assert!(validated.value.is_some(), "{spec} is refused");
        validated
            .problems
            .first()
            .map(|problem| problem.path.clone())
    };
    let secret = json!({"name": "credentials"});
    for (kind, address, is_wrong) in [
        (
            "alertmanager",
            "http://alertmanager:9093/api/v1/alerts/",
            true,
        ),
        (
            "alertmanager",
            "http://alertmanager:9093/api/v2/alerts/",
            false,
        ),
        ("datadog", "https://app.datadoghq.eu", true),
        ("datadog", "https://api.datadoghq.eu", false),
    ] {
        let spec = json!({"type": kind, "address": address, "secretRef": secret});
        let expected = is_wrong.then(|| "spec.address".to_owned());
        assert_eq!(warning_of(&spec), expected, "{address}");
    }
}
