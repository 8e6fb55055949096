//! The server in an address, and people's mailboxes.
//!
//! Errors about the server never show the address; mailboxes are no secret.

use std::net::IpAddr;

use outbound::StreamTarget;
use url::Url;

use crate::ConfigError;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    /// `STARTTLS` before anything else; without it nothing is sent (RFC 3207).
    StartTls,
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// None.
    Plain,
}

/// The server.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) target: StreamTarget,
    pub(super) protection: Protection,
}

impl Server {
    /// Reads `smtp://`, `smtps://` or `smtp+plain://` with `host[:port]`.
    pub(super) fn parse(address: &str) -> Result<Self, ConfigError> {
        let refused = |problem: &str| {
            Err(ConfigError::new(format!(
                "the address of a mail server {problem}; for example smtp://mail.example.com:587"
            )))
        };
        if address.trim().is_empty() {
            return refused("is missing");
        }
        let Ok(url) = Url::parse(address.trim()) else {
            return refused("is no valid URL");
        };
        let (scheme, protection, port) = match url.scheme() {
            "smtp" => ("smtp", Protection::StartTls, 587),
            "smtps" => ("smtps", Protection::Tls, 465),
            "smtp+plain" => ("smtp+plain", Protection::Plain, 25),
            _ => return refused("must begin with smtp://, smtps:// or smtp+plain://"),
        };
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() {
            return refused("has no host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused(
                "must not hold credentials, which belong into the keys `username` and `password` of \
                 the Secret",
            );
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return refused("must end after the port");
        }
        Ok(Self {
            target: StreamTarget {
                scheme,
                host: host.to_owned(),
                port: url.port().unwrap_or(port),
            },
            protection,
        })
    }

    /// Whether a password sent to it could be read on the way.
    pub(super) fn exposes_passwords(&self) -> bool {
        let host = self.target.host.trim_matches(['[', ']']);
        let is_local = host.eq_ignore_ascii_case("localhost")
            || host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback());
        self.protection == Protection::Plain && !is_local
    }
}

/// `someone@example.com`, with or without a name: `Someone <someone@example.com>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    pub(super) name: Option<String>,
    /// ASCII only, and nothing that could end a command.
    pub(super) address: String,
}

impl Mailbox {
    /// Reads one; `field` is named in the error.
    pub(super) fn parse(text: &str, field: &str) -> Result<Self, ConfigError> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|rest| rest.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"'), address.trim()),
            None => ("", text),
        };
        if !is_address(address) || name.contains(|one: char| one.is_control()) {
            return Err(ConfigError::new(format!(
                "{field} must be an e-mail address in ASCII such as someone@example.com, with or \
                 without a name: Someone <someone@example.com>"
            )));
        }
        Ok(Self {
            name: (!name.is_empty()).then(|| name.to_owned()),
            address: address.to_owned(),
        })
    }

    /// The part behind the `@`.
    pub(super) fn domain(&self) -> &str {
        self.address
            .rsplit_once('@')
            .map_or("", |(_, domain)| domain)
    }
}

/// The addresses in common use: a dot-atom of RFC 5322 at a domain name. Quoted local parts, comments
/// and address literals are left out.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let is_atom = |part: &str| {
        let all = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
        !part.is_empty() && part.bytes().all(all)
    };
    let is_label = |part: &str| {
        let all = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !part.is_empty() && part.len() <= 63 && part.bytes().all(all)
    };
    // RFC 5321, 4.5.3.1.
    local.len() <= 64
        && domain.len() <= 253
        && local.split('.').all(is_atom)
        && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_decide_on_port_and_protection() {
        for (address, endpoint, protection) in [
            (
                "smtp://mail.example.com",
                "smtp://mail.example.com:587",
                Protection::StartTls,
            ),
            (
                " smtps://mail.example.com/ ",
                "smtps://mail.example.com:465",
                Protection::Tls,
            ),
            (
                "smtp+plain://[::1]:2525",
                "smtp+plain://[::1]:2525",
                Protection::Plain,
            ),
        ] {
            let server = Server::parse(address).unwrap();
            assert_eq!(server.target.endpoint().to_string(), endpoint);
            assert_eq!(server.protection, protection);
        }
        for (address, exposes) in [
            ("smtp+plain://127.0.0.1", false),
            ("smtp+plain://localhost", false),
            ("smtp+plain://[::1]", false),
            ("smtp+plain://mail.example.com", true),
            ("smtp+plain://localhost.example.com", true),
            ("smtp://mail.example.com", false),
        ] {
            assert_eq!(
                Server::parse(address).unwrap().exposes_passwords(),
                exposes,
                "{address}"
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_server_is_said_without_showing_it() {
        for (address, said) in [
            ("", "missing"),
            ("hunter2", "no valid URL"),
            ("https://hunter2", "must begin with smtp://"),
            ("smtp://", "no host"),
            ("smtp://a:hunter2@b", "Secret"),
            ("smtp://b/hunter2", "after the port"),
            ("smtp://b?hunter2", "after the port"),
        ] {
            let error = Server::parse(address).unwrap_err().to_string();
            assert!(error.contains(said), "{address}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn mailboxes_hold_nothing_that_could_end_a_command() {
        let read = |text: &str| Mailbox::parse(text, "x").ok();
        let plain = read("a.b+c@example.com").unwrap();
        assert_eq!(
            (plain.name, plain.address.as_str()),
            (None, "a.b+c@example.com")
        );
        let named = read("\"Fan, Fare\" <f@x.example>").unwrap();
        assert_eq!(
            (named.name.as_deref(), named.domain()),
            (Some("Fan, Fare"), "x.example")
        );
        for text in [
            "",
            "a",
            "@b",
            "a@",
            "a@b..c",
            ".a@b",
            "a b@c",
            "a@b>c",
            "a@b\r\nRCPT TO:<x@y>",
            "x\r\nBcc: y@z <a@b>",
            "é@b",
            "a@é",
            "<a@b",
            "a@b>",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
