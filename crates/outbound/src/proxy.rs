//! Through whom we dial: explicit proxies, and those that environment variables name.

use std::fmt;
use std::net::IpAddr;

use api::Secret;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use url::Url;

use crate::error::Endpoint;
use crate::no_proxy::NoProxy;

/// Which proxy a route uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// What the client was given as [`ProxyEnvironment`], exceptions included.
    #[default]
    FromEnvironment,
    /// This one, for every target; `NO_PROXY` has no say.
    Explicit(ProxyUrl),
}

/// A valid proxy URL. `Debug` and `Display` leave out the credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl {
    scheme: ProxyScheme,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
}

/// How to speak to a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// HTTP over TCP.
    Http,
    /// HTTP over TLS.
    Https,
    /// SOCKS 5; the proxy resolves the target's name.
    Socks5,
}

/// A user name and a password, which may be empty.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: Secret<String>,
    pub(crate) password: Secret<String>,
}

/// Why a proxy URL cannot be used. No variant repeats the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyUrlError {
    /// It is no URL.
    #[error("not a URL")]
    Malformed,
    /// Another scheme.
    #[error("the scheme must be http, https or socks5")]
    UnsupportedScheme,
    /// No host in it.
    #[error("no host")]
    NoHost,
    /// The user name or password is no UTF-8 when decoded.
    #[error("user name or password not in UTF-8")]
    MalformedCredentials,
}

impl ProxyScheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Socks5 => 1080,
        }
    }
}

impl ProxyUrl {
    /// Reads `scheme://[user[:password]@]host[:port]`. A path is ignored.
    pub fn parse(text: &str) -> Result<Self, ProxyUrlError> {
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::EmptyHost => ProxyUrlError::NoHost,
            _ => ProxyUrlError::Malformed,
        })?;
        let scheme = match url.scheme() {
            "http" => ProxyScheme::Http,
            "https" => ProxyScheme::Https,
            "socks5" => ProxyScheme::Socks5,
            _ => return Err(ProxyUrlError::UnsupportedScheme),
        };
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return Err(ProxyUrlError::NoHost);
        }
        Ok(Self {
            scheme,
            host: unbracketed(host).to_owned(),
            port: url.port().unwrap_or(scheme.default_port()),
            credentials: credentials(&url)?,
        })
    }

    /// The same proxy with these credentials instead of the URL's.
    #[must_use]
    pub fn with_credentials(mut self, username: Secret<String>, password: Secret<String>) -> Self {
        self.credentials = Some(Credentials { username, password });
        self
    }

    /// How to speak to it.
    pub fn scheme(&self) -> ProxyScheme {
        self.scheme
    }

    /// The part that may be shown.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.scheme.name(), &self.host, self.port)
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// What tells this proxy, credentials included, from every other.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(self.scheme.name().as_bytes());
        add(self.host.as_bytes());
        add(&self.port.to_be_bytes());
        if let Some(credentials) = &self.credentials {
            add(credentials.username.expose().as_bytes());
            add(credentials.password.expose().as_bytes());
        }
        hash.finalize().into()
    }
}

impl fmt::Display for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint().fmt(formatter)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProxyUrl({})", self.endpoint())
    }
}

/// The proxies that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` ask for. Their values are handed in.
#[derive(Clone, Debug, Default)]
pub struct ProxyEnvironment {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    exceptions: NoProxy,
}

impl ProxyEnvironment {
    /// Reads the values of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; empty means unset. A proxy without a scheme is an `http` one.
    pub fn parse(
        for_http: Option<&str>,
        for_https: Option<&str>,
        exceptions: Option<&str>,
    ) -> Result<Self, ProxyUrlError> {
        Ok(Self {
            http: environment_proxy(for_http)?,
            https: environment_proxy(for_https)?,
            exceptions: NoProxy::parse(exceptions.unwrap_or_default()),
        })
    }

    /// The proxy for a target, if it has one. `localhost` and loopback addresses have none.
    pub fn proxy_for(&self, url: &Url) -> Option<&ProxyUrl> {
        let proxy = match url.scheme() {
            "http" => self.http.as_ref(),
            "https" => self.https.as_ref(),
            _ => None,
        }?;
        let host = unbracketed(url.host_str()?);
        let port = url.port_or_known_default()?;
        if is_local(host) || self.exceptions.covers(host, port) {
            return None;
        }
        Some(proxy)
    }
}

