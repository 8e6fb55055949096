//! The data of a Secret, from its manifest.

use std::fmt::Write as _;
use std::sync::Arc;

use api::{Problem, SecretData};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::VersionedSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Reads `data` and `stringData`; the latter wins. Problems name keys, never values.
pub(super) fn data(manifest: &Value, problems: &mut Vec<Problem>) -> SecretData {
    let mut data = SecretData::new();
    if manifest.get("sops").is_some() {
        problems.push(
            Problem::error("sops", "is encrypted with SOPS")
                .with_hint("decrypt it before it is put here"),
        );
        return data;
    }
    each(manifest, "data", problems, |key, text| {
        // As Go's decoder does, which passes over line breaks.
        let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        match STANDARD.decode(text) {
            Ok(value) => {
                data.insert(key, value);
                None
            }
            Err(_) => Some(
                Problem::error(format!("data.{key}"), "is no base64")
                    .with_hint("put plain text under `stringData` instead"),
            ),
        }
    });
    each(manifest, "stringData", problems, |key, text| {
        data.insert(key, text);
        None
    });
    data
}

/// A Secret's data with its version.
pub(super) fn versioned(data: SecretData) -> VersionedSecret {
    let mut digest = Sha256::new();
    for (key, value) in data.iter() {
        for part in [key.as_bytes(), value.expose()] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    let mut version = String::with_capacity(32);
    for byte in digest.finalize().iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(version, "{byte:02x}");
    }
    VersionedSecret {
        version,
        data: Arc::new(data),
    }
}

fn each(
    manifest: &Value,
    field: &str,
    problems: &mut Vec<Problem>,
    mut take: impl FnMut(&str, &str) -> Option<Problem>,
) {
    match manifest.get(field) {
        None | Some(Value::Null) => {}
        Some(Value::Object(entries)) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) => problems.extend(take(key, text)),
                    Value::Null => problems.extend(take(key, "")),
                    _ => problems.push(
                        Problem::error(format!("{field}.{key}"), "expected a string")
                            .with_hint("put the value in quotes"),
                    ),
                }
            }
        }
        Some(_) => problems.push(Problem::error(field, "expected a map of strings")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_text_wins_over_base64() {
        let mut problems = Vec::new();
        let manifest = json!({
            "data": {"token": "b2xk", "other": "eA==\n", "empty": null},
            "stringData": {"token": "new"}
        });
        let data = data(&manifest, &mut problems);
        assert_eq!(problems, []);
        assert_eq!(data.get("token").unwrap().expose(), b"new");
        assert_eq!(data.get("other").unwrap().expose(), b"x");
        assert_eq!(data.get("empty").unwrap().expose(), b"");
    }

    #[test]
    fn problems_name_the_key_and_not_the_value() {
        let mut problems = Vec::new();
        let manifest = json!({"data": {"token": "hunter2!"}, "stringData": {"pin": 1234}});
        data(&manifest, &mut problems);
        let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "data.token: is no base64",
                "stringData.pin: expected a string"
            ]
        );
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    #[test]
    fn versions_differ_when_data_does() {
        let version = |entries: &[(&str, &str)]| {
            versioned(entries.iter().map(|(key, value)| (*key, *value)).collect()).version
        };
        assert_eq!(version(&[("a", "b")]), version(&[("a", "b")]));
        assert_ne!(version(&[("a", "bc")]), version(&[("ab", "c")]));
        assert_ne!(version(&[]), version(&[("", "")]));
    }
}
