//! A real HTTP server on loopback that records what it is sent and answers by script.
//!
//! ```no_run
//! # async fn example() {
//! use testkit::{Answer, HttpSink};
//!
//! let sink = HttpSink::start().await;
//! sink.answer_next([Answer::status(503), Answer::status(200)]);
//! // … point something at sink.url("/hook") …
//! let requests = sink.wait_for(2).await;
//! assert_eq!(requests[0].method, "POST");
//! # }
//! ```

mod wire;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Pair;
pub(crate) use wire::{Connection, read_request};

/// Longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two tries to listen.
const REBIND: Duration = Duration::from_millis(20);

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// On which connection, counted from 1.
    pub connection: usize,
    /// The method.
    pub method: String,
    /// Path and query, or what else stood there.
    pub target: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether a client certificate was shown.
    pub has_client_certificate: bool,
}

impl SeenRequest {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        let found = fields.find(|(known, _)| known == name)?;
        Some(&found.1)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Send this and keep the connection.
    Send {
        /// The status.
        status: u16,
        /// Header fields besides `Content-Length`.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// Wait for [`HttpSink::release`], then do this.
    Hold(Box<Answer>),
    /// Send nothing, keep the connection open.
    Hang,
    /// Close the connection.
    Close,
    /// Reset the connection.
    Reset,
    /// Send a status, then a byte of body now and then for ever.
    Drip,
    /// Send a status and announce a body of so many bytes, then send it as fast as it is taken.
    Flood(u64),
}

impl Answer {
    /// A status with an empty JSON object as its body.
    pub fn status(status: u16) -> Self {
        Self::with_body(status, "{}")
    }

    /// A status with a body.
    pub fn with_body(status: u16, body: impl Into<String>) -> Self {
        Self::Send {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// The same with one more header field.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        match self {
            Self::Send {
                status,
                mut headers,
                body,
            } => {
                headers.push((name.to_owned(), value.to_owned()));
                Self::Send {
                    status,
                    headers,
                    body,
                }
            }
            other => other,
        }
    }
}

type Script = dyn Fn(&SeenRequest) -> Answer + Send + Sync;

struct State {
    seen: Vec<SeenRequest>,
    keeps: bool,
    next: VecDeque<Answer>,
    default: Arc<Script>,
}

/// How many connections there are and were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// Open now.
    pub open: usize,
    /// Most that were open at once.
    pub most: usize,
    /// Ever accepted.
    pub accepted: usize,
}

struct Shared {
    state: Mutex<State>,
    connections: Mutex<Connections>,
    /// Whether new connections are taken.
    is_listening: watch::Sender<bool>,
    /// What new connections are spoken to with.
    tls: Mutex<Option<TlsAcceptor>>,
    /// How many requests there were.
    count: watch::Sender<usize>,
    /// Whether held answers may go.
    released: watch::Sender<bool>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, request: SeenRequest) -> Answer {
        let mut state = self.lock();
        let default = Arc::clone(&state.default);
        let answer = state.next.pop_front().unwrap_or_else(|| default(&request));
        if state.keeps {
            state.seen.push(request);
        }
        drop(state);
        self.count.send_modify(|count| *count += 1);
        answer
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn tls(&self) -> MutexGuard<'_, Option<TlsAcceptor>> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server. Its tasks end with the runtime it was started in.
pub struct HttpSink {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
}

impl HttpSink {
    /// A plain server that answers 200 until told otherwise.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// A TLS server with this certificate; with `clients`, one that wants client certificates of that
    /// authority (PEM).
    pub async fn start_tls(pair: &Pair, clients: Option<&str>) -> Self {
        Self::start_with(Some(acceptor(pair, clients))).await
    }

    async fn start_with(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                seen: Vec::new(),
                keeps: true,
                next: VecDeque::new(),
                default: Arc::new(|_| Answer::status(200)),
            }),
            connections: Mutex::default(),
            is_listening: watch::Sender::new(true),
            tls: Mutex::new(tls),
            count: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        tokio::spawn(listen(listener, Arc::clone(&shared)));
        Self {
            address,
            scheme,
            shared,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path on it.
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Sets what every further request is answered.
    pub fn answer(&self, answer: Answer) {
        self.answer_by(move |_| answer.clone());
    }

    /// Sets how every further request is answered.
    pub fn answer_by(&self, script: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static) {
        self.shared.lock().default = Arc::new(script);
    }

    /// Answers the next requests so, one after the other; then as set before.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().next.extend(answers);
    }

    /// Keeps no requests from now on, for tests with more of them than fit into memory; a script
    /// sees them all the same.
    pub fn keep_nothing(&self) {
        self.shared.lock().keeps = false;
    }

    /// Nobody listens on the port any more; connections that are open stay.
    pub fn shut(&self) {
        self.shared.is_listening.send_replace(false);
    }

    /// Listens again, on the same port.
    pub fn open(&self) {
        self.shared.is_listening.send_replace(true);
    }

    /// Shows new clients of a TLS server another certificate.
    pub fn present(&self, pair: &Pair) {
        *self.shared.tls() = Some(acceptor(pair, None));
    }

    /// How many connections there are and were.
    pub fn connections(&self) -> Connections {
        *self.shared.connections()
    }

    /// Lets held answers go, those to come included.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.lock().seen.clone()
    }

    /// Waits until there were this many requests, and gives all. Panics after half a minute.
    pub async fn wait_for(&self, count: usize) -> Vec<SeenRequest> {
        let mut counted = self.shared.count.subscribe();
        let enough = counted.wait_for(|seen| *seen >= count);
        let in_time = tokio::time::timeout(PATIENCE, enough).await.is_ok();
        let requests = self.requests();
        assert!(
            in_time,
            "waited for {count} requests and saw {}: {requests:?}",
            requests.len()
        );
        requests
    }
}

