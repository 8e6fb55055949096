//! Forbidden addresses are not dialled, however they are spelt.

use std::sync::Arc;

use outbound::{EgressPolicy, HttpError, HttpErrorKind, Route};

use crate::origin::Origin;
use crate::proxy_server::ProxyServer;
use crate::setup::{Bench, Names, get, through};

fn bench() -> Bench {
    let mut settings = Bench::settings();
    settings.resolver = Arc::new(Names::of(&[
        ("metadata.test", &["169.254.169.254"]),
        ("mapped.test", &["::ffff:169.254.169.254"]),
        ("mixed.test", &["169.254.169.254", "127.0.0.1"]),
        ("proxy.test", &["127.0.0.1"]),
    ]));
    Bench::new(settings)
}

#[tokio::test]
async fn metadata_addresses_are_denied_as_literals_and_behind_names() {
    let bench = bench();
    for target in [
        "http://169.254.169.254/latest/meta-data",
        "http://0xa9fea9fe/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
        "https://169.254.169.254/",
        "http://metadata.test/",
        "https://mapped.test/",
    ] {
        let error = bench
            .send(get(target), &Route::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Denied, "{target}: {error}");
        assert!(!error.to_string().contains("latest"), "{error}");
    }
}

#[tokio::test]
async fn a_literal_target_behind_a_proxy_and_the_proxy_itself_are_checked() {
    let origin = Origin::ok().await;
    let proxy = ProxyServer::http(origin.address, None, None).await;
    let bench = bench();
    let good_proxy = format!("http://proxy.test:{}", proxy.port());
    for target in ["http://169.254.169.254/", "https://169.254.169.254/"] {
        let route = through(Route::default(), &good_proxy);
        let error = bench.send(get(target), &route).await.unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Denied, "{target}");
    }
    assert!(proxy.asked().is_empty());
    for bad_proxy in ["http://metadata.test:3128", "socks5://169.254.169.254"] {
        let route = through(Route::default(), bad_proxy);
        let error = bench
            .send(get("http://service.test/"), &route)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Denied, "{bad_proxy}");
    }
}

#[tokio::test]
async fn a_name_with_a_forbidden_and_a_permitted_address_uses_the_permitted_one() {
    let origin = Origin::ok().await;
    let target = format!("http://mixed.test:{}/", origin.port());
    bench().send(get(&target), &Route::default()).await.unwrap();
    assert_eq!(origin.seen().len(), 1);
}

#[tokio::test]
async fn denied_networks_are_not_dialled() {
    let origin = Origin::ok().await;
    let mut settings = Bench::settings();
    settings.egress = EgressPolicy {
        allow: Vec::new(),
        deny: vec!["127.0.0.0/8".parse().unwrap()],
        refuse_loopback: false,
    };
    let target = format!("http://service.test:{}/", origin.port());
    let error = Bench::new(settings)
        .send(get(&target), &Route::default())
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::Denied { .. }), "{error}");
    assert!(origin.seen().is_empty());
}
