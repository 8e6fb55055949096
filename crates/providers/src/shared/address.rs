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

/// A repository, if given, that the type accepts; it may also come from the Secret. Without a Secret
/// there is nothing to log in with, which is told in the words of an attempt, `no_login`.
pub(crate) fn check_repository(
    provider: &Provider,
    no_login: &str,
    accepts: impl Fn(&GitRepository) -> Result<(), ConfigError>,
) -> Vec<Problem> {
    check_with_login(provider, no_login, |address| {
        GitRepository::parse(address).and_then(|repository| accepts(&repository))
    })
}

/// An `owner/repository` of a host where all repositories are called so.
pub(crate) fn check_owner_and_name(provider: &Provider, no_login: &str) -> Vec<Problem> {
    check_repository(provider, no_login, |repository| {
        repository.parts::<2>().map(|_| ())
    })
}

/// An address that the type accepts, and a Secret to log in with.
pub(crate) fn check_with_login(
    provider: &Provider,
    no_login: &str,
    accepts: impl Fn(&str) -> Result<(), ConfigError>,
) -> Vec<Problem> {
    let mut problems = if provider.address.is_empty() {
        check_url(provider)
    } else {
        let accepted = accepts(&provider.address).err();
        let problem = accepted.map(|error| Problem::error("spec.address", error.to_string()));
        problem.into_iter().collect()
    };
    if provider.secret.is_none() {
        problems.push(
            Problem::error("spec.secretRef", no_login)
                .with_hint("name a Secret in the Provider's namespace that holds it"),
        );
    }
    problems
}
