//! What can go wrong on the way out, and what can be known about each case.
//!
//! Everything here is safe to log: it may name `scheme://host:port` and addresses, never a path, a
//! query, user information, a header value or a body. No variant keeps a foreign error, because
//! those print what they like.

use std::fmt;

use http::StatusCode;
use url::Url;

use crate::guard::Denied;

/// Why a request got no response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The request cannot be sent as it is; sending it again changes nothing.
    #[error("request cannot be sent: {reason}")]
    InvalidRequest {
        /// What is wrong with it.
        reason: InvalidRequestReason,
    },
    /// The name could not be resolved.
    #[error("no address found for {endpoint}")]
    Resolve {
        /// Whose name it was: the target's or the proxy's.
        endpoint: Endpoint,
    },
    /// The egress guard refused every address.
    #[error("{endpoint} may not be dialled: {denied}")]
    Denied {
        /// Who has this address: the target or the proxy.
        endpoint: Endpoint,
        /// Which address, and by which rule.
        denied: Denied,
    },
    /// No TCP connection came about.
    #[error("connecting to {endpoint} failed: {reason}")]
    Connect {
        /// Whom we dialled: the target or the proxy.
        endpoint: Endpoint,
        /// What the system said.
        reason: ConnectReason,
    },
    /// No TLS session came about, or the other side ended it with an alert.
    #[error("TLS with {endpoint} failed: {reason}")]
    Tls {
        /// Whom we spoke to: the target or the proxy.
        endpoint: Endpoint,
        /// What was wrong.
        reason: TlsReason,
    },
    /// The proxy did not let us through.
    #[error("proxy {proxy} did not connect us to {endpoint}: {reason}")]
    Proxy {
        /// The proxy, without its credentials.
        proxy: Endpoint,
        /// Whom we wanted to reach.
        endpoint: Endpoint,
        /// What the proxy said.
        reason: ProxyReason,
    },
    /// Time ran out before there was a status.
    #[error("{endpoint} took too long: {phase}")]
    Timeout {
        /// Whom we waited for.
        endpoint: Endpoint,
        /// What we were doing when time ran out.
        phase: Phase,
    },
    /// The connection broke after the request was begun and before there was a status; whether the
    /// request took effect is not known.
    #[error("{endpoint} closed or broke the connection before it answered")]
    ConnectionLost {
        /// Whom we spoke to.
        endpoint: Endpoint,
    },
    /// What came back is no HTTP response, or its head is too large.
    #[error("{endpoint} did not answer in valid HTTP")]
    InvalidResponse {
        /// Whom we spoke to.
        endpoint: Endpoint,
    },
    /// The host redirected to itself too often.
    #[error("{endpoint} redirected more than {limit} times")]
    TooManyRedirects {
        /// Who redirected.
        endpoint: Endpoint,
        /// How many are followed.
        limit: usize,
    },
    /// The host redirected to another one, or from https to http; that is never followed.
    #[error("{endpoint} redirected to {target}, which is not followed")]
    RedirectElsewhere {
        /// Who redirected.
        endpoint: Endpoint,
        /// Where to.
        target: Endpoint,
    },
}

impl HttpError {
    /// The class of this error, for retry decisions and metrics.
    pub fn kind(&self) -> HttpErrorKind {
        match self {
            Self::InvalidRequest { .. } => HttpErrorKind::InvalidRequest,
            Self::Resolve { .. } | Self::Connect { .. } => HttpErrorKind::Unreachable,
            Self::Denied { .. } => HttpErrorKind::Denied,
            Self::Tls { reason, .. } => match reason {
                TlsReason::Certificate(_) => HttpErrorKind::CertificateInvalid,
                TlsReason::Alert(_) | TlsReason::Handshake | TlsReason::NoSystemRoots => {
                    HttpErrorKind::Tls
                }
            },
            Self::Proxy { .. } => HttpErrorKind::Proxy,
            Self::Timeout { .. } => HttpErrorKind::Timeout,
            Self::ConnectionLost { .. } => HttpErrorKind::ConnectionLost,
            Self::InvalidResponse { .. } => HttpErrorKind::InvalidResponse,
            Self::TooManyRedirects { .. } | Self::RedirectElsewhere { .. } => {
                HttpErrorKind::Redirect
            }
        }
    }
}

/// The class of an [`HttpError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpErrorKind {
    /// The request itself cannot be sent.
    InvalidRequest,
    /// The name does not resolve, or nothing accepts the connection.
    Unreachable,
    /// The egress guard refused the address.
    Denied,
    /// The other side's certificate did not verify.
    CertificateInvalid,
    /// TLS failed for another reason than the other side's certificate.
    Tls,
    /// The proxy refused.
    Proxy,
    /// Time ran out.
    Timeout,
    /// The connection broke after the request was begun.
    ConnectionLost,
    /// The answer is no HTTP.
    InvalidResponse,
    /// Redirected elsewhere, or too often.
    Redirect,
}

