//! Connections for hyper's pool: direct or through a proxy, plain or TLS.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tower::Service;

use crate::dial::{Dialer, Peer};
use crate::error::{HttpError, InvalidRequestReason, Phase, ProxyReason};
use crate::metrics::{Metrics, Via};
use crate::proxy::{ProxyScheme, ProxyUrl};
use crate::stream::BoxedStream;
use crate::trust::TlsSource;
use crate::tunnel;

/// Opens the connections of one route.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) tls: Arc<TlsSource>,
    pub(crate) proxy: Option<Arc<ProxyUrl>>,
    pub(crate) user_agent: Arc<str>,
    pub(crate) metrics: Metrics,
}

impl Connector {
    /// Opens a connection on which requests to `target` can be written: absolute ones when it
    /// returns `true`, which it does for plain HTTP through an HTTP proxy.
    async fn open(&self, target: &Peer, secure: bool) -> Result<(BoxedStream, bool), HttpError> {
        if !secure
            && let Some(proxy) = self.proxy.as_deref()
            && proxy.scheme() != ProxyScheme::Socks5
        {
            self.dialer.check_literal(target)?;
            let stream = self.reach_proxy(proxy).await?;
            self.metrics.opened(Via::Proxy);
            return Ok((stream, true));
        }
        let stream = self.reach(target).await?;
        if !secure {
            return Ok((stream, false));
        }
        Ok((self.secure(stream, target).await?, false))
    }

    /// Bytes to `target` and back, through the proxy if there is one.
    pub(crate) async fn reach(&self, target: &Peer) -> Result<BoxedStream, HttpError> {
        let Some(proxy) = self.proxy.as_deref() else {
            let stream = self.dialer.tcp(target).await?;
            self.metrics.opened(Via::Direct);
            return Ok(Box::new(stream));
        };
        self.dialer.check_literal(target)?;
        let stream = self.reach_proxy(proxy).await?;
        let limit = self.dialer.connect_timeout;
        let tunnelled = match proxy.scheme() {
            ProxyScheme::Socks5 => {
                timeout(limit, tunnel::socks5(stream, target, proxy.credentials())).await
            }
            ProxyScheme::Http | ProxyScheme::Https => {
                let credentials = proxy.credentials();
                let connect = tunnel::connect(stream, target, credentials, &self.user_agent);
                timeout(limit, connect).await
            }
        };
        match tunnelled {
            Ok(Ok(stream)) => {
                self.metrics.opened(Via::Proxy);
                Ok(stream)
            }
            Ok(Err(reason)) => Err(refused(proxy, target, reason)),
            Err(_) => Err(HttpError::Timeout {
                endpoint: proxy.endpoint(),
                phase: Phase::Connect,
            }),
        }
    }

    /// Speaks TLS with `peer` over a connection to it.
    pub(crate) async fn secure(
        &self,
        stream: BoxedStream,
        peer: &Peer,
    ) -> Result<BoxedStream, HttpError> {
        let config = self.tls.config().await.map_err(|reason| HttpError::Tls {
            endpoint: peer.endpoint.clone(),
            reason,
        })?;
        self.dialer.tls(stream, peer, config).await
    }

    async fn reach_proxy(&self, proxy: &ProxyUrl) -> Result<BoxedStream, HttpError> {
        let peer = Peer {
            endpoint: proxy.endpoint(),
            host: proxy.host().to_owned(),
            port: proxy.port(),
        };
        let stream: BoxedStream = Box::new(self.dialer.tcp(&peer).await?);
        match proxy.scheme() {
            ProxyScheme::Https => self.secure(stream, &peer).await,
            ProxyScheme::Http | ProxyScheme::Socks5 => Ok(stream),
        }
    }
}

/// The error for a proxy that does not let us through.
pub(crate) fn refused(proxy: &ProxyUrl, target: &Peer, reason: ProxyReason) -> HttpError {
    HttpError::Proxy {
        proxy: proxy.endpoint(),
        endpoint: target.endpoint.clone(),
        reason,
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Opened>;
    type Error = HttpError;
    type Future = BoxFuture<'static, Result<Self::Response, HttpError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HttpError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        async move {
            let secure = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
            let (scheme, default_port) = if secure { ("https", 443) } else { ("http", 80) };
            let host = uri.host().ok_or(HttpError::InvalidRequest {
                reason: InvalidRequestReason::NoHost,
            })?;
            let target = Peer::new(scheme, host, uri.port_u16().unwrap_or(default_port));
            let (stream, absolute) = connector.open(&target, secure).await?;
            Ok(TokioIo::new(Opened { stream, absolute }))
        }
        .boxed()
    }
}

/// An open connection and whether requests on it name their target in full.
pub(crate) struct Opened {
    stream: BoxedStream,
    absolute: bool,
}

impl Connection for Opened {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.absolute)
    }
}

impl AsyncRead for Opened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Opened {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
