//! A validated Provider with its Secrets resolved: what a notifier is built from.
//!
//! Rules for Secret keys: `providers-common.md` C4. Unlike the reference, each credential is read by
//! itself, so a broken one never takes the others with it, and texts are trimmed.

pub(crate) mod credentials;
pub(crate) mod headers;
pub(crate) mod route;

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Secret, SecretData};
use domain::ValidProvider;
use outbound::Route;
use thiserror::Error;

use crate::shared::address;

/// Why no notifier can be built. Names keys and objects, never values.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    /// An error from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What `build` gets.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// The Provider.
    pub provider: Arc<ValidProvider>,
    /// `spec.address`, or the Secret's `address`, trimmed. May be a secret as a whole.
    pub address: Secret<String>,
    /// Secret key `token`, trimmed; `None` if absent or empty.
    pub token: Option<Secret<String>>,
    /// The Secret's `username` if it has a password too, else `spec.username`.
    pub username: String,
    /// Secret key `password`, trimmed.
    pub password: Option<Secret<String>>,
    /// Secret key `headers`: name to value.
    pub headers: Arc<BTreeMap<String, Secret<String>>>,
    /// All keys of the Secret, for types that know more of them.
    pub secret: Arc<SecretData>,
    /// TLS and proxy.
    pub route: Route,
}

impl ProviderSettings {
    /// The token, or the password in its place, as the Git host types take it.
    pub fn token_or_password(&self) -> Option<&Secret<String>> {
        self.token.as_ref().or(self.password.as_ref())
    }

    /// The address as a URL for HTTP.
    pub fn url(&self) -> Result<url::Url, ConfigError> {
        address::http_url(self.address.expose())
    }

    /// A header value made from a secret, marked so that it is never printed.
    pub fn secret_header(text: &str) -> Result<http::HeaderValue, ConfigError> {
        let mut value = http::HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
            ConfigError::new("a credential contains characters that no HTTP header may have")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}
