//! The real transport: pooled per TLS and proxy setting, guarded, bounded.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRAILER, TRANSFER_ENCODING,
    USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::percent_decode_str;
use prometheus_client::registry::Registry;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::connector::{self, Connector};
use crate::dial::{Dialer, Peer, tls_reason};
use crate::error::{Endpoint, HttpError, InvalidRequestReason, Phase, ProxyReason};
use crate::guard::EgressPolicy;
use crate::limits::{self, SendOptions};
use crate::metrics::Metrics;
use crate::pools::{PoolKey, Pools};
use crate::proxy::{Proxy, ProxyEnvironment, ProxyScheme, ProxyUrl};
use crate::redirect::{self, MOST_REDIRECTS, Redirect};
use crate::resolver::{Resolver, SystemResolver};
use crate::stream::{BoxedStream, StreamTarget, StreamTransport};
use crate::transport::{HttpRequest, HttpResponse, HttpTransport, Route};
use crate::trust::{SystemRoots, TlsSource};
use crate::tunnel;

/// The most of a response's head that is read.
const LONGEST_HEAD: usize = 64 * 1024;

/// The most of a redirect's body that is read to keep its connection.
const LONGEST_REDIRECT_BODY: usize = 4 * 1024;

/// A deadline beyond this is as good as none, and still fits into clocks.
const LONGEST_DEADLINE: Duration = Duration::from_hours(24);

/// What a [`Client`] is made from.
#[derive(Clone)]
pub struct ClientSettings {
    /// Which addresses may be dialled.
    pub egress: EgressPolicy,
    /// What `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say.
    pub environment: ProxyEnvironment,
    /// `User-Agent` of requests that set none.
    pub user_agent: HeaderValue,
    /// The time for resolving and connecting, and for a proxy to let us through.
    pub connect_timeout: Duration,
    /// The time for a TLS handshake.
    pub tls_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections are kept per target and route.
    pub max_idle_per_host: usize,
    /// How many routes have a connection pool at the same time.
    pub max_pools: usize,
    /// Who knows the addresses of names.
    pub resolver: Arc<dyn Resolver>,
}

impl ClientSettings {
    /// The usual settings: the system's resolver, no proxies, the built-in egress refusals.
    pub fn new(user_agent: HeaderValue) -> Self {
        Self {
            egress: EgressPolicy::default(),
            environment: ProxyEnvironment::default(),
            user_agent,
            connect_timeout: Duration::from_secs(10),
            tls_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            max_idle_per_host: 8,
            max_pools: 256,
            resolver: Arc::new(SystemResolver),
        }
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientSettings")
            .field("egress", &self.egress)
            .field("environment", &self.environment)
            .field("connect_timeout", &self.connect_timeout)
            .field("tls_timeout", &self.tls_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("max_idle_per_host", &self.max_idle_per_host)
            .field("max_pools", &self.max_pools)
            .finish_non_exhaustive()
    }
}

type Pool = legacy::Client<Connector, Full<Bytes>>;

/// The one HTTP client of the process. Cheap while unused: roots and connections come with use.
pub struct Client {
    environment: ProxyEnvironment,
    user_agent: HeaderValue,
    user_agent_text: Arc<str>,
    idle_timeout: Duration,
    max_idle_per_host: usize,
    dialer: Arc<Dialer>,
    roots: Arc<SystemRoots>,
    pools: Pools<Pool>,
    metrics: Metrics,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}

impl HttpTransport for Client {
    fn send<'a>(
        &'a self,
        request: HttpRequest,
        route: &'a Route,
        options: &'a SendOptions,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        async move {
            let result = self.follow(request, route, options).await;
            self.metrics
                .finished(result.as_ref().map(|response| response.status));
            result
        }
        .boxed()
    }
}

