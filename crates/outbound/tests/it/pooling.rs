//! Connections are used again, by those who may share them, and what goes out on them.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use outbound::{BoxedStream, Route};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::certificates::Authority;
use crate::origin::{Answer, Origin, read_request, reply};
use crate::setup::{AMPLE, Bench, Names, get, post, trusting};

const OPENED: &str = r#"fanfare_outbound_connections_opened_total{via="direct"}"#;

#[tokio::test]
async fn requests_in_turn_share_a_connection() {
    let origin = Origin::ok().await;
    let target = format!("http://service.test:{}/", origin.port());
    let bench = Bench::usual();
    for _ in 0..5 {
        bench.send(get(&target), &Route::default()).await.unwrap();
    }
    assert_eq!(bench.counter(OPENED), 1);
    assert!(origin.seen().iter().all(|seen| seen.connection == 1));
    assert_eq!(
        bench.counter(r#"fanfare_outbound_requests_total{outcome="2xx"}"#),
        5
    );
}

#[tokio::test]
async fn routes_with_different_identities_never_share_a_connection() {
    let authority = Authority::new();
    let server = authority.issue(&["service.test"]);
    let origin = Origin::tls(&server, Some(&authority.pem), |_| reply("200 OK", "")).await;
    let target = format!("https://service.test:{}/", origin.port());
    let bench = Bench::usual();
    let first = authority.issue(&["one.test"]);
    let second = authority.issue(&["two.test"]);
    for client in [&first, &second, &first] {
        let route = trusting(&authority.pem, Some(client));
        bench.send(get(&target), &route).await.unwrap();
    }
    let connections: Vec<_> = origin.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 2, 1]);
}

#[tokio::test]
async fn a_connection_that_closed_while_idle_is_replaced_unnoticed() {
    let origin = Origin::plain(|_| {
        Answer::SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned())
    })
    .await;
    let target = format!("http://service.test:{}/", origin.port());
    let bench = Bench::usual();
    for _ in 0..5 {
        bench
            .send(post(&target, "body"), &Route::default())
            .await
            .unwrap();
        // The server's end of the connection reaches the pool through the runtime, which looks at
        // its sockets every so many turns.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(origin.seen().len(), 5);
    assert_eq!(bench.counter(OPENED), 5);
}

#[tokio::test]
async fn an_idle_connection_is_closed_by_us() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let ended = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream: BoxedStream = Box::new(stream);
        read_request(&mut stream, 1).await.unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap()
    });
    let mut settings = Bench::settings();
    settings.idle_timeout = Duration::from_millis(10);
    let bench = Bench::new(settings);
    let target = format!("http://service.test:{port}/");
    bench.send(get(&target), &Route::default()).await.unwrap();
    let ended = tokio::time::timeout(AMPLE, ended).await;
    assert_eq!(ended.expect("closed in time").unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_was_read_is_not_repeated() {
    let origin = Origin::plain(|seen| match seen.line.as_str() {
        "GET / HTTP/1.1" => reply("200 OK", ""),
        _ => Answer::Close,
    })
    .await;
    let target = format!("http://service.test:{}/", origin.port());
    let bench = Bench::usual();
    bench.send(get(&target), &Route::default()).await.unwrap();
    let result = bench.send(post(&target, "body"), &Route::default()).await;
    assert!(result.is_err());
    assert_eq!(origin.seen().len(), 2);
}

#[tokio::test]
async fn our_headers_are_set_and_theirs_kept() {
    let origin = Origin::ok().await;
    let port = origin.port();
    let bench = Bench::usual();
    let mut request = post(
        &format!("http://bob:p%40ss@service.test:{port}/a?b#c"),
        "hello",
    );
    for (name, value) in [
        (header::HOST, "evil.test"),
        (header::CONTENT_LENGTH, "1"),
        (header::TRANSFER_ENCODING, "chunked"),
        (header::CONTENT_TYPE, "application/json"),
    ] {
        request
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    bench.send(request, &Route::default()).await.unwrap();
    let seen = origin.seen().remove(0);
    assert_eq!(seen.line, "POST /a?b HTTP/1.1");
    assert_eq!(seen.header("host"), Some(&*format!("service.test:{port}")));
    assert_eq!(seen.header("content-length"), Some("5"));
    assert_eq!(seen.header("transfer-encoding"), None);
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("user-agent"), Some("fanfare/test"));
    assert_eq!(seen.header("authorization"), Some("Basic Ym9iOnBAc3M="));
    assert_eq!(seen.header("accept-encoding"), None);
    assert_eq!(seen.body, b"hello");

    let mut request = get(&format!("http://bob:pw@service.test:{port}/"));
    for (name, value) in [
        (header::AUTHORIZATION, "Bearer t"),
        (header::USER_AGENT, "me"),
    ] {
        request
            .headers
            .insert(name, HeaderValue::from_static(value));
    }
    bench.send(request, &Route::default()).await.unwrap();
    let seen = origin.seen().remove(1);
    assert_eq!(seen.header("authorization"), Some("Bearer t"));
    assert_eq!(seen.header("user-agent"), Some("me"));
}

#[tokio::test]
async fn the_addresses_of_a_name_are_tried_in_turn() {
    let origin = Origin::ok().await;
    let mut settings = Bench::settings();
    let addresses = ["127.0.0.2", "::1", "127.0.0.1"];
    settings.resolver = Arc::new(Names::of(&[("service.test", &addresses)]));
    let target = format!("http://service.test:{}/", origin.port());
    let response = Bench::new(settings)
        .send(get(&target), &Route::default())
        .await
        .unwrap();
    assert_eq!(response.body, "ok");
}

#[tokio::test]
async fn the_least_recently_used_pool_gives_way() {
    let origin = Origin::ok().await;
    let target = format!("http://service.test:{}/", origin.port());
    let mut settings = Bench::settings();
    settings.max_pools = 1;
    let bench = Bench::new(settings);
    let other = trusting(&Authority::new().pem, None);
    for route in [&Route::default(), &other, &Route::default()] {
        bench.send(get(&target), route).await.unwrap();
    }
    assert_eq!(bench.counter(OPENED), 3);
}
