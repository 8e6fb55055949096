//! Holds a value against its shape and names everything that does not fit.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Field, Shape, TextFormat, TextRules};
use crate::{Problem, duration};

/// Checks a value; every problem is reported, with paths that start at `path`.
///
/// Unknown fields are warnings: the API server would drop them and keep the object.
pub fn check(value: &Value, shape: &Shape, path: &str, problems: &mut Vec<Problem>) {
    match (shape, value) {
        (Shape::Object(fields), Value::Object(_)) => check_object(value, fields, path, problems),
        (Shape::List(item), Value::Array(items)) => {
            for (index, value) in items.iter().enumerate() {
                check(value, item, &format!("{path}[{index}]"), problems);
            }
        }
        (Shape::NonEmptyList(_), Value::Array(items)) if items.is_empty() => {
            problems.push(Problem::error(path, "needs at least one entry"));
        }
        (Shape::NonEmptyList(item), Value::Array(_)) => {
            check(value, &Shape::List(item), path, problems);
        }
        (Shape::KeyedList { item, key }, Value::Array(items)) => {
            check(value, &Shape::List(item), path, problems);
            check_keys(items, key, path, problems);
        }
        (Shape::Text(rules), Value::String(text)) => check_text(text, rules, path, problems),
        (Shape::Boolean, Value::Bool(_)) => {}
        (Shape::TextMap, Value::Object(entries)) => {
            for (key, value) in entries {
                if !value.is_string() {
                    problems.push(wrong_type(&format!("{path}.{key}"), "a string", value));
                }
            }
        }
        (shape, value) => problems.push(wrong_type(path, describe(shape), value)),
    }
}

fn check_object(value: &Value, fields: &[Field], path: &str, problems: &mut Vec<Problem>) {
    for field in fields {
        let field_path = format!("{path}.{}", field.name);
        match value.get(field.name) {
            // The API server drops nulls of optional fields.
            None | Some(Value::Null) if field.required => {
                problems.push(Problem::error(field_path, "is required"));
            }
            None | Some(Value::Null) => {}
            Some(value) => {
                if let Some(advice) = field.deprecated {
                    problems.push(Problem::warning(&field_path, "is deprecated").with_hint(advice));
                }
                check(value, &field.shape, &field_path, problems);
            }
        }
    }
    for key in value.as_object().into_iter().flat_map(|map| map.keys()) {
        if !fields.iter().any(|field| field.name == key) {
            let problem = Problem::warning(format!("{path}.{key}"), "no such field; it is ignored");
            problems.push(match nearest(key, fields) {
                Some(name) => problem.with_hint(format!("did you mean `{name}`?")),
                None => problem.with_hint(format!(
                    "known fields: {}",
                    fields
                        .iter()
                        .map(|field| field.name)
                        .collect::<Vec<_>>()
                        .join(", ")
                )),
            });
        }
    }
}

/// Finds objects whose key another one has already.
fn check_keys(items: &[Value], key: &str, path: &str, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let Some(text) = item.get(key).and_then(Value::as_str) else {
            continue;
        };
        if !seen.insert(text) {
            let shown: String = text.chars().take(64).collect();
            problems.push(Problem::error(
                format!("{path}[{index}].{key}"),
                format!("`{shown}` is there already"),
            ));
        }
    }
}

fn check_text(text: &str, rules: &TextRules, path: &str, problems: &mut Vec<Problem>) {
    let length = text.chars().count();
    if length < rules.min_length {
        problems.push(Problem::error(path, "must not be empty"));
    }
    if let Some(limit) = rules.max_length.filter(|limit| length > *limit) {
        let message = format!("has {length} characters, at most {limit} are allowed");
        problems.push(Problem::error(path, message));
    }
    match rules.format {
        TextFormat::Any | TextFormat::ProviderType => {}
        TextFormat::OneOf(words) => {
            if !words.contains(&text) {
                let shown: String = text.chars().take(64).collect();
                problems.push(Problem::error(
                    path,
                    format!("expected one of {}, got `{shown}`", words.join(", ")),
                ));
            }
        }
        TextFormat::HttpUrl => check_http_url(text, path, problems),
        TextFormat::HttpUrlLine => {
            check_http_url(text, path, problems);
            if text.contains('\n') {
                problems.push(
                    Problem::error(path, "must not have a line break")
                        .with_hint("write the value behind the colon, without `|`"),
                );
            }
        }
        TextFormat::ObjectKind => check_object_kind(text, path, problems),
        TextFormat::Duration(units) => check_duration(text, units, path, problems),
    }
}

fn check_http_url(text: &str, path: &str, problems: &mut Vec<Problem>) {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        problems.push(Problem::error(path, "must start with http:// or https://"));
    }
}

fn check_object_kind(text: &str, path: &str, problems: &mut Vec<Problem>) {
    let is_kind = text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|other| other.is_ascii_alphanumeric());
    if !is_kind {
        let shown: String = text.chars().take(64).collect();
        problems.push(
            Problem::error(
                path,
                format!("expected the kind of an object, got `{shown}`"),
            )
            .with_hint("kinds begin with an upper-case letter, for example `Kustomization`"),
        );
    }
}

fn check_duration(text: &str, units: &[&str], path: &str, problems: &mut Vec<Problem>) {
    if !is_duration_with_units(text, units) {
        let shown: String = text.chars().take(64).collect();
        problems.push(
            Problem::error(path, format!("expected a duration, got `{shown}`"))
                .with_hint(format!("units: {}; for example `1m30s`", units.join(", "))),
        );
    } else if let Err(error) = duration::parse(text) {
        problems.push(Problem::error(path, error.to_string()));
    }
}

