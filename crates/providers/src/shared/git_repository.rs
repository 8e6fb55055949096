//! Addresses of Git repositories, as people write them (`providers-common.md` C9.1).
//!
//! Errors never show the address: it may hold credentials.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use crate::ConfigError;

/// What a part of a path may not contain as it is: Azure DevOps has projects with spaces.
const ONE_SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'\\')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// A part of a repository's path as a segment of a URL.
pub(crate) fn segment(part: &str) -> String {
    utf8_percent_encode(part, ONE_SEGMENT).to_string()
}

/// A repository: where its host is, and its path there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GitRepository {
    /// `https://host[:port]/`, without user information.
    pub(crate) host: Url,
    /// Path without slashes around it and without `.git`, such as `owner/repository`.
    pub(crate) path: String,
}

impl GitRepository {
    /// Reads an HTTP or SSH URL, or the short form `user@host:path`.
    ///
    /// SSH addresses mean the same host over HTTPS; the SSH port is not carried over.
    pub(crate) fn parse(address: &str) -> Result<Self, ConfigError> {
        let address = address.trim();
        if address.is_empty() {
            return Err(ConfigError::new(
                "no address: set spec.address or the key `address` of the Secret",
            ));
        }
        let invalid = || {
            ConfigError::new(
                "the address is no repository URL; expected https://host/owner/repository or \
                 ssh://git@host/owner/repository",
            )
        };
        let (host, path) = match Url::parse(address) {
            Ok(url) if url.host_str().is_some() => from_url(&url).ok_or_else(invalid)?,
            _ => from_short_form(address).ok_or_else(invalid)?,
        };
        let path = path.trim_matches('/');
        let path = path.strip_suffix(".git").unwrap_or(path);
        // They would climb out of the place in the API that the rest of a URL names.
        if path.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(invalid());
        }
        Ok(Self {
            host,
            path: path.to_owned(),
        })
    }

    /// The path as exactly these many parts.
    pub(crate) fn parts<const N: usize>(&self) -> Result<[&str; N], ConfigError> {
        let parts: Vec<&str> = self.path.split('/').collect();
        let count = parts.len();
        <[&str; N]>::try_from(parts)
            .ok()
            .filter(|parts| parts.iter().all(|part| !part.is_empty()))
            .ok_or_else(|| {
                ConfigError::new(format!(
                    "invalid repository id: expected {N} parts in the path of the address, got {count}"
                ))
            })
    }
}

/// Hosts that speak https whatever an address says: a token is not sent to them in the clear.
fn is_public(host: &str) -> bool {
    matches!(
        host,
        "github.com" | "gitlab.com" | "bitbucket.org" | "dev.azure.com"
    ) || host.ends_with(".visualstudio.com")
        || host.ends_with(".ghe.com")
}

fn from_url(url: &Url) -> Option<(Url, String)> {
    let host = url.host_str()?;
    let host = match url.scheme() {
        "http" if is_public(host) => format!("https://{host}/"),
        "http" | "https" => match url.port() {
            Some(port) => format!("{}://{host}:{port}/", url.scheme()),
            None => format!("{}://{host}/", url.scheme()),
        },
        "ssh" | "git" | "git+ssh" | "ssh+git" => format!("https://{host}/"),
        _ => return None,
    };
    Some((Url::parse(&host).ok()?, decoded(url.path())?))
}

fn decoded(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    Some(path.into_owned())
}