/// What a TLS server needs.
pub(crate) fn acceptor(pair: &Pair, clients: Option<&str>) -> TlsAcceptor {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("protocol versions");
    let certificates = |pem: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(pem.as_bytes())
            .map(|certificate| certificate.expect("a certificate"))
            .collect()
    };
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = rustls::RootCertStore::empty();
            for certificate in certificates(authority) {
                roots.add(certificate).expect("an authority");
            }
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
    let config = builder.with_single_cert(certificates(&pair.certificate), key);
    TlsAcceptor::from(Arc::new(config.expect("a pair")))
}

/// Accepts while the sink is listening, and gives the port back meanwhile when it is not.
async fn listen(first: TcpListener, shared: Arc<Shared>) {
    let mut listening = shared.is_listening.subscribe();
    let address = first.local_addr().expect("an address");
    let mut listener = Some(first);
    loop {
        if !*listening.borrow_and_update() {
            listener = None;
        } else if listener.is_none() {
            // The port is ours again as soon as nobody else tries it out.
            listener = TcpListener::bind(address).await.ok();
            if listener.is_none() {
                tokio::time::sleep(REBIND).await;
                continue;
            }
        }
        let accepting = async {
            match &listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            accepted = accepting => match accepted {
                Ok((stream, _)) => welcome(stream, &shared),
                // Too many open files, say: others may be closed.
                Err(_) => tokio::time::sleep(REBIND).await,
            },
            changed = listening.changed() => if changed.is_err() {
                return;
            },
        }
    }
}

fn welcome(stream: TcpStream, shared: &Arc<Shared>) {
    let number = {
        let mut connections = shared.connections();
        connections.accepted += 1;
        connections.open += 1;
        connections.most = connections.most.max(connections.open);
        connections.accepted
    };
    let tls = shared.tls().clone();
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if let Some(mut connection) = Connection::open(stream, tls).await {
            serve(&mut connection, number, &shared).await;
        }
        shared.connections().open -= 1;
    });
}

async fn serve(connection: &mut Connection, number: usize, shared: &Shared) {
    while let Some(mut request) = read_request(connection).await {
        request.connection = number;
        request.has_client_certificate = connection.has_client_certificate();
        let mut answer = shared.record(request);
        while let Answer::Hold(then) = answer {
            // Fails only when the sink is gone, and then nobody waits.
            let _ = shared.released.subscribe().wait_for(|held| *held).await;
            answer = *then;
        }
        if !connection.give(&answer).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// Posts to the sink over a connection of its own; what came back, as text.
    async fn post(address: SocketAddr) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"POST /x?y=1 HTTP/1.1\r\nContent-Length: 2\r\nA: b\r\n\r\n{}")
            .await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn requests_are_recorded_and_answered_by_script() {
        let sink = HttpSink::start().await;
        sink.answer_next([Answer::status(503).header("Retry-After", "1")]);
        let first = post(sink.address()).await.unwrap();
        assert!(first.starts_with("HTTP/1.1 503 ") && first.contains("Retry-After: 1"));
        assert!(
            post(sink.address())
                .await
                .unwrap()
                .starts_with("HTTP/1.1 200 ")
        );
        let requests = sink.wait_for(2).await;
        assert_eq!(requests[1].target, "/x?y=1");
        assert_eq!(requests[1].header("a"), Some("b"));
        assert_eq!(requests[1].connection, 2);
    }

    #[tokio::test]
    async fn held_answers_wait_for_their_release() {
        let sink = HttpSink::start().await;
        sink.answer(Answer::Hold(Box::new(Answer::status(201))));
        let address = sink.address();
        let waiting = tokio::spawn(post(address));
        sink.wait_for(1).await;
        assert!(!waiting.is_finished());
        sink.release();
        let answer = waiting.await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 "));
    }

    #[tokio::test]
    async fn a_shut_sink_refuses_and_an_open_one_answers_on_the_same_port() {
        let sink = HttpSink::start().await;
        sink.keep_nothing();
        assert!(post(sink.address()).await.is_ok());
        sink.shut();
        while post(sink.address()).await.is_ok() {}
        sink.open();
        while post(sink.address()).await.is_err() {}
        assert!(sink.requests().is_empty());
        assert!(sink.connections().accepted >= 2);
    }

    #[tokio::test]
    async fn a_flood_has_the_length_that_it_announces() {
        let sink = HttpSink::start().await;
        sink.answer_next([Answer::Flood(100_000)]);
        let answer = post(sink.address()).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("Content-Length: 100000"));
        assert_eq!(body.len(), 100_000);
    }

    #[tokio::test]
    async fn connections_can_be_reset_and_closed() {
        let sink = HttpSink::start().await;
        sink.answer_next([Answer::Close, Answer::Reset]);
        assert_eq!(post(sink.address()).await.unwrap(), "");
        let error = post(sink.address()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}