fn environment_proxy(value: Option<&str>) -> Result<Option<ProxyUrl>, ProxyUrlError> {
    let value = value.unwrap_or_default().trim();
    if value.is_empty() {
        return Ok(None);
    }
    if value.contains("://") {
        return ProxyUrl::parse(value).map(Some);
    }
    ProxyUrl::parse(&format!("http://{value}")).map(Some)
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

fn credentials(url: &Url) -> Result<Option<Credentials>, ProxyUrlError> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(None);
    }
    let decode = |part: &str| {
        percent_decode_str(part)
            .decode_utf8()
            .map(|text| Secret::new(text.into_owned()))
            .map_err(|_| ProxyUrlError::MalformedCredentials)
    };
    Ok(Some(Credentials {
        username: decode(url.username())?,
        password: decode(url.password().unwrap_or_default())?,
    }))
}

/// A host without the brackets that IPv6 addresses wear in URLs.
pub(crate) fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_default_by_scheme() {
        for (text, shown) in [
            ("http://proxy.example", "http://proxy.example:80"),
            ("https://proxy.example/", "https://proxy.example:443"),
            ("socks5://proxy.example", "socks5://proxy.example:1080"),
            ("http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128"),
        ] {
            assert_eq!(ProxyUrl::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn other_schemes_and_fragments_of_urls_are_refused_without_repeating_them() {
        for (text, error) in [
            ("ftp://proxy.example", ProxyUrlError::UnsupportedScheme),
            ("proxy.example:3128", ProxyUrlError::UnsupportedScheme),
            ("proxy", ProxyUrlError::Malformed),
            ("http://", ProxyUrlError::NoHost),
            ("socks5://", ProxyUrlError::NoHost),
            ("http://a%ff:b@proxy", ProxyUrlError::MalformedCredentials),
        ] {
            assert_eq!(ProxyUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let proxy = ProxyUrl::parse("http://bob:s%40cret@proxy.example:3128").unwrap();
        let credentials = proxy.credentials().unwrap();
        assert_eq!(credentials.username.expose(), "bob");
        assert_eq!(credentials.password.expose(), "s@cret");
        let shown = format!("{proxy} {proxy:?} {:?}", Proxy::Explicit(proxy.clone()));
        assert!(!shown.contains("cret") && !shown.contains("bob"), "{shown}");
    }

    #[test]
    fn proxies_that_differ_in_credentials_differ_in_digest() {
        let digest = |text: &str| ProxyUrl::parse(text).unwrap().digest();
        assert_eq!(digest("http://a:b@p"), digest("http://a:b@p:80/"));
        assert_ne!(digest("http://a:b@p"), digest("http://a:c@p"));
        assert_ne!(digest("http://ab:c@p"), digest("http://a:bc@p"));
        assert_ne!(digest("http://p"), digest("https://p:80"));
    }

    #[test]
    fn the_environment_picks_by_scheme_and_honours_exceptions() {
        let environment = ProxyEnvironment::parse(
            Some("plain.example:3128"),
            Some("https://secure.example"),
            Some("internal.example"),
        )
        .unwrap();
        let proxy = |url: &str| {
            let url = Url::parse(url).unwrap();
            environment.proxy_for(&url).map(ToString::to_string)
        };
        assert_eq!(
            proxy("http://a.example").as_deref(),
            Some("http://plain.example:3128")
        );
        assert_eq!(
            proxy("https://a.example").as_deref(),
            Some("https://secure.example:443")
        );
        assert_eq!(proxy("https://internal.example"), None);
        assert_eq!(proxy("https://localhost:8443"), None);
        assert_eq!(proxy("http://127.0.0.5"), None);
        assert_eq!(proxy("http://[::1]:8080"), None);
    }

    #[test]
    fn empty_variables_are_unset() {
        let environment = ProxyEnvironment::parse(Some(""), Some(" "), None).unwrap();
        let url = Url::parse("http://a.example").unwrap();
        assert!(environment.proxy_for(&url).is_none());
    }
}
