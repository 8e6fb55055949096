//! How we dial out: one HTTP client, connections for other protocols, TLS, proxy, limits, redaction.
//!
//! Every request to an address that a user chose goes through [`Client`], behind the
//! [`HttpTransport`] trait or, for protocols other than HTTP, behind [`StreamTransport`]. One client serves the whole process; connections are pooled per TLS and
//! proxy setting ([`Route`]). Addresses that must not be dialled are refused after name resolution
//! ([`EgressPolicy`]), redirects stay on the same host, bodies and times are bounded
//! ([`SendOptions`]), and no error or `Debug` output of this crate shows a path, a query, user
//! information, a header value or a body.
//!
//! Nothing here reads the environment or the clock: proxy variables are handed in as
//! [`ProxyEnvironment`]. (The loader of the system's root certificates honours `SSL_CERT_FILE` and
//! `SSL_CERT_DIR` by itself.)

pub mod client;
mod connector;
mod dial;
pub mod error;
pub mod guard;
pub mod limits;
mod metrics;
mod no_proxy;
mod pools;
pub mod proxy;
pub mod redact;
mod redirect;
pub mod resolver;
pub mod retry_after;
mod stream;
pub mod tls;
pub mod transport;
mod trust;
mod tunnel;

pub use client::{Client, ClientSettings};
pub use error::{
    CertificateReason, ConnectReason, Endpoint, HttpError, HttpErrorKind, InvalidRequestReason,
    Phase, ProxyReason, TlsReason,
};
pub use guard::{Denied, DeniedReason, EgressPolicy};
pub use limits::SendOptions;
pub use proxy::{Proxy, ProxyEnvironment, ProxyScheme, ProxyUrl, ProxyUrlError};
pub use redact::{Redactor, url_for_humans};
pub use resolver::{Resolver, SystemResolver};
pub use retry_after::retry_after;
pub use stream::{BoxedStream, Stream, StreamTarget, StreamTransport};
pub use tls::{CaTrust, TlsMaterial, TlsMaterialError, TlsPem};
pub use transport::{HttpRequest, HttpResponse, HttpTransport, Route};
