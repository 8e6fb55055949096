//! An event port that takes events from known senders only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use api::Secret;
use domain::ports::{SenderCheck, SenderRefused};
use futures::future::{self, BoxFuture, FutureExt as _};

use crate::support::{Answer, Port, event};

/// Knows senders by their tokens.
#[derive(Default)]
struct Doorkeeper {
    asked: AtomicUsize,
}

impl SenderCheck for Doorkeeper {
    fn check<'a>(&'a self, token: &'a Secret<String>) -> BoxFuture<'a, Result<(), SenderRefused>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let verdict = match token.expose().as_str() {
            "good" => Ok(()),
            "stranger" => Err(SenderRefused::NotAllowed),
            "busy" => Err(SenderRefused::Undecided),
            "fatal" => panic!("{token:?} is too much"),
            _ => Err(SenderRefused::Unknown),
        };
        future::ready(verdict).boxed()
    }
}

async fn post(port: &Port, authorization: Option<&str>, body: &str) -> Answer {
    let header = authorization
        .map(|value| format!("Authorization: {value}\r\n"))
        .unwrap_or_default();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: events\r\n{header}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    port.exchange(request.as_bytes(), false).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_are_told_apart_by_their_bearer_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start_only_from(&directory, Arc::new(Doorkeeper::default())).await;
    let cases = [
        (None, 401),
        (Some("Bearer wrong"), 401),
        (Some("Bearer "), 401),
        (Some("Bearer"), 401),
        (Some("Basic good"), 401),
        (Some("good"), 401),
        (Some("Bearer stranger"), 403),
        (Some("Bearer busy"), 503),
        (Some("Bearer good"), 202),
        (Some("bearer  good "), 202),
    ];
    for (number, (authorization, status)) in cases.into_iter().enumerate() {
        let answer = post(&port, authorization, &event("a", &number.to_string())).await;
        assert_eq!(answer.status, status, "{authorization:?}");
        assert_eq!(answer.body, "", "{authorization:?}");
        let asks_for_token = answer.headers.contains_key("www-authenticate");
        assert_eq!(asks_for_token, status == 401, "{authorization:?}");
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503);
    }
    port.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_without_a_token_is_refused_before_its_body_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let doorkeeper = Arc::new(Doorkeeper::default());
    let port = Port::start_only_from(&directory, doorkeeper.clone()).await;
    // The body never comes.
    let request = b"POST / HTTP/1.1\r\nHost: events\r\nContent-Length: 3000000\r\n\r\n";
    let answer = port.exchange(request, false).await.unwrap();
    assert_eq!(answer.status, 401);
    assert_eq!(doorkeeper.asked.load(Ordering::Relaxed), 0);
    port.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_panics_is_answered_and_the_next_one_as_ever() {
    let directory = tempfile::tempdir().unwrap();
    let port = Port::start_only_from(&directory, Arc::new(Doorkeeper::default())).await;
    for number in 0..3 {
        let answer = post(&port, Some("Bearer fatal"), &event("a", "b")).await;
        assert_eq!((answer.status, &*answer.body), (500, ""));
        assert_eq!(answer.headers["connection"], "close");
        let good = post(&port, Some("Bearer good"), &event("a", &number.to_string())).await;
        assert_eq!(good.status, 202);
    }
    port.stop().await;
}
