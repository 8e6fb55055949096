//! Which redirects are followed, and with what.

use http::{HeaderValue, StatusCode, header};
use outbound::{HttpError, HttpErrorKind, Route};

use crate::origin::{Origin, moved, reply};
use crate::setup::{Bench, post};

#[tokio::test]
async fn a_307_on_the_same_host_keeps_method_body_and_credentials() {
    let origin = Origin::plain(|seen| match seen.line.as_str() {
        "POST /old HTTP/1.1" => moved("307 Temporary Redirect", "/new"),
        _ => reply("204 No Content", ""),
    })
    .await;
    let mut request = post(
        &format!("http://service.test:{}/old", origin.port()),
        "body",
    );
    let token = HeaderValue::from_static("Bearer t");
    request.headers.insert(header::AUTHORIZATION, token);
    let response = Bench::usual()
        .send(request, &Route::default())
        .await
        .unwrap();
    assert_eq!(response.status, StatusCode::NO_CONTENT);
    let seen = origin.seen();
    assert_eq!(seen[1].line, "POST /new HTTP/1.1");
    assert_eq!(seen[1].body, b"body");
    assert_eq!(seen[1].header("authorization"), Some("Bearer t"));
    assert_eq!(seen[1].connection, 1, "the connection is used again");
}

#[tokio::test]
async fn a_302_on_the_same_host_becomes_a_get_without_body() {
    let origin = Origin::plain(|seen| match seen.line.as_str() {
        "POST /old HTTP/1.1" => moved("302 Found", "/new"),
        _ => reply("200 OK", "seen"),
    })
    .await;
    let mut request = post(&format!("http://service.test:{}/old", origin.port()), "{}");
    let json = HeaderValue::from_static("application/json");
    request.headers.insert(header::CONTENT_TYPE, json);
    let response = Bench::usual()
        .send(request, &Route::default())
        .await
        .unwrap();
    assert_eq!(response.body, "seen");
    let seen = origin.seen();
    assert_eq!(seen[1].line, "GET /new HTTP/1.1");
    assert_eq!(seen[1].header("content-type"), None);
    assert!(seen[1].body.is_empty());
}

#[tokio::test]
async fn another_host_never_sees_the_request() {
    let elsewhere = Origin::ok().await;
    let there = format!("http://other.test:{}/path-s3cret", elsewhere.port());
    let origin = Origin::plain(move |_| moved("308 Permanent Redirect", &there)).await;
    let bench = Bench::usual();
    let target = format!("http://service.test:{}/", origin.port());
    let error = bench
        .send(post(&target, "body"), &Route::default())
        .await
        .unwrap_err();
    assert!(matches!(error, HttpError::RedirectElsewhere { .. }));
    assert_eq!(error.kind(), HttpErrorKind::Redirect);
    assert!(error.to_string().contains("other.test"), "{error}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert!(elsewhere.seen().is_empty());
    assert_eq!(
        bench.counter(r#"fanfare_outbound_requests_total{outcome="redirect"}"#),
        1
    );
}

#[tokio::test]
async fn the_fourth_redirect_is_one_too_many() {
    let origin = Origin::plain(|_| moved("307 Temporary Redirect", "/again")).await;
    let target = format!("http://service.test:{}/", origin.port());
    let error = Bench::usual()
        .send(post(&target, ""), &Route::default())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        HttpError::TooManyRedirects { limit: 3, .. }
    ));
    assert_eq!(origin.seen().len(), 4);
}
