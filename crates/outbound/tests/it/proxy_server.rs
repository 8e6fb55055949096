//! Small proxies: HTTP (CONNECT and absolute requests, plain or behind TLS) and SOCKS 5. Whatever
//! name they are asked for, they connect to the one place the test gave them.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use outbound::BoxedStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::certificates::Pair;
use crate::origin::{Seen, acceptor, read_request};

/// A proxy and what it was asked.
pub(crate) struct ProxyServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone)]
struct Rules {
    backend: SocketAddr,
    credentials: Option<(String, String)>,
    asked: Arc<Mutex<Vec<Seen>>>,
}

impl ProxyServer {
    /// An HTTP proxy that wants these credentials, behind TLS with this certificate if given.
    pub(crate) async fn http(
        backend: SocketAddr,
        credentials: Option<(&str, &str)>,
        tls: Option<&Pair>,
    ) -> Self {
        let tls = tls.map(|pair| acceptor(pair, None));
        Self::start(backend, credentials, move |stream, rules| {
            let tls = tls.clone();
            tokio::spawn(async move {
                let stream: BoxedStream = match tls {
                    None => Box::new(stream),
                    Some(tls) => Box::new(tls.accept(stream).await.unwrap()),
                };
                serve_http(stream, &rules).await
            });
        })
        .await
    }

    /// A SOCKS 5 proxy that wants these credentials.
    pub(crate) async fn socks5(backend: SocketAddr, credentials: Option<(&str, &str)>) -> Self {
        Self::start(backend, credentials, |stream, rules| {
            tokio::spawn(async move { serve_socks(stream, &rules).await });
        })
        .await
    }

    /// Request lines, or for SOCKS `host:port` of each request.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    async fn start(
        backend: SocketAddr,
        credentials: Option<(&str, &str)>,
        serve: impl Fn(TcpStream, Rules) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let rules = Rules {
            backend,
            credentials: credentials.map(|(name, word)| (name.to_owned(), word.to_owned())),
            asked: Arc::clone(&asked),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, rules.clone());
            }
        });
        Self { address, asked }
    }
}

async fn serve_http(mut stream: BoxedStream, rules: &Rules) -> Option<()> {
    while let Some(seen) = read_request(&mut stream, 0).await {
        let expected = rules
            .credentials
            .as_ref()
            .map(|(name, word)| format!("Basic {}", STANDARD.encode(format!("{name}:{word}"))));
        let authorized = seen.header("proxy-authorization") == expected.as_deref();
        let connect = seen.line.starts_with("CONNECT ");
        rules.asked.lock().unwrap().push(seen);
        if !authorized {
            let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(refusal.as_bytes()).await.ok()?;
            continue;
        }
        if connect {
            let mut backend = TcpStream::connect(rules.backend).await.ok()?;
            let welcome = "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n";
            stream.write_all(welcome.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
            tokio::io::copy_bidirectional(&mut stream, &mut backend)
                .await
                .ok()?;
            return Some(());
        }
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nproxied";
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
    Some(())
}

async fn serve_socks(mut stream: TcpStream, rules: &Rules) -> Option<()> {
    let _version = stream.read_u8().await.ok()?;
    let methods = read_counted(&mut stream).await?;
    let wanted = if rules.credentials.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        stream.write_all(&[5, 0xff]).await.ok()?;
        return None;
    }
    stream.write_all(&[5, wanted]).await.ok()?;
    if let Some((name, word)) = &rules.credentials {
        let _version = stream.read_u8().await.ok()?;
        let given_name = read_counted(&mut stream).await?;
        let given_word = read_counted(&mut stream).await?;
        let right = given_name == name.as_bytes() && given_word == word.as_bytes();
        stream.write_all(&[1, u8::from(!right)]).await.ok()?;
        if !right {
            return None;
        }
    }
    let mut request = [0; 4];
    stream.read_exact(&mut request).await.ok()?;
    assert_eq!(request, [5, 1, 0, 3], "a name, for the proxy to resolve");
    let host = String::from_utf8(read_counted(&mut stream).await?).unwrap();
    let port = stream.read_u16().await.ok()?;
    rules.asked.lock().unwrap().push(Seen {
        connection: 0,
        line: format!("{host}:{port}"),
        headers: Vec::new(),
        body: Vec::new(),
    });
    let mut backend = TcpStream::connect(rules.backend).await.ok()?;
    let done = [5, 0, 0, 1, 127, 0, 0, 1, 0, 0];
    stream.write_all(&done).await.ok()?;
    tokio::io::copy_bidirectional(&mut stream, &mut backend)
        .await
        .ok()?;
    Some(())
}

/// A byte that counts, then that many bytes.
async fn read_counted(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await.ok()?)];
    stream.read_exact(&mut bytes).await.ok()?;
    Some(bytes)
}
