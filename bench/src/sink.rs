//! A destination on loopback that counts what it is sent and can hang, be slow or refuse.

mod certificate;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::event::Stamp;
use crate::histogram::Histogram;
use crate::http1;
use crate::ledger::Ledger;
use crate::load::Security;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const UNAVAILABLE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// How a sink behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Answers 200 at once.
    Healthy,
    /// Answers 200 after this long.
    Slow(Duration),
    /// Takes the request and never answers.
    Hanging,
    /// Answers 503 at once.
    Refusing,
}

/// A destination; it ends when dropped.
pub(crate) struct Sink {
    address: SocketAddr,
    certificate: Option<certificate::Certificate>,
    mode: watch::Sender<Mode>,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    epoch: Instant,
    delivered: AtomicU64,
    /// Microseconds from the epoch to the last delivery.
    last: AtomicU64,
    connections: AtomicU64,
    ledger: Ledger,
    /// From being sent to this program's target to arriving here.
    latency: Mutex<Histogram>,
}

impl Sink {
    /// A sink over HTTP.
    pub(crate) async fn plain(mode: Mode, epoch: Instant) -> anyhow::Result<Self> {
        Self::start(mode, epoch, None).await
    }

    /// A sink over HTTPS with a certificate of its own.
    pub(crate) async fn tls(mode: Mode, epoch: Instant) -> anyhow::Result<Self> {
        Self::start(mode, epoch, Some(certificate::Certificate::new()?)).await
    }

    async fn start(
        mode: Mode,
        epoch: Instant,
        certificate: Option<certificate::Certificate>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mode, modes) = watch::channel(mode);
        let shared = Arc::new(Shared {
            epoch,
            delivered: AtomicU64::new(0),
            last: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            ledger: Ledger::new(),
            latency: Mutex::default(),
        });
        let acceptor = certificate
            .as_ref()
            .map(|certificate| TlsAcceptor::from(certificate.server.clone()));
        let accepting = tokio::spawn(accept(listener, acceptor, shared.clone(), modes));
        Ok(Self {
            address,
            certificate,
            mode,
            shared,
            accepting,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The start that latencies count from.
    #[cfg(test)]
    pub(crate) fn epoch(&self) -> Instant {
        self.shared.epoch
    }

    /// Its address as a URL.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/hook", self.address)
    }

    /// The CA to trust, if it speaks TLS.
    pub(crate) fn authority(&self) -> Option<&str> {
        self.certificate
            .as_ref()
            .map(|certificate| certificate.authority.as_str())
    }

    /// How a client of ours connects.
    pub(crate) fn client(&self) -> Security {
        match &self.certificate {
            None => Security::Plain,
            Some(certificate) => Security::Tls(certificate.client.clone()),
        }
    }

    /// Changes its behaviour; requests that hang are ended by closing their connections.
    pub(crate) fn switch_to(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// How many requests were answered with 200.
    pub(crate) fn delivered(&self) -> u64 {
        self.shared.delivered.load(Ordering::Relaxed)
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// When the last one was, since the epoch.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_micros(self.shared.last.load(Ordering::Relaxed))
    }

    /// What was delivered, by object.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Time from sending an event to its delivery.
    pub(crate) fn latency(&self) -> Histogram {
        let latency = self.shared.latency.lock();
        latency.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the times so far, such as those of a warm-up.
    pub(crate) fn forget_latency(&self) {
        let latency = self.shared.latency.lock();
        *latency.unwrap_or_else(PoisonError::into_inner) = Histogram::default();
    }

    /// Waits until so many different events were delivered; answers whether they were in time.
    pub(crate) async fn wait_for(&self, different: u64, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.delivered() >= different && self.ledger().totals().different >= different {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    modes: watch::Receiver<Mode>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely; ends of connections free some.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let (acceptor, shared, modes) = (acceptor.clone(), shared.clone(), modes.clone());
        tokio::spawn(async move {
            // A peer that goes away is no matter; what counts was counted.
            let _ = welcome(stream, acceptor, shared, modes).await;
        });
    }
}

async fn welcome(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    modes: watch::Receiver<Mode>,
) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    match acceptor {
        None => serve(stream, &shared, modes).await,
        Some(acceptor) => serve(acceptor.accept(stream).await?, &shared, modes).await,
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    shared: &Shared,
    mut modes: watch::Receiver<Mode>,
) -> anyhow::Result<()> {
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        let message = loop {
            if let Some(message) = http1::message(&buffer)? {
                break message;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let mode = *modes.borrow_and_update();
        let answer = match mode {
            Mode::Healthy => OK,
            Mode::Slow(pause) => {
                tokio::time::sleep(pause).await;
                OK
            }
            Mode::Refusing => UNAVAILABLE,
            Mode::Hanging => {
                // Ends when the behaviour changes, the sink is dropped, or the peer gives up.
                tokio::select! {
                    _ = modes.changed() => {}
                    _ = stream.read_buf(&mut buffer) => {}
                }
                return Ok(());
            }
        };
        if answer == OK {
            shared.count(buffer.get(message.body..message.end).unwrap_or_default());
        }
        stream.write_all(answer).await?;
        stream.flush().await?;
        buffer.advance(message.end);
        if message.closes {
            return Ok(());
        }
    }
}

impl Shared {
    fn count(&self, body: &[u8]) {
        let now = self.epoch.elapsed();
        if let Some(stamp) = Stamp::read(body) {
            self.ledger.enter(stamp);
            let mut latency = self.latency.lock().unwrap_or_else(PoisonError::into_inner);
            latency.record(now.saturating_sub(stamp.sent));
        }
        let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        self.last.fetch_max(micros, Ordering::Relaxed);
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }
}
