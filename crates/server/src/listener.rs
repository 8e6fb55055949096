//! Binds, serves connections within limits, drains.
//!
//! The time limits are the reference's (`event-server.md` section 2): 10 s for the head of a
//! connection's first request, 30 s for an idle connection or the head of a further one.

use std::future::Future;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::guarded::{Guarded, Progress, Shared};

mod room;

pub use room::{CommonRoom, Room};

/// Time for the head of the first request.
const FIRST_HEAD: Duration = Duration::from_secs(10);
/// Time a connection may be idle, and for the head of a further request.
const IDLE: Duration = Duration::from_secs(30);
/// Greatest size of a request's head, with the slack that the reference's library adds.
const LONGEST_HEAD: usize = 256 * 1024 + 4096;
/// Connections of a port at once, unless it is told otherwise.
const MOST_CONNECTIONS: usize = 20_000;
/// How long to wait when the process is out of descriptors.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
#[error("listening on `{address}`: {source}")]
pub struct BindError {
    /// As written by the user.
    pub address: String,
    /// What the system said.
    pub source: io::Error,
}

/// Answers requests.
pub trait Service: Send + Sync + 'static {
    /// One request, one response; never fails.
    fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send;
}

/// A bound address.
pub struct Listener {
    socket: Socket,
    room: Room,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds a TCP address in Go's notation: `:9090` means all interfaces.
    pub async fn bind(address: &str) -> Result<Self, BindError> {
        let bound = match address.strip_prefix(':') {
            Some(port) => match port.parse() {
                Ok(port) => bind_all(port).await,
                Err(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "no such port")),
            },
            None => TcpListener::bind(address).await,
        };
        match bound {
            Ok(tcp) => Ok(Self::new(Socket::Tcp(tcp))),
            Err(source) => Err(BindError {
                address: address.to_owned(),
                source,
            }),
        }
    }

    /// Serves a Unix socket that is bound already.
    pub fn unix(socket: UnixListener) -> Self {
        Self::new(Socket::Unix(socket))
    }

    fn new(socket: Socket) -> Self {
        let room = CommonRoom::new(0).with(MOST_CONNECTIONS);
        Self { socket, room }
    }

    /// Sets how many connections there may be at once, 20,000 otherwise; beyond it new ones wait in
    /// the backlog.
    #[must_use]
    pub fn within(self, room: Room) -> Self {
        Self { room, ..self }
    }

    /// The TCP address, with the port that was chosen for `:0`.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(tcp) => tcp.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Serves until told to stop; then running requests get `grace` to end.
    pub async fn serve<S: Service>(
        self,
        service: Arc<S>,
        shutdown: CancellationToken,
        grace: Duration,
    ) {
        let connections = TaskTracker::new();
        let guard = Arc::new(Shared::default());
        loop {
            let Some(permit) = self.room.enter().await else {
                break;
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                accepted = self.accept(&service, &guard, &shutdown) => match accepted {
                    Ok(connection) => {
                        connections.spawn(async move {
                            connection.await;
                            drop(permit);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accepting a connection failed");
                        tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                    }
                },
            }
        }
        drop(self.socket);
        connections.close();
        // What is left after the grace is cut off when the process ends.
        let _ = tokio::time::timeout(grace, connections.wait()).await;
    }

    async fn accept<S: Service>(
        &self,
        service: &Arc<S>,
        guard: &Arc<Shared>,
        shutdown: &CancellationToken,
    ) -> io::Result<futures::future::BoxFuture<'static, ()>> {
        let (service, shutdown) = (service.clone(), shutdown.clone());
        let progress = Progress::default();
        match &self.socket {
            Socket::Tcp(tcp) => {
                let (stream, _) = tcp.accept().await?;
                // Answers are small; waiting to fill a segment only delays them.
                let _ = stream.set_nodelay(true);
                let stream = Guarded::new(stream, guard.clone(), progress.clone());
                Ok(Box::pin(serve_connection(
                    stream, progress, service, shutdown,
                )))
            }
            Socket::Unix(unix) => {
                let (stream, _) = unix.accept().await?;
                let stream = Guarded::new(stream, guard.clone(), progress.clone());
                Ok(Box::pin(serve_connection(
                    stream, progress, service, shutdown,
                )))
            }
        }
    }
}

/// All interfaces, both protocols where the system has IPv6.
async fn bind_all(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => TcpListener::bind(("0.0.0.0", port)).await,
    }
}

async fn serve_connection<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    progress: Progress,
    service: Arc<S>,
    shutdown: CancellationToken,
) {
    let stepping = progress.clone();
    let handler = service_fn(move |request| {
        stepping.step();
        let (service, stepping) = (service.clone(), stepping.clone());
        async move {
            // The library reads in large pieces and may take more than its limit.
            let response = if head_length(&request) > LONGEST_HEAD {
                closing(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            } else {
                // A panic is the end of this request, not of those beside it; the hook tells of it.
                let answering = AssertUnwindSafe(service.call(request)).catch_unwind();
                let panicked = |_| closing(StatusCode::INTERNAL_SERVER_ERROR);
                answering.await.unwrap_or_else(panicked)
            };
            stepping.step();
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(LONGEST_HEAD)
        // At most 100 header fields, which is hyper's limit. To set another one costs each request an
        // array of that many, which was a twelfth of all time spent.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), handler);
    let mut connection = pin!(connection);
    let mut first_head = pin!(tokio::time::sleep(FIRST_HEAD));
    let mut is_draining = false;
    let mut waits_for_first = true;
    loop {
        tokio::select! {
            // Errors of a connection are the peer's: resets, time-outs, malformed requests.
            _ = connection.as_mut() => return,
            () = &mut first_head, if waits_for_first => {
                waits_for_first = false;
                if !progress.has_request() {
                    return;
                }
            }
            () = shutdown.cancelled(), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn head_length(request: &Request<Incoming>) -> usize {
    let headers = request.headers().iter();
    headers
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum()
}

/// An answer after which the connection ends.
fn closing(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
