//! Events that hold anything, for tests of rules that hold for all events.

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Keys that come out alike, keys in use, and any text.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c][-._/ ][a-c]",
        "(severity|alertname|summary|message|revision|commit|name|__name__)",
        "[0-9]{0,2}[a-zA-Z:.-]{0,6}",
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "\\PC{1000,1100}", Just(String::new())]
}

fn time() -> impl Strategy<Value = Option<String>> {
    let seconds = prop_oneof![0_i64..4_000_000_000, 1_709_629_000_i64..1_709_631_000];
    let time = seconds.prop_map(|second| Timestamp::from_second(second).unwrap().to_string());
    proptest::option::of(time)
}

/// Any event.
pub(crate) fn event() -> impl Strategy<Value = Value> {
    let texts = (
        any::<String>(),
        any::<String>(),
        any::<String>(),
        any::<String>(),
    );
    let severity = prop_oneof![Just("error"), Just("info"), Just("trace"), Just("")];
    let metadata = proptest::collection::vec((key(), value()), 0..8);
    (texts, severity, time(), metadata).prop_map(
        |((namespace, message, reason, controller), severity, time, metadata)| {
            let metadata: serde_json::Map<String, Value> = metadata
                .into_iter()
                .map(|(key, value)| (format!("event.toolkit.fluxcd.io/{key}"), json!(value)))
                .collect();
            json!({
                "involvedObject": {"kind": "Kind", "name": "name", "namespace": namespace},
                "severity": severity,
                "timestamp": time,
                "message": message,
                "reason": reason,
                "metadata": metadata,
                "reportingController": controller,
            })
        },
    )
}
