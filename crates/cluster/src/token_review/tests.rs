//! Senders, asked about on a server that knows some tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use api::Secret;
use domain::ports::{SenderCheck as _, SenderRefused};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::{AllowedAccount, KNOWN, MOST_ANSWERS, TokenReviewer, UNKNOWN};

#[derive(Default)]
struct Server {
    asked: AtomicUsize,
    broken: std::sync::atomic::AtomicBool,
}

impl Server {
    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) {
            let mut response = Response::new(Body::from(b"down".to_vec()));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return response;
        }
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut review: Value = serde_json::from_slice(&body).unwrap();
        let token = review["spec"]["token"].as_str().unwrap().to_owned();
        // A known token is the user's name.
        review["status"] = match token.strip_prefix("token-of ") {
            Some(user) => json!({"authenticated": true, "user": {"username": user}}),
            None => json!({"authenticated": false, "error": "no such token"}),
        };
        Response::new(Body::from(serde_json::to_vec(&review).unwrap()))
    }
}

fn reviewer(allowed: &[&str]) -> (TokenReviewer, Arc<Server>) {
    let server = Arc::new(Server::default());
    let asked = server.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let server = asked.clone();
        async move { Ok::<_, std::convert::Infallible>(server.answer(request).await) }
    });
    let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
    (
        TokenReviewer::new(Client::new(service, "flux-system"), allowed),
        server,
    )
}

async fn check(reviewer: &TokenReviewer, token: &str) -> Result<(), SenderRefused> {
    reviewer.check(&Secret::new(token.to_owned())).await
}

#[tokio::test(start_paused = true)]
async fn accounts_on_the_list_may_send_and_others_may_not() {
    let (reviewer, _) = reviewer(&["flux-system/*", "team-a/sender"]);
    let account = |account: &str| format!("token-of system:serviceaccount:{account}");
    for allowed in ["flux-system:source-controller", "team-a:sender"] {
        assert_eq!(check(&reviewer, &account(allowed)).await, Ok(()));
    }
    for refused in [
        "team-a:other",
        "flux-system-2:source-controller",
        "team-a",
        ":",
        "a:b:c",
    ] {
        let verdict = check(&reviewer, &account(refused)).await;
        assert_eq!(verdict, Err(SenderRefused::NotAllowed), "{refused}");
    }
    assert_eq!(
        check(&reviewer, "token-of system:admin").await,
        Err(SenderRefused::NotAllowed)
    );
    assert_eq!(
        check(&reviewer, "made-up").await,
        Err(SenderRefused::Unknown)
    );
}

#[tokio::test(start_paused = true)]
async fn answers_are_kept_for_a_while() {
    let (reviewer, server) = reviewer(&["a/*"]);
    for _ in 0..5 {
        check(&reviewer, "token-of system:serviceaccount:a:b")
            .await
            .unwrap();
        check(&reviewer, "made-up").await.unwrap_err();
    }
    assert_eq!(server.asked.load(Ordering::Relaxed), 2);
    tokio::time::advance(UNKNOWN).await;
    check(&reviewer, "token-of system:serviceaccount:a:b")
        .await
        .unwrap();
    check(&reviewer, "made-up").await.unwrap_err();
    assert_eq!(server.asked.load(Ordering::Relaxed), 3);
    tokio::time::advance(KNOWN).await;
    check(&reviewer, "token-of system:serviceaccount:a:b")
        .await
        .unwrap();
    assert_eq!(server.asked.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn when_nobody_can_be_asked_the_sender_may_try_again() {
    let (reviewer, server) = reviewer(&["a/*"]);
    server.broken.store(true, Ordering::Relaxed);
    let token = "token-of system:serviceaccount:a:b";
    assert_eq!(check(&reviewer, token).await, Err(SenderRefused::Undecided));
    server.broken.store(false, Ordering::Relaxed);
    assert_eq!(check(&reviewer, token).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn made_up_tokens_take_no_room_from_known_ones() {
    let (reviewer, _) = reviewer(&["a/*"]);
    let token = "token-of system:serviceaccount:a:b";
    check(&reviewer, token).await.unwrap();
    for number in 0..(2 * MOST_ANSWERS) {
        check(&reviewer, &format!("made-up {number}"))
            .await
            .unwrap_err();
    }
    let answers = reviewer.answers.lock().unwrap();
    assert!(answers.len() <= MOST_ANSWERS);
    assert!(answers.values().any(|answer| answer.verdict.is_ok()));
}

#[test]
fn accounts_are_written_as_namespace_and_name() {
    assert_eq!("a/*".parse(), Ok(AllowedAccount::all_of("a")));
    for wrong in [
        "",
        "a",
        "a/",
        "/b",
        "*/b",
        "a/b/c",
        "A/b",
        "system:serviceaccount:a:b",
    ] {
        let error = wrong.parse::<AllowedAccount>().unwrap_err();
        assert!(error.to_string().contains("namespace/name"), "{error}");
    }
}