/// `[user@]host:path`.
fn from_short_form(address: &str) -> Option<(Url, String)> {
    let (before, path) = address.split_once(':')?;
    let host = before.rsplit('@').next()?;
    let is_name = |text: &str, more: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|one| one.is_ascii_alphanumeric() || more.contains(one))
    };
    let (path, _query) = path.split_once('?').unwrap_or((path, ""));
    // `scheme://…` is no short form.
    if path.starts_with("//") || !is_name(host, "._-") || !is_name(path, "./_-~+%") {
        return None;
    }
    Some((
        Url::parse(&format!("https://{host}/")).ok()?,
        decoded(path)?,
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(address: &str) -> (String, String) {
        let repository = GitRepository::parse(address).expect(address);
        (repository.host.to_string(), repository.path)
    }

    #[test]
    fn every_spelling_of_an_address_is_read() {
        for (address, host, path) in [
            (
                "https://github.com/foo/bar",
                "https://github.com/",
                "foo/bar",
            ),
            (
                "https://gitlab.com/foo/bar.git",
                "https://gitlab.com/",
                "foo/bar",
            ),
            (
                "git@gitlab.com:foo/bar.git",
                "https://gitlab.com/",
                "foo/bar",
            ),
            (
                "ssh://git@github.com/stefanprodan/podinfo",
                "https://github.com/",
                "stefanprodan/podinfo",
            ),
            (
                "https://gitlab.com/foo/bar/foo.git",
                "https://gitlab.com/",
                "foo/bar/foo",
            ),
            (
                "https://dev.azure.com/foo/bar/_git/baz",
                "https://dev.azure.com/",
                "foo/bar/_git/baz",
            ),
            ("https://gitlab.com/1234", "https://gitlab.com/", "1234"),
            (
                "https://user:pw@git.example.com:8443/foo/bar.git?ref=x",
                "https://git.example.com:8443/",
                "foo/bar",
            ),
            (
                "ssh://git@git.example.com:2222/foo/bar.git",
                "https://git.example.com/",
                "foo/bar",
            ),
            (
                "git@ssh.dev.azure.com:v3/org/my%20project/repo",
                "https://ssh.dev.azure.com/",
                "v3/org/my project/repo",
            ),
            (
                "git+ssh://git@example.com:2222/~foo/bar.git/",
                "https://example.com/",
                "~foo/bar",
            ),
            (
                "http://gitlab.com/foo/bar",
                "https://gitlab.com/",
                "foo/bar",
            ),
            (
                "http://acme.visualstudio.com:80/foo/_git/bar",
                "https://acme.visualstudio.com/",
                "foo/_git/bar",
            ),
            (
                "http://127.0.0.1:3000/foo/bar/",
                "http://127.0.0.1:3000/",
                "foo/bar",
            ),
        ] {
            assert_eq!(
                parse(address),
                (host.to_owned(), path.to_owned()),
                "{address}"
            );
        }
    }

    proptest! {
        /// Whatever is read stays on the host that the address names, without its credentials.
        #[test]
        fn no_address_leads_elsewhere(
            scheme in "(https://|http://|ssh://|git@)",
            user in "([a-z]{1,5}(:[a-z]{8})?@)?",
            separator in "[:/]",
            path in "[a-zA-Z0-9 .:/%?#~\\\\_-]{0,40}",
            any in any::<String>(),
        ) {
            let _ = GitRepository::parse(&any);
            let address = format!("{scheme}{user}git.example.com{separator}{path}");
            if let Ok(repository) = GitRepository::parse(&address) {
                let host = &repository.host;
                prop_assert_eq!(host.host_str(), Some("git.example.com"));
                prop_assert_eq!((host.username(), host.password()), ("", None));
                for part in repository.path.split('/') {
                    let url = host.join(&format!("api/{}/end", segment(part))).unwrap();
                    prop_assert_eq!(url.host_str(), host.host_str());
                    prop_assert!(url.path().starts_with("/api/") && url.path().ends_with("/end"));
                    prop_assert_eq!(url.query(), None);
                }
            }
        }
    }

    #[test]
    fn parts_stay_within_their_segment() {
        assert_eq!(segment("my project"), "my%20project");
        assert_eq!(segment("a/b?c#d%e\\f"), "a%2Fb%3Fc%23d%25e%5Cf");
        assert_eq!(segment("Fleet-Infra_1.0~x"), "Fleet-Infra_1.0~x");
    }

    #[test]
    fn what_is_no_repository_is_refused_without_being_shown() {
        for address in [
            "",
            "/foo/bar",
            "file:///foo/bar",
            "hunter2 secret",
            "git@host:a b",
            "git@host:../../bar",
            "https://host/foo/..%2Fbar",
            "C:\\repositories\\bar",
            "host:",
            "https://host/%ff",
            "ftp://host/foo/bar",
        ] {
            let error = GitRepository::parse(address)
                .expect_err(address)
                .to_string();
            assert!(address.is_empty() || !error.contains(address), "{error}");
        }
        let repository = GitRepository::parse("https://github.com/foo/bar/baz").unwrap();
        assert!(repository.parts::<2>().is_err());
        assert_eq!(repository.parts::<3>().unwrap(), ["foo", "bar", "baz"]);
    }
}
