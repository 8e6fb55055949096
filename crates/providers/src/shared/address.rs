//! Addresses, and checks of what Providers name that need no Secret.

use api::{Problem, Provider};

use url::Url;

use crate::ConfigError;
use crate::shared::git_repository::GitRepository;

/// An address as a URL for HTTP. Errors do not show it, since it may be a secret.
pub(crate) fn http_url(address: &str) -> Result<Url, ConfigError> {
    if address.is_empty() {
        return Err(ConfigError::new(
            "no address: set spec.address or the key `address` of the Secret",
        ));
    }
    let url = Url::parse(address)
        .map_err(|error| ConfigError::new(format!("the address is no valid URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(ConfigError::new(
            "the address must be a URL that starts with http:// or https://",
        ));
    }
    Ok(url)
}

/// Another path at the same scheme, host and port, without anything else of the URL.
pub(crate) fn at_origin(url: &Url, path: &str) -> Url {
    let mut at = url.clone();
    // Neither can fail for a URL with a host.
    let _ = at.set_username("");
    let _ = at.set_password(None);
    at.set_query(None);
    at.set_fragment(None);
    at.set_path(path);
    at
}

/// An HTTP URL, if given; it may also come from the Secret.
pub(crate) fn check_url(provider: &Provider) -> Vec<Problem> {
    check_with(provider, http_url, "for example https://example.com/hook")
}

/// An address that `parse` accepts, if given; it may also come from the Secret. Says what a failed
/// delivery says.
pub(crate) fn check_with<T>(
    provider: &Provider,
    parse: impl Fn(&str) -> Result<T, ConfigError>,
    hint: &str,
) -> Vec<Problem> {
    let address = provider.address.trim();
    if address.is_empty() && provider.secret.is_some() {
        return Vec::new();
    }
    match parse(address) {
        Ok(_) => Vec::new(),
        Err(error) => vec![Problem::error("spec.address", error.to_string()).with_hint(hint)],
    }
}

/// A Secret that must have a key, as far as that shows without looking into it.
pub(crate) fn check_secret(provider: &Provider, missing: &str) -> Vec<Problem> {
    if provider.secret.is_some() {
        return Vec::new();
    }
    vec![Problem::error("spec.secretRef", missing)]
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
