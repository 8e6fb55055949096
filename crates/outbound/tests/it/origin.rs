//! A server that records what it is sent and answers by script.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outbound::BoxedStream;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Pair;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// On which connection, counted from 1.
    pub(crate) connection: usize,
    /// Request line and header fields, in lower case but for the request line.
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        let found = fields.find(|(known, _)| known == name)?;
        Some(&found.1)
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Send this and keep the connection.
    Send(String),
    /// Send this and close the connection.
    SendAndClose(String),
    /// Send this, then a byte a millisecond for ever.
    Drip(String),
    /// Send nothing, keep the connection.
    Hang,
    /// Close the connection.
    Close,
}

/// A response with a body.
pub(crate) fn reply(status: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Send(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// A response that points elsewhere.
pub(crate) fn moved(status: &str, location: &str) -> Answer {
    Answer::Send(format!(
        "HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 4\r\n\r\nmore"
    ))
}

/// The server. Its tasks end with the test's runtime.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

type Script = dyn Fn(&Seen) -> Answer + Send + Sync;

impl Origin {
    /// A plain server.
    pub(crate) async fn plain(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(script)).await
    }

    /// A TLS server; with `clients`, one that wants client certificates of that authority.
    pub(crate) async fn tls(
        pair: &Pair,
        clients: Option<&str>,
        script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(acceptor(pair, clients)), Arc::new(script)).await
    }

    /// A plain server that always answers 200.
    pub(crate) async fn ok() -> Self {
        Self::plain(|_| reply("200 OK", "ok")).await
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    async fn start(tls: Option<TlsAcceptor>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let record = Arc::clone(&seen);
        tokio::spawn(async move {
            for connection in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let tls = tls.clone();
                let script = Arc::clone(&script);
                let record = Arc::clone(&record);
                tokio::spawn(async move {
                    let stream: BoxedStream = match tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    serve(stream, connection, &script, &record).await;
                });
            }
        });
        Self { address, seen }
    }
}

/// What a TLS server needs.
pub(crate) fn acceptor(pair: &Pair, clients: Option<&str>) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            let authority = CertificateDer::from_pem_slice(authority.as_bytes()).unwrap();
            roots.add(authority).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes());
    let chain: Vec<_> = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

/// Reads one request; `None` at the end of the connection.
pub(crate) async fn read_request(stream: &mut BoxedStream, connection: usize) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut seen = Seen {
        connection,
        line,
        headers,
        body: Vec::new(),
    };
    let length = seen.header("content-length").unwrap_or("0");
    seen.body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut seen.body).await.ok()?;
    Some(seen)
}

async fn serve(
    mut stream: BoxedStream,
    connection: usize,
    script: &Arc<Script>,
    record: &Mutex<Vec<Seen>>,
) {
    while let Some(seen) = read_request(&mut stream, connection).await {
        let answer = script(&seen);
        record.lock().unwrap().push(seen);
        let (text, then) = match &answer {
            Answer::Send(text) | Answer::SendAndClose(text) | Answer::Drip(text) => (text, true),
            Answer::Hang | Answer::Close => (&String::new(), false),
        };
        if then {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.flush().await;
        }
        match answer {
            Answer::Send(_) => {}
            Answer::SendAndClose(_) | Answer::Close => {
                let _ = stream.shutdown().await;
                return;
            }
            Answer::Drip(_) => {
                let mut beat = tokio::time::interval(Duration::from_millis(1));
                while stream.write_all(b"x").await.is_ok() {
                    let _ = stream.flush().await;
                    beat.tick().await;
                }
            }
            Answer::Hang => std::future::pending().await,
        }
    }
}
