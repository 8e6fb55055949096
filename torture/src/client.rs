//! A small HTTP client for loopback, as senders have one: a kept connection, one request at a time.

use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects over TCP.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Self::over(stream).await
    }

    /// Connects over a Unix socket.
    pub(crate) async fn connect_unix(path: &Path) -> anyhow::Result<Self> {
        let context = || format!("connecting to {}", path.display());
        let stream = match UnixStream::connect(path).await {
            // Too long for an address: its directory gets a shorter name.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
                let directory = File::open(path.parent().context("a file")?)?;
                let name = Path::new(path.file_name().context("a file")?).display();
                let short = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
                UnixStream::connect(short).await.with_context(context)?
            }
            stream => stream.with_context(context)?,
        };
        Self::over(stream).await
    }

    async fn over<S>(stream: S) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the connection; an error shows in the request that met it.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> anyhow::Result<(u16, Bytes)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "torture")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let exchange = async {
            self.sender.ready().await?;
            let response = self.sender.send_request(request).await?;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, body))
        };
        tokio::time::timeout(PATIENCE, exchange)
            .await
            .with_context(|| format!("no answer within {PATIENCE:?}"))?
    }
}

/// Gets a page.
pub(crate) async fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, Bytes)> {
    let mut client = Client::connect(address).await?;
    client.send("GET", path, Bytes::new()).await
}
