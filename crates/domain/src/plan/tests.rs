//! Planning: which Alerts get a delivery, and why the others do not. Mostly the vectors of
//! `event-server.md` sections 5.6 and 7.

use std::collections::HashMap;

use api::{Alert, Event, EventSource, ObjectReference, Problem, Provider};
use serde_json::{Value, json};

use super::*;
use crate::ports::KindDirectory;
use crate::provider::{Capabilities, Family, Progressing, ValidProvider};

const COMMIT: &str = "a1afe267b54f38b46b487f6e938a6fd508278c07";

struct Kinds;

impl KindDirectory for Kinds {
    fn names(&self) -> Vec<&'static str> {
        vec!["chat", "pending", "status"]
    }

    fn capabilities(&self, kind: &str) -> Option<Capabilities> {
        let chat = Capabilities {
            family: Family::Chat,
            commit_status_updates: false,
            commit_status: false,
            change_request: false,
            progressing: Progressing::Sent,
            expires: true,
            skipped_kinds: &[],
        };
        let status = Capabilities {
            family: Family::CommitStatus,
            commit_status_updates: true,
            commit_status: true,
            progressing: Progressing::Skipped,
            expires: false,
            ..chat
        };
        match kind {
            "chat" => Some(chat),
            "incidents" => Some(Capabilities {
                family: Family::Incident,
                progressing: Progressing::Skipped,
                expires: false,
                ..chat
            }),
            "status" => Some(status),
            "pending" => Some(Capabilities {
                progressing: Progressing::Sent,
                ..status
            }),
            _ => None,
        }
    }

    fn check(&self, _: &Provider) -> Vec<Problem> {
        Vec::new()
    }
}

fn provider(name: &str, spec: &Value) -> (ObjectKey, ProviderEntry) {
    let object = json!({"metadata": {"namespace": "apps", "name": name, "uid": "0c9c2e41-d2f9"}, "spec": spec});
    let provider = Provider::from_object(Arc::new(object));
    let validated = ValidProvider::validate(&provider, &Kinds);
    let entry = match validated.value {
        Some(valid) => ProviderEntry::Valid(Arc::new(valid)),
        None => ProviderEntry::Invalid(Arc::new(validated.problems)),
    };
    (ObjectKey::new("apps", name), entry)
}

fn alert(name: &str, spec: impl Into<Value>) -> Arc<ValidAlert> {
    let spec = spec.into();
    let object = json!({"metadata": {"namespace": "apps", "name": name}, "spec": spec});
    let validated = ValidAlert::validate(&Alert::from_object(Arc::new(object)));
    Arc::new(validated.value.expect("a usable alert"))
}

fn on(provider: &str, extra: Value) -> Value {
    let mut spec = json!({
        "providerRef": {"name": provider},
        "eventSources": [{"kind": "Kustomization", "name": "*"}],
    });
    if let (Some(spec), Value::Object(extra)) = (spec.as_object_mut(), extra) {
        spec.extend(extra);
    }
    spec
}

fn snapshot(alerts: Vec<Arc<ValidAlert>>) -> CatalogSnapshot {
    let providers: HashMap<_, _> = [
        provider("chat", &json!({"type": "chat"})),
        provider("off", &json!({"type": "chat", "suspend": true})),
        provider("status", &json!({"type": "status"})),
        provider("incidents", &json!({"type": "incidents"})),
        provider("pending", &json!({"type": "pending"})),
        provider("broken", &json!({"type": "nonsense"})),
    ]
    .into();
    CatalogSnapshot::new(alerts, providers)
}

fn event(change: impl FnOnce(&mut Event)) -> CleanEvent {
    let mut event = Event {
        involved_object: ObjectReference {
            kind: "Kustomization".into(),
            namespace: "apps".into(),
            name: "webapp".into(),
            api_version: "kustomize.toolkit.fluxcd.io/v1".into(),
            ..ObjectReference::default()
        },
        severity: "info".into(),
        message: "some excluded message".into(),
        reason: "ReconciliationSucceeded".into(),
        ..Event::default()
    };
    change(&mut event);
    CleanEvent::from_wire(event).unwrap().0
}

