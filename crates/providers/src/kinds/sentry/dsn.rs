//! Where a Sentry project takes events, and with which key.
//!
//! `scheme://public[:secret]@host[:port]/[path/]project`, see
//! <https://develop.sentry.dev/sdk/overview/#parsing-the-dsn>.

use api::Secret;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::ConfigError;
use crate::shared::address;

/// A DSN, taken apart. Not printed as a whole, because its keys are credentials.
pub(super) struct Dsn {
    /// Where envelopes are posted.
    pub(super) envelopes: Url,
    pub(super) public_key: Secret<String>,
    /// Only old servers ask for it.
    pub(super) secret_key: Option<Secret<String>>,
    /// The DSN as envelopes repeat it: without what does not belong to it.
    pub(super) text: Secret<String>,
}

impl Dsn {
    /// Takes a DSN apart. Errors do not show it.
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut url = address::http_url(text)?;
        let broken = |what: &str| ConfigError::new(format!("the address is no valid DSN: {what}"));
        if url.username().is_empty() {
            return Err(broken("no public key stands before the host"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        let (before, project) = path
            .rsplit_once('/')
            .filter(|(_, project)| !project.is_empty())
            .ok_or_else(|| broken("no project id stands at its end"))?;
        let decoded = |part: &str| -> Secret<String> {
            let part = percent_decode_str(part).decode_utf8_lossy();
            Secret::new(part.into_owned())
        };
        let public_key = decoded(url.username());
        let secret_key = url.password().map(decoded);
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(&path);
        Ok(Self {
            envelopes: address::at_origin(&url, &format!("{before}/api/{project}/envelope/")),
            public_key,
            secret_key,
            text: Secret::new(url.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_is_taken_apart() {
        for (text, envelopes, kept) in [
            (
                "https://pk@o0.ingest.sentry.io/4500",
                "https://o0.ingest.sentry.io/api/4500/envelope/",
                "https://pk@o0.ingest.sentry.io/4500",
            ),
            (
                "http://pub:sec@sentry.example.com:8080/base/path/77/?x=1#y",
                "http://sentry.example.com:8080/base/path/api/77/envelope/",
                "http://pub:sec@sentry.example.com:8080/base/path/77",
            ),
        ] {
            let dsn = Dsn::parse(text).unwrap();
            assert_eq!(dsn.envelopes.as_str(), envelopes);
            assert_eq!(dsn.text.expose(), kept);
        }
        let dsn = Dsn::parse("https://p%40k:s%3Ac@sentry.example.com/1").unwrap();
        assert_eq!(dsn.public_key.expose(), "p@k");
        assert_eq!(dsn.secret_key.unwrap().expose(), "s:c");
    }

    #[test]
    fn what_is_no_dsn_is_refused_with_a_reason() {
        for (text, said) in [
            ("", "no address"),
            ("ftp://pk@sentry.example.com/1", "http:// or https://"),
            ("https://o0.ingest.sentry.io/1", "no public key"),
            ("https://pk@o0.ingest.sentry.io", "no project id"),
            ("https://pk@o0.ingest.sentry.io//", "no project id"),
            ("https://pk@/1", "no valid URL"),
            ("https://pk@host:99999/1", "no valid URL"),
        ] {
            let error = Dsn::parse(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
