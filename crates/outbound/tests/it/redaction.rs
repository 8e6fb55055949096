//! A marked secret in every place a request has one never shows in what can be printed.

use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, header};
use outbound::{HttpRequest, HttpTransport, Route, SendOptions};
use tokio::net::TcpListener;

use crate::certificates::Authority;
use crate::origin::{Answer, Origin, moved, reply};
use crate::proxy_server::ProxyServer;
use crate::setup::{Bench, through, trusting};

const MARK: &str = "MARKED5ECRET";

/// A request with the mark everywhere but in its host.
fn marked(scheme: &str, host: &str, port: u16) -> HttpRequest {
    let url = format!("{scheme}://{MARK}:{MARK}@{host}:{port}/{MARK}/x?key={MARK}#{MARK}");
    let mut request = crate::setup::post(&url, "{\"text\":\"MARKED5ECRET\"}");
    for name in [header::AUTHORIZATION, header::COOKIE, header::HOST] {
        request.headers.insert(name, HeaderValue::from_static(MARK));
    }
    request
}

fn assert_clean(shown: &str) {
    // Twelve bytes, so that there is no padding.
    let encoded = STANDARD.encode(MARK);
    assert!(!shown.contains(MARK), "{shown}");
    assert!(!shown.contains(&encoded), "{shown}");
    assert!(
        !shown.to_lowercase().contains(&MARK.to_lowercase()),
        "{shown}"
    );
}

#[tokio::test]
async fn no_error_and_no_debug_output_shows_a_secret() {
    let authority = Authority::new();
    let trusted = trusting(&authority.pem, None);
    let elsewhere = format!("http://{MARK}:{MARK}@other.test/{MARK}?{MARK}#{MARK}");
    let closed = {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let redirecting = Origin::plain(move |_| moved("307 Temporary Redirect", &elsewhere)).await;
    let looping = Origin::plain(|_| moved("307 Temporary Redirect", MARK)).await;
    let hanging = Origin::plain(|_| Answer::Hang).await;
    let closing = Origin::plain(|_| Answer::Close).await;
    let garbled = Origin::plain(|_| Answer::SendAndClose(format!("{MARK}\r\n\r\n"))).await;
    let untrusted = Authority::new().issue(&["service.test"]);
    let untrusted = Origin::tls(&untrusted, None, |_| reply("200 OK", "")).await;
    let refusing = ProxyServer::http(closing.address, Some(("other", "other")), None).await;
    let refusing_socks = ProxyServer::socks5(closing.address, Some(("other", "other"))).await;
    let proxied = |scheme: &str, port: u16| {
        through(
            trusted.clone(),
            &format!("{scheme}://{MARK}:{MARK}@proxy.test:{port}/{MARK}"),
        )
    };
    let none = Route::default;

    let cases = [
        ("http", "service.test", redirecting.port(), none()),
        ("http", "service.test", looping.port(), none()),
        ("http", "service.test", hanging.port(), none()),
        ("http", "service.test", closing.port(), none()),
        ("http", "service.test", garbled.port(), none()),
        ("http", "service.test", closed, none()),
        ("http", "unknown.test", 80, none()),
        ("http", "169.254.169.254", 80, none()),
        ("ftp", "service.test", 21, none()),
        ("https", "service.test", untrusted.port(), trusted.clone()),
        (
            "https",
            "service.test",
            443,
            proxied("http", refusing.port()),
        ),
        ("http", "service.test", 80, proxied("http", refusing.port())),
        (
            "https",
            "service.test",
            443,
            proxied("socks5", refusing_socks.port()),
        ),
        (
            "https",
            "service.test",
            443,
            proxied("http", garbled.port()),
        ),
        (
            "https",
            "service.test",
            443,
            proxied("https", untrusted.port()),
        ),
        ("https", "service.test", 443, proxied("http", closed)),
    ];
    let bench = Bench::usual();
    let options = SendOptions::within(Duration::from_millis(500));
    let mut kinds = std::collections::BTreeSet::new();
    for (scheme, host, port, route) in cases {
        let request = marked(scheme, host, port);
        assert_clean(&format!("{request:?} {route:?}"));
        let error = bench
            .client
            .send(request, &route, &options)
            .await
            .expect_err(host);
        kinds.insert(error.kind().label());
        assert_clean(&format!("{error} {error:?} {error:#?}"));
    }
    assert!(kinds.len() >= 9, "too few kinds of errors: {kinds:?}");
}

#[tokio::test]
async fn debug_of_a_response_shows_no_content() {
    let origin = Origin::plain(|_| {
        Answer::Send(format!(
            "HTTP/1.1 200 OK\r\nSet-Cookie: {MARK}\r\nContent-Length: 12\r\n\r\n{MARK}"
        ))
    })
    .await;
    let response = Bench::usual()
        .send(
            marked("http", "service.test", origin.port()),
            &Route::default(),
        )
        .await
        .unwrap();
    assert_eq!(response.body, MARK);
    let shown = format!("{response:?}");
    assert!(shown.contains("set-cookie"), "{shown}");
    assert_clean(&shown);
}
