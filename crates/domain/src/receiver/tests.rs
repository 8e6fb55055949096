//! What checking a Receiver finds.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

fn check(spec: &Value) -> CheckedReceiver {
    let object = json!({"metadata": {"name": "hook", "namespace": "apps"}, "spec": spec});
    ValidReceiver::validate(
        &Receiver::from_object(Arc::new(object)),
        ReceiverRules::default(),
    )
}

fn errors(checked: &CheckedReceiver) -> Vec<String> {
    let problems = checked.validated.problems.iter();
    problems
        .filter(|problem| problem.is_error())
        .map(ToString::to_string)
        .collect()
}

fn github() -> Value {
    json!({
        "type": "github",
        "secretRef": {"name": "token"},
        "resources": [{"kind": "GitRepository", "name": "app"}],
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut spec = github();
    spec[field] = value;
    spec
}

#[test]
fn a_usual_receiver_can_be_served() {
    let checked = check(&github());
    assert_eq!(checked.validated.problems, []);
    let receiver = checked.validated.value.unwrap();
    assert_eq!(receiver.interval, DEFAULT_INTERVAL);
    assert_eq!(receiver.secret, Some(ObjectKey::new("apps", "token")));
    assert!(!receiver.has_filters());
    assert!(receiver.takes_event("anything"));
}

#[test]
fn a_duration_that_no_type_holds_concerns_that_object_only() {
    let checked = check(&with("interval", json!("9999999999h")));
    assert_eq!(
        errors(&checked),
        ["spec.interval: the duration `9999999999h` is too long"]
    );
    let fault = checked.fault.unwrap();
    assert_eq!(fault.reason, FaultReason::ValidationFailed);
    assert!(fault.detail.contains("too long"));
}

#[test]
fn the_first_fault_is_the_one_that_the_reference_names() {
    let mut spec = with("resourceFilter", json!("1 + 1"));
    spec["secretRef"] = Value::Null;
    let checked = check(&spec);
    assert_eq!(
        checked.fault.unwrap().detail,
        "invalid resourceFilter expression: CEL expression output type mismatch: expected bool, got int"
    );
}

#[test]
fn filters_of_entries_are_named_with_their_entry() {
    let checked = check(&with(
        "resources",
        json!([{"kind": "GitRepository", "name": "a"},
               {"kind": "GitRepository", "name": "b", "filter": "claims.sub == 'x'"}]),
    ));
    assert!(checked.fault.unwrap().detail.starts_with(
        "invalid filter expression for resources[1] (kind=\"GitRepository\", name=\"b\"): "
    ));
}

#[test]
fn the_same_defect_is_told_once() {
    let checked = check(&json!({"type": "generic", "resources": []}));
    assert_eq!(
        errors(&checked),
        ["spec.secretRef: secretRef is required when type is not generic-oidc"]
    );
    let checked = check(
        &json!({"type": "generic-oidc", "resources": [], "oidcProviders": [
        {"issuerURL": "example.com", "validations": [{"expression": "true", "message": "m"}]}]}),
    );
    assert_eq!(
        errors(&checked),
        ["spec.oidcProviders[0].issuerURL: must start with http:// or https://"]
    );
}

#[test]
fn a_receiver_without_spec_is_a_fault_and_no_panic() {
    let object = json!({"metadata": {"name": "hook", "namespace": "apps"}});
    let receiver = Receiver::from_object(Arc::new(object));
    let checked = ValidReceiver::validate(&receiver, ReceiverRules::default());
    assert!(checked.validated.value.is_none());
    assert_eq!(
        checked.fault.unwrap().detail,
        "secretRef is required when type is not generic-oidc"
    );
}

#[test]
fn entries_that_never_work_are_pointed_out_and_spoil_nothing() {
    let checked = check(&with(
        "resources",
        json!([{"kind": "GitRepository", "name": "*"},
               {"kind": "Bucket", "name": "b", "matchLabels": {"a": "b"}},
               {"kind": "Bucket", "name": "c"}]),
    ));
    let receiver = checked.validated.value.unwrap();
    assert_eq!(
        receiver
            .targets
            .iter()
            .filter(|target| target.is_ok())
            .count(),
        2
    );
    let paths: Vec<_> = checked
        .validated
        .problems
        .iter()
        .map(|problem| (problem.path.as_str(), problem.is_error()))
        .collect();
    assert_eq!(
        paths,
        [
            ("spec.resources[0].matchLabels", false),
            ("spec.resources[1].matchLabels", false),
        ]
    );
}

#[test]
fn kinds_that_flux_does_not_reconcile_are_refused() {
    let checked = check(&with(
        "resources",
        json!([{"kind": "GitRepository", "name": "a"}, {"kind": "Deployment", "name": "x"}]),
    ));
    let problem = checked.validated.problems.first().unwrap();
    assert_eq!(problem.path, "spec.resources[1].kind");
    assert!(problem.is_error());
}

#[test]
fn events_are_compared_without_case_as_go_does() {
    let checked = check(&with("events", json!(["Push", "ticket", ""])));
    let receiver = checked.validated.value.unwrap();
    for (event, taken) in [
        ("push", true),
        ("PUSH", true),
        ("tic\u{212a}et", true),
        ("", true),
        ("pushed", false),
    ] {
        assert_eq!(receiver.takes_event(event), taken, "{event}");
    }
}

#[test]
fn events_of_a_type_that_ignores_them_are_a_warning() {
    let mut spec = with("events", json!(["push"]));
    spec["type"] = json!("harbor");
    let problems = check(&spec).validated.problems;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].path, "spec.events");
}