impl StreamTransport for Client {
    fn connect<'a>(
        &'a self,
        target: &'a StreamTarget,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        async move {
            let peer = Peer::new(target.scheme, &target.host, target.port);
            let connector = self.connector(route, explicit(&route.proxy));
            connector.reach(&peer).await
        }
        .boxed()
    }

    fn start_tls<'a>(
        &'a self,
        stream: BoxedStream,
        target: &'a StreamTarget,
        route: &'a Route,
    ) -> BoxFuture<'a, Result<BoxedStream, HttpError>> {
        async move {
            let peer = Peer::new(target.scheme, &target.host, target.port);
            let connector = self.connector(route, None);
            let config = connector.tls.config().await;
            let mut config = config
                .map(Arc::unwrap_or_clone)
                .map_err(|reason| HttpError::Tls {
                    endpoint: peer.endpoint.clone(),
                    reason,
                })?;
            config.alpn_protocols.clear();
            self.dialer.tls(stream, &peer, Arc::new(config)).await
        }
        .boxed()
    }
}

impl Client {
    /// A client with its counters in `registry`.
    pub fn new(settings: ClientSettings, registry: &mut Registry) -> Self {
        let user_agent_text = settings.user_agent.to_str().unwrap_or_default().into();
        Self {
            environment: settings.environment,
            user_agent: settings.user_agent,
            user_agent_text,
            idle_timeout: settings.idle_timeout,
            max_idle_per_host: settings.max_idle_per_host,
            dialer: Arc::new(Dialer {
                egress: settings.egress,
                resolver: settings.resolver,
                connect_timeout: settings.connect_timeout,
                tls_timeout: settings.tls_timeout,
            }),
            roots: Arc::default(),
            // A pool without requests has no connections once they are idle for too long; what is
            // left is small, so it may stay a while longer.
            pools: Pools::new(settings.max_pools, settings.idle_timeout.saturating_mul(10)),
            metrics: Metrics::register(registry),
        }
    }

    /// Sends a request and follows its redirects, all within one deadline.
    async fn follow(
        &self,
        mut request: HttpRequest,
        route: &Route,
        options: &SendOptions,
    ) -> Result<HttpResponse, HttpError> {
        let deadline = Instant::now() + options.deadline.min(LONGEST_DEADLINE);
        prepare(&mut request, &self.user_agent);
        for followed in 0.. {
            let response = self.exchange(&request, route, deadline).await?;
            let status = response.status();
            match redirect::redirect(&request.url, status, response.headers())? {
                Redirect::None => {
                    let (head, body) = response.into_parts();
                    let body = limits::read_body(body, options.max_response_bytes, deadline).await;
                    return Ok(HttpResponse {
                        status: head.status,
                        headers: head.headers,
                        body: body.bytes,
                        truncated: body.truncated,
                    });
                }
                Redirect::To(_) if followed >= MOST_REDIRECTS => break,
                Redirect::To(to) => {
                    // Read, so that the connection can be used again.
                    limits::read_body(response.into_body(), LONGEST_REDIRECT_BODY, deadline).await;
                    redirect::rewrite(&mut request, status, to);
                }
            }
        }
        Err(HttpError::TooManyRedirects {
            endpoint: Endpoint::of(&request.url),
            limit: MOST_REDIRECTS,
        })
    }

    /// One request out, one response head in.
    async fn exchange(
        &self,
        request: &HttpRequest,
        route: &Route,
        deadline: Instant,
    ) -> Result<Response<Incoming>, HttpError> {
        let target = target(&request.url)?;
        let proxy = match &route.proxy {
            Proxy::FromEnvironment => self.environment.proxy_for(&request.url),
            explicit_proxy @ Proxy::Explicit(_) => explicit(explicit_proxy),
        };
        let absolute = proxy.filter(|proxy| {
            request.url.scheme() == "http" && proxy.scheme() != ProxyScheme::Socks5
        });
        let mut outgoing = outgoing(request, absolute)?;
        let connection = capture_connection(&mut outgoing);
        let answered = timeout_at(deadline, self.pool(route, proxy).request(outgoing)).await;
        match answered {
            Ok(Ok(response)) => match absolute {
                Some(proxy) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    let reason = ProxyReason::Unauthorized;
                    Err(connector::refused(proxy, &target, reason))
                }
                _ => Ok(response),
            },
            Ok(Err(error)) => Err(classify(&error, &target)),
            Err(_) => {
                let connected = connection.connection_metadata().is_some();
                Err(HttpError::Timeout {
                    endpoint: target.endpoint,
                    phase: if connected {
                        Phase::Response
                    } else {
                        Phase::Connect
                    },
                })
            }
        }
    }

    fn pool(&self, route: &Route, proxy: Option<&ProxyUrl>) -> Pool {
        let key = PoolKey {
            tls: route.tls.as_ref().map(|material| material.digest()),
            proxy: proxy.map(ProxyUrl::digest),
        };
        self.pools.get(key, Instant::now(), || {
            legacy::Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(self.idle_timeout)
                .pool_max_idle_per_host(self.max_idle_per_host)
                .http1_max_buf_size(LONGEST_HEAD)
                .build(self.connector(route, proxy))
        })
    }

    fn connector(&self, route: &Route, proxy: Option<&ProxyUrl>) -> Connector {
        Connector {
            dialer: Arc::clone(&self.dialer),
            tls: Arc::new(TlsSource::new(route.tls.clone(), Arc::clone(&self.roots))),
            proxy: proxy.cloned().map(Arc::new),
            user_agent: Arc::clone(&self.user_agent_text),
            metrics: self.metrics.clone(),
        }
    }
}

