//! Shared access signatures: a connection string, and what is made of its key for one message.
//!
//! Source: <https://learn.microsoft.com/en-us/rest/api/eventhub/generate-sas-token>.

use api::Secret;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::delivery::Failure;
use http::HeaderValue;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::{ConfigError, ProviderSettings};

use super::{is_name, misconfigured};

/// How long a signature is good for, in seconds; clocks differ, and attempts take a while.
const LIFE: i64 = 15 * 60;

/// What encoders of URLs leave alone.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What a connection string says.
pub(super) struct SharedAccess {
    /// Where messages are posted.
    pub(super) url: Url,
    /// The event hub, which is what is signed for.
    resource: String,
    key_name: String,
    key: Secret<String>,
}

/// As the reference tells them from names of event hubs.
pub(super) fn is_connection_string(address: &str) -> bool {
    address.contains("SharedAccessKey")
}

impl SharedAccess {
    /// Reads a connection string; an error names the part and never shows it.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let part = |name: &str| {
            text.split(';')
                .filter_map(|part| part.split_once('='))
                .find(|(known, _)| known.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
                .filter(|value| !value.is_empty())
        };
        let wrong = |text: &str| ConfigError::new(format!("connection string: {text}"));
        let hub = part("EntityPath").ok_or_else(|| {
            ConfigError::new(
                "failed to create a eventhub using SAS: connection string does not contain an \
                 EntityPath. eventHub cannot be an empty string",
            )
        })?;
        if !is_name(hub) {
            return Err(wrong("EntityPath is no name of an event hub"));
        }
        let key_name = part("SharedAccessKeyName")
            .ok_or_else(|| wrong("it does not contain a SharedAccessKeyName"))?;
        let key = part("SharedAccessKey")
            .ok_or_else(|| wrong("it does not contain a SharedAccessKey"))?;
        let endpoint = part("Endpoint").and_then(host).ok_or_else(|| {
            wrong("Endpoint is invalid; expected sb://<namespace>.servicebus.windows.net/")
        })?;
        let resource = format!("https://{endpoint}/{hub}");
        let url = Url::parse(&format!("{resource}/messages"))
            .map_err(|_| wrong("Endpoint is invalid"))?;
        Ok(Self {
            url,
            resource,
            key_name: key_name.to_owned(),
            key: Secret::new(key.to_owned()),
        })
    }

    /// A signature for messages of the next minutes.
    pub(super) fn authorization(&self, now: Timestamp) -> Result<HeaderValue, Failure> {
        let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        let resource = encode(&self.resource);
        let expiry = now.as_second() + LIFE;
        // The key is used as it is written, although it looks like base64.
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.expose().as_bytes());
        let signature = hmac::sign(&key, format!("{resource}\n{expiry}").as_bytes());
        let signature = encode(&STANDARD.encode(signature));
        let name = encode(&self.key_name);
        ProviderSettings::secret_header(&format!(
            "SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={name}"
        ))
        .map_err(|error| misconfigured(&error.to_string()))
    }
}

/// Host and port for HTTPS; ports of AMQP mean its usual one.
fn host(endpoint: &str) -> Option<String> {
    let rest = endpoint.strip_prefix("sb://")?;
    let url = Url::parse(&format!("https://{rest}")).ok()?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && matches!(url.path(), "" | "/")
        && url.query().is_none();
    let host = url.host_str().filter(|host| !host.is_empty() && is_plain)?;
    Some(match url.port() {
        None | Some(5671 | 5672) => host.to_owned(),
        Some(port) => format!("{host}:{port}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "SharedAccessKeyName=send;SharedAccessKey=a2V5+/=;";

    #[test]
    fn connection_strings_say_where_messages_go() {
        for (endpoint, expected) in [
            (
                "sb://fleet.servicebus.windows.net/",
                "https://fleet.servicebus.windows.net/hub/messages",
            ),
            (
                "sb://Fleet.servicebus.windows.net",
                "https://fleet.servicebus.windows.net/hub/messages",
            ),
            (
                "sb://fleet.example.com:5671/",
                "https://fleet.example.com/hub/messages",
            ),
            (
                "sb://127.0.0.1:8443/",
                "https://127.0.0.1:8443/hub/messages",
            ),
        ] {
            let text = format!("Endpoint={endpoint};{KEY}entitypath=hub");
            let shared = SharedAccess::parse(&text).unwrap();
            assert_eq!(shared.url.as_str(), expected);
            assert_eq!(shared.key.expose(), "a2V5+/=");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_and_not_shown() {
        let endpoint = "Endpoint=sb://fleet.servicebus.windows.net/;";
        for (text, expected) in [
            (
                format!("{endpoint}{KEY}"),
                "EntityPath. eventHub cannot be an empty string",
            ),
            (format!("{endpoint}{KEY}EntityPath="), "EntityPath"),
            (
                format!("{endpoint}{KEY}EntityPath=../x"),
                "EntityPath is no name",
            ),
            (format!("{KEY}EntityPath=hub"), "Endpoint is invalid"),
            (
                format!("Endpoint=https://x/;{KEY}EntityPath=hub"),
                "Endpoint is invalid",
            ),
            (
                format!("Endpoint=sb://u:p@x/;{KEY}EntityPath=hub"),
                "Endpoint is invalid",
            ),
            (
                format!("Endpoint=sb://x/path;{KEY}EntityPath=hub"),
                "Endpoint is invalid",
            ),
            (
                format!("{endpoint}SharedAccessKey=a2V5;EntityPath=hub"),
                "SharedAccessKeyName",
            ),
            (
                format!("{endpoint}SharedAccessKeyName=send;EntityPath=hub"),
                "does not contain a SharedAccessKey",
            ),
        ] {
            let said = SharedAccess::parse(&text).err().unwrap().to_string();
            assert!(said.contains(expected), "{text}: {said}");
            assert!(!said.contains("a2V5"), "{said}");
        }
    }
}
