//! One request in, one response out: the seam between those who speak to services and the network.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::{Endpoint, HttpError};
use crate::limits::SendOptions;
use crate::proxy::Proxy;
use crate::tls::TlsMaterial;

/// Sends requests. [`Client`](crate::Client) is the real one; tests script theirs.
pub trait HttpTransport: Send + Sync {
    /// Sends one request and reads its response within the given limits. Any status is a response;
    /// an error means that there is none.
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>>;
}

/// A request. `Debug` shows the method, `scheme://host:port`, header names and the body's size.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Where to; user information in it becomes Basic credentials unless `Authorization` is set.
    pub url: Url,
    /// Header fields. `Host`, `Content-Length`, `Transfer-Encoding`, `Trailer` and
    /// `Proxy-Authorization` are ours to set and have no effect here.
    pub headers: HeaderMap,
    /// The body, sent with its length.
    pub body: Bytes,
}

impl HttpRequest {
    /// A request without headers and body.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("endpoint", &Endpoint::of(&self.url).to_string())
            .field("headers", &HeaderNames(&self.headers))
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// A response. `Debug` shows the status, header names and the body's size.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status, redirects followed as far as allowed.
    pub status: StatusCode,
    /// Header fields.
    pub headers: HeaderMap,
    /// The body, up to [`SendOptions::max_response_bytes`].
    pub body: Bytes,
    /// Whether the body is incomplete: over the limit, broken off, or out of time.
    pub truncated: bool,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &HeaderNames(&self.headers))
            .field("body_bytes", &self.body.len())
            .field("truncated", &self.truncated)
            .finish()
    }
}

struct HeaderNames<'a>(&'a HeaderMap);

impl fmt::Debug for HeaderNames<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.0.keys()).finish()
    }
}

/// How to reach a service: which certificates count, and through which proxy. Requests with equal
/// routes share connections.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// What to trust and who we are; `None` means the system's roots and no client certificate.
    pub tls: Option<Arc<TlsMaterial>>,
    /// Through whom.
    pub proxy: Proxy,
}