/// The reference's pattern `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`, with the units given.
fn is_duration_with_units(text: &str, units: &[&str]) -> bool {
    let mut rest = text;
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    while !rest.is_empty() {
        let whole = digits(rest);
        if whole == 0 {
            return false;
        }
        rest = rest.get(whole..).unwrap_or_default();
        if let Some(fraction) = rest.strip_prefix('.') {
            let count = digits(fraction);
            if count == 0 {
                return false;
            }
            rest = fraction.get(count..).unwrap_or_default();
        }
        match units.iter().find_map(|unit| rest.strip_prefix(unit)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    !text.is_empty()
}

fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Object(_) => "an object",
        Shape::Text(_) => "a string",
        Shape::Boolean => "true or false",
        Shape::List(_) | Shape::NonEmptyList(_) | Shape::KeyedList { .. } => "a list",
        Shape::TextMap => "a map of strings",
    }
}

fn wrong_type(path: &str, expected: &str, value: &Value) -> Problem {
    let (found, quoted) = match value {
        Value::Null => ("null", false),
        Value::Bool(_) => ("true or false", true),
        Value::Number(_) => ("a number", true),
        Value::String(_) => ("a string", false),
        Value::Array(_) => ("a list", false),
        Value::Object(_) => ("an object", false),
    };
    let problem = Problem::error(path, format!("expected {expected}, got {found}"));
    if quoted && expected == "a string" {
        problem.with_hint("put the value in quotes")
    } else {
        problem
    }
}

/// A known field that differs from the one written by case or by a letter or two.
fn nearest(key: &str, fields: &[Field]) -> Option<&'static str> {
    fields
        .iter()
        .map(|field| {
            (
                distance(&key.to_lowercase(), &field.name.to_lowercase()),
                field.name,
            )
        })
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

fn distance(left: &str, right: &str) -> usize {
    if left.len() > 64 {
        return usize::MAX;
    }
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, character) in left.chars().enumerate() {
        let mut next = vec![index + 1];
        for ((other, diagonal), above) in right.iter().zip(&row).zip(row.iter().skip(1)) {
            let before = next.last().copied().unwrap_or_default();
            let replaced = diagonal + usize::from(character != *other);
            next.push(replaced.min(above + 1).min(before + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::{ALERT, PROVIDER, RECEIVER};

    fn problems(spec: &Value, shape: &Shape) -> Vec<String> {
        let mut problems = Vec::new();
        check(spec, shape, "spec", &mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn vectors_of_the_reference_schema_hold() {
        let none: Vec<String> = Vec::new();
        assert_eq!(
            problems(&json!({"type": "generic", "timeout": "1m30s"}), &PROVIDER),
            none
        );
        assert_eq!(
            problems(&json!({"type": "slack", "timeout": "1h"}), &PROVIDER).len(),
            1
        );
        assert_eq!(
            problems(
                &json!({"type": "slack", "proxy": "socks5://p:1080"}),
                &PROVIDER
            )
            .len(),
            2
        );
        assert_eq!(
            problems(
                &json!({"type": "slack", "address": "a".repeat(2049)}),
                &PROVIDER
            ),
            ["spec.address: has 2049 characters, at most 2048 are allowed"]
        );
        assert_eq!(
            problems(
                &json!({"providerRef": {"name": "p"}, "eventSources": []}),
                &ALERT
            ),
            none
        );
        assert_eq!(
            problems(&json!({"eventSeverity": "warning"}), &ALERT),
            [
                "spec.providerRef: is required",
                "spec.eventSeverity: expected one of info, error, got `warning`",
                "spec.eventSources: is required",
            ]
        );
    }

    #[test]
    fn a_duration_that_no_type_holds_is_a_problem_of_that_object() {
        assert_eq!(
            problems(
                &json!({"type": "slack", "timeout": "9999999999m"}),
                &PROVIDER
            ),
            ["spec.timeout: the duration `9999999999m` is too long"]
        );
    }

    #[test]
    fn vectors_of_the_receiver_schema_hold() {
        let issuer = |issuer: &str| json!({"issuerURL": issuer, "validations": [{"expression": "true", "message": "no"}]});
        let spec = |providers: Value| json!({"type": "generic-oidc", "resources": [], "oidcProviders": providers});
        assert!(problems(&spec(json!([issuer("https://x")])), &RECEIVER).is_empty());
        assert_eq!(
            problems(
                &spec(json!([issuer("https://x"), issuer("https://x")])),
                &RECEIVER
            ),
            ["spec.oidcProviders[1].issuerURL: `https://x` is there already"]
        );
        assert_eq!(
            problems(
                &spec(json!([{"issuerURL": "https://x", "validations": []}])),
                &RECEIVER
            ),
            ["spec.oidcProviders[0].validations: needs at least one entry"]
        );
        assert_eq!(
            problems(&spec(json!([issuer("example.com")])), &RECEIVER),
            ["spec.oidcProviders[0].issuerURL: must start with http:// or https://"]
        );
        assert_eq!(
            problems(
                &json!({"type": "svn", "interval": "9999999999h"}),
                &RECEIVER
            ),
            [
                "spec.type: expected one of generic, generic-hmac, generic-oidc, github, gitlab, \
                 bitbucket, harbor, dockerhub, quay, gcr, nexus, acr, cdevents, got `svn`",
                "spec.interval: the duration `9999999999h` is too long",
                "spec.resources: is required",
            ]
        );
    }

    #[test]
    fn a_misspelt_field_is_pointed_out() {
        let mut found = Vec::new();
        check(
            &json!({"type": "slack", "adress": "x"}),
            &PROVIDER,
            "spec",
            &mut found,
        );
        assert_eq!(found[0].hint.as_deref(), Some("did you mean `address`?"));
        assert!(!found[0].is_error());
    }
}
