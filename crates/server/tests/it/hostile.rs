//! Clients that misbehave leave the port serving.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Port, event};

const MINUTES: Duration = Duration::from_mins(5);

#[tokio::test(flavor = "multi_thread")]
async fn idle_and_dripping_connections_leave_it_serving() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start(&directory, MINUTES, 1_000_000).await;
    let mut idle = Vec::new();
    for number in 0..400 {
        let mut stream = TcpStream::connect(port.address).await.unwrap();
        if number % 2 == 0 {
            stream
                .write_all(b"POST / HTTP/1.1\r\nHost: e\r\nContent-Le")
                .await
                .unwrap();
        }
        idle.push(stream);
    }
    assert_eq!(port.post(&event("a", "m")).await, 202);
    drop(idle);
    port.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_without_end_are_refused_and_leave_it_serving() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start(&directory, MINUTES, 1_000_000).await;
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = [
        format!("{:x}\r\n", 1 << 20).into_bytes(),
        vec![b'x'; 1 << 20],
        b"\r\n".to_vec(),
    ]
    .concat();
    // It stops reading at some point; what matters is that it does, and goes on serving others.
    let mut sent = 0;
    while sent < 64 && stream.write_all(&chunk).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 64, "it read 64 MiB of one body");
    assert_eq!(port.post(&event("a", "m")).await, 202);
    port.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_a_status_or_a_closed_connection() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start(&directory, MINUTES, 1_000_000).await;
    for request in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: e\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    ] {
        if let Some(answer) = port.exchange(request, true).await {
            assert!(
                (400..600).contains(&answer.status),
                "{request:?}: {}",
                answer.status
            );
        }
    }
    assert_eq!(port.post(&event("a", "m")).await, 202);
    port.stop().await;
}
