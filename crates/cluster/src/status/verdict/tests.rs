//! What is said of Alerts.

use api::ObjectKey;
use serde_json::{Value, json};

use super::*;
use crate::object::RawObject;

fn record(spec: &Value) -> AlertRecord {
    let object = json!({"metadata": {"name": "on-call", "namespace": "a"}, "spec": spec});
    let raw: RawObject = serde_json::from_str(&object.to_string()).unwrap();
    std::sync::Arc::into_inner(AlertRecord::read(&raw).unwrap()).unwrap()
}

fn spec(source: Value) -> Value {
    let mut source = source;
    source["kind"] = "Kustomization".into();
    source["name"] = "*".into();
    json!({"providerRef": {"name": "slack"}, "eventSources": [source]})
}

fn around<'a>(
    provider: &'a dyn Fn(&ObjectKey) -> Option<Verdict>,
    labels: &'a dyn Fn(&str) -> Option<String>,
) -> Surroundings<'a> {
    Surroundings {
        no_cross_namespace_references: true,
        provider,
        labels,
    }
}

fn reason(record: &AlertRecord, around: &Surroundings<'_>) -> &'static str {
    alert(record, around).map_or_else(|fault| fault.reason, |()| "Succeeded")
}

#[test]
fn each_thing_that_can_be_wrong_has_a_reason() {
    let fine = |key: &ObjectKey| (key.name == "slack").then_some(Ok(()));
    let nowhere = |_: &ObjectKey| None;
    let broken = |_: &ObjectKey| Some(Err(Fault::heals("SecretNotFound", "no such secret")));
    let known = |_: &str| None;
    let refused = |kind: &str| Some(format!("{kind} is forbidden"));
    let plain = record(&spec(json!({})));
    let labelled = record(&spec(json!({"matchLabels": {"team": "a"}})));

    assert_eq!(reason(&plain, &around(&fine, &refused)), "Succeeded");
    assert_eq!(reason(&labelled, &around(&fine, &known)), "Succeeded");
    assert_eq!(
        reason(&labelled, &around(&fine, &refused)),
        "LabelsUnavailable"
    );
    assert_eq!(
        reason(&plain, &around(&nowhere, &known)),
        "ProviderNotFound"
    );
    let fault = alert(&plain, &around(&broken, &known)).unwrap_err();
    assert_eq!(fault.reason, "ProviderNotReady");
    assert_eq!(
        fault.message,
        "provider `a/slack` is not ready: no such secret"
    );
    assert!(!fault.is_final, "the Alert itself is fine");
}

#[test]
fn foreign_namespaces_are_denied_where_the_operator_says_so() {
    let fine = |_: &ObjectKey| Some(Ok(()));
    let known = |_: &str| None;
    let record = record(&spec(json!({"namespace": "b"})));
    let mut around = around(&fine, &known);
    let fault = alert(&record, &around).unwrap_err();
    assert_eq!(fault.reason, "AccessDenied");
    assert!(fault.message.starts_with("spec.eventSources[0]: "));
    around.no_cross_namespace_references = false;
    assert_eq!(alert(&record, &around), Ok(()));
}

/// T45, T50.
#[test]
fn a_star_for_a_namespace_and_a_broken_expression_are_said_with_their_field() {
    let fine = |_: &ObjectKey| Some(Ok(()));
    let known = |_: &str| None;
    let around = around(&fine, &known);
    let star = alert(&record(&spec(json!({"namespace": "*"}))), &around).unwrap_err();
    assert!(star.message.starts_with("spec.eventSources[0].namespace: "));
    let mut broken = spec(json!({}));
    broken["inclusionList"] = json!(["fine", "["]);
    let fault = alert(&record(&broken), &around).unwrap_err();
    assert!(fault.message.starts_with("spec.inclusionList[1]: "));
    assert!(fault.is_final);
}

#[test]
fn messages_are_bounded() {
    let fault = Fault::heals("Misconfigured", "ü".repeat(100_000));
    assert!(fault.message.len() < 2 * LONGEST_MESSAGE);
}

/// Whoever mends one thing wants to know what else there is.
#[test]
fn all_that_is_wrong_is_named_and_beyond_three_counted() {
    let nowhere = |_: &ObjectKey| None;
    let refused = |kind: &str| Some(format!("{kind} is forbidden"));
    let around = around(&nowhere, &refused);
    let two = record(&spec(json!({"matchLabels": {"team": "a"}})));
    let fault = alert(&two, &around).unwrap_err();
    assert_eq!(fault.reason, "ProviderNotFound");
    assert!(!fault.is_final);
    let parts: Vec<&str> = fault.message.split("; ").collect();
    assert!(
        parts[0].starts_with("provider `a/slack` does not exist"),
        "{parts:?}"
    );
    assert!(
        fault.message.ends_with(
            "; spec.eventSources[0].matchLabels: labels cannot be looked up: Kustomization is forbidden"
        ),
        "{parts:?}"
    );

    let source = json!({"kind": "Kustomization", "name": "*", "namespace": "b"});
    let many = record(&json!({
        "providerRef": {"name": "slack"},
        "eventSources": vec![source; 40],
    }));
    let fault = alert(&many, &around).unwrap_err();
    assert_eq!(fault.reason, "AccessDenied");
    assert!(fault.is_final);
    for named in ["[0]: ", "[1]: ", "[2]: "] {
        assert!(fault.message.contains(named), "{}", fault.message);
    }
    assert!(!fault.message.contains("[3]"), "{}", fault.message);
    assert!(
        fault.message.ends_with("; and 38 more"),
        "{}",
        fault.message
    );
}