fn planned(event: &CleanEvent, snapshot: &CatalogSnapshot) -> Plan {
    plan(
        Position(7),
        event,
        Timestamp::UNIX_EPOCH,
        snapshot,
        &Labels::NotAsked,
        Rules::default(),
    )
}

/// What became of the only Alert: a delivery, or the label of a reason.
fn outcome(event: &CleanEvent, spec: Value) -> String {
    let plan = planned(event, &snapshot(vec![alert("a", spec)]));
    match (plan.deliveries.len(), plan.dispositions.counts.len()) {
        (1, 0) => "delivery".to_owned(),
        (0, 1) => plan
            .dispositions
            .counts
            .into_keys()
            .next()
            .unwrap_or_default(),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_alert_ends_in_a_delivery_or_a_named_reason() {
    let plain = event(|_| {});
    for (spec, expected) in [
        (json!({}), "delivery"),
        (json!({"suspend": true}), "alert_suspended"),
        (json!({"eventSeverity": "error"}), "not_selected"),
        (json!({"inclusionList": ["some"]}), "delivery"),
        (
            json!({"inclusionList": ["some unmatched inclusion"]}),
            "not_selected",
        ),
        (json!({"inclusionList": ["^e?xcluded"]}), "not_included"),
        (json!({"inclusionList": ["["]}), "not_selected"),
        (json!({"exclusionList": ["excluded message"]}), "excluded"),
        (json!({"exclusionList": ["["]}), "delivery"),
        (
            json!({"inclusionList": ["excluded message"], "exclusionList": ["excluded message"]}),
            "excluded",
        ),
        (json!({"eventSources": []}), "(0, 0)"),
        (
            json!({"eventSources": [{"kind": "Kustomization", "name": "web*"}]}),
            "not_selected",
        ),
        (
            json!({"eventSources": [{"kind": "Kustomization", "name": "webapp"}]}),
            "delivery",
        ),
        (
            json!({"eventSources": [{"kind": "KUSTOMIZATION", "name": "*"}]}),
            "not_selected",
        ),
        (
            json!({"eventSources": [{"kind": "Kustomization", "name": "*", "matchLabels": {"a": "b"}}]}),
            "labels_unknown",
        ),
    ] {
        assert_eq!(
            outcome(&plain, on("chat", spec.clone())),
            expected,
            "{spec}"
        );
    }
}

#[test]
fn providers_take_what_their_type_is_for() {
    let plain = event(|_| {});
    let update = event(|event| {
        let key = "kustomize.toolkit.fluxcd.io/commit_status";
        event.metadata.insert(key.into(), "update".into());
        let key = "kustomize.toolkit.fluxcd.io/revision";
        event
            .metadata
            .insert(key.into(), format!("main@sha1:{COMMIT}"));
    });
    let failed = |metadata: Option<&str>| {
        event(|event| {
            event.severity = "error".into();
            if let Some(revision) = metadata {
                let key = "kustomize.toolkit.fluxcd.io/revision";
                event.metadata.insert(key.into(), revision.into());
            }
        })
    };
    let for_status = |event: &CleanEvent| outcome(event, on("status", json!({})));
    assert_eq!(outcome(&plain, on("off", json!({}))), "provider_suspended");
    assert_eq!(
        outcome(&update, on("chat", json!({}))),
        "commit_status_update"
    );
    assert_eq!(for_status(&plain), "no_commit_metadata");
    assert_eq!(for_status(&update), "delivery");
    // T37: failures without commit metadata still fail the commit, if there is one.
    assert_eq!(for_status(&failed(Some(COMMIT))), "delivery");
    assert_eq!(for_status(&failed(Some("6.5.4"))), "no_commit");
    assert_eq!(for_status(&failed(None)), "no_commit");
}

/// T41.
#[test]
fn what_is_still_under_way_is_no_success() {
    for reason in ["Progressing", "DependencyNotReady", "HealthCheckCanceled"] {
        let pending = event(|event| {
            event.reason = reason.into();
            event
                .metadata
                .insert("event.toolkit.fluxcd.io/commit".into(), COMMIT.into());
        });
        assert_eq!(
            outcome(&pending, on("status", json!({}))),
            "not_final",
            "{reason}"
        );
        assert_eq!(
            outcome(&pending, on("chat", json!({}))),
            "delivery",
            "{reason}"
        );
        // Where the host has a state for it, `Progressing` is told, and nothing else that is open.
        let expected = if reason == "Progressing" {
            "delivery"
        } else {
            "not_final"
        };
        assert_eq!(outcome(&pending, on("pending", json!({}))), expected);
    }
}

#[test]
fn a_type_that_skips_progressing_takes_everything_else() {
    let outcome_of = |reason: &str| {
        let event = event(|event| event.reason = reason.into());
        outcome(&event, on("incidents", json!({})))
    };
    assert_eq!(outcome_of("Progressing"), "not_final");
    // The reference compares the whole reason.
    for reason in ["ProgressingWithRetry", "DependencyNotReady", "Succeeded"] {
        assert_eq!(outcome_of(reason), "delivery", "{reason}");
    }
}

/// T44: nothing is lost because a Provider is not there yet.
#[test]
fn missing_and_broken_providers_still_get_their_delivery() {
    for name in ["missing", "broken"] {
        let plan = planned(
            &event(|_| {}),
            &snapshot(vec![alert("a", on(name, json!({})))]),
        );
        assert_eq!(plan.deliveries[0].content.kind, "");
        assert_eq!(plan.deliveries[0].provider, ObjectKey::new("apps", name));
    }
}

#[test]
fn the_status_id_is_kind_name_and_the_first_group_of_the_uid() {
    let failed = event(|event| {
        event.severity = "error".into();
        event
            .metadata
            .insert("event.toolkit.fluxcd.io/commit".into(), COMMIT.into());
    });
    let plan = planned(
        &failed,
        &snapshot(vec![alert("a", on("status", json!({})))]),
    );
    let status = plan.deliveries[0].content.commit_status.clone().unwrap();
    assert_eq!(status.id, "kustomization/webapp/0c9c2e41");
    assert_eq!(status.commit, COMMIT);
}

#[test]
fn cross_namespace_references_can_be_blocked() {
    let elsewhere = event(|event| event.involved_object.namespace = "other".into());
    let alert = alert(
        "a",
        on(
            "chat",
            json!({"eventSources": [{"kind": "Kustomization", "name": "*", "namespace": "other"}]}),
        ),
    );
    let snapshot = snapshot(vec![alert]);
    assert_eq!(planned(&elsewhere, &snapshot).deliveries.len(), 1);
    let rules = Rules {
        no_cross_namespace_references: true,
    };
    let blocked = plan(
        Position(1),
        &elsewhere,
        Timestamp::UNIX_EPOCH,
        &snapshot,
        &Labels::NotAsked,
        rules,
    );
    assert_eq!(blocked.dispositions.counts["cross_namespace"], 1);
}

#[test]
fn deliveries_of_one_object_share_a_lane_and_those_of_another_do_not() {
    let snapshot = snapshot(vec![alert("a", on("chat", json!({})))]);
    let lane = |event: &CleanEvent| planned(event, &snapshot).deliveries[0].lane;
    let first = lane(&event(|_| {}));
    let second = lane(&event(|event| event.severity = "error".into()));
    let other = lane(&event(|event| event.involved_object.name = "api".into()));
    assert_eq!(first, second);
    assert_ne!(first, other);
}

/// A comment of a Provider about an object must not be written by two deliveries at once.
#[test]
fn what_several_alerts_send_to_one_provider_about_an_object_shares_a_lane() {
    let alerts = ["a", "b"].map(|name| alert(name, on("chat", json!({}))));
    let plan = planned(&event(|_| {}), &snapshot(alerts.into()));
    let [first, second] = plan.deliveries.as_slice() else {
        panic!("two deliveries expected");
    };
    assert_eq!(first.lane, second.lane);
}

#[test]
fn planning_twice_gives_the_same_deliveries() {
    let alerts = || {
        vec![
            alert("b", on("chat", json!({}))),
            alert("a", on("chat", json!({}))),
        ]
    };
    let first = planned(&event(|_| {}), &snapshot(alerts()));
    let second = planned(
        &event(|_| {}),
        &snapshot(alerts().into_iter().rev().collect()),
    );
    assert_eq!(first.deliveries, second.deliveries);
    assert_eq!(first.deliveries[1].id.to_string(), "7.1");
    assert_eq!(first.deliveries[0].alert.name, "a");
}

#[test]
fn the_index_finds_what_evaluating_every_alert_finds() {
    let mut alerts = Vec::new();
    for number in 0..200 {
        let spec = match number % 5 {
            0 => json!({"inclusionList": [format!("text {number} ")]}),
            1 => {
                json!({"eventSources": [{"kind": "Kustomization", "name": format!("app-{number}")}]})
            }
            2 => json!({"eventSeverity": "error"}),
            3 => json!({"inclusionList": ["(?i)TEXT", "other"]}),
            _ => json!({"eventSources": [{"kind": "HelmRelease", "name": "*"}]}),
        };
        alerts.push(alert(&format!("a{number:03}"), on("chat", spec)));
    }
    let snapshot = snapshot(alerts);
    for (name, severity, message) in [
        ("app-1", "info", "text 5 "),
        ("app-6", "error", "text 50 x"),
        ("x", "info", "nothing"),
        ("app-196", "error", "Text text 195 "),
    ] {
        let event = event(|event| {
            event.involved_object.name = name.into();
            event.severity = severity.into();
            event.message = message.into();
        });
        let indexed: Vec<_> = planned(&event, &snapshot)
            .deliveries
            .into_iter()
            .map(|found| found.alert)
            .collect();
        let all: Vec<_> = snapshot
            .alerts()
            .iter()
            .filter(|alert| {
                matching::evaluate(&event, alert, &Labels::NotAsked) == MatchResult::Match
            })
            .map(|alert| alert.key.clone())
            .collect();
        assert_eq!(indexed, all, "{name} {severity} {message}");
    }
}

#[test]
fn labels_decide_where_they_are_asked_for() {
    let source = EventSource {
        kind: "Kustomization".into(),
        name: "*".into(),
        namespace: "apps".into(),
        match_labels: Some([("app".to_owned(), "web".to_owned())].into()),
    };
    let alert = ValidAlert {
        sources: vec![source],
        ..ValidAlert::default()
    };
    let with = |labels: &[(&str, &str)]| {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()));
        matching::evaluate(&event(|_| {}), &alert, &Labels::Known(labels.collect()))
    };
    assert_eq!(with(&[("app", "web"), ("x", "y")]), MatchResult::Match);
    assert_eq!(
        with(&[("app", "api")]),
        MatchResult::NoMatch(NoMatchReason::Labels)
    );
    assert_eq!(with(&[]), MatchResult::NoMatch(NoMatchReason::Labels));
}

#[test]
fn explaining_gives_the_exact_reason_where_planning_only_counts() {
    let alerts = vec![
        alert("a", on("chat", json!({}))),
        alert("b", on("chat", json!({"eventSeverity": "error"}))),
        alert("c", on("off", json!({}))),
        alert("d", on("missing", json!({}))),
        alert("e", on("chat", json!({"inclusionList": ["absent text"]}))),
    ];
    let explanations = explain::explain(
        &event(|_| {}),
        &snapshot(alerts),
        &Labels::NotAsked,
        Rules::default(),
        Timestamp::UNIX_EPOCH,
    );
    let found: Vec<_> = explanations
        .iter()
        .map(|found| (found.verdict, found.reason))
        .collect();
    assert_eq!(
        found,
        [
            (explain::Verdict::Delivers, "delivery"),
            (explain::Verdict::NoMatch, "severity"),
            (explain::Verdict::Dropped, "provider_suspended"),
            (explain::Verdict::Waits, "delivery"),
            (explain::Verdict::NoMatch, "not_included"),
        ]
    );
}
