//! One kept connection: a request out, an answer in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::{Buf, BytesMut};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::http1;

const CONNECT: Duration = Duration::from_secs(5);

/// TLS or not.
#[derive(Clone, Debug)]
pub(crate) enum Security {
    /// Plain HTTP.
    Plain,
    /// HTTPS with this configuration.
    Tls(Arc<ClientConfig>),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection to one server.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    buffer: BytesMut,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr, security: &Security) -> anyhow::Result<Self> {
        anyhow::ensure!(address.ip().is_loopback(), "{address} is not on loopback");
        let opening = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Stream> = match security {
                Security::Plain => Box::new(stream),
                Security::Tls(config) => {
                    let name = ServerName::IpAddress(address.ip().into());
                    let connector = TlsConnector::from(config.clone());
                    Box::new(connector.connect(name, stream).await?)
                }
            };
            anyhow::Ok(stream)
        };
        let stream = tokio::time::timeout(CONNECT, opening)
            .await
            .with_context(|| format!("connecting to {address} took too long"))?
            .with_context(|| format!("connecting to {address}"))?;
        Ok(Self {
            stream,
            buffer: BytesMut::with_capacity(2048),
        })
    }

    /// Sends a request and reads the answer to its end; answers with its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        loop {
            if let Some(message) = http1::message(&self.buffer)? {
                self.buffer.advance(message.end);
                return Ok(message.status);
            }
            let read = self.stream.read_buf(&mut self.buffer).await?;
            anyhow::ensure!(read > 0, "the server closed the connection");
        }
    }

    /// Sends a request and answers with the status and the body.
    pub(crate) async fn fetch(&mut self, request: &[u8]) -> anyhow::Result<(u16, Vec<u8>)> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        loop {
            if let Some(message) = http1::message(&self.buffer)? {
                let whole = self.buffer.split_to(message.end);
                let body = whole.get(message.body..).unwrap_or_default().to_vec();
                return Ok((message.status, body));
            }
            let read = self.stream.read_buf(&mut self.buffer).await?;
            anyhow::ensure!(read > 0, "the server closed the connection");
        }
    }
}
