//! Labels that make an alert, and annotations that describe it.
//!
//! Label names are `[a-zA-Z_][a-zA-Z0-9_]*`, for annotations too
//! (<https://prometheus.io/docs/concepts/data_model/#metric-names-and-labels>); newer versions take
//! more, but queries and templates everywhere read these. One invalid name makes Alertmanager refuse
//! the alert.

use std::collections::BTreeMap;

use api::Event;
use jiff::Timestamp;

use crate::shared::truncate::{self, Unit};

/// What says which version of an object it is, not which object.
const VERSIONS: [&str; 5] = [
    "revision",
    "originRevision",
    "commit",
    "app-version",
    "oci-digest",
];

/// Systems that store alerts as series take values of 2,048 bytes.
const LONGEST_VALUE: usize = 1_024;

/// What Alertmanager knows an alert by. The same for every repetition of a failure.
pub(super) fn labels(event: &Event) -> BTreeMap<String, String> {
    let metadata = event.metadata.iter();
    let stable = metadata.filter(|(key, value)| !is_annotation(key, value));
    let mut labels = named(stable.map(|(key, value)| (key.as_str(), value.clone())));
    let object = &event.involved_object;
    let reason = title_case(&event.reason);
    labels.extend(
        [
            ("alertname", format!("Flux{}{reason}", object.kind)),
            ("severity", event.severity.clone()),
            ("reason", event.reason.clone()),
            ("kind", object.kind.clone()),
            ("name", object.name.clone()),
            ("namespace", object.namespace.clone()),
            ("reportingcontroller", event.reporting_controller.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    for value in labels.values_mut() {
        *value = truncate::head_in(value, LONGEST_VALUE, Unit::Characters);
    }
    labels
}

/// What is worth saying about an alert and may change.
pub(super) fn annotations(event: &Event) -> BTreeMap<String, String> {
    let metadata = event.metadata.iter();
    let volatile = metadata.filter(|(key, value)| is_annotation(key, value));
    let mut annotations = named(volatile.map(|(key, value)| (key.as_str(), value.clone())));
    annotations.insert("message".to_owned(), event.message.clone());
    annotations
}

fn is_annotation(key: &str, value: &str) -> bool {
    key == "summary" || VERSIONS.contains(&key) || is_timestamp(value)
}

fn is_timestamp(value: &str) -> bool {
    value.parse::<Timestamp>().is_ok()
}

/// Entries under valid names. Valid keys keep theirs; of others that come out alike, the first keeps
/// the name and the rest are numbered.
fn named<'a>(entries: impl Iterator<Item = (&'a str, String)>) -> BTreeMap<String, String> {
    let (valid, invalid): (Vec<_>, Vec<_>) = entries.partition(|(key, _)| name(key) == *key);
    let mut named: BTreeMap<String, String> = valid
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    for (key, value) in invalid {
        let wanted = name(key);
        let mut free = wanted.clone();
        let mut number = 1_u32;
        while named.contains_key(&free) {
            number += 1;
            free = format!("{wanted}_{number}");
        }
        named.insert(free, value);
    }
    named
}

/// The key itself if it is a valid name.
fn name(key: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut name = key.replace(|character| !is_plain(character), "_");
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        name.insert(0, '_');
    }
    name
}

/// Words with a capital first letter and the rest in lower case, as the reference's library makes
/// them: `_`, digits and single marks such as `:` inside a word do not end it, spaces and `-` do.
fn title_case(reason: &str) -> String {
    let mut titled = String::with_capacity(reason.len());
    let mut is_inside = false;
    let mut was_mark = false;
    for character in reason.chars() {
        let is_mark = matches!(character, '.' | ':' | '\'' | '’' | '·');
        let is_cased = character.is_lowercase() || character.is_uppercase();
        if is_cased && is_inside {
            titled.extend(character.to_lowercase());
        } else if is_cased {
            titled.extend(character.to_uppercase());
            is_inside = true;
        } else {
            titled.push(character);
            let ends = !(is_mark || character == '_' || character.is_alphanumeric());
            if ends || (is_mark && was_mark) {
                is_inside = false;
            }
        }
        was_mark = is_mark;
    }
    titled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_valid_and_valid_ones_are_kept() {
        for (key, expected) in [
            ("cluster", "cluster"),
            ("_x9", "_x9"),
            ("env/region", "env_region"),
            ("Key:With.Odd-Chars_1", "Key_With_Odd_Chars_1"),
            ("9lives", "_9lives"),
            ("", "_"),
            ("ключ", "____"),
        ] {
            assert_eq!(name(key), expected, "{key}");
        }
    }

    #[test]
    fn keys_that_come_out_alike_lose_nothing() {
        let keys = ["a-b", "a.b", "a/b", "a_b", "a_b_2"];
        let named = named(keys.into_iter().map(|key| (key, key.to_owned())));
        let expected = [
            ("a_b", "a_b"),
            ("a_b_2", "a_b_2"),
            ("a_b_3", "a-b"),
            ("a_b_4", "a.b"),
            ("a_b_5", "a/b"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(named, BTreeMap::from(expected));
    }

    #[test]
    fn reasons_get_the_case_that_rules_of_the_reference_know() {
        for (reason, titled) in [
            ("ReconciliationSucceeded", "Reconciliationsucceeded"),
            (
                "invalidCELExpression_v2 and-more",
                "Invalidcelexpression_v2 And-More",
            ),
            ("Retry3Failed", "Retry3failed"),
            ("3Times", "3Times"),
            ("Foo:Bar", "Foo:bar"),
            ("Foo,Bar", "Foo,Bar"),
            ("", ""),
        ] {
            assert_eq!(title_case(reason), titled);
        }
    }

    #[test]
    fn what_changes_with_every_deployment_is_no_label() {
        let mut event = Event::default();
        for (key, value) in [
            ("revision", "main@sha1:1"),
            ("oci-digest", "sha256:2"),
            ("deployed", "2024-03-05T09:10:11Z"),
            ("cluster", "prod"),
            ("severity", "P1"),
        ] {
            event.metadata.insert(key.to_owned(), value.to_owned());
        }
        let labels = labels(&event);
        assert_eq!(labels["cluster"], "prod");
        assert_eq!(labels["severity"], "");
        let annotations = annotations(&event);
        for name in ["revision", "oci_digest", "deployed"] {
            assert!(!labels.contains_key(name), "{name}");
            assert!(annotations.contains_key(name), "{name}");
        }
    }
}
