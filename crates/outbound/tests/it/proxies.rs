//! Through proxies of every kind, and around them.

use outbound::{
    HttpError, HttpErrorKind, ProxyEnvironment, ProxyReason, Route, StreamTarget, StreamTransport,
};

use crate::certificates::Authority;
use crate::origin::{Origin, reply};
use crate::proxy_server::ProxyServer;
use crate::setup::{Bench, get, post, through, trusting};

fn proxy_reason(error: &HttpError) -> Option<ProxyReason> {
    match error {
        HttpError::Proxy { reason, .. } => Some(*reason),
        _ => None,
    }
}

#[tokio::test]
async fn three_requests_share_one_tunnel_with_credentials_and_client_certificate() {
    let authority = Authority::new();
    let server = authority.issue(&["service.test"]);
    let client = authority.issue(&["client.test"]);
    let origin = Origin::tls(&server, Some(&authority.pem), |_| reply("200 OK", "")).await;
    let proxy = ProxyServer::http(origin.address, Some(("bob", "s@cret")), None).await;
    let bench = Bench::usual();
    let route = through(
        trusting(&authority.pem, Some(&client)),
        &format!("http://bob:s%40cret@proxy.test:{}", proxy.port()),
    );
    for _ in 0..3 {
        bench
            .send(post("https://service.test/hook", "{}"), &route)
            .await
            .unwrap();
    }
    let asked = proxy.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].line, "CONNECT service.test:443 HTTP/1.1");
    let seen = origin.seen();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.line, "POST /hook HTTP/1.1");
        assert_eq!(request.connection, 1);
        assert_eq!(request.header("proxy-authorization"), None);
    }
    assert_eq!(
        bench.counter(r#"fanfare_outbound_connections_opened_total{via="proxy"}"#),
        1
    );
}

#[tokio::test]
async fn a_proxy_behind_tls_tunnels_tls() {
    let authority = Authority::new();
    let server = authority.issue(&["service.test"]);
    let proxy_pair = authority.issue(&["proxy.test"]);
    let origin = Origin::tls(&server, None, |_| reply("200 OK", "inner")).await;
    let proxy = ProxyServer::http(origin.address, None, Some(&proxy_pair)).await;
    let route = through(
        trusting(&authority.pem, None),
        &format!("https://proxy.test:{}", proxy.port()),
    );
    let response = Bench::usual()
        .send(get("https://service.test/"), &route)
        .await
        .unwrap();
    assert_eq!(response.body, "inner");
    assert_eq!(proxy.asked().len(), 1);
}