fn explicit(proxy: &Proxy) -> Option<&ProxyUrl> {
    match proxy {
        Proxy::FromEnvironment => None,
        Proxy::Explicit(proxy) => Some(proxy),
    }
}

/// Brings a request's own headers into order, once, before the first attempt.
fn prepare(request: &mut HttpRequest, user_agent: &HeaderValue) {
    for header in [
        HOST,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        TRAILER,
        PROXY_AUTHORIZATION,
    ] {
        request.headers.remove(header);
    }
    let headers = &mut request.headers;
    headers
        .entry(USER_AGENT)
        .or_insert_with(|| user_agent.clone());
    let has_user = !request.url.username().is_empty() || request.url.password().is_some();
    if has_user && !headers.contains_key(AUTHORIZATION) {
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        let password = decode(request.url.password().unwrap_or_default());
        if let Some(value) = tunnel::basic(&decode(request.url.username()), &password) {
            headers.insert(AUTHORIZATION, value);
        }
    }
    request.url.set_fragment(None);
    // These fail for URLs without a host only, which are refused later.
    let _ = request.url.set_username("");
    let _ = request.url.set_password(None);
}

/// Whom a URL names, if it is one we can dial.
fn target(url: &Url) -> Result<Peer, HttpError> {
    let refuse = |reason| HttpError::InvalidRequest { reason };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refuse(InvalidRequestReason::UnsupportedScheme));
    }
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => Ok(Peer::new(url.scheme(), host, port)),
        _ => Err(refuse(InvalidRequestReason::NoHost)),
    }
}

/// The request as hyper wants it. `proxy` is the one that reads the request itself, if any.
fn outgoing(
    request: &HttpRequest,
    proxy: Option<&ProxyUrl>,
) -> Result<Request<Full<Bytes>>, HttpError> {
    let uri: Uri = request
        .url
        .as_str()
        .parse()
        .map_err(|_| HttpError::InvalidRequest {
            reason: InvalidRequestReason::InvalidUrl,
        })?;
    let mut outgoing = Request::new(Full::new(request.body.clone()));
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = uri;
    let headers: &mut HeaderMap = outgoing.headers_mut();
    headers.clone_from(&request.headers);
    let authorization = proxy
        .and_then(ProxyUrl::credentials)
        .and_then(|known| tunnel::basic(known.username.expose(), known.password.expose()));
    if let Some(value) = authorization {
        headers.insert(PROXY_AUTHORIZATION, value);
    }
    Ok(outgoing)
}

/// What hyper's error means. Our own errors come back out of it as they went in.
fn classify(error: &legacy::Error, target: &Peer) -> HttpError {
    let endpoint = target.endpoint.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(own) = cause.downcast_ref::<HttpError>() {
            return own.clone();
        }
        // With TLS 1.3 a refused client certificate shows only when the answer is read.
        if let Some(reason) = cause.downcast_ref::<std::io::Error>().and_then(tls_reason) {
            return HttpError::Tls { endpoint, reason };
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>()
            && error.is_parse()
        {
            return HttpError::InvalidResponse { endpoint };
        }
        source = cause.source();
    }
    HttpError::ConnectionLost { endpoint }
}
