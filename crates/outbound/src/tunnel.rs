//! Getting through a proxy: CONNECT for HTTP proxies, SOCKS 5 for the others.
//!
//! Replies are bounded and never shown.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_socks::tcp::Socks5Stream;

use crate::dial::Peer;
use crate::error::ProxyReason;
use crate::proxy::Credentials;
use crate::stream::BoxedStream;

/// The most a proxy may say before the tunnel stands.
const LONGEST_REPLY: usize = 16 * 1024;

/// The value of `Proxy-Authorization` or `Authorization` for a user name and a password.
pub(crate) fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Asks an HTTP proxy for a tunnel to `target`.
pub(crate) async fn connect(
    mut proxy: BoxedStream,
    target: &Peer,
    credentials: Option<&Credentials>,
    user_agent: &str,
) -> Result<BoxedStream, ProxyReason> {
    let request = connect_request(target, credentials, user_agent);
    proxy
        .write_all(request.as_bytes())
        .await
        .map_err(|_| ProxyReason::Protocol)?;
    let mut reply = Vec::new();
    while !reply.ends_with(b"\r\n\r\n") && !reply.ends_with(b"\n\n") {
        if reply.len() >= LONGEST_REPLY {
            return Err(ProxyReason::Protocol);
        }
        // Byte by byte, so that nothing of what follows the head is swallowed. It happens once per
        // connection and the head is short.
        match proxy.read_u8().await {
            Ok(byte) => reply.push(byte),
            // Some proxies hang up right after the status line of a refusal.
            Err(_) => break,
        }
    }
    match status(&reply) {
        Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => Err(ProxyReason::Unauthorized),
        Some(status) if status.is_success() => Ok(proxy),
        Some(status) => Err(ProxyReason::Status(status)),
        None => Err(ProxyReason::Protocol),
    }
}

/// Asks a SOCKS 5 proxy for a tunnel to `target`, whose name the proxy resolves.
pub(crate) async fn socks5(
    proxy: BoxedStream,
    target: &Peer,
    credentials: Option<&Credentials>,
) -> Result<BoxedStream, ProxyReason> {
    let address = (target.host.as_str(), target.port);
    let connected = match credentials {
        Some(credentials) => {
            Socks5Stream::connect_with_password_and_socket(
                proxy,
                address,
                credentials.username.expose(),
                credentials.password.expose(),
            )
            .await
        }
        None => Socks5Stream::connect_with_socket(proxy, address).await,
    };
    connected
        .map(Socks5Stream::into_inner)
        .map_err(|error| socks_reason(&error))
}

fn connect_request(target: &Peer, credentials: Option<&Credentials>, user_agent: &str) -> String {
    let host = if target.host.contains(':') {
        format!("[{}]", target.host)
    } else {
        target.host.clone()
    };
    let authority = format!("{host}:{}", target.port);
    let mut request = format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {user_agent}\r\n"
    );
    let authorization =
        credentials.and_then(|known| basic(known.username.expose(), known.password.expose()));
    if let Some(value) = authorization.as_ref().and_then(|value| value.to_str().ok()) {
        // Writing to a string cannot fail.
        let _ = write!(request, "Proxy-Authorization: {value}\r\n");
    }
    request.push_str("\r\n");
    request
}

fn status(reply: &[u8]) -> Option<StatusCode> {
    let line = reply.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| *byte == b' ');
    if !words.next()?.starts_with(b"HTTP/1.") {
        return None;
    }
    StatusCode::from_bytes(words.next()?.trim_ascii()).ok()
}

fn socks_reason(error: &tokio_socks::Error) -> ProxyReason {
    use tokio_socks::Error;
    match error {
        Error::NoAcceptableAuthMethods
        | Error::UnknownAuthMethod
        | Error::InvalidAuthValues(_)
        | Error::PasswordAuthFailure(_)
        | Error::AuthorizationRequired
        | Error::IdentdAuthFailure
        | Error::InvalidUserIdAuthFailure => ProxyReason::Unauthorized,
        Error::GeneralSocksServerFailure
        | Error::ConnectionNotAllowedByRuleset
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported => ProxyReason::Refused,
        _ => ProxyReason::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::Secret;

    #[test]
    fn the_status_is_read_from_http_1_replies_only() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), Some(StatusCode::OK));
        assert_eq!(
            status(b"HTTP/1.0 407\r\n\r\n"),
            StatusCode::from_u16(407).ok()
        );
        for reply in [
            &b""[..],
            b"SSH-2.0-x\r\n",
            b"HTTP/2 200\r\n",
            b"HTTP/1.1 abc\r\n",
        ] {
            assert_eq!(status(reply), None);
        }
    }

    #[test]
    fn addresses_wear_brackets_and_credentials_are_basic() {
        let credentials = Credentials {
            username: Secret::new("bob".to_owned()),
            password: Secret::new("pw".to_owned()),
        };
        let target = Peer::new("https", "[2001:db8::1]", 443);
        let request = connect_request(&target, Some(&credentials), "fanfare/1");
        assert_eq!(
            request,
            "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
             User-Agent: fanfare/1\r\nProxy-Authorization: Basic Ym9iOnB3\r\n\r\n"
        );
    }
}
