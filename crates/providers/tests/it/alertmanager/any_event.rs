//! Whatever an event holds, Alertmanager takes the alert.
//!
//! The rules are those of the documentation: names of labels and annotations
//! (<https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels>), values in UTF-8, at
//! least one label with a value, times in RFC 3339, and no end before its beginning
//! (<https://prometheus.io/docs/alerting/latest/alerts_api/>).

use std::sync::Arc;

use domain::Outcome;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use testkit::{Alertmanager, MovableClock, ScriptedTransport};

use super::{bench, deliver, firing};
use crate::any_event::event;
use crate::bench::{Bench, describe};
use crate::fixtures;

/// How many events a real server is sent.
const SENT_FOR_REAL: usize = 60;

fn is_valid_name(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next();
    first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|one| one.is_ascii_alphanumeric() || one == '_')
}

/// What Alertmanager would say against an alert.
fn objections(alert: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for part in ["labels", "annotations"] {
        for (name, value) in alert[part].as_object().unwrap() {
            if !is_valid_name(name) {
                found.push(format!("{part}: `{name}` is no name"));
            }
            if !value.is_string() {
                found.push(format!("{part}: {name} is no text"));
            }
        }
    }
    let labels = alert["labels"].as_object().unwrap();
    if labels.values().all(|value| value == "") {
        found.push("no label has a value".to_owned());
    }
    if !labels["alertname"].as_str().unwrap().starts_with("Flux") {
        found.push("alertname".to_owned());
    }
    let time = |member: &str| -> Option<Timestamp> {
        let text = alert[member].as_str().unwrap();
        (text != "0001-01-01T00:00:00Z").then(|| text.parse().unwrap())
    };
    if let (Some(from), Some(to)) = (time("startsAt"), time("endsAt"))
        && to < from
    {
        found.push(format!("it ends at {to}, before it begins at {from}"));
    }
    found
}

/// The alerts that each event leads to.
fn alerts_of(events: &[Value]) -> Vec<Vec<Value>> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(MovableClock::default());
        let transport = Arc::new(ScriptedTransport::new(Arc::clone(&clock), Vec::new()));
        let objects = fixtures::delivered("alertmanager").objects;
        let bench = Bench::new(&objects, Arc::clone(&transport) as _, clock);
        for event in events {
            let outcome = bench.settle(event).await;
            let said = describe(&outcome);
            assert!(matches!(outcome, Outcome::Delivered(_)), "{said}");
        }
        let bodies = transport.sent().into_iter().map(|sent| sent.request.body);
        bodies
            .map(|body| serde_json::from_slice(&body).expect("UTF-8 and JSON"))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn alertmanager_has_no_objection_to_any_event(
        events in proptest::collection::vec(event(), 1..5),
    ) {
        let mut fired: Vec<Value> = Vec::new();
        for (event, alerts) in events.iter().zip(alerts_of(&events)) {
            for alert in &alerts {
                prop_assert_eq!(objections(alert), Vec::<String>::new());
            }
            let (own, resolved) = alerts.split_first().unwrap();
            prop_assert_eq!(&own["status"], "firing");
            let metadata = event["metadata"].as_object().unwrap().len();
            let shown = ["labels", "annotations"].map(|part| own[part].as_object().unwrap().len());
            // Seven labels and the message are ours; keys of these names make way for them.
            let ours = 7 + 1;
            prop_assert!(shown.iter().sum::<usize>() >= metadata.max(ours));
            for alert in resolved {
                prop_assert_eq!(&alert["status"], "resolved");
                prop_assert!(fired.contains(&alert["labels"]), "{}", alert["labels"]);
            }
            if event["severity"] == "error" {
                fired.push(own["labels"].clone());
                prop_assert!(resolved.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_real_alertmanager_takes_any_event() {
    let Some(server) = Alertmanager::start().await else {
        return;
    };
    let bench = bench(&server);
    let mut runner = TestRunner::deterministic();
    for _ in 0..SENT_FOR_REAL {
        let mut event = event().new_tree(&mut runner).unwrap().current();
        // All of one object, so that one recovery ends all failures.
        event["involvedObject"] = super::event("", "", "", &Value::Null)["involvedObject"].clone();
        deliver(&bench, &event).await;
    }
    assert!(!server.alerts().await.is_empty());
    deliver(
        &bench,
        &super::event("info", "Done", super::RECOVERED, &json!({})),
    )
    .await;
    assert_eq!(firing(&server, "error").await, Vec::<Value>::new());
}