impl HttpErrorKind {
    /// All classes, so that tables over them can be complete.
    pub const ALL: [Self; 10] = [
        Self::InvalidRequest,
        Self::Unreachable,
        Self::Denied,
        Self::CertificateInvalid,
        Self::Tls,
        Self::Proxy,
        Self::Timeout,
        Self::ConnectionLost,
        Self::InvalidResponse,
        Self::Redirect,
    ];

    /// The stable name of this class in metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::CertificateInvalid => "certificate_invalid",
            Self::Tls => "tls",
            Self::Proxy => "proxy",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::InvalidResponse => "invalid_response",
            Self::Redirect => "redirect",
        }
    }
}

/// `scheme://host:port`: the part of a URL that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

impl Endpoint {
    /// The endpoint that a URL names. Its path, query and user information are left out; a port is
    /// shown when it is not the default one.
    pub fn of(url: &Url) -> Self {
        let scheme = url.scheme();
        match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => Self(format!("{scheme}://{host}:{port}")),
            (Some(host), None) => Self(format!("{scheme}://{host}")),
            (None, _) => Self(format!("{scheme}:")),
        }
    }

    /// An endpoint from its parts.
    pub(crate) fn new(scheme: &str, host: &str, port: u16) -> Self {
        if host.contains(':') {
            Self(format!("{scheme}://[{host}]:{port}"))
        } else {
            Self(format!("{scheme}://{host}:{port}"))
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequestReason {
    /// Only `http` and `https` are spoken.
    #[error("its scheme is neither http nor https")]
    UnsupportedScheme,
    /// The URL has no host.
    #[error("its URL has no host")]
    NoHost,
    /// The URL cannot be written into a request line.
    #[error("its URL is too long or not valid in HTTP")]
    InvalidUrl,
    /// The host is neither an address nor a name that TLS can verify.
    #[error("its host is not a valid server name for TLS")]
    InvalidServerName,
}

/// Why there is no TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectReason {
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// No route to the network or host.
    #[error("network or host unreachable")]
    Unreachable,
    /// The connection was reset while it was set up.
    #[error("connection reset")]
    Reset,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// Out of file descriptors, no permission, and the like.
    #[error("the system refused")]
    System,
}

impl ConnectReason {
    /// The reason behind an I/O error, without its text.
    pub(crate) fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::AddrNotAvailable => Self::Unreachable,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::Reset,
            ErrorKind::TimedOut => Self::TimedOut,
            _ => Self::System,
        }
    }
}

/// Why there is no TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsReason {
    /// The other side's certificate did not verify.
    #[error("{0}")]
    Certificate(CertificateReason),
    /// The other side refused us, for example for want of a client certificate.
    #[error("the other side sent the alert `{0}`")]
    Alert(&'static str),
    /// The handshake broke off: no common version, no TLS at all, a closed connection.
    #[error("the handshake failed")]
    Handshake,
    /// No CA was given and the system has no usable root certificates.
    #[error("no CA was given and the system has no root certificates")]
    NoSystemRoots,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateReason {
    /// Its issuer is not trusted.
    #[error("the certificate is signed by an unknown authority")]
    UnknownIssuer,
    /// It is no longer valid.
    #[error("the certificate has expired")]
    Expired,
    /// It is not valid yet.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// It is for other names.
    #[error("the certificate is not valid for this host")]
    WrongName,
    /// It was revoked.
    #[error("the certificate was revoked")]
    Revoked,
    /// Anything else: encoding, purpose, signature.
    #[error("the certificate is invalid")]
    Invalid,
}

/// Why a proxy did not let us through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyReason {
    /// Credentials are missing or wrong (HTTP 407, SOCKS authentication failure).
    #[error("proxy authorization required or refused")]
    Unauthorized,
    /// The proxy answered the CONNECT with another status.
    #[error("it answered {}", .0.as_u16())]
    Status(StatusCode),
    /// The SOCKS proxy could not or would not reach the target.
    #[error("it could not or would not reach the target")]
    Refused,
    /// The proxy does not speak the protocol its URL names, or hung up.
    #[error("it broke off or does not speak the protocol of its URL")]
    Protocol,
}

/// What was going on when time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Phase {
    /// Resolving, dialling, or waiting for the proxy.
    #[error("no connection in time")]
    Connect,
    /// Shaking hands.
    #[error("no TLS session in time")]
    Tls,
    /// The request is out, or going out, and there is no status.
    #[error("no response in time")]
    Response,
}
