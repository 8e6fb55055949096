//! Connections for other protocols than HTTP: the seam between those who speak one and the network.
//!
//! They pass the same guard, proxies and certificates as HTTP requests do.

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{Endpoint, HttpError};
use crate::transport::Route;

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A connection with its layers hidden: TCP, TLS, or TLS within TLS.
pub type BoxedStream = Box<dyn Stream>;

/// Whom a connection is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTarget {
    /// The scheme that errors show, such as `nats`; it decides nothing.
    pub scheme: &'static str,
    /// A name or an address, with or without the brackets of IPv6.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl StreamTarget {
    /// `scheme://host:port`.
    pub fn endpoint(&self) -> Endpoint {
        let host = crate::proxy::unbracketed(&self.host);
        Endpoint::new(self.scheme, host, self.port)
    }

    /// What an error of reading or writing means; with TLS 1.3 a refused client certificate shows
    /// only then.
    pub fn broken(&self, error: &std::io::Error) -> HttpError {
        let endpoint = self.endpoint();
        match crate::dial::tls_reason(error) {
            Some(reason) => HttpError::Tls { endpoint, reason },
            None => HttpError::ConnectionLost { endpoint },
        }
    }
}

/// Opens connections. [`Client`](crate::Client) is the real one; tests script theirs.
///
/// Times for connecting and for TLS are the client's; whoever speaks the protocol bounds the rest.
pub trait StreamTransport: Send + Sync {
    /// Opens a guarded connection, through the route's proxy if it names one. The proxies of the
    /// environment are for HTTP only.
    fn connect<'a>(
        &'a self,
        target: &'a StreamTarget,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>>;

    /// Speaks TLS over such a connection, by the route's certificates, and verifies the target's
    /// name.
    fn start_tls<'a>(
        &'a self,
        stream: BoxedStream,
        target: &'a StreamTarget,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>>;
}
