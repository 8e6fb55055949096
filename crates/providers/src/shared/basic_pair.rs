//! User name and password for basic authentication, of which half is worth nothing.

use api::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::{ConfigError, ProviderSettings};

/// `user:password`, if the Secret has a password; the user name may stand in `spec.username`. A half
/// that stands alone is an error that names the other.
pub(crate) fn parse(settings: &ProviderSettings) -> Result<Option<Secret<String>>, ConfigError> {
    let username = settings.username.as_str();
    match &settings.password {
        Some(_) if username.is_empty() => Err(ConfigError::new(
            "the key `password` of the Secret has no user name: put it into the key `username`",
        )),
        Some(password) => Ok(Some(Secret::new(format!(
            "{username}:{}",
            password.expose()
        )))),
        None if settings.secret.get("username").is_some() => Err(ConfigError::new(
            "the key `username` of the Secret has no password: put it into the key `password`",
        )),
        None => Ok(None),
    }
}

/// `Authorization` for a pair.
pub(crate) fn header(pair: &Secret<String>) -> Result<HeaderValue, ConfigError> {
    ProviderSettings::secret_header(&format!("Basic {}", STANDARD.encode(pair.expose())))
}
