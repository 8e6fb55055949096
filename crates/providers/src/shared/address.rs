//! Checks of `spec.address` that need no Secret.

use api::{Problem, Provider};

use crate::ConfigError;
use crate::shared::git_repository::GitRepository;

/// An HTTP URL, if given; it may also come from the Secret.
pub(crate) fn check_url(provider: &Provider) -> Vec<Problem> {
    let address = provider.address.as_str();
    if address.is_empty() {
        if provider.secret.is_none() {
            return vec![
                Problem::error("spec.address", "is required for this type")
                    .with_hint("set it here, or as key `address` of the Secret in secretRef"),
            ];
        }
        return Vec::new();
    }
    let is_http = url::Url::parse(address)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
    if is_http {
        Vec::new()
    } else {
        // The address may be a secret, so it is not shown.
        vec![
            Problem::error("spec.address", "is no valid http or https URL")
                .with_hint("for example https://example.com/hook"),
        ]
    }
}

/// A repository, if given, that the type accepts; it may also come from the Secret.
pub(crate) fn check_repository(
    provider: &Provider,
    accepts: impl Fn(&GitRepository) -> Result<(), ConfigError>,
) -> Vec<Problem> {
    if provider.address.is_empty() {
        return check_url(provider);
    }
    match GitRepository::parse(&provider.address).and_then(|repository| accepts(&repository)) {
        Ok(()) => Vec::new(),
        Err(error) => vec![Problem::error("spec.address", error.to_string())],
    }
}
