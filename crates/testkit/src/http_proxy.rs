//! An HTTP proxy on loopback that leads everything to one place and records what it was asked.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};

use crate::http_sink::{Connection, SeenRequest, read_request};

/// A proxy for CONNECT requests, which is how https goes through one.
pub struct HttpProxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<SeenRequest>>>,
}

impl HttpProxy {
    /// A proxy that connects everyone to `backend`, whatever they ask for; with credentials, only
    /// those who have them.
    pub async fn start(backend: SocketAddr, credentials: Option<(&str, &str)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked: Arc<Mutex<Vec<SeenRequest>>> = Arc::default();
        let expected = credentials
            .map(|(name, word)| format!("Basic {}", STANDARD.encode(format!("{name}:{word}"))));
        let record = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let expected = expected.clone();
                let record = Arc::clone(&record);
                tokio::spawn(serve(stream, backend, expected, record));
            }
        });
        Self { address, asked }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All CONNECT requests so far; `target` is `host:port`.
    pub fn asked(&self) -> Vec<SeenRequest> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.clone()
    }
}

async fn serve(
    stream: TcpStream,
    backend: SocketAddr,
    expected: Option<String>,
    record: Arc<Mutex<Vec<SeenRequest>>>,
) {
    let mut connection = Connection::Plain(BufReader::new(stream));
    let Some(request) = read_request(&mut connection).await else {
        return;
    };
    let is_welcome = expected.as_deref() == request.header("proxy-authorization");
    let is_connect = request.method == "CONNECT";
    record
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
    // Whoever hangs up early is no matter here.
    if !is_welcome {
        let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
        let _ = connection.write(refusal).await;
        return;
    }
    let (true, Ok(mut upstream)) = (is_connect, TcpStream::connect(backend).await) else {
        let _ = connection
            .write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            .await;
        return;
    };
    let _ = connection.write(b"HTTP/1.1 200 OK\r\n\r\n").await;
    if let Connection::Plain(mut stream) = connection {
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    }
}