#[tokio::test]
async fn missing_and_wrong_proxy_credentials_are_told() {
    let authority = Authority::new();
    let origin = Origin::ok().await;
    let proxy = ProxyServer::http(origin.address, Some(("bob", "right")), None).await;
    let bench = Bench::usual();
    for credentials in ["", "bob:wrong@"] {
        for target in ["https://service.test/", "http://service.test/"] {
            let route = through(
                trusting(&authority.pem, None),
                &format!("http://{credentials}proxy.test:{}", proxy.port()),
            );
            let error = bench.send(get(target), &route).await.unwrap_err();
            assert_eq!(proxy_reason(&error), Some(ProxyReason::Unauthorized));
            assert_eq!(error.kind(), HttpErrorKind::Proxy);
            assert!(!error.to_string().contains("wrong"), "{error}");
        }
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test]
async fn plain_requests_name_their_target_in_full() {
    let origin = Origin::ok().await;
    let proxy = ProxyServer::http(origin.address, Some(("bob", "pw")), None).await;
    let route = through(
        Route::default(),
        &format!("http://bob:pw@proxy.test:{}", proxy.port()),
    );
    let response = Bench::usual()
        .send(post("http://service.test:8080/a?b", "hi"), &route)
        .await
        .unwrap();
    assert_eq!(response.body, "proxied");
    let asked = proxy.asked();
    assert_eq!(asked[0].line, "POST http://service.test:8080/a?b HTTP/1.1");
    assert_eq!(asked[0].header("host"), Some("service.test:8080"));
    assert_eq!(asked[0].body, b"hi");
}

#[tokio::test]
async fn socks_proxies_resolve_the_name_and_check_credentials() {
    let authority = Authority::new();
    let server = authority.issue(&["only-the-proxy-knows.test"]);
    let origin = Origin::tls(&server, None, |_| reply("200 OK", "")).await;
    let proxy = ProxyServer::socks5(origin.address, Some(("bob", "pw"))).await;
    let bench = Bench::usual();
    let target = "https://only-the-proxy-knows.test/";
    let route = |credentials: &str| {
        through(
            trusting(&authority.pem, None),
            &format!("socks5://{credentials}proxy.test:{}", proxy.port()),
        )
    };
    bench.send(get(target), &route("bob:pw@")).await.unwrap();
    assert_eq!(proxy.asked()[0].line, "only-the-proxy-knows.test:443");

    for credentials in ["bob:wrong@", ""] {
        let error = bench
            .send(get(target), &route(credentials))
            .await
            .unwrap_err();
        assert_eq!(proxy_reason(&error), Some(ProxyReason::Unauthorized));
    }
}

#[tokio::test]
async fn plain_requests_through_socks_look_direct() {
    let origin = Origin::ok().await;
    let proxy = ProxyServer::socks5(origin.address, None).await;
    let route = through(
        Route::default(),
        &format!("socks5://proxy.test:{}", proxy.port()),
    );
    Bench::usual()
        .send(get("http://service.test/a"), &route)
        .await
        .unwrap();
    assert_eq!(origin.seen()[0].line, "GET /a HTTP/1.1");
}

#[tokio::test]
async fn the_environment_decides_unless_the_route_names_a_proxy() {
    let origin = Origin::ok().await;
    let proxy = ProxyServer::http(origin.address, None, None).await;
    let address = format!("http://proxy.test:{}", proxy.port());
    let mut settings = Bench::settings();
    settings.environment =
        ProxyEnvironment::parse(Some(&address), None, Some("service.test")).unwrap();
    let bench = Bench::new(settings);
    let excepted = format!("http://service.test:{}/", origin.port());
    let other = format!("http://other.test:{}/", origin.port());

    bench.send(get(&excepted), &Route::default()).await.unwrap();
    assert_eq!((origin.seen().len(), proxy.asked().len()), (1, 0));

    bench.send(get(&other), &Route::default()).await.unwrap();
    assert_eq!((origin.seen().len(), proxy.asked().len()), (1, 1));

    let explicit = through(Route::default(), &address);
    bench.send(get(&excepted), &explicit).await.unwrap();
    assert_eq!((origin.seen().len(), proxy.asked().len()), (1, 2));
}

#[tokio::test]
async fn something_that_is_no_proxy_is_told() {
    let authority = Authority::new();
    let origin = Origin::plain(|_| reply("404 Not Found", "")).await;
    let route = through(
        trusting(&authority.pem, None),
        &format!("http://proxy.test:{}", origin.port()),
    );
    let error = Bench::usual()
        .send(get("https://service.test/"), &route)
        .await
        .unwrap_err();
    assert_eq!(
        proxy_reason(&error),
        Some(ProxyReason::Status(http::StatusCode::NOT_FOUND))
    );
}

#[tokio::test]
async fn other_protocols_dial_through_the_same_proxies_and_guards() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let authority = Authority::new();
    let server = authority.issue(&["service.test"]);
    let origin = Origin::tls(&server, None, |_| reply("200 OK", "raw")).await;
    let proxy = ProxyServer::socks5(origin.address, None).await;
    let route = through(
        trusting(&authority.pem, None),
        &format!("socks5://proxy.test:{}", proxy.port()),
    );
    let client = Bench::usual().client;
    let target = |host: &str| StreamTarget {
        scheme: "nats",
        host: host.to_owned(),
        port: 4222,
    };
    let service = target("service.test");
    let stream = client.connect(&service, &route).await.unwrap();
    let mut stream = client.start_tls(stream, &service, &route).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    assert_eq!(proxy.asked()[0].line, "service.test:4222");

    for metadata in ["169.254.169.254", "[::ffff:169.254.169.254]"] {
        let denied = client.connect(&target(metadata), &route).await.err();
        assert!(
            matches!(denied, Some(HttpError::Denied { .. })),
            "{metadata}"
        );
        let direct = client.connect(&target(metadata), &Route::default()).await;
        let denied = direct.err().unwrap();
        assert!(denied.to_string().starts_with("nats://"), "{denied}");
    }
}
