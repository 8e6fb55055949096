//! One Secret from the API server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{ObjectKey, SecretData};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::ports::{SecretError, VersionedSecret};
use serde::Deserialize;

use crate::Client;
use crate::watch::failure_of;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest name an object can have.
const LONGEST_NAME: usize = 253;

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
    /// Absent and `null` alike mean that there is none.
    data: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
}

/// Asks for a Secret; `None` if there is none of that name.
///
/// The client's own reading is passed by: it puts what it cannot parse into the log.
pub(super) async fn get(
    client: &Client,
    key: &ObjectKey,
) -> Result<Option<VersionedSecret>, SecretError> {
    let failed = |reason: String, is_temporary: bool| SecretError {
        key: key.clone(),
        reason,
        is_temporary,
    };
    // Tenants choose names; one such as `../configmaps/x` must not lead elsewhere.
    if !is_name(&key.name) || !is_name(&key.namespace) {
        return Err(failed(
            "no Secret can have such a name: names are lower-case letters, digits, `-` and `.`"
                .to_owned(),
            false,
        ));
    }
    let path = format!("/api/v1/namespaces/{}/secrets/{}", key.namespace, key.name);
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(|error| failed(error.to_string(), false))?;
    let answer = tokio::time::timeout(PATIENCE, client.request_text(request)).await;
    let text = match answer {
        Err(_) => {
            let reason = format!(
                "the API server did not answer within {} s",
                PATIENCE.as_secs()
            );
            return Err(failed(reason, true));
        }
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let failure = failure_of(&error);
            return match failure.status {
                Some(404) => Ok(None),
                Some(403) => Err(failed(
                    format!("{}; grant `get` on Secrets", failure.reason),
                    false,
                )),
                _ => Err(failed(failure.reason, true)),
            };
        }
    };
    // What the parser says may quote what it read.
    let wire: Wire = serde_json::from_str(&text)
        .map_err(|_| failed("the API server's answer is no Secret".to_owned(), true))?;
    let mut data = SecretData::new();
    for (name, value) in wire.data.unwrap_or_default() {
        let value = STANDARD
            .decode(value.unwrap_or_default())
            .map_err(|_| failed(format!("key `{name}` is no base64"), false))?;
        data.insert(name, value);
    }
    Ok(Some(VersionedSecret {
        version: wire.metadata.resource_version,
        data: Arc::new(data),
    }))
}

/// Whether an object of the API can have this name (RFC 1123 subdomain).
pub(crate) fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name
            .bytes()
            .all(|byte| is_inner(byte) || matches!(byte, b'-' | b'.'))
        && name.bytes().next().is_some_and(is_inner)
        && name.bytes().last().is_some_and(is_inner)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        for name in ["slack-url", "a", "a.b-c.1"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", "../x", "a/b", "..", ".", "a%2fb", "A", "a?b", &long] {
            assert!(!is_name(name), "{name}");
        }
    }
}
