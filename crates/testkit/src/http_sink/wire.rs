//! HTTP/1.1 by hand, so that a server can misbehave on purpose.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Answer, SeenRequest};

/// Time between the bytes of a dripping body.
const DRIP: Duration = Duration::from_millis(5);

/// A part of a body without end.
const PIECE: &[u8] = &[b'x'; 16 << 10];

/// A connection to a client.
pub(crate) enum Connection {
    /// TCP.
    Plain(BufReader<TcpStream>),
    /// TLS.
    Tls(Box<BufReader<TlsStream<TcpStream>>>),
}

impl Connection {
    /// Shakes hands if need be; `None` if that fails.
    pub(crate) async fn open(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Self> {
        match tls {
            None => Some(Self::Plain(BufReader::new(stream))),
            Some(tls) => tls
                .accept(stream)
                .await
                .ok()
                .map(|stream| Self::Tls(Box::new(BufReader::new(stream)))),
        }
    }

    pub(crate) fn has_client_certificate(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(stream) => stream.get_ref().get_ref().1.peer_certificates().is_some(),
        }
    }

    async fn read_byte(&mut self) -> io::Result<u8> {
        match self {
            Self::Plain(stream) => stream.read_u8().await,
            Self::Tls(stream) => stream.read_u8().await,
        }
    }

    async fn read_exact(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_exact(bytes).await,
            Self::Tls(stream) => stream.read_exact(bytes).await,
        }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn flood(&mut self, length: u64) -> io::Result<()> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        self.write(head.as_bytes()).await?;
        let mut left = length;
        while left > 0 {
            let size = PIECE.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.write(&PIECE[..size]).await?;
            left -= size as u64;
        }
        Ok(())
    }

    /// Gives an answer; says whether the connection goes on.
    pub(crate) async fn give(&mut self, answer: &Answer) -> bool {
        match answer {
            Answer::Send {
                status,
                headers,
                body,
            } => self.write(&response(*status, headers, body)).await.is_ok(),
            Answer::Drip => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
                let mut alive = self.write(head).await.is_ok();
                while alive {
                    tokio::time::sleep(DRIP).await;
                    alive = self.write(b"x").await.is_ok();
                }
                false
            }
            Answer::Flood(length) => self.flood(*length).await.is_ok(),
            Answer::Close | Answer::Hold(_) => false,
            Answer::Reset => {
                let tcp = match self {
                    Self::Plain(stream) => stream.get_ref(),
                    Self::Tls(stream) => stream.get_ref().get_ref().0,
                };
                // Without lingering, closing sends a reset.
                tcp.set_zero_linger().expect("a socket option");
                false
            }
            Answer::Hang => std::future::pending().await,
        }
    }
}

fn response(status: u16, headers: &[(String, String)], body: &str) -> Vec<u8> {
    let reason = StatusCode::from_u16(status).ok();
    let reason = reason.and_then(|status| status.canonical_reason());
    let mut text = format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or("Unknown"));
    for (name, value) in headers {
        // Writing to a string cannot fail.
        let _ = write!(text, "{name}: {value}\r\n");
    }
    // These never have a body, not even an announced one.
    if status == 204 || status == 304 || status < 200 {
        text.push_str("\r\n");
    } else {
        let _ = write!(text, "Content-Length: {}\r\n\r\n{body}", body.len());
    }
    text.into_bytes()
}

/// Reads one request; `None` at the end of the connection.
pub(crate) async fn read_request(connection: &mut Connection) -> Option<SeenRequest> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_byte().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = SeenRequest {
        connection: 0,
        method,
        target,
        headers,
        body: Vec::new(),
        has_client_certificate: false,
    };
    let length = request.header("content-length").unwrap_or("0");
    request.body = vec![0; length.parse().ok()?];
    connection.read_exact(&mut request.body).await.ok()?;
    Some(request)
}
