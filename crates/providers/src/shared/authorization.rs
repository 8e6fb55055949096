//! Values of the header `Authorization`, marked so that they are never printed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

use crate::{ConfigError, ProviderSettings};

/// `Bearer <token>`, if the Secret has a token.
pub(crate) fn bearer(settings: &ProviderSettings) -> Result<Option<HeaderValue>, ConfigError> {
    let token = settings.token.as_ref();
    token
        .map(|token| ProviderSettings::secret_header(&format!("Bearer {}", token.expose())))
        .transpose()
}

/// `Basic <user name and password>`, if there are both.
pub(crate) fn basic(settings: &ProviderSettings) -> Result<Option<HeaderValue>, ConfigError> {
    let Some(password) = &settings.password else {
        return Ok(None);
    };
    if settings.username.is_empty() {
        return Ok(None);
    }
    let pair = format!("{}:{}", settings.username, password.expose());
    ProviderSettings::secret_header(&format!("Basic {}", STANDARD.encode(pair))).map(Some)
}
