//! Sends the event itself, as JSON, to any webhook.
//!
//! `generic` sends it plain; `generic-hmac` signs the exact bytes with the Secret's `token` and puts
//! `sha256=<hex>` into `X-Signature`, so that the receiver can tell that the call is genuine.
//!
//! | Field | Use |
//! |---|---|
//! | `address` | URL to POST to (required; here or in the Secret) |
//! | Secret `token` | HMAC key, used exactly as stored (`generic-hmac`, required) |
//! | Secret `headers` | YAML map of extra headers; they win over `Content-Type` and `Gotk-Component`, not over `X-Signature` |
//! | `certSecretRef`, `proxySecretRef` | honoured |
//!
//! The body is the event with merged metadata, keys sorted. The header `Gotk-Component` names the
//! reporting controller. These types also get events that only refresh a commit status, and they are
//! sent late rather than not at all.
//! Receivers should compare signatures in constant time, over the bytes of the body as they came.
//!
//! ```yaml
//! apiVersion: notification.toolkit.fluxcd.io/v1beta3
//! kind: Provider
//! metadata:
//!   name: webhook
//!   namespace: flux-system
//! spec:
//!   type: generic
//!   address: https://example.com/hook
//! ```

use std::fmt::Write as _;

use api::to_wire_json;
use aws_lc_rs::hmac;
use bytes::Bytes;
use domain::delivery::{Failure, FailureClass};
use domain::provider::Progressing;
use domain::{Capabilities, Family, Notification};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use outbound::HttpRequest;
use url::Url;

use crate::kind::{Guarantee, Protocol};
use crate::settings::headers;
use crate::shared::address;
use crate::{ConfigError, Notifier, OneRequest, ProviderKind, ProviderSettings};

const CAPABILITIES: Capabilities = Capabilities {
    family: Family::Forward,
    commit_status_updates: true,
    commit_status: false,
    change_request: false,
    progressing: Progressing::Sent,
    expires: false,
    skipped_kinds: &[],
};

/// Plain.
pub(crate) const KIND: ProviderKind = ProviderKind {
    name: "generic",
    title: "Generic webhook",
    capabilities: CAPABILITIES,
    guarantee: Guarantee::AtLeastOnce,
    protocol: Protocol::Http,
    check: address::check_url,
    build: |settings| Ok(Box::new(Generic::new(settings, None)?) as Box<dyn Notifier>),
    page: include_str!("generic.rs"),
};

/// Signed.
pub(crate) const KIND_HMAC: ProviderKind = ProviderKind {
    name: "generic-hmac",
    title: "Generic webhook with HMAC",
    build: |settings| {
        // The key is the raw bytes: receivers were given exactly these.
        let key = settings
            .secret
            .get("token")
            .filter(|key| !key.expose().is_empty())
            .ok_or_else(|| ConfigError::new("the HMAC key is empty: set `token` in the Secret"))?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        Ok(Box::new(Generic::new(settings, Some(key))?) as Box<dyn Notifier>)
    },
    ..KIND
};

struct Generic {
    url: Url,
    headers: HeaderMap,
    key: Option<hmac::Key>,
}

impl Generic {
    fn new(settings: &ProviderSettings, key: Option<hmac::Key>) -> Result<Self, ConfigError> {
        Ok(Self {
            url: settings.url()?,
            headers: headers::to_http(&settings.headers)?,
            key,
        })
    }
}

impl OneRequest for Generic {
    fn request(&self, notification: &Notification) -> Result<HttpRequest, Failure> {
        let rejected = |error: &dyn std::fmt::Display| {
            Failure::new(
                FailureClass::Rejected,
                format!("rendering the event: {error}"),
            )
        };
        let event = &notification.event;
        let body = to_wire_json(event).map_err(|error| rejected(&error))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // A name with control characters would make the header invalid and lose the event.
        let component = event.reporting_controller.replace(char::is_control, " ");
        let component =
            HeaderValue::from_bytes(component.as_bytes()).map_err(|error| rejected(&error))?;
        headers.insert("gotk-component", component);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(key) = &self.key {
            let signature = hmac::sign(key, &body);
            let mut hex = String::with_capacity(64);
            for byte in signature.as_ref() {
                // Writing to a string cannot fail.
                let _ = write!(hex, "{byte:02x}");
            }
            let value = HeaderValue::from_str(&format!("sha256={hex}"))
                .map_err(|error| rejected(&error))?;
            headers.insert("x-signature", value);
        }
        Ok(HttpRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: Bytes::from(body),
        })
    }
}
