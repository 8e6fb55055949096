//! What the rule for Alertmanager's labels makes of a recorded body. It is written apart from the
//! product's own code, so that the two check each other.

use serde_json::{Map, Value};

/// Metadata that says which version of an object it is.
const VERSIONS: [&str; 5] = [
    "app-version",
    "commit",
    "oci-digest",
    "originRevision",
    "revision",
];

/// Moves versions and timestamps from labels to annotations and replaces the characters that names cannot have.
/// Says whether anything changed; bodies that are no alerts are left alone.
pub(crate) fn make_stable_and_valid(body: &mut Value) -> bool {
    let Value::Array(alerts) = body else {
        return false;
    };
    let mut changed = false;
    for alert in alerts {
        let (Some(labels), Some(annotations)) = (
            alert["labels"].as_object().cloned(),
            alert["annotations"].as_object().cloned(),
        ) else {
            continue;
        };
        let (versions, stable): (Map<_, _>, Map<_, _>) = labels
            .into_iter()
            .partition(|(name, value)| VERSIONS.contains(&name.as_str()) || is_time(value));
        let valid = |entries: Map<String, Value>| -> Map<String, Value> {
            let entries = entries.into_iter();
            entries.map(|(key, value)| (name(&key), value)).collect()
        };
        let stable = valid(stable);
        let annotations: Map<_, _> = annotations.into_iter().chain(valid(versions)).collect();
        let before = alert.clone();
        alert["labels"] = Value::Object(stable);
        alert["annotations"] = Value::Object(annotations);
        changed |= *alert != before;
    }
    changed
}

fn is_time(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
}

fn name(key: &str) -> String {
    let mut name: String = key
        .chars()
        .map(|one| match one {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => one,
            _ => '_',
        })
        .collect();
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}
