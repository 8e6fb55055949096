//! Times and sizes end where they should.

use std::net::Ipv4Addr;
use std::time::Duration;

use http::StatusCode;
use outbound::{HttpError, HttpErrorKind, HttpTransport, Phase, Route, SendOptions};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::origin::{Answer, Origin, reply};
use crate::setup::{Bench, get, post};

/// Enough for loopback on a busy machine, short enough to wait for.
const BRIEF: Duration = Duration::from_millis(300);

#[tokio::test]
async fn a_long_body_is_cut_at_the_limit() {
    let origin = Origin::plain(|_| reply("200 OK", &"x".repeat(100_000))).await;
    let target = format!("http://service.test:{}/", origin.port());
    let bench = Bench::usual();
    let options = SendOptions::within(Duration::from_secs(20));
    assert_eq!(options.max_response_bytes, 64 * 1024);
    let response = bench
        .client
        .send(get(&target), &Route::default(), &options)
        .await
        .unwrap();
    assert_eq!(response.body.len(), 64 * 1024);
    assert!(response.truncated);
    assert!(bench.send(get(&target), &Route::default()).await.is_ok());
}

#[tokio::test]
async fn a_body_that_drips_for_ever_ends_at_the_deadline_with_its_status() {
    let origin = Origin::plain(|_| {
        Answer::Drip("HTTP/1.1 201 Created\r\nContent-Length: 99999999\r\n\r\nx".to_owned())
    })
    .await;
    let target = format!("http://service.test:{}/", origin.port());
    let response = Bench::usual()
        .client
        .send(get(&target), &Route::default(), &SendOptions::within(BRIEF))
        .await
        .unwrap();
    assert_eq!(response.status, StatusCode::CREATED);
    assert!(response.truncated);
    assert!(!response.body.is_empty());
    assert!(
        response.body.len() < 64 * 1024,
        "ended by time, not by size"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_keeps_its_status() {
    let origin = Origin::plain(|_| {
        Answer::SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_owned())
    })
    .await;
    let target = format!("http://service.test:{}/", origin.port());
    let response = Bench::usual()
        .send(get(&target), &Route::default())
        .await
        .unwrap();
    assert_eq!(
        (response.body.as_ref(), response.truncated),
        (&b"half"[..], true)
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_at_the_deadline() {
    let origin = Origin::plain(|_| Answer::Hang).await;
    let target = format!("http://service.test:{}/", origin.port());
    let bench = Bench::usual();
    let error = bench
        .client
        .send(get(&target), &Route::default(), &SendOptions::within(BRIEF))
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            HttpError::Timeout {
                phase: Phase::Response,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(
        bench.counter(r#"fanfare_outbound_requests_total{outcome="timeout"}"#),
        1
    );
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_left_at_the_tls_limit() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut settings = Bench::settings();
    settings.tls_timeout = BRIEF;
    let authority = crate::certificates::Authority::new();
    let error = Bench::new(settings)
        .send(
            get(&format!("https://service.test:{port}/")),
            &crate::setup::trusting(&authority.pem, None),
        )
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            HttpError::Timeout {
                phase: Phase::Tls,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_reset_after_the_request_is_a_lost_connection() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Closing with something unread makes the system send a reset.
        stream.read_u8().await.unwrap();
    });
    let error = Bench::usual()
        .send(
            post(&format!("http://service.test:{port}/"), "body"),
            &Route::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind(), HttpErrorKind::ConnectionLost, "{error}");
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_unreachable() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let bench = Bench::usual();
    for target in [
        format!("http://service.test:{port}/"),
        "http://unknown.test/".to_owned(),
    ] {
        let error = bench
            .send(get(&target), &Route::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn what_is_no_http_and_heads_without_end_are_invalid_responses() {
    let endless = format!("HTTP/1.1 200 OK\r\nX-Long: {}", "x".repeat(200_000));
    for answer in ["SSH-2.0-OpenSSH\r\n\r\n".to_owned(), endless] {
        let origin = Origin::plain(move |_| Answer::SendAndClose(answer.clone())).await;
        let target = format!("http://service.test:{}/", origin.port());
        let error = Bench::usual()
            .send(get(&target), &Route::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::InvalidResponse, "{error}");
    }
}

#[tokio::test]
async fn other_schemes_are_not_sent() {
    for target in ["ftp://service.test/", "unix:/run/x", "data:,x"] {
        let error = Bench::usual()
            .send(get(target), &Route::default())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), HttpErrorKind::InvalidRequest, "{error}");
    }
}
