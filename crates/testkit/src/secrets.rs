//! Secrets in a map, and secrets that are easy to recognise when they leak.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::{ObjectKey, SecretData};
use domain::ports::{SecretError, SecretReader, VersionedSecret};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

/// Part of every value that [`marked`] makes.
const MARK: &str = "MARKEDSECRET";

/// A Secret value for a key that [`leaks`] recognises. It is fit for headers, URLs and files.
pub fn marked(key: &str) -> String {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{MARK}{key}0{}", key.len())
}

/// Where a text holds a marked secret, plainly, with every byte percent-encoded, in hexadecimal or in
/// base64: the place and what surrounds it.
pub fn leaks(text: &str) -> Vec<String> {
    // The mark at the three offsets it can have in base64, without the characters that neighbours
    // have a say in.
    const IN_BASE64: [&str; 3] = ["TUFSS0VEU0VDUkVU", "1BUktFRFNFQ1JFV", "NQVJLRURTRUNSRV"];
    let spelled = |before: &str, upper: bool| -> String {
        let byte = |byte: u8| {
            if upper {
                format!("{before}{byte:02X}")
            } else {
                format!("{before}{byte:02x}")
            }
        };
        MARK.bytes().map(byte).collect::<Vec<String>>().concat()
    };
    let spelled = [
        spelled("", false),
        spelled("", true),
        spelled("%", false),
        spelled("%", true),
        // As JSON and Rust may escape it.
        spelled("\\u00", false),
        spelled("\\x", false),
    ];
    std::iter::once(MARK)
        .chain(IN_BASE64)
        .chain(spelled.iter().map(String::as_str))
        .flat_map(|mark| text.match_indices(mark))
        .map(|(position, _)| {
            let from = text.floor_char_boundary(position.saturating_sub(200));
            let to = text.floor_char_boundary((position + 80).min(text.len()));
            format!("at byte {position}: {}", &text[from..to])
        })
        .collect()
}

/// A [`SecretReader`] over a map. A change of a Secret's data changes its version.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<Stored>);

#[derive(Debug, Default)]
struct Stored {
    secrets: BTreeMap<ObjectKey, VersionedSecret>,
    changes: u64,
}

impl Secrets {
    /// No Secrets.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a Secret.
    pub fn set(&self, key: ObjectKey, data: SecretData) {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stored.changes += 1;
        let version = stored.changes.to_string();
        let data = Arc::new(data);
        stored
            .secrets
            .insert(key, VersionedSecret { version, data });
    }

    /// Sets a Secret from its manifest; `stringData` wins over `data`.
    pub fn apply(&self, manifest: &Value) {
        self.set(
            api::ObjectMeta::from_object(manifest).key,
            data_of(manifest),
        );
    }

    /// Removes a Secret.
    pub fn remove(&self, key: &ObjectKey) {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stored.secrets.remove(key);
    }
}

/// The data of a Secret's manifest. Values under `data` must be texts in base64.
fn data_of(manifest: &Value) -> SecretData {
    let entries = |field: &str| {
        manifest
            .get(field)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().expect("a text").to_owned()))
    };
    let decoded = entries("data").map(|(key, value)| {
        let bytes = base64_decode(&value).unwrap_or_else(|| panic!("`{key}` is no base64"));
        (key, bytes)
    });
    decoded
        .chain(entries("stringData").map(|(key, value)| (key, value.into_bytes())))
        .collect()
}

fn base64_decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .ok()
}

impl SecretReader for Secrets {
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
    ) -> BoxFuture<'a, Result<Option<VersionedSecret>, SecretError>> {
        let stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = stored.secrets.get(key).cloned();
        async move { Ok(found) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn marked_secrets_are_found_in_every_disguise() {
        let secret = marked("token");
        assert_eq!(leaks(&secret).len(), 1);
        for before in ["", "u", "us"] {
            let encoded = STANDARD.encode(format!("{before}{secret}"));
            assert!(!leaks(&encoded).is_empty(), "{encoded}");
        }
        let spell = |before: &str| {
            let bytes: Vec<String> = secret
                .bytes()
                .map(|byte| format!("{before}{byte:02x}"))
                .collect();
            bytes.concat()
        };
        for before in ["", "%", "\\u00", "\\x"] {
            assert_eq!(leaks(&spell(before)).len(), 1, "{before}");
            assert!(!leaks(&spell(before).to_uppercase()).is_empty() || before.contains('\\'));
        }
        assert!(leaks("nothing to see").is_empty());
    }
}
